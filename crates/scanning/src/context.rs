//! What a node's scanning is made of, on the ground of its [`Registry`]: built once at the start, passed by reference.

use std::ops::Deref;
use std::sync::Arc;

use registry::Registry;

use crate::fetch::Fetcher;
use crate::reading::LayerReader;

/// A node's scanning.
pub struct Scanning {
    /// The registry whose images are scanned, with what is said of advisories.
    pub registry: Arc<Registry>,
    /// What fetches the files of feeds.
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
