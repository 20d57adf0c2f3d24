//! Whether the tables agree with each other: rows that name what is not there, and counts that do not add up. Foreign
//! keys are checked as well, since a file that was edited or restored piece by piece has not kept them.
//!
//! Every statement looks at a limited number of rows, so that none takes long however large the tables are.

use oci::Digest;

use super::repositories::count;
use crate::blob::ObjectId;
use crate::db::schema::{ColumnType, Reference, Table};
use crate::db::{Dialect, Tx};
use crate::error::StoreError;

/// What a check of rows is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowCheck {
    /// A tag points at an image of another repository.
    TagElsewhere,
    /// An image names a layer that its repository neither shows nor awaits from upstream.
    LayerNotShown,
    /// A list names an image that its repository does not have.
    ListedImageMissing,
    /// A repository, or a deleted image, names one digest and the blob that it leads to is another.
    LinkToOtherDigest,
    /// A layer is not named by as many images as its repository counts.
    ImageCount,
    /// As the one before, of layers that are still upstream.
    UpstreamImageCount,
    /// A blob does not have as many references as it counts.
    ReferenceCount,
    /// A repository does not have as many images as it counts.
    RepositoryImageCount,
    /// An object that a blob has its bytes in is noted for removal, or is an upload's as well.
    ObjectNamedTwice,
}

/// A row that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongRow {
    /// The repository that it belongs to, if it belongs to one.
    pub repository_id: Option<i64>,
    /// The blob that it is about, if it is about one.
    pub blob_id: Option<i64>,
    /// What it names: a tag, a digest or an object.
    pub subject: String,
    /// What it says.
    pub found: String,
    /// What it should say, or what is missing.
    pub expected: String,
}

impl RowCheck {
    /// Every check of rows.
    pub const ALL: [Self; 9] = [
        Self::TagElsewhere,
        Self::LayerNotShown,
        Self::ListedImageMissing,
        Self::LinkToOtherDigest,
        Self::ImageCount,
        Self::UpstreamImageCount,
        Self::ReferenceCount,
        Self::RepositoryImageCount,
        Self::ObjectNamedTwice,
    ];

    /// The integer column that the rows are gone through by, and how many keys one statement covers.
    const fn driven_by(self) -> (&'static str, &'static str, usize) {
        match self {
            Self::TagElsewhere => ("image_tags", "image_id", 5_000),
            Self::LayerNotShown => ("images", "id", 1_000),
            Self::ListedImageMissing => ("image_children", "parent_image_id", 5_000),
            Self::LinkToOtherDigest => ("blobs", "id", 2_000),
            Self::ReferenceCount | Self::ObjectNamedTwice => ("blobs", "id", 5_000),
            Self::ImageCount | Self::UpstreamImageCount | Self::RepositoryImageCount => ("repositories", "id", 50),
        }
    }

