//! What a node's scanning is made of, on the ground of its [`Registry`]: built once at the start, passed by reference.

use std::ops::Deref;
use std::sync::Arc;

use registry::Registry;
use scan::feeds::catalog::Feed;

use crate::fetch::Fetcher;
use crate::reading::LayerReader;
use crate::settings::ScanningSettings;

/// A node's scanning.
pub struct Scanning {
    /// The registry whose images are scanned.
    pub registry: Arc<Registry>,
    /// How.
    pub settings: ScanningSettings,
    /// The feeds of advisories that there are.
    pub feeds: Vec<Feed>,
    /// What fetches them.
    pub fetcher: Fetcher,
    /// What reads layers.
    pub reader: LayerReader,
}

impl Deref for Scanning {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        &self.registry
    }
}
