//! What feeds of advisories tell, record by record, and for which revisions of its feed each is in force.
//!
//! A new revision is written beside the one in force, and counts from the moment that the feed's row names it: nobody sees
//! half of one. What an update that was cut off has written is taken back before the next one begins.

use super::parse_column;
use super::repositories::count;
use crate::db::{Row, Tx, Value};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable;

stored_enum! {
    /// What a record is.
    pub enum RecordKind {
        /// An advisory on packages.
        Advisory = "ADVISORY",
        /// What a vulnerability is rated.
        Scores = "SCORES",
        /// That a vulnerability is known to be exploited.
        Exploited = "EXPLOITED",
        /// How probably a vulnerability is exploited.
        Likelihood = "LIKELIHOOD",
    }
}

/// A record to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// Its name in the feed: of an advisory its id, else the vulnerability's.
    pub record: String,
    /// What it is.
    pub kind: RecordKind,
    /// A hash of all of it: the record is as it was while this is.
    pub hash: Vec<u8>,
    /// What matching needs.
    pub head: Vec<u8>,
    /// What people are shown.
    pub details: Vec<u8>,
    /// The packages that it speaks of.
    pub packages: Vec<NewPackage>,
    /// The vulnerabilities that it speaks of, by all their names.
    pub vulnerabilities: Vec<String>,
}

/// What a record says of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPackage {
    /// Where the package is looked up.
    pub key: PackageKey,
    /// What is said.
    pub body: Vec<u8>,
}

/// What packages are looked up by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageKey {
    /// The ecosystem.
    pub ecosystem: String,
    /// The release of it; empty where it has none.
    pub release: String,
    /// The name.
    pub name: String,
}

/// A record that is there from one revision on, and until another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRecord {
    /// The row's key.
    pub id: i64,
    /// See [`NewRecord::record`].
    pub record: String,
    /// See [`NewRecord::hash`].
    pub hash: Vec<u8>,
}

/// What is said of a package, by which record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRow {
    /// The record's row.
    pub record_id: i64,
    /// The package.
    pub key: PackageKey,
    /// What is said.
    pub body: Vec<u8>,
}

/// A record in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The row's key.
    pub id: i64,
    /// The feed.
    pub feed: String,
    /// See [`NewRecord::record`].
    pub record: String,
    /// What it is.
    pub kind: RecordKind,
    /// See [`NewRecord::head`] or [`NewRecord::details`].
    pub content: Vec<u8>,
}

/// How many values one statement names.
const NAMED: usize = 200;

/// That a record `r` is in force, joined with its feed `f`.
const IN_FORCE: &str = "JOIN advisory_feeds f ON f.name = r.feed AND r.from_revision <= f.revision \
                        AND (r.until_revision IS NULL OR r.until_revision > f.revision)";

/// `$first, $first+1, …`, for so many.
fn placeholders(first: usize, number: usize) -> String {
    (first..first + number).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}

/// Takes back what an update that was cut off has written for a revision: one batch; `false` once there is nothing left.
pub fn take_back(tx: &mut dyn Tx, feed: &str, revision: i64, limit: usize) -> Result<bool, StoreError> {
    let ended = tx.execute(
        "UPDATE advisory_records SET until_revision = NULL WHERE id IN (SELECT id FROM advisory_records \
         WHERE feed = $1 AND until_revision >= $2 AND from_revision < $2 LIMIT $3)",
        &[feed.into(), revision.into(), count(limit)],
    )?;
    let begun = tx.execute(
        "DELETE FROM advisory_records WHERE id IN (SELECT id FROM advisory_records \
         WHERE feed = $1 AND from_revision >= $2 LIMIT $3)",
        &[feed.into(), revision.into(), count(limit)],
    )?;
    Ok(ended + begun > 0)
}

/// Those of these records, each by its name and hash, that a feed has and that have not ended. One name may have any number of
/// records.
pub fn known(tx: &mut dyn Tx, feed: &str, records: &[(&str, &[u8])]) -> Result<Vec<KnownRecord>, StoreError> {
    let mut found = Vec::new();
    for named in records.chunks(NAMED) {
        let sql = format!(
            "SELECT id, record, hash FROM advisory_records WHERE feed = $1 AND until_revision IS NULL \
             AND record IN ({}) AND hash IN ({})",
            placeholders(2, named.len()),
            placeholders(2 + named.len(), named.len())
        );
        let mut params: Vec<Value> = vec![feed.into()];
        params.extend(named.iter().map(|(record, _)| Value::from(*record)));
        params.extend(named.iter().map(|(_, hash)| Value::from(*hash)));
        for row in tx.query(&sql, &params)? {
            found.push(known_from_row(&row)?);
        }
    }
    Ok(found)
}

