//! Analyses a layer, once for each account that has it, and lets the scans go on that wait for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws::AccountId;
use oci::Digest;
use registry::images::encryption::{self, Use};
use registry::images::errors::RegistryError;
use registry::images::repositories::reference;
use registry::images::{blobs, uploads};
use registry::layers;
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{self, Attempt, Job, JobError};
use runtime::timer;
use scan::facts::LayerFacts;
use scan_worker::{Failure, Fault};
use serde::{Deserialize, Serialize};
use store::blob::BlockingReader;
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::blobs::StoredBlob;
use store::tables::repositories::{self, Repository};
use store::tables::{image_scans, layer_facts as rows};

use crate::context::Scanning;
use crate::layer_facts;
use crate::scan_end::{fail_all_waiting, told};
use crate::scan_image::ScanImage;

/// How often it is seen whether a layer that is being read is still wanted.
const LOOK_FOR_WAITING: Duration = Duration::from_secs(2);

/// The job, of one layer.
#[derive(Debug, Serialize, Deserialize)]
pub struct AnalyseLayer {
    /// The account's part of the key: one account's layers are analysed apart from another's.
    account: String,
    /// Where copies of the layer are shared.
    scope: String,
    /// A repository that has it.
    repository_id: i64,
    /// The layer.
    digest: String,
    /// See [`layer_facts::is_current`].
    #[serde(default)]
    partial_since_ms: Option<i64>,
}

impl AnalyseLayer {
    /// The job of a layer of a repository.
    pub fn new(repository: &Repository, digest: &Digest, partial_since_ms: Option<i64>) -> Self {
        let scope = uploads::blob_scope(repository);
        Self {
            account: repository.spec.registry.account.to_string(),
            scope: format!("{} {}", scope.region, scope.encryption),
            repository_id: repository.id,
            digest: digest.to_string(),
            partial_since_ms,
        }
    }
}

impl Job for AnalyseLayer {
    const KIND: &'static str = "analyse_layer";

    fn key(&self) -> String {
        format!("{} {} {}", self.account, self.scope, self.digest)
    }

    fn account(&self) -> Option<AccountId> {
        self.account.parse().ok()
    }
}

impl Handle<Scanning> for AnalyseLayer {
    // Each has a processor of its own, and an account whose layers take long leaves one to others.
    const AT_ONCE: usize = 2;
    /// A layer that cannot be read is not waited for through the night.
    const MAX_ATTEMPTS: i64 = 6;

    async fn run(self, app: Arc<Scanning>, attempt: Attempt) -> Result<(), JobError> {
        let Ok(digest) = self.digest.parse::<Digest>() else {
            return Err(JobError::Hopeless(format!("'{}' is no digest", self.digest)));
        };
        let id = self.repository_id;
        let found = app.db.read(move |tx| repositories::find_by_id(tx, id)).await?;
        let Some(repository) = found else {
            // Images of other repositories that wait for it have it read from theirs.
            let Some(account) = self.account() else { return Ok(()) };
            return Ok(go_on(&app, account, digest).await?);
        };
        match analyse(&app, &repository, digest, self.partial_since_ms, attempt).await {
            Ok(()) => Ok(()),
            Err(error) if attempt.is_last => {
                let reason = format!("layer {digest} cannot be read: {}", told(&error));
                fail_all_waiting(&app, &repository, digest, &reason).await?;
                Err(JobError::Failed(reason))
            }
            Err(RegistryError::Store(error)) => Err(JobError::Store(error)),
            Err(error) => Err(JobError::Failed(error.to_string())),
        }
    }
}

/// Analyses a layer unless that has been done.
async fn analyse(
    app: &Arc<Scanning>,
    repository: &Repository,
    digest: Digest,
    partial_since_ms: Option<i64>,
    attempt: Attempt,
) -> Result<(), RegistryError> {
    let account = &repository.spec.registry.account;
    let ready = async {
        encryption::require(app, repository, Use::Pull).await?;
        layers::find(app, &reference(repository), digest).await
    };
    let layer = match ready.await {
        Ok(layer) => layer.for_the_server(),
        // Whoever waits finds out why.
        Err(RegistryError::Kms(_) | RegistryError::LayerNotFound(..) | RegistryError::RepositoryNotFound(_)) => {
            return Ok(go_on(app, *account, digest).await?);
        }
        Err(error) => return Err(error),
    };
    let stored = layer
        .stored(&app.registry)
        .await
        .map_err(|failure| RegistryError::Store(StoreError::new(StoreErrorKind::Unavailable, failure.to_string())))?;
    let blob = &stored.stored;
    if !is_done(app, account, blob, partial_since_ms).await? {
        let facts = tokio::select! {
            facts = read(app, blob, attempt) => facts?,
            nobody = until_nobody_waits(app, *account, digest) => return Ok(nobody?),
        };
        if layer_facts::store(app, account, blob, facts).await? {
            tracing::debug!("layer {digest} was analysed for account {account}");
        }
    }
    Ok(go_on(app, *account, digest).await?)
}

