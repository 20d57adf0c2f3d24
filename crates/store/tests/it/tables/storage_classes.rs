//! Archived images: what their repositories show, and where the blobs that they share belong.

use oci::Digest;
use store::blob::{Encoding, ObjectId, Tier};
use store::db::Tx;
use store::error::StoreError;
use store::tables::blobs::{self, StoredBlob};
use store::tables::deleted_images::{self, DeletionNote};
use store::tables::images::{self, ImageStatus};
use store::tables::removed_objects::{self, RemovedObject};
use store::tables::repositories::Repository;
use store::tables::repository_blobs::{self, RepositoryBlob};

use super::fixtures::{
    add_blob, add_image, add_image_of, add_repository, delete_image, delete_repository, digest, due, due_objects,
    in_transaction, new_image,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    statuses_leave_their_times,
    a_layer_is_archived_with_its_last_active_image,
    a_layer_that_is_uploaded_again_is_there_again,
    a_deleted_image_is_uncounted_as_what_it_was,
    a_blob_belongs_where_any_repository_needs_it,
    the_collector_finds_what_may_go_to_the_archive,
    a_deleted_repository_may_leave_blobs_to_the_archive,
    a_blob_moves_to_its_copy,
    a_blob_that_has_other_bytes_does_not_move,
    an_upload_brings_a_blob_back,
    lists_and_their_children_know_each_other,
    waiting_images_are_found_by_their_blobs,
    a_deleted_image_comes_back_as_what_it_was,
);

const LAYER: u64 = 100;

fn blob(tx: &mut dyn Tx, repository: &Repository) -> Result<RepositoryBlob, StoreError> {
    Ok(repository_blobs::find(tx, repository.id, &digest(LAYER))?.expect("it is there"))
}

fn wanted(tx: &mut dyn Tx, repository: &Repository) -> Result<Option<Tier>, StoreError> {
    let id = blob(tx, repository)?.stored.id;
    blobs::wanted_tier(tx, id)
}

/// Turns an image to another status, as the registry does.
fn turn(
    tx: &mut dyn Tx,
    repository: &Repository,
    image_id: i64,
    status: ImageStatus,
    now_ms: i64,
) -> Result<(), StoreError> {
    let before = images::find_by_id(tx, repository.id, image_id)?.expect("it is there").status;
    images::set_status(tx, image_id, status, now_ms)?;
    repository_blobs::count_status(tx, repository.id, image_id, before, status)
}

fn copy_of(blob: &StoredBlob, tier: Tier) -> StoredBlob {
    let object = ObjectId::random();
    StoredBlob {
        object,
        data_key: vec![7],
        tier,
        encoding: Encoding::Zstd,
        stored_bytes: 3,
        small: None,
        ..blob.clone()
    }
}

fn gone_from(blob: &StoredBlob) -> RemovedObject {
    RemovedObject { object: blob.object, tier: blob.tier, scope: blob.scope.clone(), multipart: None }
}

/// Moves a blob as the job does.
fn move_blob(tx: &mut dyn Tx, blob: &StoredBlob, tier: Tier) -> Result<StoredBlob, StoreError> {
    let copy = copy_of(blob, tier);
    let noted = RemovedObject { object: copy.object, tier, scope: copy.scope.clone(), multipart: None };
    removed_objects::insert_copy(tx, &noted, blob.id, 9_000)?;
    assert!(removed_objects::take_into_use(tx, copy.object, 8_000)?);
    assert!(blobs::move_to(tx, blob, &copy, 8_000)?);
    Ok(copy)
}

async fn statuses_leave_their_times(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let id = add_image(tx, repository.id, 1)?;
        let mut seen = Vec::new();
        for (status, now_ms) in [
            (ImageStatus::Archived, 10),
            (ImageStatus::Activating, 20),
            (ImageStatus::Active, 30),
            (ImageStatus::Archived, 40),
        ] {
            turn(tx, &repository, id, status, now_ms)?;
            let image = images::find_by_id(tx, repository.id, id)?.expect("it is there");
            assert_eq!(image.status, status);
            seen.push((image.last_archived_at_ms, image.last_activated_at_ms));
        }
        assert_eq!(seen, [(Some(10), None), (Some(10), None), (Some(10), Some(30)), (Some(40), Some(30))]);
        assert_eq!(images::find_by_id(tx, repository.id + 1, id)?, None, "an image is one of its repository");
        Ok(())
    })
    .await;
}

