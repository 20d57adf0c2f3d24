//! What is told of one request when its answer is sent: a line in the access log, and a span. Made only for those that
//! somebody wants to know of.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, StatusCode, header};

use crate::Runtime;
use crate::metrics::Operation;
use crate::telemetry::{Attribute, Span, SpanKind, TraceContext, now_ns};

/// The target of the access log.
pub const ACCESS_TARGET: &str = "wharf::access";
/// A client's name for itself is cut there.
const MAX_USER_AGENT: usize = 200;

/// What the parts of the server that learn it note down about a request.
#[derive(Default)]
pub struct Notes {
    /// Whether anybody will read what costs something to note.
    is_wanted: bool,
    operation: OnceLock<Operation>,
    principal: OnceLock<String>,
    repository: OnceLock<String>,
}

impl Notes {
    /// Of a request that is recorded, or is not.
    pub fn new(is_wanted: bool) -> Self {
        Self { is_wanted, ..Self::default() }
    }

    /// What it is for; the first word counts.
    pub fn set_operation(&self, operation: Operation) {
        let _ = self.operation.set(operation);
    }

    /// Who asks, by the ARN.
    pub fn set_principal(&self, arn: impl FnOnce() -> String) {
        if self.is_wanted {
            let _ = self.principal.set(arn());
        }
    }

    /// Which repository it is about; the first of several.
    pub fn set_repository(&self, name: &str) {
        if self.is_wanted {
            let _ = self.repository.set(name.to_owned());
        }
    }

    /// What it is for, if that is known by now.
    pub fn operation(&self) -> Option<Operation> {
        self.operation.get().copied()
    }
}

/// A request that is recorded.
pub struct RequestRecord {
    began: Instant,
    began_ns: u64,
    trace: TraceContext,
    has_access_line: bool,
    has_span: bool,
    user_agent: String,
}

/// A request whose answer has begun.
pub struct AnsweredRequest {
    /// Its beginning.
    pub record: RequestRecord,
    /// Names it.
    pub request_id: uuid::Uuid,
    /// What it was for.
    pub operation: Operation,
    /// Its method.
    pub method: Method,
    /// The host that it named.
    pub authority: String,
    /// Its path, without secrets.
    pub path: String,
    /// Where it came from.
    pub source_ip: IpAddr,
    /// What was noted down.
    pub notes: Notes,
    /// Bytes of its body.
    pub received_bytes: u64,
    /// What it was answered.
    pub status: StatusCode,
    /// How long that took.
    pub answered_after: Duration,
}

impl RequestRecord {
    /// Of a request that begins now; none if nobody wants to know of it.
    pub fn begin(app: &Runtime, headers: &HeaderMap, request_id: uuid::Uuid) -> Option<Self> {
        let has_access_line = tracing::enabled!(target: ACCESS_TARGET, tracing::Level::INFO);
        if !has_access_line && !app.telemetry.is_on() {
            return None;
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let trace = TraceContext::of_request(text("traceparent"), request_id);
        let has_span = app.telemetry.wants(&trace);
        let user_agent = text(header::USER_AGENT.as_str()).unwrap_or_default();
        (has_access_line || has_span).then(|| Self {
            began: Instant::now(),
            began_ns: now_ns(),
            trace,
            has_access_line,
            has_span,
            user_agent: user_agent.chars().take(MAX_USER_AGENT).collect(),
        })
    }

    /// The trace that it belongs to.
    pub const fn trace(&self) -> &TraceContext {
        &self.trace
    }
}

impl AnsweredRequest {
    /// Writes its line and its span, when the answer was sent to its end or cut off.
    fn write(self, app: &Runtime, sent_bytes: u64, is_whole: bool) {
        let principal = self.notes.principal.get().map_or("", String::as_str);
        let repository = self.notes.repository.get().map_or("", String::as_str);
        let status = self.status.as_u16();
        let Operation { service, name } = self.operation;
        if self.record.has_access_line {
            tracing::info!(
                target: ACCESS_TARGET,
                request_id = %self.request_id,
                trace_id = %self.record.trace.trace_id,
                source_ip = %self.source_ip,
                principal,
                method = %self.method,
                host = %self.authority,
                path = %self.path,
                service,
                operation = name,
                repository,
                status,
                received_bytes = self.received_bytes,
                sent_bytes,
                is_whole,
                answered_ms = self.answered_after.as_millis() as u64,
                elapsed_ms = self.record.began.elapsed().as_millis() as u64,
                user_agent = %self.record.user_agent,
                "{} {} {status}", self.method, self.path
            );
        }
        if !self.record.has_span {
            return;
        }
        let mut attributes: Vec<(&'static str, Attribute)> = vec![
            ("http.request.method", self.method.as_str().into()),
            ("http.response.status_code", Attribute::Number(status.into())),
            ("url.path", self.path.as_str().into()),
            ("server.address", self.authority.as_str().into()),
            ("client.address", self.source_ip.to_string().into()),
            ("user_agent.original", self.record.user_agent.as_str().into()),
            ("http.request.body.size", Attribute::Number(self.received_bytes as i64)),
            ("http.response.body.size", Attribute::Number(sent_bytes as i64)),
            ("rpc.service", service.into()),
            ("rpc.method", name.into()),
            ("wharf.request_id", self.request_id.to_string().into()),
        ];
        for (key, value) in [("enduser.id", principal), ("wharf.repository", repository)] {
            if !value.is_empty() {
                attributes.push((key, value.into()));
            }
        }
        let error = match (self.status.is_server_error(), is_whole) {
            (true, _) => Some(format!("answered {status}")),
            (false, false) => Some("the answer was not sent to its end".to_owned()),
            (false, true) => None,
        };
        app.telemetry.record(Span {
            trace: self.record.trace,
            name: format!("{} {service} {name}", self.method),
            kind: SpanKind::Server,
            began_ns: self.record.began_ns,
            ended_ns: now_ns(),
            attributes,
            error,
        });
    }
}

/// Counts what is sent of one answer, and tells of its request at the end.
pub struct Metered {
    app: Arc<Runtime>,
    answered: Option<Box<AnsweredRequest>>,
    sent_bytes: u64,
}

impl Metered {
    /// Of a request that has come.
    pub fn begin(app: &Arc<Runtime>) -> Self {
        app.metrics.requests_in_flight.rise();
        Self { app: Arc::clone(app), answered: None, sent_bytes: 0 }
    }

    /// It is answered.
    pub fn set_answered(&mut self, answered: Option<Box<AnsweredRequest>>) {
        self.answered = answered;
    }

    /// Bytes were handed to the connection.
    pub fn add(&mut self, bytes: u64) {
        self.sent_bytes += bytes;
        self.app.metrics.sent_bytes.add(bytes);
    }

    /// Nothing more is sent; `is_whole` says whether anything is missing.
    pub fn end(&mut self, is_whole: bool) {
        if let Some(answered) = self.answered.take() {
            answered.write(&self.app, self.sent_bytes, is_whole);
        }
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.app.metrics.requests_in_flight.fall();
    }
}
