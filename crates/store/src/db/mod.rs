//! The metadata database: synchronous transaction closures on SQLite or PostgreSQL, with one SQL text for both.
//!
//! This module and those below know no table, but for the lists in `kept`; `tables` holds the statements. Nothing here may wait inside an async
//! worker thread, except for [`Db::read_point`], which is meant to.

mod dialect;
mod measures;
pub mod migrate;
mod order;
pub mod pages;
mod postgres;
mod read_cache;
mod reserve;
mod row;
pub mod schema;
pub mod snapshot;
mod sqlite;
mod transaction;
pub mod transfer;
mod value;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use dialect::Dialect;
pub use measures::{AccessMeasures, DbMeasures};
pub use read_cache::{HeldBytes, Mark, ReadCache, Topic};
pub use reserve::Reserve;
pub use row::{DAMAGED_DOCUMENT, Row};
pub use transaction::{Tx, check_parameters};
pub use value::Value;

use self::migrate::{MIGRATIONS, Migration};
use self::pages::PageReport;
use self::postgres::{Access, PostgresDb};
use self::sqlite::SqliteDb;
use self::transaction::Call;
use crate::error::{StoreError, StoreErrorKind};

/// How long a transaction waits for its turn before it fails with [`StoreErrorKind::Busy`].
const QUEUE_WAIT: Duration = Duration::from_secs(30);

/// Where the metadata is.
#[derive(Clone)]
pub enum DbConfig {
    /// A file of an embedded database, made if missing; its folder must exist.
    Sqlite {
        /// The file; SQLite keeps two more beside it (`-wal`, `-shm`).
        path: PathBuf,
    },
    /// A PostgreSQL server (13 or newer).
    Postgres {
        /// A connection URL or a list of `key=value`; may hold a password.
        url: String,
        /// Connections to hold at most, one thread each; at least 1.
        pool_size: usize,
    },
}

impl fmt::Debug for DbConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => f.debug_struct("Sqlite").field("path", path).finish(),
            Self::Postgres { url: _, pool_size } => {
                f.debug_struct("Postgres").field("url", &"[redacted]").field("pool_size", pool_size).finish()
            }
        }
    }
}

/// Whether the URL of a PostgreSQL server can be read, without calling it.
pub fn check_postgres_url(url: &str) -> Result<(), StoreError> {
    postgres::check_url(url)
}

/// An open metadata database. Clones share it; dropping the last one ends its threads, on SQLite after what is queued.
#[derive(Clone)]
pub struct Db {
    engine: Arc<Engine>,
    measures: Arc<DbMeasures>,
}

enum Engine {
    Sqlite(SqliteDb),
    Postgres(PostgresDb),
}

impl Db {
    /// Opens the database and brings its schema up to date. Blocks the thread; meant for the start of the program.
    ///
    /// Fails if the database cannot be reached, if its schema is newer than this program, or if a migration that it
    /// has applied reads differently now.
    pub fn open(config: &DbConfig) -> Result<Self, StoreError> {
        Self::open_with_migrations(config, MIGRATIONS)
    }

    /// As [`open`](Self::open), with another list of migrations. For tests of the mechanism.
    pub fn open_with_migrations(config: &DbConfig, migrations: &[Migration]) -> Result<Self, StoreError> {
        let measures = Arc::new(DbMeasures::default());
        let engine = match config {
            DbConfig::Sqlite { path } => Engine::Sqlite(SqliteDb::open(path, migrations, &measures)?),
            DbConfig::Postgres { url, pool_size } => {
                Engine::Postgres(PostgresDb::open(url, *pool_size, migrations, &measures)?)
            }
        };
        Ok(Self { engine: Arc::new(engine), measures })
    }

