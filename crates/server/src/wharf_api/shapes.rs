//! Shapes that several operations share.

use aws::Timestamp;
use serde::Serialize;
use store::tables::iam::robot_tokens::RobotToken;

use crate::auth::directory::Directory;

/// A robot token, without its password.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    name: String,
    repositories: Vec<String>,
    actions: Vec<String>,
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
            actions: stored.actions,
            created_at: Timestamp::from_ms(stored.created_at_ms),
            expires_at: Timestamp::from_ms(stored.expires_at_ms),
            last_used_at: stored.last_used_at_ms.map(Timestamp::from_ms),
            principal_arn,
            registry_id: stored.registry.account.to_string(),
        }
    }
}
