//! Blobs: shown per repository, stored once per region and key, and gone only when nothing counts them any more.

use oci::Digest;
use store::blob::ObjectId;
use store::db::{Db, Tx};
use store::error::{StoreError, StoreErrorKind};
use store::tables::blobs::{self, BlobScope, NewBlob, StoredBlob};
use store::tables::repositories::{self, EncryptionType, NewRepository, Repository};
use store::tables::{images, repository_blobs};
use tokio::task::JoinSet;

use super::fixtures::{
    add_blob, add_image_of, add_repository, add_small_blob, delete_image, delete_repository, digest, due_objects, home,
    in_transaction, name, new_repository, open, registry, scope_of, show_blob,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    what_is_stored_comes_back,
    a_copy_is_shared_within_its_scope_only,
    a_second_upload_replaces_the_copy,
    a_copy_is_inserted_once,
    a_small_blob_is_kept_with_its_row,
    images_count_what_they_name,
    an_absent_blob_is_not_counted,
    what_no_image_names_goes_after_the_grace_period,
    an_upload_again_restarts_the_grace_period,
    an_upload_again_does_not_start_one_for_a_named_blob,
    collecting_keeps_to_its_limits_and_its_order,
    a_shared_copy_goes_with_its_last_repository,
    a_deleted_repository_gives_up_its_references,
    a_push_and_the_collector_do_not_lose_a_blob,
    pushes_at_once_are_all_counted,
);

/// The reference count of a stored copy; none if there is no copy.
fn references(tx: &mut dyn Tx, scope: &BlobScope, digest: &Digest) -> Result<Option<i64>, StoreError> {
    tx.query_opt(
        "SELECT reference_count FROM blobs WHERE region = $1 AND encryption_scope = $2 AND digest = $3",
        &[scope.region.as_str().into(), scope.encryption.as_str().into(), digest.to_string().into()],
    )?
    .map(|row| row.int(0))
    .transpose()
}

/// How many images are counted for a blob, and since when none is.
fn count(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<Option<(i64, Option<i64>)>, StoreError> {
    tx.query_opt(
        "SELECT image_count, unreferenced_since_ms FROM repository_blobs WHERE repository_id = $1 AND digest = $2",
        &[repository_id.into(), digest.to_string().into()],
    )?
    .map(|row| Ok((row.int(0)?, row.opt_int(1)?)))
    .transpose()
}

/// A round of the collector, for blobs that no image has named since `until_ms`.
fn collect(tx: &mut dyn Tx, until_ms: i64, now_ms: i64) -> Result<(usize, usize), StoreError> {
    Ok((repository_blobs::collect_unreferenced(tx, until_ms, 100)?.rows, blobs::collect_unreferenced(tx, now_ms, 100)?))
}

fn find_repository(tx: &mut dyn Tx) -> Result<Repository, StoreError> {
    Ok(repositories::find(tx, &home().repository(&name("app")))?.expect("it is there"))
}

async fn what_is_stored_comes_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        assert_eq!(repository_blobs::find(tx, repository.id, &digest(1))?, None);
        let object = add_blob(tx, &repository, &digest(1), 1_000)?;
        let blob = repository_blobs::find(tx, repository.id, &digest(1))?.expect("it is there");
        assert_eq!((blob.stored.object, blob.stored.size_bytes), (object, 10));
        assert_eq!(blob.stored.data_key, object.as_bytes());
        assert_eq!((blob.media_type, blob.image_count), (None, 0));
        assert_eq!(count(tx, repository.id, &digest(1))?, Some((0, Some(1_000))));
        assert_eq!(references(tx, &scope_of(&repository), &digest(1))?, Some(1));
        Ok(())
    })
    .await;
}

