//! Shapes of the model that several operations share.

use std::collections::BTreeMap;

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use api::grammar::Tag;
use api::protocols::operation::Call;
use aws::Timestamp;
use serde::{Deserialize, Serialize};
use store::tables::secret_versions::SecretVersion;
use store::tables::secrets::{self, Secret, SecretId};

use super::constraints;

/// The input of the operations that take only which secret.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretMember {
    secret_id: Option<String>,
}

impl SecretMember {
    /// The secret that it names.
    pub fn check(self, call: &Call<'_>) -> Result<SecretId, SecretsError> {
        constraints::secret_id(call, self.secret_id)
    }
}

/// The permission for an action on a secret.
pub fn need(action: Action, id: &SecretId) -> Need {
    let given = if id.is_arn { secrets::arn(&id.registry, &id.text) } else { id.text.clone() };
    need_of_new(action, id).with("secretsmanager:SecretId", [given])
}

/// As [`need`], where the secret is yet to be made.
pub fn need_of_new(action: Action, id: &SecretId) -> Need {
    // No secret is a replica of another region's.
    Need::on_secret(action, id.clone()).with("secretsmanager:SecretPrimaryRegion", [id.registry.region.as_str()])
}

/// The condition keys of what is said of a secret when it is made or changed.
pub fn with_members(mut need: Need, description: Option<&str>, kms_key: Option<&str>) -> Need {
    if let Some(text) = description {
        need = need.with("secretsmanager:Description", [text]);
    }
    if let Some(key) = kms_key.filter(|key| !key.is_empty()) {
        need = need.with("secretsmanager:KmsKeyId", [key]);
    }
    need
}

/// The output of the operations that answer which secret it was.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretName {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
}

impl SecretName {
    /// Of a stored secret.
    pub fn new(secret: &Secret) -> Self {
        Self { arn: secret.arn(), name: secret.name.clone() }
    }
}

/// The stages of versions by their ids; versions without one are left out.
pub type Stages = BTreeMap<String, Vec<String>>;

/// What lists and descriptions show of a secret. The name of its stages differs between the two.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretEntry {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    last_changed_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_accessed_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    created_date: Timestamp,
}

impl SecretEntry {
    /// Of a stored secret.
    pub fn new(secret: Secret) -> Self {
        Self {
            arn: secret.arn(),
            name: secret.name,
            description: secret.description.filter(|text| !text.is_empty()),
            last_changed_date: Timestamp::from_ms(secret.changed_at_ms),
            last_accessed_date: secret.accessed_at_ms.map(Timestamp::from_ms),
            deleted_date: secret.purge_at_ms.map(Timestamp::from_ms),
            tags: Tag::list(&secret.tags),
            created_date: Timestamp::from_ms(secret.created_at_ms),
        }
    }
}

/// The stages of a secret's versions.
pub fn stages(versions: Vec<SecretVersion>) -> Stages {
    let staged = versions.into_iter().filter(|version| !version.stages.is_empty());
    staged.map(|version| (version.version_id, version.stages)).collect()
}
