//! Values that AWS JSON writes in a way of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time on the wire: epoch seconds as a number with a fraction (reference/wire.md 1, Types).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timestamp(f64);

impl Timestamp {
    /// From epoch milliseconds.
    pub fn from_ms(ms: i64) -> Self {
        // Exact to the millisecond until the year 200,000 and more.
        Self(ms as f64 / 1000.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

/// Bytes on the wire: base64.
#[derive(Clone, Debug)]
pub struct Blob(pub Vec<u8>);

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers() {
        let text = serde_json::to_string(&Timestamp::from_ms(1_795_224_897_510)).expect("a number");
        assert_eq!(text, "1795224897.51");
    }

    #[test]
    fn blobs() {
        assert_eq!(serde_json::from_str::<Blob>("\"aGk=\"").expect("base64").0, b"hi");
        assert!(serde_json::from_str::<Blob>("\"a\"").is_err());
    }
}
