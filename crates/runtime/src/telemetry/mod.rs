//! Traces: whose trace a request belongs to, and telling a collector of OpenTelemetry what was done and how long it took.
//! Nothing waits for the collector; what it cannot take is dropped and counted.

mod export;
mod otlp;
pub mod settings;
mod trace;

use std::time::{SystemTime, UNIX_EPOCH};

use store::measure::Counter;
use tokio::sync::mpsc;

pub use export::run;
pub use trace::TraceContext;

use self::settings::TelemetrySettings;

/// Spans that may wait to be sent.
const MAX_WAITING: usize = 8_192;

/// Something that was done.
#[derive(Clone, Debug)]
pub struct Span {
    /// The trace that it belongs to, and its own id.
    pub trace: TraceContext,
    /// What was done, from a closed list.
    pub name: String,
    /// What asked for it.
    pub kind: SpanKind,
    /// When it began, in nanoseconds since 1970.
    pub began_ns: u64,
    /// When it ended.
    pub ended_ns: u64,
    /// What else is to be said.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// What went wrong, if that was not the client's doing.
    pub error: Option<String>,
}

/// What asked for what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Nobody outside.
    Internal,
    /// A client.
    Server,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The spans of one node on their way to a collector, if there is one.
#[derive(Default)]
pub struct Telemetry {
    /// None without a collector.
    exporter: Option<Exporter>,
    dropped: Counter,
}

struct Exporter {
    settings: TelemetrySettings,
    queue: mpsc::Sender<Span>,
    /// Taken by the one task that sends.
    waiting: std::sync::Mutex<Option<mpsc::Receiver<Span>>>,
}

impl Telemetry {
    /// With a collector, if one is configured.
    pub fn new(settings: Option<TelemetrySettings>) -> Self {
        let exporter = settings.map(|settings| {
            let (queue, waiting) = mpsc::channel(MAX_WAITING);
            Exporter { settings, queue, waiting: std::sync::Mutex::new(Some(waiting)) }
        });
        Self { exporter, dropped: Counter::default() }
    }

    /// Whether a span of this trace is wanted.
    pub fn wants(&self, trace: &TraceContext) -> bool {
        self.exporter.as_ref().is_some_and(|exporter| trace.is_in_sample(exporter.settings.sample_percent))
    }

    /// Whether there is a collector.
    pub const fn is_on(&self) -> bool {
        self.exporter.is_some()
    }

    /// Hands a span over, to be sent with others.
    pub fn record(&self, span: Span) {
        if let Some(exporter) = &self.exporter
            && exporter.queue.try_send(span).is_err()
        {
            self.dropped.increment();
        }
    }

    /// Spans that were not sent.
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }
}

/// The machine's time, in which collectors count, in nanoseconds since 1970.
pub fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
