//! The AWS protocols at `POST /`: finds the service and operation, has the request let in, and runs the operation with
//! authorization and encoding that it cannot forget.

mod elsewhere;
mod json;
pub mod operation;
mod query;
mod receive;
pub mod service;

use std::sync::Arc;

use access::request::RequestContext;
use aws::AwsError;
use aws::sigv4::SigV4Error;
use http::{HeaderName, Method, StatusCode, header};
use registry::Registry;
use runtime::aws_error::store_error;
use runtime::boxed;
use runtime::http::body::{BodyError, RequestBody};
use runtime::http::respond::Answer;

use crate::admission::{self, Refused};
pub use elsewhere::answer as elsewhere;
use operation::Entry;
use service::Services;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// Answers a request of the AWS JSON or Query protocol.
#[boxed]
pub async fn handle(
    services: &'static Services,
    registry: &Arc<Registry>,
    http: &RequestContext,
    body: &mut RequestBody,
) -> Answer {
    match http.header(TARGET) {
        Some(target) => json::handle(services, registry, http, target, body).await,
        // A client of this protocol cannot read the other's XML, so what it left out is an unknown target.
        None if is_json(http) => json::handle(services, registry, http, "", body).await,
        None => match elsewhere(services, http).filter(|_| !is_form(http)) {
            Some(answer) => answer,
            None => query::handle(services, registry, http, body).await,
        },
    }
}

/// The answer where there is no room for the request.
pub fn no_room(services: &Services, http: &RequestContext) -> Answer {
    let error = body_error(&BodyError::Exhausted);
    if http.header(TARGET).is_some() || is_json(http) {
        json::refusal(http, &error)
    } else {
        query::refusal(services, http, &error)
    }
}

fn is_form(http: &RequestContext) -> bool {
    const FORM: &str = "application/x-www-form-urlencoded";
    let prefix = http.header(header::CONTENT_TYPE).and_then(|text| text.get(..FORM.len()));
    http.method == Method::GET || prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(FORM))
}

/// Refuses a request that is not let in, and gives the error, for which the protocol has its own name.
async fn refuse(
    http: &RequestContext,
    body: &mut RequestBody,
    entry: Option<&Entry>,
    refused: &Refused,
    spelled: fn(&SigV4Error) -> AwsError,
) -> AwsError {
    admission::refuse(http, body, entry.map(|entry| (entry.name, entry.is_read_only)), refused).await;
    match refused {
        Refused::Signature(error) => spelled(error),
        Refused::Store(error) => store_error(http.request_id, error),
        // Whoever shows something else has shown no signature, which is all that these protocols take.
        Refused::NoToken(_)
        | Refused::InvalidToken
        | Refused::ExpiredToken
        | Refused::OtherRegion
        | Refused::NotServed(_)
        | Refused::NotMirrored(_) => spelled(&SigV4Error::MissingAuthenticationToken),
    }
}

/// Sees to it that what is decided next, when the body is whole, is decided by what holds now on every node.
async fn follow_changes(http: &RequestContext) -> Result<(), AwsError> {
    http.app.require_current_changes().await.map_err(|error| store_error(http.request_id, &error))
}

/// Whether the body is said to be of AWS JSON 1.0 or 1.1.
fn is_json(http: &RequestContext) -> bool {
    const PREFIX: &str = "application/x-amz-json-1.";
    let prefix = http.header(header::CONTENT_TYPE).and_then(|text| text.get(..PREFIX.len()));
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
}

/// The error for a body that cannot be taken (reference/wire.md 1: common errors).
fn body_error(error: &BodyError) -> AwsError {
    match error {
        BodyError::TooLarge { limit } => {
            AwsError::new("RequestEntityTooLargeException", format!("The request may be at most {limit} bytes"))
                .with_status(StatusCode::PAYLOAD_TOO_LARGE)
        }
        BodyError::Broken => {
            AwsError::new("MalformedHttpRequestException", "The body ended before its announced length")
        }
        BodyError::Idle => AwsError::new("RequestTimeoutException", "No data was received for too long")
            .with_status(StatusCode::REQUEST_TIMEOUT),
        BodyError::Exhausted => slow_down(),
    }
}

/// The error where there is no room for a request or its answer.
pub fn slow_down() -> AwsError {
    AwsError::new("SlowDown", "The server has no room for the request now. Please reduce your request rate.")
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
}
