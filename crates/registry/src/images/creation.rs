//! The one way in which Wharf itself creates a repository: by the creation template for its name, or with defaults.
//!
//! Everything here is part of the caller's transaction and may run at the same time for the same name: one creates, and
//! the others find what it made.

use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::creation_templates::{self, CreationTemplate, Scenario};
use store::tables::repositories::{self, EncryptionType, NewRepository, Repository, RepositoryRef, TagMutability};
use store::tables::{lifecycle_policies, repository_policies, resource_tags};

use super::changes::{self, Cause, Change};
use super::encryption::{self, Encryption};
use super::errors::RegistryError;
use super::quotas;
use super::repositories::{not_found, require};

/// What became of a repository that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It was there.
    Existing(Repository),
    /// It was made.
    Created(Repository),
    /// It is not there, and nothing says that Wharf may make it: only for [`Scenario::CreateOnPush`].
    NotCovered,
}

/// What a push does when its repository is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfAbsent {
    /// It fails.
    Refuse,
    /// It creates the repository if a template covers the name. For callers who may create it.
    Create {
        /// How many repositories the registry may have.
        repository_quota: u64,
    },
}

/// Makes sure that a repository is there.
///
/// The template with the longest prefix of those for the occasion says what the repository is like; without one it gets
/// the defaults (mutable tags, AES256, nothing else), but a push creates nothing without one
/// (reference/replication-cache-templates.md 3). The caller has decided that whoever asks may have it created.
///
/// `encryption` is what [`before_push`](super::before_push) found out before the transaction. Fails with
/// [`RegistryError::TooManyRepositories`] if the registry would have more than `quota`.
pub fn create_automatically(
    tx: &mut dyn Tx,
    repository: &RepositoryRef,
    scenario: Scenario,
    encryption: &Encryption,
    quota: u64,
    cause: &Cause,
) -> Result<Creation, RegistryError> {
    if let Some(existing) = repositories::find(tx, repository)? {
        encryption.require_of(&existing)?;
        return Ok(Creation::Existing(existing));
    }
    let template = creation_templates::find_for(tx, repository, scenario)?;
    if template.is_none() && scenario == Scenario::CreateOnPush {
        return Ok(Creation::NotCovered);
    }
    let new = new_repository(repository, template.as_ref(), encryption, cause.at_ms)?;
    let Some(created) = repositories::insert(tx, &new)? else {
        let existing = repositories::find(tx, repository)?.ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Conflict,
                format!("repository {} was taken and is gone again", repository.name),
            )
        })?;
        encryption.require_of(&existing)?;
        return Ok(Creation::Existing(existing));
    };
    quotas::require_room_for_inserted(tx, &repository.registry, quota)?;
    encryption::make_grants(tx, &created)?;
    if let Some(template) = &template {
        // ECR takes these rights from the template's custom role, because its own service role only creates
        // repositories. Wharf asks no other service for them, so tags and policies work without a role.
        for (key, value) in &template.resource_tags {
            resource_tags::upsert(tx, created.id, key, value)?;
        }
        if let Some(policy) = &template.repository_policy {
            repository_policies::set(tx, created.id, Some(policy))?;
        }
        if let Some(policy) = &template.lifecycle_policy {
            lifecycle_policies::upsert(tx, created.id, policy, cause.at_ms)?;
        }
    }
    changes::note(tx, cause, &created, &Change::RepositoryCreated)?;
    Ok(Creation::Created(created))
}

/// The repository of a push; created if it is not there, `if_absent` says so and a template covers it.
pub fn require_for_push(
    tx: &mut dyn Tx,
    repository: &RepositoryRef,
    if_absent: IfAbsent,
    encryption: &Encryption,
    cause: &Cause,
) -> Result<Repository, RegistryError> {
    let IfAbsent::Create { repository_quota } = if_absent else {
        let repository = require(tx, repository)?;
        encryption.require_of(&repository)?;
        return Ok(repository);
    };
    match create_automatically(tx, repository, Scenario::CreateOnPush, encryption, repository_quota, cause)? {
        Creation::Existing(repository) | Creation::Created(repository) => Ok(repository),
        Creation::NotCovered => Err(not_found(repository)),
    }
}

/// Whether a push to a repository that is not there would create it, as far as templates have a say.
pub fn covers_push(tx: &mut dyn Tx, repository: &RepositoryRef) -> Result<bool, StoreError> {
    Ok(creation_templates::find_for(tx, repository, Scenario::CreateOnPush)?.is_some())
}

fn new_repository(
    repository: &RepositoryRef,
    template: Option<&CreationTemplate>,
    encryption: &Encryption,
    now_ms: i64,
) -> Result<NewRepository, RegistryError> {
    let defaults = NewRepository {
        registry: repository.registry.clone(),
        name: repository.name.clone(),
        created_at_ms: now_ms,
        tag_mutability: TagMutability::Mutable,
        tag_mutability_filters: Vec::new(),
        scan_on_push: false,
        encryption_type: encryption.encryption_type,
        kms_key: encryption.kms_key(),
    };
    let Some(template) = template else {
        return Ok(NewRepository { encryption_type: EncryptionType::Aes256, kms_key: None, ..defaults });
    };
    if template.encryption_type != defaults.encryption_type
        || (template.kms_key.is_some() && template.kms_key != defaults.kms_key)
    {
        let text = format!("the creation template {} has changed in the middle of a push", template.prefix);
        return Err(StoreError::new(StoreErrorKind::Busy, text).into());
    }
    Ok(NewRepository {
        tag_mutability: template.tag_mutability,
        tag_mutability_filters: template.tag_mutability_filters.clone(),
        ..defaults
    })
}