    /// Repository, blob, subject, what is found and what is expected, of the rows whose key is above `$1` and at most
    /// `$2`.
    const fn sql(self) -> &'static str {
        match self {
            Self::TagElsewhere => {
                "SELECT t.repository_id, CAST(NULL AS BIGINT), t.tag, i.digest || ' of repository ' || \
                 CAST(i.repository_id AS TEXT), 'an image of the tag''s own repository' \
                 FROM image_tags t JOIN images i ON i.id = t.image_id \
                 WHERE t.image_id > $1 AND t.image_id <= $2 AND i.repository_id <> t.repository_id \
                 ORDER BY t.repository_id, t.tag"
            }
            Self::LayerNotShown => {
                "SELECT i.repository_id, CAST(NULL AS BIGINT), n.digest, 'named by image ' || i.digest, 'shown by the repository' \
                 FROM images i JOIN image_blobs n ON n.image_id = i.id \
                 LEFT JOIN repository_blobs r ON r.repository_id = i.repository_id AND r.digest = n.digest \
                 LEFT JOIN upstream_blobs u ON u.repository_id = i.repository_id AND u.digest = n.digest \
                 WHERE i.id > $1 AND i.id <= $2 AND r.digest IS NULL AND u.digest IS NULL ORDER BY i.id, n.digest"
            }
            Self::ListedImageMissing => {
                "SELECT c.repository_id, CAST(NULL AS BIGINT), c.child_digest, 'named by list ' || p.digest, 'an image of the repository' \
                 FROM image_children c JOIN images p ON p.id = c.parent_image_id \
                 LEFT JOIN images i ON i.repository_id = c.repository_id AND i.digest = c.child_digest \
                 WHERE c.parent_image_id > $1 AND c.parent_image_id <= $2 AND i.id IS NULL \
                 ORDER BY c.parent_image_id, c.child_digest"
            }
            Self::LinkToOtherDigest => {
                "SELECT r.repository_id, b.id, r.digest, b.digest, r.digest FROM blobs b \
                 JOIN repository_blobs r ON r.blob_id = b.id WHERE b.id > $1 AND b.id <= $2 AND r.digest <> b.digest \
                 UNION ALL SELECT CAST(NULL AS BIGINT), b.id, k.digest, b.digest, k.digest FROM blobs b \
                 JOIN deleted_image_blobs k ON k.blob_id = b.id WHERE b.id > $1 AND b.id <= $2 AND k.digest <> b.digest"
            }
            Self::ImageCount => {
                "WITH counted AS (SELECT i.repository_id AS repository_id, n.digest AS digest, COUNT(*) AS images, \
                 COUNT(CASE WHEN i.status = 'ARCHIVED' THEN 1 END) AS archived, \
                 COUNT(CASE WHEN i.status = 'ACTIVATING' THEN 1 END) AS activating \
                 FROM images i JOIN image_blobs n ON n.image_id = i.id \
                 WHERE i.repository_id > $1 AND i.repository_id <= $2 GROUP BY i.repository_id, n.digest) \
                 SELECT r.repository_id, r.blob_id, r.digest, CAST(r.image_count AS TEXT) || ' images, ' || \
                 CAST(r.archived_image_count AS TEXT) || ' archived, ' || CAST(r.activating_image_count AS TEXT) || \
                 ' activating' || CASE WHEN r.unreferenced_since_ms IS NULL THEN '' ELSE ', unreferenced' END, \
                 CAST(COALESCE(c.images, 0) AS TEXT) || ' images, ' || CAST(COALESCE(c.archived, 0) AS TEXT) || \
                 ' archived, ' || CAST(COALESCE(c.activating, 0) AS TEXT) || ' activating' || \
                 CASE WHEN COALESCE(c.images, 0) = 0 THEN ', unreferenced' ELSE '' END \
                 FROM repository_blobs r LEFT JOIN counted c ON c.repository_id = r.repository_id AND c.digest = r.digest \
                 WHERE r.repository_id > $1 AND r.repository_id <= $2 AND (r.image_count <> COALESCE(c.images, 0) \
                 OR r.archived_image_count <> COALESCE(c.archived, 0) \
                 OR r.activating_image_count <> COALESCE(c.activating, 0) \
                 OR (COALESCE(c.images, 0) = 0) <> (r.unreferenced_since_ms IS NOT NULL)) \
                 ORDER BY r.repository_id, r.digest"
            }
            Self::UpstreamImageCount => {
                "WITH counted AS (SELECT i.repository_id AS repository_id, n.digest AS digest, COUNT(*) AS images \
                 FROM images i JOIN image_blobs n ON n.image_id = i.id \
                 WHERE i.repository_id > $1 AND i.repository_id <= $2 GROUP BY i.repository_id, n.digest) \
                 SELECT u.repository_id, CAST(NULL AS BIGINT), u.digest, CAST(u.image_count AS TEXT) || ' images', \
                 CAST(COALESCE(c.images, 0) AS TEXT) || ' images' \
                 FROM upstream_blobs u LEFT JOIN counted c ON c.repository_id = u.repository_id AND c.digest = u.digest \
                 WHERE u.repository_id > $1 AND u.repository_id <= $2 AND u.image_count <> COALESCE(c.images, 0) \
                 ORDER BY u.repository_id, u.digest"
            }
            Self::ReferenceCount => {
                "SELECT CAST(NULL AS BIGINT), counted.id, counted.digest, CAST(counted.reference_count AS TEXT) || ' references', \
                 CAST(counted.actual AS TEXT) || ' references' FROM ( \
                 SELECT b.id AS id, b.digest AS digest, b.reference_count AS reference_count, \
                 (SELECT COUNT(*) FROM repository_blobs r WHERE r.blob_id = b.id) + \
                 (SELECT COUNT(*) FROM deleted_image_blobs k WHERE k.blob_id = b.id) AS actual \
                 FROM blobs b WHERE b.id > $1 AND b.id <= $2) counted \
                 WHERE counted.reference_count <> counted.actual ORDER BY counted.id"
            }
            Self::RepositoryImageCount => {
                "SELECT counted.id, CAST(NULL AS BIGINT), counted.name, CAST(counted.known AS TEXT) || ' images', \
                 CAST(counted.actual AS TEXT) || ' images' FROM ( \
                 SELECT p.id AS id, p.name AS name, \
                 (SELECT COUNT(*) FROM images i WHERE i.repository_id = p.id) AS actual, \
                 CAST(COALESCE((SELECT SUM(c.images) FROM image_counts c WHERE c.repository_id = p.id), 0) AS BIGINT) AS known \
                 FROM repositories p WHERE p.id > $1 AND p.id <= $2) counted \
                 WHERE counted.known <> counted.actual ORDER BY counted.id"
            }
            Self::ObjectNamedTwice => {
                "SELECT CAST(NULL AS BIGINT), b.id, b.object_id, 'noted for removal', 'the bytes of blob ' || b.digest FROM blobs b \
                 JOIN removed_objects o ON o.object_id = b.object_id WHERE b.id > $1 AND b.id <= $2 \
                 UNION ALL SELECT CAST(NULL AS BIGINT), b.id, b.object_id, 'an upload''s, too', 'the bytes of blob ' || b.digest \
                 FROM blobs b JOIN uploads u ON u.object_id = b.object_id WHERE b.id > $1 AND b.id <= $2"
            }
        }
    }
}

