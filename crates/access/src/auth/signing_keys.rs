//! Signing keys that were derived lately: four of the five HMACs of a signature are the same all day.

use aws::SecretAccessKey;
use aws::sigv4::SigningKey;
use aws_lc_rs::digest::{Context, SHA256};
use quick_cache::sync::Cache;

/// Keys that are remembered; each takes some 300 bytes.
const MAX_KEYS: usize = 1024;

type Hash = [u8; 32];

/// Derived keys, by the hash of all that they are derived from: a key that has another secret now is another key.
pub struct SigningKeys(Cache<Hash, SigningKey>);

impl Default for SigningKeys {
    fn default() -> Self {
        Self(Cache::new(MAX_KEYS))
    }
}

impl SigningKeys {
    /// The key of the holder of `secret` for a day.
    pub(super) fn derive(&self, secret: &SecretAccessKey, date: &str, region: &str, service: &str) -> SigningKey {
        let hash = hash_of([secret.expose(), date, region, service]);
        self.0.get(&hash).unwrap_or_else(|| {
            let key = SigningKey::derive(secret, date, region, service);
            self.0.insert(hash, key.clone());
            key
        })
    }
}

fn hash_of(parts: [&str; 4]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        // With its length, so that no two lists of parts read the same.
        context.update(&part.len().to_le_bytes());
        context.update(part.as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let all = ["secret", "20261121", "us-east-1", "ecr"];
        let mut hashes = vec![hash_of(all), hash_of(["secret2", "0261121", "us-east-1", "ecr"])];
        for changed in 0..all.len() {
            let mut parts = all;
            parts[changed] = "other";
            hashes.push(hash_of(parts));
        }
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 6);
    }
}
