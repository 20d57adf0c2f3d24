//! What is protected: one image asked for, and all of them at once, against an obvious model.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use oci::{Digest, Tag};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use registry::images::protection::Protections;
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_protections::{self, ProtectionTarget};
use store::tables::image_tags;
use store::tables::images::{self, NewImage};
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{self, EncryptionType, NewRepository, Repository, TagMutability};

use super::test_app::{ACCOUNT, TestApp};

/// An image by its number: what it holds (images of a list), its subject and its tag. Numbers of others are lower,
/// as digests allow no circle.
#[derive(Clone, Debug)]
struct Plan {
    children: BTreeSet<usize>,
    subject: Option<usize>,
    tag: Option<&'static str>,
}

#[derive(Clone, Debug)]
struct World {
    images: Vec<Plan>,
    targets: Vec<usize>,
}

const TAGS: [&str; 4] = ["v1", "v2", "release-1", "release-2"];

fn world() -> impl Strategy<Value = World> {
    let plan = (proptest::collection::btree_set(0..8_usize, 0..3), proptest::option::of(0..8_usize), 0..8_usize);
    (proptest::collection::vec(plan, 1..9), proptest::collection::vec(0..20_usize, 0..3)).prop_map(
        |(plans, targets)| {
            let mut free: BTreeSet<&'static str> = TAGS.into();
            let images = plans.into_iter().enumerate().map(|(number, (children, subject, tag))| Plan {
                children: children.into_iter().filter(|child| *child < number).collect(),
                subject: subject.filter(|subject| *subject < number),
                tag: TAGS.get(tag).copied().filter(|tag| free.remove(tag)),
            });
            World { images: images.collect(), targets }
        },
    )
}

fn digest(number: usize) -> Digest {
    Digest::sha256_of(&number.to_be_bytes())
}

fn target(number: usize) -> ProtectionTarget {
    match number {
        0 => ProtectionTarget::Repository,
        1..=4 => ProtectionTarget::Tags("release-*".parse().expect("a filter")),
        5..=8 => ProtectionTarget::Tags("v1".parse().expect("a filter")),
        _ => ProtectionTarget::Digest(digest(number - 9)),
    }
}

/// Looks at everything again until nothing more is found.
fn expected(World { images, targets }: &World) -> HashSet<usize> {
    let is_target = |number: usize, image: &Plan| {
        targets.iter().any(|chosen| match target(*chosen) {
            ProtectionTarget::Repository => true,
            ProtectionTarget::Tags(filter) => {
                image.tag.is_some_and(|tag| filter.matches(&tag.parse::<Tag>().expect("a tag")))
            }
            ProtectionTarget::Digest(protected) => protected == digest(number),
        })
    };
    let mut found: HashSet<usize> = HashSet::new();
    for _ in 0..=images.len() {
        for (number, image) in images.iter().enumerate() {
            let is_held = images.iter().enumerate().any(|(holder, of)| {
                found.contains(&holder) && (of.children.contains(&number) || image.subject == Some(holder))
            });
            if is_target(number, image) || is_held {
                found.insert(number);
            }
        }
    }
    found
}

fn store(tx: &mut dyn Tx, world: &World) -> Result<Repository, StoreError> {
    let new = NewRepository {
        registry: RegistryId {
            account: ACCOUNT.parse().expect("an account"),
            region: "us-east-1".parse().expect("a region"),
        },
        name: "app".parse().expect("a name"),
        created_at_ms: 0,
        tag_mutability: TagMutability::Mutable,
        tag_mutability_filters: Vec::new(),
        scan_on_push: false,
        encryption_type: EncryptionType::Aes256,
        kms_key: None,
    };
    let repository = repositories::insert(tx, &new)?.expect("free");
    for (number, image) in world.images.iter().enumerate() {
        let new = NewImage {
            digest: digest(number),
            media_type: "application/vnd.oci.image.index.v1+json".parse().expect("a media type"),
            artifact_media_type: None,
            artifact_type: None,
            annotations: BTreeMap::default(),
            subject: image.subject.map(digest),
            size_bytes: 1,
            manifest_bytes: 1,
            sealed_manifest: Vec::new(),
            pushed_at_ms: 0,
        };
        let id = images::insert(tx, repository.id, &new)?.expect("new");
        for child in &image.children {
            images::insert_child(tx, id, repository.id, &digest(*child))?;
        }
        if let Some(tag) = image.tag {
            image_tags::insert(tx, repository.id, &tag.parse().expect("a tag"), id, 0)?;
        }
    }
    for chosen in &world.targets {
        image_protections::insert(tx, repository.id, &target(*chosen), 0, "somebody")?;
    }
    Ok(repository)
}

/// The transaction of a case is undone by this.
struct Undone;

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        panic!("{error:?}")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_and_all_agree_with_the_model() {
    let test = TestApp::with_files(HashMap::new()).await;
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
        let run = |world: World| {
            let undone = handle.block_on(test.app.db.write(move |tx| {
                let repository = store(tx, &world)?;
                let protections = Protections::load(tx, &repository)?;
                let all = protections.of_all(tx)?;
                let expected = expected(&world);
                for number in 0..world.images.len() {
                    let one = protections.of_image(tx, &digest(number))?;
                    assert_eq!(one.is_some(), expected.contains(&number), "image {number} of {world:?}");
                }
                let found: HashSet<Digest> = all.into_keys().collect();
                assert_eq!(found, expected.into_iter().map(digest).collect::<HashSet<_>>(), "{world:?}");
                Err::<(), _>(Undone)
            }));
            assert!(undone.is_err());
            Ok(())
        };
        TestRunner::new(config).run(&world(), run).unwrap_or_else(|failure| panic!("{failure}"));
    });
}
