//! Deletion protection: what of a repository may not be deleted.

use std::fmt;

use oci::{Digest, RepositoryName, TagFilter};

use super::parse_column;
use super::registry_id::RegistryId;
use super::repositories::count;
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;

stored_enum! {
    /// A kind of target.
    pub enum ProtectionKind {
        /// [`ProtectionTarget::Repository`].
        Repository = "REPOSITORY",
        /// [`ProtectionTarget::Tags`].
        Tags = "TAGS",
        /// [`ProtectionTarget::Digest`].
        Digest = "DIGEST",
    }
}

/// What is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtectionTarget {
    /// The repository with all that is in it.
    Repository,
    /// Images with a tag that matches, now or later.
    Tags(TagFilter),
    /// One image.
    Digest(Digest),
}

impl ProtectionTarget {
    /// The kind, as it is stored.
    const fn kind(&self) -> &'static str {
        let kind = match self {
            Self::Repository => ProtectionKind::Repository,
            Self::Tags(_) => ProtectionKind::Tags,
            Self::Digest(_) => ProtectionKind::Digest,
        };
        kind.as_str()
    }

    /// What the kind needs beside it, as it is stored.
    fn target(&self) -> String {
        match self {
            Self::Repository => String::new(),
            Self::Tags(filter) => filter.to_string(),
            Self::Digest(digest) => digest.to_string(),
        }
    }

    fn of_columns(kind: &str, target: &str) -> Result<Self, StoreError> {
        let column = "image_protections.target";
        match parse_column(kind, "image_protections.kind")? {
            ProtectionKind::Repository => Ok(Self::Repository),
            ProtectionKind::Tags => parse_column(target, column).map(Self::Tags),
            ProtectionKind::Digest => parse_column(target, column).map(Self::Digest),
        }
    }
}

/// As it follows the repository's name: nothing, `:TAGS` or `@DIGEST`.
impl fmt::Display for ProtectionTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository => Ok(()),
            Self::Tags(filter) => write!(f, ":{filter}"),
            Self::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

/// One protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The repository.
    pub repository: RepositoryName,
    /// What of it.
    pub target: ProtectionTarget,
    /// Since when.
    pub created_at_ms: i64,
    /// The ARN of who asked for it.
    pub created_by: String,
}

fn from_row(row: &Row) -> Result<Protection, StoreError> {
    Ok(Protection {
        repository: parse_column(row.text(0)?, "repositories.name")?,
        target: ProtectionTarget::of_columns(row.text(1)?, row.text(2)?)?,
        created_at_ms: row.int(3)?,
        created_by: row.text(4)?.to_owned(),
    })
}

/// Protects; `false` if it is protected so already.
pub fn insert(
    tx: &mut dyn Tx,
    repository_id: i64,
    target: &ProtectionTarget,
    created_at_ms: i64,
    created_by: &str,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "INSERT INTO image_protections (repository_id, kind, target, created_at_ms, created_by) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (repository_id, kind, target) DO NOTHING",
        &[repository_id.into(), target.kind().into(), target.target().into(), created_at_ms.into(), created_by.into()],
    )?;
    Ok(changed == 1)
}

/// Ends a protection; `false` if there is none.
pub fn delete(tx: &mut dyn Tx, repository_id: i64, target: &ProtectionTarget) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "DELETE FROM image_protections WHERE repository_id = $1 AND kind = $2 AND target = $3",
        &[repository_id.into(), target.kind().into(), target.target().into()],
    )?;
    Ok(changed == 1)
}

/// All that is protected in a repository, in order. The caller of [`insert`] keeps their number small.
pub fn targets(tx: &mut dyn Tx, repository_id: i64) -> Result<Vec<ProtectionTarget>, StoreError> {
    tx.query(
        "SELECT kind, target FROM image_protections WHERE repository_id = $1 ORDER BY kind, target",
        &[repository_id.into()],
    )?
    .iter()
    .map(|row| ProtectionTarget::of_columns(row.text(0)?, row.text(1)?))
    .collect()
}

/// Where a page of [`list`] begins: after the protection with this repository name and target. The default is the
/// first page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// Repository name.
    pub repository: String,
    /// The kind, as stored.
    pub kind: String,
    /// The target, as stored.
    pub target: String,
}

impl From<&Protection> for After {
    fn from(protection: &Protection) -> Self {
        Self {
            repository: protection.repository.to_string(),
            kind: protection.target.kind().to_owned(),
            target: protection.target.target(),
        }
    }
}

/// Up to `limit` protections of one repository or of all in a registry, ordered by repository, kind and target.
pub fn list(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    repository: Option<&RepositoryName>,
    after: &After,
    limit: usize,
) -> Result<Vec<Protection>, StoreError> {
    // `{` sorts after everything that a name can have.
    let (from, to) = repository.map_or(("", "{"), |name| (name.as_str(), name.as_str()));
    tx.query(
        "SELECT r.name, p.kind, p.target, p.created_at_ms, p.created_by FROM repositories r \
         JOIN image_protections p ON p.repository_id = r.id WHERE r.account_id = $1 AND r.region = $2 \
         AND r.name >= $3 AND r.name <= $4 AND (r.name, p.kind, p.target) > ($5, $6, $7) \
         ORDER BY r.name, p.kind, p.target LIMIT $8",
        &[
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            from.into(),
            to.into(),
            after.repository.as_str().into(),
            after.kind.as_str().into(),
            after.target.as_str().into(),
            count(limit),
        ],
    )?
    .iter()
    .map(from_row)
    .collect()
}
