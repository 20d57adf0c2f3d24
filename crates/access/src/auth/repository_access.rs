//! What decisions about repositories read of the database again and again, kept in memory while it holds.

use iam::Policy;
use store::db::{HeldBytes, Kept, Topic};
use store::tables::repositories::RepositoryRef;

const MAX_KEPT_BYTES: u64 = 2 * 1024 * 1024;

/// What decides about the repositories that a node was asked for. On PostgreSQL it stays empty.
pub type KeptAccess = Kept<RepositoryRef, RepositoryAccess>;

/// Keeps nothing yet.
pub fn kept_access() -> KeptAccess {
    Kept::new(Topic::Repositories, MAX_KEPT_BYTES)
}

/// What decides who may do what to a repository.
#[derive(Clone)]
pub struct RepositoryAccess {
    /// The repository's row.
    pub repository_id: i64,
    /// Its policy.
    pub policy: Option<Policy>,
    /// Length of the policy's text.
    pub policy_bytes: usize,
}

impl HeldBytes for RepositoryAccess {
    fn held_bytes(&self) -> usize {
        // Statements take about as much again as their text.
        2 * self.policy_bytes
    }
}
