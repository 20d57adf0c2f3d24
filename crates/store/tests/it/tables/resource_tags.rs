//! Tags of repositories as resources: a map of its own for each.

use store::tables::{repositories, resource_tags};

use super::fixtures::{add_repository, in_transaction, number};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(keys_are_unique_and_ordered, repositories_have_their_own, they_go_with_their_repository);

fn pairs(tags: &[(String, String)]) -> Vec<(&str, &str)> {
    tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

async fn keys_are_unique_and_ordered(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        for (key, value) in [("team", "a"), ("Team", "b"), ("äther", ""), ("cost center", "1"), ("team", "c")] {
            resource_tags::upsert(tx, id, key, value)?;
        }
        let expected = [("Team", "b"), ("cost center", "1"), ("team", "c"), ("äther", "")];
        assert_eq!(pairs(&resource_tags::list(tx, id)?), expected);
        resource_tags::delete(tx, id, "team")?;
        resource_tags::delete(tx, id, "absent")?;
        assert_eq!(pairs(&resource_tags::list(tx, id)?), [("Team", "b"), ("cost center", "1"), ("äther", "")]);
        Ok(())
    })
    .await;
}

async fn repositories_have_their_own(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?.id, add_repository(tx, "second")?.id);
        resource_tags::upsert(tx, first, "team", "a")?;
        resource_tags::upsert(tx, second, "team", "b")?;
        resource_tags::delete(tx, first, "team")?;
        assert!(resource_tags::list(tx, first)?.is_empty());
        assert_eq!(pairs(&resource_tags::list(tx, second)?), [("team", "b")]);
        Ok(())
    })
    .await;
}

async fn they_go_with_their_repository(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?.id, add_repository(tx, "second")?.id);
        resource_tags::upsert(tx, first, "team", "a")?;
        resource_tags::upsert(tx, second, "team", "b")?;
        repositories::delete(tx, first)?;
        assert_eq!(number(tx, "SELECT count(*) FROM resource_tags")?, 1);
        assert_eq!(pairs(&resource_tags::list(tx, second)?), [("team", "b")]);
        Ok(())
    })
    .await;
}
