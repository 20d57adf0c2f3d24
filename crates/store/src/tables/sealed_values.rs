//! Every sealed value that is stored, of whatever table: listed to be sealed anew, and replaced.

use oci::{Digest, RepositoryName};
use uuid::Uuid;

use super::registry_id::RegistryId;
use super::repositories::count;
use super::{parse_column, secrets};
use crate::blob::{ObjectId, SEALED_HEAD};
use crate::db::{Row, Tx, Value};
use crate::error::StoreError;

/// Where sealed values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedColumn {
    /// The data keys of blobs.
    Blobs,
    /// The data keys of uploads.
    Uploads,
    /// The states of uploads.
    UploadStates,
    /// The manifests of images, those of deleted ones included.
    Manifests,
    /// The secrets of access keys.
    AccessKeys,
    /// The values of secrets.
    Secrets,
    /// The material of KMS keys.
    KmsKeys,
    /// The data keys of facts of layers.
    LayerFacts,
    /// The data keys of what scans have found.
    ImageScans,
}

impl SealedColumn {
    /// Every place, in the order in which they are searched. What moves from one to another moves forward: uploads,
    /// which become blobs, are before them.
    pub const ALL: [Self; 9] = [
        Self::Uploads,
        Self::UploadStates,
        Self::Blobs,
        Self::Manifests,
        Self::AccessKeys,
        Self::Secrets,
        Self::KmsKeys,
        Self::LayerFacts,
        Self::ImageScans,
    ];

    /// The place as people see it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blobs => "blobs",
            Self::Uploads => "uploads",
            Self::UploadStates => "upload states",
            Self::Manifests => "manifests",
            Self::AccessKeys => "access keys",
            Self::Secrets => "secrets",
            Self::KmsKeys => "KMS keys",
            Self::LayerFacts => "facts of layers",
            Self::ImageScans => "scans of images",
        }
    }
}

/// What a sealed value belongs to, which is what it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The data key of an object.
    Object(ObjectId),
    /// The state of an upload.
    UploadState(Uuid),
    /// The manifest of an image, whether or not it is deleted.
    Manifest {
        /// The registry.
        registry: RegistryId,
        /// The repository.
        repository: RepositoryName,
        /// The image.
        digest: Digest,
    },
    /// The secret of an access key.
    AccessKey(String),
    /// A version of a KMS key's material.
    KmsKeyVersion {
        /// The key.
        key_id: Uuid,
        /// The version.
        version: u32,
    },
    /// A version of a secret.
    SecretVersion {
        /// The secret's ARN.
        arn: String,
        /// The version.
        version_id: String,
    },
}

/// A value that a search has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedValue {
    /// What a search goes on after.
    pub cursor: String,
    /// What it belongs to.
    pub subject: Subject,
    /// The value; none if it was sealed late enough.
    pub sealed: Option<Vec<u8>>,
}

