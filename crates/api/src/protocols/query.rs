//! The AWS Query protocol (reference/around.md 1): forms in, XML out. Operations see the same JSON as in the other
//! protocol.

use std::sync::Arc;

use access::audit;
use access::auth::sigv4;
use access::request::RequestContext;
use aws::sigv4::SigV4Error;
use aws::{AwsError, QueryForm, query_response};
use http::{Method, StatusCode};
use registry::Registry;
use runtime::http::body::{BodyError, RequestBody};
use runtime::http::budget::PoolKind;
use runtime::http::respond::{self, Answer};

use super::operation::Call;
use super::receive::{MAX_STRANGERS_BYTES, ReceiveOptions, receive};
use super::service::{QueryApi, QueryService, Services};
use super::{body_error, elsewhere, follow_changes, refuse};
use crate::admission::{Asking, Shown, Signature, admit};

const MAX_FORM_BYTES: usize = 1024 * 1024;
const CONTENT_TYPE: &str = "text/xml";

/// Answers one request.
pub async fn handle(
    services: &'static Services,
    registry: &Arc<Registry>,
    http: &RequestContext,
    body: &mut RequestBody,
) -> Answer {
    let mut meant = meant(services, http);
    match run(services, registry, http, body, &mut meant).await {
        Ok(xml) => respond::with_body(StatusCode::OK, CONTENT_TYPE, xml),
        Err(error) => refusal_of(services, http, meant.api, error),
    }
}

/// An error's answer, before the form is read.
pub fn refusal(services: &Services, http: &RequestContext, error: &AwsError) -> Answer {
    refusal_of(services, http, meant(services, http).api, error.clone())
}

/// The service that a request is meant for, as far as its head tells: by a form in its query, its signature or its host.
/// Nothing is checked.
fn meant(services: &Services, http: &RequestContext) -> QueryService {
    let signed = elsewhere::signed_service(http);
    let host = http.authority.split('.').next().filter(|label| label.len() < http.authority.len());
    let by_name = |name: &str| services.of_query().find(|known| name.eq_ignore_ascii_case(known.service.signing_name));
    named_by(services, http.query.as_bytes())
        .or_else(|| signed.as_deref().and_then(by_name))
        .or_else(|| host.and_then(by_name))
        .unwrap_or(services.unnamed())
}

/// The service whose version is in a form, even in one that is not well formed.
fn named_by(services: &Services, form: &[u8]) -> Option<QueryService> {
    let version = form.split(|byte| *byte == b'&').find_map(|pair| pair.strip_prefix(b"Version="))?;
    services.of_query().find(|known| known.api.version.as_bytes() == version)
}

fn refusal_of(services: &Services, http: &RequestContext, api: &QueryApi, error: AwsError) -> Answer {
    let error = spelled_for_query(error);
    if let Some(other) = elsewhere::signed_service(http).filter(|name| !services.has(name)) {
        return elsewhere::xml(http, &error, &other);
    }
    let xml = error.to_xml(api.namespace, &http.request_id.to_string());
    respond::with_body(error.status, CONTENT_TYPE, xml)
}

/// Errors that every operation can have, as this protocol names them.
fn spelled_for_query(mut error: AwsError) -> AwsError {
    (error.code, error.status) = match error.code {
        "AccessDeniedException" => ("AccessDenied", StatusCode::FORBIDDEN),
        "SerializationException" => ("MalformedInput", StatusCode::BAD_REQUEST),
        "ValidationException" => ("ValidationError", error.status),
        "ServerException" => ("ServiceFailure", StatusCode::INTERNAL_SERVER_ERROR),
        code => (code, error.status),
    };
    error
}

