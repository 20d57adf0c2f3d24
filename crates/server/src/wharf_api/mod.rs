//! Wharf's own API, for what ECR lacks: robot tokens, why something is allowed or denied, background
//! jobs and events. One file per operation.

mod create_token;
mod errors;
mod explain_access;
mod list_jobs;
mod list_tokens;
mod retry_job;
mod revoke_token;
mod shapes;
mod test_events;

use crate::aws_api::operation::Entry;

/// Every operation of Wharf's own.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<create_token::CreateToken>(),
    Entry::of::<explain_access::ExplainAccess>(),
    Entry::of::<list_jobs::ListJobs>(),
    Entry::of::<list_tokens::ListTokens>(),
    Entry::of::<retry_job::RetryJob>(),
    Entry::of::<revoke_token::RevokeToken>(),
    Entry::of::<test_events::TestEvents>(),
];
