//! The feeds of advisories that are wanted: what is in force of each, and how fetching it went.

use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::readable::readable;

/// A feed that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedFeed {
    /// Its name.
    pub name: String,
    /// The revision that is in force; 0 while there is none.
    pub revision: i64,
    /// What is known of each of its files, as JSON: how its publisher is asked whether it has changed.
    pub files: String,
    /// When its publisher changed it last, as far as the publisher says.
    pub source_updated_at_ms: Option<i64>,
    /// When what is in force came.
    pub changed_at_ms: Option<i64>,
    /// When it was last seen to be current.
    pub checked_at_ms: Option<i64>,
    /// When fetching it was last tried.
    pub attempted_at_ms: Option<i64>,
    /// What was wrong at the last try.
    pub failure: Option<String>,
    /// How many records are in force.
    pub records: i64,
    /// How many records of the revision could not be read.
    pub broken: i64,
}

/// What became of a try to fetch a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevision<'a> {
    /// Who has written it, see [`begin`].
    pub writer: &'a str,
    /// The revision, which is in force from now on: the one after that before.
    pub revision: i64,
    /// See [`WantedFeed::files`].
    pub files: &'a str,
    /// See [`WantedFeed::source_updated_at_ms`].
    pub source_updated_at_ms: Option<i64>,
    /// See [`WantedFeed::records`].
    pub records: i64,
    /// See [`WantedFeed::broken`].
    pub broken: i64,
}

const COLUMNS: &str = "name, revision, files, source_updated_at_ms, changed_at_ms, checked_at_ms, attempted_at_ms, \
                       failure, records, broken";

fn from_row(row: &Row) -> Result<WantedFeed, StoreError> {
    Ok(WantedFeed {
        name: row.text(0)?.to_owned(),
        revision: row.int(1)?,
        files: row.text(2)?.to_owned(),
        source_updated_at_ms: row.opt_int(3)?,
        changed_at_ms: row.opt_int(4)?,
        checked_at_ms: row.opt_int(5)?,
        attempted_at_ms: row.opt_int(6)?,
        failure: row.opt_text(7)?.map(str::to_owned),
        records: row.int(8)?,
        broken: row.int(9)?,
    })
}

/// Notes that a feed is wanted; `false` if it was already.
pub fn want(tx: &mut dyn Tx, name: &str) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "INSERT INTO advisory_feeds (name, revision, files, records, broken) VALUES ($1, 0, '{}', 0, 0) \
         ON CONFLICT (name) DO NOTHING",
        &[name.into()],
    )?;
    Ok(changed == 1)
}

/// A feed that is wanted.
pub fn find(tx: &mut dyn Tx, name: &str) -> Result<Option<WantedFeed>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM advisory_feeds WHERE name = $1");
    tx.query_opt(&sql, &[name.into()])?.map(|row| from_row(&row)).transpose()
}

/// All feeds that are wanted, by their names.
pub fn list(tx: &mut dyn Tx) -> Result<Vec<WantedFeed>, StoreError> {
    let rows = tx.query(&format!("SELECT {COLUMNS} FROM advisory_feeds ORDER BY name"), &[])?;
    readable(&rows, "advisory_feeds", from_row)
}

/// When anything came into force last.
pub fn last_change_ms(tx: &mut dyn Tx) -> Result<Option<i64>, StoreError> {
    let row = tx.query_opt("SELECT MAX(changed_at_ms) FROM advisory_feeds", &[])?;
    row.map_or(Ok(None), |row| row.opt_int(0))
}

/// The revision of a feed that is in force; 0 while there is none.
pub fn revision(tx: &mut dyn Tx, name: &str) -> Result<i64, StoreError> {
    let sql = "SELECT revision FROM advisory_feeds WHERE name = $1";
    tx.query_opt(sql, &[name.into()])?.map_or(Ok(0), |row| row.int(0))
}

/// Notes that a feed was fetched and is as it was.
pub fn note_current(tx: &mut dyn Tx, name: &str, files: &str, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE advisory_feeds SET checked_at_ms = $1, attempted_at_ms = $1, failure = NULL, files = $2 WHERE name = $3",
        &[now_ms.into(), files.into(), name.into()],
    )?;
    Ok(())
}

/// Notes why a feed could not be fetched. What is in force stays.
pub fn note_failure(tx: &mut dyn Tx, name: &str, failure: &str, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE advisory_feeds SET attempted_at_ms = $1, failure = $2 WHERE name = $3",
        &[now_ms.into(), failure.into(), name.into()],
    )?;
    Ok(())
}

/// Notes who writes the next revision from now on.
pub fn begin(tx: &mut dyn Tx, name: &str, writer: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE advisory_feeds SET writer = $1 WHERE name = $2", &[writer.into(), name.into()])?;
    Ok(())
}

/// Puts a revision in force whose records are all stored; `false` if another was put in force since they were, or somebody else
/// has [begun](begin) to write it.
pub fn put_in_force(tx: &mut dyn Tx, name: &str, new: &NewRevision<'_>, now_ms: i64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE advisory_feeds SET revision = $1, files = $2, source_updated_at_ms = $3, records = $4, broken = $5, \
         changed_at_ms = $6, checked_at_ms = $6, attempted_at_ms = $6, failure = NULL WHERE name = $7 AND revision = $8 \
         AND writer = $9",
        &[
            new.revision.into(),
            new.files.into(),
            new.source_updated_at_ms.into(),
            new.records.into(),
            new.broken.into(),
            now_ms.into(),
            name.into(),
            (new.revision - 1).into(),
            new.writer.into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Takes out of force what a feed tells, all at once.
pub fn withdraw(tx: &mut dyn Tx, name: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE advisory_feeds SET revision = 0 WHERE name = $1", &[name.into()])?;
    Ok(())
}

/// Forgets a feed that is not wanted any more. It was [withdrawn](withdraw), and its records removed by
/// [`advisory_records::delete_all`](super::advisory_records::delete_all), before.
pub fn forget(tx: &mut dyn Tx, name: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM advisory_feeds WHERE name = $1", &[name.into()])?;
    Ok(())
}
