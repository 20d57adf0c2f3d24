//! Copying images with all that they name and all that refers to them.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use oci::{Digest, RepositoryName};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinSet;

use crate::count::counted;

use super::destination::Destination;
use super::failure::Failure;
use super::repository::RepositoryImport;
use super::source::{Fetched, ListedImage, Selection, Source};
use super::state::State;
use super::tally::Tally;
use super::upload::Arrival;

/// Indexes of indexes, and referrers of referrers, end here.
const MAX_DEPTH: u32 = 16;
/// After so many images in a row that nobody answered for, the others are not tried.
const MAX_SILENT_IMAGES: u32 = 20;

/// What an import does beside copying images.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// Put before the names of repositories.
    pub(super) prefix: Option<String>,
    pub(super) is_dry_run: bool,
    pub(super) has_referrers: bool,
    pub(super) has_settings: bool,
    /// Move tags that the target has and no import put there.
    pub(super) overwrites_tags: bool,
    /// Images at a time.
    pub(super) images_at_once: usize,
    /// Blobs at a time.
    pub(super) blobs_at_once: usize,
}

/// The repositories of the target that have a blob. Whoever brings it there holds the lock.
type Holders = Arc<tokio::sync::Mutex<Vec<RepositoryName>>>;

/// An import at work.
pub(super) struct Import {
    pub(super) source: Source,
    pub(super) target: Destination,
    pub(super) selection: Selection,
    pub(super) manner: Manner,
    pub(super) state: State,
    pub(super) images: Arc<Semaphore>,
    blobs: Semaphore,
    holders: Mutex<HashMap<Digest, Holders>>,
    silent_images: AtomicU32,
    pub(super) tally: Tally,
}

impl Import {
    /// Whether tags were asked for, and no image has any of them. With a time, there may be none since then.
    pub(super) fn found_no_tag(&self) -> bool {
        let Selection { tags, since_ms, .. } = &self.selection;
        let totals = self.tally.totals();
        !tags.is_empty() && since_ms.is_none() && totals.images == 0 && totals.repositories > 0
    }
}

