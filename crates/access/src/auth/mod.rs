//! Who is asking, and whether they may: signatures, sessions, registry tokens, the one authorization step.

pub mod accounts;
pub mod allowed;
pub mod anonymous_pull;
pub mod arrival;
pub mod assume;
pub mod authorize;
pub mod aws_managed_policies;
pub mod caller;
pub mod directory;
pub mod download_url;
pub mod failures;
pub mod grants;
pub mod iam_quotas;
pub mod key_conditions;
pub mod keys;
pub mod last_uses;
pub mod layer_grant;
#[cfg(test)]
mod mutated_token_tests;
pub mod opened_tokens;
pub mod policy_cache;
pub mod principals;
pub mod renewal;
pub mod repository_access;
mod request_keys;
pub mod robot_scope;
pub mod session;
pub mod signing_keys;
pub mod sigv4;
mod stand_in;
pub mod tag_rights;
pub mod token;
