//! RestoreSecret: takes a secret's mark for deletion away.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use api::protocols::operation::{Call, Operation};
use store::tables::secrets::{self, Secret, SecretId};

use super::shapes::{SecretMember, SecretName, need};

/// Takes away the mark by which a secret would be deleted.
pub struct RestoreSecret;

impl Operation for RestoreSecret {
    const NAME: &'static str = "RestoreSecret";
    const ACTION: Action = Action::SecretsManagerRestoreSecret;
    const READ_ONLY: bool = false;
    type Input = SecretMember;
    type Output = SecretName;
    type Checked = SecretId;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: SecretMember) -> Result<SecretId, SecretsError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, id: &SecretId) -> Vec<Need> {
        vec![need(Self::ACTION, id)]
    }

    async fn run(call: &Call<'_>, id: SecretId) -> Result<SecretName, SecretsError> {
        let now_ms = call.app.now_ms();
        let restored = call.app.db.write(move |tx| {
            let secret = Secret { purge_at_ms: None, changed_at_ms: now_ms, ..stored::require(tx, &id)? };
            secrets::update(tx, &secret)?;
            Ok::<_, SecretsError>(SecretName::new(&secret))
        });
        restored.await
    }
}
