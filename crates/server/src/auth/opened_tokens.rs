//! Registry tokens that were opened lately, so that a client's next request need not open its token again.
//!
//! What a token says never changes; whether it is good is asked each time, of the clock, the keys and the directory. Tokens
//! are known by their hash, so that none of them stays in memory.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::Cache;
use store::blob::KeyRing;

use super::token::Claims;

/// Tokens that are remembered; each takes some 300 bytes.
const MAX_TOKENS: usize = 4096;

type Hash = [u8; 32];

/// What opened tokens say, by the hash of the header that held them.
pub struct OpenedTokens(Cache<Hash, Arc<Opened>>);

struct Opened {
    /// The root key that sealed the token: without it, the token is worth nothing.
    root_key: u32,
    claims: Arc<Claims>,
}

impl Default for OpenedTokens {
    fn default() -> Self {
        Self(Cache::new(MAX_TOKENS))
    }
}

impl OpenedTokens {
    /// What a token says, if it was opened before and could be opened still; else what [`keep`](Self::keep) needs.
    pub(super) fn find(&self, ring: &KeyRing, header: &str) -> Result<Arc<Claims>, Hash> {
        let hash = hash_of(header);
        let found = self.0.get(&hash).filter(|opened| ring.contains(opened.root_key));
        found.map(|opened| Arc::clone(&opened.claims)).ok_or(hash)
    }

    /// Remembers what was opened with a root key.
    pub(super) fn keep(&self, hash: Hash, root_key: u32, claims: Arc<Claims>) {
        self.0.insert(hash, Arc::new(Opened { root_key, claims }));
    }
}

fn hash_of(header: &str) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, header.as_bytes()).as_ref());
    hash
}
