//! A KMS that wraps the root keys: AWS's, or whatever speaks its Encrypt and Decrypt, such as another Wharf.

use std::time::Duration;

use aws::SecretAccessKey;
use aws::sigv4::{SigningRequest, sign_headers};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, header};
use reqwest::{Client, Url, redirect};
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
    client: Client,
}

impl KmsEndpoint {
    /// Fails if its certificate cannot be read.
    pub fn new(config: KmsEndpointConfig) -> Result<Self, String> {
        let mut builder = Client::builder().redirect(redirect::Policy::none()).referer(false).timeout(TIMEOUT);
        match &config.ca_pem {
            Some(pem) => {
                let found = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| error.to_string())?;
                builder = builder.tls_certs_only(found);
            }
            // Without TLS no certificates are needed, which the machine perhaps does not have.
            None if config.url.scheme() == "http" => builder = builder.tls_certs_only(Vec::new()),
            None => {}
        }
        let client = builder.build().map_err(|error| error.to_string())?;
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
        let answer = self.call("Encrypt", &input, now_ms).await?.map_err(|(code, text)| self.refused(&code, &text))?;
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
            Err((code, _)) if NOT_OURS.contains(&code.as_str()) => Ok(None),
            Err((code, text)) => Err(self.refused(&code, &text)),
        }
    }

    fn bytes_of(&self, answer: &Value, member: &str) -> Result<Vec<u8>, StoreError> {
        let text = answer.get(member).and_then(Value::as_str);
        let bytes = text.and_then(|text| STANDARD.decode(text).ok());
        bytes.ok_or_else(|| self.error(&format!("its answer has no {member}")))
    }

    fn refused(&self, code: &str, text: &str) -> StoreError {
        self.error(&format!("{code}: {text}"))
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
    ) -> Result<Result<Value, (String, String)>, StoreError> {
        let body = Zeroizing::new(input.to_string());
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        let target = HeaderValue::from_str(&format!("TrentService.{operation}"));
        headers.insert("x-amz-target", target.expect("operations have names of letters"));
        let url = &self.config.url;
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let host = HeaderValue::from_str(&host).map_err(|_| self.error("its URL has no usable host"))?;
        headers.insert(header::HOST, host);
        let signature = sign_headers(&SigningRequest {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
            access_key_id: &self.config.access_key_id,
            secret: &self.config.secret,
            session_token: self.config.session_token.as_ref().map(SecretAccessKey::expose),
            region: &self.config.region,
            service: "kms",
            now_ms,
        });
        headers.extend(signature);
        let request = self.client.post(url.clone()).headers(headers).body(body.to_string());
        let mut answer = request.send().await.map_err(|error| self.error(&cause_of(&error)))?;
        let status = answer.status();
        let mut bytes = Zeroizing::new(Vec::new());
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.error(&cause_of(&error)))? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(self.error("its answer is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(Ok(value));
        }
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let code = text("__type");
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        if code.is_empty() {
            return Err(self.error(&format!("it answered with status {status}")));
        }
        let message = if value.get("message").is_some() { text("message") } else { text("Message") };
        Ok(Err((code, message)))
    }
}

/// What a wrapped root key is bound to.
fn context(number: u32) -> Value {
    json!({ "wharf:root-key": number.to_string() })
}
