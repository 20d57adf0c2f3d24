//! Webhooks: each event is a POST, signed so that its receiver knows whose it is.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::hmac;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, header};
use reqwest::{Certificate, Client, Url, redirect};
use runtime::jobs::job::JobError;
use runtime::network;

use super::config::WebhookConfig;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(15);
/// Of an answer that tells of a failure, so much is kept for people.
const MAX_SHOWN_BYTES: usize = 200;
/// Shorter ones can be guessed.
const MIN_SECRET_BYTES: usize = 16;
const SIGNATURE: HeaderName = HeaderName::from_static("wharf-signature");
const EVENT_ID: HeaderName = HeaderName::from_static("wharf-event-id");
/// What the requests themselves need.
const RESERVED: [HeaderName; 6] =
    [SIGNATURE, EVENT_ID, CONTENT_TYPE, header::CONTENT_LENGTH, header::HOST, header::TRANSFER_ENCODING];

/// A receiver of events.
pub struct Webhook {
    url: Url,
    key: Option<hmac::Key>,
    headers: HeaderMap,
    ca_file: Option<PathBuf>,
    /// Made at its first use: it may read all certificates that the machine trusts.
    client: OnceLock<Result<Client, String>>,
}

/// A header of every request.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = HeaderName::try_from(name).map_err(|_| format!("'{name}' is not the name of a header"))?;
    if RESERVED.contains(&parsed) {
        return Err(format!("header '{name}' is set by Wharf"));
    }
    let mut value = HeaderValue::try_from(value).map_err(|_| format!("the value of header '{name}' cannot be one"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

impl Webhook {
    /// As configured; refuses what can never work, with all its faults.
    pub fn new(config: &WebhookConfig) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let url =
            Url::parse(&config.url).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        match &url {
            None if config.url.is_empty() => faults.push("url is missing".to_owned()),
            None => faults.push("url is not one such as https://hooks.example.com/wharf".to_owned()),
            Some(url) if !url.username().is_empty() || url.password().is_some() => {
                faults.push(format!("url of {} has a user name or password: use headers", host_of(url)));
            }
            Some(_) => {}
        }
        let secret = config.secret.as_ref().map(|secret| secret.expose().as_bytes());
        if secret.is_some_and(|secret| secret.len() < MIN_SECRET_BYTES) {
            let of = url.as_ref().map(|url| format!(" of {}", host_of(url))).unwrap_or_default();
            faults.push(format!("secret{of}: at least {MIN_SECRET_BYTES} bytes are needed"));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            match header(name, value.expose()) {
                Ok((name, value)) => _ = headers.insert(name, value),
                Err(fault) => faults.push(fault),
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let key = secret.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret));
        match url.filter(|_| faults.is_empty()) {
            Some(url) => Ok(Self { url, key, headers, ca_file: config.ca_file.clone(), client: OnceLock::new() }),
            None => Err(faults),
        }
    }

    /// Where it is.
    pub fn host(&self) -> &str {
        host_of(&self.url)
    }

    /// Sends an event; arrived is what is answered with a status of 200 to 299.
    pub async fn post(&self, id: &str, body: String, now_ms: i64) -> Result<(), JobError> {
        let client =
            self.client.get_or_init(|| self.client()).as_ref().map_err(|text| JobError::Failed(text.clone()))?;
        let mut headers = self.headers.clone();
        let mut insert = |name: HeaderName, value: String| {
            let value = HeaderValue::try_from(value)
                .map_err(|_| JobError::Hopeless("the event's id is no header".to_owned()))?;
            headers.insert(name, value);
            Ok::<_, JobError>(())
        };
        insert(EVENT_ID, id.to_owned())?;
        if let Some(key) = &self.key {
            insert(SIGNATURE, signature(key, now_ms / 1000, &body))?;
        }
        let sent = client.post(self.url.clone()).headers(headers).body(body).send().await;
        let mut answer = sent.map_err(|error| JobError::Failed(cause_of(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        if status.is_redirection() {
            return Err(JobError::Failed(format!("the answer was {}: redirects are not followed", status.as_u16())));
        }
        let mut text = Vec::new();
        while text.len() < MAX_SHOWN_BYTES
            && let Ok(Some(chunk)) = answer.chunk().await
        {
            text.extend_from_slice(&chunk[..chunk.len().min(MAX_SHOWN_BYTES - text.len())]);
        }
        let text = String::from_utf8_lossy(&text).replace(|each: char| each.is_control(), " ");
        let failure = format!("the answer was {} {}", status.as_u16(), text.trim()).trim_end().to_owned();
        // RFC 9110, 15.5.11: likely to be permanent, and its owner wants no more requests.
        Err(if status == StatusCode::GONE { JobError::Hopeless(failure) } else { JobError::Failed(failure) })
    }

    fn client(&self) -> Result<Client, String> {
        let mut builder = network::http_client()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &self.ca_file {
            builder = builder.tls_certs_only(read_certificates(file)?);
        } else if self.url.scheme() == "http" {
            // Without TLS no certificates of the system are needed, which are perhaps not there.
            builder = builder.tls_certs_only([]);
        }
        builder.build().map_err(|error| format!("TLS cannot be set up: {error}"))
    }
}

/// `t=<epoch seconds>,v1=<hex of HMAC-SHA-256 over "t.body">`: who replays an old request cannot change its time.
fn signature(key: &hmac::Key, epoch_seconds: i64, body: &str) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(format!("{epoch_seconds}.").as_bytes());
    context.update(body.as_bytes());
    let mut text = format!("t={epoch_seconds},v1=");
    for byte in context.sign().as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn host_of(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// The authorities in a PEM file.
pub(super) fn read_certificates(file: &std::path::Path) -> Result<Vec<Certificate>, String> {
    let pem = runtime::files::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let found = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if found.is_empty() { Err(format!("{} holds no certificate in PEM form", file.display())) } else { Ok(found) }
}

/// The innermost cause says what happened; those around it name the URL, which may hold a secret.
fn cause_of(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIMEOUT.as_secs());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a secret of some length");
        // echo -n '1767225600.{"id":"1"}' | openssl dgst -sha256 -hmac 'a secret of some length'
        let expected = "t=1767225600,v1=17844ffffd94e278f1b3b3843c03da77a7b5b615eaebc56ad84bf1f53f94d7a7";
        assert_eq!(signature(&key, 1_767_225_600, "{\"id\":\"1\"}"), expected);
    }
}
