//! The errors of STS, with their names and texts in one place (reference/around.md 3).

use aws::AwsError;
use http::StatusCode;
use store::error::StoreError;

use crate::aws_api::operation::{IntoAwsError, store_error};

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
