//! Stored blobs: one copy per region, encryption scope and digest, counted by the repositories that show it and by the
//! deleted images that need it to be restored.
//!
//! The object of one that is small is in the table `small_blobs` and in no store. When nothing needs it any more, its name
//! is noted for removal as that of any other: to remove what is absent is fine.

use bytes::Bytes;
use oci::Digest;

use super::parse_column;
use super::removed_objects::{self, RemovedObject};
use super::repositories::count;
pub use crate::blob::BlobScope;
use crate::blob::{Encoding, ObjectId, Tier};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::readable::readable;

/// A blob's bytes, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// The row's key.
    pub id: i64,
    /// Where copies of it are shared.
    pub scope: BlobScope,
    /// Plaintext length.
    pub size_bytes: u64,
    /// Where the object is.
    pub tier: Tier,
    /// The form of the content in it.
    pub encoding: Encoding,
    /// Bytes that the object holds in that form.
    pub stored_bytes: u64,
    /// The object that holds the bytes.
    pub object: ObjectId,
    /// The object's data key, wrapped by the scope's key with the object's id as context; empty for an object that is
    /// plain, which the store encrypts.
    pub data_key: Vec<u8>,
    /// The object itself, sealed, if it is small: then it is in no store.
    pub small: Option<Bytes>,
}

impl StoredBlob {
    /// Whether the object is not encrypted here.
    pub const fn is_plain(&self) -> bool {
        self.data_key.is_empty()
    }
}

/// What [`stored_from_row`] reads of `blobs b` with [`SMALL`], in order.
pub(super) const COLUMNS: &str = "b.id, b.size_bytes, b.tier, b.encoding, b.stored_bytes, b.object_id, b.data_key, \
                                  b.region, b.encryption_scope, s.sealed";
/// Joins what they need to `blobs b`.
pub(super) const SMALL: &str = "LEFT JOIN small_blobs s ON s.blob_id = b.id";

/// Reads [`COLUMNS`], which are a row's first.
pub(super) fn stored_from_row(row: &Row) -> Result<StoredBlob, StoreError> {
    let size_bytes = row.int(1)?;
    Ok(StoredBlob {
        id: row.int(0)?,
        scope: BlobScope { region: row.text(7)?.to_owned(), encryption: row.text(8)?.to_owned() },
        size_bytes: size_bytes as u64,
        tier: parse_column(row.text(2)?, "blobs.tier")?,
        encoding: parse_column(row.text(3)?, "blobs.encoding")?,
        stored_bytes: row.opt_int(4)?.unwrap_or(size_bytes) as u64,
        object: parse_column(row.text(5)?, "blobs.object_id")?,
        data_key: row.blob(6)?.to_vec(),
        small: row.opt_blob(9)?.map(Bytes::copy_from_slice),
    })
}

/// A stored copy and its digest.
pub fn find(tx: &mut dyn Tx, id: i64) -> Result<Option<(StoredBlob, Digest)>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS}, b.digest FROM blobs b {SMALL} WHERE b.id = $1"), &[id.into()])?
        .map(|row| Ok((stored_from_row(&row)?, parse_column(row.text(10)?, "blobs.digest")?)))
        .transpose()
}

/// The tier that a blob should be in: the archive if every repository that shows it names it in archived images alone,
/// the standard one if an image that is not archived names it or it was just uploaded again; none if it may stay where
/// it is, as while an upload waits for its image, or an image that was deleted for the garbage collection.
pub fn wanted_tier(tx: &mut dyn Tx, id: i64) -> Result<Option<Tier>, StoreError> {
    let Some(row) = tx.query_opt(
        "SELECT COUNT(CASE WHEN image_count > archived_image_count OR pushed_again_at_ms IS NOT NULL THEN 1 END), \
                COUNT(CASE WHEN image_count > 0 THEN 1 END), COUNT(*) \
         FROM repository_blobs WHERE blob_id = $1",
        &[id.into()],
    )?
    else {
        return Ok(None);
    };
    let (active, named, shown) = (row.int(0)?, row.int(1)?, row.int(2)?);
    Ok(match (active, named) {
        (1.., _) => Some(Tier::Standard),
        (_, 1..) if named == shown => Some(Tier::Archive),
        _ => None,
    })
}

