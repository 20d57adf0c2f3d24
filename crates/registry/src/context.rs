//! What the registry of a node is made of, on the ground of [`Access`]: built once at the start, passed by reference.

use std::ops::Deref;
use std::sync::Arc;

use access::Access;

use crate::advisory_settings::AdvisorySettings;
use crate::cache::Cache;
use crate::events::Events;
use crate::images::followers::Followers;
use crate::images::pull_times::PullTimes;
use crate::images::quotas::Quotas;
use crate::images::read_caches::ReadCaches;
use crate::images::shared_manifests::SharedManifests;
use crate::images::uploads::UploadLocks;
use crate::replication::remote::Remotes;

/// A node's registry: its quotas, what it holds in memory of the database, and the parts that follow its changes.
pub struct Registry {
    /// What decides who may do what, and what everything stands on.
    pub access: Arc<Access>,
    /// How much of everything a registry may have.
    pub quotas: Quotas,
    /// Where advisories come from.
    pub advisories: AdvisorySettings,
    /// Keeps two requests from writing one upload.
    pub upload_locks: UploadLocks,
    /// What pulls read of the database, and still holds.
    pub read_caches: ReadCaches,
    /// The manifests of pulls that are still being answered.
    pub shared_manifests: SharedManifests,
    /// Pull times that are not stored yet.
    pub pull_times: PullTimes,
    /// The pull through cache.
    pub cache: Cache,
    /// Who follows changes and pulls.
    pub followers: Arc<Followers>,
    /// Where events go.
    pub events: Arc<Events>,
    /// Other Wharfs that images are replicated to.
    pub replication: Remotes,
}

impl Deref for Registry {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}
