//! A consistent copy of the embedded default while the server runs: first the collection is held back, then the database
//! is copied in one state, then every object that this state names. Objects never change once they are finished, so they
//! are linked where that is possible, and what an earlier backup has is not copied again.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::settings::Config;
use futures_util::future::BoxFuture;
use runtime::clock::{Clock as _, SystemClock};
use runtime::data_folder::{DATABASE, SECRETS};
use runtime::private_files::replace_private;
use runtime::start_error::StartError;
use runtime::{files, full_disk};
use serde::{Deserialize, Serialize};
use store::blob::{BlobStore, ListedKind, ObjectId, Tier};
use store::db::{Db, DbConfig};
use store::error::{StoreError, StoreErrorKind};
use store::tables::{collection_holds, row_checks};
use tokio::task::JoinHandle;

use super::place::require_registry;
use super::storage::{Named, NamedObjects, data_dir, open, open_database};

/// How long a hold lasts without being renewed, and how often it is.
const HOLD_MS: i64 = 10 * 60 * 1000;
const RENEW_EVERY: Duration = Duration::from_secs(60);
/// What tells that a folder holds a backup.
pub const SUMMARY: &str = "backup.json";
/// The folders of the tiers in a backup.
pub const fn folder_of(tier: Tier) -> &'static str {
    match tier {
        Tier::Standard => "blobs",
        Tier::Archive => "archive",
    }
}

/// What a backup is to be.
#[derive(Clone, Debug)]
pub struct BackupSettings {
    /// The folder that it is written to; an earlier backup there is brought up to date.
    pub folder: PathBuf,
    /// Whether the service key and the root's credentials are part of it.
    pub with_key: bool,
    /// Whether objects are copied even where they could be linked.
    pub copies: bool,
}

/// What a backup holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupSummary {
    /// The form of the backup.
    pub version: u32,
    /// When its state was taken, in epoch milliseconds.
    pub taken_at_ms: i64,
    /// Images in it; zero in a backup of a version that did not count them.
    #[serde(default)]
    pub images: u64,
    /// The length of its database.
    #[serde(default)]
    pub database_bytes: u64,
    /// Blobs that are so small that the database holds them.
    #[serde(default)]
    pub small_blobs: u64,
    /// Objects in it, beside the database.
    pub objects: u64,
    /// What they hold.
    pub bytes: u64,
    /// Of these, those that were there from an earlier backup.
    pub kept: u64,
    /// Those that were linked.
    pub linked: u64,
    /// Those that were copied.
    pub copied: u64,
    /// Objects of the earlier backup that nothing names any more.
    pub removed: u64,
    /// Objects of blobs that are not in the store.
    pub missing: Vec<String>,
    /// Whether the keys are in it.
    pub with_key: bool,
}

/// Keeps the collection from removing objects until it is dropped.
struct Hold {
    db: Db,
    id: String,
    renewing: JoinHandle<()>,
}

impl Hold {
    async fn new(db: Db) -> Result<Self, StoreError> {
        let id = format!("backup {}", ObjectId::random());
        renew(&db, &id).await?;
        let renewing = runtime::tasks::spawn({
            let (db, id) = (db.clone(), id.clone());
            async move {
                loop {
                    runtime::timer::sleep(RENEW_EVERY).await;
                    if let Err(error) = renew(&db, &id).await {
                        tracing::warn!(
                            "the garbage collection is no longer held back: {error}",
                            error = runtime::with_causes(&error)
                        );
                    }
                }
            }
        });
        Ok(Self { db, id, renewing })
    }

    async fn release(self) -> Result<(), StoreError> {
        self.renewing.abort();
        let (id, now_ms) = (self.id, SystemClock.now_ms());
        self.db.make_room(move |tx| collection_holds::release(tx, &id, now_ms)).await
    }
}

