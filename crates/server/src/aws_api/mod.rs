//! The AWS protocols at `POST /`: finds the service and operation, checks the signature, and runs the operation with
//! authorization and encoding that it cannot forget.

mod json;
pub mod operation;
mod query;

use http::{HeaderName, StatusCode, header};

use crate::http::body::{BodyError, RequestBody};
use crate::http::request::RequestContext;
use crate::http::respond::Answer;
use crate::metrics;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Every operation of every service, as metrics name them.
pub fn operations() -> impl Iterator<Item = metrics::Operation> {
    json::operations().chain(query::operations())
}

/// Answers a request of the AWS JSON or Query protocol.
pub async fn handle(http: &RequestContext, body: &mut RequestBody) -> Answer {
    match http.header(TARGET) {
        Some(target) => json::handle(http, target, body).await,
        // A client of this protocol cannot read the other's XML, so what it left out is an unknown target.
        None if is_json(http) => json::handle(http, "", body).await,
        None => query::handle(http, body).await,
    }
}

/// Whether the body is said to be of AWS JSON 1.0 or 1.1.
fn is_json(http: &RequestContext) -> bool {
    const PREFIX: &str = "application/x-amz-json-1.";
    let prefix = http.header(header::CONTENT_TYPE).and_then(|text| text.get(..PREFIX.len()));
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
}

/// The error for a body that cannot be taken (wire.md 1: common errors).
fn body_error(error: &BodyError) -> aws::AwsError {
    match error {
        BodyError::TooLarge { limit } => {
            aws::AwsError::new("RequestEntityTooLargeException", format!("The request may be at most {limit} bytes"))
                .with_status(StatusCode::PAYLOAD_TOO_LARGE)
        }
        BodyError::Broken => {
            aws::AwsError::new("MalformedHttpRequestException", "The body ended before its announced length")
        }
        BodyError::Idle => aws::AwsError::new("RequestTimeoutException", "No data was received for too long")
            .with_status(StatusCode::REQUEST_TIMEOUT),
    }
}
