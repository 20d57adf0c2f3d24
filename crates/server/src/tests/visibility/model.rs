//! The slow and obvious model: a layer is readable in a repository if and only if it was pushed there, mounted or
//! replicated with the right to read it elsewhere, cached or restored there, and has not gone since.

use std::collections::{BTreeMap, BTreeSet};

use super::super::lifecycle::DAY_MS;

/// Layers of one sequence; the last one is too long to be kept in the database.
pub const BLOBS: usize = 3;
/// Its images, by the layers that they name, the config first.
pub const IMAGES: [[usize; 2]; 3] = [[0, 1], [0, 2], [1, 2]];
/// How long a layer stays that no image names.
const GRACE_MS: i64 = DAY_MS;
/// How long a deleted image can be restored.
const RESTORE_MS: i64 = 7 * DAY_MS;

/// A repository of the sequence: of one of two accounts, which have the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryKey {
    pub account: usize,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The first account's is replicated to the other one's, and is all that [`Principal::User`] may use.
    One,
    /// The first account's may let the other account pull.
    Two,
    /// Filled from upstream.
    Cache,
}

impl RepositoryKey {
    pub const ALL: [Self; 6] = {
        const fn of(account: usize, kind: Kind) -> RepositoryKey {
            RepositoryKey { account, kind }
        }
        [of(0, Kind::One), of(0, Kind::Two), of(0, Kind::Cache), of(1, Kind::One), of(1, Kind::Two), of(1, Kind::Cache)]
    };
    /// What is replicated, and where to.
    pub const REPLICATED: Self = Self { account: 0, kind: Kind::One };
    pub const REPLICA: Self = Self { account: 1, kind: Kind::One };
    /// What the other account may be let into.
    pub const OPEN: Self = Self { account: 0, kind: Kind::Two };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The root user of an account.
    Root(usize),
    /// A user of the first account who may do everything to one of its repositories.
    User,
}

impl Principal {
    pub const ALL: [Self; 3] = [Self::Root(0), Self::Root(1), Self::User];

    pub fn account(self) -> usize {
        match self {
            Self::Root(account) => account,
            Self::User => 0,
        }
    }

    /// Whether it may push to the repository, and delete there.
    pub fn may_write(self, place: RepositoryKey) -> bool {
        match self {
            Self::Root(account) => account == place.account,
            Self::User => place == RepositoryKey::REPLICATED,
        }
    }
}

/// A layer that a repository shows.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    pushed_again_at_ms: Option<i64>,
    unnamed_since_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Image {
    /// In the order in which images came.
    id: usize,
    is_archived: bool,
}

#[derive(Clone, Debug, Default)]
struct Repository {
    shown: BTreeMap<usize, Shown>,
    /// Layers that are still upstream.
    awaited: BTreeSet<usize>,
    images: BTreeMap<usize, Image>,
    lets_other_pull: bool,
}

impl Repository {
    fn naming(&self, blob: usize) -> Vec<Image> {
        self.images.iter().filter(|(image, _)| IMAGES[**image].contains(&blob)).map(|(_, state)| *state).collect()
    }

    fn is_archived(&self, blob: usize) -> bool {
        let naming = self.naming(blob);
        !naming.is_empty() && naming.iter().all(|image| image.is_archived)
    }

    fn is_readable(&self, blob: usize) -> bool {
        self.shown.get(&blob).is_some_and(|shown| shown.pushed_again_at_ms.is_some() || !self.is_archived(blob))
    }

    fn show(&mut self, blob: usize, now_ms: i64) {
        let (is_named, is_archived) = (!self.naming(blob).is_empty(), self.is_archived(blob));
        self.awaited.remove(&blob);
        let shown = self.shown.entry(blob).or_default();
        if !is_named {
            shown.unnamed_since_ms = Some(now_ms);
        } else if is_archived {
            shown.pushed_again_at_ms = Some(now_ms);
        }
    }

    /// Whoever names a layer has it counted anew.
    fn settle(&mut self, image: usize) {
        for blob in IMAGES[image] {
            if let Some(shown) = self.shown.get_mut(&blob) {
                *shown = Shown::default();
            }
        }
    }

