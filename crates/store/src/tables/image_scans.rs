//! The last scan of each image: how far it is, what it found, and for which type of scanning.

use aws::AccountId;
use oci::Digest;

use super::parse_column;
use super::repositories::count;
use super::scanning_configurations::ScanType;
use super::sealed_documents::{self, ListedDocument, SealedDocument};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable;

stored_enum! {
    /// How far a scan is, or what came of it (ECR: `ScanStatus`, of which these are stored).
    pub enum ScanStatus {
        /// It waits for its turn, or for advisories.
        Pending = "PENDING",
        /// The image is being read.
        InProgress = "IN_PROGRESS",
        /// It has ended.
        Complete = "COMPLETE",
        /// It has ended, and the image is watched from now on.
        Active = "ACTIVE",
        /// It could not be done.
        Failed = "FAILED",
        /// The image is of a kind that cannot be scanned.
        UnsupportedImage = "UNSUPPORTED_IMAGE",
    }
}

stored_enum! {
    /// Why an image is scanned.
    pub enum ScanCause {
        /// It was pushed.
        Push = "PUSH",
        /// Somebody asked for it.
        Manual = "MANUAL",
        /// It came back from the archive, or was deleted and restored.
        Restore = "RESTORE",
        /// Replication brought it.
        Replication = "REPLICATION",
        /// The pull through cache brought it.
        Import = "IMPORT",
        /// It was there when enhanced scanning took its repository.
        Configuration = "CONFIGURATION",
    }
}

/// How many findings there are of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeverityCounts {
    pub critical: i64,
    pub high: i64,
    pub medium: i64,
    pub low: i64,
    pub informational: i64,
    pub undefined: i64,
}

/// A scan, without what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageScan {
    /// The image.
    pub image_id: i64,
    /// The type of scanning.
    pub scan_type: ScanType,
    /// Why it was asked for.
    pub cause: ScanCause,
    /// How far it is.
    pub status: ScanStatus,
    /// What is said of the status, in words for people.
    pub description: Option<String>,
    /// When it was asked for.
    pub requested_at_ms: i64,
    /// When it began; none while it waits.
    pub started_at_ms: Option<i64>,
    /// When it ended.
    pub ended_at_ms: Option<i64>,
    /// How old the oldest of the advisories were that it was compared with.
    pub source_updated_at_ms: Option<i64>,
    /// Whether all of the image could be read.
    pub is_whole: bool,
    /// How many findings there are.
    pub counts: SeverityCounts,
}

impl ImageScan {
    /// Whether it may have ended with what it found. Of an image whose system is not known, that is what its languages have.
    pub const fn is_told(&self) -> bool {
        self.ended_at_ms.is_some()
            && matches!(self.status, ScanStatus::Complete | ScanStatus::Active | ScanStatus::UnsupportedImage)
    }
}

/// What came of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedScan<'a> {
    /// What it is now.
    pub status: ScanStatus,
    /// What is said of it.
    pub description: Option<&'a str>,
    /// See [`ImageScan::source_updated_at_ms`].
    pub source_updated_at_ms: Option<i64>,
    /// See [`ImageScan::is_whole`].
    pub is_whole: bool,
    /// See [`ImageScan::counts`].
    pub counts: SeverityCounts,
    /// Packages and findings.
    pub report: Option<&'a SealedDocument>,
}

const COLUMNS: &str = "s.image_id, s.scan_type, s.cause, s.status, s.description, s.requested_at_ms, s.started_at_ms, \
                       s.ended_at_ms, s.source_updated_at_ms, s.is_whole, s.critical, s.high, s.medium, s.low, \
                       s.informational, s.undefined";

fn from_row(row: &Row) -> Result<ImageScan, StoreError> {
    Ok(ImageScan {
        image_id: row.int(0)?,
        scan_type: parse_column(row.text(1)?, "image_scans.scan_type")?,
        cause: parse_column(row.text(2)?, "image_scans.cause")?,
        status: parse_column(row.text(3)?, "image_scans.status")?,
        description: row.opt_text(4)?.map(str::to_owned),
        requested_at_ms: row.int(5)?,
        started_at_ms: row.opt_int(6)?,
        ended_at_ms: row.opt_int(7)?,
        source_updated_at_ms: row.opt_int(8)?,
        is_whole: row.bool(9)?,
        counts: SeverityCounts {
            critical: row.int(10)?,
            high: row.int(11)?,
            medium: row.int(12)?,
            low: row.int(13)?,
            informational: row.int(14)?,
            undefined: row.int(15)?,
        },
    })
}

