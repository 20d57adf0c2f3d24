//! Restoring deleted images and tags, and dropping them for good before their time.

use std::collections::{BTreeSet, HashSet};

use oci::{Digest, Tag};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::deleted_images::{self, DeletedImage, Freed};
use store::tables::deleted_tags::{self, DeletedTag};
use store::tables::images;
use store::tables::kms_keys::KmsKeyArn;
use store::tables::repositories::{NewRepository, Repository, RepositoryRef, TagMutability};
use store::tables::{deleted_repositories, image_tags, repositories, repository_policies};

use super::changes::{self, Cause, Change};
use super::errors::RegistryError;
use super::pull::Selector;
use super::repositories::reference;
use super::storage_class;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Deleted images can be kept for ten years at most.
pub const MAX_RESTORE_WINDOW_DAYS: i64 = 3_650;

/// An image that is in its repository again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Its digest.
    pub digest: Digest,
    /// Whether it was restored; `false` if it was there and only tags were.
    pub is_new: bool,
    /// The tags that it got back.
    pub tags: Vec<Tag>,
    /// The tags that it had and did not get back.
    pub other_tags: Vec<(Tag, TagNotRestored)>,
    /// When the repository was deleted that guarded it, if it was.
    pub guard: Option<i64>,
}

/// Why a tag did not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagNotRestored {
    /// It points at another image by now.
    Taken(Digest),
    /// The image has as many tags as one may have.
    TooManyTags,
}

/// Why nothing was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRestored {
    /// It was never deleted, its time is over, or it was purged.
    NotFound,
    /// The list names images that are neither there nor can be restored.
    ChildrenGone(Vec<Digest>),
    /// The repository of that name is now encrypted with another key.
    OtherEncryption {
        /// The image's type or key.
        image: String,
        /// The repository's type or key.
        repository: String,
    },
}

/// What a selector leads to among all that was deleted.
enum Found {
    /// A deleted image, and perhaps a tag that was taken from it before.
    Image(Box<(DeletedImage, Option<DeletedTag>)>),
    /// A tag that was taken from an image that is still there.
    TagAlone(DeletedTag),
    /// Nothing was deleted: the image is there.
    Present(Digest),
    Nothing,
}