async fn renew(db: &Db, id: &str) -> Result<(), StoreError> {
    let (id, until_ms) = (id.to_owned(), SystemClock.now_ms() + HOLD_MS);
    // A full disk is a reason to have a backup elsewhere.
    db.make_room(move |tx| collection_holds::hold(tx, &id, until_ms)).await
}

/// Makes a backup, or brings one up to date. `progress` learns how many objects are done.
pub fn backup<'a>(
    config: &'a Config,
    settings: &'a BackupSettings,
    progress: &'a mut (dyn FnMut(u64) + Send),
) -> BoxFuture<'a, Result<BackupSummary, StartError>> {
    Box::pin(async move {
        let done = run_backup(config, settings, progress).await;
        done.map_err(|error| {
            let data_dir = config.data_dir().unwrap_or_default();
            full_disk::explain(error, &[&settings.folder, &data_dir], full_disk::ELSEWHERE)
        })
    })
}

async fn run_backup(
    config: &Config,
    settings: &BackupSettings,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<BackupSummary, StartError> {
    if config.database.url.is_some() {
        return Err(StartError::Other(
            "wharf backup copies the embedded database; PostgreSQL has tools of its own for that (pg_dump, or backups of \
             its provider), and a bucket keeps versions: see docs/repair.md"
                .to_owned(),
        ));
    }
    if config.storage.bucket.is_some() || config.archive.bucket.is_some() {
        return Err(StartError::Other(
            "wharf backup copies folders; let the bucket keep versions, or replicate it: see docs/repair.md".to_owned(),
        ));
    }
    let data_dir = data_dir(config)?;
    require_registry(config, &data_dir)?;
    let database = data_dir.join(DATABASE);
    let folder = std::path::absolute(&settings.folder).map_err(|error| StartError::io(&settings.folder, error))?;
    if folder.starts_with(&data_dir) {
        return Err(StartError::Other("a backup cannot be inside the data folder".to_owned()));
    }
    prepare(&folder)?;
    require_same_registry(&folder, &database)?;
    let new = folder.join("wharf.db.new");
    remove_database(&new)?;
    // The first look is at the schema: a program of another version must not change it under the server.
    store::db::snapshot::check_schema(&database)?;
    let taken_at_ms = SystemClock.now_ms();
    let hold = Hold::new(open_database(config, &data_dir).await?).await?;
    let result = copy_all(config, &data_dir, &folder, settings, progress).await;
    hold.release().await?;
    let mut summary = result?;
    summary.taken_at_ms = taken_at_ms;
    let text = serde_json::to_vec_pretty(&summary).map_err(|error| StartError::Other(error.to_string()))?;
    replace_private(&folder.join(SUMMARY), &text)?;
    sync(&folder)?;
    Ok(summary)
}

fn sync(folder: &Path) -> Result<(), StartError> {
    let synced = files::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| StartError::io(folder, error))
}

/// Refuses a folder that holds the backup of another registry: bringing it up to date would end that one.
fn require_same_registry(folder: &Path, database: &Path) -> Result<(), StartError> {
    let backed_up = folder.join(DATABASE);
    if !files::exists(&backed_up) {
        return Ok(());
    }
    let way_out = "name another folder, or remove that backup if nobody needs it any more";
    let there = store::db::snapshot::identity(&backed_up).map_err(|error| {
        StartError::Other(format!(
            "of which registry {} is the backup cannot be told ({}): {way_out}",
            folder.display(),
            runtime::with_causes(&error)
        ))
    })?;
    if there.is_same(&store::db::snapshot::identity(database)?) {
        return Ok(());
    }
    Err(StartError::Other(format!(
        "{} holds the backup of another registry than that of {}: {way_out}",
        folder.display(),
        database.display()
    )))
}

async fn snapshot(from: &Path, to: &Path) -> Result<(), StartError> {
    let (from, to) = (from.to_owned(), to.to_owned());
    let done = runtime::tasks::spawn_blocking(move || store::db::snapshot::snapshot(&from, &to)).await;
    Ok(done.map_err(|error| StartError::Other(error.to_string()))??)
}

