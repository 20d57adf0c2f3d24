//! The errors of Secrets Manager, with their names and texts in one place (reference/around.md 3).

use aws::AwsError;
use http::StatusCode;
use runtime::aws_error::IntoAwsError;
use store::error::{INVALID_TEXT, StoreError, StoreErrorKind};

use crate::auth::authorize::Refusal;

/// What an operation answers with instead of its output.
#[derive(Debug)]
pub enum SecretsError {
    /// A member is missing or is not what it must be.
    InvalidParameter(String),
    /// The request does not fit the state of the secret.
    InvalidRequest(&'static str),
    /// There is no such secret.
    SecretNotFound,
    /// The secret has no such version, or none with that stage; as the text names it.
    VersionNotFound(String),
    /// The name of a new secret is taken.
    SecretExists(String),
    /// The version is there with another value.
    VersionExists(String),
    /// More of something than a secret may have.
    LimitExceeded(String),
    /// A resource policy that cannot be read.
    MalformedPolicy(String),
    /// A resource policy that lets everybody in, where the request forbids that.
    PublicPolicy,
    /// The KMS key to encrypt with is not there.
    KmsKeyNotFound(String),
    /// The token of a list's next page is none of this list.
    InvalidNextToken,
    /// The caller may not do it.
    AccessDenied(String),
    /// Storage failed.
    Store(StoreError),
}

/// For what does not work on a secret that is marked for deletion.
pub const MARKED_FOR_DELETION: SecretsError =
    SecretsError::InvalidRequest("You can't perform this operation on the secret because it was marked for deletion.");

impl SecretsError {
    /// A member is not what it must be.
    pub fn parameter(text: impl Into<String>) -> Self {
        Self::InvalidParameter(text.into())
    }
}

impl From<StoreError> for SecretsError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for SecretsError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(message) => Self::AccessDenied(message),
            Refusal::Store(error) => Self::Store(error),
        }
    }
}

impl IntoAwsError for SecretsError {
    fn into_aws_error(self, request_id: uuid::Uuid) -> AwsError {
        match self {
            Self::InvalidParameter(text) => AwsError::new("InvalidParameterException", text),
            Self::InvalidRequest(text) => AwsError::new("InvalidRequestException", text),
            Self::SecretNotFound => {
                AwsError::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
            }
            Self::VersionNotFound(what) => AwsError::new(
                "ResourceNotFoundException",
                format!("Secrets Manager can't find the specified secret value for {what}"),
            ),
            Self::SecretExists(name) => AwsError::new(
                "ResourceExistsException",
                format!("The operation failed because the secret {name} already exists."),
            ),
            Self::VersionExists(id) => AwsError::new(
                "ResourceExistsException",
                format!("A version with the ClientRequestToken {id} exists already, with another value."),
            ),
            Self::LimitExceeded(text) => AwsError::new("LimitExceededException", text),
            Self::MalformedPolicy(text) => AwsError::new("MalformedPolicyDocumentException", text),
            Self::PublicPolicy => AwsError::new(
                "PublicPolicyException",
                "The resource policy allows broad access to the secret, which BlockPublicPolicy forbids.",
            ),
            Self::KmsKeyNotFound(key) => AwsError::new(
                "EncryptionFailure",
                format!(
                    "The secret cannot be encrypted with the KMS key '{key}': here secrets are encrypted with the server's own key. Leave KmsKeyId out."
                ),
            ),
            Self::InvalidNextToken => AwsError::new("InvalidNextTokenException", "Invalid NextToken"),
            Self::AccessDenied(message) => AwsError::new("AccessDeniedException", message),
            Self::Store(error) if error.kind() == StoreErrorKind::InvalidText => {
                tracing::debug!(%request_id, "request {request_id} holds a text that cannot be stored");
                AwsError::new("InvalidParameterException", INVALID_TEXT)
            }
            Self::Store(error) => {
                runtime::log_store_error(request_id, &error);
                AwsError::new("InternalServiceError", "An error occurred on the server side.")
                    .with_status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}
