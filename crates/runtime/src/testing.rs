//! A node without a server for tests: storage in a folder of its own, and a clock that stands still.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use store::blob::{BlobStore, KeyRing, ServiceKey};
use store::db::{Db, DbConfig};

use crate::Runtime;
use crate::clock::ManualClock;
use crate::data_folder::DataFolder;
use crate::http::budget::{BudgetLimits, RequestBudget};
use crate::http::finish::Unfinished;
use crate::http::listener_settings::ListenerSettings;
use crate::http::spool;
use crate::limits::Limits;
use crate::metrics::settings::MetricsSettings;
use crate::metrics::{Metrics, Operation};
use crate::rates::{PerSecond, Rates};
use crate::readiness::Readiness;
use crate::root_keys::{RootKeys, WrappingKey};

/// 2026-01-01T00:00:00Z.
pub const START_MS: i64 = 1_767_225_600_000;

/// The node, and what tests need beside it.
pub struct TestRuntime {
    /// The node.
    pub runtime: Arc<Runtime>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Where the keys of its ring come from.
    pub root_keys: RootKeys,
    /// Where what is stored lies.
    pub folder: tempfile::TempDir,
}

impl Deref for TestRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        &self.runtime
    }
}

impl TestRuntime {
    /// One that counts no operations.
    pub async fn new() -> Self {
        Self::of_operations([]).await
    }

    /// One that counts these operations.
    pub async fn of_operations(operations: impl IntoIterator<Item = Operation>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = DbConfig::Sqlite { path: folder.path().join("wharf.db") };
        let clock = Arc::new(ManualClock::new(START_MS));
        let db = tokio::task::spawn_blocking(move || Db::open(&database)).await.expect("runs").expect("a database");
        let (root_keys, key_ring) = open_root_keys(&db).await;
        let blobs = BlobStore::open(&folder.path().join("blobs")).expect("a folder");
        let archive = BlobStore::open(&folder.path().join("archive")).expect("a folder");
        let readiness = Readiness::new(db.clone(), [blobs.clone(), archive.clone()], "a test");
        let runtime = Arc::new(Runtime {
            db,
            ballast: None,
            blobs,
            archive,
            key_ring,
            clock: clock.clone(),
            limits: Limits::default(),
            listener: ListenerSettings::default(),
            request_budget: RequestBudget::new(BudgetLimits::default()),
            spool_folder: spool::make_folder(folder.path()).expect("a folder"),
            data_folder: DataFolder::default(),
            wake_jobs: Arc::default(),
            metrics: Metrics::new(MetricsSettings::default(), operations.into_iter()),
            telemetry: Arc::default(),
            readiness,
            unfinished: Unfinished::default(),
            rates: Rates::new(PerSecond::default()),
        });
        Self { runtime, clock, root_keys, folder }
    }
}

async fn open_root_keys(db: &Db) -> (RootKeys, KeyRing) {
    let wrapping_key = WrappingKey::Configured(ServiceKey::from_hex(&"5a".repeat(32)).expect("a key"));
    RootKeys::open(db, wrapping_key, Vec::new(), START_MS).await.expect("made")
}

/// How many objects the blobs folder of a node holds that stores in `folder`.
pub fn stored_objects(folder: &Path) -> usize {
    let mut waiting = vec![folder.join("blobs/objects")];
    let mut count = 0;
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                waiting.push(entry.path());
            } else {
                count += 1;
            }
        }
    }
    count
}
