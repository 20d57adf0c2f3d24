//! Blobs to push: random bytes, each different from every other, made without slowing the client down.
//!
//! All blobs of one payload share their beginning (a random block, repeated) and differ in their last bytes. The
//! beginning is hashed once, before any timing; a further blob costs the hash of its tail.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use aws_lc_rs::{digest, rand};

/// Bytes at the end of each blob that are its own.
const TAIL_BYTES: usize = 32;
/// The random block that fills the rest.
const BLOCK_BYTES: usize = 1024 * 1024;

/// The text form of a SHA-256 digest.
pub fn sha256_name(digest: &digest::Digest) -> String {
    format!("sha256:{}", hex(digest.as_ref()))
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Makes distinct blobs of one size.
pub struct Payload {
    /// Bytes of each blob.
    pub size: u64,
    block: Vec<u8>,
    beginning: digest::Context,
    tail: [u8; TAIL_BYTES],
    made: AtomicU64,
}

/// One blob: what it is called and how it ends.
pub struct Blob {
    pub digest: String,
    tail: [u8; TAIL_BYTES],
}

impl Payload {
    /// Prepares blobs of `size` bytes, at least 32.
    pub fn new(size: u64) -> Result<Self> {
        let shared = size.checked_sub(TAIL_BYTES as u64).context("a blob needs at least 32 bytes")?;
        let mut block = vec![0; (BLOCK_BYTES as u64).min(shared) as usize];
        rand::fill(&mut block).context("random bytes")?;
        let mut tail = [0; TAIL_BYTES];
        rand::fill(&mut tail).context("random bytes")?;
        let mut beginning = digest::Context::new(&digest::SHA256);
        for piece in pieces(&block, shared) {
            beginning.update(piece);
        }
        Ok(Self { size, block, beginning, tail, made: AtomicU64::new(0) })
    }

    /// A blob that was never made before.
    pub fn distinct(&self) -> Blob {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut tail = self.tail;
        tail[..8].copy_from_slice(&number.to_le_bytes());
        let mut context = self.beginning.clone();
        context.update(&tail);
        Blob { digest: sha256_name(&context.finish()), tail }
    }

    /// The bytes of a blob, in pieces of at most 1 MiB.
    pub fn bytes<'a>(&'a self, blob: &'a Blob) -> impl Iterator<Item = &'a [u8]> {
        pieces(&self.block, self.size - TAIL_BYTES as u64).chain([blob.tail.as_slice()])
    }
}

/// The `block`, repeated and cut to `length` bytes.
fn pieces(block: &[u8], length: u64) -> impl Iterator<Item = &[u8]> {
    let size = block.len().max(1) as u64;
    (0..length.div_ceil(size)).map(move |index| &block[..(length - index * size).min(size) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_have_their_size_and_digest_and_differ() {
        let sizes =
            [32, 33, 1024, BLOCK_BYTES, BLOCK_BYTES + TAIL_BYTES, BLOCK_BYTES + TAIL_BYTES + 1, 3 * BLOCK_BYTES];
        for size in sizes {
            let payload = Payload::new(size as u64).unwrap();
            let [first, second] = [payload.distinct(), payload.distinct()];
            assert_ne!(first.digest, second.digest, "{size}");
            for blob in [first, second] {
                let bytes = payload.bytes(&blob).collect::<Vec<_>>().concat();
                assert_eq!(bytes.len(), size);
                assert_eq!(blob.digest, sha256_name(&digest::digest(&digest::SHA256, &bytes)), "{size}");
            }
        }
        assert!(Payload::new(31).is_err());
    }
}
