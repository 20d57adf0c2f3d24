//! HTTP clients of an import, and what their answers say.

use std::path::PathBuf;
use std::time::Duration;

use aws_client::{is_loopback, root_cause};
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde::Deserialize;

use super::failure::Failure;
use crate::client::read_certificates;
use crate::error::Error;
use crate::scheme::Mismatch;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_REDIRECTS: usize = 10;
/// As much of an error's answer is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// As much of it is shown.
const MAX_SHOWN_CHARACTERS: usize = 300;

/// A client for a registry at a URL. `read_timeout` is the longest silence of an answer; a client that sends long bodies
/// has none.
pub(super) fn new_client(url: &Url, trusted: &[PathBuf], read_timeout: Option<Duration>) -> Result<Client, Error> {
    let mut builder = Client::builder()
        .redirect(redirects())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")));
    if let Some(read_timeout) = read_timeout {
        builder = builder.read_timeout(read_timeout);
    }
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    let certificates = read_certificates(trusted)?;
    // Nothing on loopback without TLS needs certificates of the system, which are perhaps not there.
    if !certificates.is_empty() || (url.scheme() == "http" && is_loopback(url)) {
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(|error| Error::Usage(format!("TLS cannot be set up: {}", root_cause(&error))))
}

/// Registries lead to where their blobs are. What the request is authorized with goes to no other host.
fn redirects() -> Policy {
    Policy::custom(|attempt| {
        let was_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
        if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("too many redirects")
        } else if was_https && attempt.url().scheme() != "https" {
            attempt.error("it redirects to where https is not spoken")
        } else {
            attempt.follow()
        }
    })
}

/// A whole body, if it is at most `limit` bytes long.
pub(super) async fn read(mut answer: Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let host = answer.url().host_str().unwrap_or_default().to_owned();
    let too_long = || Failure::Final(format!("an answer of {host} is longer than {limit} bytes"));
    if answer.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    let broken =
        |error: &reqwest::Error| Failure::passing(format!("an answer of {host} broke off: {}", root_cause(error)));
    while let Some(chunk) = answer.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The first error of an answer under `/v2/`: its code and message.
fn first_error(body: &[u8]) -> Option<OneError> {
    let errors: Errors = serde_json::from_slice(body).ok()?;
    errors.errors.into_iter().next()
}

/// What an answer says that is no success. `who` answered.
pub(super) async fn refusal(who: &str, answer: Response) -> Failure {
    let status = answer.status();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let url = answer.url().clone();
    let body = read(answer, MAX_ERROR_BYTES).await.unwrap_or_default();
    if let Some(mismatch) = Mismatch::of_answer(&url, status.as_u16(), &String::from_utf8_lossy(&body)) {
        return Failure::Final(format!("{who} cannot be used: {}: {}", mismatch.cause(), mismatch.hint("")));
    }
    let Some(error) = first_error(&body) else {
        return Failure::of_status(status, retry_after, format!("{who} answered {status}"));
    };
    let message: String = error.message.chars().take(MAX_SHOWN_CHARACTERS).collect();
    let text = format!("{who} answered {status}: {} {message}", error.code);
    let text = text.trim_end().to_owned();
    match error.code.as_str() {
        // The one refusal of ECR that concerns a tag alone; an invalid tag never gets here.
        "TAG_INVALID" => Failure::ImmutableTag(text),
        "DIGEST_INVALID" => Failure::WrongDigest(text),
        _ => Failure::of_status(status, retry_after, text),
    }
}
