//! The errors of STS, with their names and texts in one place (reference/around.md 3).

use access::web_identity::token::{ALGORITHMS, TokenError};
use aws::AwsError;
use http::StatusCode;
use runtime::aws_error::{IntoAwsError, store_error};
use store::error::StoreError;

/// What an operation answers with instead of its output.
#[derive(Debug)]
pub enum StsError {
    /// A member is missing or does not satisfy the model.
    Validation(String),
    /// Not allowed.
    AccessDenied(String),
    /// A session policy cannot be read.
    MalformedPolicyDocument(String),
    /// Session policy and tags together are too long.
    PackedPolicyTooLarge,
    /// A web identity's token cannot be trusted.
    InvalidIdentityToken(String),
    /// A web identity's token was good once.
    ExpiredIdentityToken(String),
    /// The identity provider does not answer.
    IdentityProviderUnreachable(String),
    /// A text that this server did not encode.
    InvalidAuthorizationMessage,
    /// Storage failed.
    Store(StoreError),
}

impl From<StoreError> for StsError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TokenError> for StsError {
    fn from(error: TokenError) -> Self {
        Self::InvalidIdentityToken(match error {
            TokenError::Expired { now, expires_at } => {
                return Self::ExpiredIdentityToken(format!(
                    "Token expired: current date/time {now} must be before the expiration date/time {expires_at}"
                ));
            }
            TokenError::NotAToken => {
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
                    .to_owned()
            }
            TokenError::Algorithm => {
                let names = ALGORITHMS.map(|(name, _)| name).join(", ");
                format!("The signature algorithm of the web identity token must be one of {names}")
            }
            TokenError::Missing(claim) => format!("Missing a required claim: {claim}"),
            TokenError::NoKey => "Couldn't retrieve verification key from your identity provider, please reference \
                                  AssumeRoleWithWebIdentity documentation for requirements"
                .to_owned(),
            TokenError::Signature => "The signature of the web identity token is not valid".to_owned(),
            TokenError::NotYet { now, valid_from } => {
                format!("Token is not valid yet: current date/time {now} must not be before {valid_from}")
            }
            TokenError::Audience => "Incorrect token audience".to_owned(),
        })
    }
}

impl IntoAwsError for StsError {
    fn into_aws_error(self, request_id: uuid::Uuid) -> AwsError {
        match self {
            Self::Validation(message) => AwsError::new("ValidationError", message),
            Self::AccessDenied(message) => AwsError::new("AccessDenied", message).with_status(StatusCode::FORBIDDEN),
            Self::MalformedPolicyDocument(message) => AwsError::new("MalformedPolicyDocument", message),
            Self::PackedPolicyTooLarge => AwsError::new(
                "PackedPolicyTooLarge",
                "Packed policy and session tags consume more than 100% of the space that a session has",
            ),
            Self::InvalidIdentityToken(message) => AwsError::new("InvalidIdentityToken", message),
            Self::ExpiredIdentityToken(message) => AwsError::new("ExpiredTokenException", message),
            Self::IdentityProviderUnreachable(message) => AwsError::new("IDPCommunicationError", message),
            Self::InvalidAuthorizationMessage => AwsError::new(
                "InvalidAuthorizationMessageException",
                "Message is not valid: this server encodes none, its refusals say why in clear",
            ),
            Self::Store(error) => store_error(request_id, &error),
        }
    }
}
