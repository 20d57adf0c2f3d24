//! PutSecretValue: adds a version to a secret.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use access::secret_values::value::{HiddenText, SecretValue};
use access::secret_values::versions::{self, NewVersion};
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::secrets::{self, Secret, SecretId};

use super::constraints::{self, Check};
use super::shapes::need;

/// Adds a version to a secret, and gives it the stages that are asked for.
pub struct PutSecretValue;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    secret_id: Option<String>,
    client_request_token: Option<String>,
    secret_binary: Option<HiddenText>,
    secret_string: Option<HiddenText>,
    version_stages: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    version_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    version_stages: Vec<String>,
}

/// The input, validated.
pub struct Checked {
    id: SecretId,
    version: NewVersion,
}

impl Operation for PutSecretValue {
    const NAME: &'static str = "PutSecretValue";
    const ACTION: Action = Action::SecretsManagerPutSecretValue;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, SecretsError> {
        let id = constraints::secret_id(call, input.secret_id)?;
        let value = SecretValue::from_members(input.secret_string, input.secret_binary)?
            .ok_or_else(|| SecretsError::parameter("You must provide either SecretString or SecretBinary."))?;
        if let Some(stages) = &input.version_stages {
            Check::count("VersionStages", stages.len(), 1, 20)?;
            stages.iter().try_for_each(|stage| constraints::stage(stage))?;
        }
        let version_id = constraints::client_token(input.client_request_token)?;
        Ok(Checked { id, version: NewVersion { id: version_id, value, stages: input.version_stages } })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![need(Self::ACTION, &checked.id)]
    }

    async fn run(call: &Call<'_>, Checked { id, version }: Checked) -> Result<Output, SecretsError> {
        let (key, now_ms) = (call.app.key_ring.clone(), call.app.now_ms());
        let put = call.app.db.write(move |tx| {
            let secret = stored::require_live(tx, &id)?;
            let version_stages = versions::put(tx, &key, &secret, &version, now_ms)?;
            let secret = Secret { changed_at_ms: now_ms, ..secret };
            secrets::update(tx, &secret)?;
            let version_id = version.id.clone();
            Ok::<_, SecretsError>(Output { arn: secret.arn(), name: secret.name, version_id, version_stages })
        });
        put.await
    }
}
