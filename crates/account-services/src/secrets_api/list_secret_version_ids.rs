//! ListSecretVersionIds: the versions of a secret.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use serde::{Deserialize, Serialize};
use store::tables::secret_versions::{self, SecretVersion};
use store::tables::secrets::SecretId;

use super::constraints::{self, Check, Page};
use super::shapes::need;

/// Lists the versions of a secret, the newest first; those without a stage only if asked for.
pub struct ListSecretVersionIds;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    secret_id: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
    include_deprecated: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    versions: Vec<Version>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    version_stages: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_accessed_date: Option<Timestamp>,
    created_date: Timestamp,
}

impl Version {
    fn new(stored: SecretVersion) -> Self {
        Self {
            version_id: stored.version_id,
            version_stages: stored.stages,
            last_accessed_date: stored.accessed_at_ms.map(Timestamp::from_ms),
            created_date: Timestamp::from_ms(stored.created_at_ms),
        }
    }
}

/// The input, validated.
pub struct Checked {
    id: SecretId,
    page: Page,
    with_deprecated: bool,
}

impl Operation for ListSecretVersionIds {
    const NAME: &'static str = "ListSecretVersionIds";
    const ACTION: Action = Action::SecretsManagerListSecretVersionIds;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, SecretsError> {
        let id = constraints::secret_id(call, input.secret_id)?;
        let with_deprecated = input.include_deprecated.unwrap_or(false);
        let list = format!("{}{id:?}{with_deprecated}", Self::NAME);
        let page = Check::page(List::of(&list), input.max_results, input.next_token.as_deref(), 100, 100)?;
        Ok(Checked { id, page, with_deprecated })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![need(Self::ACTION, &checked.id)]
    }

    async fn run(call: &Call<'_>, Checked { id, page, with_deprecated }: Checked) -> Result<Output, SecretsError> {
        let listed = call.app.db.read(move |tx| {
            let secret = stored::require(tx, &id)?;
            let versions = secret_versions::list(tx, secret.id)?;
            Ok::<_, SecretsError>((secret, versions))
        });
        let (secret, mut versions) = listed.await?;
        versions.retain(|version| with_deprecated || !version.stages.is_empty());
        if let Some((after, created_at_ms)) = &page.after {
            // The newest come first.
            versions.retain(|version| (version.created_at_ms, &version.version_id) < (*created_at_ms, after));
        }
        let next_token = page.cut(&mut versions, |last| (last.version_id.clone(), last.created_at_ms));
        let versions = versions.into_iter().map(Version::new).collect();
        Ok(Output { versions, next_token, arn: secret.arn(), name: secret.name })
    }
}
