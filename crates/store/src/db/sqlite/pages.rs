//! The pages of the file: telling of those that were noticed while they were read, and looking at every one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use page_checksums::PageDamage;
use rusqlite::{Connection, OpenFlags};

use super::connection::{self, failure};
use crate::db::pages::{DamagedPage, PageOwner, PageReport};
use crate::error::StoreError;

/// What the connections to one file notice of its pages.
pub(in crate::db) struct PageWatch {
    path: PathBuf,
    damage: Option<Arc<PageDamage>>,
    has_checksums: bool,
    mended: Mutex<Vec<u32>>,
}

impl PageWatch {
    /// Of the file that a connection has open.
    pub(in crate::db) fn of(path: &Path, connection: &Connection) -> Self {
        let has_checksums = page_checksums::has_checksums(connection);
        let damage = page_checksums::damage_of(connection);
        Self { path: path.to_owned(), damage, has_checksums, mended: Mutex::default() }
    }

    /// Pages that were mended before the file was opened.
    pub(super) fn note_mended(&self, pages: Vec<u32>) {
        *self.mended.lock().unwrap_or_else(PoisonError::into_inner) = pages;
    }

    /// Whether the pages have checksums.
    pub(super) const fn has_checksums(&self) -> bool {
        self.has_checksums
    }

    /// How many damaged pages were read.
    pub(super) fn noticed(&self) -> u64 {
        self.damage.as_ref().map_or(0, |damage| damage.noticed())
    }

    /// Logs what was noticed since the last call.
    pub(in crate::db) fn log_damage(&self) {
        let Some(damage) = &self.damage else { return };
        for page in damage.take_new() {
            tracing::error!(
                page,
                "page {page} of the database {} is not what was written to it, as its checksum does not fit: `wharf fsck` \
                 tells what it belongs to",
                self.path.display()
            );
        }
    }

    /// Reads all pages afresh; none if they have no checksums. Blocks for as long as reading the file takes.
    pub(super) fn check(&self) -> Result<Option<PageReport>, StoreError> {
        let failed = |error| failure(format!("read the pages of the database {}", self.path.display()), error);
        // One of its own: what other connections have in memory would hide what is on the disk.
        let connection = connection::open(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let Some(found) = page_checksums::check_pages(&connection).map_err(failed)? else { return Ok(None) };
        let mut written_since = self.damage.as_ref().map_or_else(Vec::new, |damage| damage.written_since());
        written_since.retain(|number| !found.damaged.contains(number));
        let mended = self.mended.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut report = PageReport { pages: found.pages, ..PageReport::default() };
        if found.damaged.is_empty() && found.holes.is_empty() && written_since.is_empty() && mended.is_empty() {
            return Ok(Some(report));
        }
        let owners = Owners::of(&connection).map_err(failed)?;
        report.damaged = owners.name(&found.damaged);
        let holes = owners.name(&found.holes).into_iter();
        report.damaged.extend(holes.filter(|page| !matches!(page.owner, PageOwner::Nothing | PageOwner::Unknown)));
        report.damaged.sort_by_key(|page| page.number);
        report.written_since = owners.name(&written_since);
        report.mended = owners.name(&mended);
        Ok(Some(report))
    }
}

/// What each page belongs to.
struct Owners {
    pages: BTreeMap<u32, PageOwner>,
    /// Whether a page that is not in the list is free.
    is_complete: bool,
}

impl Owners {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare(
            "SELECT d.pageno, d.name, s.tbl_name, s.type, d.pagetype FROM dbstat d LEFT JOIN sqlite_schema s ON s.name = d.name",
        )?;
        let mut rows = statement.query([])?;
        let mut owners = Self { pages: BTreeMap::new(), is_complete: true };
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(owners),
                Err(_) => {
                    // A damaged page can lead nowhere; what was found before stays true.
                    owners.is_complete = false;
                    return Ok(owners);
                }
            };
            let (number, name): (u32, String) = (row.get(0)?, row.get(1)?);
            let (table, kind, page_kind): (Option<String>, Option<String>, String) =
                (row.get(2)?, row.get(3)?, row.get(4)?);
            owners.is_complete &= page_kind != "corrupted";
            let owner = match (table, kind.as_deref()) {
                (Some(table), Some("index")) => PageOwner::Index { name, table },
                _ => PageOwner::Table(name),
            };
            owners.pages.insert(number, owner);
        }
    }

    fn name(&self, numbers: &[u32]) -> Vec<DamagedPage> {
        let otherwise = if self.is_complete { PageOwner::Nothing } else { PageOwner::Unknown };
        let owner = |number| self.pages.get(number).unwrap_or(&otherwise).clone();
        numbers.iter().map(|number| DamagedPage { number: *number, owner: owner(number) }).collect()
    }
}
