//! Counts under any order of pushes, deletions and collections: always those of a slow and obvious model.

use std::collections::{BTreeMap, BTreeSet};

use oci::Digest;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::db::Tx;
use store::error::StoreError;
use store::tables::repositories::{self, EncryptionType, NewRepository, Repository, TagMutability};
use store::tables::{blobs, image_tags, images, repository_blobs};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::fixtures::{
    add_blob, add_image_of, delete_image, delete_repository, digest, due_objects, new_repository, open, scope_of, tag,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(counts_are_those_of_the_model);

const REPOSITORIES: usize = 3;
const BLOBS: u64 = 4;
const IMAGES: u64 = 6;
const TAGS: [&str; 3] = ["a", "b", "latest"];

/// What may happen. Numbers choose among the constants above.
#[derive(Clone, Debug)]
enum Step {
    Upload { repository: usize, blob: u64 },
    Mount { from: usize, to: usize, blob: u64 },
    PutImage { repository: usize, image: u64 },
    PutTag { repository: usize, image: u64, tag: &'static str },
    DeleteTag { repository: usize, tag: &'static str },
    DeleteImage { repository: usize, image: u64 },
    RecreateRepository { repository: usize },
    Wait { ms: i64 },
    Collect { grace_ms: i64, limit: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let repository = || 0..REPOSITORIES;
    let blob = || 0..BLOBS;
    let image = || 0..IMAGES;
    let tag = || proptest::sample::select(&TAGS[..]);
    let step = prop_oneof![
        6 => (repository(), blob()).prop_map(|(repository, blob)| Step::Upload { repository, blob }),
        2 => (repository(), repository(), blob()).prop_map(|(from, to, blob)| Step::Mount { from, to, blob }),
        6 => (repository(), image()).prop_map(|(repository, image)| Step::PutImage { repository, image }),
        3 => (repository(), image(), tag()).prop_map(|(repository, image, tag)| Step::PutTag { repository, image, tag }),
        1 => (repository(), tag()).prop_map(|(repository, tag)| Step::DeleteTag { repository, tag }),
        3 => (repository(), image()).prop_map(|(repository, image)| Step::DeleteImage { repository, image }),
        1 => repository().prop_map(|repository| Step::RecreateRepository { repository }),
        2 => (1..5_i64).prop_map(|ms| Step::Wait { ms }),
        3 => (0..6_i64, 1..4_usize).prop_map(|(grace_ms, limit)| Step::Collect { grace_ms, limit }),
    ];
    proptest::collection::vec(step, 1..60)
}

/// The blobs that an image names: one to three of the four.
fn named_by(image: u64) -> BTreeSet<u64> {
    [image % BLOBS, image * 2 % BLOBS, (image + 1) % BLOBS].into_iter().collect()
}

fn blob_digest(blob: u64) -> Digest {
    digest(100 + blob)
}

/// The repositories differ in where their blobs are shared and in whether tags move.
fn spec(number: usize) -> NewRepository {
    let plain = new_repository(["mutable", "immutable", "other-key"][number]);
    match number {
        0 => plain,
        1 => NewRepository { tag_mutability: TagMutability::Immutable, ..plain },
        _ => NewRepository {
            encryption_type: EncryptionType::Kms,
            kms_key: Some("arn:aws:kms:us-east-1:123456789012:key/a".parse().unwrap()),
            ..plain
        },
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ModelRepository {
    /// By blob: how many images name it, and since when none does.
    blobs: BTreeMap<u64, (i64, Option<i64>)>,
    images: BTreeSet<u64>,
    tags: BTreeMap<&'static str, u64>,
}

/// What should be stored, counted anew at every look.
struct Model {
    repositories: [ModelRepository; REPOSITORIES],
    /// Stored copies by encryption scope: those that nobody shows any more stay until they are collected.
    copies: BTreeSet<(String, u64)>,
    now_ms: i64,
}

impl Model {
    fn copies_with_counts(&self, scopes: &[String]) -> BTreeMap<(String, Digest), i64> {
        let shown = |scope: &String, blob: u64| {
            let has =
                |number: &usize| scopes[*number] == *scope && self.repositories[*number].blobs.contains_key(&blob);
            (0..REPOSITORIES).filter(has).count() as i64
        };
        self.copies.iter().map(|(scope, blob)| ((scope.clone(), blob_digest(*blob)), shown(scope, *blob))).collect()
    }

    fn remove_image(&mut self, repository: usize, image: u64) {
        let model = &mut self.repositories[repository];
        model.images.remove(&image);
        model.tags.retain(|_, tagged| *tagged != image);
        for blob in named_by(image) {
            let is_named = model.images.iter().any(|other| named_by(*other).contains(&blob));
            let entry = model.blobs.get_mut(&blob).expect("an image's blobs are shown");
            entry.0 -= 1;
            assert_eq!(entry.0 > 0, is_named, "the model counts right");
            if !is_named {
                entry.1 = Some(self.now_ms);
            }
        }
    }
}

/// The model beside the repositories as stored.
struct World {
    model: Model,
    stored: Vec<Repository>,
}

impl World {
    fn new(tx: &mut dyn Tx) -> Result<Self, StoreError> {
        let mut stored = Vec::new();
        for number in 0..REPOSITORIES {
            stored.push(repositories::insert(tx, &spec(number))?.expect("the name is free"));
        }
        let model = Model { repositories: Default::default(), copies: BTreeSet::new(), now_ms: 1_000 };
        Ok(Self { model, stored })
    }

    fn scope(&self, repository: usize) -> String {
        scope_of(&self.stored[repository]).encryption
    }

    fn take(&mut self, tx: &mut dyn Tx, step: &Step) -> Result<(), StoreError> {
        let now_ms = self.model.now_ms;
        match *step {
            Step::Upload { repository, blob } => {
                add_blob(tx, &self.stored[repository], &blob_digest(blob), now_ms)?;
                self.show(repository, blob);
            }
            Step::Mount { from, to, blob } => self.mount(tx, from, to, blob)?,
            Step::PutImage { repository, image } => self.put_image(tx, repository, image)?,
            Step::PutTag { repository, image, tag } => self.put_tag(tx, repository, image, tag)?,
            Step::DeleteTag { repository, tag } => {
                let deleted = image_tags::delete(tx, self.stored[repository].id, tag)?;
                assert_eq!(deleted, self.model.repositories[repository].tags.remove(tag).is_some());
            }
            Step::DeleteImage { repository, image } => {
                let id = self.stored[repository].id;
                let found = images::find(tx, id, &digest(image))?;
                assert_eq!(found.is_some(), self.model.repositories[repository].images.contains(&image));
                if let Some(found) = found {
                    delete_image(tx, id, found.id, now_ms)?;
                    self.model.remove_image(repository, image);
                }
            }
            Step::RecreateRepository { repository } => {
                delete_repository(tx, self.stored[repository].id, now_ms)?;
                self.stored[repository] = repositories::insert(tx, &spec(repository))?.expect("the name is free again");
                self.model.repositories[repository] = ModelRepository::default();
            }
            Step::Wait { ms } => self.model.now_ms += ms,
            Step::Collect { grace_ms, limit } => self.collect(tx, now_ms - grace_ms, limit)?,
        }
        Ok(())
    }

    fn show(&mut self, repository: usize, blob: u64) {
        self.model.copies.insert((self.scope(repository), blob));
        let now_ms = self.model.now_ms;
        let entry = self.model.repositories[repository].blobs.entry(blob).or_insert((0, None));
        if entry.0 == 0 {
            entry.1 = Some(now_ms);
        }
    }

    fn mount(&mut self, tx: &mut dyn Tx, from: usize, to: usize, blob: u64) -> Result<(), StoreError> {
        let shown = repository_blobs::find(tx, self.stored[from].id, &blob_digest(blob))?.is_some();
        assert_eq!(shown, self.model.repositories[from].blobs.contains_key(&blob));
        if !shown || self.scope(from) != self.scope(to) {
            return Ok(());
        }
        let target = &self.stored[to];
        let (digest, scope) = (blob_digest(blob), scope_of(target));
        let now_ms = self.model.now_ms;
        assert!(repository_blobs::share(tx, self.stored[from].id, target.id, &scope, &digest, now_ms)?);
        self.show(to, blob);
        Ok(())
    }

    fn put_image(&mut self, tx: &mut dyn Tx, repository: usize, image: u64) -> Result<(), StoreError> {
        let id = self.stored[repository].id;
        let named = named_by(image);
        let model = &mut self.model.repositories[repository];
        for blob in 0..BLOBS {
            let is_shown = repository_blobs::find(tx, id, &blob_digest(blob))?.is_some();
            assert_eq!(is_shown, model.blobs.contains_key(&blob), "blob {blob} of repository {repository}");
        }
        if model.images.contains(&image) || named.iter().any(|blob| !model.blobs.contains_key(blob)) {
            return Ok(());
        }
        add_image_of(tx, id, image, named.iter().copied().map(blob_digest))?;
        model.images.insert(image);
        for blob in named {
            let entry = model.blobs.get_mut(&blob).expect("looked up above");
            *entry = (entry.0 + 1, None);
        }
        Ok(())
    }

    fn put_tag(
        &mut self,
        tx: &mut dyn Tx,
        repository: usize,
        image: u64,
        text: &'static str,
    ) -> Result<(), StoreError> {
        let stored = &self.stored[repository];
        let model = &mut self.model.repositories[repository];
        let Some(found) = images::find(tx, stored.id, &digest(image))? else {
            assert!(!model.images.contains(&image));
            return Ok(());
        };
        if stored.is_immutable(&tag(text)) {
            let inserted = image_tags::insert(tx, stored.id, &tag(text), found.id, self.model.now_ms)?;
            assert_eq!(inserted, !model.tags.contains_key(text), "an immutable tag is given once");
            model.tags.entry(text).or_insert(image);
        } else {
            image_tags::move_to(tx, stored.id, &tag(text), found.id, self.model.now_ms)?;
            model.tags.insert(text, image);
        }
        Ok(())
    }

    /// A round of the collector in small steps, as the job does it.
    fn collect(&mut self, tx: &mut dyn Tx, until_ms: i64, limit: usize) -> Result<(), StoreError> {
        until_fewer_than(limit, || Ok(repository_blobs::collect_unreferenced(tx, until_ms, limit)?.rows))?;
        until_fewer_than(limit, || blobs::collect_unreferenced(tx, self.model.now_ms, limit))?;
        for repository in &mut self.model.repositories {
            repository.blobs.retain(|_, (_, since_ms)| since_ms.is_none_or(|since_ms| since_ms > until_ms));
        }
        let scopes: Vec<String> = (0..REPOSITORIES).map(|number| self.scope(number)).collect();
        let repositories = &self.model.repositories;
        let is_shown = |scope: &String, blob: u64| {
            (0..REPOSITORIES).any(|number| scopes[number] == *scope && repositories[number].blobs.contains_key(&blob))
        };
        self.model.copies.retain(|(scope, blob)| is_shown(scope, *blob));
        Ok(())
    }

    /// Compares all that is stored with the model.
    fn check(&self, tx: &mut dyn Tx) -> Result<(), StoreError> {
        let removed: BTreeSet<String> = due_objects(tx, i64::MAX, 10_000)?.iter().map(ToString::to_string).collect();
        for (repository, model) in self.stored.iter().zip(&self.model.repositories) {
            let found = read_repository(tx, repository)?;
            assert_eq!(found, *model, "{}", repository.spec.name);
            for blob in model.images.iter().flat_map(|image| named_by(*image)) {
                let stored = repository_blobs::find(tx, repository.id, &blob_digest(blob))?.expect("an image names it");
                assert!(stored.image_count > 0, "what an image names is counted");
                assert!(!removed.contains(&stored.stored.object.to_string()), "what an image names has its bytes");
            }
        }
        let mut copies = BTreeMap::new();
        for row in tx.query("SELECT encryption_scope, digest, reference_count FROM blobs", &[])? {
            copies.insert((row.text(0)?.to_owned(), row.text(1)?.parse().unwrap()), row.int(2)?);
        }
        let scopes: Vec<String> = (0..REPOSITORIES).map(|number| self.scope(number)).collect();
        assert_eq!(copies, self.model.copies_with_counts(&scopes));
        Ok(())
    }
}

/// Repeats a step of the collector until little is left. There is never more than all blobs of all repositories.
fn until_fewer_than(limit: usize, mut step: impl FnMut() -> Result<usize, StoreError>) -> Result<(), StoreError> {
    for _ in 0..=REPOSITORIES as u64 * BLOBS {
        if step()? < limit {
            return Ok(());
        }
    }
    panic!("collecting does not end");
}

/// A repository as stored, in the model's terms.
fn read_repository(tx: &mut dyn Tx, repository: &Repository) -> Result<ModelRepository, StoreError> {
    let mut found = ModelRepository::default();
    let sql = "SELECT digest, image_count, unreferenced_since_ms FROM repository_blobs WHERE repository_id = $1";
    for row in tx.query(sql, &[repository.id.into()])? {
        let blob = (0..BLOBS).find(|blob| blob_digest(*blob).to_string() == row.text(0).unwrap());
        found.blobs.insert(blob.expect("a blob of this test"), (row.int(1)?, row.opt_int(2)?));
    }
    for image in images::list(tx, repository.id, "", 100)? {
        let number = (0..IMAGES).find(|number| digest(*number) == image.digest).expect("an image of this test");
        found.images.insert(number);
        for text in image_tags::list_of_image(tx, image.id)? {
            found.tags.insert(TAGS.into_iter().find(|tag| *tag == text).expect("a tag of this test"), number);
        }
    }
    Ok(found)
}

/// How a case ends: always with an error, so that the next one begins with an empty database.
#[derive(Debug)]
enum Ended {
    Well,
    Store(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn run(tx: &mut dyn Tx, steps: &[Step]) -> Result<(), Ended> {
    let mut world = World::new(tx)?;
    for step in steps {
        world.take(tx, step)?;
        world.check(tx)?;
    }
    Err(Ended::Well)
}

async fn counts_are_those_of_the_model(backend: &Backend) {
    let db = open(backend);
    block_in_place(|| {
        let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
        TestRunner::new(config).run(&steps(), |steps| {
            match Handle::current().block_on(db.write(move |tx| run(tx, &steps))) {
                Err(Ended::Well) => Ok(()),
                Err(Ended::Store(error)) => Err(TestCaseError::fail(error.to_string())),
                Ok(()) => Err(TestCaseError::fail("a case keeps nothing")),
            }
        })
    })
    .expect("the database and the model agree");
}
