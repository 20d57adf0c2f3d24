//! The policy of a key that is made without one.

use serde_json::json;
use store::tables::registry_id::RegistryId;

/// The policy of a key that is made without one: the account decides, by its identity policies.
pub fn default_policy(registry: &RegistryId) -> String {
    let RegistryId { account, region } = registry;
    let policy = json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:{}:iam::{account}:root", region.partition())},
            "Action": "kms:*",
            "Resource": "*",
        }],
    });
    format!("{policy:#}")
}