async fn a_copy_is_shared_within_its_scope_only(backend: &Backend) {
    in_transaction(backend, |tx| {
        let key = "arn:aws:kms:us-east-1:123456789012:key/1".parse().unwrap();
        let specs = [
            new_repository("first"),
            NewRepository { registry: registry("210987654321", "us-east-1"), ..new_repository("other-account") },
            NewRepository { registry: registry("123456789012", "eu-west-1"), ..new_repository("other-region") },
            NewRepository { encryption_type: EncryptionType::Kms, kms_key: Some(key), ..new_repository("other-key") },
        ];
        let mut repositories = Vec::new();
        for spec in &specs {
            repositories.push(repositories::insert(tx, spec)?.expect("the name is free"));
        }
        let object = add_blob(tx, &repositories[0], &digest(1), 1_000)?;
        // Stored is not visible.
        assert_eq!(repository_blobs::find(tx, repositories[1].id, &digest(1))?, None);
        let share = |tx: &mut dyn Tx, to: &Repository| {
            repository_blobs::share(tx, repositories[0].id, to.id, &scope_of(to), &digest(1), 2_000)
        };
        assert!(share(tx, &repositories[1])?, "another account in the region shares the copy");
        let seen = repository_blobs::find(tx, repositories[1].id, &digest(1))?.expect("it is there");
        assert_eq!(seen.stored.object, object);
        assert_eq!(references(tx, &scope_of(&repositories[0]), &digest(1))?, Some(2));
        for repository in &repositories[2..] {
            let scope = scope_of(repository);
            assert!(!share(tx, repository)?, "{scope:?}");
            let other = add_blob(tx, repository, &digest(1), 1_000)?;
            assert_eq!(
                repository_blobs::find(tx, repository.id, &digest(1))?.map(|blob| blob.stored.object),
                Some(other)
            );
            assert_eq!(references(tx, &scope, &digest(1))?, Some(1));
        }
        Ok(())
    })
    .await;
}

async fn a_second_upload_replaces_the_copy(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?, add_repository(tx, "second")?);
        let old = add_blob(tx, &first, &digest(1), 1_000)?;
        let before = repository_blobs::find(tx, first.id, &digest(1))?.expect("it is there").stored;
        let scope = scope_of(&first);
        let new = ObjectId::random();
        let (same, other) = (digest(1), digest(2));
        let again = NewBlob { scope: &scope, digest: &same, size_bytes: 10, object: new, data_key: &[7], small: None };
        let absent = NewBlob { digest: &other, ..again };
        assert_eq!(blobs::replace_existing(tx, &absent, 2_000)?, None, "there is none");
        assert_eq!(blobs::replace_existing(tx, &again, 2_000)?, Some(before.id));
        show_blob(tx, &second, &digest(1), before.id, 2_000)?;
        for repository in [&first, &second] {
            let after = repository_blobs::find(tx, repository.id, &digest(1))?.expect("it is there").stored;
            assert_eq!((after.id, after.object, after.data_key), (before.id, new, vec![7]), "all have the new copy");
        }
        assert_eq!(references(tx, &scope, &digest(1))?, Some(2));
        assert!(due_objects(tx, 1_999, 10)?.is_empty());
        assert_eq!(due_objects(tx, 2_000, 10)?, [old], "only the old copy goes");
        Ok(())
    })
    .await;
}

async fn a_copy_is_inserted_once(backend: &Backend) {
    let db = open(backend);
    let object = db
        .write(|tx| {
            let repository = add_repository(tx, "app")?;
            add_blob(tx, &repository, &digest(1), 1_000)
        })
        .await
        .unwrap();
    let scope = BlobScope { region: "us-east-1".to_owned(), encryption: "AES256".to_owned() };
    for (name, number, object) in [("the same digest", 1, ObjectId::random()), ("the same object", 2, object)] {
        let scope = scope.clone();
        let insert = move |tx: &mut dyn Tx| {
            let digest = &digest(number);
            let new = NewBlob { scope: &scope, digest, size_bytes: 10, object, data_key: &[1], small: None };
            blobs::insert(tx, &new, 2_000)
        };
        let error = db.write(insert).await.expect_err(name);
        assert_eq!(error.kind(), StoreErrorKind::Conflict, "{name}: {error:?}");
    }
}

