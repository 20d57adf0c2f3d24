//! Repositories: what a registry's images live in.

use oci::{RepositoryName, Tag, TagFilter};

use super::kms_keys::KmsKeyArn;
use super::parse_column;
use super::registry_id::RegistryId;
use crate::db::{Row, Tx, Value};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable_page;

stored_enum! {
    /// Whether a tag may move to another image (ECR: `imageTagMutability`), in the order in which ECR's messages list them.
    pub enum TagMutability {
        /// Every tag may move.
        Mutable = "MUTABLE",
        /// No tag may move.
        Immutable = "IMMUTABLE",
        /// No tag may move, but those that match a filter may.
        ImmutableWithExclusion = "IMMUTABLE_WITH_EXCLUSION",
        /// Tags may move, but those that match a filter may not.
        MutableWithExclusion = "MUTABLE_WITH_EXCLUSION",
    }
}

impl TagMutability {
    /// Whether this mode is the kind that takes exclusion filters.
    pub const fn takes_filters(self) -> bool {
        matches!(self, Self::MutableWithExclusion | Self::ImmutableWithExclusion)
    }
}

stored_enum! {
    /// What a repository is encrypted with (ECR: `EncryptionType`), in the order in which ECR's messages list them.
    pub enum EncryptionType {
        /// The server's keys alone, which is what it is unless something else is said.
        Aes256 = "AES256",
        /// A KMS key.
        Kms = "KMS",
        /// A KMS key, and the server's keys around that.
        KmsDsse = "KMS_DSSE",
    }
}

/// A repository by its name, which need not be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepositoryRef {
    /// Its registry.
    pub registry: RegistryId,
    /// Its name.
    pub name: RepositoryName,
}

/// What a repository is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRepository {
    /// Its registry.
    pub registry: RegistryId,
    /// Its name, unique in the registry.
    pub name: RepositoryName,
    /// Creation time.
    pub created_at_ms: i64,
    /// Whether tags may move.
    pub tag_mutability: TagMutability,
    /// The exclusions from `tag_mutability`; empty unless the mode takes them.
    pub tag_mutability_filters: Vec<TagFilter>,
    /// Whether a push starts a scan.
    pub scan_on_push: bool,
    /// What it is encrypted with.
    pub encryption_type: EncryptionType,
    /// The ARN of the KMS key, for the KMS types.
    pub kms_key: Option<KmsKeyArn>,
}

/// A stored repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The row's key.
    pub id: i64,
    /// What it was created with, as changed since.
    pub spec: NewRepository,
}

impl Repository {
    /// Whether `tag` may not be moved once it exists.
    pub fn is_immutable(&self, tag: &Tag) -> bool {
        let excluded = || self.spec.tag_mutability_filters.iter().any(|filter| filter.matches(tag));
        match self.spec.tag_mutability {
            TagMutability::Mutable => false,
            TagMutability::Immutable => true,
            TagMutability::MutableWithExclusion => excluded(),
            TagMutability::ImmutableWithExclusion => !excluded(),
        }
    }

    /// The key domain that this repository's blobs are encrypted and shared in.
    pub fn encryption_scope(&self) -> String {
        encryption_scope(self.spec.encryption_type.as_str(), self.spec.kms_key.as_ref().map(KmsKeyArn::as_str))
    }
}

/// The name of a key domain: what is stored under one type and key is shared there, and nowhere else.
pub(crate) fn encryption_scope(encryption_type: &str, kms_key: Option<&str>) -> String {
    match kms_key {
        None => encryption_type.to_owned(),
        Some(key) if encryption_type == EncryptionType::Kms.as_str() => key.to_owned(),
        Some(key) => format!("{encryption_type} {key}"),
    }
}

/// The type, and the ARN of the KMS key if there is one, that a key domain is named by; `None` if none has that name.
pub fn encryption_of_scope(scope: &str) -> Option<(EncryptionType, Option<KmsKeyArn>)> {
    match scope.split_once(' ') {
        Some((encryption_type, key)) => Some((encryption_type.parse().ok()?, Some(key.parse().ok()?))),
        None if scope.starts_with("arn:") => Some((EncryptionType::Kms, Some(scope.parse().ok()?))),
        None => Some((scope.parse().ok()?, None)),
    }
}

const COLUMNS: &str = "id, account_id, region, name, created_at_ms, tag_mutability, tag_mutability_filters, \
                       scan_on_push, encryption_type, kms_key";

fn from_row(row: &Row) -> Result<Repository, StoreError> {
    Ok(Repository {
        id: row.int(0)?,
        spec: NewRepository {
            registry: RegistryId {
                account: parse_column(row.text(1)?, "repositories.account_id")?,
                region: parse_column(row.text(2)?, "repositories.region")?,
            },
            name: parse_column(row.text(3)?, "repositories.name")?,
            created_at_ms: row.int(4)?,
            tag_mutability: parse_column(row.text(5)?, "repositories.tag_mutability")?,
            tag_mutability_filters: split_filters(row.text(6)?, "repositories.tag_mutability_filters")?,
            scan_on_push: row.bool(7)?,
            encryption_type: parse_column(row.text(8)?, "repositories.encryption_type")?,
            kms_key: row.opt_text(9)?.map(|text| parse_column(text, "repositories.kms_key")).transpose()?,
        },
    })
}

