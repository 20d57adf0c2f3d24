//! UpdateSecretVersionStage: moves a stage from one version of a secret to another.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use access::secret_values::versions;
use api::protocols::operation::{Call, Operation};
use serde::Deserialize;
use store::tables::secret_versions::{self, SecretVersion};
use store::tables::secrets::{self, Secret, SecretId};

use super::constraints::{self, Check};
use super::shapes::{SecretName, need};

/// Moves a stage from one version of a secret to another, or takes it away.
pub struct UpdateSecretVersionStage;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    secret_id: Option<String>,
    version_stage: Option<String>,
    remove_from_version_id: Option<String>,
    move_to_version_id: Option<String>,
}

/// The input, validated.
pub struct Checked {
    id: SecretId,
    stage: String,
    from: Option<String>,
    to: Option<String>,
}

impl Operation for UpdateSecretVersionStage {
    const NAME: &'static str = "UpdateSecretVersionStage";
    const ACTION: Action = Action::SecretsManagerUpdateSecretVersionStage;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = SecretName;
    type Checked = Checked;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, SecretsError> {
        let id = constraints::secret_id(call, input.secret_id)?;
        let stage = Check::required("VersionStage", input.version_stage)?;
        constraints::stage(&stage)?;
        let from = constraints::version_id("RemoveFromVersionId", input.remove_from_version_id)?;
        let to = constraints::version_id("MoveToVersionId", input.move_to_version_id)?;
        if from.is_none() && to.is_none() {
            return Err(SecretsError::parameter("Either RemoveFromVersionId or MoveToVersionId must be given."));
        }
        Ok(Checked { id, stage, from, to })
    }

    fn needs(_: &Call<'_>, Checked { id, stage, .. }: &Checked) -> Vec<Need> {
        vec![need(Self::ACTION, id).with("secretsmanager:VersionStage", [stage])]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<SecretName, SecretsError> {
        let now_ms = call.app.now_ms();
        let moved = call.app.db.write(move |tx| {
            let secret = stored::require_live(tx, &checked.id)?;
            let before = secret_versions::list(tx, secret.id)?;
            let after = checked.apply(&before)?;
            versions::store(tx, secret.id, &before, &after)?;
            let secret = Secret { changed_at_ms: now_ms, ..secret };
            secrets::update(tx, &secret)?;
            Ok::<_, SecretsError>(SecretName::new(&secret))
        });
        moved.await
    }
}

impl Checked {
    fn apply(&self, before: &[SecretVersion]) -> Result<Vec<SecretVersion>, SecretsError> {
        let Self { stage, from, to, .. } = self;
        for id in [from, to].into_iter().flatten() {
            if !before.iter().any(|version| version.version_id == *id) {
                return Err(SecretsError::VersionNotFound(format!("VersionId: {id}")));
            }
        }
        let holder = versions::with_stage(before, stage).map(|version| &version.version_id);
        let mut after = before.to_vec();
        match (holder, from, to) {
            (Some(holder), None, Some(to)) if holder != to => {
                return Err(SecretsError::parameter(format!(
                    "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
                )));
            }
            (holder, Some(from), _) if holder != Some(from) => {
                return Err(SecretsError::parameter(format!(
                    "The staging label {stage} is not attached to version {from} of RemoveFromVersionId."
                )));
            }
            (_, _, Some(to)) => versions::attach(&mut after, to, std::slice::from_ref(stage)),
            (_, Some(_), None) if stage == versions::CURRENT => {
                return Err(SecretsError::parameter(
                    "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
                ));
            }
            (_, Some(from), None) => versions::detach(&mut after, from, stage),
            (_, None, None) => {}
        }
        Ok(after)
    }
}
