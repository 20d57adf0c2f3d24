//! Images: one per digest in a repository, found by digest, tag, parent and subject.

use std::collections::BTreeMap;

use oci::Digest;
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::images::{self, Image, ImageStatus, NewImage, Referrer};
use store::tables::{image_tags, repositories};

use super::fixtures::{
    add_blob, add_image, add_image_of, add_repository, add_tag, all_pages, delete_image, digest, home, in_transaction,
    name, new_image, number, open, tag,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    what_is_stored_comes_back,
    a_digest_is_there_once,
    repositories_do_not_see_each_other,
    pages_follow_the_order_of_digests,
    parents_are_the_lists_that_name_a_child,
    referrers_are_paged_by_digest,
    pull_times_only_move_forward,
    a_deleted_image_leaves_nothing,
    a_tagged_image_cannot_be_deleted,
    all_of_one_repository_go,
    an_unknown_status_is_damage,
);

fn digests(images: &[Image]) -> Vec<Digest> {
    images.iter().map(|image| image.digest).collect()
}

fn in_order(numbers: impl IntoIterator<Item = u64>) -> Vec<Digest> {
    let mut digests: Vec<Digest> = numbers.into_iter().map(digest).collect();
    digests.sort_by_key(ToString::to_string);
    digests
}

async fn what_is_stored_comes_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository_id = add_repository(tx, "app")?.id;
        let full = NewImage {
            digest: Digest::sha512_of(b"full"),
            artifact_media_type: Some("application/vnd.oci.image.config.v1+json".to_owned()),
            artifact_type: Some("application/spdx+json".to_owned()),
            annotations: BTreeMap::from([("a".to_owned(), "\"quoted\" ü".to_owned())]),
            subject: Some(digest(9)),
            size_bytes: 1 << 62,
            sealed_manifest: vec![0, 255, 1],
            ..new_image(2)
        };
        for new in [new_image(1), full] {
            let id = images::insert(tx, repository_id, &new)?.expect("the digest is new");
            let expected = Image {
                id,
                digest: new.digest,
                media_type: Some(new.media_type),
                artifact_media_type: new.artifact_media_type,
                subject: new.subject,
                size_bytes: new.size_bytes,
                manifest_bytes: new.manifest_bytes,
                pushed_at_ms: new.pushed_at_ms,
                last_pulled_at_ms: None,
                status: ImageStatus::Active,
                last_archived_at_ms: None,
                last_activated_at_ms: None,
                is_artifact: false,
            };
            assert_eq!(images::find(tx, repository_id, &new.digest)?, Some(expected));
            assert_eq!(images::sealed_manifest(tx, id)?, Some(new.sealed_manifest));
        }
        assert_eq!(images::find(tx, repository_id, &digest(3))?, None);
        assert_eq!(images::sealed_manifest(tx, i64::MAX)?, None);
        Ok(())
    })
    .await;
}

async fn a_digest_is_there_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository_id = add_repository(tx, "app")?.id;
        let id = add_image(tx, repository_id, 1)?;
        let again = NewImage { size_bytes: 7, sealed_manifest: vec![7], pushed_at_ms: 9_000, ..new_image(1) };
        assert_eq!(images::insert(tx, repository_id, &again)?, None);
        let stored = images::find(tx, repository_id, &digest(1))?.expect("it is there");
        assert_eq!((stored.id, stored.size_bytes, stored.pushed_at_ms), (id, 1_001, 5_000), "the first one stays");
        assert_eq!(images::sealed_manifest(tx, id)?, Some(new_image(1).sealed_manifest));
        Ok(())
    })
    .await;
}

async fn repositories_do_not_see_each_other(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?.id, add_repository(tx, "second")?.id);
        assert!(!images::any(tx, first)?);
        let id = add_image(tx, first, 1)?;
        add_tag(tx, first, "v1", id)?;
        images::insert_child(tx, id, first, &digest(2))?;
        assert!(images::any(tx, first)?);
        assert!(!images::any(tx, second)?);
        assert_eq!(images::find(tx, second, &digest(1))?, None);
        assert_eq!(images::find_by_tag(tx, second, "v1")?, None);
        assert!(images::list(tx, second, "", 10)?.is_empty());
        assert!(images::parents(tx, second, &digest(2))?.is_empty());
        assert_ne!(add_image(tx, second, 1)?, id, "the same digest is another image there");
        Ok(())
    })
    .await;
}

