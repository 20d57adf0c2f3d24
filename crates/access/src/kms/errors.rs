//! The errors of KMS, with their names and texts in one place (reference/around.md 3).

use aws::AwsError;
use http::StatusCode;
use runtime::aws_error::IntoAwsError;
use store::error::{INVALID_TEXT, StoreError, StoreErrorKind};
use store::tables::kms_keys::{KeyRef, KmsKey, KmsKeyArn};
use uuid::Uuid;

use crate::auth::authorize::Refusal;

/// What an operation answers with instead of its output.
#[derive(Debug)]
pub enum KmsError {
    /// A member is missing or is not what it must be.
    Validation(String),
    /// There is no such key, or alias.
    NotFound(KeyRef),
    /// The key of that id, which something is encrypted with, is gone.
    EncryptionKeyNotFound(Uuid),
    /// There is no such grant.
    GrantNotFound(String),
    /// There is a policy of another name only.
    PolicyNotFound(String),
    /// The key, of that ARN, is disabled.
    Disabled(KmsKeyArn),
    /// The key, of that ARN, is to be deleted.
    PendingDeletion(KmsKeyArn),
    /// The key, of that ARN, is not to be deleted.
    NotPendingDeletion(KmsKeyArn),
    /// The alias, of that ARN, is there.
    AliasExists(String),
    /// The alias cannot have that name.
    InvalidAliasName(String),
    /// The ARN is of no key or alias, or of another region.
    InvalidArn(String),
    /// A key policy that cannot be, with the reason.
    MalformedPolicy(String),
    /// More of something than a key may have.
    LimitExceeded(String),
    /// Tags that cannot be.
    Tag(String),
    /// The ciphertext is damaged, of another service, or bound to another context.
    InvalidCiphertext,
    /// The ciphertext is of another key than the request names.
    IncorrectKey,
    /// What this server's KMS does not do.
    Unsupported(&'static str),
    /// A grant token of no grant.
    InvalidGrantToken,
    /// A text that is no grant's id.
    InvalidGrantId,
    /// The marker of a list's next page is none of this list.
    InvalidMarker,
    /// The request would have worked, and was only tried.
    DryRun,
    /// The caller may not do it.
    AccessDenied(String),
    /// Storage failed.
    Store(StoreError),
}

impl KmsError {
    /// A member is not what it must be.
    pub fn validation(text: impl Into<String>) -> Self {
        Self::Validation(text.into())
    }

    /// Why a key cannot encrypt or decrypt; none if it can.
    pub fn of_state(key: &KmsKey) -> Option<Self> {
        match (key.delete_at_ms, key.is_enabled) {
            (Some(_), _) => Some(Self::PendingDeletion(key.arn())),
            (None, false) => Some(Self::Disabled(key.arn())),
            (None, true) => None,
        }
    }

    /// Its name in the model.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Validation(_) => "ValidationException",
            Self::NotFound(_) | Self::EncryptionKeyNotFound(_) | Self::GrantNotFound(_) | Self::PolicyNotFound(_) => {
                "NotFoundException"
            }
            Self::Disabled(_) => "DisabledException",
            Self::PendingDeletion(_) | Self::NotPendingDeletion(_) => "KMSInvalidStateException",
            Self::AliasExists(_) => "AlreadyExistsException",
            Self::InvalidAliasName(_) => "InvalidAliasNameException",
            Self::InvalidArn(_) => "InvalidArnException",
            Self::MalformedPolicy(_) => "MalformedPolicyDocumentException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::Tag(_) => "TagException",
            Self::InvalidCiphertext => "InvalidCiphertextException",
            Self::IncorrectKey => "IncorrectKeyException",
            Self::Unsupported(_) => "UnsupportedOperationException",
            Self::InvalidGrantToken => "InvalidGrantTokenException",
            Self::InvalidGrantId => "InvalidGrantIdException",
            Self::InvalidMarker => "InvalidMarkerException",
            Self::DryRun => "DryRunOperationException",
            Self::AccessDenied(_) => "AccessDeniedException",
            Self::Store(_) => "KMSInternalException",
        }
    }
}

impl std::fmt::Display for KmsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound(key) if key.is_alias() => write!(f, "Alias {} is not found.", key.arn()),
            Self::NotFound(key) => write!(f, "Key '{}' does not exist", key.arn()),
            Self::EncryptionKeyNotFound(id) => write!(f, "The KMS key {id} that encrypted this does not exist"),
            Self::GrantNotFound(id) => write!(f, "Grant ID {id} not found"),
            Self::PolicyNotFound(name) => write!(f, "No such policy exists: {name}"),
            Self::Disabled(arn) => write!(f, "{arn} is disabled."),
            Self::PendingDeletion(arn) => write!(f, "{arn} is pending deletion."),
            Self::NotPendingDeletion(arn) => write!(f, "{arn} is not pending deletion."),
            Self::AliasExists(arn) => write!(f, "An alias with the name {arn} already exists"),
            Self::InvalidArn(text) => write!(f, "Invalid arn {text}"),
            Self::Validation(text)
            | Self::InvalidAliasName(text)
            | Self::MalformedPolicy(text)
            | Self::LimitExceeded(text)
            | Self::Tag(text)
            | Self::AccessDenied(text) => f.write_str(text),
            Self::InvalidCiphertext => f.write_str(
                "The ciphertext is not of this KMS, was changed, or was made with another encryption context.",
            ),
            Self::IncorrectKey => {
                f.write_str("The key ID in the request does not identify a CMK that can perform this operation.")
            }
            Self::Unsupported(text) => f.write_str(text),
            Self::InvalidGrantToken => f.write_str("The grant token is of no grant."),
            Self::InvalidGrantId => f.write_str("The grant ID is not valid."),
            Self::InvalidMarker => f.write_str("Invalid marker"),
            Self::DryRun => f.write_str("The request would have succeeded, but the DryRun option is set."),
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}

impl From<StoreError> for KmsError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refusal> for KmsError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(message) => Self::AccessDenied(message),
            Refusal::Store(error) => Self::Store(error),
        }
    }
}

impl IntoAwsError for KmsError {
    fn into_aws_error(self, request_id: Uuid) -> AwsError {
        match self {
            Self::Store(error) if error.kind() == StoreErrorKind::InvalidText => {
                tracing::debug!(%request_id, "request {request_id} holds a text that cannot be stored");
                AwsError::new("ValidationException", INVALID_TEXT)
            }
            Self::Store(error) => {
                runtime::log_store_error(request_id, &error);
                AwsError::new("KMSInternalException", "An error occurred on the server side.")
                    .with_status(StatusCode::INTERNAL_SERVER_ERROR)
            }
            other => AwsError::new(other.code(), other.to_string()),
        }
    }
}
