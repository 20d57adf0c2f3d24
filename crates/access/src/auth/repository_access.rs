//! What decisions about repositories read of the database again and again, kept in memory while it holds.

use iam::Policy;
use store::db::{HeldBytes, ReadCache, Topic};
use store::tables::repositories::RepositoryRef;

const MAX_CACHED_BYTES: u64 = 2 * 1024 * 1024;

/// What decides about the repositories that a node was asked for. On PostgreSQL it stays empty.
pub type AccessCache = ReadCache<RepositoryRef, RepositoryAccess>;

/// Keeps nothing yet.
pub fn access_cache() -> AccessCache {
    ReadCache::new(Topic::Repositories, MAX_CACHED_BYTES)
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
