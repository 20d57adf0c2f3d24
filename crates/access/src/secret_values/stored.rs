//! Which secret an ARN means, and that it is there.

use aws::Arn;
use store::db::Tx;
use store::tables::registry_id::RegistryId;
use store::tables::secrets::{self, Secret, SecretId};

use super::errors::{MARKED_FOR_DELETION, SecretsError};

/// The secret that an ARN names.
pub fn arn(text: &str) -> Option<SecretId> {
    let arn: Arn = text.parse().ok()?;
    let name = arn.resource().strip_prefix("secret:")?;
    if arn.service() != "secretsmanager" || name.is_empty() {
        return None;
    }
    let registry = RegistryId { account: arn.account().parse().ok()?, region: arn.region().parse().ok()? };
    Some(SecretId { registry, text: name.to_owned(), is_arn: true })
}

/// The stored secret.
pub fn require(tx: &mut dyn Tx, id: &SecretId) -> Result<Secret, SecretsError> {
    secrets::find(tx, id)?.ok_or(SecretsError::SecretNotFound)
}

/// The stored secret, which must not be marked for deletion.
pub fn require_live(tx: &mut dyn Tx, id: &SecretId) -> Result<Secret, SecretsError> {
    let secret = require(tx, id)?;
    if secret.purge_at_ms.is_some() { Err(MARKED_FOR_DELETION) } else { Ok(secret) }
}
