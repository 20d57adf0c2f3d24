//! The images of a repository as evaluation sees them, read in pages from one state of the database.

use std::collections::HashMap;

use ::lifecycle::{Image, StorageClass};
use store::db::Tx;
use store::error::StoreError;
use store::tables::images::ImageStatus;
use store::tables::lifecycle_images::{self, LifecycleImage};

/// Rows that are read at once.
const PAGE: usize = 1_000;

/// An image with what belongs to it.
pub struct StoredImage {
    /// The image.
    pub image: LifecycleImage,
    /// Its tags, in order.
    pub tags: Vec<String>,
    /// The indices of the lists that name it.
    parents: Vec<usize>,
    /// How many images have it as their subject.
    pub referrer_count: i64,
    /// Whether the image that it refers to is in the repository.
    is_referrer: bool,
}

impl StoredImage {
    /// Its storage class; none while it is on its way from one to the other.
    pub fn storage_class(&self) -> Option<StorageClass> {
        match self.image.status {
            ImageStatus::Active => Some(StorageClass::Standard),
            ImageStatus::Archived => Some(StorageClass::Archive),
            ImageStatus::Activating => None,
        }
    }
}

/// All images of a repository.
pub struct RepositoryImages(pub Vec<StoredImage>);

impl RepositoryImages {
    /// Reads them.
    pub fn read(tx: &mut dyn Tx, repository_id: i64) -> Result<Self, StoreError> {
        let mut images: Vec<StoredImage> = Vec::new();
        loop {
            let after = images.last().map_or("", |last| last.image.digest.as_str()).to_owned();
            let page = lifecycle_images::list(tx, repository_id, &after, PAGE)?;
            let is_end = page.len() < PAGE;
            images.extend(page.into_iter().map(|image| StoredImage {
                image,
                tags: Vec::new(),
                parents: Vec::new(),
                referrer_count: 0,
                is_referrer: false,
            }));
            if is_end {
                break;
            }
        }
        let by_id: HashMap<i64, usize> = images.iter().enumerate().map(|(at, stored)| (stored.image.id, at)).collect();
        add_tags(tx, repository_id, &mut images, &by_id)?;
        add_parents(tx, repository_id, &mut images, &by_id)?;
        add_referrers(&mut images);
        Ok(Self(images))
    }

    /// What a policy looks at, with the index of each image here.
    pub fn seen(&self) -> (Vec<Image<'_>>, Vec<usize>) {
        let given = self.0.iter().enumerate().filter_map(|(at, stored)| Some((at, stored, stored.storage_class()?)));
        let seen = given.map(|(at, stored, storage_class)| {
            let image = Image {
                digest: &stored.image.digest,
                tags: stored.tags.iter().map(String::as_str).collect(),
                pushed_at_ms: stored.image.pushed_at_ms,
                last_pulled_at_ms: stored.image.last_pulled_at_ms,
                last_activated_at_ms: stored.image.last_activated_at_ms,
                last_archived_at_ms: stored.image.last_archived_at_ms,
                storage_class,
                parents: stored.parents.iter().map(|parent| self.0[*parent].image.digest.as_str()).collect(),
                subject: stored.image.subject.as_deref().filter(|_| stored.is_referrer),
            };
            (image, at)
        });
        seen.unzip()
    }
}

fn add_tags(
    tx: &mut dyn Tx,
    repository_id: i64,
    images: &mut [StoredImage],
    by_id: &HashMap<i64, usize>,
) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let page = lifecycle_images::list_tags(tx, repository_id, &after, PAGE)?;
        let is_end = page.len() < PAGE;
        if let Some((tag, _)) = page.last() {
            after.clone_from(tag);
        }
        for (tag, image_id) in page {
            if let Some(&at) = by_id.get(&image_id) {
                images[at].tags.push(tag);
            }
        }
        if is_end {
            return Ok(());
        }
    }
}

fn add_parents(
    tx: &mut dyn Tx,
    repository_id: i64,
    images: &mut [StoredImage],
    by_id: &HashMap<i64, usize>,
) -> Result<(), StoreError> {
    let mut after = (String::new(), 0);
    loop {
        let page = lifecycle_images::list_children(tx, repository_id, (&after.0, after.1), PAGE)?;
        for (child, parent_id) in &page {
            let child = find(images, child);
            if let (Some(child), Some(&parent)) = (child, by_id.get(parent_id)) {
                images[child].parents.push(parent);
            }
        }
        let is_end = page.len() < PAGE;
        match page.into_iter().last() {
            Some(last) if !is_end => after = last,
            _ => return Ok(()),
        }
    }
}

fn add_referrers(images: &mut [StoredImage]) {
    for at in 0..images.len() {
        let subject = images[at].image.subject.as_deref().and_then(|subject| find(images, subject));
        if let Some(subject) = subject {
            images[at].is_referrer = true;
            images[subject].referrer_count += 1;
        }
    }
}

/// The index of a digest; images are in the order of their digests.
fn find(images: &[StoredImage], digest: &str) -> Option<usize> {
    images.binary_search_by(|stored| stored.image.digest.as_str().cmp(digest)).ok()
}
