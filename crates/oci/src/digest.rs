//! Content digests: `sha256:` and `sha512:` with lower-case hex (OCI image specification, "Digests").

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A registered digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// The usual one.
    Sha256,
    /// Allowed as well.
    Sha512,
}

impl Algorithm {
    /// The part before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The digest of some content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    /// Zero past the algorithm's size.
    bytes: [u8; 64],
}

/// Why a text is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:hex`, or the hex has the wrong length or case.
    #[error("not a digest")]
    Malformed,
    /// An algorithm that Wharf does not compute.
    #[error("the digest algorithm is not supported: sha256 and sha512 are")]
    UnsupportedAlgorithm,
}

impl Digest {
    /// Of bytes in memory.
    pub fn sha256_of(content: &[u8]) -> Self {
        Self::from_slice(Algorithm::Sha256, digest(&SHA256, content).as_ref())
    }

    /// Of bytes in memory.
    pub fn sha512_of(content: &[u8]) -> Self {
        Self::from_slice(Algorithm::Sha512, digest(&SHA512, content).as_ref())
    }

    /// From a computed hash.
    pub fn from_sha256(hash: [u8; 32]) -> Self {
        Self::from_slice(Algorithm::Sha256, &hash)
    }

    /// From a computed hash.
    pub fn from_sha512(hash: [u8; 64]) -> Self {
        Self::from_slice(Algorithm::Sha512, &hash)
    }

    fn from_slice(algorithm: Algorithm, hash: &[u8]) -> Self {
        let mut bytes = [0; 64];
        bytes[..hash.len()].copy_from_slice(hash);
        Self { algorithm, bytes }
    }

    /// The algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The part after the colon.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = String::with_capacity(128);
        for byte in &self.bytes[..self.algorithm.size()] {
            hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
            hex.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::Malformed)?;
        let algorithm = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ if is_digest_like(text) => return Err(DigestError::UnsupportedAlgorithm),
            _ => return Err(DigestError::Malformed),
        };
        if hex.len() != algorithm.size() * 2 {
            return Err(DigestError::Malformed);
        }
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let (Some(high), Some(low)) = (hex_value(pair[0]), hex_value(pair[1])) else {
                return Err(DigestError::Malformed);
            };
            *byte = high << 4 | low;
        }
        Ok(Self { algorithm, bytes })
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether a text satisfies the API model's loose pattern `[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+`.
pub fn is_digest_like(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    !algorithm.is_empty()
        && algorithm.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+.".contains(&byte))
        && !hex.is_empty()
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_content() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::sha256_of(b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Digest::sha256_of(b"")));
    }

    #[test]
    fn refusals() {
        let hex = "a".repeat(64);
        for (name, text, error) in [
            ("no colon", hex.clone(), DigestError::Malformed),
            ("short", format!("sha256:{}", &hex[1..]), DigestError::Malformed),
            ("long", format!("sha256:{hex}a"), DigestError::Malformed),
            ("upper case", format!("sha256:{}", hex.to_uppercase()), DigestError::Malformed),
            ("not hex", format!("sha256:{}g", &hex[1..]), DigestError::Malformed),
            ("other algorithm", format!("md5:{hex}"), DigestError::UnsupportedAlgorithm),
            ("empty", String::new(), DigestError::Malformed),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(error), "{name}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trip(content: Vec<u8>) {
            for digest in [Digest::sha256_of(&content), Digest::sha512_of(&content)] {
                prop_assert_eq!(digest.to_string().parse(), Ok(digest));
            }
        }

        #[test]
        fn parsing_never_panics(text: String) {
            let _ = text.parse::<Digest>();
            let _ = is_digest_like(&text);
        }
    }
}
