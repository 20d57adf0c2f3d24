//! Deletion protection: which images of a repository may not be deleted, and which protection says so.
//!
//! Protected is an image whose digest is, one with a tag that is, and all that such an image holds: the images of a
//! list and, with a subject, its referrers.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;

use oci::{Digest, RepositoryName, Tag};
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_protections::{self, ProtectionTarget};
use store::tables::repositories::Repository;
use store::tables::{image_tags, images};

/// A repository can have so many protections, as every deletion looks at them all.
pub const MAX_PROTECTIONS: usize = 1_000;
/// Tags that are read at once.
const TAGS_AT_ONCE: usize = 1_000;

/// The protection that forbids a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    repository: RepositoryName,
    target: ProtectionTarget,
    /// The protected image that the one in question belongs to.
    holder: Option<Digest>,
}

impl fmt::Display for Protected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, target, holder } = self;
        write!(f, "'{repository}{target}' is protected from deletion")?;
        if let Some(holder) = holder {
            write!(f, ", and with it all that belongs to {holder}")?;
        }
        write!(f, ". To end the protection: wharf unprotect '{repository}{target}'")
    }
}

/// All protections of a repository, read once and good for many questions in the same transaction.
#[derive(Clone, Debug)]
pub struct Protections {
    repository_id: i64,
    repository: RepositoryName,
    targets: Vec<ProtectionTarget>,
}

impl Protections {
    /// Reads them.
    pub fn load(tx: &mut dyn Tx, repository: &Repository) -> Result<Self, StoreError> {
        let targets = image_protections::targets(tx, repository.id)?;
        Ok(Self { repository_id: repository.id, repository: repository.spec.name.clone(), targets })
    }

    fn by(&self, target: &ProtectionTarget, holder: Option<Digest>) -> Protected {
        Protected { repository: self.repository.clone(), target: target.clone(), holder }
    }

    /// What protects the repository as such.
    pub fn of_repository(&self) -> Option<Protected> {
        let target = self.targets.iter().find(|target| matches!(target, ProtectionTarget::Repository));
        target.map(|target| self.by(target, None))
    }

    /// What keeps a tag from being taken from an image that stays.
    pub fn of_tag(&self, tag: &Tag) -> Option<Protected> {
        self.target_of(None, std::slice::from_ref(tag)).map(|target| self.by(target, None))
    }

    /// The protection of an image of this digest with these tags, by itself.
    fn target_of(&self, digest: Option<&Digest>, tags: &[Tag]) -> Option<&ProtectionTarget> {
        self.targets.iter().find(|target| match target {
            ProtectionTarget::Repository => true,
            ProtectionTarget::Tags(filter) => tags.iter().any(|tag| filter.matches(tag)),
            ProtectionTarget::Digest(protected) => digest == Some(protected),
        })
    }

    /// What protects one image: for a few of them. Looks up to the lists and subjects that it belongs to.
    pub fn of_image(&self, tx: &mut dyn Tx, digest: &Digest) -> Result<Option<Protected>, StoreError> {
        if self.targets.is_empty() {
            return Ok(None);
        }
        let mut seen = HashSet::from([*digest]);
        let mut waiting = vec![*digest];
        while let Some(current) = waiting.pop() {
            let image = images::find(tx, self.repository_id, &current)?;
            let mut tags = Vec::new();
            if let Some(image) = &image {
                let names = image_tags::list_of_image(tx, image.id)?;
                tags.extend(names.iter().filter_map(|name| name.parse().ok()));
            }
            if let Some(target) = self.target_of(Some(&current), &tags) {
                return Ok(Some(self.by(target, (current != *digest).then_some(current))));
            }
            let mut holders = images::parents(tx, self.repository_id, &current)?;
            holders.extend(image.and_then(|image| image.subject));
            waiting.extend(holders.into_iter().filter(|holder| seen.insert(*holder)));
        }
        Ok(None)
    }

    /// What protects each image that is protected, by its digest: for whoever goes through all of them. Reads all tags
    /// and all links of the repository, unless it has no protections. (A digest may be here that is no image's.)
    pub fn of_all(&self, tx: &mut dyn Tx) -> Result<HashMap<Digest, Protected>, StoreError> {
        let mut protected: HashMap<Digest, Protected> = HashMap::new();
        if self.targets.is_empty() {
            return Ok(protected);
        }
        if let Some(whole) = self.of_repository() {
            let mut after = String::new();
            loop {
                let page = images::list(tx, self.repository_id, &after, TAGS_AT_ONCE)?;
                protected.extend(page.iter().map(|image| (image.digest, whole.clone())));
                match page.last() {
                    Some(last) => after = last.digest.to_string(),
                    None => return Ok(protected),
                }
            }
        }
        for target in &self.targets {
            if let ProtectionTarget::Digest(digest) = target
                && images::find(tx, self.repository_id, digest)?.is_some()
            {
                protected.insert(*digest, self.by(target, None));
            }
        }
        let mut after = String::new();
        loop {
            let page = image_tags::list_with_images(tx, self.repository_id, &after, TAGS_AT_ONCE)?;
            for (tag, digest) in &page {
                if let Some(target) = self.target_of(None, std::slice::from_ref(tag)) {
                    protected.entry(*digest).or_insert_with(|| self.by(target, None));
                }
            }
            match page.last() {
                Some((last, _)) => after = last.to_string(),
                None => break,
            }
        }
        self.spread(tx, &mut protected)?;
        Ok(protected)
    }

    /// Adds all that belongs to protected images.
    fn spread(&self, tx: &mut dyn Tx, protected: &mut HashMap<Digest, Protected>) -> Result<(), StoreError> {
        if protected.is_empty() {
            return Ok(());
        }
        let mut held: HashMap<Digest, Vec<Digest>> = HashMap::new();
        for (holder, image) in images::links(tx, self.repository_id)? {
            held.entry(holder).or_default().push(image);
        }
        let mut waiting: Vec<Digest> = protected.keys().copied().collect();
        while let Some(holder) = waiting.pop() {
            let Protected { target, holder: first, .. } = protected[&holder].clone();
            for image in held.remove(&holder).unwrap_or_default() {
                if let Entry::Vacant(free) = protected.entry(image) {
                    free.insert(self.by(&target, Some(first.unwrap_or(holder))));
                    waiting.push(image);
                }
            }
        }
        Ok(())
    }
}
