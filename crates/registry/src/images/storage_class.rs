//! Storage classes of images: archiving, restoring, and what follows from both (reference/repositories-images.md 4).
//!
//! An image is archived at once; the jobs that follow move its layers to the archive's store and archive its referrers.
//! It comes back in two steps: it is activating until every layer is in the standard store again, and every image that
//! it lists is active. Only pushing it again brings it back in one step: its layers are read from where they are, which
//! always works, and move later. A list is archived before what it lists, so that an active list is always whole.

use std::collections::HashSet;

use oci::Digest;
use runtime::jobs::job::enqueue;
use store::blob::Tier;
use store::db::Tx;
use store::error::StoreError;
use store::tables::images::{self, Image, ImageStatus};
use store::tables::repositories::Repository;
use store::tables::repository_blobs;

use super::changes::{self, Cause, Change};
use super::follow_subject::FollowSubject;
use super::move_blob::MoveBlob;
use super::restore_image::RestoreImage;

/// What UpdateImageStorageClass asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageClass {
    /// Can be pulled.
    Standard,
    /// Kept, and restored before it can be pulled.
    Archive,
}

impl StorageClass {
    /// Every class.
    pub const ALL: [Self; 2] = [Self::Standard, Self::Archive];

    /// The value as the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::Archive => "ARCHIVE",
        }
    }
}

/// Why an image stays in its storage class (ECR: `ImageStorageClassUpdateNotSupportedException`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSupported {
    /// It is in that class.
    AlreadyIn(StorageClass),
    /// It is on its way back from the archive.
    Activating,
    /// These lists name it and are not archived.
    Listed(Vec<Digest>),
    /// It follows this image, which it refers to and which is in the other class.
    FollowsSubject(Digest),
}

impl std::fmt::Display for NotSupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AlreadyIn(class) => write!(f, "The image is already in the storage class '{}'", class.as_str()),
            Self::Activating => f.write_str("The image is being restored. Wait until its status is 'ACTIVE'."),
            Self::Listed(lists) => {
                let lists: Vec<String> = lists.iter().map(ToString::to_string).collect();
                write!(f, "Requested image referenced by manifest list: [{}]", lists.join(", "))
            }
            Self::FollowsSubject(subject) => {
                write!(f, "The image refers to the image '{subject}' and follows it from one storage class to another")
            }
        }
    }
}

/// Archives an active image: from now on it cannot be pulled. Its referrers follow by a job, and its layers move to the
/// archive once no active image needs them. Refuses an image that an unarchived list names, and a referrer of an image
/// that is not archived. The images that a list names are not archived with it; they can be, afterwards.
pub fn archive(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: &Image,
    cause: &Cause,
) -> Result<Result<(), NotSupported>, StoreError> {
    match image.status {
        ImageStatus::Active => {}
        ImageStatus::Archived => return Ok(Err(NotSupported::AlreadyIn(StorageClass::Archive))),
        ImageStatus::Activating => return Ok(Err(NotSupported::Activating)),
    }
    let lists: Vec<Digest> = images::parent_images(tx, repository.id, &image.digest)?
        .into_iter()
        .filter(|list| list.status != ImageStatus::Archived)
        .map(|list| list.digest)
        .collect();
    if !lists.is_empty() {
        return Ok(Err(NotSupported::Listed(lists)));
    }
    if let Some(subject) = find_subject(tx, repository, image)?
        && subject.status != ImageStatus::Archived
    {
        return Ok(Err(NotSupported::FollowsSubject(subject.digest)));
    }
    turn(tx, repository, image, ImageStatus::Archived, cause)?;
    release_blobs(tx, repository.id, image.id, cause.at_ms)?;
    Ok(Ok(()))
}

/// Begins to restore an archived image, and the archived images that it lists: they are activating until
/// [`finish_restore`] finds all that they need. Its referrers follow by a job. Refuses a referrer of an archived image.
pub fn begin_restore(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: &Image,
    cause: &Cause,
) -> Result<Result<(), NotSupported>, StoreError> {
    match image.status {
        ImageStatus::Archived => {}
        ImageStatus::Active => return Ok(Err(NotSupported::AlreadyIn(StorageClass::Standard))),
        ImageStatus::Activating => return Ok(Err(NotSupported::Activating)),
    }
    if let Some(subject) = find_subject(tx, repository, image)?
        && subject.status == ImageStatus::Archived
    {
        return Ok(Err(NotSupported::FollowsSubject(subject.digest)));
    }
    activate_listed(tx, repository, image, cause)?;
    Ok(Ok(()))
}

