//! What follows from a change by the rules of its registry, noted in the change's own transaction.

use std::collections::HashSet;

use oci::Digest;
use runtime::jobs::job;
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_replications::{self, ReplicationRoute};
use store::tables::image_tags;
use store::tables::images::{self, Image, ImageStatus};
use store::tables::registry_id::RegistryId;
use store::tables::replication_removals::{self, Removal};
use store::tables::repositories::Repository;

use super::replicate::Replicate;
use super::rules::{Extensions, Rules};
use crate::images::changes::{Actor, Cause, Change};
use crate::images::followers::Follower;

/// Referrers that are read at a time.
const PAGE: usize = 500;

/// The follower of changes that replicates them.
#[derive(Debug)]
pub struct Triggers;

impl Follower for Triggers {
    /// Notes what a change replicates. What replication itself brought goes no further.
    fn follow(
        &self,
        tx: &mut dyn Tx,
        cause: &Cause,
        repository: &Repository,
        change: &Change<'_>,
    ) -> Result<(), StoreError> {
        if cause.actor == Actor::Replication {
            return Ok(());
        }
        match change {
            Change::ImagePushed { image, tag } => note_image(tx, repository, image.digest, *tag, cause.at_ms),
            // reference/repositories-images.md 4: a restore is replicated as a push. One that was deleted has its tags again by
            // now.
            Change::ImageStatusChanged { image, status: ImageStatus::Active } | Change::ImageRestored { image, .. } => {
                note_image(tx, repository, image.digest, None, cause.at_ms)
            }
            Change::ImageDeleted { image, tags, is_gone } => {
                let removal = Removal {
                    repository: repository.spec.name.clone(),
                    digest: *image.digest,
                    tags: tags.to_vec(),
                    is_gone: *is_gone,
                };
                note_removal(tx, repository, &removal, cause.at_ms)
            }
            Change::RepositoryCreated
            | Change::RepositoryDeleted
            | Change::ImageStatusChanged { status: ImageStatus::Archived | ImageStatus::Activating, .. } => Ok(()),
        }
    }
}

/// Notes an image for every destination of its repository.
fn note_image(
    tx: &mut dyn Tx,
    repository: &Repository,
    digest: &Digest,
    tag: Option<&str>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let destinations = Rules::find(tx, &repository.spec.registry)?.destinations_of(&repository.spec.name);
    if destinations.is_empty() {
        return Ok(());
    }
    // One that is archived, or on its way back, is noted when it is active.
    let Some(image) = images::find(tx, repository.id, digest)?.filter(|image| image.status == ImageStatus::Active)
    else {
        return Ok(());
    };
    for (destination, _) in destinations {
        note_for(tx, repository, &image, tag, destination, now_ms)?;
    }
    Ok(())
}

/// Notes an image for one destination, with what it names and, if only some tags are replicated, what refers to it.
/// `tag` is one that it is about to get. `false` if the filters of tags leave it out.
pub(super) fn note_for(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: &Image,
    tag: Option<&str>,
    destination: RegistryId,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let extensions = Extensions::find(tx)?;
    let is_filtered = !extensions.tag_filters.is_empty();
    let is_tag_taken = tag.is_some_and(|tag| extensions.takes_tag(tag));
    if is_filtered && !is_tag_taken && !is_taken(tx, repository, image, &extensions)? {
        return Ok(false);
    }
    let route = ReplicationRoute { source: repository.spec.registry.clone(), destination };
    image_replications::note(tx, image.id, &route, now_ms)?;
    let mut along = named_by(tx, image)?;
    if is_filtered {
        // They were left out as long as nobody knew that their subject would be taken.
        along.extend(referring_to(tx, repository.id, &image.digest)?);
    }
    for image_id in along {
        image_replications::note_first(tx, image_id, &route, now_ms)?;
    }
    job::enqueue(tx, &Replicate::new(&route), now_ms, now_ms)?;
    Ok(true)
}

/// Whether the filters of tags take an image of a repository.
pub(super) fn is_wanted(tx: &mut dyn Tx, repository: &Repository, digest: &Digest) -> Result<bool, StoreError> {
    let extensions = Extensions::find(tx)?;
    if extensions.tag_filters.is_empty() {
        return Ok(true);
    }
    match images::find(tx, repository.id, digest)? {
        Some(image) => is_taken(tx, repository, &image, &extensions),
        None => Ok(false),
    }
}

/// Whether the filters take an image for its own tags, for its subject's, or for those of a list that names it.
fn is_taken(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: &Image,
    extensions: &Extensions,
) -> Result<bool, StoreError> {
    let mut candidates = vec![image.id];
    let mut digests = images::parents(tx, repository.id, &image.digest)?;
    digests.extend(image.subject);
    for digest in digests {
        candidates.extend(images::find(tx, repository.id, &digest)?.map(|image| image.id));
    }
    for image_id in candidates {
        if image_tags::list_of_image(tx, image_id)?.iter().any(|tag| extensions.takes_tag(tag)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Every image that a list names, and those that they name.
fn named_by(tx: &mut dyn Tx, image: &Image) -> Result<HashSet<i64>, StoreError> {
    let mut found = HashSet::new();
    let mut lists = vec![image.id];
    while let Some(list) = lists.pop() {
        for child in images::children(tx, list)? {
            if found.insert(child.id) {
                lists.push(child.id);
            }
        }
    }
    Ok(found)
}

fn referring_to(tx: &mut dyn Tx, repository_id: i64, subject: &Digest) -> Result<Vec<i64>, StoreError> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = images::referrers(tx, repository_id, subject, &after, PAGE)?;
        for referrer in &page {
            found.extend(images::find(tx, repository_id, &referrer.digest)?.map(|image| image.id));
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.digest.to_string(),
            _ => return Ok(found),
        }
    }
}

fn note_removal(tx: &mut dyn Tx, repository: &Repository, removal: &Removal, now_ms: i64) -> Result<(), StoreError> {
    if removal.is_gone {
        image_replications::delete_of_image(tx, repository.id, &removal.digest)?;
    }
    let destinations = Rules::find(tx, &repository.spec.registry)?.destinations_of(&repository.spec.name);
    if destinations.is_empty() {
        return Ok(());
    }
    let extensions = Extensions::find(tx)?;
    let by_configuration = if removal.is_gone { extensions.deletes } else { extensions.tag_removals };
    for (destination, by_rule) in destinations {
        if by_rule || by_configuration {
            let route = ReplicationRoute { source: repository.spec.registry.clone(), destination };
            replication_removals::insert(tx, &route, removal)?;
            job::enqueue(tx, &Replicate::new(&route), now_ms, now_ms)?;
        }
    }
    Ok(())
}
