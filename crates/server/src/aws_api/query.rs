//! The AWS Query protocol (reference/around.md 1): forms in, XML out. Operations see the same JSON as in the other
//! protocol.

use aws::sigv4::SigV4Error;
use aws::{AwsError, QueryForm, query_response};
use http::{Method, StatusCode};

use super::operation::{Call, Entry};
use super::receive::{MAX_STRANGERS_BYTES, Wanted, receive};
use super::{body_error, elsewhere, follow_changes, hold_back};
use crate::auth::sigv4;
use crate::http::body::{BodyError, RequestBody};
use crate::http::budget::PoolKind;
use crate::http::request::RequestContext;
use crate::http::respond::{self, Answer};
use crate::metrics::Operation;
use crate::{audit, iam_api, sts};

const MAX_FORM_BYTES: usize = 1024 * 1024;
const CONTENT_TYPE: &str = "text/xml";

/// A service of this protocol.
struct Service {
    /// Its API's version, by which requests name it.
    version: &'static str,
    /// The XML namespace of its answers.
    namespace: &'static str,
    /// What signatures name.
    signing_name: &'static str,
    /// Its operations, in parts.
    operations: &'static [&'static [Entry]],
}

impl Service {
    fn operation(&self, name: &str) -> Option<&'static Entry> {
        self.operations.iter().flat_map(|part| part.iter()).find(|entry| entry.name == name)
    }
}

/// The first is the one of requests that say nothing of which they mean.
const SERVICES: &[Service] = &[
    Service {
        version: "2011-06-15",
        namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
        signing_name: "sts",
        operations: &[sts::OPERATIONS],
    },
    Service {
        version: "2010-05-08",
        namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
        signing_name: "iam",
        operations: iam_api::OPERATIONS,
    },
];

/// Every operation, as metrics name it.
pub fn operations() -> impl Iterator<Item = Operation> {
    let unsigned = sts::UNSIGNED.iter().map(|open| Operation { service: "sts", name: open.name });
    let signed = SERVICES.iter().flat_map(|service| {
        let entries = service.operations.iter().flat_map(|part| part.iter());
        entries.map(|entry| Operation { service: service.signing_name, name: entry.name })
    });
    unsigned.chain(signed)
}

/// Answers one request.
pub async fn handle(http: &RequestContext, body: &mut RequestBody) -> Answer {
    let mut service = meant(http);
    match run(http, body, &mut service).await {
        Ok(xml) => respond::with_body(StatusCode::OK, CONTENT_TYPE, xml),
        Err(error) => refusal_of(http, service, error),
    }
}

/// An error's answer, before the form is read.
pub fn refusal(http: &RequestContext, error: &AwsError) -> Answer {
    refusal_of(http, meant(http), error.clone())
}

/// The service that a request is meant for, as far as its head tells: by a form in its query, its signature or its host.
/// Nothing is checked.
fn meant(http: &RequestContext) -> &'static Service {
    let signed = elsewhere::signed_service(http);
    let host = http.authority.split('.').next().filter(|label| label.len() < http.authority.len());
    let is_named = |name: &str, service: &Service| name.eq_ignore_ascii_case(service.signing_name);
    let by_name = |name: Option<&str>| SERVICES.iter().find(|service| name.is_some_and(|name| is_named(name, service)));
    named_by(http.query.as_bytes())
        .or_else(|| by_name(signed.as_deref()))
        .or_else(|| by_name(host))
        .unwrap_or(&SERVICES[0])
}

/// The service whose version is in a form, even in one that is not well formed.
fn named_by(form: &[u8]) -> Option<&'static Service> {
    let version = form.split(|byte| *byte == b'&').find_map(|pair| pair.strip_prefix(b"Version="))?;
    SERVICES.iter().find(|service| service.version.as_bytes() == version)
}