/// Filters never hold a space (ECR: `^[0-9a-zA-Z._*-]{1,128}$`), so one separates them in the column.
pub(crate) fn join_filters(filters: &[TagFilter]) -> String {
    filters.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Undoes [`join_filters`].
pub(crate) fn split_filters(text: &str, column: &str) -> Result<Vec<TagFilter>, StoreError> {
    text.split_whitespace().map(|filter| parse_column(filter, column)).collect()
}

/// Adds a repository; `None` if the name is taken.
pub fn insert(tx: &mut dyn Tx, new: &NewRepository) -> Result<Option<Repository>, StoreError> {
    let row = tx.query_opt(
        "INSERT INTO repositories (account_id, region, name, created_at_ms, tag_mutability, tag_mutability_filters, \
         scan_on_push, encryption_type, kms_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (account_id, region, name) DO NOTHING RETURNING id",
        &[
            new.registry.account.as_str().into(),
            new.registry.region.as_str().into(),
            new.name.as_str().into(),
            new.created_at_ms.into(),
            new.tag_mutability.as_str().into(),
            join_filters(&new.tag_mutability_filters).into(),
            new.scan_on_push.into(),
            new.encryption_type.as_str().into(),
            new.kms_key.as_ref().map(KmsKeyArn::as_str).into(),
        ],
    )?;
    row.map(|row| Ok(Repository { id: row.int(0)?, spec: new.clone() })).transpose()
}

/// The repository of that name.
pub fn find(tx: &mut dyn Tx, repository: &RepositoryRef) -> Result<Option<Repository>, StoreError> {
    let RepositoryRef { registry, name } = repository;
    tx.query_opt(
        &format!("SELECT {COLUMNS} FROM repositories WHERE account_id = $1 AND region = $2 AND name = $3"),
        &[registry.account.as_str().into(), registry.region.as_str().into(), name.as_str().into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// The repository of that row.
pub fn find_by_id(tx: &mut dyn Tx, id: i64) -> Result<Option<Repository>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM repositories WHERE id = $1"), &[id.into()])?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// Up to `limit` names of repositories in order, from the first after `after` (an empty text: the first).
pub fn list_names(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    after: &str,
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    readable_page(
        tx,
        limit,
        "repositories",
        "SELECT name FROM repositories WHERE account_id = $1 AND region = $2 AND name > $3 ORDER BY name LIMIT $4",
        &[registry.account.as_str().into(), registry.region.as_str().into(), after.into()],
        |row| Ok(row.text(0)?.to_owned()),
    )
}

/// Up to `limit` repositories in the order of their names, from the first after `after` (an empty text: the first).
pub fn list(tx: &mut dyn Tx, registry: &RegistryId, after: &str, limit: usize) -> Result<Vec<Repository>, StoreError> {
    readable_page(
        tx,
        limit,
        "repositories",
        &format!(
            "SELECT {COLUMNS} FROM repositories WHERE account_id = $1 AND region = $2 AND name > $3 \
             ORDER BY name LIMIT $4"
        ),
        &[registry.account.as_str().into(), registry.region.as_str().into(), after.into()],
        from_row,
    )
}

/// How many repositories a registry has; counts no further than `limit`.
pub fn count_up_to(tx: &mut dyn Tx, registry: &RegistryId, limit: u64) -> Result<u64, StoreError> {
    let row = tx.query_opt(
        "SELECT count(*) FROM (SELECT 1 FROM repositories WHERE account_id = $1 AND region = $2 LIMIT $3) counted",
        &[
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            count(usize::try_from(limit).unwrap_or(usize::MAX)),
        ],
    )?;
    row.map_or(Ok(0), |row| Ok(row.int(0)? as u64))
}

/// Changes whether tags may move. Existing tags stay as they are.
pub fn set_tag_mutability(
    tx: &mut dyn Tx,
    id: i64,
    mode: TagMutability,
    filters: &[TagFilter],
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE repositories SET tag_mutability = $1, tag_mutability_filters = $2 WHERE id = $3",
        &[mode.as_str().into(), join_filters(filters).into(), id.into()],
    )?;
    Ok(())
}

/// For how many days deleted images of the repository can be restored; none if the server's setting holds.
pub fn restore_window_days(tx: &mut dyn Tx, id: i64) -> Result<Option<i64>, StoreError> {
    match tx.query_opt("SELECT restore_window_days FROM repositories WHERE id = $1", &[id.into()])? {
        Some(row) => row.opt_int(0),
        None => Ok(None),
    }
}

/// Changes for how many days images can be restored that are deleted from now on; none for the server's setting.
pub fn set_restore_window_days(tx: &mut dyn Tx, id: i64, days: Option<i64>) -> Result<(), StoreError> {
    tx.execute("UPDATE repositories SET restore_window_days = $1 WHERE id = $2", &[days.into(), id.into()])?;
    Ok(())
}

/// Changes whether images are scanned when they are pushed.
pub fn set_scan_on_push(tx: &mut dyn Tx, id: i64, scan_on_push: bool) -> Result<(), StoreError> {
    tx.execute("UPDATE repositories SET scan_on_push = $1 WHERE id = $2", &[scan_on_push.into(), id.into()])?;
    Ok(())
}

/// Removes the row. The caller has removed all that names it.
pub fn delete(tx: &mut dyn Tx, id: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM repositories WHERE id = $1", &[id.into()])?;
    Ok(())
}

/// A `LIMIT` parameter.
pub(crate) fn count(limit: usize) -> Value {
    Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_domains_say_what_they_are_named_by() {
        let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let domains =
            [(EncryptionType::Aes256, None), (EncryptionType::Kms, Some(key)), (EncryptionType::KmsDsse, Some(key))];
        for (encryption_type, key) in domains {
            let scope = encryption_scope(encryption_type.as_str(), key);
            let named = encryption_of_scope(&scope).expect("a key domain");
            assert_eq!((named.0, named.1.as_ref().map(KmsKeyArn::as_str)), (encryption_type, key));
        }
        for damaged in ["", "AES", "KMS_DSSF arn:aws:kms"] {
            assert_eq!(encryption_of_scope(damaged), None, "{damaged}");
        }
    }
}