/// Lets an image and those that it lists be on their way back, as far as they are not active.
fn activate_listed(tx: &mut dyn Tx, repository: &Repository, image: &Image, cause: &Cause) -> Result<(), StoreError> {
    for image in with_listed(tx, image)? {
        match image.status {
            ImageStatus::Active => continue,
            ImageStatus::Archived => turn(tx, repository, &image, ImageStatus::Activating, cause)?,
            ImageStatus::Activating => {}
        }
        fetch_blobs(tx, repository.id, image.id, cause.at_ms)?;
        enqueue_restore(tx, repository.id, image.id, cause.at_ms)?;
    }
    Ok(())
}

/// Goes on where a deleted image was when it was deleted, once it is among the images again: meanwhile its layers and
/// the images that it lists may have been archived, or be needed no more.
pub fn resume(tx: &mut dyn Tx, repository: &Repository, image_id: i64, cause: &Cause) -> Result<(), StoreError> {
    let Some(image) = images::find_by_id(tx, repository.id, image_id)? else { return Ok(()) };
    match image.status {
        ImageStatus::Active => {
            fetch_blobs(tx, repository.id, image.id, cause.at_ms)?;
            reactivate(tx, repository, &image, cause)
        }
        ImageStatus::Activating => activate_listed(tx, repository, &image, cause),
        ImageStatus::Archived => release_blobs(tx, repository.id, image.id, cause.at_ms),
    }
}

/// How far an image is on its way back from the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreEnd {
    /// It waits for layers, or for images that it lists.
    Waits,
    /// It has become active now.
    Active(Digest),
    /// It is not on its way: it is back, archived again, or gone.
    Settled,
}

/// Makes an activating image active, if its layers are in the standard store and the images that it lists are active.
pub fn finish_restore(
    tx: &mut dyn Tx,
    repository: &Repository,
    image_id: i64,
    cause: &Cause,
) -> Result<RestoreEnd, StoreError> {
    let Some(image) = images::find_by_id(tx, repository.id, image_id)? else { return Ok(RestoreEnd::Settled) };
    if image.status != ImageStatus::Activating {
        return Ok(RestoreEnd::Settled);
    }
    let blobs = repository_blobs::list_of_image(tx, repository.id, image.id)?;
    let listed = images::children(tx, image.id)?;
    if blobs.iter().any(|blob| blob.tier == Tier::Archive)
        || listed.iter().any(|image| image.status != ImageStatus::Active)
    {
        return Ok(RestoreEnd::Waits);
    }
    turn(tx, repository, &image, ImageStatus::Active, cause)?;
    for list in images::parent_images(tx, repository.id, &image.digest)? {
        if list.status == ImageStatus::Activating {
            enqueue_restore(tx, repository.id, list.id, cause.at_ms)?;
        }
    }
    // The image that it refers to may have been archived meanwhile.
    if let Some(subject) = find_subject(tx, repository, &image)?
        && subject.status == ImageStatus::Archived
    {
        enqueue_follow(tx, repository.id, subject.id, cause.at_ms)?;
    }
    Ok(RestoreEnd::Active(image.digest))
}

/// Makes an image that is pushed again active at once, and the images that it lists (reference/repositories-images.md 4:
/// 'Re-push restores immediately').
pub fn reactivate(tx: &mut dyn Tx, repository: &Repository, image: &Image, cause: &Cause) -> Result<(), StoreError> {
    for image in with_listed(tx, image)? {
        if image.status != ImageStatus::Active {
            turn(tx, repository, &image, ImageStatus::Active, cause)?;
            fetch_blobs(tx, repository.id, image.id, cause.at_ms)?;
        }
    }
    Ok(())
}

/// Brings back the layers that a new image has found in the archive.
pub fn fetch_blobs(tx: &mut dyn Tx, repository_id: i64, image_id: i64, now_ms: i64) -> Result<(), StoreError> {
    for blob in repository_blobs::list_of_image(tx, repository_id, image_id)? {
        if blob.tier == Tier::Archive {
            enqueue_move(tx, blob.blob_id, now_ms)?;
        }
    }
    Ok(())
}