fn known_from_row(row: &Row) -> Result<KnownRecord, StoreError> {
    Ok(KnownRecord { id: row.int(0)?, record: row.text(1)?.to_owned(), hash: row.blob(2)?.to_vec() })
}

/// Up to `limit` records of a feed after a row that have not ended and were there before a revision.
pub fn list_before(
    tx: &mut dyn Tx,
    feed: &str,
    revision: i64,
    after_id: i64,
    limit: usize,
) -> Result<Vec<KnownRecord>, StoreError> {
    let rows = tx.query(
        "SELECT id, record, hash FROM advisory_records WHERE feed = $1 AND until_revision IS NULL \
         AND from_revision < $2 AND id > $3 ORDER BY id LIMIT $4",
        &[feed.into(), revision.into(), after_id.into(), count(limit)],
    )?;
    rows.iter().map(known_from_row).collect()
}

/// Lets records end with a revision, the first in which they are not.
pub fn end(tx: &mut dyn Tx, ids: &[i64], revision: i64) -> Result<(), StoreError> {
    for ids in ids.chunks(NAMED) {
        let sql = format!(
            "UPDATE advisory_records SET until_revision = $1 WHERE until_revision IS NULL AND id IN ({})",
            placeholders(2, ids.len())
        );
        let mut params: Vec<Value> = vec![revision.into()];
        params.extend(ids.iter().map(|id| Value::from(*id)));
        tx.execute(&sql, &params)?;
    }
    Ok(())
}

/// Stores a record that is there from a revision on.
pub fn insert(tx: &mut dyn Tx, feed: &str, revision: i64, new: &NewRecord) -> Result<(), StoreError> {
    let rows = tx.query(
        "INSERT INTO advisory_records (feed, record, kind, hash, from_revision, head, details) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        &[
            feed.into(),
            new.record.as_str().into(),
            new.kind.as_str().into(),
            new.hash.as_slice().into(),
            revision.into(),
            new.head.as_slice().into(),
            new.details.as_slice().into(),
        ],
    )?;
    let id = rows.first().map_or(Ok(0), |row| row.int(0))?;
    insert_packages(tx, id, &new.packages)?;
    insert_vulnerabilities(tx, id, &new.vulnerabilities)
}

/// Vulnerabilities of one statement.
const VULNERABILITIES: usize = 50;
/// Packages of one statement.
const PACKAGES: usize = 50;

fn insert_vulnerabilities(tx: &mut dyn Tx, record_id: i64, vulnerabilities: &[String]) -> Result<(), StoreError> {
    for some in vulnerabilities.chunks(VULNERABILITIES) {
        let places: Vec<String> = (0..some.len()).map(|at| format!("({})", placeholders(2 * at + 1, 2))).collect();
        let sql = format!(
            "INSERT INTO advisory_vulnerabilities (vulnerability, record_id) VALUES {} \
             ON CONFLICT (vulnerability, record_id) DO NOTHING",
            places.join(", ")
        );
        let params = some.iter().flat_map(|vulnerability| [Value::from(vulnerability.as_str()), record_id.into()]);
        tx.execute(&sql, &params.collect::<Vec<_>>())?;
    }
    Ok(())
}

fn insert_packages(tx: &mut dyn Tx, record_id: i64, packages: &[NewPackage]) -> Result<(), StoreError> {
    for (first, some) in (0..).step_by(PACKAGES).zip(packages.chunks(PACKAGES)) {
        let places: Vec<String> = (0..some.len()).map(|at| format!("({})", placeholders(6 * at + 1, 6))).collect();
        let sql = format!(
            "INSERT INTO advisory_packages (record_id, place, ecosystem, release, name, body) VALUES {}",
            places.join(", ")
        );
        let params = (first..).zip(some).flat_map(|(place, package): (i64, _)| {
            let PackageKey { ecosystem, release, name } = &package.key;
            [
                Value::from(record_id),
                place.into(),
                ecosystem.as_str().into(),
                release.as_str().into(),
                name.as_str().into(),
                package.body.as_slice().into(),
            ]
        });
        tx.execute(&sql, &params.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Removes a batch of the records that ended before a revision; `false` once there is none.
pub fn delete_ended(tx: &mut dyn Tx, feed: &str, before_revision: i64, limit: usize) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM advisory_records WHERE id IN (SELECT id FROM advisory_records \
         WHERE feed = $1 AND until_revision < $2 LIMIT $3)",
        &[feed.into(), before_revision.into(), count(limit)],
    )?;
    Ok(deleted > 0)
}

/// Removes a batch of all records of a feed; `false` once there is none.
pub fn delete_all(tx: &mut dyn Tx, feed: &str, limit: usize) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM advisory_records WHERE id IN (SELECT id FROM advisory_records WHERE feed = $1 LIMIT $2)",
        &[feed.into(), count(limit)],
    )?;
    Ok(deleted > 0)
}

