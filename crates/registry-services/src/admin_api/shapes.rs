//! Shapes that several operations share.

use access::auth::directory::Directory;
use aws::Timestamp;
use serde::{Deserialize, Serialize};
use store::tables::iam::robot_tokens::{RobotToken, TokenUse};
use store::tables::image_protections::ProtectionTarget;
use store::tables::repositories::RepositoryRef;

/// A robot token, without its password.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    name: String,
    repositories: Vec<String>,
    actions: Vec<&'static str>,
    created_at: Timestamp,
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    principal_arn: String,
    registry_id: String,
}

impl Token {
    /// A stored token.
    pub fn new(stored: RobotToken, directory: &Directory) -> Self {
        let principal_arn = match directory.identity(&stored.principal_id) {
            Some(user) => user.arn.clone(),
            None => format!("arn:aws:iam::{}:root", stored.registry.account),
        };
        Self {
            name: stored.name,
            repositories: stored.repositories,
            actions: stored.actions.into_iter().map(TokenUse::as_str).collect(),
            created_at: Timestamp::from_ms(stored.created_at_ms),
            expires_at: Timestamp::from_ms(stored.expires_at_ms),
            last_used_at: stored.last_used_at_ms.map(Timestamp::from_ms),
            principal_arn,
            registry_id: stored.registry.account.to_string(),
        }
    }
}

/// An image as requests and answers name it: by digest, by tag, or by both.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageId {
    /// The digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// A tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
}

/// A protection from deletion.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Protection {
    registry_id: String,
    repository_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_tag_pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
}

impl Protection {
    /// Of a repository; with when and by whom, if that is known.
    pub fn new(place: &RepositoryRef, target: &ProtectionTarget, created: Option<(i64, String)>) -> Self {
        let (image_tag_pattern, image_digest) = match target {
            ProtectionTarget::Repository => (None, None),
            ProtectionTarget::Tags(filter) => (Some(filter.to_string()), None),
            ProtectionTarget::Digest(digest) => (None, Some(digest.to_string())),
        };
        let (created_at, created_by) = created.unzip();
        Self {
            registry_id: place.registry.account.to_string(),
            repository_name: place.name.to_string(),
            image_tag_pattern,
            image_digest,
            created_at: created_at.map(Timestamp::from_ms),
            created_by,
        }
    }
}

/// For how long deleted images of a repository can be restored.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreWindow {
    registry_id: String,
    repository_name: String,
    restore_window_days: i64,
    is_default: bool,
}

impl RestoreWindow {
    /// Of a repository: the days, and whether it says so itself.
    pub fn new(place: &RepositoryRef, (restore_window_days, is_own): (i64, bool)) -> Self {
        Self {
            registry_id: place.registry.account.to_string(),
            repository_name: place.name.to_string(),
            restore_window_days,
            is_default: !is_own,
        }
    }
}
