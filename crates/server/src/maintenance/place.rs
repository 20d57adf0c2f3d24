//! Whether a data folder is what it is taken for: commands that only look make no registry where there is none, and a
//! store that lost its database gets no new, empty one.

use std::path::Path;

use config::settings::Config;
use runtime::data_folder::DATABASE;
use runtime::start_error::StartError;
use runtime::{files, root_keys};
use store::db::Db;
use store::tables::blobs;

/// Files that a refusal names.
const NAMES_SHOWN: usize = 5;

/// What a start leaves in the data folder once it has a database, and nobody puts there beforehand.
const MADE_BY_A_START: [&str; 2] = ["server.json", "credentials.json"];

/// Whether the embedded database's file is there. An empty one is none: SQLite takes it for a new database.
fn has_database(data_dir: &Path) -> bool {
    files::metadata(data_dir.join(DATABASE)).is_ok_and(|file| file.len() > 0)
}

/// Refuses a data folder that holds no registry, for whoever is to look at one and not to make one.
pub fn require_registry(config: &Config, data_dir: &Path) -> Result<(), StartError> {
    if config.database.url.is_some() || has_database(data_dir) {
        return Ok(());
    }
    refuse_lost_database(config, data_dir)?;
    let is_missing = if files::exists(data_dir) { "" } else { "is not there, so it " };
    Err(StartError::Other(format!(
        "{} {is_missing}holds no registry: name its data folder with --data-dir or WHARF_DATA_DIR (`wharf serve` makes a new one)",
        data_dir.display()
    )))
}

/// As [`require_registry`], of a database that is open.
pub async fn require_filled(db: &Db) -> Result<(), StartError> {
    if root_keys::exist(db).await? {
        return Ok(());
    }
    Err(StartError::Other(
        "the database holds no registry: is it the right one, or the right data folder? (`wharf serve` makes a new one)"
            .to_owned(),
    ))
}

/// Refuses a data folder whose database is gone while the objects that it named are there.
pub fn refuse_lost_database(config: &Config, data_dir: &Path) -> Result<(), StartError> {
    if config.database.url.is_some() || has_database(data_dir) {
        return Ok(());
    }
    let archive = config.archive_dir(data_dir).unwrap_or_else(|| data_dir.join("archive"));
    for store in [data_dir.join("blobs"), archive] {
        if holds_objects(&store) {
            return Err(StartError::Other(format!(
                "the database {} is missing, and {} holds objects that only it can name: put it back from a backup \
                 (`wharf restore` takes an empty folder), or end a restore or a migration that was cut off; a new \
                 registry needs an empty folder",
                data_dir.join(DATABASE).display(),
                store.display()
            )));
        }
    }
    // What is small lies in the database alone; these files are made by a start, after it.
    if let Some(made) = MADE_BY_A_START.iter().map(|file| data_dir.join(file)).find(|file| files::exists(file)) {
        return Err(StartError::Other(format!(
            "the database {} is missing, and {} shows that there was one: put it back from a backup (`wharf restore` takes \
             an empty folder); a new registry needs an empty folder",
            data_dir.join(DATABASE).display(),
            made.display()
        )));
    }
    Ok(())
}

/// Whether a folder of objects holds any.
fn holds_objects(store: &Path) -> bool {
    let Ok(folders) = files::read_dir(store.join("objects")) else { return false };
    folders.flatten().any(|folder| files::read_dir(folder.path()).is_ok_and(|mut objects| objects.next().is_some()))
}

/// Refuses a database that knows of nothing, where the store that it is to be for is filled. Asks the store only then.
pub async fn refuse_empty_database(config: &Config, data_dir: &Path, db: &Db) -> Result<(), StartError> {
    if root_keys::exist(db).await? {
        return Ok(());
    }
    let (blobs, archive) = config.open_stores(data_dir).await?;
    for store in [blobs, archive] {
        if let Some(first) = store.list().next().await? {
            let of = if config.database.url.is_some() { "that database.url names" } else { DATABASE };
            return Err(StartError::Other(format!(
                "the database {of} is empty, and the store holds objects of another one ({}): name the database that \
                 they belong to, or bring it back from a backup; a new registry needs an empty store",
                first.key
            )));
        }
    }
    Ok(())
}