/// What a place's rows are read by: the cursor, then what the subject is made of, then the value.
fn query(place: SealedColumn) -> String {
    // A value with a head at or after $1 is not read: it may be long. Keys that KMS keys wrap have greater heads.
    let value = |column: &str| format!("CASE WHEN substr({column}, 1, {SEALED_HEAD}) < $1 THEN {column} END");
    // A plain object has no data key.
    let data_key =
        || format!("CASE WHEN length(data_key) > 0 AND substr(data_key, 1, {SEALED_HEAD}) < $1 THEN data_key END");
    match place {
        SealedColumn::Blobs => {
            format!("SELECT id, object_id, {} FROM blobs WHERE id > $2 ORDER BY id LIMIT $3", data_key())
        }
        SealedColumn::LayerFacts => {
            format!("SELECT id, object_id, {} FROM layer_facts WHERE id > $2 ORDER BY id LIMIT $3", data_key())
        }
        SealedColumn::ImageScans => format!(
            "SELECT id, object_id, {} FROM image_scans WHERE id > $2 AND object_id IS NOT NULL ORDER BY id LIMIT $3",
            data_key()
        ),
        SealedColumn::Uploads => {
            format!("SELECT id, object_id, {} FROM uploads WHERE id > $2 ORDER BY id LIMIT $3", data_key())
        }
        SealedColumn::UploadStates => {
            format!("SELECT id, {} FROM uploads WHERE id > $2 ORDER BY id LIMIT $3", value("state"))
        }
        // An image keeps its id when it is deleted and restored, and one statement sees both tables at one moment: none
        // slips through by moving.
        SealedColumn::Manifests => format!(
            "SELECT * FROM (SELECT i.id AS id, r.account_id, r.region, r.name, i.digest, {} FROM images i \
             JOIN repositories r ON r.id = i.repository_id WHERE i.id > $2 ORDER BY i.id LIMIT $3) present \
             UNION ALL SELECT * FROM (SELECT id, account_id, region, repository_name, digest, {} FROM deleted_images \
             WHERE id > $4 ORDER BY id LIMIT $5) deleted ORDER BY 1 LIMIT $6",
            value("i.manifest"),
            value("manifest")
        ),
        SealedColumn::AccessKeys => {
            format!("SELECT id, {} FROM iam_access_keys WHERE id > $2 ORDER BY id LIMIT $3", value("sealed_secret"))
        }
        SealedColumn::KmsKeys => format!(
            "SELECT v.id, k.key_id, v.version, {} FROM kms_key_versions v JOIN kms_keys k ON k.id = v.kms_key_id \
             WHERE v.id > $2 ORDER BY v.id LIMIT $3",
            value("v.sealed")
        ),
        SealedColumn::Secrets => format!(
            "SELECT v.secret_id, v.version_id, s.account_id, s.region, s.name, s.suffix, {} FROM secret_versions v \
             JOIN secrets s ON s.id = v.secret_id WHERE (v.secret_id, v.version_id) > ($2, $3) \
             ORDER BY v.secret_id, v.version_id LIMIT $4",
            value("v.sealed")
        ),
    }
}

/// Up to `limit` values of a place from the first after `cursor` (empty: the first), in the order of their cursors. Their
/// content comes with those whose head is less than `head`.
pub fn list(
    tx: &mut dyn Tx,
    place: SealedColumn,
    cursor: &str,
    head: [u8; SEALED_HEAD],
    limit: usize,
) -> Result<Vec<SealedValue>, StoreError> {
    let number = |text: &str| -> Result<Value, StoreError> {
        if text.is_empty() {
            Ok(0_i64.into())
        } else {
            Ok(parse_column::<i64>(text, "reseal_searches.place_cursor")?.into())
        }
    };
    let mut params: Vec<Value> = vec![head.as_slice().into()];
    match place {
        SealedColumn::Blobs | SealedColumn::KmsKeys | SealedColumn::LayerFacts | SealedColumn::ImageScans => {
            params.extend([number(cursor)?, count(limit)]);
        }
        SealedColumn::Uploads | SealedColumn::UploadStates | SealedColumn::AccessKeys => {
            params.extend([cursor.into(), count(limit)]);
        }
        SealedColumn::Manifests => {
            params.extend([number(cursor)?, count(limit), number(cursor)?, count(limit), count(limit)]);
        }
        SealedColumn::Secrets => {
            let (secret, version) = cursor.split_once('/').unwrap_or(("", ""));
            params.extend([number(secret)?, version.into(), count(limit)]);
        }
    }
    tx.query(&query(place), &params)?.iter().map(|row| from_row(place, row)).collect()
}

