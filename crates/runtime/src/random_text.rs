//! Texts that nobody can guess: ids and secrets.

use crate::random;

const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The characters of secret access keys.
pub const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// An id of IAM's form: four letters that say what it is, and 16 that nobody can guess (reference/around.md 3).
pub fn new_access_key_id(prefix: &str) -> String {
    format!("{prefix}{}", random_text(ID_ALPHABET, 16))
}

/// Random text of these characters, without a bias.
pub fn random_text(alphabet: &[u8], length: usize) -> String {
    let mut text = String::with_capacity(length);
    let fair = 256 - 256 % alphabet.len();
    while text.len() < length {
        let mut bytes = [0; 64];
        random::fill(&mut bytes);
        let fair_bytes = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        text.extend(fair_bytes.take(length - text.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    text
}
