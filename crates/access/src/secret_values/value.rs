//! The value of a secret: never printed, and sealed before it is stored.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, de};
use store::blob::{KeyRing, open_small, seal_small};
use store::error::{StoreError, StoreErrorKind};
use zeroize::Zeroizing;

use super::errors::SecretsError;

/// Most bytes of a value (model: `SecretString`, `SecretBinary`).
const MAX_BYTES: usize = 65_536;
/// What values are sealed for; their context is [`context`].
pub const PURPOSE: &str = "secret value";
/// First byte of what is sealed.
const TEXT: u8 = b's';
const BINARY: u8 = b'b';

/// A text of a request that no message may show, not even that of a request which cannot be read.
pub struct HiddenText(Zeroizing<String>);

impl<'de> Deserialize<'de> for HiddenText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Read as anything first: the reader's own error for another type would quote it.
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(Zeroizing::new(text))),
            _ => Err(de::Error::custom("a secret value must be a string")),
        }
    }
}

/// A secret value, of one of two kinds. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue {
    /// The kind's mark, then the bytes.
    marked: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl SecretValue {
    fn new(mark: u8, bytes: &[u8], member: &str) -> Result<Self, SecretsError> {
        if !(1..=MAX_BYTES).contains(&bytes.len()) {
            return Err(SecretsError::parameter(format!("{member} must have 1 to {MAX_BYTES} bytes.")));
        }
        let mut marked = Zeroizing::new(Vec::with_capacity(1 + bytes.len()));
        marked.push(mark);
        marked.extend_from_slice(bytes);
        Ok(Self { marked })
    }

    /// Of the two members of a request, of which it may have one.
    pub fn from_members(text: Option<HiddenText>, binary: Option<HiddenText>) -> Result<Option<Self>, SecretsError> {
        match (text, binary) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                Err(SecretsError::parameter("You can't specify both a binary secret value and a string secret value."))
            }
            (Some(text), None) => Self::new(TEXT, text.0.as_bytes(), "SecretString").map(Some),
            (None, Some(binary)) => {
                let bytes = STANDARD.decode(binary.0.as_bytes()).map(Zeroizing::new);
                let bytes = bytes.map_err(|_| SecretsError::parameter("SecretBinary must be base64."))?;
                Self::new(BINARY, &bytes, "SecretBinary").map(Some)
            }
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        let (mark, bytes) = self.marked.split_first()?;
        if *mark == TEXT { std::str::from_utf8(bytes).ok() } else { None }
    }

    /// The bytes in base64, if it is no text.
    pub fn binary(&self) -> Option<String> {
        let (mark, bytes) = self.marked.split_first()?;
        (*mark == BINARY).then(|| STANDARD.encode(bytes))
    }

    /// Encrypted, bound to the version that it is the value of.
    pub fn seal(&self, key: &KeyRing, arn: &str, version_id: &str) -> Vec<u8> {
        seal_small(key, PURPOSE, &context(arn, version_id), &self.marked)
    }

    /// Undoes [`seal`](Self::seal).
    pub fn open(key: &KeyRing, arn: &str, version_id: &str, sealed: &[u8]) -> Result<Self, StoreError> {
        let marked = Zeroizing::new(open_small(key, PURPOSE, &context(arn, version_id), sealed)?);
        match marked.first() {
            Some(&(TEXT | BINARY)) => Ok(Self { marked }),
            _ => Err(StoreError::new(StoreErrorKind::Corrupt, format!("the value of {arn} is of no known kind"))),
        }
    }
}

/// What binds a sealed value to its version.
pub fn context(arn: &str, version_id: &str) -> Vec<u8> {
    format!("{arn}/{version_id}").into_bytes()
}

#[cfg(test)]
mod tests {
    use store::blob::RootKey;

    use super::*;

    fn hidden(text: &str) -> HiddenText {
        HiddenText(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn values_come_back_where_they_belong_and_are_never_printed() {
        let key = KeyRing::new([(1, RootKey::generate())].into(), 1).expect("a ring");
        let text = SecretValue::from_members(Some(hidden("geheim")), None).expect("valid").expect("given");
        let binary = SecretValue::from_members(None, Some(hidden("AAH/"))).expect("valid").expect("given");
        assert_eq!((text.text(), text.binary()), (Some("geheim"), None));
        assert_eq!((binary.text(), binary.binary().as_deref()), (None, Some("AAH/")));
        assert_eq!(format!("{text:?} {binary:?}"), "[redacted] [redacted]");
        for value in [text, binary] {
            let sealed = value.seal(&key, "arn", "v1");
            assert!(!sealed.windows(6).any(|part| part == b"geheim"));
            assert_eq!(SecretValue::open(&key, "arn", "v1", &sealed).expect("opens"), value);
            assert!(SecretValue::open(&key, "arn", "v2", &sealed).is_err());
            assert!(SecretValue::open(&key, "another", "v1", &sealed).is_err());
        }
    }

    #[test]
    fn what_is_no_value() {
        for (name, text, binary) in [
            ("both", Some(hidden("a")), Some(hidden("AA=="))),
            ("empty", Some(hidden("")), None),
            ("empty binary", None, Some(hidden(""))),
            ("no base64", None, Some(hidden("geheim!"))),
            ("too long", Some(hidden(&"x".repeat(MAX_BYTES + 1))), None),
        ] {
            let error = SecretValue::from_members(text, binary).expect_err(name);
            assert!(!format!("{error:?}").contains("geheim"), "{name}");
        }
        assert!(SecretValue::from_members(Some(hidden(&"x".repeat(MAX_BYTES))), None).is_ok());
        assert!(SecretValue::from_members(None, None).expect("valid").is_none());
    }

    #[test]
    fn a_value_of_another_type_is_not_quoted() {
        for json in ["4711", "{\"pin\": 4711}", "[4711]", "true"] {
            let error = serde_json::from_str::<HiddenText>(json).err().expect("refused");
            assert!(!error.to_string().contains("4711"), "{error}");
        }
    }
}
