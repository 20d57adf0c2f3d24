//! IAM's tables: users, groups, roles, policies, access keys and identity providers, and registry tokens with a scope.
//!
//! Every change of them goes with [`identity_version::increment`](super::identity_version::increment) in the same
//! transaction: nodes decide from what they hold in memory, and reload when the version moves.

pub mod access_keys;
pub mod entities;
pub mod groups;
pub mod oidc_providers;
pub mod policies;
pub mod policies_of_entities;
pub mod robot_tokens;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{StoreError, StoreErrorKind};

/// A column that holds a list as JSON.
fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("lists of texts can be written as JSON")
}

fn from_json<T: DeserializeOwned>(text: &str, column: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| {
        StoreError::new(StoreErrorKind::Corrupt, format!("column {column} is not what was written there"))
            .with_source(error.to_string())
    })
}
