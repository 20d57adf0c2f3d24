//! Uploads: progress is stored once per part, and what ends or goes stale leaves its object for removal.

use store::blob::{BlobScope, ObjectId, Tier};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::registry_id::RegistryId;
use store::tables::removed_objects::{self, RemovedObject};
use store::tables::repositories;
use store::tables::uploads::{self, Upload};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::fixtures::{add_repository, delete_repository, due, due_objects, in_transaction, open};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    what_is_stored_comes_back,
    an_upload_belongs_to_its_repository,
    progress_counts_from_where_it_began,
    one_of_many_advances_from_one_place,
    an_ended_upload_is_gone_and_its_object_lives,
    an_abandoned_upload_leaves_its_object_for_removal,
    stale_uploads_are_abandoned_oldest_first,
    growing_keeps_an_upload_from_going_stale,
    uploads_go_with_their_repository,
    an_object_has_one_upload,
    the_last_session_may_write,
    what_an_upload_has_in_a_bucket_goes_with_it,
    uploads_of_a_registry_are_counted_together,
);

fn new_upload(repository_id: i64, updated_at_ms: i64) -> Upload {
    let object = ObjectId::random();
    Upload {
        id: Uuid::new_v4(),
        repository_id,
        object,
        data_key: object.as_bytes().to_vec(),
        sealed_state: vec![1, 2, 3],
        received_bytes: 0,
        part_count: 0,
        last_part_bytes: 0,
        has_short_part: false,
        updated_at_ms,
        epoch: 0,
        next_part: 1,
        rest: None,
        multipart: None,
    }
}

fn add_upload(tx: &mut dyn Tx, repository_id: i64, updated_at_ms: i64) -> Result<Upload, StoreError> {
    let upload = new_upload(repository_id, updated_at_ms);
    uploads::insert(tx, &upload)?;
    Ok(upload)
}

fn removed(tx: &mut dyn Tx) -> Result<Vec<ObjectId>, StoreError> {
    due_objects(tx, i64::MAX, 1_000)
}

async fn what_is_stored_comes_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let full = Upload {
            data_key: vec![0, 255],
            sealed_state: vec![7; 70_000],
            received_bytes: 52_000 << 20,
            part_count: 10_000,
            last_part_bytes: 5 << 20,
            has_short_part: true,
            ..new_upload(id, i64::MAX)
        };
        for upload in [new_upload(id, 10), full] {
            uploads::insert(tx, &upload)?;
            assert_eq!(uploads::find(tx, id, upload.id)?, Some(upload));
        }
        assert_eq!(uploads::find(tx, id, Uuid::new_v4())?, None);
        Ok(())
    })
    .await;
}

async fn an_upload_belongs_to_its_repository(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?.id, add_repository(tx, "second")?.id);
        let upload = add_upload(tx, first, 10)?;
        assert_eq!(uploads::find(tx, second, upload.id)?, None);
        assert_eq!(uploads::find(tx, first, upload.id)?, Some(upload));
        Ok(())
    })
    .await;
}

async fn progress_counts_from_where_it_began(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let begun = add_upload(tx, id, 10)?;
        let bystander = add_upload(tx, id, 10)?;
        let grown = Upload {
            sealed_state: vec![4],
            received_bytes: 100,
            part_count: 1,
            last_part_bytes: 100,
            updated_at_ms: 20,
            ..begun.clone()
        };
        assert!(uploads::advance(tx, &grown, 0)?);
        assert_eq!(uploads::find(tx, id, begun.id)?, Some(grown.clone()));
        let late = Upload { sealed_state: vec![5], received_bytes: 50, ..begun.clone() };
        assert!(!uploads::advance(tx, &late, 0)?, "it has moved on");
        assert!(!uploads::advance(tx, &late, 99)?, "it was never there");
        assert_eq!(uploads::find(tx, id, begun.id)?, Some(grown.clone()), "a late part changes nothing");
        let more = Upload { received_bytes: 300, part_count: 2, has_short_part: true, updated_at_ms: 30, ..grown };
        assert!(uploads::advance(tx, &more, 100)?);
        assert_eq!(uploads::find(tx, id, begun.id)?, Some(more.clone()));
        assert_eq!(uploads::find(tx, id, bystander.id)?, Some(bystander));
        uploads::finish(tx, begun.id, 0, 20)?;
        assert!(!uploads::advance(tx, &more, 300)?, "it is gone");
        Ok(())
    })
    .await;
}

