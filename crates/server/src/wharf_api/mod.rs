//! Wharf's own API, for what ECR lacks: robot tokens, why something is allowed or denied, how replications stand, and
//! what one Wharf needs of another to replicate to it. One file per operation.

mod arrival;
mod create_token;
mod errors;
mod explain_access;
mod list_replications;
mod list_tokens;
mod prepare_replication;
mod receive_replicated_image;
mod receive_replicated_removal;
pub mod replicated_layer;
mod retry_replications;
mod revoke_token;
mod shapes;

use crate::aws_api::operation::Entry;

/// Every operation of Wharf's own.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<create_token::CreateToken>(),
    Entry::of::<explain_access::ExplainAccess>(),
    Entry::of::<list_replications::ListReplications>(),
    Entry::of::<list_tokens::ListTokens>(),
    Entry::of::<prepare_replication::PrepareReplication>(),
    Entry::of::<receive_replicated_image::ReceiveReplicatedImage>(),
    Entry::of::<receive_replicated_removal::ReceiveReplicatedRemoval>(),
    Entry::of::<retry_replications::RetryReplications>(),
    Entry::of::<revoke_token::RevokeToken>(),
];