async fn pages_follow_the_order_of_digests(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository_id = add_repository(tx, "app")?.id;
        let expected = in_order(0..12);
        for number in 0..12 {
            add_image(tx, repository_id, number)?;
        }
        for limit in 1..=13 {
            let seen = all_pages(limit, |last: Option<&Image>| {
                let last = last.map(|last| last.digest.to_string()).unwrap_or_default();
                images::list(tx, repository_id, &last, limit)
            })?;
            assert_eq!(digests(&seen), expected, "limit {limit}");
        }
        Ok(())
    })
    .await;
}

async fn parents_are_the_lists_that_name_a_child(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository_id = add_repository(tx, "app")?.id;
        add_image(tx, repository_id, 1)?;
        let mut lists = Vec::new();
        for number in 10..13 {
            let id = add_image(tx, repository_id, number)?;
            images::insert_child(tx, id, repository_id, &digest(1))?;
            // A list may name an image twice.
            images::insert_child(tx, id, repository_id, &digest(1))?;
            lists.push(id);
        }
        assert_eq!(images::parents(tx, repository_id, &digest(1))?, in_order(10..13));
        assert!(images::parents(tx, repository_id, &digest(10))?.is_empty());
        delete_image(tx, repository_id, lists[0], 7_000)?;
        assert_eq!(images::parents(tx, repository_id, &digest(1))?, in_order(11..13));
        Ok(())
    })
    .await;
}

async fn referrers_are_paged_by_digest(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (repository_id, other) = (add_repository(tx, "app")?.id, add_repository(tx, "other")?.id);
        for number in 1..=5 {
            let refers = NewImage {
                subject: Some(digest(0)),
                artifact_type: Some(format!("type/{number}")),
                annotations: BTreeMap::from([("number".to_owned(), number.to_string())]),
                ..new_image(number)
            };
            images::insert(tx, repository_id, &refers)?;
        }
        // None of these is one.
        images::insert(tx, repository_id, &NewImage { subject: Some(digest(1)), ..new_image(6) })?;
        images::insert(tx, other, &NewImage { subject: Some(digest(0)), ..new_image(7) })?;
        add_image(tx, repository_id, 8)?;
        let seen = all_pages(2, |last: Option<&Referrer>| {
            let last = last.map(|last| last.digest.to_string()).unwrap_or_default();
            images::referrers(tx, repository_id, &digest(0), &last, 2)
        })?;
        for referrer in &seen {
            let number = referrer.annotations["number"].parse().unwrap();
            assert_eq!(referrer.digest, digest(number));
            assert_eq!(referrer.artifact_type, Some(format!("type/{number}")));
            assert_eq!(referrer.manifest_bytes, 100 + number);
            assert_eq!(referrer.status, ImageStatus::Active);
        }
        let seen: Vec<Digest> = seen.iter().map(|referrer| referrer.digest).collect();
        assert_eq!(seen, in_order(1..=5));
        let plain = images::referrers(tx, repository_id, &digest(1), "", 2)?;
        assert_eq!((plain.len(), plain[0].digest), (1, digest(6)));
        assert!(plain[0].annotations.is_empty());
        Ok(())
    })
    .await;
}

async fn pull_times_only_move_forward(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository_id = add_repository(tx, "app")?.id;
        let id = add_image(tx, repository_id, 1)?;
        add_image(tx, repository_id, 2)?;
        for (pulled_at_ms, expected) in [(50, 50), (40, 50), (50, 50), (60, 60)] {
            images::record_pull(tx, id, pulled_at_ms)?;
            let image = images::find(tx, repository_id, &digest(1))?.expect("it is there");
            assert_eq!(image.last_pulled_at_ms, Some(expected), "after a pull at {pulled_at_ms}");
        }
        let other = images::find(tx, repository_id, &digest(2))?.expect("it is there");
        assert_eq!(other.last_pulled_at_ms, None);
        Ok(())
    })
    .await;
}