async fn a_small_blob_is_kept_with_its_row(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?, add_repository(tx, "second")?);
        let kept = |tx: &mut dyn Tx| -> Result<i64, StoreError> {
            tx.query_opt("SELECT COUNT(*) FROM small_blobs", &[])?.map_or(Ok(0), |row| row.int(0))
        };
        let small = |tx: &mut dyn Tx, number| -> Result<Option<Vec<u8>>, StoreError> {
            let blob = repository_blobs::find(tx, first.id, &digest(number))?.expect("it is there").stored;
            let (same, _) = blobs::find(tx, blob.id)?.expect("it is there");
            assert_eq!(same, blob);
            Ok(blob.small.map(|sealed| sealed.to_vec()))
        };
        add_small_blob(tx, &first, &digest(1), b"one", 1_000)?;
        add_small_blob(tx, &first, &digest(2), b"", 1_000)?;
        add_blob(tx, &first, &digest(3), 1_000)?;
        assert_eq!((small(tx, 1)?, small(tx, 2)?, small(tx, 3)?), (Some(b"one".to_vec()), Some(Vec::new()), None));
        // Pushed again, there or from another repository, a copy is where the last push has put it.
        add_small_blob(tx, &first, &digest(1), b"again", 2_000)?;
        add_small_blob(tx, &second, &digest(3), b"three", 2_000)?;
        add_blob(tx, &second, &digest(2), 2_000)?;
        assert_eq!(
            (small(tx, 1)?, small(tx, 2)?, small(tx, 3)?),
            (Some(b"again".to_vec()), None, Some(b"three".to_vec()))
        );
        assert_eq!(kept(tx)?, 2);
        // A copy that is moved is in a store.
        let from = repository_blobs::find(tx, first.id, &digest(3))?.expect("it is there").stored;
        let copy = StoredBlob { object: ObjectId::random(), small: None, ..from.clone() };
        assert!(blobs::move_to(tx, &from, &copy, 3_000)?);
        assert!(!blobs::move_to(tx, &from, &copy, 3_000)?, "it is elsewhere by now");
        assert_eq!((small(tx, 3)?, kept(tx)?), (None, 1));
        // What nothing refers to goes with its bytes.
        assert_eq!(collect(tx, 3_000, 3_000)?, (5, 3));
        assert_eq!(kept(tx)?, 0);
        Ok(())
    })
    .await;
}

async fn images_count_what_they_name(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (repository, other) = (add_repository(tx, "app")?, add_repository(tx, "other")?);
        for number in [1, 2, 3] {
            add_blob(tx, &repository, &digest(number), 1_000)?;
            add_blob(tx, &other, &digest(number), 1_000)?;
        }
        let first = add_image_of(tx, repository.id, 11, [digest(1), digest(2)])?;
        let second = add_image_of(tx, repository.id, 12, [digest(2)])?;
        let counts = |tx: &mut dyn Tx| {
            [1, 2, 3].into_iter().map(|number| count(tx, repository.id, &digest(number))).collect::<Result<Vec<_>, _>>()
        };
        let unnamed = Some((0, Some(1_000)));
        assert_eq!(counts(tx)?, [Some((1, None)), Some((2, None)), unnamed]);
        assert_eq!(
            repository_blobs::find(tx, repository.id, &digest(2))?.map(|blob| (blob.image_count, blob.media_type)),
            Some((2, Some("layer".to_owned())))
        );
        delete_image(tx, repository.id, first, 2_000)?;
        assert_eq!(counts(tx)?, [Some((0, Some(2_000))), Some((1, None)), unnamed]);
        delete_image(tx, repository.id, second, 3_000)?;
        assert_eq!(counts(tx)?, [Some((0, Some(2_000))), Some((0, Some(3_000))), unnamed]);
        // Named again, a blob is safe again.
        add_image_of(tx, repository.id, 13, [digest(1)])?;
        assert_eq!(counts(tx)?, [Some((1, None)), Some((0, Some(3_000))), unnamed]);
        for number in [1, 2, 3] {
            assert_eq!(count(tx, other.id, &digest(number))?, unnamed, "another repository counts for itself");
        }
        Ok(())
    })
    .await;
}

async fn an_absent_blob_is_not_counted(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (repository, other) = (add_repository(tx, "app")?, add_repository(tx, "other")?);
        add_blob(tx, &other, &digest(1), 1_000)?;
        assert!(!repository_blobs::add_image(tx, repository.id, &digest(1), "layer")?, "it is elsewhere");
        assert!(!repository_blobs::add_image(tx, repository.id, &digest(2), "layer")?, "it is nowhere");
        assert_eq!(count(tx, other.id, &digest(1))?, Some((0, Some(1_000))));
        Ok(())
    })
    .await;
}