/// The key that a page ends with which begins after `after` and has up to `limit` keys; none if there are no more.
fn page_end(tx: &mut dyn Tx, table: &str, key: &str, after: i64, limit: usize) -> Result<Option<i64>, StoreError> {
    let sql = format!(
        "SELECT MAX(paged.page_key) FROM (SELECT {key} AS page_key FROM {table} WHERE {key} > $1 ORDER BY {key} LIMIT $2) paged"
    );
    tx.query_opt(&sql, &[after.into(), count(limit)])?.map_or(Ok(None), |row| row.opt_int(0))
}

/// The rows that are wrong on the page after the key `after`, and the key that the page ends with; none after the last
/// page. Keys count from 1.
pub fn wrong_rows(tx: &mut dyn Tx, check: RowCheck, after: i64) -> Result<Option<(Vec<WrongRow>, i64)>, StoreError> {
    let (table, key, limit) = check.driven_by();
    let Some(last) = page_end(tx, table, key, after, limit)? else { return Ok(None) };
    let rows = tx.query(check.sql(), &[after.into(), last.into()])?;
    let wrong = rows.iter().map(|row| {
        Ok(WrongRow {
            repository_id: row.opt_int(0)?,
            blob_id: row.opt_int(1)?,
            subject: row.document(2).to_owned(),
            found: row.document(3).to_owned(),
            expected: row.document(4).to_owned(),
        })
    });
    Ok(Some((wrong.collect::<Result<_, StoreError>>()?, last)))
}

/// Up to `limit` rows of a table that refer to rows which are not there: what their columns hold.
pub fn dangling(
    tx: &mut dyn Tx,
    table: &Table,
    reference: &Reference,
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    let pairs = || reference.columns.iter().zip(&reference.referenced);
    let shown: Vec<String> = reference
        .columns
        .iter()
        .chain(&table.primary_key)
        .filter(|column| table.columns.iter().any(|known| known.name == **column))
        .map(|column| format!("'{column} = ' || CAST(COALESCE(CAST(t.\"{column}\" AS TEXT), '') AS TEXT)"))
        .collect();
    let given: Vec<String> = pairs().map(|(here, _)| format!("t.\"{here}\" IS NOT NULL")).collect();
    let equal: Vec<String> = pairs().map(|(here, there)| format!("f.\"{there}\" = t.\"{here}\"")).collect();
    let sql = format!(
        "SELECT {} FROM {} t WHERE {} AND NOT EXISTS (SELECT 1 FROM {} f WHERE {}) LIMIT $1",
        shown.join(" || ', ' || "),
        table.name,
        given.join(" AND "),
        reference.table,
        equal.join(" AND ")
    );
    Ok(tx.query(&sql, &[count(limit)])?.iter().map(|row| row.document(0).to_owned()).collect())
}

