//! Registry tokens that were opened lately, so that a client's next request need not open its token again.
//!
//! What a token says never changes; whether it is good is asked each time, of the clock, the keys and the directory. Tokens
//! are known by their hash, so that none of them stays in memory.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use store::blob::KeyRing;

use super::token::Claims;

/// Tokens that are remembered if each is a permanent key's.
const MAX_TOKENS: usize = 4096;
/// The memory that all of them may take: a session's token holds the session's, which may be a hundred times as long.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// What one takes beside the texts in it.
const OPENED_BYTES: usize = 512;

type Hash = [u8; 32];

/// What opened tokens say, by the hash of the header that held them.
pub struct OpenedTokens(Cache<Hash, Arc<Opened>, ByBytes>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<Hash, Arc<Opened>> for ByBytes {
    fn weight(&self, _: &Hash, opened: &Arc<Opened>) -> u64 {
        (OPENED_BYTES + opened.claims.text_bytes()) as u64
    }
}

struct Opened {
    /// The root key that sealed the token: without it, the token is worth nothing.
    root_key: u32,
    claims: Arc<Claims>,
}

impl Default for OpenedTokens {
    fn default() -> Self {
        Self(Cache::with_weighter(MAX_TOKENS, MAX_BYTES, ByBytes))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tokens_take_no_more_memory_than_short_ones() {
        for (bytes, at_least) in [(0, 1000), (20_000, 50)] {
            let opened = OpenedTokens::default();
            for number in 0..10_000 {
                opened.keep(hash_of(&format!("{bytes} {number}")), 1, Arc::new(Claims::of_length(bytes)));
            }
            let held = opened.0.weight();
            assert!(held <= MAX_BYTES && opened.0.len() >= at_least, "{} tokens of {held} bytes", opened.0.len());
            assert!((opened.0.len() * bytes) as u64 <= MAX_BYTES, "{} tokens", opened.0.len());
        }
    }
}
