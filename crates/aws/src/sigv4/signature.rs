//! The arithmetic of signatures: the key chain, the string to sign, and comparing without telling how far it fits.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;

use super::{ALGORITHM, TERMINATOR};

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// SHA-256 as lower-case hex.
pub fn sha256_hex(content: &[u8]) -> String {
    hex(digest(&SHA256, content).as_ref())
}

fn hmac_sha256(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// The signature of a canonical request.
pub fn sign(secret: &str, amz_date: &str, date: &str, region: &str, service: &str, canonical: &str) -> String {
    let mut key = hmac_sha256(format!("AWS4{secret}").as_bytes(), date);
    for part in [region, service, TERMINATOR] {
        key = hmac_sha256(key.as_ref(), part);
    }
    let scope = format!("{date}/{region}/{service}/{TERMINATOR}");
    let string_to_sign = format!("{ALGORITHM}\n{amz_date}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
    hex(hmac_sha256(key.as_ref(), &string_to_sign).as_ref())
}

/// Whether two signatures are the same, in constant time.
pub fn is_equal(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}
