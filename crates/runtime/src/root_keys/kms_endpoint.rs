//! A KMS that wraps the root keys: AWS's, or whatever speaks its Encrypt and Decrypt, such as another Wharf.

use std::borrow::Cow;
use std::time::Duration;

use aws::SecretAccessKey;
use aws::sigv4::Signer;
use aws_client::{Answer, CallError, ServiceError, SignedClient};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Certificate, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::error::{StoreError, StoreErrorKind};
use zeroize::Zeroizing;

use crate::outbound::cause_of;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Longer than any answer to these calls.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// What KMS answers to a ciphertext that is none of its key's, or is bound to something else.
const NOT_OURS: [&str; 2] = ["InvalidCiphertextException", "IncorrectKeyException"];

/// The input of Encrypt; the key is copied nowhere but into the request, which is overwritten.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypt<'a> {
    key_id: &'a str,
    plaintext: &'a str,
    encryption_context: Value,
}

/// The output of Encrypt.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Encrypted {
    ciphertext_blob: String,
}

/// The output of Decrypt: a part of the answer, which is overwritten, unless it is spelled with escapes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Decrypted<'a> {
    #[serde(borrow)]
    plaintext: Cow<'a, str>,
}

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
        let input = Encrypt { key_id: self.key_id(), plaintext: &plaintext, encryption_context: context(number) };
        let answer = self.call("Encrypt", &input, now_ms).await?.map_err(|error| self.refused(&error))?;
        let answer: Encrypted = self.read(&answer, "CiphertextBlob")?;
        self.decode(&answer.ciphertext_blob, "CiphertextBlob")
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
            Ok(answer) => {
                let answer: Decrypted = self.read(&answer, "Plaintext")?;
                let text = match answer.plaintext {
                    Cow::Borrowed(text) => return Ok(Some(Zeroizing::new(self.decode(text, "Plaintext")?))),
                    Cow::Owned(text) => Zeroizing::new(text),
                };
                Ok(Some(Zeroizing::new(self.decode(&text, "Plaintext")?)))
            }
            Err(error) if NOT_OURS.contains(&error.code.as_str()) => Ok(None),
            Err(error) => Err(self.refused(&error)),
        }
    }

    /// What an answer says; it has the member.
    fn read<'a, T: Deserialize<'a>>(&self, answer: &'a Answer, member: &str) -> Result<T, StoreError> {
        serde_json::from_slice(&answer.body).map_err(|_| self.lacks(member))
    }

    fn decode(&self, text: &str, member: &str) -> Result<Vec<u8>, StoreError> {
        STANDARD.decode(text).map_err(|_| self.lacks(member))
    }

    fn lacks(&self, member: &str) -> StoreError {
        self.error(&format!("its answer has no {member}"))
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
        input: &impl Serialize,
        now_ms: i64,
    ) -> Result<Result<Answer, ServiceError>, StoreError> {
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
            return Ok(Ok(answer));
        }
        let error = answer.error().ok_or_else(|| self.error(&format!("it answered with status {}", answer.status)))?;
        Ok(Err(error))
    }
}

/// What a wrapped root key is bound to.
fn context(number: u32) -> Value {
    json!({ "wharf:root-key": number.to_string() })
}
