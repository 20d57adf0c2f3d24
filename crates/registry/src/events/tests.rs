//! Tests of events: what a change is told as, and to whom.

use std::sync::{Arc, LazyLock};

use access::web_identity::SourceConfig;
use oci::{Digest, MediaType};
use serde_json::{Value, json};
use store::tables::images::ImageStatus;
use store::tables::jobs;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{EncryptionType, NewRepository, Repository, TagMutability};

use super::config::{EventsConfig, WebhookConfig};
use super::event::{Event, EventRepository, IMAGE_PULL, Success, UpstreamSync};
use super::{Events, of_change};
use crate::images::changes::{Actor, Cause, Change, ChangedImage};
use crate::images::followers::{Follower as _, Pull};
use crate::testing::{ACCOUNT, TestRegistry};

/// 2025-10-10T19:13:02.740Z.
const AT_MS: i64 = 1_760_123_582_740;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn registry(region: &str) -> RegistryId {
    RegistryId { account: ACCOUNT.parse().expect("an account"), region: region.parse().expect("a region") }
}

fn repository(name: &str) -> Repository {
    let spec = NewRepository {
        registry: registry("us-west-2"),
        name: name.parse().expect("a name"),
        created_at_ms: AT_MS,
        tag_mutability: TagMutability::Mutable,
        tag_mutability_filters: Vec::new(),
        scan_on_push: false,
        encryption_type: EncryptionType::Aes256,
        kms_key: None,
    };
    Repository { id: 1, spec }
}

fn cause(actor: Actor) -> Cause {
    Cause { actor, at_ms: AT_MS, followers: Arc::default() }
}

fn image(digest: &Digest) -> ChangedImage<'_> {
    static MEDIA_TYPE: LazyLock<MediaType> = LazyLock::new(|| MANIFEST.parse().expect("a media type"));
    ChangedImage { digest, media_type: Some(&MEDIA_TYPE), artifact_media_type: Some(CONFIG), is_referrer: false }
}

/// The event of ECR's documentation with these fields.
fn sample(detail_type: &str, resources: &[&str], detail: Value) -> Value {
    json!({
        "version": "0",
        "detail-type": detail_type,
        "source": if detail_type.starts_with("Wharf") { "wharf" } else { "aws.ecr" },
        "account": ACCOUNT,
        "time": "2025-10-10T19:13:02Z",
        "region": "us-west-2",
        "resources": resources,
        "detail": detail,
    })
}

/// Without its id, which is a UUID.
fn shown(event: &Event) -> Value {
    let mut json = event.to_json();
    let id = json.as_object_mut().and_then(|object| object.remove("id")).expect("an id");
    assert_eq!(id, event.id().to_string());
    json
}

fn told(actor: Actor, change: &Change<'_>) -> Vec<Value> {
    of_change(&cause(actor), &repository("my-app"), change).iter().map(shown).collect()
}

