//! A consistent copy of an embedded database, while a server goes on writing to it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::migrate::MIGRATIONS;
use super::sqlite::pages::PageWatch;
use super::sqlite::{connection, convert, mend};
use crate::error::{StoreError, StoreErrorKind};

/// How long a statement waits for the server to let the file go.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

fn open(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error| failed(path, error);
    // Not read-only: the log's index is in shared memory that readers write to.
    let connection = connection::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    Ok(connection)
}

fn failed(path: &Path, error: rusqlite::Error) -> StoreError {
    let context = format!("cannot read the database {}", path.display());
    match connection::failure(context.clone(), error) {
        damaged if damaged.kind() == StoreErrorKind::Corrupt => mend::explained(path, damaged),
        other => StoreError::new(StoreErrorKind::Unavailable, context).with_source(other),
    }
}

/// Fails if the schema of the database is not this program's: then another version of it runs the server.
pub fn check_schema(path: &Path) -> Result<(), StoreError> {
    let version: i64 = open(path)?
        .query_row("SELECT COALESCE(MAX(version), 0) FROM schema_migrations", [], |row| row.get(0))
        .map_err(|error| failed(path, error))?;
    if version == MIGRATIONS.len() as i64 {
        return Ok(());
    }
    Err(StoreError::new(
        StoreErrorKind::Other,
        format!(
            "the database {} has the schema {version} and this program {}: use the version of the program that runs the \
             server, or start the server with this one first",
            path.display(),
            MIGRATIONS.len()
        ),
    ))
}

/// Writes one state of the database at `from` to a new file, whose pages have checksums. Durable when it returns. Blocks;
/// writers are not kept waiting. Damaged pages are logged: the copy has what they hold, and cannot tell that it is wrong.
pub fn snapshot(from: &Path, to: &Path) -> Result<(), StoreError> {
    let source = open(from)?;
    // In one read transaction, so of one state; pages that are free are left out.
    let copied = convert::copy_into(&source, to).map_err(|error| failed(from, error));
    PageWatch::of(from, &source).tell();
    copied?;
    let io = |error| StoreError::io(format!("cannot sync {}", to.display()), error);
    std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(io)?;
    to.parent().map_or(Ok(()), |folder| std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io))
}
