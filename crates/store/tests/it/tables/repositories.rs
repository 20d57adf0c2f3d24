//! Repositories: unique in their registry, listed in the order of their names.

use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::repositories::{self, EncryptionType, NewRepository, Repository, TagMutability};
use tokio::task::JoinSet;

use super::fixtures::{
    add_image, add_repository, all_pages, home, in_transaction, name, new_repository, open, registry, tag,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    what_is_stored_comes_back,
    a_name_is_taken_once,
    one_of_many_creates_a_name,
    registries_do_not_see_each_other,
    pages_follow_the_order_of_bytes,
    mutability_can_be_changed,
    a_deleted_repository_is_gone,
    one_that_is_in_use_cannot_be_deleted,
);

fn names(repositories: &[Repository]) -> Vec<&str> {
    repositories.iter().map(|repository| repository.spec.name.as_str()).collect()
}

async fn what_is_stored_comes_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap();
        let specs = [
            new_repository("plain"),
            NewRepository {
                tag_mutability: TagMutability::ImmutableWithExclusion,
                tag_mutability_filters: vec!["dev-*".parse().unwrap(), "*".parse().unwrap(), "a.b_c".parse().unwrap()],
                scan_on_push: true,
                encryption_type: EncryptionType::Kms,
                kms_key: Some(key),
                created_at_ms: i64::MAX,
                ..new_repository("team/app-1_x.y")
            },
        ];
        for spec in specs {
            let inserted = repositories::insert(tx, &spec)?.expect("the name is free");
            assert_eq!(inserted.spec, spec);
            assert_eq!(repositories::find(tx, &home().repository(&spec.name))?, Some(inserted));
        }
        assert_eq!(repositories::find(tx, &home().repository(&name("team/app")))?, None);
        Ok(())
    })
    .await;
}

async fn a_name_is_taken_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        let first = add_repository(tx, "app")?;
        let second = NewRepository { scan_on_push: true, ..new_repository("app") };
        assert_eq!(repositories::insert(tx, &second)?, None);
        assert_eq!(
            repositories::find(tx, &home().repository(&name("app")))?,
            Some(first),
            "the first one stays as it was"
        );
        Ok(())
    })
    .await;
}

async fn one_of_many_creates_a_name(backend: &Backend) {
    let nodes = [open(backend), open(backend)];
    let mut tasks = JoinSet::new();
    for number in 0..32 {
        let db = nodes[number as usize % 2].clone();
        tasks.spawn(async move {
            let spec = NewRepository { created_at_ms: number, ..new_repository("app") };
            db.write(move |tx| repositories::insert(tx, &spec)).await.expect("nobody fails")
        });
    }
    let created: Vec<Repository> = tasks.join_all().await.into_iter().flatten().collect();
    let stored = nodes[0].read(|tx| repositories::list(tx, &home(), "", 10)).await.unwrap();
    assert_eq!(created, stored);
    assert_eq!(created.len(), 1);
}

async fn registries_do_not_see_each_other(backend: &Backend) {
    in_transaction(backend, |tx| {
        let registries = [home(), registry("123456789012", "eu-west-1"), registry("210987654321", "us-east-1")];
        let mut inserted = Vec::new();
        for registry in &registries {
            let spec = NewRepository { registry: registry.clone(), ..new_repository("app") };
            inserted.push(repositories::insert(tx, &spec)?.expect("the name is free in each registry"));
        }
        for (registry, repository) in registries.iter().zip(&inserted) {
            assert_eq!(repositories::find(tx, &registry.repository(&name("app")))?.as_ref(), Some(repository));
            assert_eq!(repositories::list(tx, registry, "", 10)?, std::slice::from_ref(repository));
        }
        repositories::delete(tx, inserted[0].id)?;
        assert_eq!(repositories::find(tx, &registries[0].repository(&name("app")))?, None);
        assert!(repositories::find(tx, &registries[1].repository(&name("app")))?.is_some());
        assert!(repositories::find(tx, &registries[2].repository(&name("app")))?.is_some());
        Ok(())
    })
    .await;
}