/// What the embedded database says of its own file: nothing if all is well. PostgreSQL is not asked, as it has tools of
/// its own.
pub fn file_problems(tx: &mut dyn Tx) -> Result<Vec<String>, StoreError> {
    if tx.dialect() == Dialect::Postgres {
        return Ok(Vec::new());
    }
    let rows = tx.query("PRAGMA integrity_check(20)", &[])?;
    Ok(rows.iter().map(|row| row.document(0).to_owned()).filter(|text| text != "ok").collect())
}

/// Counts the references of a blob anew.
pub fn recount_references(tx: &mut dyn Tx, blob_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE blobs SET reference_count = (SELECT COUNT(*) FROM repository_blobs r WHERE r.blob_id = blobs.id) + \
         (SELECT COUNT(*) FROM deleted_image_blobs k WHERE k.blob_id = blobs.id) WHERE id = $1",
        &[blob_id.into()],
    )?;
    Ok(())
}

/// Counts the images anew that name a layer of a repository. One that none names begins its grace period now.
pub fn recount_images(tx: &mut dyn Tx, repository_id: i64, digest: &str, now_ms: i64) -> Result<(), StoreError> {
    let counted = tx.query_opt(
        "SELECT COUNT(*), COUNT(CASE WHEN i.status = 'ARCHIVED' THEN 1 END), \
         COUNT(CASE WHEN i.status = 'ACTIVATING' THEN 1 END) FROM images i \
         JOIN image_blobs n ON n.image_id = i.id AND n.digest = $1 WHERE i.repository_id = $2",
        &[digest.into(), repository_id.into()],
    )?;
    let Some(row) = counted else { return Ok(()) };
    tx.execute(
        "UPDATE repository_blobs SET image_count = $1, archived_image_count = $2, activating_image_count = $3, \
         unreferenced_since_ms = CASE WHEN CAST($1 AS BIGINT) > 0 THEN NULL \
         ELSE COALESCE(unreferenced_since_ms, $4) END \
         WHERE repository_id = $5 AND digest = $6",
        &[
            row.int(0)?.into(),
            row.int(1)?.into(),
            row.int(2)?.into(),
            now_ms.into(),
            repository_id.into(),
            digest.into(),
        ],
    )?;
    tx.execute(
        "UPDATE upstream_blobs SET image_count = $1 WHERE repository_id = $2 AND digest = $3",
        &[row.int(0)?.into(), repository_id.into(), digest.into()],
    )?;
    tx.execute(
        "DELETE FROM upstream_blobs WHERE repository_id = $1 AND digest = $2 AND image_count = 0",
        &[repository_id.into(), digest.into()],
    )?;
    Ok(())
}

/// Counts the images of a repository anew.
pub fn recount_repository(tx: &mut dyn Tx, repository_id: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM image_counts WHERE repository_id = $1", &[repository_id.into()])?;
    tx.execute(
        "INSERT INTO image_counts (repository_id, part, images) SELECT repository_id, id % 64, COUNT(*) FROM images \
         WHERE repository_id = $1 GROUP BY repository_id, id % 64",
        &[repository_id.into()],
    )?;
    Ok(())
}

/// Sets the size of an image.
pub fn set_image_size(tx: &mut dyn Tx, image_id: i64, size_bytes: u64) -> Result<(), StoreError> {
    tx.execute("UPDATE images SET size_bytes = $1 WHERE id = $2", &[(size_bytes as i64).into(), image_id.into()])?;
    Ok(())
}

/// Takes back the note that an object is to be removed, if a blob has its bytes in it.
pub fn keep_named_object(tx: &mut dyn Tx, object: &str) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "DELETE FROM removed_objects WHERE object_id = $1 AND EXISTS (SELECT 1 FROM blobs WHERE object_id = $1)",
        &[object.into()],
    )?;
    Ok(changed == 1)
}