/// Lets a blob have its bytes in the object of `copy` instead of `from`, which is noted for removal. The caller has
/// taken the copy into use: it is in a store, as all copies are. `false` if the blob has its bytes elsewhere by now, or is gone.
pub fn move_to(tx: &mut dyn Tx, from: &StoredBlob, copy: &StoredBlob, now_ms: i64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE blobs SET object_id = $1, data_key = $2, tier = $3, encoding = $4, stored_bytes = $5 \
         WHERE id = $6 AND object_id = $7",
        &[
            copy.object.to_string().into(),
            copy.data_key.as_slice().into(),
            copy.tier.as_str().into(),
            copy.encoding.as_str().into(),
            (copy.stored_bytes as i64).into(),
            from.id.into(),
            from.object.to_string().into(),
        ],
    )?;
    if changed == 1 {
        delete_small(tx, from.id)?;
        let removed =
            RemovedObject { object: from.object, tier: from.tier, scope: from.scope.clone(), multipart: None };
        removed_objects::insert_sized(tx, &removed, from.stored_bytes, now_ms)?;
    }
    Ok(changed == 1)
}

/// How many blobs of a tier have objects that are plain.
pub fn count_plain(tx: &mut dyn Tx, tier: Tier) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM blobs WHERE tier = $1 AND length(data_key) = 0";
    tx.query_opt(sql, &[tier.as_str().into()])?.map_or(Ok(0), |row| Ok(row.int(0)? as u64))
}

/// Whether the store of a tier is to have objects: small ones are in the database.
pub fn needs_store(tx: &mut dyn Tx, tier: Tier) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM blobs b WHERE b.tier = $1 \
               AND NOT EXISTS (SELECT 1 FROM small_blobs s WHERE s.blob_id = b.id) LIMIT 1";
    Ok(tx.query_opt(sql, &[tier.as_str().into()])?.is_some())
}

/// Takes one reference to a stored copy; `false` if it is gone. Who may is decided before, by what shows the copy already:
/// there is no way from a digest alone to the bytes of it that are stored for others.
pub fn add_reference(tx: &mut dyn Tx, id: i64) -> Result<bool, StoreError> {
    let changed = tx.execute("UPDATE blobs SET reference_count = reference_count + 1 WHERE id = $1", &[id.into()])?;
    Ok(changed == 1)
}

/// A copy that was just received.
#[derive(Clone, Copy, Debug)]
pub struct NewBlob<'a> {
    /// Where copies of it are shared.
    pub scope: &'a BlobScope,
    /// Its digest.
    pub digest: &'a Digest,
    /// Plaintext length.
    pub size_bytes: u64,
    /// The object that holds the bytes.
    pub object: ObjectId,
    /// See [`StoredBlob::data_key`].
    pub data_key: &'a [u8],
    /// See [`StoredBlob::small`].
    pub small: Option<&'a [u8]>,
}

/// Replaces the stored copy of the digest with the one just received, if there is one, which brings it back from the
/// archive, takes one reference, and notes the old object for removal. So pushing a blob again heals a copy that was
/// damaged on disk.
pub fn replace_existing(tx: &mut dyn Tx, new: &NewBlob<'_>, now_ms: i64) -> Result<Option<i64>, StoreError> {
    let scope = new.scope;
    let Some(old) = tx.query_opt(
        "SELECT id, object_id, tier, COALESCE(stored_bytes, size_bytes) FROM blobs \
         WHERE region = $1 AND encryption_scope = $2 AND digest = $3",
        &[scope.region.as_str().into(), scope.encryption.as_str().into(), new.digest.to_string().into()],
    )?
    else {
        return Ok(None);
    };
    let id = old.int(0)?;
    tx.execute(
        "UPDATE blobs SET reference_count = reference_count + 1, object_id = $1, data_key = $2, tier = 'STANDARD', \
         encoding = 'IDENTITY', stored_bytes = NULL WHERE id = $3",
        &[new.object.to_string().into(), new.data_key.into(), id.into()],
    )?;
    delete_small(tx, id)?;
    insert_small(tx, id, new.small)?;
    let removed = RemovedObject {
        object: parse_column(old.text(1)?, "blobs.object_id")?,
        tier: parse_column(old.text(2)?, "blobs.tier")?,
        scope: scope.clone(),
        multipart: None,
    };
    removed_objects::insert_sized(tx, &removed, old.int(3)? as u64, now_ms)?;
    Ok(Some(id))
}