    fn remove_image(&mut self, image: usize, now_ms: i64) {
        self.images.remove(&image);
        for blob in IMAGES[image] {
            if self.naming(blob).is_empty() {
                self.awaited.remove(&blob);
                if let Some(shown) = self.shown.get_mut(&blob) {
                    shown.unnamed_since_ms = Some(now_ms);
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Deleted {
    place: RepositoryKey,
    image: usize,
    state: Image,
    at_ms: i64,
}

impl Deleted {
    fn is(&self, place: RepositoryKey, image: usize, now_ms: i64) -> bool {
        self.place == place && self.image == image && self.at_ms + RESTORE_MS > now_ms
    }
}

#[derive(Clone, Debug)]
pub struct Model {
    pub now_ms: i64,
    pub mounting: [bool; 2],
    /// Which layers the upstream has.
    pub upstream: [bool; BLOBS],
    repositories: BTreeMap<RepositoryKey, Repository>,
    deleted: Vec<Deleted>,
    images: usize,
    /// Images of [`RepositoryKey::REPLICATED`] on their way.
    under_way: Vec<usize>,
}

impl Model {
    pub fn new(now_ms: i64, mounting: [bool; 2], upstream: [bool; BLOBS]) -> Self {
        Self {
            now_ms,
            mounting,
            upstream,
            repositories: BTreeMap::new(),
            deleted: Vec::new(),
            images: 0,
            under_way: Vec::new(),
        }
    }

    pub fn exists(&self, place: RepositoryKey) -> bool {
        self.repositories.contains_key(&place)
    }

    /// Whether the principal may pull from the repository at all.
    pub fn may_read(&self, who: Principal, place: RepositoryKey) -> bool {
        let is_let_in = place == RepositoryKey::OPEN
            && self.repositories.get(&place).is_some_and(|repository| repository.lets_other_pull);
        who.may_write(place) || (is_let_in && who.account() != place.account)
    }

    /// Whether the repository has the layer for those who may pull.
    pub fn is_readable(&self, place: RepositoryKey, blob: usize) -> bool {
        self.repositories.get(&place).is_some_and(|repository| repository.is_readable(blob))
    }

    pub fn is_awaited(&self, place: RepositoryKey, blob: usize) -> bool {
        self.repositories.get(&place).is_some_and(|repository| repository.awaited.contains(&blob))
    }

    /// Whether an image names the layer, which the API asks for before it gives out a URL.
    pub fn is_named(&self, place: RepositoryKey, blob: usize) -> bool {
        self.repositories.get(&place).is_some_and(|repository| !repository.naming(blob).is_empty())
    }

    /// A pull of a layer that may still be upstream; whether it comes.
    pub fn pull_blob(&mut self, place: RepositoryKey, blob: usize) -> bool {
        if self.is_awaited(place, blob) && self.upstream[blob] {
            self.show(place, blob);
        }
        self.is_readable(place, blob)
    }

    pub fn create(&mut self, place: RepositoryKey) -> bool {
        let is_new = !self.exists(place);
        self.repositories.entry(place).or_default();
        is_new
    }

    pub fn let_other_pull(&mut self, lets: bool) -> bool {
        let Some(repository) = self.repositories.get_mut(&RepositoryKey::OPEN) else { return false };
        repository.lets_other_pull = lets;
        true
    }

    /// The bytes came, or whoever it is for may read them elsewhere.
    pub fn show(&mut self, place: RepositoryKey, blob: usize) {
        let now_ms = self.now_ms;
        if let Some(repository) = self.repositories.get_mut(&place) {
            repository.show(blob, now_ms);
        }
    }

    /// PrepareReplication by a principal: the layers that must be sent.
    pub fn prepare(&mut self, who: Principal, place: RepositoryKey, blobs: &[usize]) -> Vec<usize> {
        self.create(place);
        let mut missing = Vec::new();
        for blob in blobs {
            let is_elsewhere = RepositoryKey::ALL.iter().any(|from| {
                from.account == place.account && self.may_read(who, *from) && self.is_readable(*from, *blob)
            });
            if is_elsewhere {
                self.show(place, *blob);
            } else {
                missing.push(*blob);
            }
        }
        missing
    }

    /// PutImage; layers that are still upstream are fetched first if `fetches`. `is_new` of an image that is there is an
    /// error for some.
    pub fn put_image(&mut self, place: RepositoryKey, image: usize, fetches: bool) -> Put {
        let Some(repository) = self.repositories.get(&place) else { return Put::Refused };
        if let Some(state) = repository.images.get(&image) {
            if !state.is_archived {
                return Put::Present;
            }
            self.turn(place, image, false);
            return Put::Stored;
        }
        let absent: Vec<usize> =
            IMAGES[image].into_iter().filter(|blob| !repository.shown.contains_key(blob)).collect();
        for blob in absent {
            if !fetches || !self.is_awaited(place, blob) || !self.upstream[blob] {
                return Put::Refused;
            }
            self.show(place, blob);
        }
        self.insert_image(place, image, None);
        Put::Stored
    }

    fn insert_image(&mut self, place: RepositoryKey, image: usize, state: Option<Image>) {
        let state = state.unwrap_or_else(|| {
            self.images += 1;
            Image { id: self.images, is_archived: false }
        });
        if let Some(repository) = self.repositories.get_mut(&place) {
            repository.images.insert(image, state);
            repository.settle(image);
        }
        if !state.is_archived {
            self.note_active(place, image);
        }
    }

    fn note_active(&mut self, place: RepositoryKey, image: usize) {
        if place == RepositoryKey::REPLICATED {
            self.under_way.push(image);
        }
    }

    /// What came by replication goes no further.
    pub fn goes_no_further(&mut self) {
        self.under_way.clear();
    }

    /// A pull of a manifest of a repository that is filled from upstream; whether it comes.
    pub fn pull_image(&mut self, place: RepositoryKey, image: usize) -> bool {
        self.create(place);
        let Some(repository) = self.repositories.get_mut(&place) else { return false };
        if let Some(state) = repository.images.get(&image) {
            return !state.is_archived;
        }
        for blob in IMAGES[image] {
            if !repository.shown.contains_key(&blob) {
                repository.awaited.insert(blob);
            }
        }
        self.insert_image(place, image, None);
        true
    }

    pub fn has_image(&self, place: RepositoryKey, image: usize) -> Option<bool> {
        self.repositories.get(&place)?.images.get(&image).map(|state| state.is_archived)
    }

    fn awaits_layers_of(&self, place: RepositoryKey, image: usize) -> bool {
        IMAGES[image].iter().any(|blob| self.is_awaited(place, *blob))
    }

    fn turn(&mut self, place: RepositoryKey, image: usize, is_archived: bool) {
        if let Some(repository) = self.repositories.get_mut(&place)
            && let Some(state) = repository.images.get_mut(&image)
        {
            state.is_archived = is_archived;
            repository.settle(image);
        }
        if !is_archived {
            self.note_active(place, image);
        }
    }

    /// Archives an image or takes it back; whether it was where that starts from.
    pub fn set_archived(&mut self, place: RepositoryKey, image: usize, is_archived: bool) -> bool {
        if self.has_image(place, image) != Some(!is_archived) {
            return false;
        }
        self.turn(place, image, is_archived);
        true
    }

    pub fn delete_image(&mut self, place: RepositoryKey, image: usize) -> bool {
        if self.has_image(place, image).is_none() {
            return false;
        }
        self.keep(place, image);
        let now_ms = self.now_ms;
        if let Some(repository) = self.repositories.get_mut(&place) {
            repository.remove_image(image, now_ms);
        }
        true
    }

    /// Every image that is not archived goes, as a lifecycle policy has it.
    pub fn expire_images(&mut self, place: RepositoryKey) {
        for image in 0..IMAGES.len() {
            if self.has_image(place, image) == Some(false) {
                self.delete_image(place, image);
            }
        }
    }

    /// One that still awaits layers can be had from upstream again.
    fn keep(&mut self, place: RepositoryKey, image: usize) {
        if self.awaits_layers_of(place, image) {
            return;
        }
        let state = self.repositories.get(&place).and_then(|repository| repository.images.get(&image).copied());
        if let Some(state) = state {
            self.deleted.push(Deleted { place, image, state, at_ms: self.now_ms });
        }
    }

    pub fn delete_repository(&mut self, place: RepositoryKey) -> bool {
        for image in 0..IMAGES.len() {
            if self.has_image(place, image).is_some() {
                self.keep(place, image);
            }
        }
        self.repositories.remove(&place).is_some()
    }

    /// Restores the last deletion of an image; whether there was anything to restore, or to find.
    pub fn restore(&mut self, place: RepositoryKey, image: usize, may_create: bool) -> bool {
        let newest = (0..self.deleted.len())
            .filter(|at| self.deleted[*at].is(place, image, self.now_ms))
            .max_by_key(|at| (self.deleted[*at].at_ms, self.deleted[*at].state.id));
        if !self.exists(place) && (!may_create || newest.is_none()) {
            return false;
        }
        self.create(place);
        let is_present = self.has_image(place, image).is_some();
        let Some(newest) = newest else { return is_present };
        let deleted = self.deleted.remove(newest);
        if !is_present {
            for blob in IMAGES[image] {
                self.show(place, blob);
            }
            self.insert_image(place, image, Some(deleted.state));
        }
        true
    }

    pub fn purge(&mut self, place: RepositoryKey, image: usize) -> bool {
        let (before, now_ms) = (self.deleted.len(), self.now_ms);
        self.deleted.retain(|deleted| !deleted.is(place, image, now_ms));
        self.deleted.len() < before
    }

    pub fn is_replicating(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// What was pushed to the replicated repository arrives.
    pub fn replicate(&mut self) {
        for image in std::mem::take(&mut self.under_way) {
            if self.has_image(RepositoryKey::REPLICATED, image) != Some(false) {
                continue;
            }
            self.create(RepositoryKey::REPLICA);
            for blob in IMAGES[image] {
                self.show(RepositoryKey::REPLICA, blob);
            }
            self.put_image(RepositoryKey::REPLICA, image, false);
        }
    }

    /// What a garbage collection takes at this time.
    pub fn collect(&mut self) {
        let now_ms = self.now_ms;
        self.deleted.retain(|deleted| deleted.at_ms + RESTORE_MS > now_ms);
        let is_due = |since_ms: Option<i64>| since_ms.is_some_and(|since_ms| since_ms <= now_ms - GRACE_MS);
        for repository in self.repositories.values_mut() {
            let named: BTreeSet<usize> = repository.images.keys().flat_map(|image| IMAGES[*image]).collect();
            repository.shown.retain(|blob, shown| named.contains(blob) || !is_due(shown.unnamed_since_ms));
            for shown in repository.shown.values_mut() {
                if is_due(shown.pushed_again_at_ms) {
                    shown.pushed_again_at_ms = None;
                }
            }
        }
    }
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Stored,
    Present,
    Refused,
}