/// Shows a stored blob again in a repository that has images which name it, if the blob is stored where the repository's
/// are and counts a reference that nothing holds: the one that the repository has lost. Without one nothing says that the
/// repository ever had the bytes, which it may have awaited from upstream while others have them.
pub fn show_again(
    tx: &mut dyn Tx,
    repository_id: i64,
    scope: &super::blobs::BlobScope,
    digest: &Digest,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let lost = tx.query_opt(
        "SELECT counted.id FROM (SELECT b.id AS id, b.reference_count AS reference_count, \
         (SELECT COUNT(*) FROM repository_blobs r WHERE r.blob_id = b.id) + \
         (SELECT COUNT(*) FROM deleted_image_blobs k WHERE k.blob_id = b.id) AS actual \
         FROM blobs b WHERE b.region = $1 AND b.encryption_scope = $2 AND b.digest = $3) counted \
         WHERE counted.reference_count > counted.actual",
        &[scope.region.as_str().into(), scope.encryption.as_str().into(), digest.to_string().into()],
    )?;
    let Some(blob_id) = lost.map(|row| row.int(0)).transpose()? else { return Ok(false) };
    super::repository_blobs::insert(tx, repository_id, digest, blob_id, now_ms)?;
    recount_images(tx, repository_id, &digest.to_string(), now_ms)?;
    Ok(true)
}

/// The columns that name objects, whichever tables have them: all whose name is `object_id` or ends with it. A note of
/// damage keeps nothing.
pub fn object_columns(tables: &[Table]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for table in tables.iter().filter(|table| table.name != "damaged_objects") {
        let names = table.columns.iter().filter(|column| {
            column.column_type == ColumnType::Text
                && (column.name == "object_id" || column.name.ends_with("_object_id"))
        });
        found.extend(names.map(|column| (table.name.clone(), column.name.clone())));
    }
    found
}

