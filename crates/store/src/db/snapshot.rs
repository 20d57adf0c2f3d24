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

/// What tells one registry's database from another's, through upgrades, restores and moves: when it was begun, and its root
/// keys. Values that cannot be read are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    begun_at_ms: Option<i64>,
    root_keys: Vec<(i64, i64)>,
}

impl Identity {
    /// Whether two databases are of one registry. Root keys are replaced, and a move begins another database, but not both
    /// at once.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.begun_at_ms.is_some() && self.begun_at_ms == other.begun_at_ms)
            || self.root_keys.iter().any(|key| other.root_keys.contains(key))
    }
}

/// Reads the identity of the database at `path`, of whatever version.
pub fn identity(path: &Path) -> Result<Identity, StoreError> {
    let failed = |error| failed(path, error);
    let connection = open(path)?;
    let rows = |sql: &str| -> rusqlite::Result<Vec<(i64, i64)>> {
        let mut statement = connection.prepare(sql)?;
        let found = statement.query_map([], |row| Ok(row.get(0).and_then(|first| Ok((first, row.get(1)?))).ok()))?;
        found.filter_map(Result::transpose).collect()
    };
    let begun = rows("SELECT version, applied_at_ms FROM schema_migrations WHERE version = 1").map_err(failed)?;
    // Earlier versions had none.
    let has_root_keys = connection.table_exists(None, "root_keys").map_err(failed)?;
    let root_keys =
        if has_root_keys { rows("SELECT number, created_at_ms FROM root_keys").map_err(failed)? } else { Vec::new() };
    Ok(Identity { begun_at_ms: begun.first().map(|(_, at_ms)| *at_ms), root_keys })
}

/// Writes one state of the database at `from` to a new file, whose pages have checksums. Durable when it returns. Blocks;
/// writers are not kept waiting. Damaged pages are logged: the copy has what they hold, and cannot tell that it is wrong.
pub fn snapshot(from: &Path, to: &Path) -> Result<(), StoreError> {
    let source = open(from)?;
    // In one read transaction, so of one state; pages that are free are left out.
    let copied = convert::copy_into(&source, to).map_err(|error| failed(from, error));
    PageWatch::of(from, &source).log_damage();
    copied?;
    let io = |error| StoreError::io(format!("cannot sync {}", to.display()), error);
    std::fs::File::open(to).and_then(|file| file.sync_all()).map_err(io)?;
    to.parent().map_or(Ok(()), |folder| std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(io))
}
