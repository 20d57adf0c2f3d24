//! The embedded database: one writer thread with group commit, and readers that never wait for it.

pub(super) mod connection;
pub(super) mod convert;
pub(super) mod mend;
pub(super) mod pages;
mod readers;
mod writer;

use std::path::Path;
use std::sync::Arc;

use super::measures::DbMeasures;
use super::migrate::{Migration, MigrationLog, apply_next};
use super::no_answer;
use super::pages::PageReport;
use super::read_cache::Changes;
use super::reserve::ReserveSlot;
use super::transaction::{Job, Tx};
use crate::error::StoreError;
use connection::SqliteTx;
use pages::PageWatch;
use readers::Readers;
use writer::Writer;

/// An open SQLite database.
pub(super) struct SqliteDb {
    // Declared first so that the writer's connection is the last one closed: it folds the log into the main file.
    readers: Arc<Readers>,
    writer: Writer,
    changes: Arc<Changes>,
    reserve: ReserveSlot,
    pages: Arc<PageWatch>,
}

impl SqliteDb {
    pub(super) fn open(path: &Path, migrations: &[Migration], measures: &Arc<DbMeasures>) -> Result<Self, StoreError> {
        if std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
            mend::require_schema(path)?;
        }
        Self::open_readable(path, migrations, measures).map_err(|error| mend::explained(path, error))
    }

    fn open_readable(path: &Path, migrations: &[Migration], measures: &Arc<DbMeasures>) -> Result<Self, StoreError> {
        let connection = connection::open_writer(path)?;
        let mut log = MigrationLog::default();
        loop {
            connection::run(&connection, "BEGIN IMMEDIATE")?;
            let applied = apply_next(&mut SqliteTx::new(&connection), migrations, &mut log)?;
            connection::run(&connection, "COMMIT")?;
            if !applied {
                break;
            }
        }
        let pages = Arc::new(PageWatch::of(path, &connection));
        let readers = Arc::new(Readers::new(path, Arc::clone(measures), Arc::clone(&pages)));
        let changes = Arc::new(Changes::default());
        let reserve = ReserveSlot::default();
        let writer =
            Writer::start(connection, Arc::clone(measures), Arc::clone(&changes), reserve.clone(), Arc::clone(&pages))?;
        Ok(Self { readers, writer, changes, reserve, pages })
    }

    /// Whether its pages have checksums.
    pub(super) fn has_page_checksums(&self) -> bool {
        self.pages.has_checksums()
    }

    /// How many damaged pages were read.
    pub(super) fn damaged_pages_read(&self) -> u64 {
        self.pages.noticed()
    }

    /// Notes pages that were mended before it was opened, of which checks are to tell.
    pub(super) fn note_mended(&self, pages: Vec<u32>) {
        self.pages.note_mended(pages);
    }

    /// Reads all pages afresh; none if they have no checksums.
    pub(super) async fn check_pages(&self) -> Result<Option<PageReport>, StoreError> {
        let pages = Arc::clone(&self.pages);
        let checked = tokio::task::spawn_blocking(move || pages.check()).await;
        checked.unwrap_or_else(|error| Err(no_answer().with_source(error)))
    }

    /// The space that is kept back for it.
    pub(super) fn reserve(&self) -> &ReserveSlot {
        &self.reserve
    }

    /// What its writes have changed of what is kept.
    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Queues a write; the job answers for itself.
    pub(super) async fn write(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.writer.submit(job).await
    }

    pub(super) async fn read<T, E, F>(&self, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.readers.run_on_blocking_thread(f).await
    }

    pub(super) fn read_inline<T, E, F>(&self, f: &F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E>,
        E: From<StoreError>,
    {
        self.readers.run(f)
    }
}
