//! Puts a backup into an empty data folder.

use std::path::{Path, PathBuf};

use config::settings::Config;
use futures_util::future::BoxFuture;
use runtime::data_folder::SECRETS;
use runtime::start_error::StartError;
use runtime::{files, full_disk};
use store::blob::{BlobStore, ListedKind, Tier};

use super::backup::{BackupSummary, copy_file, folder_of, read_summary, sync_folders};
use super::storage::data_dir;
use crate::data_dir::open_data_dir;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup said of itself.
    pub summary: BackupSummary,
    /// The data folder.
    pub data_dir: PathBuf,
    /// Objects that were copied.
    pub objects: u64,
    /// Files that the server had and the backup does not, and that no configuration stands in for.
    pub lacks: Vec<&'static str>,
    /// Whether the data folder has a service key, or the configuration gives one.
    pub has_key: bool,
}

/// Restores a backup. `progress` learns how many objects are done.
pub fn restore<'a>(
    config: &'a Config,
    folder: &'a Path,
    progress: &'a mut (dyn FnMut(u64) + Send),
) -> BoxFuture<'a, Result<Restored, StartError>> {
    Box::pin(async move {
        let done = run_restore(config, folder, progress).await;
        done.map_err(|error| {
            let data_dir = config.data_dir().unwrap_or_default();
            let archive = config.archive_dir(&data_dir).unwrap_or_else(|| data_dir.clone());
            full_disk::explain(error, &[&data_dir, &archive], full_disk::ELSEWHERE)
        })
    })
}

async fn run_restore(
    config: &Config,
    folder: &Path,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Restored, StartError> {
    let summary = read_summary(folder)?;
    let data_dir = data_dir(config)?;
    let is_used = files::exists(&data_dir)
        && files::read_dir(&data_dir).map_err(|error| StartError::io(&data_dir, error))?.next().is_some();
    if is_used {
        return Err(StartError::Other(format!(
            "the data folder {} is not empty: a backup is restored into a new one (--data-dir)",
            data_dir.display()
        )));
    }
    open_data_dir(&data_dir)?;
    let mut objects = 0;
    for tier in Tier::ALL {
        let to = match tier {
            Tier::Standard => data_dir.join("blobs"),
            Tier::Archive => config.archive_dir(&data_dir).unwrap_or_else(|| data_dir.join("archive")),
        };
        BlobStore::open(&to)?;
        let mut list = BlobStore::open(&folder.join(folder_of(tier)))?.list();
        while let Some(listed) = list.next().await? {
            let ListedKind::Object(object) = listed.kind else { continue };
            let name = object.to_string();
            let (from, to) = (PathBuf::from(listed.key), to.join("objects").join(&name[..2]).join(&name));
            // Never a link: what the backup holds must not change with what the server does.
            let copied = runtime::tasks::spawn_blocking(move || copy_file(&from, &to)).await;
            copied.map_err(|error| StartError::Other(error.to_string()))??;
            objects += 1;
            progress(objects);
        }
        sync_folders(&to.join("objects"))?;
    }
    for name in SECRETS {
        if files::exists(folder.join(name)) {
            copy_file(&folder.join(name), &data_dir.join(name))?;
        }
    }
    // Last: a folder without a database is none that a server would take for its own.
    copy_file(&folder.join("wharf.db"), &data_dir.join("wharf.db"))?;
    let synced = files::open(&data_dir).and_then(|folder| folder.sync_all());
    synced.map_err(|error| StartError::io(&data_dir, error))?;
    let is_given = config.service_key()?.is_some() || config.service_key_endpoint()?.is_some();
    let has_key = is_given || files::exists(data_dir.join("service.key"));
    let has_root = config.root_key_settings().configured()?.is_some();
    let is_lacking = |name: &&str| match *name {
        "service.key" => !has_key,
        "credentials.json" => !has_root && !files::exists(data_dir.join(name)),
        name => !files::exists(data_dir.join(name)),
    };
    let lacks = SECRETS.into_iter().filter(is_lacking).collect();
    Ok(Restored { summary, data_dir, objects, lacks, has_key })
}
