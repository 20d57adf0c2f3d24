//! What wraps the root keys: the service key itself, or a key of a KMS that never leaves it.

use std::path::PathBuf;

use store::blob::{RootKey, ServiceKey};
use store::error::StoreError;

use super::kms_endpoint::KmsEndpoint;

/// First byte of a root key that a KMS has wrapped; the service key's own form begins with 1.
const KMS_FORM: u8 = 2;

/// What wraps the root keys.
pub enum WrappingKey {
    /// The service key, from a file.
    File(ServiceKey, PathBuf),
    /// The service key, from the configuration.
    Configured(ServiceKey),
    /// A key of a KMS.
    Kms(Box<KmsEndpoint>),
}

impl WrappingKey {
    /// Where it comes from, as people see it.
    pub fn origin(&self) -> String {
        match self {
            Self::File(_, path) => format!("file {}", path.display()),
            Self::Configured(_) => "service_key of the configuration (or WHARF_SERVICE_KEY)".to_owned(),
            Self::Kms(endpoint) => format!("the KMS key {} at {}", endpoint.key_id(), endpoint.url()),
        }
    }

    /// Wraps a root key for storing, bound to its number.
    pub async fn wrap(&self, number: u32, key: &RootKey, now_ms: i64) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::File(service_key, _) | Self::Configured(service_key) => Ok(service_key.wrap_root_key(number, key)),
            Self::Kms(endpoint) => {
                let mut wrapped = vec![KMS_FORM];
                wrapped.extend(endpoint.encrypt(number, key.as_bytes(), now_ms).await?);
                Ok(wrapped)
            }
        }
    }

    /// Undoes [`wrap`](Self::wrap); none if something else has wrapped it.
    pub async fn unwrap(&self, number: u32, wrapped: &[u8], now_ms: i64) -> Result<Option<RootKey>, StoreError> {
        match self {
            Self::File(service_key, _) | Self::Configured(service_key) => {
                Ok(service_key.unwrap_root_key(number, wrapped))
            }
            Self::Kms(endpoint) => match wrapped.split_first() {
                Some((&KMS_FORM, ciphertext)) => {
                    let opened = endpoint.decrypt(number, ciphertext, now_ms).await?;
                    Ok(opened.and_then(|bytes| RootKey::from_bytes(&bytes)))
                }
                _ => Ok(None),
            },
        }
    }
}
