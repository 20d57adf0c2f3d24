//! A database whose file is damaged where that keeps SQLite from reading it, its header and its schema: what is wrong by the
//! pages' checksums, and putting back bits that were flipped.

use std::collections::BTreeSet;
use std::path::Path;

use page_checksums::RawPages;
use rusqlite::OpenFlags;

use super::connection;
use crate::error::{StoreError, StoreErrorKind};

/// Pages that an error names.
const NAMED: usize = 10;

/// What the checksums say of a file without what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePages {
    /// Pages that are not what was written.
    pub damaged: Vec<u32>,
    /// Of these, those in which one bit was flipped, which can be put back.
    pub flipped: Vec<u32>,
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    move |error| StoreError::io(format!("read the pages of the database {}", path.display()), error)
}

/// Looks at every page of the database at `path`, which nobody in this process may have open; none if it has no checksums.
pub fn check_file(path: &Path) -> Result<Option<FilePages>, StoreError> {
    let io = io(path);
    let Some(pages) = RawPages::open(path).map_err(&io)? else { return Ok(None) };
    let mut found = FilePages { damaged: pages.check().map_err(&io)?.damaged, flipped: Vec::new() };
    for number in &found.damaged {
        if pages.has_flipped_bit(*number).map_err(&io)? {
            found.flipped.push(*number);
        }
    }
    Ok(Some(found))
}

/// Puts back every flipped bit of the database at `path`, which nobody else may have open; the pages that it was found in.
pub fn mend_file(path: &Path) -> Result<Vec<u32>, StoreError> {
    let Some(found) = check_file(path)? else { return Ok(Vec::new()) };
    mend(path, &found.flipped)?;
    Ok(found.flipped)
}

/// As [`mend_file`], of the pages alone that say what all others are: those of the header and of the schema.
pub fn mend_schema(path: &Path) -> Result<Vec<u32>, StoreError> {
    let mut mended = BTreeSet::new();
    // A page that is put back may lead to others.
    loop {
        let flipped: Vec<u32> = flipped_of_schema(path)?.into_iter().filter(|page| !mended.contains(page)).collect();
        if flipped.is_empty() {
            return Ok(mended.into_iter().collect());
        }
        mend(path, &flipped)?;
        mended.extend(flipped);
    }
}

fn mend(path: &Path, pages: &[u32]) -> Result<(), StoreError> {
    let io = io(path);
    let Some(file) = RawPages::open(path).map_err(&io)? else { return Ok(()) };
    for page in pages {
        if file.mend(*page).map_err(&io)? {
            tracing::warn!(
                page,
                "a bit of page {page} of the database {} was flipped, as its checksum tells, and has been put back: look at \
                 the disk and the memory of this machine",
                path.display()
            );
        }
    }
    Ok(())
}

/// The pages of header and schema in which a bit was flipped, as far as they can be followed.
fn flipped_of_schema(path: &Path) -> Result<Vec<u32>, StoreError> {
    let io = io(path);
    let Some(file) = RawPages::open(path).map_err(&io)? else { return Ok(Vec::new()) };
    if file.has_flipped_bit(1).map_err(&io)? {
        return Ok(vec![1]);
    }
    if !file.is_said().map_err(&io)? {
        let said = "its header is not what was written";
        return Err(explained(path, StoreError::new(StoreErrorKind::Corrupt, said)));
    }
    let mut flipped = Vec::new();
    for page in noticed_in_schema(path)? {
        if file.has_flipped_bit(page).map_err(&io)? {
            flipped.push(page);
        }
    }
    Ok(flipped)
}

/// The damaged pages that SQLite reads before anything else, whatever it makes of them.
fn noticed_in_schema(path: &Path) -> Result<Vec<u32>, StoreError> {
    let connection = connection::open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Whether it can be read is told by whoever opens it.
    let _ = connection.query_row("SELECT COUNT(sql) FROM sqlite_schema", [], |_| Ok(()));
    Ok(page_checksums::damage_of(&connection).map_or_else(Vec::new, |damage| damage.take_new()))
}

/// Fails if header or schema are damaged in a way that can be mended, before anybody relies on what they say.
pub(in crate::db) fn require_schema(path: &Path) -> Result<(), StoreError> {
    if flipped_of_schema(path)?.is_empty() {
        return Ok(());
    }
    let said = "its header or schema is not what was written";
    Err(explained(path, StoreError::new(StoreErrorKind::Corrupt, said)))
}

/// A failure to open a database, with what is known of its damage and what to do.
pub(in crate::db) fn explained(path: &Path, error: StoreError) -> StoreError {
    if error.kind() != StoreErrorKind::Corrupt {
        return error;
    }
    let named = match check_file(path) {
        Ok(Some(found)) if !found.damaged.is_empty() => {
            let numbers: Vec<String> = found.damaged.iter().take(NAMED).map(ToString::to_string).collect();
            let more = if found.damaged.len() > NAMED { " and others" } else { "" };
            format!(", as the checksums of its pages tell (page {}{more})", numbers.join(", "))
        }
        _ => String::new(),
    };
    let context = format!(
        "the database {} is damaged{named}: `wharf fsck --offline` tells more, and with --repair puts back pages of which one \
         bit was flipped; otherwise bring it back from a backup (`wharf restore`, into an empty folder)",
        path.display()
    );
    StoreError::new(StoreErrorKind::Corrupt, context).with_source(error)
}
