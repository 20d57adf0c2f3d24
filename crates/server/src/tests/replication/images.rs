//! Images that are pushed arrive, whole and with their tags, and go no further.

use registry::images::blobs;
use registry::images::pull::Selector;
use registry::replication::rules::Extensions;
use store::tables::images::ImageStatus;
use store::tables::repositories::TagMutability;

use super::fixtures::{Fixture, away, home, registry, rule};
use crate::tests::test_app::OTHER_ACCOUNT;

#[tokio::test]
async fn a_push_arrives_in_the_other_region_and_goes_no_further() {
    let server = Fixture::new(vec![rule(&away(), "*")]).await;
    server.put_rules(&away(), vec![rule(&home(), "*")]).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    let image = server.push("app", Some("v1"), "layer").await;
    assert_eq!(server.statuses("app", image).await, ["IN_PROGRESS"]);
    server.settle().await;
    assert_eq!(server.statuses("app", image).await, ["COMPLETE"]);
    assert_eq!(server.tags(&away(), "app", image).await, Some(vec!["v1".to_owned()]));
    assert_eq!(server.manifest(&away(), "app", image).await, server.manifest(&home(), "app", image).await);
    let layer = oci::Digest::sha256_of(b"layer");
    let copy = server.layer(&away(), "app", layer).await;
    let original = server.layer(&home(), "app", layer).await;
    assert_ne!(copy.object, original.object, "a region has copies of its own");
    assert!(blobs::open(&server.0.app, &copy).await.is_ok());
    assert_eq!(server.count("SELECT count(*) FROM image_replications").await, 1, "one hop");
    assert_eq!(server.count("SELECT count(*) FROM uploads").await, 0);
    assert_eq!(server.count("SELECT count(*) FROM jobs").await, 0);
}

#[tokio::test]
async fn only_matching_repositories_are_replicated() {
    let server = Fixture::new(vec![rule(&away(), "prod-")]).await;
    for (repository, expected) in [("prod-a", 1), ("dev", 0)] {
        server.create(&home(), repository, TagMutability::Mutable).await;
        let image = server.push(repository, Some("v1"), "x").await;
        assert_eq!(server.statuses(repository, image).await.len(), expected, "{repository}");
    }
}

#[tokio::test]
async fn repeated_pushes_are_one_transfer_and_tags_end_where_they_do_at_the_source() {
    let server = Fixture::new(vec![rule(&away(), "*")]).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    let first = server.push("app", Some("latest"), "one").await;
    for tag in ["v1", "v1.0", "v1.0.0"] {
        assert_eq!(server.push("app", Some(tag), "one").await, first);
    }
    assert_eq!(server.count("SELECT count(*) FROM image_replications").await, 1);
    assert_eq!(server.count("SELECT count(*) FROM jobs").await, 1);
    let second = server.push("app", Some("latest"), "two").await;
    server.settle().await;
    let tags = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
    assert_eq!(server.tags(&away(), "app", first).await, tags(&["v1", "v1.0", "v1.0.0"]));
    assert_eq!(server.tags(&away(), "app", second).await, tags(&["latest"]));
    server.push("app", Some("latest"), "one").await;
    server.settle().await;
    assert_eq!(server.tags(&away(), "app", second).await, tags(&[]));
    assert!(server.tags(&away(), "app", first).await.is_some_and(|tags| tags.contains(&"latest".to_owned())));
}

#[tokio::test]
async fn lists_come_after_what_they_name_and_referrers_in_any_order() {
    let server = Fixture::new(vec![rule(&away(), "*")]).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    // Before there was a rule: a list takes it along all the same.
    server.put_rules(&home(), Vec::new()).await;
    let old = server.push("app", None, "old").await;
    server.put_rules(&home(), vec![rule(&away(), "*")]).await;
    let mut children = vec![old];
    for number in 0..6 {
        children.push(server.push("app", None, &format!("child {number}")).await);
    }
    let list = server.push_index("app", Some("v1"), &children).await;
    let outer = server.push_index("app", Some("outer"), &[list]).await;
    let signature = server.push_to(&home(), "app", None, "signature", Some(list)).await;
    let early = oci::Digest::sha256_of(b"not pushed");
    let note = server.push_to(&home(), "app", None, "note", Some(early)).await;
    server.settle().await;
    for digest in children.iter().copied().chain([list, outer, signature, note]) {
        assert_eq!(server.statuses("app", digest).await, ["COMPLETE"], "{digest}");
        assert!(server.image(&away(), "app", digest).await.is_some(), "{digest}");
    }
}

#[tokio::test]
async fn an_immutable_tag_stays_where_it_is() {
    let server = Fixture::new(vec![rule(&away(), "*")]).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    server.create(&away(), "app", TagMutability::Immutable).await;
    let first = server.push("app", Some("v1"), "one").await;
    server.settle().await;
    let second = server.push("app", Some("v1"), "two").await;
    server.settle().await;
    assert_eq!(server.statuses("app", second).await, ["COMPLETE"]);
    assert_eq!(server.tags(&away(), "app", first).await, Some(vec!["v1".to_owned()]));
    assert_eq!(server.tags(&away(), "app", second).await, Some(Vec::new()));
}