/// Lets the layers of an image that no longer needs them move to the archive, if archived images still do.
pub fn release_blobs(tx: &mut dyn Tx, repository_id: i64, image_id: i64, now_ms: i64) -> Result<(), StoreError> {
    for blob in repository_blobs::list_of_image(tx, repository_id, image_id)? {
        if blob.archived_image_count > 0 && blob.archived_image_count == blob.image_count {
            enqueue_move(tx, blob.blob_id, now_ms)?;
        }
    }
    Ok(())
}

/// Lets every blob of `blob_ids` be looked at, whether it is in the right store.
pub fn check_blobs(tx: &mut dyn Tx, blob_ids: &[i64], now_ms: i64) -> Result<(), StoreError> {
    blob_ids.iter().try_for_each(|blob_id| enqueue_move(tx, *blob_id, now_ms))
}

/// Lets the images go on that wait for a blob which is in the standard store now.
pub fn blob_is_back(tx: &mut dyn Tx, blob_id: i64, now_ms: i64) -> Result<(), StoreError> {
    for (repository_id, image_id) in images::activating_of_blob(tx, blob_id)? {
        enqueue_restore(tx, repository_id, image_id, now_ms)?;
    }
    Ok(())
}

/// Lets referrers follow their subject: up to `limit` of them, after the digest `after`. The last one's digest, or none
/// after the last of all.
pub fn follow_subject(
    tx: &mut dyn Tx,
    repository: &Repository,
    subject_id: i64,
    after: &str,
    limit: usize,
    cause: &Cause,
) -> Result<Option<String>, StoreError> {
    let Some(subject) = images::find_by_id(tx, repository.id, subject_id)? else { return Ok(None) };
    let referrers = images::of_subject(tx, repository.id, &subject.digest, after, limit)?;
    for referrer in &referrers {
        // One that cannot follow, as an unarchived list names it, stays as it is.
        let _ = match (subject.status, referrer.status) {
            (ImageStatus::Archived, ImageStatus::Active) => archive(tx, repository, referrer, cause)?,
            (ImageStatus::Active | ImageStatus::Activating, ImageStatus::Archived) => {
                begin_restore(tx, repository, referrer, cause)?
            }
            _ => continue,
        };
    }
    let is_end = referrers.len() < limit;
    Ok(referrers.last().filter(|_| !is_end).map(|referrer| referrer.digest.to_string()))
}

/// The image that it refers to, if the repository has it.
fn find_subject(tx: &mut dyn Tx, repository: &Repository, image: &Image) -> Result<Option<Image>, StoreError> {
    match &image.subject {
        Some(subject) => images::find(tx, repository.id, subject),
        None => Ok(None),
    }
}

/// The image, the images that it lists, and those that these list. A digest cannot list itself, so there is an end.
fn with_listed(tx: &mut dyn Tx, image: &Image) -> Result<Vec<Image>, StoreError> {
    let mut known = HashSet::from([image.id]);
    let mut found = vec![image.clone()];
    let mut at = 0;
    while let Some(list) = found.get(at) {
        found.extend(images::children(tx, list.id)?.into_iter().filter(|child| known.insert(child.id)));
        at += 1;
    }
    Ok(found)
}

fn turn(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: &Image,
    status: ImageStatus,
    cause: &Cause,
) -> Result<(), StoreError> {
    images::set_status(tx, image.id, status, cause.at_ms)?;
    repository_blobs::count_status(tx, repository.id, image.id, image.status, status)?;
    // On the way back they follow with the first step.
    let is_followed = image.status == ImageStatus::Archived || status == ImageStatus::Archived;
    if is_followed && !images::of_subject(tx, repository.id, &image.digest, "", 1)?.is_empty() {
        enqueue_follow(tx, repository.id, image.id, cause.at_ms)?;
    }
    changes::note(tx, cause, repository, &Change::ImageStatusChanged { image: image.into(), status })
}

fn enqueue_move(tx: &mut dyn Tx, blob_id: i64, now_ms: i64) -> Result<(), StoreError> {
    enqueue(tx, &MoveBlob { blob_id }, now_ms, now_ms)
}

fn enqueue_restore(tx: &mut dyn Tx, repository_id: i64, image_id: i64, now_ms: i64) -> Result<(), StoreError> {
    enqueue(tx, &RestoreImage { repository_id, image_id }, now_ms, now_ms)
}

fn enqueue_follow(tx: &mut dyn Tx, repository_id: i64, image_id: i64, now_ms: i64) -> Result<(), StoreError> {
    enqueue(tx, &FollowSubject { repository_id, image_id }, now_ms, now_ms)
}