/// Adds a stored copy with one reference. Fails if the scope has one: call [`replace_existing`] first.
pub fn insert(tx: &mut dyn Tx, new: &NewBlob<'_>, now_ms: i64) -> Result<i64, StoreError> {
    let rows = tx.query(
        "INSERT INTO blobs (region, encryption_scope, digest, size_bytes, object_id, data_key, reference_count, \
         created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, 1, $7) RETURNING id",
        &[
            new.scope.region.as_str().into(),
            new.scope.encryption.as_str().into(),
            new.digest.to_string().into(),
            (new.size_bytes as i64).into(),
            new.object.to_string().into(),
            new.data_key.into(),
            now_ms.into(),
        ],
    )?;
    let id = rows.first().map_or(Ok(0), |row| row.int(0))?;
    insert_small(tx, id, new.small)?;
    Ok(id)
}

fn insert_small(tx: &mut dyn Tx, id: i64, sealed: Option<&[u8]>) -> Result<(), StoreError> {
    if let Some(sealed) = sealed {
        tx.execute("INSERT INTO small_blobs (blob_id, sealed) VALUES ($1, $2)", &[id.into(), sealed.into()])?;
    }
    Ok(())
}

fn delete_small(tx: &mut dyn Tx, id: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM small_blobs WHERE blob_id = $1", &[id.into()])?;
    Ok(())
}

/// Gives up one reference.
pub fn release(tx: &mut dyn Tx, id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE blobs SET reference_count = reference_count - 1 WHERE id = $1", &[id.into()])?;
    Ok(())
}

/// Gives up one reference; returns the blob's length if it was the last.
pub fn release_and_measure(tx: &mut dyn Tx, id: i64) -> Result<u64, StoreError> {
    let row = tx.query_opt(
        "UPDATE blobs SET reference_count = reference_count - 1 WHERE id = $1 RETURNING reference_count, size_bytes",
        &[id.into()],
    )?;
    match row {
        Some(row) if row.int(0)? == 0 => Ok(row.int(1)? as u64),
        Some(_) | None => Ok(0),
    }
}

/// Gives up the references of a whole repository that is being deleted.
pub fn release_all_of(tx: &mut dyn Tx, repository_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE blobs SET reference_count = reference_count - 1 \
         WHERE id IN (SELECT blob_id FROM repository_blobs WHERE repository_id = $1)",
        &[repository_id.into()],
    )?;
    Ok(())
}

/// Removes up to `limit` blobs that nothing refers to and notes their objects for removal; says how many.
pub fn collect_unreferenced(tx: &mut dyn Tx, now_ms: i64, limit: usize) -> Result<usize, StoreError> {
    let rows = tx.query(
        "DELETE FROM blobs WHERE id IN (SELECT id FROM blobs WHERE reference_count = 0 ORDER BY id LIMIT $1) \
         AND reference_count = 0 RETURNING object_id, tier, region, encryption_scope, \
         COALESCE(stored_bytes, size_bytes)",
        &[count(limit)],
    )?;
    // The object of a row that cannot be read is an orphan from now on, which `wharf fsck` finds.
    let removed = readable(&rows, "blobs", |row| {
        let removed = RemovedObject {
            object: parse_column(row.text(0)?, "blobs.object_id")?,
            tier: parse_column(row.text(1)?, "blobs.tier")?,
            scope: BlobScope { region: row.text(2)?.to_owned(), encryption: row.text(3)?.to_owned() },
            multipart: None,
        };
        Ok((removed, row.int(4)? as u64))
    })?;
    for (removed, stored_bytes) in &removed {
        removed_objects::insert_sized(tx, removed, *stored_bytes, now_ms)?;
    }
    Ok(rows.len())
}
