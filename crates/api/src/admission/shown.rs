//! What a request shows of who makes it, before anybody believes it.

use access::auth::sigv4::Claim;
use access::auth::token;
use access::request::RequestContext;
use http::header;

/// The credentials of a request.
#[expect(
    clippy::large_enum_variant,
    reason = "each request makes one, hands it on and is done: a box would be more work"
)]
pub enum Shown<'a> {
    /// A signature, as AWS's protocols have it.
    Signature(Signature<'a>),
    /// A registry's token, as the OCI distribution protocol has it.
    Token {
        /// How it is shown.
        scheme: Scheme,
        /// User and token as they stand in the header.
        text: &'a str,
    },
    /// None at all.
    Nothing,
    /// Something that is none of these.
    Unreadable,
}

/// A signature, when what it covers is there.
pub struct Signature<'a> {
    /// What the head says of it.
    pub claim: Claim,
    /// The SHA-256 of the body, in lower-case hex.
    pub body_sha256: &'a str,
    /// The service that must have been signed for.
    pub service: &'a str,
}

/// The schemes by which tokens are shown. The same token can stand in either (reference/access.md 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// What docker sends, and ECR asks for.
    Basic,
    /// What ECR Public asks for.
    Bearer,
}

impl<'a> Shown<'a> {
    /// What the head of a request shows to a registry.
    pub fn to_registry(http: &'a RequestContext) -> Self {
        let Some(header) = http.header(header::AUTHORIZATION) else { return Self::Nothing };
        match header.split_once(' ').filter(|_| header.len() <= token::MAX_HEADER_BYTES) {
            Some((scheme, text)) if scheme.eq_ignore_ascii_case("basic") => Self::Token { scheme: Scheme::Basic, text },
            Some((scheme, text)) if scheme.eq_ignore_ascii_case("bearer") => {
                Self::Token { scheme: Scheme::Bearer, text }
            }
            Some(_) | None => Self::Unreadable,
        }
    }
}
