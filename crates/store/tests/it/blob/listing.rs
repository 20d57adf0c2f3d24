//! Listing: everything that a store holds, known or not.

use std::collections::BTreeMap;

use store::blob::{Listed, ListedKind, SEGMENT};

use super::bucket::PREFIX;
use super::{Kind, TestStore, noise, on_every_store};

on_every_store!([all_that_is_stored_is_listed, what_was_listed_can_be_removed], []);

async fn list(place: &TestStore) -> Vec<Listed> {
    let mut list = place.store.list();
    let mut found = Vec::new();
    while let Some(next) = list.next().await.expect("it can be listed") {
        found.push(next);
    }
    found
}

async fn add_foreign(place: &TestStore) {
    match &place.bucket {
        None => std::fs::write(place.folder.path().join("objects/aa/notes.txt"), b"mine").expect("it can be written"),
        Some(bucket) => bucket.put_key(&format!("{PREFIX}us-east-1/notes.txt").into(), b"mine").await,
    }
}

async fn all_that_is_stored_is_listed(kind: Kind) {
    let place = TestStore::new(kind);
    assert_eq!(list(&place).await, []);
    let mut expected = BTreeMap::new();
    for (size, stored_bytes) in [(0, 28), (10, 38), (2 * SEGMENT + 5, 2 * SEGMENT + 5 + 3 * 28)] {
        let stored = place.store(noise(size, 1)).await;
        expected.insert(stored.object.to_string(), stored_bytes as u64);
    }
    add_foreign(&place).await;
    let found = list(&place).await;
    let mut objects = BTreeMap::new();
    let mut foreign = Vec::new();
    for one in &found {
        assert!(one.modified_at_ms > 1_700_000_000_000, "{one:?}");
        match &one.kind {
            ListedKind::Object(object) => {
                assert!(one.key.ends_with(&object.to_string()), "{one:?}");
                objects.insert(object.to_string(), one.bytes);
            }
            ListedKind::Foreign => foreign.push((one.key.rsplit('/').next().expect("a name").to_owned(), one.bytes)),
            ListedKind::Multipart { .. } => panic!("{one:?}"),
        }
    }
    assert_eq!(objects, expected);
    assert_eq!(foreign, [("notes.txt".to_owned(), 4)]);
}

async fn what_was_listed_can_be_removed(kind: Kind) {
    let place = TestStore::new(kind);
    let kept = place.store(noise(10, 1)).await;
    let gone = place.store(noise(10, 2)).await;
    add_foreign(&place).await;
    for one in list(&place).await {
        if one.kind != ListedKind::Object(kept.object) {
            place.store.remove_listed(&one).await.expect("it can be removed");
            place.store.remove_listed(&one).await.expect("again");
        }
    }
    let left = list(&place).await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].kind, ListedKind::Object(kept.object));
    assert!(place.read_all(&gone).await.1.is_some());
    assert!(place.read_all(&kept).await.1.is_none());
}

#[tokio::test]
async fn unfinished_multipart_uploads_are_listed() {
    let place = TestStore::new(Kind::S3);
    let (state, key) = place.store.begin();
    let object = state.object;
    let mut writer = place.writer(state, key);
    writer.write(noise(9 << 20, 1).into()).await.expect("it can be written");
    let state = writer.checkpoint().await.expect("it is durable");
    let found = list(&place).await;
    let multiparts: Vec<&Listed> =
        found.iter().filter(|one| matches!(one.kind, ListedKind::Multipart { .. })).collect();
    let id = place.ledger.multipart(object).expect("the ledger knows it");
    assert_eq!(multiparts.len(), 1, "{found:?}");
    assert_eq!(multiparts[0].kind, ListedKind::Multipart { object: Some(object), id });
    let rest = state.rest_object().expect("9 MiB are a part and a rest");
    assert!(found.iter().any(|one| one.kind == ListedKind::Object(rest)), "{found:?}");
    place.store.remove_listed(multiparts[0]).await.expect("it can be ended");
    assert_eq!(place.bucket.as_ref().expect("a bucket").unfinished(), 0);
}