async fn one_of_many_advances_from_one_place(backend: &Backend) {
    let nodes = [open(backend), open(backend)];
    let fill = |tx: &mut dyn Tx| {
        let id = add_repository(tx, "app")?.id;
        add_upload(tx, id, 10)
    };
    let begun = nodes[0].write(fill).await.unwrap();
    let mut tasks = JoinSet::new();
    for received_bytes in 1..=16 {
        let db = nodes[received_bytes as usize % 2].clone();
        let grown = Upload { received_bytes, ..begun.clone() };
        tasks.spawn(async move {
            let advance = {
                let grown = grown.clone();
                move |tx: &mut dyn Tx| uploads::advance(tx, &grown, 0)
            };
            db.write(advance).await.expect("nobody fails").then_some(grown)
        });
    }
    let winners: Vec<Upload> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    let stored = nodes[1].read(move |tx| uploads::find(tx, begun.repository_id, begun.id)).await.unwrap();
    assert_eq!(stored.as_ref(), winners.first());
}

async fn an_ended_upload_is_gone_and_its_object_lives(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let (ended, other) = (add_upload(tx, id, 10)?, add_upload(tx, id, 10)?);
        assert!(uploads::finish(tx, ended.id, 0, 20)?.is_some());
        assert!(uploads::finish(tx, ended.id, 0, 20)?.is_none());
        assert!(!uploads::abandon(tx, ended.id, None, 20)?);
        assert_eq!(uploads::find(tx, id, ended.id)?, None);
        assert!(uploads::find(tx, id, other.id)?.is_some());
        assert!(removed(tx)?.is_empty());
        Ok(())
    })
    .await;
}

async fn an_abandoned_upload_leaves_its_object_for_removal(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let (gone, other) = (add_upload(tx, id, 10)?, add_upload(tx, id, 10)?);
        assert!(uploads::abandon(tx, gone.id, None, 20)?);
        assert!(!uploads::abandon(tx, gone.id, None, 30)?);
        assert!(uploads::finish(tx, gone.id, 0, 20)?.is_none());
        assert!(uploads::find(tx, id, other.id)?.is_some());
        assert!(due_objects(tx, 19, 10)?.is_empty());
        assert_eq!(due_objects(tx, 20, 10)?, [gone.object]);
        Ok(())
    })
    .await;
}

async fn stale_uploads_are_abandoned_oldest_first(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let mut begun = Vec::new();
        for updated_at_ms in [40, 10, 30, 20] {
            begun.push(add_upload(tx, id, updated_at_ms)?);
        }
        assert_eq!(uploads::abandon_stale(tx, 9, 100, 10)?, 0);
        assert_eq!(uploads::abandon_stale(tx, 30, 101, 2)?, 2, "no more than the limit");
        assert_eq!(uploads::abandon_stale(tx, 30, 102, 2)?, 1, "the one that was exactly as old");
        assert_eq!(uploads::abandon_stale(tx, 30, 103, 2)?, 0);
        assert_eq!(uploads::find(tx, id, begun[0].id)?, Some(begun[0].clone()));
        let first: Vec<ObjectId> = due_objects(tx, 101, 10)?;
        assert_eq!(first.len(), 2);
        assert!(first.contains(&begun[1].object) && first.contains(&begun[3].object), "the oldest go first");
        assert_eq!(removed(tx)?.last(), Some(&begun[2].object));
        Ok(())
    })
    .await;
}

async fn growing_keeps_an_upload_from_going_stale(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let begun = add_upload(tx, id, 10)?;
        let grown = Upload { received_bytes: 1, updated_at_ms: 50, ..begun };
        assert!(uploads::advance(tx, &grown, 0)?);
        assert_eq!(uploads::abandon_stale(tx, 49, 100, 10)?, 0);
        assert_eq!(uploads::abandon_stale(tx, 50, 100, 10)?, 1);
        Ok(())
    })
    .await;
}

async fn uploads_go_with_their_repository(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?.id, add_repository(tx, "second")?.id);
        let gone = [add_upload(tx, first, 10)?, add_upload(tx, first, 20)?];
        let kept = add_upload(tx, second, 10)?;
        delete_repository(tx, first, 30)?;
        let removed = due_objects(tx, 30, 10)?;
        assert_eq!(removed.len(), 2);
        assert!(gone.iter().all(|upload| removed.contains(&upload.object)));
        assert_eq!(uploads::find(tx, first, gone[0].id)?, None);
        assert_eq!(uploads::find(tx, second, kept.id)?, Some(kept));
        Ok(())
    })
    .await;
}

async fn an_object_has_one_upload(backend: &Backend) {
    let db = open(backend);
    let first = db
        .write(|tx| {
            let id = add_repository(tx, "app")?.id;
            add_upload(tx, id, 10)
        })
        .await
        .unwrap();
    let cases = [
        ("the same object", Upload { object: first.object, ..new_upload(first.repository_id, 10) }),
        ("the same id", Upload { id: first.id, ..new_upload(first.repository_id, 10) }),
        ("no repository", new_upload(i64::MAX, 10)),
    ];
    for (name, upload) in cases {
        let error = db.write(move |tx| uploads::insert(tx, &upload)).await.expect_err(name);
        assert_eq!(error.kind(), StoreErrorKind::Conflict, "{name}: {error:?}");
    }
    let repository_id = first.repository_id;
    let error = db.write(move |tx| repositories::delete(tx, repository_id)).await.expect_err("an upload is in it");
    assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error:?}");
}

