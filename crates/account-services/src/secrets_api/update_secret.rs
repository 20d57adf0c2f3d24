//! UpdateSecret: changes a secret's description, and its value by adding a current version.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use access::secret_values::value::{HiddenText, SecretValue};
use access::secret_values::versions::{self, NewVersion};
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::secrets::{self, Secret, SecretId};

use super::constraints;
use super::shapes::{need, with_members};

/// Changes the description of a secret, and adds a version with a new value if one is given.
pub struct UpdateSecret;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    secret_id: Option<String>,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    secret_binary: Option<HiddenText>,
    secret_string: Option<HiddenText>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
}

/// The input, validated.
pub struct Checked {
    id: SecretId,
    description: Option<String>,
    kms_key: Option<String>,
    version: Option<NewVersion>,
}

impl Operation for UpdateSecret {
    const NAME: &'static str = "UpdateSecret";
    const ACTION: Action = Action::SecretsManagerUpdateSecret;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, SecretsError> {
        let id = constraints::secret_id(call, input.secret_id)?;
        constraints::description(input.description.as_deref())?;
        constraints::kms_key(input.kms_key_id.as_deref())?;
        let version_id = constraints::client_token(input.client_request_token)?;
        let value = SecretValue::from_members(input.secret_string, input.secret_binary)?;
        let version = value.map(|value| NewVersion { id: version_id, value, stages: None });
        Ok(Checked { id, description: input.description, kms_key: input.kms_key_id, version })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        let Checked { id, description, kms_key, .. } = checked;
        vec![with_members(need(Self::ACTION, id), description.as_deref(), kms_key.as_deref())]
    }

    async fn run(call: &Call<'_>, Checked { id, description, version, .. }: Checked) -> Result<Output, SecretsError> {
        let (key, now_ms) = (call.app.key_ring.clone(), call.app.now_ms());
        let updated = call.app.db.write(move |tx| {
            let secret = stored::require_live(tx, &id)?;
            if let Some(version) = &version {
                versions::put(tx, &key, &secret, version, now_ms)?;
            }
            let mut secret = Secret { changed_at_ms: now_ms, ..secret };
            if let Some(text) = &description {
                secret.description = Some(text.clone());
            }
            secrets::update(tx, &secret)?;
            let version_id = version.as_ref().map(|version| version.id.clone());
            Ok::<_, SecretsError>(Output { arn: secret.arn(), name: secret.name, version_id })
        });
        updated.await
    }
}