async fn what_no_image_names_goes_after_the_grace_period(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let object = add_blob(tx, &repository, &digest(1), 1_000)?;
        add_blob(tx, &repository, &digest(2), 1_000)?;
        add_image_of(tx, repository.id, 11, [digest(2)])?;
        assert_eq!(collect(tx, 999, 5_000)?, (0, 0));
        assert!(repository_blobs::find(tx, repository.id, &digest(1))?.is_some(), "within its grace period");
        assert_eq!(collect(tx, 1_000, 5_000)?, (1, 1));
        assert_eq!(repository_blobs::find(tx, repository.id, &digest(1))?, None);
        assert_eq!(references(tx, &scope_of(&repository), &digest(1))?, None);
        assert_eq!(due_objects(tx, 5_000, 10)?, [object]);
        assert_eq!(collect(tx, i64::MAX, 6_000)?, (0, 0), "what an image names stays");
        assert!(repository_blobs::find(tx, repository.id, &digest(2))?.is_some());
        assert_eq!(references(tx, &scope_of(&repository), &digest(2))?, Some(1));
        Ok(())
    })
    .await;
}

async fn an_upload_again_restarts_the_grace_period(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (repository, other) = (add_repository(tx, "app")?, add_repository(tx, "other")?);
        add_blob(tx, &repository, &digest(1), 1_000)?;
        add_blob(tx, &repository, &digest(2), 1_000)?;
        add_blob(tx, &other, &digest(1), 1_000)?;
        add_blob(tx, &repository, &digest(1), 4_000)?;
        assert_eq!(count(tx, repository.id, &digest(1))?, Some((0, Some(4_000))));
        assert_eq!(count(tx, repository.id, &digest(2))?, Some((0, Some(1_000))));
        assert_eq!(count(tx, other.id, &digest(1))?, Some((0, Some(1_000))));
        assert_eq!(references(tx, &scope_of(&repository), &digest(1))?, Some(2), "one for each repository");
        assert_eq!(collect(tx, 3_999, 5_000)?, (2, 1));
        assert!(repository_blobs::find(tx, repository.id, &digest(1))?.is_some());
        assert_eq!(references(tx, &scope_of(&repository), &digest(1))?, Some(1));
        Ok(())
    })
    .await;
}

async fn an_upload_again_does_not_start_one_for_a_named_blob(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(1), 1_000)?;
        add_image_of(tx, repository.id, 11, [digest(1)])?;
        add_blob(tx, &repository, &digest(1), 2_000)?;
        assert_eq!(count(tx, repository.id, &digest(1))?, Some((1, None)));
        assert_eq!(references(tx, &scope_of(&repository), &digest(1))?, Some(1));
        assert_eq!(collect(tx, i64::MAX, 3_000)?, (0, 0));
        Ok(())
    })
    .await;
}

async fn collecting_keeps_to_its_limits_and_its_order(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let mut objects = Vec::new();
        for (number, since_ms) in [(1, 30), (2, 10), (3, 50), (4, 20), (5, 40)] {
            objects.push((since_ms, add_blob(tx, &repository, &digest(number), since_ms)?));
        }
        assert_eq!(repository_blobs::collect_unreferenced(tx, 40, 2)?.rows, 2);
        assert_eq!(blobs::collect_unreferenced(tx, 100, 10)?, 2);
        assert_eq!(repository_blobs::collect_unreferenced(tx, 40, 10)?.rows, 2);
        assert_eq!(blobs::collect_unreferenced(tx, 200, 1)?, 1);
        assert_eq!(blobs::collect_unreferenced(tx, 300, 1)?, 1);
        assert_eq!(blobs::collect_unreferenced(tx, 400, 1)?, 0);
        let since =
            |object: &ObjectId| objects.iter().find(|(_, known)| known == object).map(|(since_ms, _)| *since_ms);
        let removed = due_objects(tx, i64::MAX, 10)?;
        let mut oldest: Vec<_> = removed[..2].iter().map(since).collect();
        oldest.sort_unstable();
        assert_eq!(oldest, [Some(10), Some(20)], "the oldest go first");
        assert_eq!(removed.len(), 4);
        assert!(repository_blobs::find(tx, repository.id, &digest(3))?.is_some());
        Ok(())
    })
    .await;
}