fn spare() -> RemovedObject {
    let scope = BlobScope { region: "us-east-1".to_owned(), encryption: "AES256".to_owned() };
    RemovedObject::standard(ObjectId::random(), scope)
}

async fn the_last_session_may_write(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let begun = add_upload(tx, id, 10)?;
        assert_eq!(uploads::claim(tx, id, Uuid::new_v4(), &spare(), 500)?, None);
        assert_eq!(uploads::claim(tx, id + 1, begun.id, &spare(), 500)?, None, "it is in another repository");
        let (first_spare, second_spare) = (spare(), spare());
        let first = uploads::claim(tx, id, begun.id, &first_spare, 500)?.expect("it is there");
        assert_eq!(uploads::reserve_parts(tx, begun.id, 1, "m", 16)?, Some(1));
        let second = uploads::claim(tx, id, begun.id, &second_spare, 500)?.expect("it is there");
        assert_eq!((first.epoch, second.epoch, second.next_part), (1, 2, 17));
        assert_eq!(second.multipart.as_deref(), Some("m"));
        assert_eq!(uploads::reserve_parts(tx, begun.id, 1, "m", 0)?, None, "it is the second one's");
        assert_eq!(uploads::reserve_parts(tx, begun.id, 2, "m", 16)?, Some(17));
        let rest = Some(second_spare.object);
        let grown = |epoch, received_bytes| Upload { epoch, received_bytes, next_part: 20, rest, ..second.clone() };
        assert!(!uploads::advance(tx, &grown(1, 5), 0)?);
        assert!(uploads::advance(tx, &grown(2, 5), 0)?);
        assert_eq!(uploads::find(tx, id, begun.id)?, Some(grown(2, 5)));
        assert!(!uploads::abandon(tx, begun.id, Some(1), 20)?);
        assert!(uploads::finish(tx, begun.id, 1, 20)?.is_none());
        let noted = [first_spare.object, second_spare.object];
        assert!(due_objects(tx, 499, 10)?.is_empty());
        assert_eq!(due_objects(tx, 500, 10)?.len(), noted.len());
        assert!(removed_objects::take_into_use(tx, second_spare.object, 20)?);
        assert!(uploads::finish(tx, begun.id, 2, 20)?.is_some());
        assert_eq!(due_objects(tx, 20, 10)?, [second_spare.object], "the rest is of no use any more");
        Ok(())
    })
    .await;
}

async fn what_an_upload_has_in_a_bucket_goes_with_it(backend: &Backend) {
    in_transaction(backend, |tx| {
        let id = add_repository(tx, "app")?.id;
        let mut expected = Vec::new();
        let mut begun = Vec::new();
        for number in 0..3 {
            let upload = add_upload(tx, id, 10)?;
            let claimed = uploads::claim(tx, id, upload.id, &spare(), 500)?.expect("it is there");
            let multipart = format!("m{number}");
            uploads::reserve_parts(tx, upload.id, claimed.epoch, &multipart, 16)?;
            let rest = spare();
            uploads::advance(tx, &Upload { rest: Some(rest.object), received_bytes: 1, ..claimed }, 0)?;
            let object = RemovedObject {
                object: upload.object,
                tier: Tier::Standard,
                scope: rest.scope.clone(),
                multipart: Some(multipart),
            };
            expected.extend([object, rest]);
            begun.push(upload);
        }
        assert!(uploads::abandon(tx, begun[0].id, None, 20)?);
        assert!(uploads::abandon(tx, begun[1].id, Some(1), 20)?);
        uploads::abandon_all_of(tx, id, 20)?;
        let found = due(tx, 20)?;
        assert_eq!(found.len(), expected.len());
        for one in &expected {
            assert!(found.contains(one), "{one:?} is not in {found:?}");
        }
        Ok(())
    })
    .await;
}

async fn uploads_of_a_registry_are_counted_together(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?, add_repository(tx, "second")?);
        let registry = &first.spec.registry;
        let other = RegistryId { region: "eu-west-3".parse().expect("a region"), ..registry.clone() };
        assert!(!uploads::reach(tx, registry, 1)?);
        for repository in [first.id, first.id, second.id] {
            add_upload(tx, repository, 10)?;
        }
        assert!(uploads::reach(tx, registry, 3)?);
        assert!(!uploads::reach(tx, registry, 4)?);
        assert!(!uploads::reach(tx, registry, u64::MAX)?);
        assert!(!uploads::reach(tx, &other, 1)?, "they are another registry's");
        Ok(())
    })
    .await;
}
