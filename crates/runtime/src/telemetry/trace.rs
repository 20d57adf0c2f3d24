//! Whose trace a request belongs to: W3C Trace Context, `traceparent`.

use std::fmt;

use uuid::Uuid;

/// The id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// The id of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// A span's place in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// This span.
    pub span_id: SpanId,
    /// The client's span that it follows from.
    pub parent: Option<SpanId>,
    /// What the client says of whether the trace is recorded.
    is_sampled: Option<bool>,
}

impl TraceContext {
    /// Of a request: the client's trace, if it sent a `traceparent` that can be read, else one that is found by the
    /// request's id.
    pub fn of_request(traceparent: Option<&str>, request_id: Uuid) -> Self {
        let mut span_id = [0; 8];
        span_id.copy_from_slice(&Uuid::new_v4().into_bytes()[8..]);
        let span_id = SpanId(span_id);
        match traceparent.and_then(parse) {
            Some((trace_id, parent, is_sampled)) => {
                Self { trace_id, span_id, parent: Some(parent), is_sampled: Some(is_sampled) }
            }
            None => Self { trace_id: TraceId(request_id.into_bytes()), span_id, parent: None, is_sampled: None },
        }
    }

    /// Of something that nobody outside asked for.
    pub fn new_root() -> Self {
        Self::of_request(None, Uuid::new_v4())
    }

    /// Whether the trace is among so many percent of all. A client that records its trace gets the server's part, and one
    /// that does not gets none.
    pub(super) fn is_in_sample(&self, percent: u32) -> bool {
        // The low bytes of ids are random, which all services of a trace see alike (W3C Trace Context 2, 'random').
        let low = u32::from_be_bytes([0, self.trace_id.0[13], self.trace_id.0[14], self.trace_id.0[15]]);
        let is_chosen = u64::from(low) * 100 < u64::from(percent) << 24;
        self.is_sampled.unwrap_or(is_chosen) && percent > 0
    }
}

/// Reads `VERSION-TRACE-PARENT-FLAGS`. A later version may have more behind them.
fn parse(text: &str) -> Option<(TraceId, SpanId, bool)> {
    let text = text.trim();
    let mut parts = text.split('-');
    let [version] = hex(parts.next()?)?;
    let trace_id: [u8; 16] = hex(parts.next()?)?;
    let parent: [u8; 8] = hex(parts.next()?)?;
    let [flags] = hex(parts.next()?)?;
    let is_valid =
        version != 0xff && trace_id != [0; 16] && parent != [0; 8] && (version != 0 || parts.next().is_none());
    is_valid.then_some((TraceId(trace_id), SpanId(parent), flags & 1 == 1))
}

/// Exactly as many lower-case digits as the array has room for.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn the_clients_trace_goes_on() {
        for (name, text, is_read) in [
            ("recorded", format!("00-{TRACE}-{PARENT}-01"), true),
            ("not recorded", format!("00-{TRACE}-{PARENT}-00"), true),
            ("later version", format!("cc-{TRACE}-{PARENT}-01-more"), true),
            ("invalid version", format!("ff-{TRACE}-{PARENT}-01"), false),
            ("more than version 0 has", format!("00-{TRACE}-{PARENT}-01-more"), false),
            ("upper case", format!("00-{}-{PARENT}-01", TRACE.to_uppercase()), false),
            ("no trace", format!("00-{}-{PARENT}-01", "0".repeat(32)), false),
            ("no parent", format!("00-{TRACE}-{}-01", "0".repeat(16)), false),
            ("short", format!("00-{}-{PARENT}-01", &TRACE[1..]), false),
            ("no digits", format!("00-{}-{PARENT}-01", "é".repeat(16)), false),
            ("empty", String::new(), false),
        ] {
            let request_id = Uuid::new_v4();
            let context = TraceContext::of_request(Some(&text), request_id);
            let expected = if is_read { TRACE.to_owned() } else { request_id.simple().to_string() };
            assert_eq!(context.trace_id.to_string(), expected, "{name}");
            assert_eq!(context.parent.map(|parent| parent.to_string()).as_deref(), is_read.then_some(PARENT), "{name}");
        }
    }

    #[test]
    fn samples() {
        let recorded = TraceContext::of_request(Some(&format!("00-{TRACE}-{PARENT}-01")), Uuid::nil());
        let unrecorded = TraceContext::of_request(Some(&format!("00-{TRACE}-{PARENT}-00")), Uuid::nil());
        for percent in [1, 100] {
            assert!(recorded.is_in_sample(percent) && !unrecorded.is_in_sample(percent));
        }
        assert!(!recorded.is_in_sample(0));
        let chosen = |percent| (0..2_000).filter(|_| TraceContext::new_root().is_in_sample(percent)).count();
        assert_eq!((chosen(0), chosen(100)), (0, 2_000));
        assert!((100..=700).contains(&chosen(20)), "some");
    }
}
