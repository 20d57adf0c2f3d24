//! The AWS JSON 1.1 protocol (wire.md 1).

use aws::AwsError;
use aws::sigv4::{RequestParts, SigV4Error};
use http::StatusCode;

use super::body_error;
use super::operation::{Call, Entry};
use crate::auth::sigv4;
use crate::http::body::RequestBody;
use crate::http::request::RequestContext;
use crate::http::respond::{self, Answer};
use crate::metrics::Operation;
use crate::{audit, cloudtrail, ecr, kms, secrets, wharf_api};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// The longest body of a request whose operation Wharf does not have, before its signature is checked.
const MAX_UNKNOWN_BODY_BYTES: usize = 1024 * 1024;

/// A service of this protocol.
struct Service {
    /// What `X-Amz-Target` begins with, before its last dot.
    target: &'static str,
    /// What signatures name (wire.md 1: 'signing name').
    signing_name: &'static str,
    operations: &'static [Entry],
}

const SERVICES: &[Service] = &[
    Service { target: "AmazonEC2ContainerRegistry_V20150921", signing_name: "ecr", operations: ecr::OPERATIONS },
    Service { target: "TrentService", signing_name: "kms", operations: kms::OPERATIONS },
    Service { target: "secretsmanager", signing_name: "secretsmanager", operations: secrets::OPERATIONS },
    Service {
        target: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
        signing_name: "cloudtrail",
        operations: cloudtrail::OPERATIONS,
    },
    Service { target: "Wharf_20261121", signing_name: "wharf", operations: wharf_api::OPERATIONS },
];

/// Every operation, as metrics name it.
pub fn operations() -> impl Iterator<Item = Operation> {
    SERVICES.iter().flat_map(|service| {
        service.operations.iter().map(|entry| Operation { service: service.signing_name, name: entry.name })
    })
}

/// Answers one request.
pub async fn handle(http: &RequestContext, target: &str, body: &mut RequestBody) -> Answer {
    match run(http, target, body).await {
        Ok(body) => respond::with_body(StatusCode::OK, CONTENT_TYPE, body),
        Err(error) => {
            let mut answer = respond::with_body(error.status, CONTENT_TYPE, error.to_json());
            respond::add_header(&mut answer, http::HeaderName::from_static("x-amzn-errortype"), error.code);
            answer
        }
    }
}

async fn run(http: &RequestContext, target: &str, body: &mut RequestBody) -> Result<Vec<u8>, AwsError> {
    let unknown = || AwsError::new("UnknownOperationException", format!("Wharf has no operation '{target}'"));
    let (service_target, name) = target.rsplit_once('.').unwrap_or_default();
    let service = SERVICES.iter().find(|service| service.target == service_target);
    let entry = service.and_then(|service| service.operations.iter().find(|entry| entry.name == name));
    if let (Some(service), Some(entry)) = (service, entry) {
        http.notes.set_operation(Operation { service: service.signing_name, name: entry.name });
    }

    let mut parts = RequestParts {
        method: http.method.as_str(),
        path: &http.path,
        query: &http.query,
        headers: &http.headers,
        body: &[],
    };
    // Whoever names no key of ours need not be listened to for 30 MiB.
    let presented = match sigv4::find_key(&http.app, &parts) {
        Ok((presented, _)) => presented,
        Err(error) => return Err(refused(http, &error).await),
    };
    let limit = entry.map_or(MAX_UNKNOWN_BODY_BYTES, |entry| entry.max_body_bytes);
    let body = body.collect(limit).await.map_err(|error| body_error(&error))?;
    parts.body = &body;
    // A service that Wharf does not have has a name for signatures all the same, which only the client knows.
    let signing_name = service.map_or(presented.service.as_str(), |service| service.signing_name);
    let caller = match sigv4::authenticate(&http.app, &parts, signing_name, &http.authority) {
        Ok(caller) => caller,
        Err(error) => return Err(refused(http, &error).await),
    };
    http.notes.set_caller(&caller);
    let Some(entry) = entry else {
        let error = unknown();
        audit::record_unknown_operation(http, &caller, signing_name, target, &error);
        return Err(error);
    };
    (entry.run)(&Call { http, caller }, &body).await
}

async fn refused(http: &RequestContext, error: &SigV4Error) -> AwsError {
    audit::record_signature(http, error);
    http.delay_failure(error.is_guess()).await;
    AwsError::new(error.json_type(), error.to_string())
}
