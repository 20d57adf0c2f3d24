//! What a node counts of the scans of images.

use std::sync::OnceLock;

use store::measure::{Counter, Histogram};

use super::exposition::{Exposition, Kind, seconds};

/// From a tenth of a second to an hour, in microseconds.
const TIME_BOUNDS: &[u64] = &[
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
    3_600_000_000,
];

/// From a millisecond to a minute, in microseconds.
const MATCHING_BOUNDS: &[u64] =
    &[1_000, 3_000, 10_000, 20_000, 50_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 60_000_000];

/// What a node counts of scans.
pub struct ScanCounts {
    /// Scans that came to their end.
    pub complete: Counter,
    /// Scans that could not be done.
    pub failed: Counter,
    /// Scans of images that cannot be scanned.
    pub unsupported: Counter,
    /// From the moment that a scan was asked for to its findings, in microseconds.
    pub findings_micros: Histogram,
    /// Comparing the packages of an image with the advisories in force, in microseconds.
    pub matching_micros: Histogram,
    /// Layers that were analysed whole.
    pub whole_layers: Counter,
    /// Layers of which a part could not be read.
    pub partial_layers: Counter,
    /// Layers whose reading failed, which is tried again.
    pub failed_layers: Counter,
    /// Updates of advisories that brought a new revision.
    pub updates: Counter,
    /// Updates of advisories that failed.
    pub failed_updates: Counter,
    /// The parts of what confines the reading of layers, and whether each is in force; none while that is not known.
    pub confinement: OnceLock<Vec<(&'static str, bool)>>,
}

impl Default for ScanCounts {
    fn default() -> Self {
        Self {
            complete: Counter::default(),
            failed: Counter::default(),
            unsupported: Counter::default(),
            findings_micros: Histogram::new(TIME_BOUNDS),
            matching_micros: Histogram::new(MATCHING_BOUNDS),
            whole_layers: Counter::default(),
            partial_layers: Counter::default(),
            failed_layers: Counter::default(),
            updates: Counter::default(),
            failed_updates: Counter::default(),
            confinement: OnceLock::new(),
        }
    }
}

impl ScanCounts {
    /// Tells all of it.
    pub fn render(&self, out: &mut Exposition) {
        out.family(
            "wharf_scans_total",
            Kind::Counter,
            "Scans of images that ended on this node, by what came of them.",
        );
        for (result, counter) in
            [("complete", &self.complete), ("failed", &self.failed), ("unsupported", &self.unsupported)]
        {
            out.sample("", &[("result", result)], counter.get());
        }
        let help = "From the moment that a scan was asked for to its findings.";
        out.family("wharf_scan_seconds", Kind::Histogram, help);
        out.histogram(&[], &self.findings_micros.read(), seconds);
        let help = "Comparing the packages of an image with the advisories in force, and reading what these say.";
        out.family("wharf_scan_matching_seconds", Kind::Histogram, help);
        out.histogram(&[], &self.matching_micros.read(), seconds);
        out.family(
            "wharf_layers_analysed_total",
            Kind::Counter,
            "Layers that were read on this node, by how that ended.",
        );
        for (result, counter) in
            [("whole", &self.whole_layers), ("partial", &self.partial_layers), ("failed", &self.failed_layers)]
        {
            out.sample("", &[("result", result)], counter.get());
        }
        let help =
            "Updates of advisories on this node, by how they ended; those that found nothing new are not counted.";
        out.family("wharf_advisory_updates_total", Kind::Counter, help);
        for (result, counter) in [("done", &self.updates), ("failed", &self.failed_updates)] {
            out.sample("", &[("result", result)], counter.get());
        }
        let help =
            "Whether a part of what confines the reading of layers is in force on this node; 0 where it is lacking.";
        out.family("wharf_scan_confinement", Kind::Gauge, help);
        for (part, is_in_force) in self.confinement.get().into_iter().flatten() {
            out.sample("", &[("part", part)], u8::from(*is_in_force));
        }
    }
}
