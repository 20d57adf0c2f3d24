//! What can be wrong with a signature, with the texts of AWS's front end (reference/wire.md 3).

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigV4Error {
    /// Neither header nor query authentication.
    #[error("Missing Authentication Token")]
    MissingAuthenticationToken,
    /// The header or query cannot be read; holds the whole text.
    #[error("{0}")]
    IncompleteSignature(String),
    /// No such key, or a session token that is not the key's.
    #[error("The security token included in the request is invalid.")]
    UnrecognizedClient,
    /// The session token was good once.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
    /// Signed for a region that is none here; whoever knows the regions says more.
    #[error("Credential should be scoped to a valid Region.")]
    InvalidRegion,
    /// Anything else that does not fit; holds the whole text.
    #[error("{0}")]
    InvalidSignature(String),
}

impl SigV4Error {
    /// Whether somebody may be trying keys out.
    pub const fn is_guess(&self) -> bool {
        match self {
            Self::UnrecognizedClient | Self::InvalidRegion | Self::InvalidSignature(_) => true,
            Self::MissingAuthenticationToken | Self::IncompleteSignature(_) | Self::ExpiredToken => false,
        }
    }

    /// The name in the JSON protocol.
    pub const fn json_type(&self) -> &'static str {
        match self {
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::IncompleteSignature(_) => "IncompleteSignatureException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::ExpiredToken => "ExpiredTokenException",
            Self::InvalidRegion | Self::InvalidSignature(_) => "InvalidSignatureException",
        }
    }

    /// The name in the Query protocol.
    pub const fn query_code(&self) -> &'static str {
        match self {
            Self::MissingAuthenticationToken => "MissingAuthenticationToken",
            Self::IncompleteSignature(_) => "IncompleteSignature",
            Self::UnrecognizedClient => "InvalidClientTokenId",
            Self::ExpiredToken => "ExpiredToken",
            Self::InvalidRegion | Self::InvalidSignature(_) => "SignatureDoesNotMatch",
        }
    }
}
