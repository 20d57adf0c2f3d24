//! DescribeRepositoryCreationTemplates: lists the creation templates of a registry.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryPrefix;
use serde::{Deserialize, Serialize};
use store::tables::creation_templates;

use super::constraints::{self, Check, Page};
use super::creation_templates::{MAX_TEMPLATES, RepositoryCreationTemplate, prefix};
use super::errors::EcrError;

/// Lists the creation templates that are named by their prefixes, or all of a registry, page by page.
pub struct DescribeRepositoryCreationTemplates;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    prefixes: Option<Vec<String>>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_creation_templates: Vec<RepositoryCreationTemplate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The input, validated.
pub struct Checked {
    /// Only these, if any are named.
    prefixes: Vec<RepositoryPrefix>,
    page: Page,
}

impl Operation for DescribeRepositoryCreationTemplates {
    const NAME: &'static str = "DescribeRepositoryCreationTemplates";
    const ACTION: Action = Action::EcrDescribeRepositoryCreationTemplates;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(_: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let list = List::with_members(Self::NAME, &[&input.prefixes]);
        let page = Check::page(list, input.max_results, input.next_token.as_deref(), 100, 1000)?;
        let prefixes = input.prefixes.unwrap_or_default().into_iter().map(|text| prefix("prefixes", Some(text)));
        Ok(Checked { prefixes: prefixes.collect::<Result<_, _>>()?, page })
    }

    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, Checked { prefixes, page }: Checked) -> Result<Output, EcrError> {
        let registry = call.own_registry();
        let (place, [after, _]) = (registry.clone(), page.after.clone());
        // A registry has so few that all of them are one page.
        let limit = usize::try_from(MAX_TEMPLATES).unwrap_or(usize::MAX);
        let mut found = call.app.db.read(move |tx| creation_templates::list(tx, &place, &after, limit)).await?;
        found.retain(|template| prefixes.is_empty() || prefixes.contains(&template.prefix));
        let next_token = page.cut(&mut found, |last| constraints::after(last.prefix.key()));
        Ok(Output {
            registry_id: registry.account.to_string(),
            repository_creation_templates: found.into_iter().map(Into::into).collect(),
            next_token,
        })
    }
}