async fn run(
    services: &'static Services,
    registry: &Arc<Registry>,
    http: &RequestContext,
    body: &mut RequestBody,
    meant: &mut QueryService,
) -> Result<String, AwsError> {
    let claim = sigv4::find_key(http);
    let options = match &claim {
        Ok(_) => ReceiveOptions { limit: MAX_FORM_BYTES, pool: PoolKind::Known, large_member: None },
        Err(_) => ReceiveOptions { limit: MAX_STRANGERS_BYTES, pool: PoolKind::Strangers, large_member: None },
    };
    let received = match (receive(http, body, options).await, &claim) {
        (Ok(received), _) => received,
        // A name for a key that is not ours is what is wrong with a long request, before its length.
        (Err(BodyError::TooLarge { .. }), Err(error)) if *error != SigV4Error::MissingAuthenticationToken => {
            return Err(refuse(http, body, None, &error.clone().into(), spelled).await);
        }
        (Err(error), _) => return Err(body_error(&error)),
    };
    let sha256 = received.sha256;
    // What is long is not even read before it is known who sent it.
    if received.content.size_bytes() > MAX_STRANGERS_BYTES as u64
        && let Ok(claim) = &claim
        && let Err(error) = sigv4::check(http, claim, &sha256, &claim.presented.service)
    {
        drop(received.content);
        return Err(refuse(http, body, None, &error.into(), spelled).await);
    }
    let content = received.content.into_bytes().await.map_err(|error| body_error(&error))?;
    follow_changes(http).await?;
    let form = if http.method == Method::GET { http.query.as_bytes() } else { &content[..] };
    *meant = named_by(services, form).unwrap_or(*meant);
    let form = QueryForm::parse(form).map_err(|error| AwsError::new("MalformedQueryString", error.to_string()))?;
    let Some(action) = form.get("Action") else {
        return Err(AwsError::new("MissingAction", "Neither an X-Amz-Target header nor an Action was given"));
    };
    let version = form.get("Version").unwrap_or(meant.api.version);
    let named = services.of_query().find(|known| known.api.version == version);
    *meant = named.ok_or_else(|| unknown_version(services, http, action))?;
    let QueryService { service, api } = *meant;
    let input = form.to_json().map_err(|error| AwsError::new("MalformedInput", error.to_string()))?;
    let input = input.to_string();
    if let Some(open) = service.unsigned.iter().find(|open| open.name == action) {
        http.notes.set_operation(service.operation(open.name));
        let result = (open.run)(http, input.as_bytes()).await;
        (open.record)(http, open.name, input.as_bytes(), &result);
        return answer(http, api, action, &result?);
    }
    let entry = service.entry(action);
    if let Some(entry) = entry {
        http.notes.set_operation(service.operation(entry.name));
    }
    let admitted = match claim {
        Ok(claim) => {
            let signature = Signature { claim, body_sha256: &sha256, service: service.signing_name };
            // Hosts name regions of ECR's API, and these services sign in one region for all.
            let asking = Asking { host: "", namespace: None, credentials: Shown::Signature(signature) };
            admit(registry, http, asking).await
        }
        Err(error) => Err(error.into()),
    };
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(refused) => {
            drop((form, input, content));
            return Err(refuse(http, body, entry, &refused, spelled).await);
        }
    };
    let Some(entry) = entry else {
        let error = elsewhere::no_operation("InvalidAction", service.signing_name, action);
        audit::record_unknown_operation(http, &admitted.caller, service.signing_name, action, &error);
        return Err(error);
    };
    let call = Call::of(registry, http, admitted);
    let output = (entry.run_form)(&call, input.as_bytes()).await?;
    answer(http, api, action, &output)
}

/// The error for a form of an API's version that is none of ours: mostly that of another service.
fn unknown_version(services: &Services, http: &RequestContext, action: &str) -> AwsError {
    const CODE: &str = "InvalidAction";
    match elsewhere::signed_service(http) {
        Some(service) if !services.has(&service) => elsewhere::no_service(services, CODE, &service),
        Some(service) => elsewhere::no_operation(CODE, &service, action),
        None => {
            let known = elsewhere::listed(services.of_query().map(|known| known.service.signing_name), "or");
            elsewhere::no_operation(CODE, &known, action)
        }
    }
}

/// What is wrong with a signature, as this protocol names it.
fn spelled(error: &SigV4Error) -> AwsError {
    AwsError::new(error.query_code(), error.to_string()).with_status(StatusCode::FORBIDDEN)
}

fn answer(http: &RequestContext, api: &QueryApi, action: &str, output: &[u8]) -> Result<String, AwsError> {
    let output: serde_json::Value = serde_json::from_slice(output).map_err(|error| {
        tracing::error!(request_id = %http.request_id, %error, "answer of {action} cannot be read: {error}");
        runtime::aws_error::server_error()
    })?;
    // Clients look for the result element of every operation that has an output, even an empty one.
    let result = (!output.is_null()).then(|| aws::json_to_xml(&output));
    Ok(query_response(api.namespace, action, result.as_deref(), &http.request_id.to_string()))
}
