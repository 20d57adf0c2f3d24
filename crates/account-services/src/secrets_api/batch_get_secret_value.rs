//! BatchGetSecretValue: the current values of several secrets.

use access::action::Action;
use access::auth::authorize::{Need, authorize};
use access::secret_values::errors::SecretsError;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use aws::AwsError;
use runtime::aws_error::IntoAwsError;
use serde::{Deserialize, Serialize};
use store::tables::secrets::{SecretId, SecretOrder};

use super::constraints::{self, Check, Page};
use super::filters::{Filter, FilterMember};
use super::get_secret_value::{self, GetSecretValue};
use super::list_secrets::{Listing, list};

/// Reads the current values of the secrets that are named, or that match filters, and tells which could not be read.
pub struct BatchGetSecretValue;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    secret_id_list: Option<Vec<String>>,
    filters: Option<Vec<FilterMember>>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    secret_values: Vec<get_secret_value::Output>,
    errors: Vec<ValueError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ValueError {
    secret_id: String,
    error_code: &'static str,
    message: String,
}

/// The input, validated.
pub enum Checked {
    /// These, as they were named.
    Named(Vec<(String, SecretId)>),
    /// Those that pass the filters.
    Filtered(Vec<Filter>, Page),
}

impl Operation for BatchGetSecretValue {
    const NAME: &'static str = "BatchGetSecretValue";
    const ACTION: Action = Action::SecretsManagerBatchGetSecretValue;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, SecretsError> {
        match (input.secret_id_list, input.filters) {
            (Some(ids), None) => {
                Check::count("SecretIdList", ids.len(), 1, 20)?;
                let named = ids.into_iter().map(|text| {
                    let id = constraints::secret_id(call, Some(text.clone()))?;
                    Ok((text, id))
                });
                Ok(Checked::Named(named.collect::<Result<_, SecretsError>>()?))
            }
            (None, Some(filters)) => {
                let list = format!("{}{filters:?}", Self::NAME);
                let page = Check::page(List::of(&list), input.max_results, input.next_token.as_deref(), 20, 20)?;
                Ok(Checked::Filtered(Filter::list(Some(filters))?, page))
            }
            _ => Err(SecretsError::parameter("Either SecretIdList or Filters must be given, and not both.")),
        }
    }

    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, SecretsError> {
        let (named, next_token) = match checked {
            Checked::Named(named) => (named, None),
            Checked::Filtered(filters, page) => {
                let listing =
                    Listing { filters, with_deleted: false, order: SecretOrder::Created, is_descending: false };
                let (found, next_token) = list(call, listing, page).await?;
                let registry = call.own_registry();
                let named = found.into_iter().map(|secret| {
                    let id = SecretId { registry: registry.clone(), text: secret.name.clone(), is_arn: false };
                    (secret.arn(), id)
                });
                (named.collect(), next_token)
            }
        };
        let mut output = Output { secret_values: Vec::new(), errors: Vec::new(), next_token };
        for (secret_id, id) in named {
            match value(call, id).await {
                Ok(value) => output.secret_values.push(value),
                Err(error) => {
                    let AwsError { code: error_code, message, .. } = error.into_aws_error(call.http.request_id);
                    output.errors.push(ValueError { secret_id, error_code, message });
                }
            }
        }
        Ok(output)
    }
}

/// Each secret needs the permission for its value, as if it were asked for alone.
async fn value(call: &Call<'_>, id: SecretId) -> Result<get_secret_value::Output, SecretsError> {
    let need = Need::on_secret(GetSecretValue::ACTION, id.clone())
        .with("secretsmanager:VersionStage", [access::secret_values::versions::CURRENT]);
    authorize(call.http, &call.caller, &need).await?;
    get_secret_value::read(call.app, id, None, None).await
}
