//! Objects whose bytes are to be deleted: noted once, due after a while, oldest first.

use store::blob::ObjectId;
use store::tables::removed_objects;

use super::fixtures::in_transaction;
use crate::backend::{Backend, on_every_backend};

on_every_backend!(objects_become_due_in_order, the_first_note_counts);

async fn objects_become_due_in_order(backend: &Backend) {
    in_transaction(backend, |tx| {
        let objects: Vec<ObjectId> = (0..4).map(|_| ObjectId::random()).collect();
        for (object, removed_at_ms) in objects.iter().zip([30, 10, 40, 20]) {
            removed_objects::insert(tx, *object, removed_at_ms)?;
        }
        assert!(removed_objects::list_due(tx, 9, 10)?.is_empty());
        assert_eq!(removed_objects::list_due(tx, 10, 10)?, [objects[1]]);
        assert_eq!(removed_objects::list_due(tx, 39, 10)?, [objects[1], objects[3], objects[0]]);
        assert_eq!(removed_objects::list_due(tx, 39, 2)?, [objects[1], objects[3]]);
        removed_objects::delete(tx, objects[1])?;
        removed_objects::delete(tx, objects[1])?;
        assert_eq!(removed_objects::list_due(tx, i64::MAX, 10)?, [objects[3], objects[0], objects[2]]);
        Ok(())
    })
    .await;
}

async fn the_first_note_counts(backend: &Backend) {
    in_transaction(backend, |tx| {
        let object = ObjectId::random();
        removed_objects::insert(tx, object, 10)?;
        removed_objects::insert(tx, object, 20)?;
        assert_eq!(removed_objects::list_due(tx, 10, 10)?, [object]);
        Ok(())
    })
    .await;
}
