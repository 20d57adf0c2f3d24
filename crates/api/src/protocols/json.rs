//! The AWS JSON 1.1 protocol (reference/wire.md 1).

use std::borrow::Cow;
use std::sync::Arc;

use access::audit;
use access::auth::sigv4;
use access::request::RequestContext;
use aws::AwsError;
use aws::sigv4::SigV4Error;
use http::{StatusCode, header};
use registry::Registry;
use runtime::http::body::RequestBody;
use runtime::http::budget::PoolKind;
use runtime::http::respond::{self, Answer};

use super::operation::Call;
use super::receive::{ReceiveOptions, receive};
use super::service::Services;
use super::{body_error, elsewhere, follow_changes, refuse};
use crate::admission::{Asking, Shown, Signature, admit};

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const OLDER_CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// The longest body of a request whose operation Wharf does not have, before its signature is checked.
const MAX_UNKNOWN_BODY_BYTES: usize = 1024 * 1024;

/// Answers one request.
pub async fn handle(
    services: &'static Services,
    registry: &Arc<Registry>,
    http: &RequestContext,
    target: &str,
    body: &mut RequestBody,
) -> Answer {
    match run(services, registry, http, target, body).await {
        Ok(body) => respond::with_body(StatusCode::OK, CONTENT_TYPE, body),
        Err(error) => refusal(http, &error),
    }
}

/// An error's answer.
pub fn refusal(http: &RequestContext, error: &AwsError) -> Answer {
    // Only services of others speak the older version.
    let asked = http.header(header::CONTENT_TYPE).unwrap_or_default();
    let content_type = if asked.starts_with(OLDER_CONTENT_TYPE) { OLDER_CONTENT_TYPE } else { CONTENT_TYPE };
    let mut answer = respond::with_body(error.status, content_type, error.to_json());
    respond::add_header(&mut answer, http::HeaderName::from_static("x-amzn-errortype"), error.code);
    answer
}

async fn run(
    services: &'static Services,
    registry: &Arc<Registry>,
    http: &RequestContext,
    target: &str,
    body: &mut RequestBody,
) -> Result<Vec<u8>, AwsError> {
    let (service_target, name) = target.rsplit_once('.').unwrap_or_default();
    let service = services.by_target(service_target);
    let entry = service.and_then(|service| service.entry(name));
    if let (Some(service), Some(entry)) = (service, entry) {
        http.notes.set_operation(service.operation(entry.name));
    }
    let claim = match sigv4::find_key(http) {
        Ok(claim) => claim,
        Err(error) => return Err(refuse(http, body, entry, &error.into(), spelled).await),
    };
    let options = ReceiveOptions {
        limit: entry.map_or(MAX_UNKNOWN_BODY_BYTES, |entry| entry.max_body_bytes),
        pool: PoolKind::Known,
        large_member: entry.and_then(|entry| entry.large_member),
    };
    let received = receive(http, body, options).await.map_err(|error| body_error(&error))?;
    follow_changes(http).await?;
    // A service that Wharf does not have has a name for signatures all the same, which only the client knows.
    let signing_name = match service {
        Some(service) => Cow::Borrowed(service.signing_name),
        None => Cow::Owned(claim.presented.service.clone()),
    };
    let signature = Signature { claim, body_sha256: &received.sha256, service: &signing_name };
    let credentials = Shown::Signature(signature);
    let admitted = admit(registry, http, Asking { host: &http.authority, namespace: None, credentials }).await;
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(refused) => {
            drop(received);
            return Err(refuse(http, body, entry, &refused, spelled).await);
        }
    };
    let Some(entry) = entry else {
        let error = unknown(services, target, service.map(|_| name), &signing_name);
        audit::record_unknown_operation(http, &admitted.caller, &signing_name, target, &error);
        return Err(error);
    };
    if let Some(content) = received.large_member {
        let _ = http.large_member.set(content);
    }
    let content = received.content.into_bytes().await.map_err(|error| body_error(&error))?;
    (entry.run)(&Call::of(registry, http, admitted), &content).await
}

/// The error for an operation that is not here; `own` is its name, if Wharf has its service.
fn unknown(services: &Services, target: &str, own: Option<&str>, signing_name: &str) -> AwsError {
    const CODE: &str = "UnknownOperationException";
    match own {
        Some(name) => elsewhere::no_operation(CODE, signing_name, name),
        None if target.is_empty() => {
            AwsError::new(CODE, "The request names no operation: it has no X-Amz-Target header.")
        }
        None if services.has(signing_name) => match services.target_of(signing_name) {
            Some(begins) => elsewhere::wrong_target(CODE, signing_name, target, begins),
            None => elsewhere::no_operation(CODE, signing_name, target),
        },
        None => elsewhere::no_service(services, CODE, signing_name),
    }
}

/// What is wrong with a signature, as this protocol names it.
fn spelled(error: &SigV4Error) -> AwsError {
    AwsError::new(error.json_type(), error.to_string())
}
