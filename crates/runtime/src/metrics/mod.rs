//! What the server counts of itself while it works, and Prometheus' text format, in which that is told (`scrape`).
//!
//! Counting costs a request a few atomic additions: no allocation and no lock. Labels come from closed lists; the only
//! names among them are those of the repositories that are pulled most, as many as the configuration allows.

mod connections;
pub mod exposition;
pub mod process;
mod pulls;
mod requests;
mod samples;
mod scans;
pub mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use store::measure::Counter;

pub use connections::{ConnectionEnd, ConnectionEnds};
pub use pulls::PullCounts;
pub use requests::{Operation, RequestCounts};
pub use samples::{Samples, StoreState, WorkState};
pub use scans::ScanCounts;

use self::settings::MetricsSettings;
use crate::jobs::worker::JobEnds;

/// Everything that one node counts.
pub struct Metrics {
    settings: MetricsSettings,
    started: Instant,
    /// Requests, by what they were for.
    pub requests: RequestCounts,
    /// Requests that are being answered.
    pub requests_in_flight: Level,
    /// Bytes of bodies that came.
    pub received_bytes: Counter,
    /// Bytes of bodies that were sent.
    pub sent_bytes: Counter,
    /// Connections that are open.
    pub connections_open: Level,
    /// Connections that ever were.
    pub connections: Counter,
    /// Connections that the server ended by itself.
    pub connection_ends: ConnectionEnds,
    /// TLS handshakes that came to nothing.
    pub failed_handshakes: Counter,
    /// Pulls of what the pull through cache looks after.
    pub cache: CacheCounts,
    /// Jobs, by how they ended.
    pub jobs: Arc<JobEnds>,
    /// Pulls by repository.
    pub pulls: PullCounts,
    /// Scans of images.
    pub scans: ScanCounts,
    /// What was last looked up.
    pub samples: Samples,
}

/// What the pull through cache did.
#[derive(Default)]
pub struct CacheCounts {
    /// Manifests that were there and known to be current.
    pub hits: Counter,
    /// Tags that had to be compared with the upstream.
    pub checks: Counter,
    /// Images that had to be imported.
    pub misses: Counter,
    /// Layers that were fetched.
    pub layers: Counter,
}

/// A number that goes up and down.
#[derive(Default)]
pub struct Level(AtomicI64);

impl Level {
    /// One more.
    pub fn rise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn fall(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Metrics {
    /// Of a node that starts now and has these operations.
    pub fn new(settings: MetricsSettings, operations: impl Iterator<Item = Operation>) -> Self {
        Self {
            started: Instant::now(),
            requests: RequestCounts::new(operations),
            requests_in_flight: Level::default(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            connections_open: Level::default(),
            connections: Counter::default(),
            connection_ends: ConnectionEnds::default(),
            failed_handshakes: Counter::default(),
            cache: CacheCounts::default(),
            jobs: Arc::default(),
            pulls: PullCounts::new(settings.repositories),
            scans: ScanCounts::default(),
            samples: Samples::default(),
            settings,
        }
    }

    /// How long the node has been there.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether clients of the registry's own listener are answered, too.
    pub const fn is_on_main_listener(&self) -> bool {
        self.settings.on_main_listener
    }

    /// Whether somebody with this Authorization header may read them.
    pub fn admits(&self, authorization: Option<&str>) -> bool {
        let Some(token) = &self.settings.token else { return true };
        let given = authorization.and_then(|text| text.split_once(' '));
        given.is_some_and(|(scheme, given)| {
            scheme.eq_ignore_ascii_case("bearer")
                && verify_slices_are_equal(given.trim().as_bytes(), token.expose().as_bytes()).is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hidden::Hidden;

    #[test]
    fn a_token_is_asked_for_if_there_is_one() {
        let metrics = |token: Option<&str>| {
            let token = token.map(|token| Hidden::from(token.to_owned()));
            Metrics::new(MetricsSettings { token, ..MetricsSettings::default() }, std::iter::empty())
        };
        let cases = [
            ("no token, no header", None, None, true),
            ("no token, any header", None, Some("Basic x"), true),
            ("right", Some("a-long-secret"), Some("Bearer a-long-secret"), true),
            ("any case", Some("a-long-secret"), Some("bearer  a-long-secret"), true),
            ("wrong", Some("a-long-secret"), Some("Bearer a-long-secreT"), false),
            ("beginning", Some("a-long-secret"), Some("Bearer a-long"), false),
            ("other scheme", Some("a-long-secret"), Some("Basic a-long-secret"), false),
            ("missing", Some("a-long-secret"), None, false),
            ("empty", Some("a-long-secret"), Some(""), false),
        ];
        for (name, token, header, expected) in cases {
            assert_eq!(metrics(token).admits(header), expected, "{name}");
        }
    }
}