#[test]
fn image_actions_have_ecrs_shape() {
    let digest = Digest::sha256_of(b"image");
    let detail = |action: &str, tag: Option<&str>| {
        let mut detail = json!({
            "result": "SUCCESS",
            "repository-name": "my-app",
            "image-digest": digest.to_string(),
            "action-type": action,
            "manifest-media-type": MANIFEST,
            "artifact-media-type": CONFIG,
        });
        if let Some(tag) = tag {
            detail["image-tag"] = tag.into();
        }
        detail
    };
    let image = image(&digest);
    let action = |action: &str, tag: Option<&str>| sample("ECR Image Action", &[], detail(action, tag));
    let root = || Actor::Principal("arn:aws:iam::123456789012:root".into());
    let pushed = |tag| told(root(), &Change::ImagePushed { image, tag });
    assert_eq!(pushed(Some("latest")), [action("PUSH", Some("latest"))]);
    assert_eq!(pushed(None), [action("PUSH", None)]);
    let tags = ["a".to_owned(), "b".to_owned()];
    let deleted = |tags, is_gone| told(Actor::Lifecycle, &Change::ImageDeleted { image, tags, is_gone });
    assert_eq!(deleted(&tags, true), [action("DELETE", Some("a")), action("DELETE", Some("b"))]);
    assert_eq!(deleted(&tags[..1], false), [action("DELETE", Some("a"))]);
    assert_eq!(deleted(&[], true), [action("DELETE", None)]);

    let moved = |image, status| told(root(), &Change::ImageStatusChanged { image, status });
    let mut archived = action("UPDATE_STORAGE_CLASS", None);
    archived["detail"]["target-storage-class"] = "ARCHIVE".into();
    assert_eq!(moved(image, ImageStatus::Archived), [archived]);
    assert!(moved(image, ImageStatus::Activating).is_empty(), "it is told when it is back");
    let mut restored = action("UPDATE_STORAGE_CLASS", None);
    restored["detail"]["target-storage-class"] = "STANDARD".into();
    restored["detail"]["last-activated-at"] = "2025-10-10T19:13:02.740Z".into();
    assert_eq!(moved(image, ImageStatus::Active), [restored.clone()]);
    restored["detail-type"] = "ECR Referrer Action".into();
    assert_eq!(moved(ChangedImage { is_referrer: true, ..image }, ImageStatus::Active), [restored]);
}

#[test]
fn caching_and_replication_have_ecrs_shape() {
    let digest = Digest::sha256_of(b"image");
    let repository = repository("docker-hub/alpine");
    let place = EventRepository::from(&repository);
    let arn = "arn:aws:ecr:us-west-2:123456789012:repository/docker-hub/alpine";
    let sync = UpstreamSync {
        prefix: "docker-hub",
        upstream_registry_url: "registry-1.docker.io",
        tag: Some("3.17.2"),
        digest: Some(&digest),
    };
    let mut expected = json!({
        "rule-version": "1",
        "sync-status": "SUCCESS",
        "ecr-repository-prefix": "docker-hub",
        "repository-name": "docker-hub/alpine",
        "upstream-registry-url": "registry-1.docker.io",
        "image-tag": "3.17.2",
        "image-digest": digest.to_string(),
    });
    let event = Event::pull_through_cache(place, AT_MS, Success::Yes, sync);
    assert_eq!(shown(&event), sample("ECR Pull Through Cache Action", &[arn], expected.clone()));
    expected["sync-status"] = "FAILURE".into();
    expected.as_object_mut().expect("an object").remove("image-digest");
    let event = Event::pull_through_cache(place, AT_MS, Success::No, UpstreamSync { digest: None, ..sync });
    assert_eq!(shown(&event), sample("ECR Pull Through Cache Action", &[arn], expected));

    for (success, result) in [(Success::Yes, "SUCCESS"), (Success::No, "FAILED")] {
        let source = registry("us-east-1");
        let event = Event::replication(place, AT_MS, success, &source, &digest, Some("3.17.2"));
        let expected = json!({
            "result": result,
            "repository-name": "docker-hub/alpine",
            "image-digest": digest.to_string(),
            "source-account": ACCOUNT,
            "action-type": "REPLICATE",
            "source-region": "us-east-1",
            "image-tag": "3.17.2",
        });
        assert_eq!(shown(&event), sample("ECR Replication Action", &[arn], expected));
    }
}