async fn a_shared_copy_goes_with_its_last_repository(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?, add_repository(tx, "second")?);
        add_blob(tx, &first, &digest(1), 1_000)?;
        let object = add_blob(tx, &second, &digest(1), 2_000)?;
        assert_eq!(collect(tx, 1_000, 3_000)?, (1, 0));
        assert_eq!(repository_blobs::find(tx, first.id, &digest(1))?, None);
        let blob = repository_blobs::find(tx, second.id, &digest(1))?.expect("it is there");
        assert_eq!(blob.stored.object, object);
        assert_eq!(collect(tx, 2_000, 4_000)?, (1, 1));
        assert_eq!(references(tx, &scope_of(&first), &digest(1))?, None);
        assert_eq!(due_objects(tx, 4_000, 10)?.last(), Some(&object));
        Ok(())
    })
    .await;
}

async fn a_deleted_repository_gives_up_its_references(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (first, second) = (add_repository(tx, "first")?, add_repository(tx, "second")?);
        for number in [1, 2] {
            add_blob(tx, &first, &digest(number), 1_000)?;
        }
        add_blob(tx, &second, &digest(2), 1_000)?;
        add_image_of(tx, first.id, 11, [digest(1), digest(2)])?;
        add_image_of(tx, second.id, 11, [digest(2)])?;
        delete_repository(tx, first.id, 2_000)?;
        assert!(!images::any(tx, first.id)?);
        assert_eq!(references(tx, &scope_of(&first), &digest(1))?, Some(0));
        assert_eq!(references(tx, &scope_of(&first), &digest(2))?, Some(1));
        assert_eq!(collect(tx, i64::MAX, 3_000)?, (0, 1));
        assert_eq!(count(tx, second.id, &digest(2))?, Some((1, None)));
        Ok(())
    })
    .await;
}

/// Pushes an image of blob 1; `false` if the repository does not have the blob.
async fn push(db: &Db, number: u64) -> bool {
    db.write(move |tx| {
        let repository = find_repository(tx)?;
        if repository_blobs::find(tx, repository.id, &digest(1))?.is_none() {
            return Ok(false);
        }
        add_image_of(tx, repository.id, number, [digest(1)])?;
        Ok::<_, StoreError>(true)
    })
    .await
    .expect("nobody fails")
}

async fn a_push_and_the_collector_do_not_lose_a_blob(backend: &Backend) {
    let nodes = [open(backend), open(backend)];
    nodes[0].write(|tx| add_repository(tx, "app")).await.unwrap();
    for round in 0..16 {
        let upload = |tx: &mut dyn Tx| {
            let repository = find_repository(tx)?;
            add_blob(tx, &repository, &digest(1), 1_000)
        };
        nodes[0].write(upload).await.unwrap();
        let mut tasks = JoinSet::new();
        let db = nodes[0].clone();
        tasks.spawn(async move { push(&db, round).await });
        let db = nodes[1].clone();
        tasks.spawn(async move {
            db.write(|tx| repository_blobs::collect_unreferenced(tx, 1_000, 10)).await.expect("nobody fails");
            db.write(|tx| blobs::collect_unreferenced(tx, 2_000, 10)).await.expect("nobody fails");
            false
        });
        let pushed = tasks.join_all().await.contains(&true);
        let (shown, references) = nodes[1]
            .write(move |tx| {
                let repository = find_repository(tx)?;
                let shown = repository_blobs::find(tx, repository.id, &digest(1))?;
                let references = references(tx, &scope_of(&repository), &digest(1))?;
                if let Some(image) = images::find(tx, repository.id, &digest(round))? {
                    delete_image(tx, repository.id, image.id, 1_000)?;
                }
                collect(tx, i64::MAX, 3_000)?;
                Ok::<_, StoreError>((shown, references))
            })
            .await
            .unwrap();
        let expected = if pushed { (Some(1), Some(1)) } else { (None, None) };
        assert_eq!((shown.map(|blob| blob.image_count), references), expected, "round {round}");
    }
}

async fn pushes_at_once_are_all_counted(backend: &Backend) {
    let nodes = [open(backend), open(backend)];
    let fill = |tx: &mut dyn Tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(1), 1_000)
    };
    nodes[0].write(fill).await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..24 {
        let db = nodes[number as usize % 2].clone();
        tasks.spawn(async move { push(&db, number).await });
    }
    assert!(tasks.join_all().await.into_iter().all(|pushed| pushed));
    let counted = |tx: &mut dyn Tx| {
        let repository = find_repository(tx)?;
        count(tx, repository.id, &digest(1))
    };
    assert_eq!(nodes[1].read(counted).await.unwrap(), Some((24, None)));
}
