//! Shapes of the model that several operations share.

use access::kms::KmsError;
use api::protocols::operation::Call;
use aws::Timestamp;
use oci::Digest;
use serde::{Deserialize, Serialize};
use store::tables::kms_keys::{KeyManager, KeyRef, KmsKey};
use uuid::Uuid;

use super::constraints;

/// The input of the operations that take only which key.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyMember {
    key_id: Option<String>,
}

impl KeyMember {
    /// The key that it names, perhaps by an alias.
    pub fn check(self, call: &Call<'_>) -> Result<KeyRef, KmsError> {
        constraints::key_id(call, "keyId", self.key_id)
    }

    /// The key that it names by its id or ARN.
    pub fn check_itself(self, call: &Call<'_>) -> Result<KeyRef, KmsError> {
        constraints::key_itself(call, "keyId", self.key_id)
    }
}

/// An answer without members.
#[derive(Serialize)]
pub struct Nothing {}

/// The id of a version of a key's material: 64 hex digits that say nothing else.
pub fn material_id(key_id: Uuid, version: u32) -> String {
    Digest::sha256_of(format!("{key_id}/{version}").as_bytes()).hex()
}

/// `KeyMetadata`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyMetadata {
    #[serde(rename = "AWSAccountId")]
    aws_account_id: String,
    key_id: String,
    arn: String,
    creation_date: Timestamp,
    enabled: bool,
    description: String,
    key_usage: &'static str,
    key_state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion_date: Option<Timestamp>,
    origin: &'static str,
    key_manager: &'static str,
    customer_master_key_spec: &'static str,
    key_spec: &'static str,
    encryption_algorithms: [&'static str; 1],
    multi_region: bool,
    current_key_material_id: String,
}

impl KeyMetadata {
    /// Of a stored key.
    pub fn new(key: &KmsKey) -> Self {
        Self {
            aws_account_id: key.registry.account.to_string(),
            key_id: key.key_id.to_string(),
            arn: key.arn().to_string(),
            creation_date: Timestamp::from_ms(key.created_at_ms),
            enabled: key.is_enabled && key.delete_at_ms.is_none(),
            description: key.description.clone(),
            key_usage: KmsKey::USAGE,
            key_state: state(key),
            deletion_date: key.delete_at_ms.map(Timestamp::from_ms),
            origin: KmsKey::ORIGIN,
            key_manager: key.manager.as_str(),
            customer_master_key_spec: KmsKey::SPEC,
            key_spec: KmsKey::SPEC,
            encryption_algorithms: [KmsKey::SPEC],
            multi_region: false,
            current_key_material_id: material_id(key.key_id, key.current_version),
        }
    }
}

/// A key's state as the model spells it.
pub const fn state(key: &KmsKey) -> &'static str {
    match (key.delete_at_ms, key.is_enabled) {
        (Some(_), _) => "PendingDeletion",
        (None, false) => "Disabled",
        (None, true) => "Enabled",
    }
}

/// Refuses what only KMS itself may do with its own keys.
pub fn not_aws_managed(key: KmsKey) -> Result<KmsKey, KmsError> {
    match key.manager {
        KeyManager::Customer => Ok(key),
        KeyManager::Aws => {
            Err(KmsError::AccessDenied(format!("{} is managed by the server: it cannot be changed", key.arn())))
        }
    }
}
