//! The server's table of contents: from a request's head to the code that answers it, and what every answer gets.

mod route;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use access::auth::download_url;
use access::auth::layer_grant;
use access::request::RequestContext;
use api::protocols;
use http::{HeaderName, HeaderValue, StatusCode, Version, header};
use registry::Registry;
use registry_services::{admin_api, v2};
use runtime::http::body::{RequestBody, ResponseBody};
use runtime::http::budget::{Holder, PoolKind};
use runtime::http::finish::Finish;
use runtime::http::forwarded::Client;
use runtime::http::handler::{Answering, Handler};
use runtime::http::host_header;
use runtime::http::paced_body::PacedBody;
use runtime::http::record::{AnsweredRequest, Notes, RequestRecord};
use runtime::http::respond::{self, Answer};
use runtime::metrics::Operation;
use runtime::timer;
use tracing::Instrument as _;

use crate::scrape;
use crate::services::SERVICES;
use route::Route;

const TEXT: &str = "text/plain; charset=utf-8";
/// For a year; RFC 6797.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Answers what comes over connections.
pub struct Dispatcher {
    registry: Arc<Registry>,
}

impl Dispatcher {
    /// Of a server.
    pub const fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }
}

impl Handler for Dispatcher {
    fn handle(&self, client: Client, holder: Holder, request: http::Request<PacedBody>, finish: Finish) -> Answering {
        Box::pin(handle(Arc::clone(&self.registry), client, holder, request, finish))
    }
}

/// Everything that a request can be for, as metrics name it.
pub fn operations() -> impl Iterator<Item = Operation> {
    route::operations().chain(SERVICES.operations())
}