/// Makes the folder, or sees that it holds a backup and nothing else.
fn prepare(folder: &Path) -> Result<(), StartError> {
    let failed = |error| StartError::io(folder, error);
    files::create_private_dir(folder).map_err(failed)?;
    let is_empty = files::read_dir(folder).map_err(failed)?.next().is_none();
    if !is_empty && ![SUMMARY, "wharf.db.new"].iter().any(|name| files::exists(folder.join(name))) {
        return Err(StartError::Other(format!(
            "{} is neither empty nor a backup of Wharf: name another folder",
            folder.display()
        )));
    }
    Ok(())
}

/// Removes a database's file and those beside it.
pub(super) fn remove_database(path: &Path) -> Result<(), StartError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match files::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(StartError::io(path, error)),
            _ => {}
        }
    }
    Ok(())
}

async fn copy_all(
    config: &Config,
    data_dir: &Path,
    folder: &Path,
    settings: &BackupSettings,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<BackupSummary, StartError> {
    let new = folder.join("wharf.db.new");
    snapshot(&data_dir.join("wharf.db"), &new).await?;
    let taken = open(DbConfig::Sqlite { path: new.clone() }).await?;
    // The hold is part of the state, and would keep a restored server from collecting.
    taken.write(|tx| collection_holds::release(tx, "", i64::MAX)).await?;
    let mut summary = BackupSummary { version: 1, with_key: settings.with_key, ..BackupSummary::default() };
    (summary.images, summary.small_blobs) = taken.read(row_checks::totals_kept).await?;
    let mut named = NamedObjects::of(&taken, true).await?;
    let stores = |tier| match tier {
        Tier::Standard => data_dir.join("blobs"),
        Tier::Archive => config.archive_dir(data_dir).unwrap_or_else(|| data_dir.join("archive")),
    };
    for tier in Tier::ALL {
        BlobStore::open(&folder.join(folder_of(tier)))?;
    }
    let mut known = HashSet::new();
    while let Some(page) = named.next(&taken).await? {
        known.extend(page.iter().map(|named| *named.object.as_bytes()));
        let from: Vec<(Named, PathBuf, PathBuf)> = page
            .into_iter()
            .map(|named| {
                let name = named.object.to_string();
                let path = |root: PathBuf| root.join("objects").join(&name[..2]).join(&name);
                let tier = named.tier;
                (named, path(stores(tier)), path(folder.join(folder_of(tier))))
            })
            .collect();
        let copies = settings.copies;
        let done = runtime::tasks::spawn_blocking(move || {
            let mut summary = BackupSummary::default();
            for (named, from, to) in from {
                take(&named, &from, &to, copies, &mut summary)?;
            }
            Ok::<_, StartError>(summary)
        });
        let done = done.await.map_err(|error| StartError::Other(error.to_string()))??;
        summary.objects += done.objects;
        summary.bytes += done.bytes;
        summary.kept += done.kept;
        summary.linked += done.linked;
        summary.copied += done.copied;
        summary.missing.extend(done.missing);
        progress(summary.objects);
    }
    drop(taken);
    for tier in Tier::ALL {
        sync_folders(&folder.join(folder_of(tier)).join("objects"))?;
    }
    if settings.with_key {
        for name in SECRETS {
            let path = data_dir.join(name);
            if files::exists(&path) {
                let content = files::read(&path).map_err(|error| StartError::io(&path, error))?;
                replace_private(&folder.join(name), &content)?;
            }
        }
    }
    summary.database_bytes = files::metadata(&new).map_err(|error| StartError::io(&new, error))?.len();
    // From here on the folder is the new backup; before, it was the one before, with some objects more.
    let failed = |error| StartError::io(folder, error);
    remove_database(&folder.join("wharf.db"))?;
    files::rename(&new, folder.join("wharf.db")).map_err(failed)?;
    remove_secrets(folder, |name| !settings.with_key || !files::exists(data_dir.join(name)))?;
    sync(folder)?;
    summary.removed = remove_unnamed(folder, &known).await?;
    Ok(summary)
}

/// Removes the secrets of an earlier backup that this one does not have, and what was left of them where one was cut off.
fn remove_secrets(folder: &Path, is_unwanted: impl Fn(&str) -> bool) -> Result<(), StartError> {
    for name in SECRETS {
        let secret = folder.join(name);
        let unfinished = secret.with_added_extension("new");
        for path in is_unwanted(name).then_some(secret).into_iter().chain([unfinished]) {
            match files::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(StartError::io(&path, error)),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Puts one object into the backup.
fn take(named: &Named, from: &Path, to: &Path, copies: bool, summary: &mut BackupSummary) -> Result<(), StartError> {
    let found = match files::metadata(from) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // An upload that nothing was written of yet has no file.
            if named.is_finished {
                summary.missing.push(named.object.to_string());
            }
            return Ok(());
        }
        Err(error) => return Err(StartError::io(from, error)),
    };
    summary.objects += 1;
    summary.bytes += found.len();
    let is_there = files::metadata(to).is_ok_and(|there| there.len() == found.len());
    if is_there && named.is_finished {
        summary.kept += 1;
        return Ok(());
    }
    // A link would show what the server goes on writing, and a restored server would write into it.
    if named.is_finished && !copies {
        let _ = files::remove_file(to);
        if files::hard_link(from, to).is_ok() {
            summary.linked += 1;
            return Ok(());
        }
    }
    copy_file(from, to)?;
    summary.copied += 1;
    Ok(())
}

/// Copies a file so that it is there as a whole or not at all.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<(), StartError> {
    let unnamed = to.with_extension("copy");
    files::copy(from, &unnamed)
        .and_then(|_| files::open(&unnamed)?.sync_all())
        .and_then(|()| files::rename(&unnamed, to))
        .map_err(|error| StartError::io(to, error))
}

/// Makes the names in a store's folders durable.
pub(super) fn sync_folders(objects: &Path) -> Result<(), StartError> {
    for entry in files::read_dir(objects).map_err(|error| StartError::io(objects, error))? {
        let path = entry.map_err(|error| StartError::io(objects, error))?.path();
        files::open(&path).and_then(|folder| folder.sync_all()).map_err(|error| StartError::io(&path, error))?;
    }
    Ok(())
}

/// Removes the objects of an earlier backup that the new one does not name.
async fn remove_unnamed(folder: &Path, known: &HashSet<[u8; 16]>) -> Result<u64, StoreError> {
    let mut removed = 0;
    for tier in Tier::ALL {
        let store = BlobStore::open(&folder.join(folder_of(tier)))?;
        let mut list = store.list();
        while let Some(listed) = list.next().await? {
            if let ListedKind::Object(object) = listed.kind
                && !known.contains(object.as_bytes())
            {
                store.remove_listed(&listed).await?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Reads what a backup says of itself.
pub fn read_summary(folder: &Path) -> Result<BackupSummary, StartError> {
    if !files::exists(folder) {
        return Err(StartError::Other(format!("there is no folder {}: name the one of a backup", folder.display())));
    }
    let path = folder.join(SUMMARY);
    let text = files::read(&path).map_err(|error| {
        StartError::Other(format!("{} is no backup of Wharf: {}: {error}", folder.display(), path.display()))
    })?;
    let summary: BackupSummary = serde_json::from_slice(&text).map_err(|error| {
        StoreError::new(StoreErrorKind::Corrupt, format!("{} cannot be read", path.display())).with_source(error)
    })?;
    if summary.version != 1 {
        return Err(StartError::Other(format!(
            "the backup in {} has the form {}, which this program does not know",
            folder.display(),
            summary.version
        )));
    }
    Ok(summary)
}
