//! A secret that lies in a file of the data folder: sealed, as all that the database holds is.
//!
//! It has a key of its own, which the service key (or the KMS in its place) wraps as it wraps root keys. So it opens without
//! the database, and a root key can be retired without a look at any folder.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use store::blob::{KeyRing, RootKey, open_small, seal_small};
use store::error::{StoreError, StoreErrorKind};
use zeroize::Zeroizing;

use super::WrappingKey;

/// Stands for a secret's own key where root keys have their number, which begin at 1.
const NUMBER: u32 = 0;

/// A sealed secret, in the form that files have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealedSecret {
    /// Its key, wrapped by the service key.
    wrapped_key: String,
    /// The secret, sealed by that key.
    sealed: String,
}

/// A secret that was opened.
pub struct OpenedSecret {
    /// The secret.
    pub secret: Zeroizing<Vec<u8>>,
    /// Whether a previous service key opened it, so that it must be sealed anew.
    pub by_previous: bool,
}

impl SealedSecret {
    /// Seals a secret for one purpose, bound to a context.
    pub async fn seal(
        wrapping_key: &WrappingKey,
        purpose: &'static str,
        context: &[u8],
        secret: &[u8],
        now_ms: i64,
    ) -> Result<Self, StoreError> {
        let key = RootKey::generate();
        let wrapped_key = STANDARD.encode(wrapping_key.wrap(NUMBER, &key, now_ms).await?);
        let ring = KeyRing::new(BTreeMap::from([(NUMBER, key)]), NUMBER)?;
        Ok(Self { wrapped_key, sealed: STANDARD.encode(seal_small(&ring, purpose, context, secret)) })
    }

    /// Undoes [`seal`](Self::seal); none if neither the service key nor a previous one wrapped its key.
    pub async fn open(
        &self,
        wrapping_key: &WrappingKey,
        previous: &[WrappingKey],
        purpose: &'static str,
        context: &[u8],
        now_ms: i64,
    ) -> Result<Option<OpenedSecret>, StoreError> {
        let read = |text: &str| {
            STANDARD.decode(text).map_err(|error| {
                StoreError::new(StoreErrorKind::Corrupt, format!("a sealed secret ({purpose}) is damaged"))
                    .with_source(error)
            })
        };
        let (wrapped, sealed) = (read(&self.wrapped_key)?, read(&self.sealed)?);
        for (place, wrapping_key) in std::iter::once(wrapping_key).chain(previous).enumerate() {
            if let Some(key) = wrapping_key.unwrap(NUMBER, &wrapped, now_ms).await? {
                let ring = KeyRing::new(BTreeMap::from([(NUMBER, key)]), NUMBER)?;
                let secret = Zeroizing::new(open_small(&ring, purpose, context, &sealed)?);
                return Ok(Some(OpenedSecret { secret, by_previous: place > 0 }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use store::blob::ServiceKey;

    use super::*;

    fn wrapping_key(digit: &str) -> WrappingKey {
        WrappingKey::Configured(ServiceKey::from_hex(&digit.repeat(64)).expect("a key"))
    }

    #[tokio::test]
    async fn only_its_service_key_opens_a_secret() {
        let sealed = SealedSecret::seal(&wrapping_key("1"), "test", b"here", b"sesame", 0).await.expect("sealed");
        let text = serde_json::to_string(&sealed).expect("a text");
        let sealed: SealedSecret = serde_json::from_str(&text).expect("read");
        let open = async |now: WrappingKey, previous: Vec<WrappingKey>, context: &'static [u8]| {
            let opened = sealed.open(&now, &previous, "test", context, 0).await;
            opened.map(|opened| opened.map(|opened| (opened.secret.to_vec(), opened.by_previous)))
        };
        assert_eq!(open(wrapping_key("1"), vec![], b"here").await.expect("opens"), Some((b"sesame".to_vec(), false)));
        let changed = open(wrapping_key("2"), vec![wrapping_key("3"), wrapping_key("1")], b"here").await;
        assert_eq!(changed.expect("opens"), Some((b"sesame".to_vec(), true)));
        assert_eq!(open(wrapping_key("2"), vec![], b"here").await.expect("answers"), None);
        assert_eq!(
            open(wrapping_key("1"), vec![], b"there").await.expect_err("refused").kind(),
            StoreErrorKind::Corrupt
        );
    }
}
