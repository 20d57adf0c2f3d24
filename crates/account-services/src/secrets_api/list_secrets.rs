//! ListSecrets: the secrets of an account and region, filtered and ordered.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::secret_versions;
use store::tables::secrets::{self, Secret, SecretOrder};

use super::constraints::{Check, Page};
use super::filters::{Filter, FilterMember};
use super::shapes::{SecretEntry, Stages, stages};

/// `SortBy`, the first one unless the caller says.
const ORDERS: [(&str, SecretOrder); 4] = [
    ("created-date", SecretOrder::Created),
    ("name", SecretOrder::Name),
    ("last-changed-date", SecretOrder::Changed),
    ("last-accessed-date", SecretOrder::Accessed),
];

/// Lists the secrets of the caller's account and region that match filters, page by page.
pub struct ListSecrets;

/// Secrets that one look at the database takes, before they are filtered.
const BATCH: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    include_planned_deletion: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
    filters: Option<Vec<FilterMember>>,
    sort_order: Option<String>,
    sort_by: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    secret_list: Vec<ListedSecret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListedSecret {
    #[serde(flatten)]
    entry: SecretEntry,
    #[serde(skip_serializing_if = "Stages::is_empty")]
    secret_versions_to_stages: Stages,
}

/// What is listed, and in which order.
pub struct Listing {
    /// All of them must pass.
    pub filters: Vec<Filter>,
    /// Whether those marked for deletion are listed too.
    pub with_deleted: bool,
    /// The order.
    pub order: SecretOrder,
    /// The other way round.
    pub is_descending: bool,
}

/// The input, validated.
pub struct Checked {
    listing: Listing,
    page: Page,
}

impl Operation for ListSecrets {
    const NAME: &'static str = "ListSecrets";
    const ACTION: Action = Action::SecretsManagerListSecrets;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = SecretsError;

    fn check(_: &Call<'_>, input: Input) -> Result<Checked, SecretsError> {
        let asked = (&input.include_planned_deletion, &input.filters, &input.sort_order, &input.sort_by);
        let list = format!("{}{asked:?}", Self::NAME);
        let page = Check::page(List::of(&list), input.max_results, input.next_token.as_deref(), 100, 100)?;
        let sort_by = input.sort_by.as_deref().unwrap_or(ORDERS[0].0);
        let (_, order) = Check::one_of("SortBy", sort_by, &ORDERS, |(name, _)| name)?;
        let sort_order = input.sort_order.as_deref().unwrap_or("asc");
        let is_descending = Check::one_of("SortOrder", sort_order, &["asc", "desc"], |name| name)? == "desc";
        let filters = Filter::list(input.filters)?;
        let with_deleted = input.include_planned_deletion.unwrap_or(false);
        Ok(Checked { listing: Listing { filters, with_deleted, order, is_descending }, page })
    }

    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, Checked { listing, page }: Checked) -> Result<Output, SecretsError> {
        let (found, next_token) = list(call, listing, page).await?;
        let entries = call.app.db.read(move |tx| {
            let mut entries = Vec::new();
            for secret in &found {
                let secret_versions_to_stages = stages(secret_versions::list(tx, secret.id)?);
                entries.push(ListedSecret { entry: SecretEntry::new(secret.clone()), secret_versions_to_stages });
            }
            Ok::<_, SecretsError>(entries)
        });
        Ok(Output { secret_list: entries.await?, next_token })
    }
}

/// One page of the secrets of the caller's account and region, and the token of the next.
pub async fn list(
    call: &Call<'_>,
    listing: Listing,
    page: Page,
) -> Result<(Vec<Secret>, Option<String>), SecretsError> {
    let registry = call.own_registry();
    let Listing { filters, with_deleted, order, is_descending } = listing;
    if page.after.as_ref().is_some_and(|(value, _)| !order.is_place(value)) {
        return Err(SecretsError::InvalidNextToken);
    }
    let place = page.clone();
    let read = call.app.db.read(move |tx| {
        let mut found: Vec<Secret> = Vec::new();
        let mut after = place.after.clone();
        loop {
            let from = after.as_ref().map(|(value, id)| (value.as_str(), *id));
            let batch = secrets::list(tx, &registry, order, is_descending, from, BATCH)?;
            after = batch.last().map(|secret| order.place_of(secret));
            let is_last = batch.len() < BATCH;
            for secret in batch {
                let is_listed = with_deleted || secret.purge_at_ms.is_none();
                if is_listed && filters.iter().all(|filter| filter.matches(&secret)) {
                    found.push(secret);
                }
                // One more than asked for tells that there is a next page.
                if found.len() > place.limit {
                    return Ok::<_, SecretsError>(found);
                }
            }
            if is_last {
                return Ok(found);
            }
        }
    });
    let mut found = read.await?;
    let next_token = page.cut(&mut found, |last| order.place_of(last));
    Ok((found, next_token))
}
