//! Changes of repositories and images, and what follows from them: the one place that every change is told to, in its
//! own transaction, so that what follows is never lost and never early.

use std::sync::Arc;

use oci::{Digest, MediaType};
use store::db::Tx;
use store::error::StoreError;
use store::tables::images::ImageStatus;
use store::tables::lifecycle_changes;
use store::tables::repositories::Repository;

use super::followers::Followers;
use crate::Registry;

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The principal of a request, by its ARN.
    Principal(Arc<str>),
    /// A repository's lifecycle policy.
    Lifecycle,
    /// Replication from another registry. What it brings is not replicated on (reference/replication-cache-templates.md 1).
    Replication,
    /// A pull through cache rule.
    PullThroughCache,
    /// The registry itself, as it ends what somebody has begun.
    Service,
}

impl Actor {
    /// How events name it: the principal's ARN, or what of Wharf it is.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Principal(arn) => arn,
            Self::Lifecycle => "lifecycle",
            Self::Replication => "replication",
            Self::PullThroughCache => "pull-through-cache",
            Self::Service => "registry",
        }
    }
}

/// By whom, when and for whom a change is made.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Who makes it.
    pub actor: Actor,
    /// When.
    pub at_ms: i64,
    /// Whom to tell.
    pub followers: Arc<Followers>,
}

impl Cause {
    /// A change that is made now.
    pub fn now(app: &Registry, actor: Actor) -> Self {
        Self { actor, at_ms: app.now_ms(), followers: Arc::clone(&app.followers) }
    }

    /// A change that a request makes now.
    pub fn of_caller(app: &Registry, caller: &access::auth::caller::Caller) -> Self {
        Self::now(app, Actor::Principal(caller.arn().into()))
    }
}

/// What has changed.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// A repository was made.
    RepositoryCreated,
    /// A repository was deleted, with all that was in it.
    RepositoryDeleted,
    /// An image was pushed, or a tag was given to one that was there.
    ImagePushed {
        /// Which.
        image: ChangedImage<'a>,
        /// The tag that it was pushed with.
        tag: Option<&'a str>,
    },
    /// An image was deleted with its tags, or only some of its tags were.
    ImageDeleted {
        /// Which.
        image: ChangedImage<'a>,
        /// The tags that went.
        tags: &'a [String],
        /// Whether the image went, too.
        is_gone: bool,
    },
    /// An image was archived, is being restored, or is back from the archive.
    ImageStatusChanged {
        /// Which.
        image: ChangedImage<'a>,
        /// What it is now.
        status: ImageStatus,
    },
    /// An image that was deleted is back.
    ImageRestored {
        /// Which.
        image: ChangedImage<'a>,
        /// The tags that came back with it.
        tags: &'a [String],
    },
}

/// The image that a change is about.
#[derive(Clone, Copy, Debug)]
pub struct ChangedImage<'a> {
    /// Its digest.
    pub digest: &'a Digest,
    /// Its manifest's media type, unless what is stored of it is damaged.
    pub media_type: Option<&'a MediaType>,
    /// ECR's `artifactMediaType`.
    pub artifact_media_type: Option<&'a str>,
    /// Whether it refers to another image.
    pub is_referrer: bool,
}

impl<'a> From<&'a store::tables::images::Image> for ChangedImage<'a> {
    fn from(image: &'a store::tables::images::Image) -> Self {
        Self {
            digest: &image.digest,
            media_type: image.media_type.as_ref(),
            artifact_media_type: image.artifact_media_type.as_deref(),
            is_referrer: image.subject.is_some(),
        }
    }
}

impl<'a> From<&'a store::tables::images::NewImage> for ChangedImage<'a> {
    fn from(image: &'a store::tables::images::NewImage) -> Self {
        Self {
            digest: &image.digest,
            media_type: Some(&image.media_type),
            artifact_media_type: image.artifact_media_type.as_deref(),
            is_referrer: image.subject.is_some(),
        }
    }
}

/// Notes what follows from a change. Whoever changes something calls this in the transaction that does it.
pub fn note(tx: &mut dyn Tx, cause: &Cause, repository: &Repository, change: &Change<'_>) -> Result<(), StoreError> {
    tracing::debug!(
        repository = %repository.spec.name,
        actor = ?cause.actor,
        "change in {}: {change:?}", repository.spec.name
    );
    cause.followers.follow(tx, cause, repository, change)?;
    match change {
        // A run of the policy knows what it does itself.
        Change::ImageDeleted { image, .. } | Change::ImageStatusChanged { image, .. }
            if cause.actor != Actor::Lifecycle =>
        {
            lifecycle_changes::note(tx, repository.id, image.digest)
        }
        Change::ImageRestored { image, tags } if !tags.is_empty() => {
            lifecycle_changes::note(tx, repository.id, image.digest)
        }
        // Whoever adds something to an image that was there, or takes a tag from one, notes that itself: an image that
        // is only added takes nothing away from what a run has decided.
        Change::ImagePushed { .. }
        | Change::ImageDeleted { .. }
        | Change::ImageStatusChanged { .. }
        | Change::ImageRestored { .. }
        | Change::RepositoryCreated
        | Change::RepositoryDeleted => Ok(()),
    }
}
