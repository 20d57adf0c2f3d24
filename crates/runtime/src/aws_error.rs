//! What failures look like to clients of AWS's protocols, whichever service answers.

use aws::AwsError;
use store::error::{INVALID_TEXT, StoreError, StoreErrorKind};

/// A service's error on its way to the wire.
pub trait IntoAwsError {
    /// The wire form. Logs what is not the client's doing, with the request's id.
    fn into_aws_error(self, request_id: uuid::Uuid) -> AwsError;
}

/// What people are told where there is no room for a change.
pub const STORAGE_FULL: &str = "The registry's storage is full. Nothing was stored.";

/// The answer when storage failed. Logs why.
pub fn store_error(request_id: uuid::Uuid, error: &StoreError) -> AwsError {
    if error.kind() == StoreErrorKind::InvalidText {
        tracing::debug!(%request_id, %error, "request {request_id} holds a text that cannot be stored: {error}");
        return AwsError::new("ValidationException", INVALID_TEXT);
    }
    crate::log_store_error(request_id, error);
    match error.kind() {
        StoreErrorKind::Full => {
            AwsError::new("ServerException", STORAGE_FULL).with_status(http::StatusCode::INTERNAL_SERVER_ERROR)
        }
        _ => server_error(),
    }
}

/// The answer when something went wrong inside; the log has the rest.
pub fn server_error() -> AwsError {
    AwsError::new("ServerException", "An error occurred inside the registry.")
        .with_status(http::StatusCode::INTERNAL_SERVER_ERROR)
}
