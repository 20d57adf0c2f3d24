//! Seals anew what older root keys have sealed: data keys and small values of every part, step by step. No blob is
//! rewritten.
//!
//! A search goes through every place; how far it is, is stored with each step. When a whole search has found nothing, the
//! older root keys are noted as unused. One more search, late enough, tells that none of them has come back into use.

use std::sync::Arc;
use std::time::Duration;

use access::auth::directory::SECRET_PURPOSE;
use access::root_key_rotation::{RETIRE_AFTER_MS, Reseal};
use access::{kms, secret_values};
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, JobError};
use store::blob::{DATA_KEY_PURPOSE, KeyRing, open_small, seal_small, sealed_head};
use store::error::StoreError;
use store::tables::root_keys::{self, Search};
use store::tables::sealed_values::{self, SealedColumn, SealedValue, Subject};
use zeroize::Zeroizing;

use crate::Registry;
use crate::images::{push, uploads};

/// Values of one step: what is read, opened and sealed between two notes of how far it is.
const STEP: usize = 200;
/// Requests go first.
const PAUSE: Duration = Duration::from_millis(5);

impl Handle<Registry> for Reseal {
    const AT_ONCE: usize = 1;

    async fn run(self, app: Arc<Registry>, _: Attempt) -> Result<(), JobError> {
        app.refresh_keys().await?;
        let stored = app.db.read(|tx| root_keys::list(tx)).await?;
        let Some(newest) = stored.last() else { return Ok(()) };
        if app.key_ring.sealing() != newest.number {
            return Err(JobError::TooEarly { until_ms: newest.active_from_ms.max(app.now_ms()) + 1_000 });
        }
        let verify_from_ms = newest.active_from_ms + RETIRE_AFTER_MS;
        loop {
            let search = search(&app, newest.number).await?;
            if search.unreadable > 0 {
                let text = format!(
                    "{} of {} sealed values cannot be opened, and were left as they are: the log names them",
                    search.unreadable, search.seen
                );
                return Err(JobError::Hopeless(text));
            }
            if search.resealed > 0 {
                continue;
            }
            if search.began_at_ms >= verify_from_ms {
                return Ok(());
            }
            return Err(JobError::TooEarly { until_ms: verify_from_ms });
        }
    }
}

/// Goes on with the search that is in progress, or begins one, and ends it.
async fn search(app: &Registry, root_key: u32) -> Result<Search, StoreError> {
    let found = app.db.read_point(root_keys::find_search).await?;
    let in_progress = found.filter(|search| search.root_key == root_key && search.ended_at_ms.is_none());
    let mut search = in_progress.unwrap_or_else(|| Search {
        root_key,
        began_at_ms: app.now_ms(),
        place: 0,
        cursor: String::new(),
        seen: 0,
        resealed: 0,
        unreadable: 0,
        ended_at_ms: None,
    });
    while let Some(place) = SealedColumn::ALL.get(search.place) {
        search = step(app, *place, search).await?;
        runtime::timer::sleep(PAUSE).await;
    }
    search.ended_at_ms = Some(app.now_ms());
    let ended = search.clone();
    app.db
        .write(move |tx| {
            root_keys::store_search(tx, &ended)?;
            if ended.resealed == 0 && ended.unreadable == 0 {
                root_keys::note_unused_before(tx, ended.root_key, ended.began_at_ms)?;
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    Ok(search)
}

/// A value, its old sealing and its new one.
type Resealed = (SealedValue, Vec<u8>, Vec<u8>);

/// Reads the next values of a place, seals anew those that need it, and notes how far the search is.
async fn step(app: &Registry, place: SealedColumn, mut search: Search) -> Result<Search, StoreError> {
    let (cursor, head) = (search.cursor.clone(), sealed_head(search.root_key));
    let values = app.db.read(move |tx| sealed_values::list(tx, place, &cursor, head, STEP)).await?;
    search.seen += values.len() as u64;
    match values.last().filter(|_| values.len() == STEP) {
        Some(last) => search.cursor.clone_from(&last.cursor),
        None => {
            search.place += 1;
            search.cursor = String::new();
        }
    }
    let ring = app.key_ring.clone();
    let work = runtime::tasks::blocking("sealing anew", move || {
        let mut unreadable = 0_u64;
        let mut sealed: Vec<Resealed> = Vec::new();
        for mut value in values {
            let Some(old) = value.sealed.take() else { continue };
            match reseal(&ring, &value.subject, &old) {
                Ok(new) => sealed.push((value, old, new)),
                Err(error) => {
                    unreadable += 1;
                    tracing::error!(
                        "{:?} cannot be sealed anew: {error}",
                        value.subject,
                        error = runtime::with_causes(&error)
                    );
                }
            }
        }
        (sealed, unreadable)
    });
    let (sealed, unreadable) = work.await?;
    search.unreadable += unreadable;
    app.db
        .write(move |tx| {
            let mut search = search.clone();
            for (value, old, new) in &sealed {
                // What has changed meanwhile was sealed anew by that.
                search.resealed += u64::from(sealed_values::replace(tx, place, value, old, new)?);
            }
            root_keys::store_search(tx, &search)?;
            Ok::<_, StoreError>(search)
        })
        .await
}

/// What a value is sealed for, and bound to.
fn sealing_of(subject: &Subject) -> (&'static str, Vec<u8>) {
    match subject {
        Subject::Object(object) => (DATA_KEY_PURPOSE, object.as_bytes().to_vec()),
        Subject::UploadState(id) => (uploads::STATE_PURPOSE, id.as_bytes().to_vec()),
        Subject::Manifest { registry, repository, digest } => {
            (push::MANIFEST_PURPOSE, push::manifest_context(&registry.repository(repository), digest))
        }
        Subject::AccessKey(id) => (SECRET_PURPOSE, id.as_bytes().to_vec()),
        Subject::KmsKeyVersion { key_id, version } => (kms::MATERIAL_PURPOSE, kms::material_context(*key_id, *version)),
        Subject::SecretVersion { arn, version_id } => {
            (secret_values::VALUE_PURPOSE, secret_values::value_context(arn, version_id))
        }
    }
}

/// Opens a sealed value of a row.
pub fn open(ring: &KeyRing, subject: &Subject, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (purpose, context) = sealing_of(subject);
    open_small(ring, purpose, &context, sealed).map(Zeroizing::new)
}

fn reseal(ring: &KeyRing, subject: &Subject, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let (purpose, context) = sealing_of(subject);
    Ok(seal_small(ring, purpose, &context, &open(ring, subject, sealed)?))
}