/// Refuses a folder of other files for a new registry: it would be made among them, and take the folder for its own.
pub fn refuse_foreign_folder(config: &Config, data_dir: &Path) -> Result<(), StartError> {
    // With a database elsewhere, the lock is what every node makes first.
    let is_ours =
        if config.database.url.is_some() { files::exists(data_dir.join("lock")) } else { has_database(data_dir) };
    if is_ours {
        return Ok(());
    }
    let foreign = config.data_folder(data_dir).foreign();
    let shown: Vec<_> =
        foreign.iter().take(NAMES_SHOWN).map(|path| path.file_name().unwrap_or_default().to_string_lossy()).collect();
    if shown.is_empty() {
        return Ok(());
    }
    let more = foreign.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(StartError::Other(format!(
        "{folder} holds no registry, but files of others ({shown}{more}), and a new one is not made among them: name \
         another folder with --data-dir or WHARF_DATA_DIR, such as {within}; one that is empty or not there yet becomes a \
         new registry",
        folder = data_dir.display(),
        shown = shown.join(", "),
        within = data_dir.join("wharf").display()
    )))
}

/// Refuses a registry whose database names objects in a folder that is gone, as a disk that is not mounted is.
pub async fn refuse_lost_objects(config: &Config, data_dir: &Path, db: &Db) -> Result<(), StartError> {
    for (tier, folder) in config.object_folders(data_dir) {
        let objects = folder.join("objects");
        // What cannot be looked at is told of where it is opened.
        if files::try_exists(&objects).unwrap_or(true) || !db.read(move |tx| blobs::needs_store(tx, tier)).await? {
            continue;
        }
        return Err(StartError::Other(format!(
            "{} is missing, and the database names objects that are in it: mount its disk, put it back, or restore a \
             backup (`wharf restore` takes an empty folder); if the bytes are lost for good, `mkdir -p {}` lets the server \
             start without them. `wharf fsck --offline` names what is missing",
            folder.display(),
            objects.display()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(data_dir: &Path) -> Config {
        Config { data_dir: Some(data_dir.to_owned()), ..Config::default() }
    }

    #[test]
    fn a_folder_without_a_registry_is_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let typo = folder.path().join("typo");
        let error = require_registry(&config(&typo), &typo).expect_err("there is none").to_string();
        assert!(error.contains("holds no registry"), "{error}");
        assert!(!typo.exists());
        refuse_lost_database(&config(&typo), &typo).expect("a new one may be made there");
    }

    #[test]
    fn a_folder_of_other_files_is_no_new_registry() {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = folder.path();
        refuse_foreign_folder(&config(&data_dir.join("new")), &data_dir.join("new")).expect("it is made");
        for name in ["lost+found", ".snapshot"] {
            std::fs::create_dir(data_dir.join(name)).expect("made");
        }
        std::fs::write(data_dir.join("service.key"), "x").expect("written");
        refuse_foreign_folder(&config(data_dir), data_dir).expect("nobody else's");
        std::fs::write(data_dir.join("thesis.odt"), "x").expect("written");
        let error = refuse_foreign_folder(&config(data_dir), data_dir).expect_err("somebody's").to_string();
        assert!(error.contains("(thesis.odt)") && error.contains("--data-dir"), "{error}");
        std::fs::write(data_dir.join(DATABASE), "x").expect("written");
        refuse_foreign_folder(&config(data_dir), data_dir).expect("a registry has been there before");
    }

    #[test]
    fn objects_without_their_database_are_no_new_registry() {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = folder.path();
        for tier in ["blobs", "archive"] {
            let objects = data_dir.join(tier).join("objects/ab");
            std::fs::create_dir_all(&objects).expect("made");
            refuse_lost_database(&config(data_dir), data_dir).expect("it is empty");
            std::fs::write(objects.join("ab01"), "x").expect("written");
            let error = refuse_lost_database(&config(data_dir), data_dir).expect_err("it is filled").to_string();
            assert!(error.contains("wharf.db is missing") && error.contains(tier), "{error}");
            // An empty file is what SQLite leaves of a database that was never written.
            std::fs::write(data_dir.join(DATABASE), "").expect("written");
            refuse_lost_database(&config(data_dir), data_dir).expect_err("it is still missing");
            std::fs::remove_file(data_dir.join(DATABASE)).expect("removed");
            std::fs::remove_dir_all(data_dir.join(tier)).expect("removed");
        }
        std::fs::write(data_dir.join("service.key"), "x").expect("written");
        refuse_lost_database(&config(data_dir), data_dir).expect("a key may be given to a new registry");
        for made in MADE_BY_A_START {
            std::fs::write(data_dir.join(made), "{}").expect("written");
            let error = refuse_lost_database(&config(data_dir), data_dir).expect_err("there was one").to_string();
            assert!(error.contains("wharf.db is missing") && error.contains(made), "{error}");
            std::fs::remove_file(data_dir.join(made)).expect("removed");
        }
    }
}