/// The last scan of an image, of a type of scanning.
pub fn find(tx: &mut dyn Tx, image_id: i64, scan_type: ScanType) -> Result<Option<ImageScan>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM image_scans s WHERE s.image_id = $1 AND s.scan_type = $2");
    tx.query_opt(&sql, &[image_id.into(), scan_type.as_str().into()])?.map(|row| from_row(&row)).transpose()
}

/// What the last scan found, sealed; none while none has ended.
pub fn find_report(tx: &mut dyn Tx, image_id: i64, scan_type: ScanType) -> Result<Option<SealedDocument>, StoreError> {
    let sql = "SELECT object_id, data_key, sealed FROM image_scans WHERE image_id = $1 AND scan_type = $2";
    let Some(row) = tx.query_opt(sql, &[image_id.into(), scan_type.as_str().into()])? else { return Ok(None) };
    SealedDocument::from_row(&row, 0, "image_scans.object_id")
}

/// Up to `limit` reports after a row, each with the digest of its image.
pub fn list_reports(tx: &mut dyn Tx, after_id: i64, limit: usize) -> Result<Vec<ListedDocument>, StoreError> {
    let rows = tx.query(
        "SELECT s.id, i.digest, s.object_id, s.data_key, s.sealed FROM image_scans s JOIN images i ON i.id = s.image_id \
         WHERE s.id > $1 AND s.object_id IS NOT NULL ORDER BY s.id LIMIT $2",
        &[after_id.into(), count(limit)],
    )?;
    sealed_documents::list(&rows, "image_scans", "image_scans.object_id")
}

/// Notes that an image is to be scanned. What an earlier scan found stays until this one has ended.
pub fn request(
    tx: &mut dyn Tx,
    image_id: i64,
    scan_type: ScanType,
    cause: ScanCause,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO image_scans (image_id, scan_type, cause, status, requested_at_ms, is_whole, critical, high, medium, \
         low, informational, undefined) VALUES ($1, $2, $3, 'PENDING', $4, 1, 0, 0, 0, 0, 0, 0) \
         ON CONFLICT (image_id, scan_type) DO UPDATE SET cause = excluded.cause, status = excluded.status, \
         description = NULL, requested_at_ms = excluded.requested_at_ms, started_at_ms = NULL, ended_at_ms = NULL",
        &[image_id.into(), scan_type.as_str().into(), cause.as_str().into(), now_ms.into()],
    )?;
    Ok(())
}

/// Notes how far a scan that has not ended is, with what it waits for. Says whether there is one.
pub fn note_progress(
    tx: &mut dyn Tx,
    image_id: i64,
    scan_type: ScanType,
    status: ScanStatus,
    description: Option<&str>,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE image_scans SET status = $1, description = $2, started_at_ms = COALESCE(started_at_ms, $3) \
         WHERE image_id = $4 AND scan_type = $5 AND ended_at_ms IS NULL",
        &[status.as_str().into(), description.into(), now_ms.into(), image_id.into(), scan_type.as_str().into()],
    )?;
    Ok(changed == 1)
}

