//! Scanning without a network for tests: layers are read in the process itself.

use std::sync::Arc;

use registry::Registry;
use scan::feeds::catalog;
use scan::limits::Limits;

use crate::context::Scanning;
use crate::fetch::{FetchSettings, Fetcher};
use crate::reading::LayerReader;
use crate::settings::ScanningSettings;

/// Scanning on the ground of a registry, which fetches nothing.
pub fn scanning(registry: &Arc<Registry>) -> Arc<Scanning> {
    Arc::new(Scanning {
        registry: Arc::clone(registry),
        settings: ScanningSettings { is_offline: true, ..ScanningSettings::default() },
        feeds: catalog::built_in(),
        fetcher: Fetcher::new(FetchSettings::default()),
        reader: LayerReader::in_process(Limits::default()),
    })
}
