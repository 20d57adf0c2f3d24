//! What the registry refuses, as ECR's API names it: the errors that several services share.

use crate::protocols::slow_down;
use aws::AwsError;
use http::StatusCode;
use oci::ManifestError;
use registry::images::errors::RegistryError;
use runtime::aws_error::STORAGE_FULL;
use store::error::{INVALID_TEXT, StoreErrorKind};

/// ECR's error for what the registry refuses. Logs what is not the client's doing.
pub fn registry_error(error: RegistryError, request_id: uuid::Uuid) -> AwsError {
    let message = error.to_string();
    let new = |code| AwsError::new(code, message.clone());
    match error {
        RegistryError::RepositoryNotFound(_) => new("RepositoryNotFoundException"),
        RegistryError::RepositoryAlreadyExists(_) => new("RepositoryAlreadyExistsException"),
        RegistryError::RepositoryNotEmpty(_) | RegistryError::RepositoryProtected(..) => {
            new("RepositoryNotEmptyException")
        }
        RegistryError::UploadNotFound(..) => new("UploadNotFoundException"),
        RegistryError::UploadBusy => invalid_parameter("uploadId", &message),
        RegistryError::UploadOutOfOrder { repository, upload, received } => {
            let error = new("InvalidLayerPartException")
                .with("registryId", repository.registry.account.as_str().into())
                .with("repositoryName", repository.name.as_str().into())
                .with("uploadId", upload.to_string().into());
            // The model's least value also stands for nothing received; the message says where to begin.
            error.with("lastValidByteReceived", received.saturating_sub(1).into())
        }
        RegistryError::EmptyUpload => new("EmptyUploadException"),
        RegistryError::LayerPartTooSmall => new("LayerPartTooSmallException"),
        RegistryError::LayerDigestMismatch { .. } => new("InvalidLayerException"),
        RegistryError::LayerAlreadyExists(..) => new("LayerAlreadyExistsException"),
        RegistryError::LayerNotFound(..) | RegistryError::LayersNotFound(..) => new("LayersNotFoundException"),
        RegistryError::LayerInaccessible(..) | RegistryError::LayerArchived(..) => new("LayerInaccessibleException"),
        RegistryError::LayerTooLarge(_)
        | RegistryError::TooManyRepositories(..)
        | RegistryError::TooManyImages(..)
        | RegistryError::TooManyUploads(..)
        | RegistryError::TooManyUploadsOfRegistry(..)
        | RegistryError::TooManyTagsOnImage(_) => new("LimitExceededException"),
        // ECR's text does not say what is wrong with the media type; the log does.
        RegistryError::ManifestInvalid(
            ManifestError::InvalidJson | ManifestError::MediaTypeMissing | ManifestError::UnsupportedMediaType(_),
        ) => {
            tracing::info!(%request_id, "manifest refused: {message}");
            invalid_parameter("ImageManifest", "Invalid JSON syntax")
        }
        RegistryError::ManifestInvalid(_) => invalid_parameter("ImageManifest", &message),
        RegistryError::ImageDigestDoesNotMatch { .. } => new("ImageDigestDoesNotMatchException"),
        RegistryError::ReferencedImagesNotFound(..) | RegistryError::IndexOfBlobs(_) => {
            new("ReferencedImagesNotFoundException")
        }
        RegistryError::ImageAlreadyExists(..) => new("ImageAlreadyExistsException"),
        RegistryError::ImageTagAlreadyExists(..) => new("ImageTagAlreadyExistsException"),
        RegistryError::ImageNotFound | RegistryError::ImageInaccessible => new("ImageNotFoundException"),
        RegistryError::StorageClassNotSupported(_) => new("ImageStorageClassUpdateNotSupportedException"),
        RegistryError::ImageReferenced(_) | RegistryError::ImageProtected(_) => invalid_parameter("imageIds", &message),
        RegistryError::NoRoom => slow_down(),
        RegistryError::Kms(error) => new("KmsException").with("kmsError", error.code().into()),
        RegistryError::VeiledKms(code, _) => new("KmsException").with("kmsError", code.into()),
        RegistryError::Store(cause) if cause.kind() == StoreErrorKind::InvalidText => {
            tracing::debug!(%request_id, %cause, "request {request_id} holds a text that cannot be stored: {cause}");
            AwsError::new("InvalidParameterException", INVALID_TEXT)
        }
        RegistryError::Store(cause) => {
            runtime::log_store_error(request_id, &cause);
            let text = match cause.kind() {
                StoreErrorKind::Full => STORAGE_FULL,
                StoreErrorKind::Busy | StoreErrorKind::Unavailable => "The registry's storage is not available.",
                StoreErrorKind::Corrupt => "What is stored is damaged. The server's log names it.",
                StoreErrorKind::Conflict | StoreErrorKind::InvalidText | StoreErrorKind::Other => {
                    "An error occurred inside the registry."
                }
            };
            AwsError::new("ServerException", text).with_status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// ECR's `InvalidParameterException` for a member, in ECR's form of words (reference/wire.md).
pub fn invalid_parameter(member: &str, constraint: &str) -> AwsError {
    AwsError::new(
        "InvalidParameterException",
        format!("Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'"),
    )
}
