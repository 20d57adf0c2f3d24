//! Errors on `/v2/`: the specification's codes with ECR's texts and statuses (reference/access.md 7).

use access::auth::authorize::Refusal;
use access::auth::download_url;
use access::request::RequestContext;
use http::{HeaderValue, StatusCode, header};
use oci::ErrorCode;
use registry::cache::failure::CacheFailure;
use registry::cache::upstream::UpstreamFailure;
use registry::images::errors::RegistryError;
use runtime::http::body::BodyError;
use runtime::http::respond::{self, Answer};
use runtime::rates::TooSoon;
use store::error::{INVALID_TEXT, StoreErrorKind};

/// An error answer.
#[derive(Debug)]
pub struct V2Error {
    code: ErrorCode,
    status: StatusCode,
    message: String,
    /// What went wrong inside, for the log alone.
    cause: Option<store::error::StoreError>,
    /// Bytes of an upload received so far, which a client needs to go on.
    pub received: Option<u64>,
    /// After how many seconds the client may ask again.
    retry_after_seconds: Option<u64>,
}

impl V2Error {
    /// With the code's own status.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(code.default_status()).unwrap_or(StatusCode::BAD_REQUEST);
        Self { code, status, message: message.into(), cause: None, received: None, retry_after_seconds: None }
    }

    /// With another status.
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The token is nobody's, or nobody's any more.
    pub fn invalid_token() -> Self {
        Self::new(ErrorCode::Denied, "Your Authorization Token is invalid.").with_status(StatusCode::BAD_REQUEST)
    }

    /// A text that should be a digest.
    pub fn not_a_digest(text: &str) -> Self {
        let rule = "'sha256:' and 64, or 'sha512:' and 128, lower-case hex digits are";
        Self::new(ErrorCode::DigestInvalid, format!("'{text}' is not a digest: {rule}"))
    }

    /// The path does not know the method.
    pub fn unsupported_method() -> Self {
        Self::new(ErrorCode::Unsupported, "The operation is unsupported.").with_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    /// The registry is asked too often (reference/access.md 7).
    pub fn too_many_requests(too_soon: TooSoon) -> Self {
        let mut error = Self::new(ErrorCode::TooManyRequests, "Rate exceeded");
        error.retry_after_seconds = Some(too_soon.retry_after_seconds);
        error
    }

    /// The code of the specification.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the client is told.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// For an image that the cache did not get.
    pub fn of_image(failure: CacheFailure) -> Self {
        Self::of_cache(failure, RegistryError::ImageNotFound.into())
    }

    /// For a layer that the cache did not get.
    pub fn of_layer(failure: CacheFailure) -> Self {
        let text = "The upstream registry does not have the layer any more";
        Self::of_cache(failure, Self::new(ErrorCode::BlobUnknown, text))
    }

    fn of_cache(failure: CacheFailure, absent: Self) -> Self {
        let text = failure.to_string();
        let new = |code, status| Self::new(code, text).with_status(status);
        match failure {
            CacheFailure::Upstream(UpstreamFailure::NotFound) => absent,
            CacheFailure::Upstream(UpstreamFailure::AccessDenied(_)) | CacheFailure::Credentials(_) => {
                new(ErrorCode::Denied, StatusCode::FORBIDDEN)
            }
            CacheFailure::Upstream(UpstreamFailure::TooManyRequests) => {
                new(ErrorCode::TooManyRequests, StatusCode::TOO_MANY_REQUESTS)
            }
            CacheFailure::Upstream(UpstreamFailure::Unavailable(_)) => {
                new(ErrorCode::Internal, StatusCode::SERVICE_UNAVAILABLE)
            }
            CacheFailure::Upstream(UpstreamFailure::Unusable(_)) => new(ErrorCode::Internal, StatusCode::BAD_GATEWAY),
            CacheFailure::NoRule(..) => new(ErrorCode::BlobUnknown, StatusCode::NOT_FOUND),
            CacheFailure::Refused(_) => new(ErrorCode::Denied, StatusCode::FORBIDDEN),
            CacheFailure::Storage(kind, text) => store::error::StoreError::new(kind, text).into(),
        }
    }

    /// The answer. Logs what is not the client's doing.
    pub fn into_answer(self, http: &RequestContext) -> Answer {
        if let Some(cause) = &self.cause {
            let (method, path) = (&http.method, download_url::without_grant(&http.path));
            let text = runtime::with_causes(cause);
            tracing::error!(request_id = %http.request_id, kind = ?cause.kind(), "{method} {path} failed: {text}");
        }
        let body = oci::error_body(self.code, &self.message, None);
        let mut answer = respond::with_body(self.status, "application/json; charset=utf-8", body);
        if let Some(seconds) = self.retry_after_seconds {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

impl From<BodyError> for V2Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit } => {
                Self::new(ErrorCode::SizeInvalid, format!("The body may be at most {limit} bytes"))
                    .with_status(StatusCode::PAYLOAD_TOO_LARGE)
            }
            BodyError::Broken => Self::new(ErrorCode::SizeInvalid, "The body ended before its announced length"),
            BodyError::Idle => Self::new(ErrorCode::BlobUploadInvalid, "No data was received for too long")
                .with_status(StatusCode::REQUEST_TIMEOUT),
            BodyError::Exhausted => {
                let text = "The server has no room for the request now: try again";
                Self { retry_after_seconds: Some(1), ..Self::new(ErrorCode::TooManyRequests, text) }
            }
        }
    }
}