async fn a_layer_is_archived_with_its_last_active_image(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(LAYER), 1)?;
        assert!(!blob(tx, &repository)?.is_archived(), "one that no image names yet can be read");
        let first = add_image_of(tx, repository.id, 1, [digest(LAYER)])?;
        let second = add_image_of(tx, repository.id, 2, [digest(LAYER)])?;
        let mut seen = Vec::new();
        for (image, status) in [
            (first, ImageStatus::Archived),
            (second, ImageStatus::Archived),
            (first, ImageStatus::Activating),
            (first, ImageStatus::Active),
        ] {
            turn(tx, &repository, image, status, 10)?;
            let id = blob(tx, &repository)?.stored.id;
            seen.push((blob(tx, &repository)?.is_archived(), blobs::wanted_tier(tx, id)?));
        }
        let (standard, archive) = (Some(Tier::Standard), Some(Tier::Archive));
        assert_eq!(seen, [(false, standard), (true, archive), (true, standard), (false, standard)]);
        Ok(())
    })
    .await;
}

async fn a_layer_that_is_uploaded_again_is_there_again(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(LAYER), 1)?;
        let image = add_image_of(tx, repository.id, 1, [digest(LAYER)])?;
        turn(tx, &repository, image, ImageStatus::Archived, 10)?;
        add_blob(tx, &repository, &digest(LAYER), 20)?;
        let id = blob(tx, &repository)?.stored.id;
        assert!(!blob(tx, &repository)?.is_archived());
        assert_eq!(blobs::wanted_tier(tx, id)?, Some(Tier::Standard));
        // The image that it was uploaded for never comes.
        assert_eq!(repository_blobs::collect_pushed_again(tx, 19, 10)?.rows, 0);
        let found = repository_blobs::collect_pushed_again(tx, 20, 10)?;
        assert_eq!((found.rows, found.maybe_archived), (1, vec![id]));
        assert!(blob(tx, &repository)?.is_archived());
        assert_eq!(blobs::wanted_tier(tx, id)?, Some(Tier::Archive));
        // It comes, and is archived in turn.
        add_blob(tx, &repository, &digest(LAYER), 30)?;
        let second = add_image_of(tx, repository.id, 2, [digest(LAYER)])?;
        turn(tx, &repository, second, ImageStatus::Archived, 40)?;
        assert!(blob(tx, &repository)?.is_archived());
        Ok(())
    })
    .await;
}

async fn a_deleted_image_is_uncounted_as_what_it_was(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(LAYER), 1)?;
        let ids: Vec<i64> =
            (0..4).map(|number| add_image_of(tx, repository.id, number, [digest(LAYER)])).collect::<Result<_, _>>()?;
        turn(tx, &repository, ids[1], ImageStatus::Archived, 10)?;
        turn(tx, &repository, ids[2], ImageStatus::Archived, 10)?;
        turn(tx, &repository, ids[2], ImageStatus::Activating, 10)?;
        let mut seen = Vec::new();
        for id in ids {
            let found = blob(tx, &repository)?;
            seen.push((found.image_count, found.inactive_image_count));
            delete_image(tx, repository.id, id, 20)?;
        }
        let found = blob(tx, &repository)?;
        seen.push((found.image_count, found.inactive_image_count));
        assert_eq!(seen, [(4, 2), (3, 2), (2, 1), (1, 0), (0, 0)]);
        assert_eq!(blobs::wanted_tier(tx, found.stored.id)?, None, "it goes soon, from wherever it is");
        Ok(())
    })
    .await;
}