#[test]
fn wharfs_own_events_say_who_did_it() {
    let digest = Digest::sha256_of(b"image");
    let image = image(&digest);
    let tags = ["a".to_owned()];
    let arn = "arn:aws:ecr:us-west-2:123456789012:repository/my-app";
    let alice: Arc<str> = "arn:aws:iam::123456789012:user/alice".into();
    let cases = [
        (
            Actor::Principal(Arc::clone(&alice)),
            Change::RepositoryCreated,
            "Wharf Repository Action",
            json!({"action-type": "CREATE", "actor": &*alice}),
        ),
        (
            Actor::Principal(Arc::clone(&alice)),
            Change::RepositoryDeleted,
            "Wharf Repository Action",
            json!({"action-type": "DELETE", "actor": &*alice}),
        ),
        (
            Actor::Replication,
            Change::ImagePushed { image, tag: Some("v1") },
            "Wharf Image Replicated",
            json!({"actor": "replication", "image-tag": "v1"}),
        ),
        (
            Actor::Principal(Arc::clone(&alice)),
            Change::ImageRestored { image, tags: &tags },
            "Wharf Image Restored",
            json!({"actor": &*alice, "image-tags": ["a"]}),
        ),
    ];
    for (actor, change, detail_type, mut detail) in cases {
        detail["result"] = "SUCCESS".into();
        detail["repository-name"] = "my-app".into();
        if !detail_type.contains("Repository") {
            detail["image-digest"] = digest.to_string().into();
            detail["manifest-media-type"] = MANIFEST.into();
            detail["artifact-media-type"] = CONFIG.into();
        }
        assert_eq!(told(actor, &change), [sample(detail_type, &[arn], detail)]);
    }
}

fn sinks(filters: &[Option<Value>]) -> Events {
    let webhooks = filters.iter().enumerate().map(|(number, filter)| WebhookConfig {
        url: format!("http://127.0.0.1:1/{number}"),
        name: Some(format!("sink{number}")),
        secret: None,
        filter: filter.clone(),
        ca_file: None,
        headers: std::collections::BTreeMap::new(),
    });
    Events::new(&EventsConfig { webhooks: webhooks.collect(), ..EventsConfig::default() }).expect("good")
}

async fn stored(app: &TestRegistry) -> Vec<(String, String)> {
    let found = app.app.db.read(|tx| jobs::list(tx, 0, 20_000)).await.expect("readable");
    found.into_iter().map(|job| (job.kind, job.key.rsplit_once(' ').expect("an id").0.to_owned())).collect()
}

#[tokio::test]
async fn an_event_is_stored_once_for_each_sink_that_wants_it() {
    let app = TestRegistry::new(SourceConfig::default()).await;
    let note = |events: Events, change: Change<'static>| {
        app.app.db.write(move |tx| events.follow(tx, &cause(Actor::Lifecycle), &repository("my-app"), &change))
    };
    note(sinks(&[]), Change::RepositoryCreated).await.expect("stored");
    assert!(stored(&app).await.is_empty());
    let created = Some(json!({"detail": {"action-type": ["CREATE"]}}));
    note(sinks(&[None, created.clone()]), Change::RepositoryCreated).await.expect("stored");
    note(sinks(&[None, created]), Change::RepositoryDeleted).await.expect("stored");
    let expected =
        [("event to sink0", "my-app CREATE"), ("event to sink1", "my-app CREATE"), ("event to sink0", "my-app DELETE")];
    assert_eq!(stored(&app).await, expected.map(|(kind, key)| (kind.to_owned(), key.to_owned())));
}

#[tokio::test]
async fn pulls_are_bounded_in_memory_and_in_the_queue() {
    let app = TestRegistry::new(SourceConfig::default()).await;
    let events = sinks(&[None, Some(json!({"detail-type": [IMAGE_PULL]}))]);
    assert!(events.wants_pulls() && !sinks(&[None]).wants_pulls());
    let digest = Digest::sha256_of(b"image");
    let repository = repository("my-app");
    let pulled = Pull {
        registry: &repository.spec.registry,
        repository: &repository.spec.name,
        image: image(&digest),
        tag: Some("v1"),
        actor: "me",
        at_ms: AT_MS,
    };
    let pull = |count: usize| {
        for _ in 0..count {
            events.pulled(&pulled);
        }
    };
    pull(10_002);
    assert_eq!(events.dropped_pulls(), 2);
    events.flush_pulls(&app.app).await.expect("stored");
    let kept = stored(&app).await;
    assert_eq!(kept.len(), 10_000);
    assert!(kept.iter().all(|(kind, key)| kind == "event to sink1" && key == "my-app Wharf Image Pull"));
    pull(3);
    events.flush_pulls(&app.app).await.expect("nothing is stored");
    assert_eq!((events.dropped_pulls(), stored(&app).await.len()), (5, 10_000));
}