/// Answers one request, as its [`Handler`].
pub async fn handle(
    registry: Arc<Registry>,
    client: Client,
    holder: Holder,
    request: http::Request<PacedBody>,
    finish: Finish,
) -> (Answer, Option<Box<AnsweredRequest>>) {
    let began = timer::now();
    let (mut head, incoming) = request.into_parts();
    let version = head.version;
    let host = host_header::settle(&mut head);
    let has_good_host = host.is_ok();
    let authority = host.unwrap_or_else(|_| "localhost".to_owned());
    let request_id = runtime::random::uuid();
    let record = RequestRecord::begin(&registry, &head.headers, request_id);
    let mut request = RequestContext {
        request_id,
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or("").to_owned(),
        headers: head.headers,
        source_ip: client.ip,
        holder,
        is_secure: client.is_tls.unwrap_or_else(|| registry.hosts.is_secure()),
        authority,
        notes: Notes::new(record.is_some()),
        large_member: OnceLock::new(),
        answer_share: OnceLock::new(),
        finish: finish.clone(),
        app: Arc::clone(&registry.access),
    };
    let mut body = RequestBody::new(incoming, Arc::clone(&request.app.runtime), finish);
    let route = route::parse(&request);
    let busy = busy_answer(&route);
    let operation_of_route = route.operation(&request.method);
    // Whatever is logged meanwhile says for which request.
    let span = match &record {
        Some(record) => tracing::info_span!("request", %request_id, trace_id = %record.trace().trace_id),
        None => tracing::Span::none(),
    };
    let mut buffers = request.app.request_budget.share(PoolKind::Buffers, &request.holder);
    let has_room = buffers.grow(body.buffer_bytes(version)).is_ok();
    let mut answer = async {
        let mut answer = match route {
            _ if !has_good_host => bad_host(),
            _ if !has_room => no_room(busy(&request), version),
            route => answer(&registry, &request, route, &mut body).await,
        };
        // A client that waits for leave to send has sent nothing, and the answer is its leave not to. For one for whom
        // there is no room, what it sends is not even dropped.
        if has_room && !request.headers.contains_key(header::EXPECT) {
            body.drain().await;
        }
        if request.method == http::Method::HEAD {
            strip_body(&mut answer);
        }
        answer
    }
    .instrument(span)
    .await;
    // Here no answer is forgotten, whoever has made it.
    let made = request.answer_share.take();
    if answer.body_mut().settle(|| made.unwrap_or_else(|| request.new_answer_share())).is_err() {
        answer = busy(&request);
    }
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    // What a client stored here is not for a browser to guess at.
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if request.is_secure {
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    let operation = request.notes.operation().unwrap_or(operation_of_route);
    let (status, answered_after) = (answer.status(), timer::since(began));
    meter(&request, operation, status, answered_after);
    let answered = record.map(|record| {
        Box::new(AnsweredRequest {
            record,
            request_id,
            operation,
            path: loggable_path(&request.path).to_owned(),
            method: request.method,
            authority: request.authority,
            source_ip: client.ip,
            notes: request.notes,
            received_bytes: body.received_bytes(),
            status,
            answered_after,
        })
    });
    (answer, answered)
}

async fn answer(registry: &Arc<Registry>, request: &RequestContext, route: Route, body: &mut RequestBody) -> Answer {
    match route {
        Route::Aws | Route::V2(_) | Route::ReplicatedLayer(_) if !knows_changes(request).await => {
            respond::with_body(StatusCode::SERVICE_UNAVAILABLE, TEXT, "database unavailable\n")
        }
        Route::Health => respond::with_body(StatusCode::OK, TEXT, "ok\n"),
        Route::Ready => Box::pin(ready(registry)).await,
        Route::Metrics => Box::pin(scrape::answer(registry, &request.method, &request.headers)).await,
        Route::Aws => protocols::handle(&SERVICES, registry, request, body).await,
        Route::LayerDownload(sealed) => v2::layer_download::handle(registry, request, &sealed).await,
        Route::ReplicatedLayer(sealed) => admin_api::replicated_layer::handle(registry, request, &sealed, body).await,
        // Other services of Amazon's have paths of that beginning, too.
        Route::V2(route) => match protocols::elsewhere(&SERVICES, request) {
            Some(answer) => answer,
            None => v2::handle(registry, request, route, body).await,
        },
        Route::Unknown => protocols::elsewhere(&SERVICES, request).unwrap_or_else(|| not_found(request)),
    }
}

/// Counts an answer, whichever protocol made it.
fn meter(request: &RequestContext, operation: Operation, status: StatusCode, answered_after: Duration) {
    request.app.metrics.requests.record(operation, &request.method, status, answered_after);
}

/// The answer to `/readyz`.
async fn ready(registry: &Registry) -> Answer {
    match registry.readiness.failure().await {
        None => respond::with_body(StatusCode::OK, TEXT, "ready\n"),
        Some(failure) => respond::with_body(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{failure}\n")),
    }
}

/// How a route says that there is no room for a request or its answer.
fn busy_answer(route: &Route) -> fn(&RequestContext) -> Answer {
    match route {
        Route::Aws => |request| protocols::no_room(&SERVICES, request),
        Route::V2(_) => v2::no_room,
        _ => |_| respond::with_body(StatusCode::SERVICE_UNAVAILABLE, TEXT, "busy: try again\n"),
    }
}

/// The answer where connections hold as much as they may.
fn no_room(mut answer: Answer, version: Version) -> Answer {
    if version <= Version::HTTP_11 {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

fn bad_host() -> Answer {
    let text = "A request must name one host: in one Host header, or the same host there and in :authority.\n";
    respond::with_body(StatusCode::BAD_REQUEST, TEXT, text)
}

/// The path of a layer's URL is its own password.
fn loggable_path(path: &str) -> &str {
    let prefixes = [download_url::PATH_PREFIX, layer_grant::PATH_PREFIX];
    prefixes.into_iter().find(|prefix| path.starts_with(prefix)).unwrap_or(path)
}

/// An answer to HEAD has the headers of the one to GET, length included, and no body. One that cannot have a body cannot
/// have a length (RFC 9110, 8.6).
fn strip_body(answer: &mut Answer) {
    let has_length = !matches!(answer.status(), StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT);
    if has_length && !answer.headers().contains_key(header::CONTENT_LENGTH) {
        let size_bytes = http_body::Body::size_hint(answer.body()).lower();
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size_bytes));
    }
    *answer.body_mut() = ResponseBody::empty();
}

/// Whether this node knows by which keys, identities and policies it must decide now.
async fn knows_changes(request: &RequestContext) -> bool {
    match request.app.require_current_changes().await {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(request_id = %request.request_id, "keys and policies cannot be read: {error}", error = runtime::with_causes(&error));
            false
        }
    }
}

fn not_found(request: &RequestContext) -> Answer {
    let text = format!(
        "Nothing is served at {} {}. The registry is under /v2/, the AWS API is POST /.\n",
        request.method, request.path
    );
    respond::with_body(StatusCode::NOT_FOUND, TEXT, text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::Method;
    use registry_services::v2::route::V2Route;

    use super::*;

    #[test]
    fn what_a_request_is_for_is_on_the_list() {
        let known: HashSet<Operation> = operations().collect();
        for route in [
            Route::Health,
            Route::Ready,
            Route::Metrics,
            Route::Aws,
            Route::LayerDownload(String::new()),
            Route::ReplicatedLayer(String::new()),
            Route::V2(V2Route::Base),
            Route::Unknown,
        ] {
            let operation = route.operation(&Method::GET);
            assert!(known.contains(&operation), "{operation:?}");
        }
        let put_image = Operation { service: "ecr", name: "PutImage" };
        assert!(known.contains(&put_image), "AWS calls are on it, too");
    }
}