#[tokio::test]
async fn another_account_takes_what_its_registry_policy_allows() {
    let theirs = registry(OTHER_ACCOUNT, "us-east-1");
    let server = Fixture::new(vec![rule(&theirs, "*")]).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    let image = server.push("app", Some("v1"), "layer").await;
    server.settle().await;
    let failed = server.replications("app", image).await.remove(0);
    assert_eq!((failed.status.as_str(), failed.failure_code.as_deref()), ("FAILED", Some("AccessDenied")));
    let reason = failed.failure_reason.expect("it says why");
    assert!(reason.contains("arn:aws:iam::123456789012:root") && reason.contains("ecr:ReplicateImage"), "{reason}");
    assert!(server.image(&theirs, "app", image).await.is_none());
    let policy = |actions: &str| {
        format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": {actions},
            "Principal": {{"AWS": "arn:aws:iam::123456789012:root"}},
            "Resource": "arn:aws:ecr:us-east-1:{OTHER_ACCOUNT}:repository/*"}}}}"#
        )
    };
    server.put_registry_policy(&theirs, &policy(r#""ecr:ReplicateImage""#)).await;
    server.push("app", Some("v2"), "layer").await;
    server.settle().await;
    let reason = server.replications("app", image).await.remove(0).failure_reason.expect("it says why");
    assert!(reason.contains("ecr:CreateRepository"), "{reason}");
    server.put_registry_policy(&theirs, &policy(r#"["ecr:ReplicateImage", "ecr:CreateRepository"]"#)).await;
    server.push("app", Some("v3"), "layer").await;
    server.settle().await;
    assert_eq!(server.statuses("app", image).await, ["COMPLETE"]);
    assert_eq!(server.tags(&theirs, "app", image).await.map(|tags| tags.len()), Some(3));
    assert_eq!(server.count("SELECT count(*) FROM blobs").await, 2, "a region shares its copies");
}

#[tokio::test]
async fn a_destination_that_nobody_knows_is_a_failure() {
    let server = Fixture::new(vec![rule(&registry("999999999999", "us-west-2"), "*")]).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    let image = server.push("app", Some("v1"), "layer").await;
    server.settle().await;
    let failed = server.replications("app", image).await.remove(0);
    assert_eq!(failed.failure_code.as_deref(), Some("DestinationNotFound"));
}

#[tokio::test]
async fn filters_of_tags_leave_the_others_at_home() {
    let server = Fixture::new(vec![rule(&away(), "*")]).await;
    server.extend(Extensions { tag_filters: vec!["v*".to_owned()], ..Extensions::default() }).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    let child = server.push("app", None, "child").await;
    let other = server.push("app", Some("dev"), "other").await;
    let signature = server.push_to(&home(), "app", None, "signature", Some(child)).await;
    for digest in [child, other, signature] {
        assert!(server.statuses("app", digest).await.is_empty());
    }
    let list = server.push_index("app", Some("v1"), &[child]).await;
    let late = server.push_to(&home(), "app", None, "late signature", Some(list)).await;
    server.settle().await;
    for digest in [child, list, late] {
        assert_eq!(server.statuses("app", digest).await, ["COMPLETE"], "{digest}");
    }
    assert!(server.statuses("app", other).await.is_empty());
    server.push("app", Some("v2"), "other").await;
    server.settle().await;
    assert_eq!(server.statuses("app", other).await, ["COMPLETE"]);
}

#[tokio::test]
async fn an_image_that_the_destination_has_archived_comes_back_when_it_is_replicated_again() {
    let server = Fixture::new(vec![rule(&away(), "*")]).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    let image = server.push("app", Some("v1"), "layer").await;
    server.settle().await;
    server.archive(&away(), "app", image).await;
    server.settle().await;
    assert_eq!(server.push("app", Some("v2"), "layer").await, image);
    server.settle().await;
    let found = server.image(&away(), "app", image).await.expect("there");
    assert_eq!(found.status, ImageStatus::Active);
    let tags = server.tags(&away(), "app", image).await;
    assert_eq!(tags, Some(vec!["v1".to_owned(), "v2".to_owned()]));
}

#[tokio::test]
async fn an_archived_image_goes_when_it_is_restored() {
    let server = Fixture::new(Vec::new()).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    let image = server.push("app", Some("v1"), "layer").await;
    server.archive(&home(), "app", image).await;
    server.settle().await;
    server.put_rules(&home(), vec![rule(&away(), "*")]).await;
    server.unarchive(&home(), "app", image).await;
    server.settle().await;
    assert_eq!(server.statuses("app", image).await, ["COMPLETE"]);
    assert_eq!(server.tags(&away(), "app", image).await, Some(vec!["v1".to_owned()]));
}

#[tokio::test]
async fn a_deleted_image_goes_with_its_tags_when_it_is_restored() {
    let server = Fixture::new(Vec::new()).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    let image = server.push("app", Some("v1"), "layer").await;
    server.push("app", Some("v2"), "layer").await;
    server.delete("app", Selector::Digest(image)).await;
    server.put_rules(&home(), vec![rule(&away(), "*")]).await;
    server.restore("app", Selector::Digest(image)).await;
    assert_eq!(server.count("SELECT count(*) FROM image_replications").await, 1, "once");
    server.settle().await;
    assert_eq!(server.statuses("app", image).await, ["COMPLETE"]);
    let tags = server.tags(&away(), "app", image).await;
    assert_eq!(tags, Some(vec!["v1".to_owned(), "v2".to_owned()]));
}
