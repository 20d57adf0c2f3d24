//! The events of scans that have ended (reference/scanning.md 5).

use registry::events::Events;
use registry::events::event::{Event, ScannedImage};
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_scans::{ScanStatus, SeverityCounts};
use store::tables::image_tags;
use store::tables::images::Image;
use store::tables::repositories::Repository;
use store::tables::scanning_configurations::ScanType;

/// What Inspector says of a scan that has ended.
const INSPECTED: &str = "INITIAL_SCAN_COMPLETE";

/// The counts by the API's names of severities, the greatest first.
pub fn by_name(counts: &SeverityCounts) -> [(&'static str, i64); 6] {
    [
        ("CRITICAL", counts.critical),
        ("HIGH", counts.high),
        ("MEDIUM", counts.medium),
        ("LOW", counts.low),
        ("INFORMATIONAL", counts.informational),
        ("UNDEFINED", counts.undefined),
    ]
}

/// Notes that a scan has ended, in the transaction that ends it: for a basic scan whatever came of it, for an enhanced one that
/// it was done.
pub fn scan_ended(
    tx: &mut dyn Tx,
    events: &Events,
    (repository, image): (&Repository, &Image),
    scan_type: ScanType,
    status: ScanStatus,
    counts: &SeverityCounts,
    now_ms: i64,
) -> Result<(), StoreError> {
    let is_done = matches!(status, ScanStatus::Complete | ScanStatus::Active);
    if (scan_type == ScanType::Enhanced && !is_done) || !events.are_wanted(tx, &repository.spec.registry, now_ms)? {
        return Ok(());
    }
    let tags = image_tags::list_of_image(tx, image.id)?;
    let counts = by_name(counts);
    let scanned = |status| ScannedImage { digest: &image.digest, tags: &tags, status, counts: &counts };
    let event = match scan_type {
        ScanType::Basic => Event::image_scanned(repository.into(), now_ms, &scanned(status.as_str())),
        ScanType::Enhanced => Event::image_inspected(repository.into(), now_ms, &scanned(INSPECTED)),
    };
    events.enqueue(tx, &event, now_ms)
}