async fn a_deleted_image_leaves_nothing(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(100), 1_000)?;
        let kept = add_image_of(tx, repository.id, 1, [digest(100)])?;
        let gone = add_image_of(tx, repository.id, 2, [digest(100)])?;
        images::insert_child(tx, gone, repository.id, &digest(1))?;
        add_tag(tx, repository.id, "kept", kept)?;
        add_tag(tx, repository.id, "gone", gone)?;
        add_tag(tx, repository.id, "gone-2", gone)?;
        assert_eq!(delete_image(tx, repository.id, gone, 7_000)?, ["gone", "gone-2"]);
        assert_eq!(images::find(tx, repository.id, &digest(2))?, None);
        assert_eq!(images::find_by_tag(tx, repository.id, "gone")?, None);
        assert_eq!(images::sealed_manifest(tx, gone)?, None);
        assert_eq!(number(tx, "SELECT count(*) FROM image_blobs")?, 1);
        assert_eq!(number(tx, "SELECT count(*) FROM image_children")?, 0);
        assert_eq!(images::find_by_tag(tx, repository.id, "kept")?.map(|image| image.id), Some(kept));
        let again = add_image(tx, repository.id, 2)?;
        assert!(image_tags::list_of_image(tx, again)?.is_empty(), "a new push begins without tags");
        Ok(())
    })
    .await;
}

async fn a_tagged_image_cannot_be_deleted(backend: &Backend) {
    let db = open(backend);
    let fill = |tx: &mut dyn Tx| {
        let repository_id = add_repository(tx, "app")?.id;
        let id = add_image(tx, repository_id, 1)?;
        add_tag(tx, repository_id, "v1", id)?;
        Ok::<_, StoreError>((repository_id, id))
    };
    let (repository_id, id) = db.write(fill).await.unwrap();
    let error = db.write(move |tx| images::delete(tx, id)).await.expect_err("a tag names it");
    assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error:?}");
    let image = db.read(move |tx| images::find_by_tag(tx, repository_id, "v1")).await.unwrap();
    assert_eq!(image.map(|image| image.id), Some(id));
}

async fn all_of_one_repository_go(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?, add_repository(tx, "second")?);
        for repository in [&first, &second] {
            add_blob(tx, repository, &digest(100), 1_000)?;
            let id = add_image_of(tx, repository.id, 1, [digest(100)])?;
            add_tag(tx, repository.id, "v1", id)?;
            let list = add_image(tx, repository.id, 2)?;
            images::insert_child(tx, list, repository.id, &digest(1))?;
        }
        images::delete_all(tx, first.id)?;
        assert!(!images::any(tx, first.id)?);
        assert!(image_tags::list(tx, first.id, "", 10)?.is_empty());
        assert!(images::parents(tx, first.id, &digest(1))?.is_empty());
        assert_eq!(digests(&images::list(tx, second.id, "", 10)?), in_order(1..3));
        assert_eq!(image_tags::list(tx, second.id, "", 10)?, [tag("v1").to_string()]);
        assert_eq!(images::parents(tx, second.id, &digest(1))?, [digest(2)]);
        for table in ["image_blobs", "image_children", "image_tags"] {
            assert_eq!(number(tx, &format!("SELECT count(*) FROM {table}"))?, 1, "{table}");
        }
        Ok(())
    })
    .await;
}

async fn an_unknown_status_is_damage(backend: &Backend) {
    let db = open(backend);
    let fill = |tx: &mut dyn Tx| {
        let repository_id = add_repository(tx, "app")?.id;
        add_image(tx, repository_id, 1)?;
        tx.execute("UPDATE images SET status = 'LOST'", &[])
    };
    db.write(fill).await.unwrap();
    let find = |tx: &mut dyn Tx| {
        let repository = repositories::find(tx, &home().repository(&name("app")))?.expect("it is there");
        images::find(tx, repository.id, &digest(1))
    };
    let error = db.read(find).await.expect_err("the column cannot be read");
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert_eq!(error.to_string(), "column images.status holds \"LOST\", which is not valid there");
}
