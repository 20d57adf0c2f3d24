//! A KMS that wraps the root keys: AWS's, or whatever speaks its Encrypt and Decrypt, such as another Wharf.

use std::time::Duration;

use aws::SecretAccessKey;
use aws::sigv4::Signer;
use aws_client::{CallError, ServiceError, SignedClient};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Url};
use serde_json::{Value, json};
use store::error::{StoreError, StoreErrorKind};
use zeroize::Zeroizing;

use crate::outbound::cause_of;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Longer than any answer to these calls.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// What KMS answers to a ciphertext that is none of its key's, or is bound to something else.
const NOT_OURS: [&str; 2] = ["InvalidCiphertextException", "IncorrectKeyException"];

/// A KMS, as it is configured.
pub struct KmsEndpointConfig {
    /// The key that wraps: id, ARN or alias.
    pub key_id: String,
    /// The base URL.
    pub url: Url,
    /// The region that requests are signed for.
    pub region: String,
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret: SecretAccessKey,
    /// Its session token, if it is temporary.
    pub session_token: Option<SecretAccessKey>,
    /// Who issued its certificate, in PEM form; the machine's authorities if none.
    pub ca_pem: Option<Vec<u8>>,
}

/// A KMS.
pub struct KmsEndpoint {
    config: KmsEndpointConfig,
    client: SignedClient,
}

impl KmsEndpoint {
    /// Fails if its certificate cannot be read.
    pub fn new(config: KmsEndpointConfig) -> Result<Self, String> {
        let trusted = config.ca_pem.as_deref().map_or_else(|| Ok(Vec::new()), Certificate::from_pem_bundle);
        let trusted = trusted.map_err(|error| error.to_string())?;
        let http = aws_client::builder(&config.url, trusted, TIMEOUT).build().map_err(|error| error.to_string())?;
        let client = SignedClient::new(http, config.url.clone(), TIMEOUT, MAX_ANSWER_BYTES);
        Ok(Self { config, client })
    }

    /// The key that wraps, as configured.
    pub fn key_id(&self) -> &str {
        &self.config.key_id
    }

    /// The base URL.
    pub fn url(&self) -> &str {
        self.config.url.as_str()
    }

    /// Encrypts a root key, bound to its number.
    pub(super) async fn encrypt(&self, number: u32, key: &[u8], now_ms: i64) -> Result<Vec<u8>, StoreError> {
        let plaintext = Zeroizing::new(STANDARD.encode(key));
        let input = json!({ "KeyId": self.key_id(), "Plaintext": *plaintext, "EncryptionContext": context(number) });
        let answer = self.call("Encrypt", &input, now_ms).await?.map_err(|error| self.refused(&error))?;
        self.bytes_of(&answer, "CiphertextBlob")
    }

    /// Undoes [`encrypt`](Self::encrypt); none if the ciphertext is not of this KMS.
    pub(super) async fn decrypt(
        &self,
        number: u32,
        ciphertext: &[u8],
        now_ms: i64,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        // The ciphertext names its key: it may be one from before a change of key_id.
        let input = json!({ "CiphertextBlob": STANDARD.encode(ciphertext), "EncryptionContext": context(number) });
        match self.call("Decrypt", &input, now_ms).await? {
            Ok(answer) => Ok(Some(Zeroizing::new(self.bytes_of(&answer, "Plaintext")?))),
            Err(error) if NOT_OURS.contains(&error.code.as_str()) => Ok(None),
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn bytes_of(&self, answer: &Value, member: &str) -> Result<Vec<u8>, StoreError> {
        let text = answer.get(member).and_then(Value::as_str);
        let bytes = text.and_then(|text| STANDARD.decode(text).ok());
        bytes.ok_or_else(|| self.error(&format!("its answer has no {member}")))
    }

    fn refused(&self, error: &ServiceError) -> StoreError {
        self.error(&format!("{}: {}", error.code, error.message))
    }

    fn error(&self, what: &str) -> StoreError {
        let context = format!("the KMS at {} with the key {}: {what}", self.url(), self.key_id());
        StoreError::new(StoreErrorKind::Unavailable, context)
    }

    /// Calls an operation; the inner error is KMS's own.
    async fn call(
        &self,
        operation: &str,
        input: &Value,
        now_ms: i64,
    ) -> Result<Result<Value, ServiceError>, StoreError> {
        let signer = Signer {
            access_key_id: &self.config.access_key_id,
            secret: &self.config.secret,
            session_token: self.config.session_token.as_ref().map(SecretAccessKey::expose),
            region: &self.config.region,
            service: "kms",
            now_ms,
        };
        let answer = self.client.json(&signer, &format!("TrentService.{operation}"), input).await;
        let answer = answer.map_err(|error| match error {
            CallError::Unreachable(error) => self.error(&cause_of(&error)),
            CallError::Host | CallError::TooLong => self.error(&error.to_string()),
        })?;
        if answer.status.is_success() {
            return Ok(Ok(serde_json::from_slice(&answer.body).unwrap_or_default()));
        }
        let error = answer.error().ok_or_else(|| self.error(&format!("it answered with status {}", answer.status)))?;
        Ok(Err(error))
    }
}

/// What a wrapped root key is bound to.
fn context(number: u32) -> Value {
    json!({ "wharf:root-key": number.to_string() })
}
