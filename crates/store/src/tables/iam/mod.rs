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

use super::{from_json, to_json};
