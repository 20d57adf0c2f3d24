//! DescribeSecret: all that there is about a secret, but its values.

use serde::Serialize;
use store::tables::secret_versions;
use store::tables::secrets::SecretId;

use super::constraints;
use super::errors::SecretsError;
use super::shapes::{SecretEntry, SecretMember, Stages, need, stages};
use crate::auth::authorize::Need;
use crate::aws_api::operation::{Call, Operation};

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
    const ACTION: &'static str = "secretsmanager:DescribeSecret";
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
        let described = call.app().db.read(move |tx| {
            let secret = constraints::require(tx, &id)?;
            let version_ids_to_stages = stages(secret_versions::list(tx, secret.id)?);
            Ok::<_, SecretsError>(Output { entry: SecretEntry::new(secret), version_ids_to_stages })
        });
        described.await
    }
}