/// A record with all that is stored of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeRecord {
    /// The row's key.
    pub id: i64,
    /// The feed.
    pub feed: String,
    /// What is stored.
    pub stored: NewRecord,
}

/// Up to `limit` records after a row, in force or not, with all that is stored of them.
pub fn list_whole(tx: &mut dyn Tx, after_id: i64, limit: usize) -> Result<Vec<WholeRecord>, StoreError> {
    let rows = tx.query(
        "SELECT id, feed, record, kind, hash, head, details FROM advisory_records WHERE id > $1 ORDER BY id LIMIT $2",
        &[after_id.into(), count(limit)],
    )?;
    let mut found = readable(&rows, "advisory_records", |row| {
        let stored = NewRecord {
            record: row.text(2)?.to_owned(),
            kind: parse_column(row.text(3)?, "advisory_records.kind")?,
            hash: row.blob(4)?.to_vec(),
            head: row.blob(5)?.to_vec(),
            details: row.blob(6)?.to_vec(),
            packages: Vec::new(),
            vulnerabilities: Vec::new(),
        };
        Ok(WholeRecord { id: row.int(0)?, feed: row.text(1)?.to_owned(), stored })
    })?;
    let (Some(first), Some(last)) = (found.first().map(|record| record.id), found.last().map(|record| record.id))
    else {
        return Ok(found);
    };
    let between: [Value; 2] = [first.into(), last.into()];
    let rows = tx.query(
        "SELECT record_id, ecosystem, release, name, body FROM advisory_packages WHERE record_id BETWEEN $1 AND $2 \
         ORDER BY record_id, place",
        &between,
    )?;
    let packages = readable(&rows, "advisory_packages", |row| {
        let key = PackageKey {
            ecosystem: row.text(1)?.to_owned(),
            release: row.text(2)?.to_owned(),
            name: row.text(3)?.to_owned(),
        };
        Ok((row.int(0)?, NewPackage { key, body: row.blob(4)?.to_vec() }))
    })?;
    let rows = tx.query(
        "SELECT record_id, vulnerability FROM advisory_vulnerabilities WHERE record_id BETWEEN $1 AND $2 \
         ORDER BY record_id, vulnerability",
        &between,
    )?;
    let names = readable(&rows, "advisory_vulnerabilities", |row| Ok((row.int(0)?, row.text(1)?.to_owned())))?;
    for (id, package) in packages {
        if let Ok(at) = found.binary_search_by_key(&id, |record| record.id) {
            found[at].stored.packages.push(package);
        }
    }
    for (id, name) in names {
        if let Ok(at) = found.binary_search_by_key(&id, |record| record.id) {
            found[at].stored.vulnerabilities.push(name);
        }
    }
    Ok(found)
}

/// Removes a record that is damaged, and has its feed taken in anew.
pub fn drop_damaged(tx: &mut dyn Tx, record: &WholeRecord) -> Result<(), StoreError> {
    tx.execute("DELETE FROM advisory_records WHERE id = $1", &[record.id.into()])?;
    tx.execute("UPDATE advisory_feeds SET files = '{}' WHERE name = $1", &[record.feed.as_str().into()])?;
    Ok(())
}