impl From<Refusal> for V2Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(message) => Self::new(ErrorCode::Denied, message),
            Refusal::Store(error) => error.into(),
        }
    }
}

impl From<store::error::StoreError> for V2Error {
    fn from(error: store::error::StoreError) -> Self {
        RegistryError::from(error).into()
    }
}

impl From<RegistryError> for V2Error {
    fn from(error: RegistryError) -> Self {
        let message = error.to_string();
        let new = |code| Self::new(code, message);
        match error {
            RegistryError::RepositoryNotFound(_) => new(ErrorCode::NameUnknown),
            RegistryError::RepositoryAlreadyExists(_)
            | RegistryError::RepositoryNotEmpty(_)
            | RegistryError::LayerAlreadyExists(..)
            | RegistryError::ImageAlreadyExists(..)
            | RegistryError::LayerPartTooSmall => new(ErrorCode::Unsupported).with_status(StatusCode::CONFLICT),
            RegistryError::UploadNotFound(..) => new(ErrorCode::BlobUploadUnknown),
            RegistryError::UploadBusy => new(ErrorCode::BlobUploadInvalid).with_status(StatusCode::CONFLICT),
            RegistryError::UploadOutOfOrder { received, .. } => {
                let mut error = new(ErrorCode::BlobUploadInvalid).with_status(StatusCode::RANGE_NOT_SATISFIABLE);
                error.received = Some(received);
                error
            }
            RegistryError::EmptyUpload => new(ErrorCode::BlobUploadInvalid),
            RegistryError::LayerDigestMismatch { .. } | RegistryError::ImageDigestDoesNotMatch { .. } => {
                new(ErrorCode::DigestInvalid)
            }
            RegistryError::LayerNotFound(..)
            | RegistryError::LayerInaccessible(..)
            | RegistryError::LayerArchived(..) => new(ErrorCode::BlobUnknown),
            RegistryError::LayerTooLarge(_) => new(ErrorCode::SizeInvalid).with_status(StatusCode::PAYLOAD_TOO_LARGE),
            RegistryError::ManifestInvalid(_) | RegistryError::IndexOfBlobs(_) => new(ErrorCode::ManifestInvalid),
            // The specification lets a registry refuse with 404 here; docker prints the code's text either way.
            RegistryError::LayersNotFound(..) | RegistryError::ReferencedImagesNotFound(..) => {
                new(ErrorCode::ManifestBlobUnknown)
            }
            RegistryError::ImageTagAlreadyExists(..) => new(ErrorCode::TagInvalid),
            RegistryError::ImageNotFound | RegistryError::ImageInaccessible => new(ErrorCode::ManifestUnknown),
            // The path knows the method; this image is refused (OCI distribution, "Deleting Manifests", has 400 for that).
            RegistryError::StorageClassNotSupported(_) | RegistryError::ImageReferenced(_) => {
                new(ErrorCode::Unsupported).with_status(StatusCode::BAD_REQUEST)
            }
            // docker prints the text, and does not try again what only the key's owner can change.
            RegistryError::Kms(_)
            | RegistryError::VeiledKms(..)
            | RegistryError::ImageProtected(_)
            | RegistryError::RepositoryProtected(..)
            | RegistryError::TooManyRepositories(..)
            | RegistryError::TooManyImages(..)
            | RegistryError::TooManyTagsOnImage(_) => new(ErrorCode::Denied),
            // Uploads end, and docker tries again.
            RegistryError::TooManyUploads(..) | RegistryError::TooManyUploadsOfRegistry(..) => {
                new(ErrorCode::TooManyRequests)
            }
            RegistryError::NoRoom => BodyError::Exhausted.into(),
            RegistryError::Store(cause) if cause.kind() == StoreErrorKind::InvalidText => {
                Self::new(ErrorCode::Unsupported, INVALID_TEXT).with_status(StatusCode::BAD_REQUEST)
            }
            RegistryError::Store(cause) => {
                let (status, text) = match cause.kind() {
                    StoreErrorKind::Full => {
                        (StatusCode::INSUFFICIENT_STORAGE, "The registry's storage is full. Nothing was stored.")
                    }
                    StoreErrorKind::Busy | StoreErrorKind::Unavailable => {
                        (StatusCode::SERVICE_UNAVAILABLE, "The registry's storage is not available. Try again.")
                    }
                    StoreErrorKind::Corrupt => {
                        (StatusCode::INTERNAL_SERVER_ERROR, "What is stored is damaged. The server's log names it.")
                    }
                    StoreErrorKind::Conflict | StoreErrorKind::InvalidText | StoreErrorKind::Other => {
                        (StatusCode::INTERNAL_SERVER_ERROR, "An error occurred inside the registry.")
                    }
                };
                let mut error = Self::new(ErrorCode::Internal, text).with_status(status);
                error.cause = Some(cause);
                error
            }
        }
    }
}
