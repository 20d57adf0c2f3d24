//! The scanning of a node, as its configuration has it; and what is said at the start of how layers are read.

use std::sync::Arc;

use config::settings::Config;
use registry::Registry;
use runtime::config_error::ConfigError;
use scan::limits::Limits;
use scan_worker::Part;
use scanning::context::Scanning;
use scanning::fetch::{FetchSettings, Fetcher};
use scanning::reading::LayerReader;

/// The scanning of a node.
pub fn of(config: &Config, registry: &Arc<Registry>) -> Result<Arc<Scanning>, ConfigError> {
    let mut fetching = FetchSettings::default();
    // Whoever runs the server has named these: a mirror may be in a private network.
    for url in config.advisories.feeds.iter().flat_map(|feed| &feed.urls) {
        fetching.trust(url);
    }
    let reader = LayerReader::new(Limits::default(), config.scanning.confinement()?);
    Ok(Arc::new(Scanning { registry: Arc::clone(registry), fetcher: Fetcher::new(fetching), reader }))
}

/// Says what this node lacks of what keeps hostile layers harmless.
pub fn tell_of_confinement(scanning: &Arc<Scanning>) {
    let scanning = Arc::clone(scanning);
    // It takes a process, which the start need not wait for.
    runtime::tasks::spawn_blocking(move || {
        let Some(analyst) = scanning.reader.analyst() else { return };
        let probed = analyst.probe();
        if let Ok(confinement) = &probed {
            let parts = Part::ALL.into_iter().map(|part| (part.label(), confinement.has(part)));
            let _ = scanning.metrics.scans.confinement.set(parts.collect());
        }
        match probed {
            Ok(confinement) if confinement.is_full() => {
                tracing::debug!("what reads layers is confined {confinement}");
            }
            Ok(confinement) => tracing::warn!(
                "what reads layers is confined {confinement}: a newer kernel does more, and \
                 scanning.confinement = \"required\" has none read without what is essential"
            ),
            Err(failure) => tracing::warn!("images cannot be scanned on this node: {failure}"),
        }
    });
}
