//! Root keys, wrapped by the service key, and how far what they sealed has been sealed anew.

use super::parse_column;
use crate::db::{Row, Tx};
use crate::error::{StoreError, StoreErrorKind};

/// A root key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRootKey {
    /// Its number, from 1. Every sealed value names it.
    pub number: u32,
    /// The key, wrapped by the service key.
    pub wrapped: Vec<u8>,
    /// Creation time.
    pub created_at_ms: i64,
    /// When it begins to seal: later than it is made, so that every node knows it by then.
    pub active_from_ms: i64,
    /// The beginning of the last search that found nothing sealed by it.
    pub unused_since_ms: Option<i64>,
}

fn number_from(value: i64) -> Result<u32, StoreError> {
    u32::try_from(value)
        .map_err(|_| StoreError::new(StoreErrorKind::Corrupt, format!("root key {value} is out of range")))
}

fn from_row(row: &Row) -> Result<StoredRootKey, StoreError> {
    Ok(StoredRootKey {
        number: number_from(row.int(0)?)?,
        wrapped: row.blob(1)?.to_vec(),
        created_at_ms: row.int(2)?,
        active_from_ms: row.int(3)?,
        unused_since_ms: row.opt_int(4)?,
    })
}

/// Every root key, the first made first.
pub fn list(tx: &mut dyn Tx) -> Result<Vec<StoredRootKey>, StoreError> {
    tx.query(
        "SELECT number, wrapped, created_at_ms, active_from_ms, unused_since_ms FROM root_keys ORDER BY number",
        &[],
    )?
    .iter()
    .map(from_row)
    .collect()
}

/// Adds a root key; `false` if there is one of that number, or one after it.
pub fn insert(tx: &mut dyn Tx, new: &StoredRootKey) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO root_keys (number, wrapped, created_at_ms, active_from_ms) SELECT $1, $2, $3, $4 \
         WHERE NOT EXISTS (SELECT 1 FROM root_keys WHERE number >= $5) ON CONFLICT (number) DO NOTHING",
        &[
            i64::from(new.number).into(),
            new.wrapped.as_slice().into(),
            new.created_at_ms.into(),
            new.active_from_ms.into(),
            i64::from(new.number).into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Stores another wrapping of a root key in place of `old`; `false` if another node has replaced that.
pub fn rewrap(tx: &mut dyn Tx, number: u32, old: &[u8], new: &[u8]) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE root_keys SET wrapped = $1 WHERE number = $2 AND wrapped = $3",
        &[new.into(), i64::from(number).into(), old.into()],
    )?;
    Ok(changed == 1)
}

/// Notes that a search which began at `began_at_ms` found nothing sealed by the root keys before `number`.
pub fn note_unused_before(tx: &mut dyn Tx, number: u32, began_at_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE root_keys SET unused_since_ms = $1 WHERE number < $2",
        &[began_at_ms.into(), i64::from(number).into()],
    )?;
    Ok(())
}

/// Removes a root key. What it sealed can never be read again.
pub fn delete(tx: &mut dyn Tx, number: u32) -> Result<(), StoreError> {
    tx.execute("DELETE FROM root_keys WHERE number = $1", &[i64::from(number).into()])?;
    Ok(())
}

/// A search through all sealed values for those of old root keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The root key that is to have sealed everything.
    pub root_key: u32,
    /// When it began.
    pub began_at_ms: i64,
    /// Where it is: the number of a place.
    pub place: usize,
    /// The last value of that place that it has seen; empty at its beginning.
    pub cursor: String,
    /// Values seen.
    pub seen: u64,
    /// Values sealed anew.
    pub resealed: u64,
    /// Values that could not be opened, and are left as they are.
    pub unreadable: u64,
    /// When it ended, if it has.
    pub ended_at_ms: Option<i64>,
}

/// The search in progress, or the last.
pub fn find_search(tx: &mut dyn Tx) -> Result<Option<Search>, StoreError> {
    let row = tx.query_opt(
        "SELECT root_key, began_at_ms, place, place_cursor, seen, resealed, unreadable, ended_at_ms \
         FROM reseal_searches WHERE id = 1",
        &[],
    )?;
    row.map(|row| {
        Ok(Search {
            root_key: number_from(row.int(0)?)?,
            began_at_ms: row.int(1)?,
            place: parse_column(&row.int(2)?.to_string(), "reseal_searches.place")?,
            cursor: row.text(3)?.to_owned(),
            seen: row.int(4)? as u64,
            resealed: row.int(5)? as u64,
            unreadable: row.int(6)? as u64,
            ended_at_ms: row.opt_int(7)?,
        })
    })
    .transpose()
}

/// Stores how far a search is.
pub fn store_search(tx: &mut dyn Tx, search: &Search) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO reseal_searches (id, root_key, began_at_ms, place, place_cursor, seen, resealed, unreadable, \
         ended_at_ms) VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
         root_key = excluded.root_key, began_at_ms = excluded.began_at_ms, place = excluded.place, \
         place_cursor = excluded.place_cursor, seen = excluded.seen, resealed = excluded.resealed, \
         unreadable = excluded.unreadable, ended_at_ms = excluded.ended_at_ms",
        &[
            i64::from(search.root_key).into(),
            search.began_at_ms.into(),
            (search.place as i64).into(),
            search.cursor.as_str().into(),
            (search.seen as i64).into(),
            (search.resealed as i64).into(),
            (search.unreadable as i64).into(),
            search.ended_at_ms.into(),
        ],
    )?;
    Ok(())
}
