//! What every request and every round shares of the node that it runs on: built once at the start, passed by reference.

use std::path::PathBuf;
use std::sync::Arc;

use store::blob::{BlobStore, KeyRing, Tier};
use store::db::Db;
use store::error::StoreError;

use crate::ballast::Ballast;
use crate::clock::Clock;
use crate::data_folder::DataFolder;
use crate::http::budget::RequestBudget;
use crate::http::finish::Unfinished;
use crate::http::listener_settings::ListenerSettings;
use crate::jobs::worker::Wake;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::rates::Rates;
use crate::readiness::Readiness;
use crate::telemetry::Telemetry;

/// A node's storage, clock, limits, and what it counts and tells.
pub struct Runtime {
    /// Metadata.
    pub db: Db,
    /// Space of its disk that is kept back for what makes room; none if the database is elsewhere, or none is wanted.
    pub ballast: Option<Arc<Ballast>>,
    /// Blob bytes.
    pub blobs: BlobStore,
    /// Blob bytes that only archived images need.
    pub archive: BlobStore,
    /// Encrypts what has no key of its own: data keys, manifests, tokens.
    pub key_ring: KeyRing,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Limits.
    pub limits: Limits,
    /// Connections, and the proxies that they come through.
    pub listener: ListenerSettings,
    /// What requests hold while they are being received.
    pub request_budget: RequestBudget,
    /// Where long ones wait until it is known who sent them.
    pub spool_folder: PathBuf,
    /// The data folder, and what may lie in it.
    pub data_folder: DataFolder,
    /// Wakes the worker of background jobs.
    pub wake_jobs: Arc<Wake>,
    /// What is counted.
    pub metrics: Metrics,
    /// What a collector of traces is told.
    pub telemetry: Arc<Telemetry>,
    /// Whether this node can do its work, as was found last.
    pub readiness: Readiness,
    /// Requests that must come to their end.
    pub unfinished: Unfinished,
    /// How often a registry takes which request.
    pub rates: Rates,
}

impl Runtime {
    /// The time, in epoch milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The store of a tier.
    pub const fn tier(&self, tier: Tier) -> &BlobStore {
        match tier {
            Tier::Standard => &self.blobs,
            Tier::Archive => &self.archive,
        }
    }

    /// Refuses what fills the disk, as long as it is so full that space which was kept back is in use.
    pub fn require_room(&self) -> Result<(), StoreError> {
        self.ballast.as_ref().map_or(Ok(()), |ballast| ballast.require_room())
    }
}