/// Whether any row names the object, in one of the columns that [`object_columns`] has found.
pub fn is_named(tx: &mut dyn Tx, columns: &[(String, String)], object: ObjectId) -> Result<bool, StoreError> {
    for (table, column) in columns {
        let sql = format!("SELECT 1 FROM {table} WHERE {column} = $1 LIMIT 1");
        if tx.query_opt(&sql, &[object.to_string().into()])?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Up to `limit` blobs in the order of their ids, after the id `after`.
pub fn blobs_after(tx: &mut dyn Tx, after: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
    tx.query("SELECT id FROM blobs WHERE id > $1 ORDER BY id LIMIT $2", &[after.into(), count(limit)])?
        .iter()
        .map(|row| row.int(0))
        .collect()
}

/// Up to `limit` images in the order of their ids, after the id `after`, with the ids of their repositories.
pub fn images_after(tx: &mut dyn Tx, after: i64, limit: usize) -> Result<Vec<(i64, i64)>, StoreError> {
    tx.query("SELECT id, repository_id FROM images WHERE id > $1 ORDER BY id LIMIT $2", &[after.into(), count(limit)])?
        .iter()
        .map(|row| Ok((row.int(0)?, row.int(1)?)))
        .collect()
}

/// How many rows of each kind there are to look at: blobs, and what they hold, and images.
pub fn totals(tx: &mut dyn Tx) -> Result<(u64, u64, u64), StoreError> {
    let blobs = tx.query_opt(
        "SELECT COUNT(*), CAST(COALESCE(SUM(COALESCE(stored_bytes, size_bytes)), 0) AS BIGINT) FROM blobs",
        &[],
    )?;
    let images = tx.query_opt("SELECT COUNT(*) FROM images", &[])?;
    Ok((
        blobs.as_ref().map_or(Ok(0), |row| row.int(0))? as u64,
        blobs.as_ref().map_or(Ok(0), |row| row.int(1))? as u64,
        images.map_or(Ok(0), |row| row.int(0))? as u64,
    ))
}

/// How many images the database names, and how many small blobs it holds itself.
pub fn totals_kept(tx: &mut dyn Tx) -> Result<(u64, u64), StoreError> {
    let mut count = |table: &str| -> Result<u64, StoreError> {
        tx.query_opt(&format!("SELECT COUNT(*) FROM {table}"), &[])?.map_or(Ok(0), |row| Ok(row.int(0)? as u64))
    };
    Ok((count("images")?, count("small_blobs")?))
}

/// Up to `limit` places where a stored blob is shown, as people name them: `REPOSITORY:TAG` or `REPOSITORY@DIGEST` of
/// images that name it, and of deleted images, or a repository alone that shows it without an image.
pub fn places_of(tx: &mut dyn Tx, blob_id: i64, limit: usize) -> Result<Vec<String>, StoreError> {
    let mut places = Vec::new();
    let repositories = tx.query(
        "SELECT p.id, p.account_id, p.region, p.name, r.digest FROM repository_blobs r \
         JOIN repositories p ON p.id = r.repository_id WHERE r.blob_id = $1 ORDER BY p.id LIMIT $2",
        &[blob_id.into(), count(limit)],
    )?;
    for row in &repositories {
        let name = format!("{}/{}/{}", row.document(1), row.document(2), row.document(3));
        let images = tx.query(
            "SELECT i.digest, (SELECT MIN(t.tag) FROM image_tags t WHERE t.image_id = i.id) FROM images i \
             JOIN image_blobs n ON n.image_id = i.id AND n.digest = $1 WHERE i.repository_id = $2 ORDER BY i.id LIMIT $3",
            &[row.document(4).into(), row.int(0)?.into(), count(limit)],
        )?;
        if images.is_empty() {
            places.push(name.clone());
        }
        for image in &images {
            places.push(match image.opt_document(1) {
                Some(tag) => format!("{name}:{tag}"),
                None => format!("{name}@{}", image.document(0)),
            });
        }
    }
    let deleted = tx.query(
        "SELECT d.account_id, d.region, d.repository_name, d.digest FROM deleted_image_blobs k \
         JOIN deleted_images d ON d.id = k.deleted_image_id WHERE k.blob_id = $1 ORDER BY d.id LIMIT $2",
        &[blob_id.into(), count(limit)],
    )?;
    for row in &deleted {
        let [account, region, repository, digest] = [0, 1, 2, 3].map(|at| row.document(at));
        places.push(format!("{account}/{region}/{repository}@{digest} (deleted)"));
    }
    places.truncate(limit);
    Ok(places)
}

/// Other stored copies of a blob's content: the same digest in other regions and under other keys.
pub fn other_copies(tx: &mut dyn Tx, blob_id: i64) -> Result<Vec<i64>, StoreError> {
    tx.query(
        "SELECT o.id FROM blobs b JOIN blobs o ON o.digest = b.digest AND o.id <> b.id WHERE b.id = $1 ORDER BY o.id",
        &[blob_id.into()],
    )?
    .iter()
    .map(|row| row.int(0))
    .collect()
}

/// A repository that shows a stored blob to images of its own, all of them active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownIn {
    /// The repository.
    pub repository_id: i64,
    /// How many of its images name the blob.
    pub image_count: i64,
}

/// Up to `limit` repositories that show a stored blob to active images.
pub fn shown_in(tx: &mut dyn Tx, blob_id: i64, limit: usize) -> Result<Vec<ShownIn>, StoreError> {
    tx.query(
        "SELECT repository_id, image_count FROM repository_blobs WHERE blob_id = $1 AND image_count > 0 \
         AND archived_image_count = 0 AND activating_image_count = 0 ORDER BY repository_id LIMIT $2",
        &[blob_id.into(), count(limit)],
    )?
    .iter()
    .map(|row| Ok(ShownIn { repository_id: row.int(0)?, image_count: row.int(1)? }))
    .collect()
}

/// Lets a repository of the pull through cache await a blob again whose stored copy is damaged: it shows it no more until
/// it has come from upstream. `false` if it does not show that copy.
pub fn await_again(
    tx: &mut dyn Tx,
    repository_id: i64,
    digest: &Digest,
    blob_id: i64,
    size_bytes: u64,
    source: &super::upstream_blobs::BlobSource,
) -> Result<bool, StoreError> {
    let removed = tx.query_opt(
        "DELETE FROM repository_blobs WHERE repository_id = $1 AND digest = $2 AND blob_id = $3 \
         AND archived_image_count = 0 AND activating_image_count = 0 RETURNING image_count, media_type",
        &[repository_id.into(), digest.to_string().into(), blob_id.into()],
    )?;
    let Some(row) = removed else { return Ok(false) };
    super::blobs::release(tx, blob_id)?;
    tx.execute(
        "INSERT INTO upstream_blobs (repository_id, digest, size_bytes, media_type, image_count, upstream_url, \
         upstream_repository) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            repository_id.into(),
            digest.to_string().into(),
            (size_bytes as i64).into(),
            row.opt_text(1)?.unwrap_or_default().into(),
            row.int(0)?.into(),
            source.upstream_url.as_str().into(),
            source.upstream_repository.as_str().into(),
        ],
    )?;
    Ok(true)
}