    /// Runs `f` in a transaction that takes effect wholly if it returns `Ok`, and not at all otherwise. When this
    /// returns `Ok`, the changes survive a crash of the machine.
    ///
    /// `f` may run several times (PostgreSQL: after a conflict with another transaction; SQLite: after another one of
    /// the same group commit has filled the disk), so it must have no effects but through its transaction. A panic in
    /// it becomes an error. If the caller stops waiting, the transaction may or may not take place.
    ///
    /// Beside those of `f` and its statements: `Busy` if no turn came within 30 seconds or others kept interfering,
    /// `Full` and `Unavailable` from the commit. After an `Unavailable` the changes may have been made.
    pub async fn write<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_as(false, f).await
    }

    /// As [`write`](Self::write), for what makes room or must be noted for that: it gets the [reserve](Self::set_reserve)
    /// where the disk is full.
    pub async fn make_room<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_as(true, f).await
    }

    async fn write_as<T, E, F>(&self, may_spend: bool, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (call, answer) = Call::new(f, may_spend);
        match &*self.engine {
            Engine::Sqlite(db) => db.write(Box::new(call)).await?,
            Engine::Postgres(db) => db.submit(Access::Write, None, Box::new(call)).await?,
        }
        answer.await.unwrap_or_else(|_| Err(no_answer().into()))
    }

    /// As [`write`](Self::write), after whatever else is written in order about the same thing, on any node: changes that
    /// meet in the same rows wait for each other here, rather than being run again and again. `order` names the thing.
    pub async fn write_in_order<T, E, F>(&self, order: &str, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_in_order_as(order, false, f).await
    }

    /// As [`write_in_order`](Self::write_in_order), for what makes room.
    pub async fn make_room_in_order<T, E, F>(&self, order: &str, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_in_order_as(order, true, f).await
    }

    async fn write_in_order_as<T, E, F>(&self, order: &str, may_spend: bool, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.engine {
            // One writer does everything in order.
            Engine::Sqlite(_) => self.write_as(may_spend, f).await,
            Engine::Postgres(db) => {
                let lock = order::lock_of(order);
                // Here, so that those who wait hold no connections.
                let _waited = db.orders.wait(lock).await?;
                let (call, answer) = Call::new(f, false);
                db.submit(Access::Write, Some(lock), Box::new(call)).await?;
                answer.await.unwrap_or_else(|_| Err(no_answer().into()))
            }
        }
    }

    /// Runs `f` on one consistent state of the database, which it cannot change; never waits for writers.
    ///
    /// As with [`write`](Self::write), `f` may run several times and `Busy` means that no turn came.
    pub async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.engine {
            Engine::Sqlite(db) => db.read(f).await,
            Engine::Postgres(db) => read_on_postgres(db, f).await,
        }
    }

    /// As [`read`](Self::read), for one or two look-ups by key: on SQLite `f` runs on the calling thread, about 10
    /// microseconds per look-up, where a thread hop would cost more than the work. Never scan a table in it; a short page of an
    /// index is fine.
    pub async fn read_point<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &*self.engine {
            Engine::Sqlite(db) => db.read_inline(&f),
            Engine::Postgres(db) => read_on_postgres(db, f).await,
        }
    }

    /// Keeps space back for what [makes room](Self::make_room). Without effect on PostgreSQL, whose disk is not ours.
    pub fn set_reserve(&self, reserve: Arc<dyn Reserve>) {
        if let Engine::Sqlite(db) = &*self.engine {
            db.reserve().set(reserve);
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.write(|tx| tx.query("SELECT 1", &[]).map(|_| ())).await
    }

    /// What the clock of the database server says now, in epoch milliseconds; none if the database is embedded.
    pub async fn server_time_ms(&self) -> Result<Option<i64>, StoreError> {
        let Some(sql) = self.dialect().server_time_ms() else { return Ok(None) };
        self.read(move |tx| tx.query_opt(sql, &[])?.map(|row| row.int(0)).transpose()).await
    }

    /// Whether pages that a disk has damaged are noticed, as they carry checksums.
    pub async fn has_page_checksums(&self) -> Result<bool, StoreError> {
        if let Engine::Sqlite(db) = &*self.engine {
            return Ok(db.has_page_checksums());
        }
        let sql = "SELECT current_setting('data_checksums')";
        let row = self.read(move |tx| tx.query_opt(sql, &[])).await?;
        Ok(row.is_some_and(|row| row.document(0) == "on"))
    }

    /// Notes pages of an embedded database that were [mended](pages::mend_file) before it was opened: each look at its pages
    /// tells of them.
    pub fn note_mended_pages(&self, pages: Vec<u32>) {
        if let Engine::Sqlite(db) = &*self.engine {
            db.note_mended(pages);
        }
    }

    /// Reads every page of an embedded database afresh; none if its pages have no checksums, or if a server has them.
    pub async fn check_pages(&self) -> Result<Option<PageReport>, StoreError> {
        match &*self.engine {
            Engine::Sqlite(db) => db.check_pages().await,
            Engine::Postgres(_) => Ok(None),
        }
    }

    /// How many damaged pages this process has read of an embedded database whose pages have checksums; none if it has
    /// no such database.
    pub fn damaged_pages_read(&self) -> Option<u64> {
        match &*self.engine {
            Engine::Sqlite(db) => db.has_page_checksums().then(|| db.damaged_pages_read()),
            Engine::Postgres(_) => None,
        }
    }

    /// What this process has asked of the database so far.
    pub fn measures(&self) -> &DbMeasures {
        &self.measures
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        match &*self.engine {
            Engine::Sqlite(_) => Dialect::Sqlite,
            Engine::Postgres(_) => Dialect::Postgres,
        }
    }
}

async fn read_on_postgres<T, E, F>(db: &PostgresDb, f: F) -> Result<T, E>
where
    F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (call, answer) = Call::new(f, false);
    db.submit(Access::Read, None, Box::new(call)).await?;
    answer.await.unwrap_or_else(|_| Err(no_answer().into()))
}

fn no_answer() -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "the database thread ended before it answered")
}

fn no_turn() -> StoreError {
    StoreError::new(
        StoreErrorKind::Busy,
        format!("no database connection came free within {} seconds", QUEUE_WAIT.as_secs()),
    )
}
