//! GetSecretValue: the value of a version of a secret.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use access::secret_values::value::SecretValue;
use access::secret_values::versions;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::tables::secret_versions::SecretVersion;
use store::tables::secrets::{Secret, SecretId};

use super::constraints;
use super::shapes::need;

/// Reads the value of a version of a secret: the current one, if none is named.
pub struct GetSecretValue;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    secret_id: Option<String>,
    version_id: Option<String>,
    version_stage: Option<String>,
}

/// What the model calls `GetSecretValueResponse`, and in a list of several `SecretValueEntry`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    version_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_binary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_string: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    version_stages: Vec<String>,
    created_date: Timestamp,
}

impl Output {
    fn new(secret: &Secret, version: SecretVersion, value: &SecretValue) -> Self {
        Self {
            arn: secret.arn(),
            name: secret.name.clone(),
            version_id: version.version_id,
            secret_binary: value.binary(),
            secret_string: value.text().map(str::to_owned),
            version_stages: version.stages,
            created_date: Timestamp::from_ms(version.created_at_ms),
        }
    }
}

/// The input, validated.
pub struct Checked {
    id: SecretId,
    version_id: Option<String>,
    stage: Option<String>,
}

impl Operation for GetSecretValue {
    const NAME: &'static str = "GetSecretValue";
    const ACTION: Action = Action::SecretsManagerGetSecretValue;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, SecretsError> {
        if let Some(stage) = &input.version_stage {
            constraints::stage(stage)?;
        }
        Ok(Checked {
            id: constraints::secret_id(call, input.secret_id)?,
            version_id: constraints::version_id("VersionId", input.version_id)?,
            stage: input.version_stage,
        })
    }

    fn needs(_: &Call<'_>, Checked { id, version_id, stage }: &Checked) -> Vec<Need> {
        // Without either it is the current version that is read (SAR: `secretsmanager:VersionStage`).
        let implied = version_id.is_none().then_some(versions::CURRENT);
        let mut need = need(Self::ACTION, id);
        if let Some(stage) = stage.as_deref().or(implied) {
            need = need.with("secretsmanager:VersionStage", [stage]);
        }
        if let Some(version) = version_id {
            need = need.with("secretsmanager:VersionId", [version]);
        }
        vec![need]
    }

    async fn run(call: &Call<'_>, Checked { id, version_id, stage }: Checked) -> Result<Output, SecretsError> {
        read(call.app, id, version_id, stage).await
    }
}

/// Reads a value and notes the day.
pub async fn read(
    app: &Registry,
    id: SecretId,
    version_id: Option<String>,
    stage: Option<String>,
) -> Result<Output, SecretsError> {
    let key = app.key_ring.clone();
    let found = app.db.read(move |tx| {
        let secret = stored::require_live(tx, &id)?;
        let (version, value) = versions::read(tx, &key, &secret, version_id.as_deref(), stage.as_deref())?;
        Ok::<_, SecretsError>((secret, version, value))
    });
    let (secret, version, value) = found.await?;
    let output = Output::new(&secret, version.clone(), &value);
    let day_ms = app.now_ms().div_euclid(DAY_MS) * DAY_MS;
    if secret.accessed_at_ms != Some(day_ms) || version.accessed_at_ms != Some(day_ms) {
        app.db.write(move |tx| versions::note_access(tx, &secret, &version, day_ms)).await?;
    }
    Ok(output)
}
