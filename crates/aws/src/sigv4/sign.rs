//! Signing requests: for Wharf's own command line and tests.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::canonical::canonical_request;
use super::signature::{SigningKey, sha256_hex};
use super::{ALGORITHM, RequestParts, TERMINATOR};
use crate::identity::SecretAccessKey;
use crate::time;

/// Who signs a request, for what, and when.
pub struct Signer<'a> {
    /// The access key.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret: &'a SecretAccessKey,
    /// Its session token, if it is temporary.
    pub session_token: Option<&'a str>,
    /// The region that is called.
    pub region: &'a str,
    /// The service that is called, such as `kms`.
    pub service: &'a str,
    /// The time, in epoch milliseconds.
    pub now_ms: i64,
}

/// A request to sign. `headers` must have `host`; all of them are signed.
pub struct SigningRequest<'a> {
    /// `POST`, …
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: &'a str,
    /// The headers so far.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// The headers to add to the request.
pub fn sign_headers(request: &SigningRequest<'_>, signer: &Signer<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let amz_date = time::amz_date(signer.now_ms);
    let mut added: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let mut add = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            added.push((HeaderName::from_static(name), value));
        }
    };
    add("x-amz-date", &amz_date);
    if let Some(token) = signer.session_token {
        add("x-amz-security-token", token);
    }
    let mut headers = request.headers.clone();
    headers.extend(added.iter().cloned());
    let mut names: Vec<String> = headers.keys().map(ToString::to_string).collect();
    names.sort_unstable();
    let parts = RequestParts {
        method: request.method,
        path: request.path,
        query: request.query,
        headers: &headers,
        body_sha256: &sha256_hex(request.body),
    };
    let date = &amz_date[..8.min(amz_date.len())];
    let canonical = canonical_request(&parts, &names, None, false);
    let scope = format!("{date}/{}/{}", signer.region, signer.service);
    let key = SigningKey::derive(signer.secret, date, signer.region, signer.service);
    let signature = key.sign(&amz_date, &scope, &canonical);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}/{TERMINATOR}, SignedHeaders={}, Signature={signature}",
        signer.access_key_id,
        names.join(";")
    );
    if let Ok(value) = HeaderValue::from_str(&authorization) {
        added.push((http::header::AUTHORIZATION, value));
    }
    added
}