/// Restores what the selector names, as it was: the image with its blobs and the tags that are free, and if it is a
/// list the images that it names. What is there already stays. Nothing is changed when the answer is `NotRestored`.
///
/// An image gets back so many tags that it has `tags_per_image` at most.
/// A tag brings the image back that it pointed at when it was last deleted; a digest, the last deletion of it.
pub fn restore(
    tx: &mut dyn Tx,
    repository: &Repository,
    selector: &Selector,
    tags_per_image: u64,
    cause: &Cause,
) -> Result<Result<Vec<Restored>, NotRestored>, StoreError> {
    let (image, tag) = match find(tx, repository, selector, cause.at_ms)? {
        Found::Image(found) => *found,
        Found::TagAlone(tag) => {
            return restore_tag(tx, repository, &tag, tags_per_image, cause).map(|restored| Ok(vec![restored]));
        }
        Found::Present(digest) => {
            return Ok(Ok(vec![Restored {
                digest,
                is_new: false,
                tags: Vec::new(),
                other_tags: Vec::new(),
                guard: None,
            }]));
        }
        Found::Nothing => return Ok(Err(NotRestored::NotFound)),
    };
    let plan = match plan(tx, repository, image, cause.at_ms)? {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut restored = Vec::new();
    for image in &plan {
        // The tag that was asked for belongs to the first.
        let own = tag.as_ref().filter(|_| restored.is_empty());
        restored.push(restore_image(tx, repository, image, own, tags_per_image, cause)?);
    }
    Ok(Ok(restored))
}

fn find(tx: &mut dyn Tx, repository: &Repository, selector: &Selector, now_ms: i64) -> Result<Found, StoreError> {
    let place = reference(repository);
    let (tag, digest) = match selector {
        Selector::Tag(tag) => (tag, None),
        Selector::Both(tag, digest) => (tag, Some(digest)),
        Selector::Digest(digest) => {
            if let Some(image) = deleted_images::find_newest(tx, &place, digest, now_ms)? {
                return Ok(Found::Image(Box::new((image, None))));
            }
            let is_present = images::find(tx, repository.id, digest)?.is_some();
            return Ok(if is_present { Found::Present(*digest) } else { Found::Nothing });
        }
    };
    let Some(found) = deleted_tags::find_newest(tx, &place, tag, digest, now_ms)? else {
        let present = images::find_by_tag(tx, repository.id, tag.as_str())?;
        let present = present.filter(|image| digest.is_none_or(|digest| *digest == image.digest));
        return Ok(present.map_or(Found::Nothing, |image| Found::Present(image.digest)));
    };
    if let Some(id) = found.deleted_image_id {
        return Ok(deleted_images::find(tx, id)?.map_or(Found::Nothing, |image| Found::Image(Box::new((image, None)))));
    }
    if images::find(tx, repository.id, &found.digest)?.is_some() {
        return Ok(Found::TagAlone(found));
    }
    let image = deleted_images::find_newest(tx, &place, &found.digest, now_ms)?;
    Ok(image.map_or(Found::Nothing, |image| Found::Image(Box::new((image, Some(found))))))
}

/// The image and all that must come back with it.
fn plan(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: DeletedImage,
    now_ms: i64,
) -> Result<Result<Vec<DeletedImage>, NotRestored>, StoreError> {
    let place = reference(repository);
    let mut seen = HashSet::from([image.digest]);
    let mut plan = vec![image];
    let mut gone = Vec::new();
    let mut at = 0;
    while let Some(image) = plan.get(at) {
        at += 1;
        if image.encryption_scope() != repository.encryption_scope() {
            return Ok(Err(NotRestored::OtherEncryption {
                image: image.encryption_scope(),
                repository: repository.encryption_scope(),
            }));
        }
        for child in deleted_images::children(tx, image.id)? {
            if !seen.insert(child) || images::find(tx, repository.id, &child)?.is_some() {
                continue;
            }
            match deleted_images::find_newest(tx, &place, &child, now_ms)? {
                Some(child) => plan.push(child),
                None => gone.push(child),
            }
        }
    }
    Ok(if gone.is_empty() { Ok(plan) } else { Err(NotRestored::ChildrenGone(gone)) })
}

fn restore_image(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: &DeletedImage,
    taken_before: Option<&DeletedTag>,
    tags_per_image: u64,
    cause: &Cause,
) -> Result<Restored, StoreError> {
    let mut tags = deleted_tags::list_of_image(tx, image.id)?;
    if let Some(tag) = taken_before {
        deleted_tags::delete(tx, tag.id)?;
        tags.push(tag.clone());
    }
    let present = images::find(tx, repository.id, &image.digest)?;
    let image_id = present.as_ref().map_or(image.id, |present| present.id);
    match &present {
        // Pushed again since: that one stays, and only tags can come back.
        Some(_) => drop(deleted_images::drop_one(tx, image.id)?),
        None => {
            deleted_images::restore(tx, image.id, repository.id, cause.at_ms)?;
            storage_class::resume(tx, repository, image.id, cause)?;
        }
    }
    let mut restored = Restored {
        digest: image.digest,
        is_new: present.is_none(),
        tags: Vec::new(),
        other_tags: Vec::new(),
        guard: guard_of(tx, image)?,
    };
    give_back(tx, repository, image_id, tags, tags_per_image, &mut restored)?;
    note_restored(tx, repository, &restored, cause)?;
    Ok(restored)
}

/// When the repository was deleted that guarded an image; none if that is still there.
fn guard_of(tx: &mut dyn Tx, image: &DeletedImage) -> Result<Option<i64>, StoreError> {
    let guard = deleted_repositories::find(tx, &image.registry.repository(&image.repository), image.note.at_ms)?;
    Ok(guard.map(|guard| guard.deleted_at_ms))
}

fn restore_tag(
    tx: &mut dyn Tx,
    repository: &Repository,
    tag: &DeletedTag,
    tags_per_image: u64,
    cause: &Cause,
) -> Result<Restored, StoreError> {
    deleted_tags::delete(tx, tag.id)?;
    let mut restored =
        Restored { digest: tag.digest, is_new: false, tags: Vec::new(), other_tags: Vec::new(), guard: None };
    if let Some(image) = images::find(tx, repository.id, &tag.digest)? {
        give_back(tx, repository, image.id, vec![tag.clone()], tags_per_image, &mut restored)?;
        note_restored(tx, repository, &restored, cause)?;
    }
    Ok(restored)
}

/// Gives an image those of its old tags that are free. No tag is taken from another image.
fn give_back(
    tx: &mut dyn Tx,
    repository: &Repository,
    image_id: i64,
    tags: Vec<DeletedTag>,
    tags_per_image: u64,
    restored: &mut Restored,
) -> Result<(), StoreError> {
    let quota = i64::try_from(tags_per_image).unwrap_or(i64::MAX);
    let mut room = quota - image_tags::count_of_image(tx, image_id)?;
    for DeletedTag { tag, tagged_at_ms, .. } in tags {
        match images::find_by_tag(tx, repository.id, tag.as_str())? {
            Some(holder) if holder.id == image_id => {}
            Some(holder) => restored.other_tags.push((tag, TagNotRestored::Taken(holder.digest))),
            None if room <= 0 => restored.other_tags.push((tag, TagNotRestored::TooManyTags)),
            None => {
                room -= 1;
                image_tags::insert(tx, repository.id, &tag, image_id, tagged_at_ms)?;
                restored.tags.push(tag);
            }
        }
    }
    Ok(())
}

fn note_restored(
    tx: &mut dyn Tx,
    repository: &Repository,
    restored: &Restored,
    cause: &Cause,
) -> Result<(), StoreError> {
    if restored.tags.is_empty() && !restored.is_new {
        return Ok(());
    }
    let Some(image) = images::find(tx, repository.id, &restored.digest)? else { return Ok(()) };
    let tags: Vec<String> = restored.tags.iter().map(ToString::to_string).collect();
    changes::note(tx, cause, repository, &Change::ImageRestored { image: (&image).into(), tags: &tags })
}

/// The KMS key that a repository would be encrypted with if it were [created again](recreate_repository); none if it is
/// there, or needs none.
pub fn key_to_recreate(
    tx: &mut dyn Tx,
    place: &RepositoryRef,
    selectors: &[Selector],
    now_ms: i64,
) -> Result<Option<KmsKeyArn>, StoreError> {
    if repositories::find(tx, place)?.is_some() {
        return Ok(None);
    }
    for selector in selectors {
        if let Some(image) = find_deleted(tx, place, selector, now_ms)? {
            return Ok(image.kms_key);
        }
    }
    Ok(None)
}

/// Creates a repository again as deleted images need it: encrypted as it was, and guarded by the policy and settings of the
/// one that was deleted with them, as far as these were noted; with ECR's defaults for the rest. `None` if nothing that the
/// selectors name can be restored. The registry may have `quota` repositories.
///
/// With it comes when the one was deleted whose policy it has. The repository gets grants on its KMS key, which the caller must be allowed to make: `allowed_key` is what it was asked for.
pub fn recreate_repository(
    tx: &mut dyn Tx,
    place: &RepositoryRef,
    selectors: &[Selector],
    allowed_key: Option<&KmsKeyArn>,
    quota: u64,
    cause: &Cause,
) -> Result<Option<(Repository, Option<i64>)>, RegistryError> {
    for selector in selectors {
        let Some(image) = find_deleted(tx, place, selector, cause.at_ms)? else { continue };
        if image.kms_key.is_some() && image.kms_key.as_ref() != allowed_key {
            let text = format!("what can be restored of {} has changed in the middle of a restore", place.name);
            return Err(StoreError::new(StoreErrorKind::Busy, text).into());
        }
        let deleted = deleted_repositories::find(tx, &image.registry.repository(&image.repository), image.note.at_ms)?;
        let new = NewRepository {
            registry: place.registry.clone(),
            name: place.name.clone(),
            created_at_ms: cause.at_ms,
            tag_mutability: deleted.as_ref().map_or(TagMutability::Mutable, |deleted| deleted.tag_mutability),
            tag_mutability_filters: deleted
                .as_ref()
                .map(|deleted| deleted.tag_mutability_filters.clone())
                .unwrap_or_default(),
            scan_on_push: deleted.as_ref().is_some_and(|deleted| deleted.scan_on_push),
            encryption_type: image.encryption_type,
            kms_key: image.kms_key,
        };
        let tags = deleted.as_ref().map_or(&[][..], |deleted| &deleted.resource_tags);
        let repository = super::repositories::create(tx, &new, tags, quota, cause)?;
        if let Some(deleted) = &deleted {
            repository_policies::set(tx, repository.id, deleted.policy.as_deref())?;
            repositories::set_restore_window_days(tx, repository.id, deleted.restore_window_days)?;
        }
        return Ok(Some((repository, deleted.map(|deleted| deleted.deleted_at_ms))));
    }
    Ok(None)
}

/// The deleted image that a selector names, whether or not its repository exists.
fn find_deleted(
    tx: &mut dyn Tx,
    place: &RepositoryRef,
    selector: &Selector,
    now_ms: i64,
) -> Result<Option<DeletedImage>, StoreError> {
    let (tag, digest) = match selector {
        Selector::Digest(digest) => return deleted_images::find_newest(tx, place, digest, now_ms),
        Selector::Tag(tag) => (tag, None),
        Selector::Both(tag, digest) => (tag, Some(digest)),
    };
    match deleted_tags::find_newest(tx, place, tag, digest, now_ms)? {
        Some(DeletedTag { deleted_image_id: Some(id), .. }) => deleted_images::find(tx, id),
        Some(DeletedTag { digest, .. }) => deleted_images::find_newest(tx, place, &digest, now_ms),
        None => Ok(None),
    }
}

/// What was dropped for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// The image; of a tag, the one that it pointed at.
    pub digest: Digest,
    /// The tags that went.
    pub tags: Vec<Tag>,
    /// Images that went.
    pub images: usize,
    /// When the repositories were deleted that guarded them, of those that were.
    pub guards: BTreeSet<i64>,
    /// What nothing of the account needs any more.
    pub freed: Freed,
}

