//! The arithmetic of signatures: the key chain, the string to sign, and comparing without telling how far it fits.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256, digest};
use aws_lc_rs::hmac;

use super::{ALGORITHM, TERMINATOR};
use crate::identity::SecretAccessKey;

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// SHA-256 as lower-case hex.
pub fn sha256_hex(content: &[u8]) -> String {
    hex(digest(&SHA256, content).as_ref())
}

/// SHA-256 of a body that comes in pieces.
#[derive(Clone)]
pub struct BodyHash(Context);

impl Default for BodyHash {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl BodyHash {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// As [`sha256_hex`] of the whole.
    pub fn finish(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

fn hmac_sha256(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// What signs one day's requests for one service in one region (the Signature Version 4 documents' "signing key").
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// The key of the holder of `secret` for a day (`YYYYMMDD`).
    pub fn derive(secret: &SecretAccessKey, date: &str, region: &str, service: &str) -> Self {
        let mut key = hmac_sha256(format!("AWS4{}", secret.expose()).as_bytes(), date);
        for part in [region, service, TERMINATOR] {
            key = hmac_sha256(key.as_ref(), part);
        }
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
    }

    /// The signature of a canonical request that was made at `amz_date`; `scope` is `DATE/REGION/SERVICE`.
    pub(super) fn sign(&self, amz_date: &str, scope: &str, canonical: &str) -> String {
        let hash = sha256_hex(canonical.as_bytes());
        let string_to_sign = format!("{ALGORITHM}\n{amz_date}\n{scope}/{TERMINATOR}\n{hash}");
        hex(hmac::sign(&self.0, string_to_sign.as_bytes()).as_ref())
    }
}

/// Whether two signatures are the same, in constant time.
pub fn is_equal(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}
