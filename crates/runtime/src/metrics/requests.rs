//! Requests by operation, method and status, with how long each took to be answered.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use store::measure::Histogram;

use super::exposition::{Exposition, Kind, seconds};

/// Microseconds: a pull of a manifest takes some hundred, an upload of a large layer minutes.
const LATENCY_BOUNDS: &[u64] = &[
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 60_000_000,
];
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// What any other method is called.
const OTHER_METHOD: &str = "other";
/// Every status that Wharf answers with.
const STATUSES: [u16; 25] = [
    200, 201, 202, 204, 206, 304, 307, 400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 415, 416, 429, 500, 501,
    502, 503,
];
/// What any other status is called.
const OTHER_STATUS: &str = "other";

/// What a request was for: a service and one of its operations, both from closed lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// `registry` for `/v2/`, else as signatures name it.
    pub service: &'static str,
    /// As the service's API names it; of `/v2/` the specification's end points in words.
    pub name: &'static str,
}

/// The counts of one operation.
struct Counts {
    /// By method, then by status; the last of each is any other.
    answers: Box<[AtomicU64]>,
    latency_micros: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        let answers = (0..(METHODS.len() + 1) * (STATUSES.len() + 1)).map(|_| AtomicU64::new(0)).collect();
        Self { answers, latency_micros: Histogram::new(LATENCY_BOUNDS) }
    }
}

/// Every operation's counts. The list is made once; an operation's counts are made when it is first asked for.
pub struct RequestCounts {
    places: HashMap<Operation, usize>,
    counts: Box<[OnceLock<Counts>]>,
}

impl RequestCounts {
    /// Of these operations.
    pub fn new(operations: impl Iterator<Item = Operation>) -> Self {
        let mut places = HashMap::new();
        for operation in operations {
            let next = places.len();
            places.entry(operation).or_insert(next);
        }
        let counts = (0..places.len()).map(|_| OnceLock::new()).collect();
        Self { places, counts }
    }

    /// Notes an answer, and how long it took from the request's head to the answer's.
    pub fn record(&self, operation: Operation, method: &Method, status: StatusCode, took: Duration) {
        let Some(counts) = self.places.get(&operation).and_then(|place| self.counts.get(*place)) else {
            debug_assert!(false, "{operation:?} is not on the list");
            return;
        };
        let counts = counts.get_or_init(Counts::default);
        let method = METHODS.iter().position(|known| known == method).unwrap_or(METHODS.len());
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len());
        counts.answers[method * (STATUSES.len() + 1) + status].fetch_add(1, Ordering::Relaxed);
        counts.latency_micros.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Tells all that was counted.
    pub fn render(&self, out: &mut Exposition) {
        let mut known: Vec<(Operation, &Counts)> = self
            .places
            .iter()
            .filter_map(|(operation, place)| Some((*operation, self.counts[*place].get()?)))
            .collect();
        known.sort_by_key(|(operation, _)| (operation.service, operation.name));
        out.family("wharf_http_requests_total", Kind::Counter, "Requests that were answered.");
        for (operation, counts) in &known {
            for (at, count) in counts.answers.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count == 0 {
                    continue;
                }
                let method = METHODS.get(at / (STATUSES.len() + 1)).map_or(OTHER_METHOD, Method::as_str);
                let status = STATUSES.get(at % (STATUSES.len() + 1)).map(u16::to_string);
                let status = status.as_deref().unwrap_or(OTHER_STATUS);
                let labels = [
                    ("service", operation.service),
                    ("operation", operation.name),
                    ("method", method),
                    ("status", status),
                ];
                out.sample("", &labels, count);
            }
        }
        out.family(
            "wharf_http_request_duration_seconds",
            Kind::Histogram,
            "Time from a request's head to its answer's head, the request's body included.",
        );
        for (operation, counts) in &known {
            let labels = [("service", operation.service), ("operation", operation.name)];
            out.histogram(&labels, &counts.latency_micros.read(), seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_by_method_and_status() {
        let blob = Operation { service: "registry", name: "Blob" };
        let counts = RequestCounts::new([blob].into_iter());
        for _ in 0..2 {
            counts.record(blob, &Method::GET, StatusCode::OK, Duration::from_micros(300));
        }
        counts.record(blob, &Method::TRACE, StatusCode::IM_A_TEAPOT, Duration::from_secs(100));
        let mut out = Exposition::default();
        counts.render(&mut out);
        let text = out.finish();
        for line in [
            "wharf_http_requests_total{service=\"registry\",operation=\"Blob\",method=\"GET\",status=\"200\"} 2",
            "wharf_http_requests_total{service=\"registry\",operation=\"Blob\",method=\"other\",status=\"other\"} 1",
            "wharf_http_request_duration_seconds_bucket{service=\"registry\",operation=\"Blob\",le=\"0.00025\"} 0",
            "wharf_http_request_duration_seconds_bucket{service=\"registry\",operation=\"Blob\",le=\"0.0005\"} 2",
            "wharf_http_request_duration_seconds_bucket{service=\"registry\",operation=\"Blob\",le=\"+Inf\"} 3",
            "wharf_http_request_duration_seconds_count{service=\"registry\",operation=\"Blob\"} 3",
            "wharf_http_request_duration_seconds_sum{service=\"registry\",operation=\"Blob\"} 100.0006",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
    }
}
