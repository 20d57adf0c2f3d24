//! Moves everything to another database and another store: from the embedded default to PostgreSQL, back, or to another
//! place of the same kind. Objects are copied as they are stored, encrypted or plain, so no key is needed; whatever is
//! there already is not copied again. The database is copied last, while no server writes, and compared row by row.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::settings::Config;
use futures_util::future::BoxFuture;
use runtime::clock::{Clock as _, SystemClock};
use runtime::full_disk;
use runtime::start_error::StartError;
use store::blob::Tier;
use store::db::Db;
use store::db::transfer;
use store::error::{StoreError, StoreErrorKind};
use store::tables::{blobs, collection_holds, storage_moves};
use tokio::task::JoinSet;

use super::place::{refuse_foreign_folder, require_filled, require_registry};
use super::storage::{Named, NamedObjects, Stores, data_dir, open_database};
use crate::data_dir::{lock_data_dir, open_data_dir};

/// Objects that are copied at a time.
const AT_ONCE: usize = 8;
/// How long the source's collection is held back without being asked again.
const HOLD_MS: i64 = 60 * 60 * 1000;
const RENEW_EVERY: Duration = Duration::from_secs(300);
const HOLD: &str = "migration";

/// Tables that are of one place alone: uploads in hand and objects to remove stay behind, as do nodes and holds.
pub const LEFT_BEHIND: &[&str] = &["uploads", "removed_objects", "collection_holds", "nodes", "storage_moves"];

/// What came of a migration.
#[derive(Clone, Debug, Default)]
pub struct Migrated {
    /// Objects that were copied.
    pub copied: u64,
    /// Their bytes, as stored.
    pub bytes: u64,
    /// Objects that were there already.
    pub kept: u64,
    /// Objects that the bucket encrypted that they were in, and that nobody encrypts where they are now.
    pub plain: u64,
    /// Objects that the source names and does not have.
    pub missing: Vec<String>,
    /// Tables that were copied and compared, and the rows in them; none if only objects were copied.
    pub tables: Option<(usize, u64)>,
}

/// What is told while it goes on.
pub enum Step<'a> {
    /// So many objects are done.
    Objects(u64),
    /// So many rows of a table are copied.
    Table(&'a str, u64),
    /// The two databases are compared.
    Comparing,
}

/// Copies objects, and with `is_whole` the database, too, for which no server may be running on either.
pub fn migrate<'a>(
    from: &'a Config,
    to: &'a Config,
    is_whole: bool,
    progress: &'a mut (dyn FnMut(Step<'_>) + Send),
) -> BoxFuture<'a, Result<Migrated, StartError>> {
    Box::pin(async move {
        let done = run_migrate(from, to, is_whole, progress).await;
        done.map_err(|error| {
            let folders = [to, from].map(|config| config.data_dir().unwrap_or_default());
            full_disk::explain(error, &[&folders[0], &folders[1]], full_disk::ELSEWHERE)
        })
    })
}