impl Purged {
    fn nothing_of(digest: Digest) -> Self {
        Self { digest, tags: Vec::new(), images: 0, guards: BTreeSet::new(), freed: Freed::default() }
    }
}

/// Drops for good what the selector names: with a digest every deletion of it, with a tag the last deletion of the tag
/// and the image that went with it. `None` if there is nothing.
pub fn purge(
    tx: &mut dyn Tx,
    place: &RepositoryRef,
    selector: &Selector,
    now_ms: i64,
) -> Result<Option<Purged>, StoreError> {
    let (tag, digest) = match selector {
        Selector::Tag(tag) => (tag, None),
        Selector::Both(tag, digest) => (tag, Some(digest)),
        Selector::Digest(digest) => {
            let mut purged = Purged::nothing_of(*digest);
            while let Some(image) = deleted_images::find_newest(tx, place, digest, now_ms)? {
                purge_image(tx, &image, &mut purged)?;
            }
            return Ok((purged.images > 0).then_some(purged));
        }
    };
    let Some(found) = deleted_tags::find_newest(tx, place, tag, digest, now_ms)? else { return Ok(None) };
    let mut purged = Purged::nothing_of(found.digest);
    match found.deleted_image_id {
        Some(id) => {
            if let Some(image) = deleted_images::find(tx, id)? {
                purge_image(tx, &image, &mut purged)?;
            }
        }
        None => {
            deleted_tags::delete(tx, found.id)?;
            purged.tags.push(found.tag);
        }
    }
    Ok(Some(purged))
}

fn purge_image(tx: &mut dyn Tx, image: &DeletedImage, purged: &mut Purged) -> Result<(), StoreError> {
    purged.guards.extend(guard_of(tx, image)?);
    purged.tags.extend(deleted_tags::list_of_image(tx, image.id)?.into_iter().map(|tag| tag.tag));
    purged.freed.add(deleted_images::purge(tx, image.id)?);
    purged.images += 1;
    Ok(())
}

/// The days that deleted images of a repository are kept, and whether the repository says so itself.
pub fn window_days(tx: &mut dyn Tx, repository_id: i64, default_days: i64) -> Result<(i64, bool), StoreError> {
    let own = repositories::restore_window_days(tx, repository_id)?;
    Ok((own.unwrap_or(default_days), own.is_some()))
}
