//! A server without a listener for tests: a registry that counts the operations of all services.

use std::collections::HashMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use access::web_identity::SourceConfig;
use registry::advisory_settings::AdvisorySettings;
use registry::cache::settings::CacheSettings;
use registry::testing::TestRegistry;
pub use registry::testing::{ACCOUNT, OTHER_ACCOUNT, START_MS, TestSetup, entity, insert_user, request_from, root_key};

use crate::dispatch;

/// The server, and what tests need beside it.
pub struct TestApp(TestRegistry);

impl Deref for TestApp {
    type Target = TestRegistry;

    fn deref(&self) -> &TestRegistry {
        &self.0
    }
}

impl TestApp {
    /// One where tokens of these issuers are believed.
    pub async fn new(oidc: SourceConfig) -> Self {
        Self::of(TestSetup { oidc, ..TestSetup::default() }, CacheSettings::default()).await
    }

    /// One whose issuers' keys come from files, by the URLs of the issuers.
    pub async fn with_files(files: HashMap<String, PathBuf>) -> Self {
        Self::new(SourceConfig { allow_private_networks: false, files }).await
    }

    /// One whose advisories come from there.
    pub async fn with_advisories(advisories: AdvisorySettings) -> Self {
        let mut test = Self::new(SourceConfig::default()).await;
        Arc::get_mut(&mut test.0.app).expect("nobody else has it yet").advisories = advisories;
        test
    }

    /// One that is set up so; it counts what there is.
    pub async fn of(setup: TestSetup, cache: CacheSettings) -> Self {
        let setup = TestSetup { operations: dispatch::operations().collect(), ..setup };
        Self(TestRegistry::followed(setup, cache, scanning::followers::all()).await)
    }
}