/// A blob of an archived image in one repository, that another one shows as well.
fn shared(tx: &mut dyn Tx) -> Result<(Repository, Repository, i64), StoreError> {
    let (own, other) = (add_repository(tx, "own")?, add_repository(tx, "other")?);
    add_blob(tx, &own, &digest(LAYER), 1)?;
    let image = add_image_of(tx, own.id, 1, [digest(LAYER)])?;
    let scope = super::fixtures::scope_of(&other);
    assert!(repository_blobs::share(tx, own.id, other.id, &scope, &digest(LAYER), 5)?);
    let blob_id = repository_blobs::find(tx, other.id, &digest(LAYER))?.expect("it is there").stored.id;
    turn(tx, &own, image, ImageStatus::Archived, 10)?;
    assert!(!repository_blobs::share(tx, own.id, other.id, &scope, &digest(LAYER), 15)?, "it cannot be read");
    Ok((own, other, blob_id))
}

async fn a_blob_belongs_where_any_repository_needs_it(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (_, other, blob_id) = shared(tx)?;
        assert_eq!(blobs::wanted_tier(tx, blob_id)?, None, "the other one's image may come yet");
        let image = add_image_of(tx, other.id, 2, [digest(LAYER)])?;
        assert_eq!(blobs::wanted_tier(tx, blob_id)?, Some(Tier::Standard));
        turn(tx, &other, image, ImageStatus::Archived, 10)?;
        assert_eq!(blobs::wanted_tier(tx, blob_id)?, Some(Tier::Archive));
        delete_image(tx, other.id, image, 20)?;
        assert_eq!(blobs::wanted_tier(tx, blob_id)?, None);
        assert_eq!(blobs::wanted_tier(tx, blob_id + 1)?, None, "there is none");
        Ok(())
    })
    .await;
}

async fn the_collector_finds_what_may_go_to_the_archive(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (_, other, blob_id) = shared(tx)?;
        add_blob(tx, &other, &digest(LAYER + 1), 5)?;
        let found = repository_blobs::collect_unreferenced(tx, 5, 10)?;
        assert_eq!((found.rows, found.maybe_archived), (2, vec![blob_id]));
        assert_eq!(blobs::wanted_tier(tx, blob_id)?, Some(Tier::Archive));
        Ok(())
    })
    .await;
}

async fn a_deleted_repository_may_leave_blobs_to_the_archive(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (own, other, blob_id) = shared(tx)?;
        assert!(repository_blobs::archived_elsewhere(tx, own.id)?.is_empty(), "its own archived image goes");
        assert_eq!(repository_blobs::archived_elsewhere(tx, other.id)?, [blob_id]);
        delete_repository(tx, other.id, 20)?;
        assert_eq!(blobs::wanted_tier(tx, blob_id)?, Some(Tier::Archive));
        Ok(())
    })
    .await;
}

async fn a_blob_moves_to_its_copy(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(LAYER), 1)?;
        let before = blob(tx, &repository)?.stored;
        assert_eq!((before.tier, before.encoding, before.stored_bytes), (Tier::Standard, Encoding::Identity, 10));
        let copy = move_blob(tx, &before, Tier::Archive)?;
        assert_eq!(blob(tx, &repository)?.stored, copy);
        assert_eq!(blobs::find(tx, before.id)?, Some((copy.clone(), digest(LAYER))));
        assert_eq!(due(tx, 8_000)?, [gone_from(&before)]);
        move_blob(tx, &copy, Tier::Standard)?;
        let removed = due(tx, 8_000)?;
        assert!(removed.contains(&gone_from(&copy)), "each goes from where it is: {removed:?}");
        Ok(())
    })
    .await;
}

async fn a_blob_that_has_other_bytes_does_not_move(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(LAYER), 1)?;
        let before = blob(tx, &repository)?.stored;
        let object = add_blob(tx, &repository, &digest(LAYER), 2)?;
        assert!(!blobs::move_to(tx, &before, &copy_of(&before, Tier::Archive), 10)?);
        assert_eq!(blob(tx, &repository)?.stored.object, object);
        Ok(())
    })
    .await;
}

async fn an_upload_brings_a_blob_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(LAYER), 1)?;
        let before = blob(tx, &repository)?.stored;
        let archived = move_blob(tx, &before, Tier::Archive)?;
        let object = add_blob(tx, &repository, &digest(LAYER), 20)?;
        let after = blob(tx, &repository)?.stored;
        assert_eq!((after.object, after.tier, after.encoding), (object, Tier::Standard, Encoding::Identity));
        assert_eq!(after.stored_bytes, after.size_bytes);
        assert!(due(tx, i64::MAX)?.contains(&gone_from(&archived)));
        // Gone with its last reference, from where it is.
        let archived = move_blob(tx, &after, Tier::Archive)?;
        assert_eq!(repository_blobs::collect_unreferenced(tx, 20, 10)?.rows, 1);
        assert_eq!(blobs::collect_unreferenced(tx, 30, 10)?, 1);
        assert!(due(tx, 30)?.contains(&gone_from(&archived)));
        assert!(!due_objects(tx, i64::MAX, 10)?.is_empty());
        Ok(())
    })
    .await;
}

