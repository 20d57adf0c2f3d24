//! Gives checksums to the pages of a database that was made without: once, by a copy that takes its place.
//!
//! Whenever this is cut off, the database is the old one or the new one, whole, and a half-made copy goes with the next try.
//! A database that once had checksums and does not say so any more, being damaged, is none that was made without: opening it
//! tells them apart, or fails. The old one is kept for a while all the same.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags};

use super::connection::{self, failure};
use crate::error::{StoreError, StoreErrorKind};

/// What is added to the name of the copy while it is made.
const COPY: &str = ".with-checksums";

/// What is added to the name of the old database once the copy has taken its place.
const OLD: &str = ".before-checksums";

/// How long the old database is kept at least: a start that fails, and is repeated, does not take it away.
const KEPT: Duration = Duration::from_hours(24);

/// How long another program that has the file open is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// There is no database yet, or it has checksums, or it cannot be read at all.
    NotNeeded,
    /// It has them now.
    Done,
}

/// Gives checksums to the database at `path` if it has none. Nobody else may open it for writing meanwhile, and the folder
/// needs room for a second one. If this fails, the database is as it was. The old one is kept beside it, and goes with the
/// first call after a day.
pub fn add_checksums(path: &Path) -> Result<Conversion, StoreError> {
    let Ok(path) = fs::canonicalize(path) else { return Ok(Conversion::NotNeeded) };
    let (copy, old) = (with_suffix(&path, COPY), with_suffix(&path, OLD));
    remove_copy(&copy)?;
    if fs::metadata(&path).is_ok_and(|file| file.len() == 0) {
        remove_old(&old);
        return Ok(Conversion::NotNeeded);
    }
    match has_checksums(&path) {
        Ok(false) => {}
        Ok(true) => {
            remove_old(&old);
            return Ok(Conversion::NotNeeded);
        }
        // What cannot be read cannot be copied, be it damaged or its disk full: who opens it for good meets the same, and
        // tells of it.
        Err(_) => return Ok(Conversion::NotNeeded),
    }
    let done = convert(&path, &copy, &old);
    if done.is_err() {
        remove_copy(&copy)?;
    }
    done.map(|()| Conversion::Done)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn has_checksums(path: &Path) -> Result<bool, StoreError> {
    let connection = open(path)?;
    let failed = |error| failure(format!("read the database {}", path.display()), error);
    connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(())).map_err(failed)?;
    Ok(page_checksums::has_checksums(&connection))
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = connection::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(|error| failure(format!("open the database {}", path.display()), error))?;
    Ok(connection)
}

fn convert(path: &Path, copy: &Path, old: &Path) -> Result<(), StoreError> {
    let failed = |error| failure(format!("copy the database {}", path.display()), error);
    // The log is folded in and goes: beside the new file it would be another's. That needs the file for itself.
    use_journal(&open(path)?).map_err(failed)?;
    let source = open(path)?;
    source
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;")
        .and_then(|()| use_journal(&source))
        .map_err(failed)?;
    make_like(path, copy)?;
    copy_into(&source, copy).map_err(failed)?;
    check_copy(copy)?;
    let io = |error| StoreError::io(format!("put {} into the place of {}", copy.display(), path.display()), error);
    fs::File::open(copy).and_then(|file| file.sync_all()).map_err(io)?;
    keep(path, old)?;
    // Until the old file is let go, whoever comes waits.
    fs::rename(copy, path).map_err(io)?;
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io))
}

/// Leaves the log; fails if another program uses the file.
fn use_journal(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
    if mode == "delete" {
        return Ok(());
    }
    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(rusqlite::Error::SqliteFailure(busy, Some(format!("the database keeps its log (mode {mode})"))))
}

/// Gives the old database a second name, by which it stays when the copy takes the first one.
fn keep(path: &Path, old: &Path) -> Result<(), StoreError> {
    let io = |error| StoreError::io(format!("keep {} as {}", path.display(), old.display()), error);
    match fs::remove_file(old) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    fs::hard_link(path, old).map_err(io)?;
    // Its age is counted from now on.
    let file = fs::OpenOptions::new().write(true).open(old).map_err(io)?;
    file.set_modified(SystemTime::now()).map_err(io)
}

/// Removes the old database once it has been kept for long enough.
fn remove_old(old: &Path) {
    let Ok(modified) = fs::metadata(old).and_then(|old| old.modified()) else { return };
    if modified.elapsed().is_ok_and(|age| age < KEPT) {
        return;
    }
    match fs::remove_file(old) {
        Ok(()) => tracing::info!("{} is removed: the database has had checksums for a day", old.display()),
        Err(error) => tracing::warn!("{} is not needed any more and cannot be removed: {error}", old.display()),
    }
}

/// An empty file whose owner and mode are the other's.
fn make_like(path: &Path, copy: &Path) -> Result<(), StoreError> {
    let io = |error| StoreError::io(format!("make {}", copy.display()), error);
    let like = fs::metadata(path).map_err(io)?;
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(copy).map_err(io)?;
    let made = file.metadata().map_err(io)?;
    if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
        chown(copy, Some(like.uid()), Some(like.gid())).map_err(io)?;
    }
    file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o777)).map_err(io)
}

/// Writes one state of a connection's database into a file that is new or empty, with checksums.
pub(in crate::db) fn copy_into(source: &Connection, to: &Path) -> rusqlite::Result<()> {
    source.execute("VACUUM INTO ?1", [uri(to)]).map(|_| ())
}

/// The file as SQLite's name for it, with what tells SQLite to leave room for checksums.
fn uri(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            write!(uri, "%{byte:02X}").expect("a string takes all that is written to it");
        }
    }
    uri.push_str("?reserve=");
    uri.push_str(&page_checksums::RESERVED_BYTES.to_string());
    uri
}

fn check_copy(copy: &Path) -> Result<(), StoreError> {
    let connection = open(copy)?;
    let failed = |error| failure(format!("read {}", copy.display()), error);
    let found = page_checksums::check_pages(&connection).map_err(failed)?;
    if found.is_some_and(|found| found.damaged.is_empty() && found.holes.is_empty()) {
        return Ok(());
    }
    let context = format!("{} is not what was written to it", copy.display());
    Err(StoreError::new(StoreErrorKind::Corrupt, context))
}

fn remove_copy(copy: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let mut name = copy.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io(format!("remove {}", copy.display()), error));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let cases = [
            ("/data/wharf.db", "file:/data/wharf.db?reserve=8"),
            ("/a b/100%?#.db", "file:/a%20b/100%25%3F%23.db?reserve=8"),
            ("relative", "file:relative?reserve=8"),
        ];
        for (path, expected) in cases {
            assert_eq!(uri(Path::new(path)), expected);
        }
    }
}