/// An image that is there.
pub(super) struct Copied {
    /// Its manifest, unless it was there before.
    image: Option<Fetched>,
    children: Vec<Digest>,
    /// The tag that it came with.
    tag: Option<String>,
    /// Why it came without the tag.
    refused_tag: Option<String>,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Import {
    pub(super) fn new(
        source: Source,
        target: Destination,
        selection: Selection,
        manner: Manner,
        state: State,
        tally: Tally,
    ) -> Self {
        Self {
            source,
            target,
            selection,
            images: Arc::new(Semaphore::new(manner.images_at_once)),
            blobs: Semaphore::new(manner.blobs_at_once),
            manner,
            state,
            holders: Mutex::default(),
            silent_images: AtomicU32::new(0),
            tally,
        }
    }

    /// Imports an image with its tags and referrers; whether all of it is there.
    pub(super) async fn image(self: &Arc<Self>, place: &Arc<RepositoryImport>, image: &ListedImage) -> bool {
        let outcome = if self.silent_images.load(Ordering::Relaxed) >= MAX_SILENT_IMAGES {
            let reason = format!("not tried, as nobody answered for {MAX_SILENT_IMAGES} images in a row");
            Err(Failure::Final(reason))
        } else {
            self.whole_image(place, image).await
        };
        self.tally.count(|totals| totals.images_done += 1);
        match outcome {
            Ok(is_whole) => {
                self.silent_images.store(0, Ordering::Relaxed);
                is_whole
            }
            Err(failure) => {
                if matches!(failure, Failure::Passing { .. }) {
                    self.silent_images.fetch_add(1, Ordering::Relaxed);
                }
                self.tally.fail(&place.source, shown(image), failure);
                false
            }
        }
    }

    async fn whole_image(
        self: &Arc<Self>,
        place: &Arc<RepositoryImport>,
        image: &ListedImage,
    ) -> Result<bool, Failure> {
        let was_there = place.has(image.digest);
        let (tags, occupied) = self.tags_to_write(place, image);
        let mut is_whole = occupied == 0;
        let first = tags.first().map(String::as_str);
        let copied = self.copy(place, image.digest, first, 0).await?;
        let cell = copied.get().expect("it was copied");
        for tag in &tags {
            if let Some(reason) = cell.refused_tag.as_ref().filter(|_| Some(tag.as_str()) == first) {
                self.tally.fail(&place.source, format!(":{tag}"), not_moved(place, tag, reason));
                is_whole = false;
                continue;
            }
            if cell.tag.as_ref() != Some(tag) {
                let manifest = match &cell.image {
                    Some(manifest) => manifest.clone(),
                    None => self.source.manifest(&place.source, image.digest).await?,
                };
                if !self.manner.is_dry_run {
                    match self.target.put_manifest(&place.target, Some(tag), &manifest).await {
                        Ok(()) => {}
                        Err(Failure::ImmutableTag(reason)) => {
                            self.tally.fail(&place.source, format!(":{tag}"), not_moved(place, tag, &reason));
                            is_whole = false;
                            continue;
                        }
                        Err(failure) => return Err(failure),
                    }
                }
            }
            self.tally.count(|totals| totals.tags_written += 1);
            if !self.manner.is_dry_run {
                self.state.note_tag(place.target.as_str(), tag, image.digest);
            }
        }
        // What the target had before this import is as good as imported.
        if !self.manner.is_dry_run {
            for tag in image.tags.iter().filter(|tag| place.tags.get(*tag) == Some(&image.digest)) {
                self.state.note_tag(place.target.as_str(), tag, image.digest);
            }
        }
        let is_new = !was_there || !tags.is_empty();
        if is_new {
            self.tally.count(|totals| totals.images_copied += 1);
            let name = format!("{}{}", place.target, shown(image));
            if self.manner.is_dry_run {
                self.tally.would_copy(name);
            } else {
                self.tally.print(format!("{name} copied"));
            }
        } else if is_whole {
            self.tally.count(|totals| totals.images_unchanged += 1);
        }
        if self.manner.has_referrers {
            is_whole &= self.referrers(place, image.digest, 0).await?;
        }
        Ok(is_whole)
    }

    /// The tags that the target lacks, and how many it keeps for something else.
    fn tags_to_write(&self, place: &RepositoryImport, image: &ListedImage) -> (Vec<String>, usize) {
        let mut occupied = 0;
        let mut tags = Vec::new();
        for tag in &image.tags {
            match place.tags.get(tag) {
                Some(there) if *there == image.digest => {}
                Some(there)
                    if !self.manner.overwrites_tags && self.state.tag(place.target.as_str(), tag) != Some(*there) =>
                {
                    let reason = format!(
                        "the target's tag names {there}, which no import put there, and the source's {}; \
                         --overwrite-tags moves it",
                        image.digest
                    );
                    self.tally.fail(&place.source, format!(":{tag}"), reason);
                    occupied += 1;
                }
                Some(_) | None => tags.push(tag.clone()),
            }
        }
        (tags, occupied)
    }

    /// Copies an image and what it lists, once. With a tag if this is what copies it.
    fn copy<'a>(
        self: &'a Arc<Self>,
        place: &'a Arc<RepositoryImport>,
        digest: Digest,
        tag: Option<&'a str>,
        depth: u32,
    ) -> Boxed<'a, Result<Arc<OnceCell<Copied>>, Failure>> {
        Box::pin(async move {
            let cell = {
                let mut copies = place.copies.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(copies.entry(digest).or_default())
            };
            cell.get_or_try_init(|| self.copy_once(place, digest, tag, depth)).await?;
            Ok(cell)
        })
    }

    async fn copy_once(
        self: &Arc<Self>,
        place: &Arc<RepositoryImport>,
        digest: Digest,
        tag: Option<&str>,
        depth: u32,
    ) -> Result<Copied, Failure> {
        // What the target shows is whole.
        if place.has(digest) {
            let children = self.known_children(place, digest).await?;
            return Ok(Copied { image: None, children, tag: None, refused_tag: None });
        }
        if depth > MAX_DEPTH {
            return Err(Failure::Final(format!("its indexes are more than {MAX_DEPTH} deep")));
        }
        let image = self.source.manifest(&place.source, digest).await?;
        let children: Vec<Digest> = image.manifest.children().iter().map(|child| child.digest).collect();
        for child in &children {
            self.copy(place, *child, None, depth + 1).await.map_err(|failure| match failure {
                Failure::NotFound(text) => {
                    Failure::Final(format!("it lists {child}, which the source does not have: {text}"))
                }
                failure => failure,
            })?;
        }
        self.copy_blobs(place, &image).await?;
        let mut refused_tag = None;
        let mut written = tag.map(str::to_owned);
        if !self.manner.is_dry_run {
            match self.target.put_manifest(&place.target, tag, &image).await {
                Ok(()) => {}
                Err(Failure::ImmutableTag(reason)) if tag.is_some() => {
                    written = None;
                    refused_tag = Some(reason);
                    self.target.put_manifest(&place.target, None, &image).await?;
                }
                Err(failure) => return Err(failure),
            }
            self.state.note_children(digest, children.clone());
        }
        self.tally.count(|totals| totals.manifests_copied += 1);
        place.add(digest);
        Ok(Copied { image: Some(image), children, tag: written, refused_tag })
    }

    /// What an image lists that the target has: only who looks for referrers wants to know.
    async fn known_children(&self, place: &RepositoryImport, digest: Digest) -> Result<Vec<Digest>, Failure> {
        let is_wanted =
            self.manner.has_referrers && place.listing.referrers.as_ref().is_none_or(|referrers| !referrers.is_empty());
        if !is_wanted {
            return Ok(Vec::new());
        }
        if let Some(children) = self.state.children(digest) {
            return Ok(children);
        }
        let image = match self.source.manifest(&place.source, digest).await {
            Ok(image) => image,
            // The target keeps what the source has deleted.
            Err(Failure::NotFound(_)) => return Ok(Vec::new()),
            Err(failure) => return Err(failure),
        };
        let children: Vec<Digest> = image.manifest.children().iter().map(|child| child.digest).collect();
        self.state.note_children(digest, children.clone());
        Ok(children)
    }

    /// Copies what refers to an image and to what it lists; whether all of it is there.
    fn referrers<'a>(
        self: &'a Arc<Self>,
        place: &'a Arc<RepositoryImport>,
        subject: Digest,
        depth: u32,
    ) -> Boxed<'a, Result<bool, Failure>> {
        Box::pin(async move {
            if depth > MAX_DEPTH {
                return Ok(true);
            }
            let mut is_whole = true;
            for referrer in self.source.referrers(&place.source, &place.listing, subject).await? {
                let was_there = place.has(referrer);
                match self.copy(place, referrer, None, depth).await {
                    Ok(_) => {
                        if !was_there {
                            self.tally.count(|totals| totals.referrers_copied += 1);
                        }
                        is_whole &= self.referrers(place, referrer, depth + 1).await?;
                    }
                    Err(failure) => {
                        is_whole = false;
                        let reason = format!("it refers to {subject}: {failure}");
                        self.tally.fail(&place.source, format!("@{referrer}"), reason);
                    }
                }
            }
            let copied = {
                let copies = place.copies.lock().unwrap_or_else(PoisonError::into_inner);
                copies.get(&subject).cloned()
            };
            let children = copied.as_ref().and_then(|copied| copied.get()).map(|copied| copied.children.clone());
            for child in children.unwrap_or_default() {
                // A child that was there has no children of its own here yet.
                self.copy(place, child, None, depth + 1).await?;
                is_whole &= self.referrers(place, child, depth + 1).await?;
            }
            Ok(is_whole)
        })
    }

    async fn copy_blobs(self: &Arc<Self>, place: &Arc<RepositoryImport>, image: &Fetched) -> Result<(), Failure> {
        let mut copying = JoinSet::new();
        for blob in image.manifest.blobs() {
            let Some(size) = blob.size_bytes else { continue };
            let (import, place, digest, is_required) =
                (Arc::clone(self), Arc::clone(place), blob.digest, blob.is_required);
            copying.spawn(async move {
                match import.copy_blob(&place, digest, size).await {
                    // Layers that are to be had elsewhere are often nowhere else.
                    Err(Failure::NotFound(_)) if !is_required => Ok(()),
                    Err(Failure::NotFound(text)) => {
                        Err(Failure::Final(format!("the source does not have its layer {digest}: {text}")))
                    }
                    outcome => outcome,
                }
            });
        }
        while let Some(copied) = copying.join_next().await {
            copied.unwrap_or_else(|_| Err(Failure::Final("copying a layer ended early".to_owned())))?;
        }
        Ok(())
    }

    async fn copy_blob(&self, place: &RepositoryImport, digest: Digest, size: u64) -> Result<(), Failure> {
        let holders = {
            let mut all = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(digest).or_default())
        };
        // Two images that share a layer wait for each other here, and take none of the places meanwhile.
        let mut holders = holders.lock().await;
        if holders.contains(&place.target) {
            return Ok(());
        }
        let Ok(_permit) = self.blobs.acquire().await else { return Ok(()) };
        if place.is_there && self.target.has_blob(&place.target, digest).await? {
            self.tally.count(|totals| totals.blobs_present += 1);
            holders.push(place.target.clone());
            return Ok(());
        }
        let arrival = if self.manner.is_dry_run {
            Arrival::Sent
        } else {
            let feed = |offset, to| self.source.feed(&place.source, (digest, size), offset, to);
            let (target, moved) = (&place.target, &self.tally.moved);
            self.target.upload(target, (digest, size), holders.first(), moved, feed).await?
        };
        self.tally.count(|totals| match arrival {
            Arrival::Mounted => totals.blobs_mounted += 1,
            Arrival::Sent => {
                totals.blobs_copied += 1;
                totals.bytes_copied += size;
            }
        });
        holders.push(place.target.clone());
        Ok(())
    }
}

/// An image behind the name of its repository.
pub(super) fn shown(image: &ListedImage) -> String {
    match image.tags.as_slice() {
        [] => format!("@{}", image.digest),
        [tag] => format!(":{tag}"),
        [tag, others @ ..] => format!(":{tag} (and {})", counted(others.len(), "more tag", "more tags")),
    }
}

fn not_moved(place: &RepositoryImport, tag: &str, reason: &str) -> String {
    match place.tags.get(tag) {
        Some(there) => format!("immutable, and not moved from {there}: {reason}"),
        None => format!("immutable, and not moved: {reason}"),
    }
}