fn from_row(place: SealedColumn, row: &Row) -> Result<SealedValue, StoreError> {
    let registry = |at: usize| -> Result<RegistryId, StoreError> {
        Ok(RegistryId {
            account: parse_column(row.text(at)?, "account_id")?,
            region: parse_column(row.text(at + 1)?, "region")?,
        })
    };
    let sealed = |at: usize| row.opt_blob(at).map(|value| value.map(<[u8]>::to_vec));
    Ok(match place {
        SealedColumn::Blobs | SealedColumn::LayerFacts | SealedColumn::ImageScans => SealedValue {
            cursor: row.int(0)?.to_string(),
            subject: Subject::Object(parse_column(row.text(1)?, "object_id")?),
            sealed: sealed(2)?,
        },
        SealedColumn::Uploads => SealedValue {
            cursor: row.text(0)?.to_owned(),
            subject: Subject::Object(parse_column(row.text(1)?, "object_id")?),
            sealed: sealed(2)?,
        },
        SealedColumn::UploadStates => SealedValue {
            cursor: row.text(0)?.to_owned(),
            subject: Subject::UploadState(parse_column(row.text(0)?, "uploads.id")?),
            sealed: sealed(1)?,
        },
        SealedColumn::Manifests => SealedValue {
            cursor: row.int(0)?.to_string(),
            subject: Subject::Manifest {
                registry: registry(1)?,
                repository: parse_column(row.text(3)?, "repository name")?,
                digest: parse_column(row.text(4)?, "digest")?,
            },
            sealed: sealed(5)?,
        },
        SealedColumn::AccessKeys => SealedValue {
            cursor: row.text(0)?.to_owned(),
            subject: Subject::AccessKey(row.text(0)?.to_owned()),
            sealed: sealed(1)?,
        },
        SealedColumn::KmsKeys => SealedValue {
            cursor: row.int(0)?.to_string(),
            subject: Subject::KmsKeyVersion {
                key_id: parse_column(row.text(1)?, "kms_keys.key_id")?,
                version: parse_column(&row.int(2)?.to_string(), "kms_key_versions.version")?,
            },
            sealed: sealed(3)?,
        },
        SealedColumn::Secrets => SealedValue {
            cursor: format!("{}/{}", row.int(0)?, row.text(1)?),
            subject: Subject::SecretVersion {
                arn: secrets::arn(&registry(2)?, &format!("{}-{}", row.text(4)?, row.text(5)?)),
                version_id: row.text(1)?.to_owned(),
            },
            sealed: sealed(6)?,
        },
    })
}

/// Puts a new sealing of a value in place of `old`; `false` if that has changed or is gone.
pub fn replace(
    tx: &mut dyn Tx,
    place: SealedColumn,
    value: &SealedValue,
    old: &[u8],
    new: &[u8],
) -> Result<bool, StoreError> {
    let id = |cursor: &str| parse_column::<i64>(cursor, "reseal_searches.place_cursor");
    let mut update = |table: &str, column: &str, id: Value| {
        tx.execute(
            &format!("UPDATE {table} SET {column} = $1 WHERE id = $2 AND {column} = $3"),
            &[new.into(), id, old.into()],
        )
    };
    let cursor = value.cursor.as_str();
    let changed = match place {
        SealedColumn::Blobs => update("blobs", "data_key", id(cursor)?.into())?,
        SealedColumn::LayerFacts => update("layer_facts", "data_key", id(cursor)?.into())?,
        SealedColumn::ImageScans => update("image_scans", "data_key", id(cursor)?.into())?,
        SealedColumn::Uploads => update("uploads", "data_key", cursor.into())?,
        SealedColumn::UploadStates => update("uploads", "state", cursor.into())?,
        SealedColumn::Manifests => match update("images", "manifest", id(cursor)?.into())? {
            0 => update("deleted_images", "manifest", id(cursor)?.into())?,
            changed => changed,
        },
        SealedColumn::KmsKeys => update("kms_key_versions", "sealed", id(cursor)?.into())?,
        SealedColumn::AccessKeys => update("iam_access_keys", "sealed_secret", cursor.into())?,
        SealedColumn::Secrets => {
            let (secret, version) = cursor.split_once('/').unwrap_or(("", ""));
            tx.execute(
                "UPDATE secret_versions SET sealed = $1 WHERE secret_id = $2 AND version_id = $3 AND sealed = $4",
                &[new.into(), id(secret)?.into(), version.into(), old.into()],
            )?
        }
    };
    Ok(changed == 1)
}
