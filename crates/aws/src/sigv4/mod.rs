//! Signature Version 4: reading what a request presents, and checking it (reference/wire.md 3).

mod authorization;
mod canonical;
mod error;
mod sign;
mod signature;
mod verify;

pub use authorization::Presented;
pub use error::SigV4Error;
pub use sign::{Signer, SigningRequest, sign_headers};
pub use signature::{BodyHash, SigningKey, sha256_hex};

/// The parts of a request that a signature covers.
#[derive(Clone, Copy)]
pub struct RequestParts<'a> {
    /// `POST`, …
    pub method: &'a str,
    /// The path as received, percent-encoded.
    pub path: &'a str,
    /// The query as received, without `?`.
    pub query: &'a str,
    /// The headers. `host` is among them, from wherever the request had it (RFC 9113, 8.3.1: `:authority`).
    pub headers: &'a http::HeaderMap,
    /// The SHA-256 of the whole body, as [`sha256_hex`] gives it.
    pub body_sha256: &'a str,
}

/// The one algorithm that is used here.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// HTTP/2's pseudo-header for what HTTP/1.1 has in Host.
const AUTHORITY: &str = ":authority";

/// The text of a header, if it is readable.
fn header<'a>(headers: &'a http::HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
