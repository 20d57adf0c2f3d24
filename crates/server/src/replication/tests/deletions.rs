//! Deletions stay at home, unless a rule or the configuration says that they go along.

use store::tables::repositories::TagMutability;

use super::fixtures::{Fixture, away, home, rule};
use crate::registry::pull::Selector;
use crate::replication::rules::{Extensions, Rule};

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