/// Notes what came of the scan that was asked for at `requested_at_ms`. One that failed leaves what the scan before found, for the
/// next to know since when each finding is known. `false` if the image is gone, another scan of it was
/// asked for since, or the scan has ended already.
pub fn end(
    tx: &mut dyn Tx,
    (image_id, scan_type): (i64, ScanType),
    requested_at_ms: i64,
    ended: &EndedScan<'_>,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let EndedScan { status, description, source_updated_at_ms, is_whole, counts, report } = ended;
    let changed = tx.execute(
        "UPDATE image_scans SET status = $1, description = $2, started_at_ms = COALESCE(started_at_ms, $3), \
         ended_at_ms = $3, source_updated_at_ms = $4, is_whole = $5, critical = $6, high = $7, medium = $8, low = $9, \
         informational = $10, undefined = $11, object_id = CASE WHEN $12 = 1 THEN object_id ELSE $13 END, \
         data_key = CASE WHEN $12 = 1 THEN data_key ELSE $14 END, sealed = CASE WHEN $12 = 1 THEN sealed ELSE $15 END \
         WHERE image_id = $16 AND scan_type = $17 AND requested_at_ms = $18 AND ended_at_ms IS NULL",
        &[
            status.as_str().into(),
            (*description).into(),
            now_ms.into(),
            (*source_updated_at_ms).into(),
            (*is_whole).into(),
            counts.critical.into(),
            counts.high.into(),
            counts.medium.into(),
            counts.low.into(),
            counts.informational.into(),
            counts.undefined.into(),
            (*status == ScanStatus::Failed).into(),
            report.map(|report| report.object.to_string()).into(),
            report.map(|report| report.data_key.as_slice()).into(),
            report.map(|report| report.sealed.as_slice()).into(),
            image_id.into(),
            scan_type.as_str().into(),
            requested_at_ms.into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Forgets the scans of an image.
pub fn delete(tx: &mut dyn Tx, image_id: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM image_scans WHERE image_id = $1", &[image_id.into()])?;
    Ok(())
}

/// A scan by its image and type.
pub type ScanKey = (i64, ScanType);

/// The scans that have not ended, of images of an account that have a layer.
pub fn waiting_for_layer(tx: &mut dyn Tx, account: &AccountId, layer: &Digest) -> Result<Vec<ScanKey>, StoreError> {
    let rows = tx.query(
        "SELECT s.image_id, s.scan_type FROM image_scans s JOIN image_blobs b ON b.image_id = s.image_id \
         JOIN images i ON i.id = s.image_id JOIN repositories r ON r.id = i.repository_id \
         WHERE s.ended_at_ms IS NULL AND b.digest = $1 AND r.account_id = $2 ORDER BY s.requested_at_ms, s.id",
        &[layer.to_string().into(), account.as_str().into()],
    )?;
    readable(&rows, "image_scans", |row| Ok((row.int(0)?, parse_column(row.text(1)?, "image_scans.scan_type")?)))
}

/// Whether any scan that has not ended is of an image of an account that has a layer.
pub fn is_any_waiting_for_layer(tx: &mut dyn Tx, account: &AccountId, layer: &Digest) -> Result<bool, StoreError> {
    let found = tx.query_opt(
        "SELECT 1 FROM image_scans s JOIN image_blobs b ON b.image_id = s.image_id \
         JOIN images i ON i.id = s.image_id JOIN repositories r ON r.id = i.repository_id \
         WHERE s.ended_at_ms IS NULL AND b.digest = $1 AND r.account_id = $2 LIMIT 1",
        &[layer.to_string().into(), account.as_str().into()],
    )?;
    Ok(found.is_some())
}

/// A scan that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingScan {
    /// Its place among them: when it was asked for, and the row's key.
    pub place: (i64, i64),
    /// The account that has the image.
    pub account: AccountId,
    /// Which scan it is.
    pub key: ScanKey,
}

/// Up to `limit` scans that have not ended, those that were asked for first before the others, from the first after a place on;
/// those alone for which no job of a kind is noted, if one is named: its key is the image's and the type of scanning, with a blank
/// between.
pub fn list_waiting(
    tx: &mut dyn Tx,
    without_job: Option<&str>,
    (after_ms, after_id): (i64, i64),
    limit: usize,
) -> Result<Vec<WaitingScan>, StoreError> {
    let has_none = "AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.kind = $3 \
                    AND j.key = CAST(s.image_id AS TEXT) || ' ' || s.scan_type)";
    let sql = format!(
        "SELECT s.requested_at_ms, s.id, r.account_id, s.image_id, s.scan_type FROM image_scans s \
         JOIN images i ON i.id = s.image_id JOIN repositories r ON r.id = i.repository_id \
         WHERE s.ended_at_ms IS NULL AND (s.requested_at_ms, s.id) > ($1, $2) {} \
         ORDER BY s.requested_at_ms, s.id LIMIT {}",
        if without_job.is_some() { has_none } else { "" },
        if without_job.is_some() { "$4" } else { "$3" },
    );
    let mut parameters = vec![after_ms.into(), after_id.into()];
    parameters.extend(without_job.map(Into::into));
    parameters.push(count(limit));
    let rows = tx.query(&sql, &parameters)?;
    readable(&rows, "image_scans", |row| {
        Ok(WaitingScan {
            place: (row.int(0)?, row.int(1)?),
            account: parse_column(row.text(2)?, "repositories.account_id")?,
            key: (row.int(3)?, parse_column(row.text(4)?, "image_scans.scan_type")?),
        })
    })
}

/// Lets the scans that failed be done again.
pub fn request_failed(tx: &mut dyn Tx, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE image_scans SET status = 'PENDING', description = NULL, requested_at_ms = $1, started_at_ms = NULL, \
         ended_at_ms = NULL WHERE status = 'FAILED'",
        &[now_ms.into()],
    )?;
    Ok(())
}

/// How many scans have not ended, and when the oldest of them was asked for.
pub fn waiting(tx: &mut dyn Tx) -> Result<(i64, Option<i64>), StoreError> {
    let sql = "SELECT COUNT(*), MIN(requested_at_ms) FROM image_scans WHERE ended_at_ms IS NULL";
    tx.query_opt(sql, &[])?.map_or(Ok((0, None)), |row| Ok((row.int(0)?, row.opt_int(1)?)))
}