async fn is_done(
    app: &Scanning,
    account: &AccountId,
    blob: &StoredBlob,
    partial_since_ms: Option<i64>,
) -> Result<bool, RegistryError> {
    let (asked, blob_id) = (*account, blob.id);
    let known = app.db.read(move |tx| rows::find_analysed(tx, &asked, blob_id)).await?;
    match known {
        None => Ok(false),
        Some(known) if layer_facts::is_current(&known, partial_since_ms) => Ok(true),
        // It was read in part, and is read again.
        Some(known) if !known.is_whole => Ok(false),
        Some(_) => layer_facts::is_as_before(app, account, blob, app.reader.limits()).await,
    }
}

/// Returns when no scan waits for the layer any more: its images were deleted.
async fn until_nobody_waits(app: &Scanning, account: AccountId, layer: Digest) -> Result<(), StoreError> {
    loop {
        timer::sleep(LOOK_FOR_WAITING).await;
        if !app.db.read(move |tx| image_scans::is_any_waiting_for_layer(tx, &account, &layer)).await? {
            tracing::info!("no scan waits for layer {layer} any more, which was being read");
            return Ok(());
        }
    }
}

/// Whether what is read is still wanted: not after this is dropped.
#[derive(Default)]
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads the layer in a process of its own, which ends when nobody waits for this. What is wrong with the layer itself is a fact
/// about it.
async fn read(app: &Arc<Scanning>, blob: &StoredBlob, attempt: Attempt) -> Result<LayerFacts, RegistryError> {
    // It is read twice where it has hard links that only the second reading can follow.
    let mut readers = Vec::with_capacity(2);
    for _ in 0..2 {
        readers.push(blobs::open(app, blob).await?.blocking());
    }
    let node = Arc::clone(app);
    let wanted = Wanted::default();
    let is_over = Arc::clone(&wanted.0);
    let read = runtime::tasks::blocking("analysing a layer", move || {
        let mut open = || -> io::Result<BlockingReader> {
            readers.pop().ok_or_else(|| io::Error::other("the layer was to be read more than twice"))
        };
        node.reader.read(&mut open, || !is_over.load(Ordering::Relaxed))
    });
    let read = read.await?;
    let known = read.or_else(|failure| of_failure(failure, attempt));
    let counts = &app.metrics.scans;
    match &known {
        Ok(facts) if facts.is_whole() => counts.whole_layers.increment(),
        Ok(_) => counts.partial_layers.increment(),
        Err(_) => counts.failed_layers.increment(),
    }
    known
}

/// What is known of a layer whose reading failed.
fn of_failure(failure: Failure, attempt: Attempt) -> Result<LayerFacts, RegistryError> {
    // A process that the system ended may have had bad luck once.
    let may_be_chance = matches!(failure, Failure::Killed | Failure::Crashed(_)) && attempt.number < 2;
    match failure.fault() {
        Fault::Layer if !may_be_chance => Ok(scan::layer::unread(failure.to_string(), &scan::detectors::all())),
        Fault::Layer | Fault::Storage | Fault::Node => {
            Err(StoreError::new(StoreErrorKind::Unavailable, "the layer was not analysed").with_source(failure).into())
        }
    }
}

/// Lets the scans go on that wait for a layer.
async fn go_on(app: &Scanning, account: AccountId, digest: Digest) -> Result<(), StoreError> {
    let now_ms = app.now_ms();
    app.db
        .write(move |tx: &mut dyn Tx| {
            for (image_id, scan_type) in image_scans::waiting_for_layer(tx, &account, &digest)? {
                job::enqueue(tx, &ScanImage { account, image_id, scan_type }, now_ms, now_ms)?;
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    app.wake_jobs.wake();
    Ok(())
}
