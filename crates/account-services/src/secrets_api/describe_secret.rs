//! DescribeSecret: all that there is about a secret, but its values.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use api::protocols::operation::{Call, Operation};
use serde::Serialize;
use store::tables::secret_versions;
use store::tables::secrets::SecretId;

use super::shapes::{SecretEntry, SecretMember, Stages, need, stages};

/// Describes a secret and the stages of its versions, without their values.
pub struct DescribeSecret;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(flatten)]
    entry: SecretEntry,
    #[serde(skip_serializing_if = "Stages::is_empty")]
    version_ids_to_stages: Stages,
}

impl Operation for DescribeSecret {
    const NAME: &'static str = "DescribeSecret";
    const ACTION: Action = Action::SecretsManagerDescribeSecret;
    const READ_ONLY: bool = true;
    type Input = SecretMember;
    type Output = Output;
    type Checked = SecretId;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: SecretMember) -> Result<SecretId, SecretsError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, id: &SecretId) -> Vec<Need> {
        vec![need(Self::ACTION, id)]
    }

    async fn run(call: &Call<'_>, id: SecretId) -> Result<Output, SecretsError> {
        let described = call.app.db.read(move |tx| {
            let secret = stored::require(tx, &id)?;
            let version_ids_to_stages = stages(secret_versions::list(tx, secret.id)?);
            Ok::<_, SecretsError>(Output { entry: SecretEntry::new(secret), version_ids_to_stages })
        });
        described.await
    }
}
