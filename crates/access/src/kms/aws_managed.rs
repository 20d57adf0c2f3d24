//! Keys that the server looks after, such as the one behind `alias/aws/ecr`: made when they are first used.

use runtime::boxed;
use runtime::jobs::job::{self, Job as _};
use serde_json::json;
use store::tables::kms_keys::{self, KeyManager, KeyRef, KmsKey};
use store::tables::registry_id::RegistryId;
use store::tables::{jobs, kms_aliases};

use super::errors::KmsError;
use super::material::new_material;
use super::rotate_kms_key::RotateKmsKey;
use crate::Access;

/// The key of repositories that are to be encrypted by KMS and name no key.
pub const ECR_ALIAS: &str = "alias/aws/ecr";
/// AWS rotates its keys once a year.
const ROTATION_DAYS: i64 = 365;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The stored key; the one behind `alias/aws/ecr` is made if it is not there.
#[boxed]
pub async fn require(app: &Access, key: &KeyRef) -> Result<KmsKey, KmsError> {
    let place = key.clone();
    if let Some(found) = app.db.read_point(move |tx| kms_keys::find(tx, &place)).await? {
        return Ok(found);
    }
    if key.name != ECR_ALIAS || !is_served(app, &key.registry) {
        return Err(KmsError::NotFound(key.clone()));
    }
    let now_ms = app.now_ms();
    let key_id = runtime::random::uuid();
    let new = KmsKey {
        id: 0,
        key_id,
        registry: key.registry.clone(),
        manager: KeyManager::Aws,
        description: "Default key that protects my ECR data when no other key is defined".to_owned(),
        policy: policy(&key.registry),
        tags: Vec::new(),
        is_enabled: true,
        created_at_ms: now_ms,
        delete_at_ms: None,
        deletion_window_days: None,
        rotation_days: Some(ROTATION_DAYS),
        next_rotation_at_ms: Some(now_ms + ROTATION_DAYS * DAY_MS),
        current_version: 1,
    };
    let (sealed, place) = (new_material(app, key_id, 1), key.clone());
    let made = app.db.write(move |tx| {
        // Another request may be making it.
        if let Some(found) = kms_keys::find(tx, &place)? {
            return Ok(found);
        }
        let id = kms_keys::insert(tx, &new, &sealed)?;
        let made = KmsKey { id, ..new.clone() };
        kms_keys::update(tx, &made)?;
        if !kms_aliases::insert(tx, &place.registry, ECR_ALIAS, id, now_ms)? {
            kms_keys::delete(tx, id)?;
            return kms_keys::find(tx, &place)?.ok_or_else(|| KmsError::NotFound(place.clone()));
        }
        jobs::cancel(tx, RotateKmsKey::KIND, &key_id.to_string())?;
        job::enqueue(tx, &RotateKmsKey { key_id: key_id.to_string() }, now_ms + ROTATION_DAYS * DAY_MS, now_ms)?;
        Ok::<_, KmsError>(made)
    });
    made.await
}

fn is_served(app: &Access, registry: &RegistryId) -> bool {
    app.accounts.ids().contains(&registry.account) && app.accounts.has_region(registry.region.as_str())
}

/// Everybody in the account who may use ECR may use the key through it, and the account may look at it.
fn policy(RegistryId { account, region }: &RegistryId) -> String {
    let policy = json!({
        "Version": "2012-10-17",
        "Id": "auto-ecr-1",
        "Statement": [
            {
                "Sid": "Use through ECR by everybody in the account who may use ECR",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [
                    "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant",
                    "kms:RetireGrant", "kms:DescribeKey",
                ],
                "Resource": "*",
                "Condition": {"StringEquals": {
                    "kms:CallerAccount": account.as_str(),
                    "kms:ViaService": format!("ecr.{region}.amazonaws.com"),
                }},
            },
            {
                "Sid": "Look at it for the account",
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:{}:iam::{account}:root", region.partition())},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    });
    format!("{policy:#}")
}
