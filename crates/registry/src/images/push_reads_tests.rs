//! How often a push reads its repository, and that what it takes from memory is what reading again would give.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use oci::Digest;
use store::db::{Db, Tx};
use store::tables::repositories::{self, EncryptionType, NewRepository, RepositoryRef, TagMutability};

use super::changes::{Actor, Cause};
use super::creation::IfAbsent;
use super::errors::RegistryError;
use super::push::{self, Push, PushProtocol};
use super::read_caches::FoundRepository;
use super::repositories::{create, read_along};
use super::uploads;
use crate::testing::{START_MS, TestRegistry};

const CONFIG: &str = "{}";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn cause(test: &TestRegistry) -> Cause {
    Cause::now(&test.app, Actor::Principal("somebody".into()))
}

async fn new_repository(test: &TestRegistry) -> RepositoryRef {
    let new = NewRepository {
        registry: test.registry(),
        name: "app".parse().expect("a name"),
        created_at_ms: START_MS,
        tag_mutability: TagMutability::Mutable,
        tag_mutability_filters: Vec::new(),
        scan_on_push: false,
        encryption_type: EncryptionType::Aes256,
        kms_key: None,
    };
    let (place, cause) = (test.registry().repository(&new.name), cause(test));
    test.app.db.write(move |tx| create(tx, &new, &[], 10, &cause)).await.expect("created");
    place
}

async fn set_scan_on_push(db: &Db, place: RepositoryRef) {
    let written = db.write(move |tx| {
        let found = repositories::find(tx, &place)?.expect("it is there");
        repositories::set_scan_on_push(tx, found.id, !found.spec.scan_on_push)
    });
    written.await.expect("written");
}

fn image(test: &TestRegistry, place: &RepositoryRef, tag: &str) -> Arc<Push> {
    let config = serde_json::json!({
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "size": CONFIG.len(),
        "digest": Digest::sha256_of(CONFIG.as_bytes()).to_string(),
    });
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [], "annotations": { "tag": tag },
    });
    Arc::new(Push {
        protocol: PushProtocol::Distribution,
        repository: place.clone(),
        replicated_from: None,
        tags: vec![tag.parse().expect("a tag")],
        digest: None,
        media_type: Some(MANIFEST.parse().expect("a media type")),
        manifest: manifest.to_string().into(),
        cause: cause(test),
    })
}

#[tokio::test]
async fn each_step_of_a_push_reads_once_before_it_writes_once() {
    let test = TestRegistry::new(access::web_identity::SourceConfig::default()).await;
    let (app, place) = (&test.app, new_repository(&test).await);
    let measures = app.db.measures();
    let counted = || (measures.reads.attempts.get(), measures.writes.attempts.get());
    let mut before = counted();
    let mut since = || {
        let now = counted();
        let since = (now.0 - before.0, now.1 - before.1);
        before = now;
        since
    };
    let upload = uploads::begin(app, &place, IfAbsent::Refuse, &cause(&test)).await.expect("begun");
    assert_eq!(since(), (1, 1), "how it is encrypted, and whether there is room");
    let mut session = uploads::open(app, &place, upload.id).await.expect("open");
    session.write(Bytes::from_static(CONFIG.as_bytes())).await.expect("written");
    assert_eq!(since(), (1, 0), "the upload");
    session.complete(app, Digest::sha256_of(CONFIG.as_bytes())).await.expect("complete");
    assert_eq!(since(), (0, 1));
    push::put_image(app, image(&test, &place, "v1"), IfAbsent::Refuse).await.expect("pushed");
    assert_eq!(since(), (1, 1), "how it is encrypted, and whether there is room");
}

#[tokio::test]
async fn a_push_does_not_go_to_a_repository_that_is_in_memory_alone() {
    let test = TestRegistry::new(access::web_identity::SourceConfig::default()).await;
    let (app, place) = (&test.app, new_repository(&test).await);
    let upload = uploads::begin(app, &place, IfAbsent::Refuse, &cause(&test)).await.expect("begun");
    let gone = place.clone();
    let deleted = app.db.write(move |tx| {
        let found = repositories::find(tx, &gone)?.expect("it is there");
        store::tables::uploads::abandon_all_of(tx, found.id, START_MS)?;
        repositories::delete(tx, found.id)
    });
    deleted.await.expect("deleted");
    for refused in [
        uploads::begin(app, &place, IfAbsent::Refuse, &cause(&test)).await.map(drop),
        uploads::open(app, &place, upload.id).await.map(drop),
        push::put_image(app, image(&test, &place, "v1"), IfAbsent::Refuse).await.map(drop),
    ] {
        let refused = refused.expect_err("the repository is gone");
        assert!(matches!(refused, RegistryError::RepositoryNotFound(_)), "{refused}");
    }
}

#[tokio::test]
async fn a_repository_is_read_again_when_it_has_changed() {
    let test = TestRegistry::new(access::web_identity::SourceConfig::default()).await;
    let (app, place) = (&test.app, new_repository(&test).await);
    let read = || async {
        let (found, given) = read_along(app, &place, |_, repository| Ok(repository.cloned())).await.expect("readable");
        assert_eq!(found, given);
        found.expect("it is there")
    };
    let first = read().await;
    assert!(Arc::ptr_eq(&first, &read().await), "it is in memory");
    set_scan_on_push(&app.db, place.clone()).await;
    let second = read().await;
    assert!(!first.spec.scan_on_push && second.spec.scan_on_push);
    assert!(Arc::ptr_eq(&second, &read().await), "it is in memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_between_a_repository_in_memory_and_the_rest_is_read_anew() {
    let test = TestRegistry::new(access::web_identity::SourceConfig::default()).await;
    let (app, place) = (&test.app, new_repository(&test).await);
    read_along(app, &place, |_, _| Ok(())).await.expect("readable");
    let (runs, runtime) = (Arc::new(AtomicU32::new(0)), tokio::runtime::Handle::current());
    let (db, changed, counted) = (app.db.clone(), place.clone(), Arc::clone(&runs));
    let look = move |_: &mut dyn Tx, repository: Option<&Arc<FoundRepository>>| {
        if counted.fetch_add(1, Ordering::SeqCst) == 0 {
            let (db, changed, runtime) = (db.clone(), changed.clone(), runtime.clone());
            let change = std::thread::spawn(move || runtime.block_on(set_scan_on_push(&db, changed)));
            change.join().expect("no panic");
        }
        Ok(repository.cloned())
    };
    let (found, given) = read_along(app, &place, look).await.expect("readable");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert!([found, given].iter().flatten().all(|repository| repository.spec.scan_on_push));
}
