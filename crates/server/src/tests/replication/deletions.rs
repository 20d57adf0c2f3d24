//! Deletions stay at home, unless a rule or the configuration says that they go along.

use registry::images::pull::Selector;
use registry::replication::rules::{Extensions, Rule};
use store::tables::repositories::TagMutability;

use super::fixtures::{Fixture, away, home, registry, rule};
use crate::tests::test_app::{ACCOUNT, OTHER_ACCOUNT};

fn tag(text: &str) -> Selector {
    Selector::Tag(text.parse().expect("a tag"))
}

/// What is left at the destination of a tagged image, after one of two tags was taken and after it was deleted.
async fn left(rule: Rule, extensions: Extensions) -> [Option<Vec<String>>; 2] {
    let server = Fixture::new(vec![rule]).await;
    server.extend(extensions).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    let image = server.push("app", Some("v1"), "one").await;
    server.push("app", Some("v2"), "one").await;
    server.settle().await;
    server.delete("app", tag("v1")).await;
    server.settle().await;
    let after_tag = server.tags(&away(), "app", image).await;
    server.delete("app", Selector::Digest(image)).await;
    server.settle().await;
    [after_tag, server.tags(&away(), "app", image).await]
}

#[tokio::test]
async fn what_goes_along() {
    let both = || Some(vec!["v1".to_owned(), "v2".to_owned()]);
    let one = || Some(vec!["v2".to_owned()]);
    let none = Extensions::default;
    let plain = rule(&away(), "*");
    let with_deletes = Rule { deletes: Some(true), ..plain.clone() };
    let without = Rule { deletes: Some(false), ..plain.clone() };
    for (rule, extensions, expected) in [
        (plain.clone(), none(), [both(), both()]),
        (without, none(), [both(), both()]),
        (with_deletes, none(), [one(), None]),
        (plain.clone(), Extensions { deletes: true, ..none() }, [both(), None]),
        (plain, Extensions { tag_removals: true, ..none() }, [one(), one()]),
    ] {
        let name = format!("{rule:?} {extensions:?}");
        assert_eq!(left(rule, extensions).await, expected, "{name}");
    }
}

#[tokio::test]
async fn what_came_back_meanwhile_stays() {
    let server = Fixture::new(vec![Rule { deletes: Some(true), ..rule(&away(), "*") }]).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    let child = server.push("app", None, "child").await;
    let list = server.push_index("app", Some("v1"), &[child]).await;
    server.settle().await;
    // A list goes before what it names, in the order in which they went here.
    server.delete("app", Selector::Digest(list)).await;
    server.delete("app", Selector::Digest(child)).await;
    let again = server.push("app", Some("v2"), "child").await;
    assert_eq!(again, child);
    server.settle().await;
    assert_eq!(server.tags(&away(), "app", list).await, None);
    assert_eq!(server.tags(&away(), "app", child).await, Some(vec!["v2".to_owned()]));
}

/// A server whose first registry replicates to another, with deletions, and to which the same was brought or pushed.
async fn with_deletions(tag_mutability: TagMutability) -> Fixture {
    let server = Fixture::new(vec![Rule { deletes: Some(true), ..rule(&away(), "*") }]).await;
    server.create(&home(), "app", TagMutability::Mutable).await;
    server.create(&away(), "app", tag_mutability).await;
    server
}

fn tags(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn what_was_pushed_there_stays() {
    let server = with_deletions(TagMutability::Mutable).await;
    // Pushed there before it is brought, and after.
    let before = server.push_to(&away(), "app", Some("prod"), "before", None).await;
    let untagged = server.push_to(&away(), "app", None, "untagged", None).await;
    assert_eq!(server.push("app", Some("prod"), "before").await, before);
    assert_eq!(server.push("app", Some("brought"), "before").await, before);
    assert_eq!(server.push("app", None, "untagged").await, untagged);
    let after = server.push("app", Some("v1"), "after").await;
    let tagged = server.push("app", Some("v2"), "tagged").await;
    let moved = server.push("app", Some("v3"), "moved").await;
    server.settle().await;
    assert_eq!(server.tags(&away(), "app", before).await, Some(tags(&["brought", "prod"])));
    server.push_to(&away(), "app", Some("v1"), "after", None).await;
    server.push_to(&away(), "app", Some("mine"), "tagged", None).await;
    server.push_to(&away(), "app", Some("v3"), "another", None).await;
    for image in [before, untagged, after, tagged, moved] {
        server.delete("app", Selector::Digest(image)).await;
    }
    server.settle().await;
    assert_eq!(server.tags(&away(), "app", before).await, Some(tags(&["prod"])), "only what was brought goes");
    assert_eq!(server.tags(&away(), "app", untagged).await, Some(tags(&[])));
    assert_eq!(server.tags(&away(), "app", after).await, Some(tags(&["v1"])), "somebody pushed the same there");
    assert_eq!(server.tags(&away(), "app", tagged).await, Some(tags(&["mine"])), "somebody wants it there");
    assert_eq!(server.tags(&away(), "app", moved).await, None, "nobody wants it there");
}

#[tokio::test]
async fn immutable_tags_stay_and_go_to_no_other_image() {
    let server = with_deletions(TagMutability::Immutable).await;
    let first = server.push("app", Some("prod"), "first").await;
    let untagged = server.push("app", None, "untagged").await;
    server.settle().await;
    server.delete("app", tag("prod")).await;
    server.delete("app", Selector::Digest(untagged)).await;
    let second = server.push("app", Some("prod"), "second").await;
    server.settle().await;
    assert_eq!(server.tags(&away(), "app", first).await, Some(tags(&["prod"])));
    assert_eq!(server.tags(&away(), "app", second).await, Some(tags(&[])), "it arrives without the tag");
    assert_eq!(server.tags(&away(), "app", untagged).await, None);
}

#[tokio::test]
async fn no_source_takes_what_another_brought() {
    let server = with_deletions(TagMutability::Mutable).await;
    let theirs = registry(OTHER_ACCOUNT, "us-east-1");
    server.put_rules(&theirs, vec![Rule { deletes: Some(true), ..rule(&away(), "*") }]).await;
    let policy = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "ecr:ReplicateImage",
        "Principal": {{"AWS": "arn:aws:iam::{OTHER_ACCOUNT}:root"}},
        "Resource": "arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/*"}}}}"#
    );
    server.put_registry_policy(&away(), &policy).await;
    server.create(&theirs, "app", TagMutability::Mutable).await;
    let ours = server.push("app", Some("v1"), "ours").await;
    let both = server.push("app", Some("v2"), "both").await;
    server.settle().await;
    server.push_to(&theirs, "app", Some("v1"), "ours", None).await;
    server.push_to(&theirs, "app", Some("theirs"), "both", None).await;
    server.settle().await;
    assert_eq!(server.tags(&away(), "app", both).await, Some(tags(&["theirs", "v2"])));
    for image in [ours, both] {
        server.delete_at(&theirs, "app", Selector::Digest(image)).await;
    }
    server.settle().await;
    assert_eq!(server.tags(&away(), "app", ours).await, Some(tags(&["v1"])), "both brought it");
    assert_eq!(server.tags(&away(), "app", both).await, Some(tags(&["v2"])));
}
