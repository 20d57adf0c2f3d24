//! One SQLite connection: how it is set up, a transaction on it, and what its errors mean.

use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};

use crate::db::dialect::Dialect;
use crate::db::migrate::MigrationTx;
use crate::db::read_cache::Topics;
use crate::db::row::{Cell, ColumnNames, Row};
use crate::db::transaction::{Tx, already_failed, check_parameters, check_texts};
use crate::db::value::Value;
use crate::error::{StoreError, StoreErrorKind};

/// How long a statement waits for another process that has the file locked (a backup, say).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Attempts beyond the first at switching to the write-ahead log, and the pause between them: two seconds in all.
const SWITCH_ATTEMPTS: u32 = 100;
const SWITCH_PAUSE: Duration = Duration::from_millis(20);

/// Prepared statements kept per connection; more than the number of statements in `tables`.
const STATEMENT_CACHE: usize = 256;

/// Opens the connection that writes, making the file if it is missing.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        page_checksums::request_checksums(&connection)
            .map_err(|error| failure(format!("set up the database {}", path.display()), error))?;
    }
    let set_up = || -> rusqlite::Result<String> {
        let mode = use_write_ahead_log(&connection)?;
        // FULL, and the fullfsync pair for macOS: an acknowledged commit survives a power cut. temp_store keeps what
        // a savepoint needs for its rollback in memory. journal_size_limit gives back the log of an unusual burst, and
        // the log is folded in at 16 MiB instead of 4, by which pages that change often are written less often.
        connection.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; \
             PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; \
             PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -8192;",
        )?;
        Ok(mode)
    };
    let mode = set_up().map_err(|error| failure(format!("set up the database {}", path.display()), error))?;
    if mode != "wal" {
        return Err(StoreError::new(
            StoreErrorKind::Unavailable,
            format!("the database {} cannot use a write-ahead log here (mode {mode})", path.display()),
        ));
    }
    Ok(connection)
}

/// Switches a new file to its log and says which mode it is in then. Programs that start together may find each other
/// in the way here, and SQLite does not wait by itself at this point, since it might wait for ever.
fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<String> {
    let mut attempts_left = SWITCH_ATTEMPTS;
    loop {
        let switched = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        match switched {
            Err(error) if kind_of(&error) == StoreErrorKind::Busy && attempts_left > 0 => {
                attempts_left -= 1;
                thread::sleep(SWITCH_PAUSE);
            }
            mode => return mode,
        }
    }
}

/// Opens a connection that can only read.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // In KiB: two pages of a list of images, whose rows and tags lie apart from each other, take more than SQLite's 2 MiB.
    connection
        .execute_batch("PRAGMA cache_size = -4096;")
        .map_err(|error| failure(format!("set up the database {}", path.display()), error))?;
    Ok(connection)
}

/// Opens a connection whose pages have checksums, if the file has; fails if that cannot be told of a damaged one.
pub(in crate::db) fn open(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    // A connection is used by one thread at a time, so SQLite need not lock it. Names of files to copy into are URIs.
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = page_checksums::register()
        .and_then(|()| Connection::open_with_flags_and_vfs(path, flags, page_checksums::NAME))
        .and_then(|connection| connection.busy_timeout(BUSY_TIMEOUT).map(|()| connection))
        .map_err(|error| failure(format!("open the database {}", path.display()), error))?;
    if page_checksums::is_contradictory(&connection) {
        let context = format!(
            "the database {} is damaged: its header and its pages contradict each other on where the pages end, and to work \
             with it would damage it further; put a backup in its place with `wharf restore`",
            path.display()
        );
        return Err(StoreError::new(StoreErrorKind::Corrupt, context));
    }
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    Ok(connection)
}

/// Runs a statement of transaction control.
pub(super) fn run(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(|_| ())
        .map_err(|error| statement_failed(sql, error))
}

/// Statements on a connection that is inside a transaction.
pub(super) struct SqliteTx<'c> {
    connection: &'c Connection,
    failure: Option<StoreError>,
    changed: Topics,
}

impl<'c> SqliteTx<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, failure: None, changed: Topics::default() }
    }

    /// What cached reads are about that its statements may have changed.
    pub(super) const fn changed(&self) -> Topics {
        self.changed
    }

    /// The first failure of a statement.
    pub(super) fn into_failure(self) -> Option<StoreError> {
        self.failure
    }

    fn statement<T>(
        &mut self,
        sql: &str,
        params: &[Value],
        work: impl FnOnce(&mut CachedStatement<'c>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        debug_assert_eq!(check_parameters(sql, params.len()), Ok(()));
        if self.failure.is_some() {
            return Err(already_failed());
        }
        self.changed = self.changed.and(Topics::changed_by(sql));
        let connection = self.connection;
        let result = check_texts(sql, params)
            .and_then(|()| connection.prepare_cached(sql).map_err(|error| statement_failed(sql, error)))
            .and_then(|mut statement| work(&mut statement));
        if let Err(error) = &result {
            self.failure = Some(error.repeated());
        }
        result
    }
}

impl Tx for SqliteTx<'_> {
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, StoreError> {
        self.statement(sql, params, |statement| {
            let changed = statement.execute(params_from_iter(params));
            changed.map(|count| count as u64).map_err(|error| statement_failed(sql, error))
        })
    }

    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.statement(sql, params, |statement| {
            let names = ColumnNames::new(statement.column_names());
            let width = statement.column_count();
            let failed = |error| statement_failed(sql, error);
            let mut cursor = statement.query(params_from_iter(params)).map_err(failed)?;
            let mut rows = Vec::new();
            while let Some(row) = cursor.next().map_err(failed)? {
                let mut values = Vec::with_capacity(width);
                for index in 0..width {
                    let column = row.get_ref(index).map_err(failed)?;
                    values.push(value_of(column));
                }
                rows.push(Row::new(values, names.clone()));
            }
            Ok(rows)
        })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }
}

impl MigrationTx for SqliteTx<'_> {
    fn run_script(&mut self, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(|error| failure("run a migration's script".to_owned(), error))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

fn value_of(column: ValueRef<'_>) -> Cell {
    match column {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(value) => Ok(Value::Int(value)),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map(Value::from).map_err(|_| "a text that is not UTF-8"),
        ValueRef::Blob(bytes) => Ok(Value::from(bytes)),
        ValueRef::Real(_) => Err("a floating-point number"),
    }
}

fn statement_failed(sql: &str, error: rusqlite::Error) -> StoreError {
    failure(format!("run {sql}"), error)
}

pub(in crate::db) fn failure(context: String, error: rusqlite::Error) -> StoreError {
    StoreError::new(kind_of(&error), context).with_source(error)
}

fn kind_of(error: &rusqlite::Error) -> StoreErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => StoreErrorKind::Conflict,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreErrorKind::Busy,
        Some(ErrorCode::DiskFull) => StoreErrorKind::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreErrorKind::Corrupt,
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed,
        ) => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Other,
    }
}