async fn run_migrate(
    from: &Config,
    to: &Config,
    is_whole: bool,
    progress: &mut (dyn FnMut(Step<'_>) + Send),
) -> Result<Migrated, StartError> {
    let (from_dir, to_dir) = (data_dir(from)?, data_dir(to)?);
    if from_dir == to_dir {
        return Err(StartError::Other("the two configurations have the same data folder".to_owned()));
    }
    require_registry(from, &from_dir)?;
    refuse_foreign_folder(to, &to_dir)?;
    open_data_dir(&to_dir)?;
    let _target_lock = lock_data_dir(&to_dir)?;
    let _source_lock = if is_whole { Some(lock_source(&from_dir)?) } else { None };
    if from.database.url.is_none() {
        store::db::snapshot::check_schema(&from_dir.join("wharf.db"))?;
    }
    let source = open_database(from, &from_dir).await?;
    require_filled(&source).await?;
    let target = open_database(to, &to_dir).await?;
    if is_whole {
        require_unused(&target).await?;
        carry_key(from, to)?;
    }
    renew(&source).await?;
    let renewing = runtime::tasks::spawn({
        let source = source.clone();
        async move {
            loop {
                runtime::timer::sleep(RENEW_EVERY).await;
                if let Err(error) = renew(&source).await {
                    tracing::warn!(
                        "the garbage collection is no longer held back: {error}",
                        error = runtime::with_causes(&error)
                    );
                }
            }
        }
    });
    let stores = Arc::new((Stores::find(from, &from_dir).await?, Stores::open(to, &to_dir).await?));
    let mut migrated = Migrated { plain: left_plain(&source, &stores.1).await?, ..Migrated::default() };
    let mut result = copy_objects(&source, &stores, &mut migrated, progress).await;
    if result.is_ok() && is_whole {
        result = copy_database(&source, &target, &mut migrated, progress).await;
    }
    renewing.abort();
    let now_ms = SystemClock.now_ms();
    source.write(move |tx| collection_holds::release(tx, HOLD, now_ms)).await?;
    result?;
    Ok(migrated)
}

/// The source's lock, or how to go on if its server runs.
fn lock_source(data_dir: &Path) -> Result<std::fs::File, StartError> {
    lock_data_dir(data_dir).map_err(|error| match error {
        StartError::Other(message) => StartError::Other(format!(
            "{message}. While it runs, --prepare copies its objects, so that the rest takes less time"
        )),
        other => other,
    })
}

async fn renew(db: &Db) -> Result<(), StoreError> {
    let until_ms = SystemClock.now_ms() + HOLD_MS;
    db.write(move |tx| collection_holds::hold(tx, HOLD, until_ms)).await
}

/// A database that somebody uses must not be overwritten; one that a migration has begun to fill may be.
async fn require_unused(target: &Db) -> Result<(), StartError> {
    let (is_used, is_begun) =
        target.read(|tx| Ok::<_, StoreError>((storage_moves::is_used(tx)?, storage_moves::is_begun(tx)?))).await?;
    if is_used && !is_begun {
        return Err(StartError::Other(
            "the database to migrate to holds repositories or users already: name an empty one".to_owned(),
        ));
    }
    Ok(())
}

/// Sees that the new place has the key that everything is sealed with.
fn carry_key(from: &Config, to: &Config) -> Result<(), StartError> {
    for name in runtime::data_folder::SECRETS {
        let (old, new) = (data_dir(from)?.join(name), data_dir(to)?.join(name));
        if runtime::files::exists(&old) && !runtime::files::exists(&new) {
            super::backup::copy_file(&old, &new)?;
        }
    }
    Ok(())
}

async fn copy_objects(
    source: &Db,
    stores: &Arc<(Stores, Stores)>,
    migrated: &mut Migrated,
    progress: &mut (dyn FnMut(Step<'_>) + Send),
) -> Result<(), StartError> {
    let mut named = NamedObjects::of(source, false).await?;
    let mut copying = JoinSet::new();
    while let Some(page) = named.next(source).await? {
        for object in page {
            while copying.len() >= AT_ONCE {
                note(copying.join_next().await, migrated)?;
            }
            runtime::tasks::spawn_in(&mut copying, copy_object(Arc::clone(stores), object));
        }
        progress(Step::Objects(migrated.copied + migrated.kept));
    }
    while !copying.is_empty() {
        note(copying.join_next().await, migrated)?;
    }
    progress(Step::Objects(migrated.copied + migrated.kept));
    Ok(())
}

/// How many objects come to a store that does not encrypt what it holds, and are not encrypted themselves.
async fn left_plain(source: &Db, to: &Stores) -> Result<u64, StoreError> {
    let tiers: Vec<Tier> = Tier::ALL.into_iter().filter(|tier| !to.tier(*tier).encrypts()).collect();
    source.read(move |tx| tiers.iter().map(|tier| blobs::count_plain(tx, *tier)).sum()).await
}

/// What became of one object.
enum Copied {
    Now(u64),
    Before,
    Missing(String),
}

fn note(
    ended: Option<Result<Result<Copied, StoreError>, tokio::task::JoinError>>,
    migrated: &mut Migrated,
) -> Result<(), StartError> {
    let Some(ended) = ended else { return Ok(()) };
    match ended.map_err(|error| StartError::Other(error.to_string()))?? {
        Copied::Now(bytes) => {
            migrated.copied += 1;
            migrated.bytes += bytes;
        }
        Copied::Before => migrated.kept += 1,
        Copied::Missing(name) => migrated.missing.push(name),
    }
    Ok(())
}

async fn copy_object(stores: Arc<(Stores, Stores)>, named: Named) -> Result<Copied, StoreError> {
    let of = |stores: &Stores| stores.tier(named.tier).of_scope(&named.scope);
    let (from, to) = (of(&stores.0), of(&stores.1));
    let Some(object) = from.read_raw(named.object).await? else {
        return Ok(Copied::Missing(named.object.to_string()));
    };
    let bytes = object.bytes;
    if to.raw_bytes(named.object).await? == Some(bytes) {
        return Ok(Copied::Before);
    }
    to.write_raw(named.object, object).await?;
    Ok(Copied::Now(bytes))
}

async fn copy_database(
    source: &Db,
    target: &Db,
    migrated: &mut Migrated,
    progress: &mut (dyn FnMut(Step<'_>) + Send),
) -> Result<(), StartError> {
    // Until it is whole, no server may take it for its own.
    target.write(storage_moves::begin).await?;
    transfer::copy(source, target, LEFT_BEHIND, &mut |table, rows| progress(Step::Table(table, rows))).await?;
    progress(Step::Comparing);
    let (ours, theirs) =
        (transfer::fingerprints(source, LEFT_BEHIND).await?, transfer::fingerprints(target, LEFT_BEHIND).await?);
    if ours != theirs {
        let table = ours.iter().find(|(name, found)| theirs.get(*name) != Some(found)).map(|(name, _)| name.clone());
        let context = format!(
            "table {} is not the same in both databases: does a server write to one of them? Stop it and run this again",
            table.unwrap_or_default()
        );
        return Err(StoreError::new(StoreErrorKind::Other, context).into());
    }
    target.write(storage_moves::end).await?;
    migrated.tables = Some((ours.len(), ours.values().map(|(rows, _)| rows).sum()));
    Ok(())
}

/// Writes every row of a server's database, one line of JSON each, but what is of one place alone.
pub fn dump<'a>(
    config: &'a Config,
    write: &'a mut (dyn FnMut(String) -> Result<(), StoreError> + Send),
) -> BoxFuture<'a, Result<(), StartError>> {
    Box::pin(async move {
        let done = run_dump(config, write).await;
        let data_dir = config.data_dir().unwrap_or_default();
        done.map_err(|error| full_disk::explain(error, &[&data_dir], full_disk::IN_PLACE))
    })
}

async fn run_dump(
    config: &Config,
    write: &mut (dyn FnMut(String) -> Result<(), StoreError> + Send),
) -> Result<(), StartError> {
    let data_dir = data_dir(config)?;
    require_registry(config, &data_dir)?;
    if config.database.url.is_none() {
        store::db::snapshot::check_schema(&data_dir.join("wharf.db"))?;
    }
    let db = open_database(config, &data_dir).await?;
    Ok(transfer::dump(&db, LEFT_BEHIND, write).await?)
}

#[cfg(test)]
mod tests {
    use store::blob::{BlobStore, ObjectId};

    #[tokio::test]
    async fn objects_are_copied_as_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let from = BlobStore::open(&folder.path().join("from")).expect("a store");
        let to = BlobStore::open(&folder.path().join("to")).expect("a store");
        let object = ObjectId::random();
        assert!(from.read_raw(object).await.expect("looked up").is_none());
        let (state, key) = from.begin();
        let object = state.object;
        let mut writer = from.writer(state, key.clone(), None).expect("a folder");
        let content = vec![7; 3 * 1024 * 1024 + 5];
        writer.write(content.clone().into()).await.expect("written");
        let finished = writer.finish().await.expect("finished");
        let raw = from.read_raw(object).await.expect("read").expect("there");
        let bytes = raw.bytes;
        to.write_raw(object, raw).await.expect("copied");
        assert_eq!(to.raw_bytes(object).await.expect("looked up"), Some(bytes));
        let reader = to.open_reader(object, key, content.len() as u64).expect("opens");
        assert_eq!(reader.digest(oci::Algorithm::Sha256).await.expect("read"), finished.sha256);
    }
}