/// What is said of packages of these names, in a release of an ecosystem: so much of it at most.
pub fn of_packages(
    tx: &mut dyn Tx,
    ecosystem: &str,
    release: &str,
    names: &[&str],
    most: usize,
) -> Result<Vec<PackageRow>, StoreError> {
    let mut found = Vec::new();
    for named in names.chunks(NAMED) {
        let sql = format!(
            "SELECT p.record_id, p.name, p.body FROM advisory_packages p JOIN advisory_records r ON r.id = p.record_id \
             {IN_FORCE} WHERE p.ecosystem = $1 AND p.release = $2 AND p.name IN ({}) ORDER BY p.record_id, p.place \
             LIMIT ${}",
            placeholders(3, named.len()),
            3 + named.len()
        );
        let mut params: Vec<Value> = vec![ecosystem.into(), release.into()];
        params.extend(named.iter().map(|name| Value::from(*name)));
        params.push(count(most.saturating_sub(found.len())));
        for row in tx.query(&sql, &params)? {
            let (ecosystem, release) = (ecosystem.to_owned(), release.to_owned());
            let key = PackageKey { ecosystem, release, name: row.text(1)?.to_owned() };
            found.push(PackageRow { record_id: row.int(0)?, key, body: row.blob(2)?.to_vec() });
        }
    }
    Ok(found)
}

/// Whether anything is in force for a release of an ecosystem.
pub fn covers(tx: &mut dyn Tx, ecosystem: &str, release: &str) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT 1 FROM advisory_packages p JOIN advisory_records r ON r.id = p.record_id {IN_FORCE} \
         WHERE p.ecosystem = $1 AND p.release = $2 LIMIT 1"
    );
    Ok(tx.query_opt(&sql, &[ecosystem.into(), release.into()])?.is_some())
}

/// What is read of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// [`NewRecord::head`].
    Head,
    /// [`NewRecord::details`].
    Details,
}

impl Part {
    const fn column(self) -> &'static str {
        match self {
            Self::Head => "r.head",
            Self::Details => "r.details",
        }
    }
}

fn from_row(row: &Row) -> Result<Record, StoreError> {
    Ok(Record {
        id: row.int(0)?,
        feed: row.text(1)?.to_owned(),
        record: row.text(2)?.to_owned(),
        kind: parse_column(row.text(3)?, "advisory_records.kind")?,
        content: row.blob(4)?.to_vec(),
    })
}

fn select(
    tx: &mut dyn Tx,
    part: Part,
    from: &str,
    condition: &str,
    values: Vec<Value>,
) -> Result<Vec<Record>, StoreError> {
    let mut found = Vec::new();
    for some in values.chunks(NAMED) {
        let sql = format!(
            "SELECT r.id, r.feed, r.record, r.kind, {} FROM {from} {IN_FORCE} \
             WHERE {condition} IN ({}) ORDER BY r.id",
            part.column(),
            placeholders(1, some.len())
        );
        for row in tx.query(&sql, some)? {
            found.push(from_row(&row)?);
        }
    }
    Ok(found)
}

/// Records in force, by their rows.
pub fn by_ids(tx: &mut dyn Tx, ids: &[i64], part: Part) -> Result<Vec<Record>, StoreError> {
    let ids = ids.iter().map(|id| Value::from(*id)).collect();
    select(tx, part, "advisory_records r", "r.id", ids)
}

/// What is known of vulnerabilities apart from advisories: ratings, whether they are exploited, how probably.
pub fn of_vulnerabilities(tx: &mut dyn Tx, ids: &[&str]) -> Result<Vec<Record>, StoreError> {
    let ids = ids.iter().map(|id| Value::from(*id)).collect();
    select(tx, Part::Head, "advisory_records r", "r.kind <> 'ADVISORY' AND r.record", ids)
}

/// The rows of the advisories that speak of vulnerabilities, by any of their names, each with the name that was asked for. One that
/// speaks of many is there for each of them.
pub fn advisories_on(tx: &mut dyn Tx, vulnerabilities: &[&str]) -> Result<Vec<(String, i64)>, StoreError> {
    let mut found = Vec::new();
    for some in vulnerabilities.chunks(NAMED) {
        let sql = format!(
            "SELECT v.vulnerability, r.id \
             FROM advisory_vulnerabilities v JOIN advisory_records r ON r.id = v.record_id {IN_FORCE} \
             WHERE v.vulnerability IN ({}) ORDER BY v.vulnerability, r.id",
            placeholders(1, some.len())
        );
        let params: Vec<Value> = some.iter().map(|id| Value::from(*id)).collect();
        for row in tx.query(&sql, &params)? {
            found.push((row.text(0)?.to_owned(), row.int(1)?));
        }
    }
    Ok(found)
}
