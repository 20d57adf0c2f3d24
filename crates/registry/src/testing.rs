//! A registry without a server for tests: on what [`access::testing`] makes, with nothing cached and nobody to tell.

use std::ops::Deref;
use std::sync::Arc;

pub use access::testing::*;
use access::web_identity::SourceConfig;

use crate::Registry;
use crate::advisory_settings::AdvisorySettings;
use crate::cache::Cache;
use crate::cache::mirror::MirrorSettings;
use crate::cache::settings::CacheSettings;
use crate::followers;
use crate::images::followers::Follower;
use crate::images::pull_times::PullTimes;
use crate::images::quotas::Quotas;
use crate::images::read_caches::ReadCaches;
use crate::images::shared_manifests::SharedManifests;
use crate::images::uploads::UploadLocks;
use crate::replication::remote::Remotes;

/// The registry, and what tests need beside it.
pub struct TestRegistry {
    /// The registry.
    pub app: Arc<Registry>,
    on: TestAccess,
}

impl Deref for TestRegistry {
    type Target = TestAccess;

    fn deref(&self) -> &TestAccess {
        &self.on
    }
}

impl TestRegistry {
    /// One that counts no operations, where tokens of these issuers are believed.
    pub async fn new(oidc: SourceConfig) -> Self {
        Self::of(TestSetup { oidc, ..TestSetup::default() }, CacheSettings::default()).await
    }

    /// One that is set up so.
    pub async fn of(setup: TestSetup, cache: CacheSettings) -> Self {
        Self::followed(setup, cache, Vec::new()).await
    }

    /// The same, whose changes these follow as well, which stand above the registry.
    pub async fn followed(setup: TestSetup, cache: CacheSettings, more: Vec<Arc<dyn Follower>>) -> Self {
        let on = TestAccess::of(setup).await;
        let events = Arc::default();
        let app = Arc::new(Registry {
            access: Arc::clone(&on.access),
            quotas: Quotas::default(),
            // Tests fetch nothing.
            advisories: AdvisorySettings { is_offline: true, ..AdvisorySettings::default() },
            upload_locks: UploadLocks::default(),
            read_caches: ReadCaches::default(),
            shared_manifests: SharedManifests::default(),
            pull_times: PullTimes::default(),
            cache: Cache::new(cache, MirrorSettings::default()),
            followers: Arc::new(followers::all(&events, more)),
            events,
            replication: Remotes::default(),
        });
        Self { app, on }
    }
}
