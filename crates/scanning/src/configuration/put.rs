//! Putting a configuration, with the events of what it changes for repositories.

use registry::events::Events;
use registry::events::event::{Event, FrequencyChange};
use runtime::jobs::job;
use store::db::Tx;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::repositories;
use store::tables::scanning_configurations::ScanType;

use super::Configuration;
use crate::pick_up_images::PickUpImages;

/// Repositories that are looked at, and that one event tells of at most: an event may have 256 KiB.
const AT_ONCE: usize = 200;

/// Puts a configuration in place of the one before. With enhanced scanning, images that are there already are picked up, and
/// there are events of the repositories that are scanned more or less often now (`ECR Scan Resource Change`), if anybody wants
/// to know.
pub fn put(
    tx: &mut dyn Tx,
    events: &Events,
    registry: &RegistryId,
    configuration: &Configuration,
    now_ms: i64,
) -> Result<(), StoreError> {
    let before = Configuration::find(tx, registry)?;
    configuration.store(tx, registry)?;
    if configuration.scan_type != ScanType::Enhanced || before == *configuration {
        return Ok(());
    }
    job::enqueue(tx, &PickUpImages::of(registry), now_ms, now_ms)?;
    if !events.are_wanted(tx, registry, now_ms)? {
        return Ok(());
    }
    let mut after = String::new();
    loop {
        let page = repositories::list(tx, registry, &after, AT_ONCE)?;
        let changes: Vec<FrequencyChange<'_>> = page
            .iter()
            .map(|repository| FrequencyChange {
                repository: &repository.spec.name,
                before: before.of(repository).frequency.as_str(),
                now: configuration.of(repository).frequency.as_str(),
            })
            .filter(|change| change.before != change.now)
            .collect();
        if !changes.is_empty() {
            events.enqueue(tx, &Event::scan_frequencies_changed(registry, now_ms, &changes), now_ms)?;
        }
        match page.last() {
            Some(last) if page.len() == AT_ONCE => after = last.spec.name.to_string(),
            _ => return Ok(()),
        }
    }
}
