//! Wharf's own API, for what ECR lacks: robot tokens, and why something is allowed or denied. One file per operation.

mod create_token;
mod errors;
mod explain_access;
mod list_tokens;
mod revoke_token;
mod shapes;

use crate::aws_api::operation::Entry;

/// Every operation of Wharf's own.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<create_token::CreateToken>(),
    Entry::of::<explain_access::ExplainAccess>(),
    Entry::of::<list_tokens::ListTokens>(),
    Entry::of::<revoke_token::RevokeToken>(),
];
