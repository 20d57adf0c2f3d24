//! Access keys of users. Root keys are in the configuration and are only listed.

mod create_access_key;
mod delete_access_key;
mod get_access_key_last_used;
mod list_access_keys;
mod update_access_key;

use api::protocols::operation::Entry;
use store::db::Tx;
use store::tables::iam::access_keys::{self, AccessKey};
use store::tables::iam::entities::Entity;

use super::constraints::Check;
use super::errors::IamError;
use super::operation::Iam;

/// Every operation of access keys.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<Iam<create_access_key::CreateAccessKey>>(),
    Entry::of::<Iam<delete_access_key::DeleteAccessKey>>(),
    Entry::of::<Iam<get_access_key_last_used::GetAccessKeyLastUsed>>(),
    Entry::of::<Iam<list_access_keys::ListAccessKeys>>(),
    Entry::of::<Iam<update_access_key::UpdateAccessKey>>(),
];

/// The id that a request names.
fn check_id(id: Option<String>) -> Result<String, IamError> {
    let id = Check::required("accessKeyId", id)?;
    Check::length("accessKeyId", &id, 16, 128)?;
    let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    Check::pattern("accessKeyId", &id, r"[\w]+", is_id)?;
    Ok(id)
}

/// The user's key of that id.
fn require(tx: &mut dyn Tx, user: &Entity, id: &str) -> Result<AccessKey, IamError> {
    let found = access_keys::find(tx, id)?.filter(|key| key.user_id == user.id);
    found.ok_or_else(|| IamError::NoSuchAccessKey(id.to_owned()))
}

const fn status(is_active: bool) -> &'static str {
    if is_active { "Active" } else { "Inactive" }
}