fn refusal_of(http: &RequestContext, service: &Service, error: AwsError) -> Answer {
    let error = spelled_for_query(error);
    if let Some(other) = elsewhere::signed_service(http).filter(|name| !elsewhere::is_own(name)) {
        return elsewhere::xml(http, &error, &other);
    }
    let xml = error.to_xml(service.namespace, &http.request_id.to_string());
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
    http: &RequestContext,
    body: &mut RequestBody,
    service: &mut &'static Service,
) -> Result<String, AwsError> {
    let claim = sigv4::find_key(http);
    let wanted = match &claim {
        Ok(_) => Wanted { limit: MAX_FORM_BYTES, pool: PoolKind::Known, large_member: None },
        Err(_) => Wanted { limit: MAX_STRANGERS_BYTES, pool: PoolKind::Strangers, large_member: None },
    };
    let received = match (receive(http, body, wanted).await, &claim) {
        (Ok(received), _) => received,
        // A name for a key that is not ours is what is wrong with a long request, before its length.
        (Err(BodyError::TooLarge { .. }), Err(error)) if *error != SigV4Error::MissingAuthenticationToken => {
            return Err(refused(http, body, error).await);
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
        return Err(refused(http, body, &error).await);
    }
    let content = received.content.into_bytes().await.map_err(|error| body_error(&error))?;
    follow_changes(http).await?;
    let form = if http.method == Method::GET { http.query.as_bytes() } else { &content[..] };
    *service = named_by(form).unwrap_or(service);
    let form = QueryForm::parse(form).map_err(|error| AwsError::new("MalformedQueryString", error.to_string()))?;
    let Some(action) = form.get("Action") else {
        return Err(AwsError::new("MissingAction", "Neither an X-Amz-Target header nor an Action was given"));
    };
    let version = form.get("Version").unwrap_or(service.version);
    *service = SERVICES.iter().find(|known| known.version == version).ok_or_else(|| unknown_version(http, action))?;
    let input = form.to_json().map_err(|error| AwsError::new("MalformedInput", error.to_string()))?;
    let input = input.to_string();
    if let Some(open) = sts::UNSIGNED.iter().find(|open| open.name == action && service.signing_name == "sts") {
        http.notes.set_operation(Operation { service: "sts", name: open.name });
        http.must_finish();
        let output = (open.run)(http, input.as_bytes()).await.inspect_err(|error| {
            audit::record_web_identity_refusal(http, open.name, input.as_bytes(), error);
        })?;
        audit::record_web_identity(http, open.name, input.as_bytes(), &output);
        return answer(http, service, action, &output);
    }
    let entry = service.operation(action);
    if let Some(entry) = entry {
        http.notes.set_operation(Operation { service: service.signing_name, name: entry.name });
    }
    let authenticated = claim.and_then(|claim| sigv4::authenticate(http, claim, &sha256, service.signing_name, ""));
    let caller = match authenticated {
        Ok(caller) => caller,
        Err(error) => {
            drop((form, input, content));
            return Err(refused(http, body, &error).await);
        }
    };
    http.notes.set_caller(&caller);
    let Some(entry) = entry else {
        let error = elsewhere::no_operation("InvalidAction", service.signing_name, action);
        audit::record_unknown_operation(http, &caller, service.signing_name, action, &error);
        return Err(error);
    };
    let output = (entry.run_form)(&Call { http, caller }, input.as_bytes()).await?;
    answer(http, service, action, &output)
}

/// The error for a form of an API's version that is none of ours: mostly that of another service.
fn unknown_version(http: &RequestContext, action: &str) -> AwsError {
    const CODE: &str = "InvalidAction";
    match elsewhere::signed_service(http) {
        Some(service) if !elsewhere::is_own(&service) => elsewhere::no_service(CODE, &service),
        Some(service) => elsewhere::no_operation(CODE, &service, action),
        None => elsewhere::no_operation(CODE, "sts or iam", action),
    }
}

async fn refused(http: &RequestContext, body: &mut RequestBody, error: &SigV4Error) -> AwsError {
    audit::record_signature(http, error);
    hold_back(http, body, error).await;
    AwsError::new(error.query_code(), error.to_string()).with_status(StatusCode::FORBIDDEN)
}

fn answer(http: &RequestContext, service: &Service, action: &str, output: &[u8]) -> Result<String, AwsError> {
    let output: serde_json::Value = serde_json::from_slice(output).map_err(|error| {
        tracing::error!(request_id = %http.request_id, %error, "answer of {action} cannot be read: {error}");
        super::operation::server_error()
    })?;
    // Clients look for the result element of every operation that has an output, even an empty one.
    let result = (!output.is_null()).then(|| aws::json_to_xml(&output));
    Ok(query_response(service.namespace, action, result.as_deref(), &http.request_id.to_string()))
}
