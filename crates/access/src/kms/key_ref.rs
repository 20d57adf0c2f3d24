//! Which key a text means.

use aws::{AccountId, Arn, Region};
use store::tables::kms_keys::KeyRef;
use store::tables::registry_id::RegistryId;

use super::errors::KmsError;

/// The key that a text names: by its id, its ARN, an alias or an alias's ARN. Fails with the text if it is none of them.
pub fn key_ref(account: AccountId, region: &Region, text: &str) -> Result<KeyRef, KmsError> {
    let invalid = || KmsError::InvalidArn(text.to_owned());
    if !text.starts_with("arn:") {
        return Ok(KeyRef { registry: RegistryId { account, region: region.clone() }, name: text.to_owned() });
    }
    let arn: Arn = text.parse().map_err(|_| invalid())?;
    let name = match arn.resource() {
        alias if alias.starts_with("alias/") => alias,
        resource => resource.strip_prefix("key/").ok_or_else(invalid)?,
    };
    if arn.service() != "kms" || arn.region() != region.as_str() || name.is_empty() {
        return Err(invalid());
    }
    let account = arn.account().parse().map_err(|_| invalid())?;
    Ok(KeyRef { registry: RegistryId { account, region: region.clone() }, name: name.to_owned() })
}