async fn pages_follow_the_order_of_bytes(backend: &Backend) {
    in_transaction(backend, |tx| {
        // By bytes: a language's order would pass over the punctuation.
        let ordered = ["a-b", "a.b", "a/b", "a0", "a_b", "aa", "ab", "b0"];
        for text in ["ab", "a_b", "b0", "a-b", "a0", "a/b", "aa", "a.b"] {
            add_repository(tx, text)?;
        }
        for limit in 1..=ordered.len() + 1 {
            let seen = all_pages(limit, |last: Option<&Repository>| {
                repositories::list(tx, &home(), last.map_or("", |last| last.spec.name.as_str()), limit)
            })?;
            assert_eq!(names(&seen), ordered, "limit {limit}");
        }
        assert_eq!(names(&repositories::list(tx, &home(), "a1", 2)?), ["a_b", "aa"], "after a name that is not there");
        assert!(repositories::list(tx, &home(), "b0", 10)?.is_empty());
        assert!(repositories::list(tx, &home(), "", 0)?.is_empty());
        Ok(())
    })
    .await;
}

async fn mutability_can_be_changed(backend: &Backend) {
    in_transaction(backend, |tx| {
        let other = add_repository(tx, "other")?;
        let id = add_repository(tx, "app")?.id;
        let filters = ["latest".parse().unwrap(), "dev-*".parse().unwrap()];
        let cases = [
            (TagMutability::Immutable, &filters[..0], [true, true, true]),
            (TagMutability::ImmutableWithExclusion, &filters[..], [false, false, true]),
            (TagMutability::MutableWithExclusion, &filters[..], [true, true, false]),
            (TagMutability::MutableWithExclusion, &filters[..1], [true, false, false]),
            (TagMutability::Mutable, &filters[..0], [false, false, false]),
        ];
        for (mode, filters, expected) in cases {
            repositories::set_tag_mutability(tx, id, mode, filters)?;
            let changed = repositories::find(tx, &home().repository(&name("app")))?.expect("it is there");
            assert_eq!(changed.spec.tag_mutability, mode);
            assert_eq!(changed.spec.tag_mutability_filters, filters, "{mode:?}");
            let immutable = ["latest", "dev-1", "v1"].map(|text| changed.is_immutable(&tag(text)));
            assert_eq!(immutable, expected, "{mode:?} with {filters:?}");
        }
        assert_eq!(repositories::find(tx, &home().repository(&name("other")))?, Some(other), "others keep theirs");
        Ok(())
    })
    .await;
}

async fn a_deleted_repository_is_gone(backend: &Backend) {
    in_transaction(backend, |tx| {
        let first = add_repository(tx, "app")?;
        let other = add_repository(tx, "other")?;
        repositories::delete(tx, first.id)?;
        assert_eq!(repositories::find(tx, &home().repository(&name("app")))?, None);
        assert_eq!(repositories::list(tx, &home(), "", 10)?, [other]);
        let again = add_repository(tx, "app")?;
        assert_ne!(again.id, first.id, "what still names the old one must not mean the new one");
        Ok(())
    })
    .await;
}

async fn one_that_is_in_use_cannot_be_deleted(backend: &Backend) {
    let db = open(backend);
    let fill = |tx: &mut dyn Tx| {
        let id = add_repository(tx, "app")?.id;
        add_image(tx, id, 1)?;
        Ok::<_, StoreError>(id)
    };
    let id = db.write(fill).await.unwrap();
    let error = db.write(move |tx| repositories::delete(tx, id)).await.expect_err("an image is in it");
    assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error:?}");
    assert!(db.read(|tx| repositories::find(tx, &home().repository(&name("app")))).await.unwrap().is_some());
}