async fn lists_and_their_children_know_each_other(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let children = [add_image(tx, repository.id, 1)?, add_image(tx, repository.id, 2)?];
        let lists = [add_image(tx, repository.id, 10)?, add_image(tx, repository.id, 11)?];
        for (list, child) in [(lists[0], 1), (lists[0], 2), (lists[1], 2)] {
            images::insert_child(tx, list, repository.id, &digest(child))?;
        }
        let of = |images: Vec<images::Image>| {
            let mut ids: Vec<i64> = images.iter().map(|image| image.id).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(of(images::children(tx, lists[0])?), children);
        assert_eq!(of(images::children(tx, lists[1])?), [children[1]]);
        assert!(images::children(tx, children[0])?.is_empty());
        assert_eq!(of(images::parent_images(tx, repository.id, &digest(2))?), lists);
        let subject: Digest = digest(1);
        for number in 20..25 {
            let new = images::NewImage { subject: Some(subject), ..new_image(number) };
            images::insert(tx, repository.id, &new)?;
        }
        let first = images::of_subject(tx, repository.id, &subject, "", 3)?;
        let rest = images::of_subject(tx, repository.id, &subject, &first[2].digest.to_string(), 3)?;
        assert_eq!((first.len(), rest.len()), (3, 2));
        assert!(first.iter().chain(&rest).is_sorted_by_key(|image| image.digest.to_string()));
        Ok(())
    })
    .await;
}

async fn waiting_images_are_found_by_their_blobs(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (own, other, blob_id) = shared(tx)?;
        let waiting = add_image_of(tx, other.id, 2, [digest(LAYER)])?;
        add_image_of(tx, other.id, 3, [digest(LAYER)])?;
        add_image(tx, other.id, 4)?;
        assert!(images::activating_of_blob(tx, blob_id)?.is_empty());
        turn(tx, &other, waiting, ImageStatus::Archived, 10)?;
        turn(tx, &other, waiting, ImageStatus::Activating, 10)?;
        assert_eq!(images::activating_of_blob(tx, blob_id)?, [(other.id, waiting)]);
        let archived = images::list(tx, own.id, "", 1)?.remove(0);
        let named = repository_blobs::list_of_image(tx, own.id, archived.id)?;
        assert_eq!(named.len(), 1);
        assert_eq!((named[0].blob_id, named[0].tier, named[0].image_count), (blob_id, Tier::Standard, 1));
        assert_eq!(named[0].archived_image_count, 1);
        Ok(())
    })
    .await;
}

async fn a_deleted_image_comes_back_as_what_it_was(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(LAYER), 1)?;
        let id = add_image_of(tx, repository.id, 1, [digest(LAYER)])?;
        turn(tx, &repository, id, ImageStatus::Archived, 10)?;
        turn(tx, &repository, id, ImageStatus::Activating, 20)?;
        turn(tx, &repository, id, ImageStatus::Active, 30)?;
        turn(tx, &repository, id, ImageStatus::Archived, 40)?;
        let before = images::find_by_id(tx, repository.id, id)?;
        let note = DeletionNote { by: "me".to_owned(), reason: "test".to_owned(), at_ms: 50, expires_at_ms: 60 };
        deleted_images::keep(tx, id, &note)?;
        delete_image(tx, repository.id, id, 50)?;
        assert_eq!(wanted(tx, &repository)?, None);
        deleted_images::restore(tx, id, repository.id, 55)?;
        assert_eq!(images::find_by_id(tx, repository.id, id)?, before);
        assert!(blob(tx, &repository)?.is_archived());
        assert_eq!(wanted(tx, &repository)?, Some(Tier::Archive));
        Ok(())
    })
    .await;
}
