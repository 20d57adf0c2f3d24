//! Why an image does not arrive, by what is to be done about it.

use store::error::{StoreError, StoreErrorKind};

use crate::images::errors::RegistryError;

/// What kept an image from its destination.
#[derive(Debug)]
pub enum ReplicationFailure {
    /// The destination is out of reach: nothing goes there for a while.
    Destination(String),
    /// This image did not work this time.
    Image(String),
    /// Something that it needs is not there yet. Not a failure.
    Early,
    /// It will not work until somebody changes something.
    Refused {
        /// ECR's `failureCode`.
        code: String,
        /// What is wrong, for people.
        reason: String,
    },
}

impl ReplicationFailure {
    /// A refusal.
    pub fn refused(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { code: code.into(), reason: reason.into() }
    }
}

impl From<StoreError> for ReplicationFailure {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Busy | StoreErrorKind::Unavailable | StoreErrorKind::Full => {
                Self::Destination(error.to_string())
            }
            StoreErrorKind::Conflict
            | StoreErrorKind::Corrupt
            | StoreErrorKind::InvalidText
            | StoreErrorKind::Other => Self::Image(error.to_string()),
        }
    }
}

impl From<RegistryError> for ReplicationFailure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Store(error) => error.into(),
            // What it needs was there a moment ago, and is brought again.
            RegistryError::LayersNotFound(..)
            | RegistryError::LayerNotFound(..)
            | RegistryError::ReferencedImagesNotFound(..)
            | RegistryError::RepositoryNotFound(_)
            | RegistryError::UploadNotFound(..)
            | RegistryError::UploadBusy => Self::Image(error.to_string()),
            RegistryError::Kms(_) | RegistryError::VeiledKms(..) => Self::refused("KmsException", error.to_string()),
            RegistryError::TooManyRepositories(..)
            | RegistryError::TooManyImages(..)
            | RegistryError::TooManyTagsOnImage(_)
            | RegistryError::TooManyUploads(..)
            | RegistryError::TooManyUploadsOfRegistry(..)
            | RegistryError::LayerTooLarge(_) => Self::refused("LimitExceeded", error.to_string()),
            other => Self::refused("InvalidImage", other.to_string()),
        }
    }
}
