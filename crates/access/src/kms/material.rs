//! The material of keys: made, and sealed before it is stored.

use store::blob::{DataKey, seal_small};
use store::tables::kms_keys::{KeyVersion, KmsKey, RotationType};
use uuid::Uuid;

use crate::Access;

/// What the material of keys is sealed for; its context is [`material_context`].
pub const MATERIAL_PURPOSE: &str = "KMS key material";

/// What binds sealed material to its version.
pub fn material_context(key_id: Uuid, version: u32) -> Vec<u8> {
    [key_id.as_bytes().as_slice(), &version.to_be_bytes()].concat()
}

/// New material for a version of a key, sealed.
pub fn new_material(app: &Access, key_id: Uuid, version: u32) -> Vec<u8> {
    let context = material_context(key_id, version);
    seal_small(&app.key_ring, MATERIAL_PURPOSE, &context, DataKey::generate().as_bytes())
}

/// What follows on the newest material of a key, and why it does.
pub fn next_version(app: &Access, key: &KmsKey, rotation_type: RotationType) -> KeyVersion {
    let version = key.current_version.saturating_add(1);
    KeyVersion {
        version,
        sealed: new_material(app, key.key_id, version),
        created_at_ms: app.now_ms(),
        rotation_type: Some(rotation_type),
    }
}
