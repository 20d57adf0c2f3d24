//! Objects whose bytes are to be deleted: noted once, due after a while, oldest first.

use store::blob::{BlobScope, ObjectId, Tier};
use store::tables::removed_objects::{self, RemovedObject};

use super::fixtures::{due, due_objects, in_transaction};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    objects_become_due_in_order,
    the_first_note_counts,
    a_note_says_where_the_object_is,
    a_copy_is_used_in_time_or_goes,
    copies_that_are_given_up_go_at_once,
    a_copys_multipart_upload_is_remembered,
);

fn gone(object: ObjectId, tier: Tier) -> RemovedObject {
    let scope = BlobScope { region: "eu-west-1".to_owned(), encryption: "AES256".to_owned() };
    RemovedObject { object, tier, scope, multipart: None }
}

async fn objects_become_due_in_order(backend: &Backend) {
    in_transaction(backend, |tx| {
        let objects: Vec<ObjectId> = (0..4).map(|_| ObjectId::random()).collect();
        for (object, removed_at_ms) in objects.iter().zip([30, 10, 40, 20]) {
            removed_objects::insert(tx, &gone(*object, Tier::Standard), removed_at_ms)?;
        }
        assert!(due_objects(tx, 9, 10)?.is_empty());
        assert_eq!(due_objects(tx, 10, 10)?, [objects[1]]);
        assert_eq!(due_objects(tx, 39, 10)?, [objects[1], objects[3], objects[0]]);
        assert_eq!(due_objects(tx, 39, 2)?, [objects[1], objects[3]]);
        removed_objects::delete(tx, objects[1])?;
        removed_objects::delete(tx, objects[1])?;
        assert_eq!(due_objects(tx, i64::MAX, 10)?, [objects[3], objects[0], objects[2]]);
        Ok(())
    })
    .await;
}

async fn the_first_note_counts(backend: &Backend) {
    in_transaction(backend, |tx| {
        let object = ObjectId::random();
        removed_objects::insert(tx, &gone(object, Tier::Standard), 10)?;
        removed_objects::insert(tx, &gone(object, Tier::Standard), 20)?;
        assert_eq!(due_objects(tx, 10, 10)?, [object]);
        Ok(())
    })
    .await;
}

async fn a_note_says_where_the_object_is(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (here, there) = (ObjectId::random(), ObjectId::random());
        removed_objects::insert(tx, &gone(here, Tier::Standard), 10)?;
        removed_objects::insert(tx, &gone(there, Tier::Archive), 20)?;
        let found = due(tx, 20)?;
        assert_eq!(found, [gone(here, Tier::Standard), gone(there, Tier::Archive)]);
        Ok(())
    })
    .await;
}

async fn a_copy_is_used_in_time_or_goes(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (used, late) = (ObjectId::random(), ObjectId::random());
        for copy in [used, late] {
            removed_objects::insert_copy(tx, &gone(copy, Tier::Archive), 7, 1_000)?;
        }
        assert!(due_objects(tx, 999, 10)?.is_empty(), "not while it is being written");
        assert!(removed_objects::take_into_use(tx, used, 999)?);
        assert!(!removed_objects::take_into_use(tx, used, 999)?, "it has no note any more");
        assert!(!removed_objects::take_into_use(tx, late, 1_000)?, "its bytes may be going");
        assert_eq!(due(tx, 1_000)?, [gone(late, Tier::Archive)]);
        Ok(())
    })
    .await;
}

async fn copies_that_are_given_up_go_at_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (own, other, removed) = (ObjectId::random(), ObjectId::random(), ObjectId::random());
        removed_objects::insert_copy(tx, &gone(own, Tier::Archive), 7, 1_000)?;
        removed_objects::insert_copy(tx, &gone(other, Tier::Archive), 8, 1_000)?;
        removed_objects::insert(tx, &gone(removed, Tier::Standard), 50)?;
        removed_objects::give_up_copies(tx, 7)?;
        assert_eq!(due_objects(tx, 49, 10)?, [own]);
        assert!(!removed_objects::take_into_use(tx, own, 1)?, "whoever still writes it cannot use it");
        assert!(removed_objects::take_into_use(tx, other, 1)?);
        Ok(())
    })
    .await;
}

async fn a_copys_multipart_upload_is_remembered(backend: &Backend) {
    in_transaction(backend, |tx| {
        let copy = ObjectId::random();
        assert!(!removed_objects::note_multipart(tx, copy, "id", 1)?, "it was not noted");
        removed_objects::insert_copy(tx, &gone(copy, Tier::Archive), 7, 1_000)?;
        assert!(removed_objects::note_multipart(tx, copy, "id", 999)?);
        assert!(!removed_objects::note_multipart(tx, copy, "other", 1_000)?, "its time has come");
        let noted = RemovedObject { multipart: Some("id".to_owned()), ..gone(copy, Tier::Archive) };
        assert_eq!(due(tx, 1_000)?, [noted]);
        removed_objects::give_up(tx, copy)?;
        assert_eq!(due_objects(tx, 0, 10)?, [copy]);
        Ok(())
    })
    .await;
}
