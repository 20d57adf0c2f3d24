//! What it takes to use a key: the action, and what the request says of the key to conditions.

use store::blob::EncryptionContext;
use store::tables::kms_keys::KeyRef;

use crate::action::Action;
use crate::auth::authorize::Need;

/// The permission for an action on a key.
pub fn on_key(action: Action, key: &KeyRef) -> Need {
    let need = Need::on_key(action, key.clone());
    if key.is_alias() { need.with("kms:RequestAlias", [key.name.as_str()]) } else { need }
}

/// As [`on_key`], for what takes an encryption context.
pub fn on_key_with(action: Action, key: &KeyRef, context: &EncryptionContext) -> Need {
    let mut need = on_key(action, key).with("kms:EncryptionAlgorithm", ["SYMMETRIC_DEFAULT"]);
    for (name, value) in context {
        need = need.with(format!("kms:EncryptionContext:{name}"), [value]);
    }
    if context.is_empty() { need } else { need.with("kms:EncryptionContextKeys", context.keys()) }
}
