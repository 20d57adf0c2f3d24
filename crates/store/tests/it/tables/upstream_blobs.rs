//! Blobs that are still upstream: counted by the images that wait for them, and handed over when they come.

use oci::Digest;
use store::db::Tx;
use store::error::StoreError;
use store::tables::images::{self, ImageStatus};
use store::tables::repository_blobs;
use store::tables::upstream_blobs::{self, BlobSource};

use super::fixtures::{add_blob, add_image, add_repository, delete_image, digest, in_transaction};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    what_comes_takes_its_count_over,
    what_comes_for_archived_images_counts_them,
    images_give_up_what_they_wait_for,
    some_came_and_some_did_not,
);

fn source() -> BlobSource {
    BlobSource { upstream_url: "quay.io".to_owned(), upstream_repository: "org/app".to_owned() }
}

/// Adds an image as an import does.
fn import(tx: &mut dyn Tx, repository_id: i64, number: u64, named: &[Digest]) -> Result<i64, StoreError> {
    let image_id = add_image(tx, repository_id, number)?;
    for blob in named {
        if !repository_blobs::add_image(tx, repository_id, blob, "layer")? {
            upstream_blobs::add_image(tx, repository_id, blob, Some(10), "layer", &source())?;
        }
        images::insert_blob(tx, image_id, blob)?;
    }
    Ok(image_id)
}

async fn what_comes_takes_its_count_over(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "cached/app")?;
        let first = import(tx, repository.id, 1, &[digest(7)])?;
        let second = import(tx, repository.id, 2, &[digest(7)])?;
        let awaited = upstream_blobs::find(tx, repository.id, &digest(7))?.expect("is awaited");
        assert_eq!((awaited.image_count, awaited.size_bytes, awaited.source), (2, Some(10), source()));
        assert_eq!(upstream_blobs::list_of_image(tx, repository.id, first)?, [digest(7)]);
        add_blob(tx, &repository, &digest(7), 50)?;
        assert_eq!(upstream_blobs::find(tx, repository.id, &digest(7))?, None);
        let come = repository_blobs::find(tx, repository.id, &digest(7))?.expect("has come");
        assert_eq!((come.image_count, come.media_type.as_deref()), (2, Some("layer")));
        assert_eq!(repository_blobs::collect_unreferenced(tx, i64::MAX, 10)?.rows, 0, "images name it");
        delete_image(tx, repository.id, first, 60)?;
        delete_image(tx, repository.id, second, 70)?;
        assert_eq!(repository_blobs::collect_unreferenced(tx, 69, 10)?.rows, 0);
        assert_eq!(repository_blobs::collect_unreferenced(tx, 70, 10)?.rows, 1);
        Ok(())
    })
    .await;
}

async fn what_comes_for_archived_images_counts_them(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "cached/app")?;
        let first = import(tx, repository.id, 1, &[digest(7), digest(8)])?;
        let second = import(tx, repository.id, 2, &[digest(7)])?;
        images::set_status(tx, first, ImageStatus::Archived, 10)?;
        repository_blobs::count_status(tx, repository.id, first, ImageStatus::Active, ImageStatus::Archived)?;
        for (layer, is_needed) in [(7, true), (8, false)] {
            let awaited = upstream_blobs::find(tx, repository.id, &digest(layer))?.expect("is awaited");
            let is_archived = upstream_blobs::is_archived(tx, repository.id, &digest(layer), &awaited)?;
            assert_eq!(is_archived, !is_needed, "layer {layer}");
            add_blob(tx, &repository, &digest(layer), 50)?;
            let come = repository_blobs::find(tx, repository.id, &digest(layer))?.expect("has come");
            assert_eq!((come.inactive_image_count, come.is_pushed_again), (1, !is_needed), "layer {layer}");
            assert!(!come.is_archived(), "somebody wanted it just now");
        }
        assert_eq!(repository_blobs::collect_pushed_again(tx, 50, 10)?.rows, 1);
        let unwanted = repository_blobs::find(tx, repository.id, &digest(8))?.expect("is there");
        assert!(unwanted.is_archived());
        images::set_status(tx, first, ImageStatus::Active, 60)?;
        repository_blobs::count_status(tx, repository.id, first, ImageStatus::Archived, ImageStatus::Active)?;
        for layer in [7, 8] {
            let back = repository_blobs::find(tx, repository.id, &digest(layer))?.expect("is there");
            assert_eq!(back.inactive_image_count, 0, "layer {layer}");
        }
        delete_image(tx, repository.id, second, 70)?;
        Ok(())
    })
    .await;
}

async fn images_give_up_what_they_wait_for(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "cached/app")?;
        let other = add_repository(tx, "cached/other")?;
        import(tx, other.id, 1, &[digest(7)])?;
        let first = import(tx, repository.id, 1, &[digest(7), digest(8)])?;
        let second = import(tx, repository.id, 2, &[digest(7)])?;
        delete_image(tx, repository.id, first, 10)?;
        let count = upstream_blobs::find(tx, repository.id, &digest(7))?.map(|awaited| awaited.image_count);
        assert_eq!(count, Some(1));
        assert_eq!(upstream_blobs::find(tx, repository.id, &digest(8))?, None);
        delete_image(tx, repository.id, second, 10)?;
        assert_eq!(upstream_blobs::find(tx, repository.id, &digest(7))?, None);
        assert!(upstream_blobs::find(tx, other.id, &digest(7))?.is_some(), "another repository's");
        Ok(())
    })
    .await;
}

async fn some_came_and_some_did_not(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "cached/app")?;
        add_blob(tx, &repository, &digest(7), 1)?;
        let image = import(tx, repository.id, 1, &[digest(7), digest(8)])?;
        assert_eq!(upstream_blobs::list_of_image(tx, repository.id, image)?, [digest(8)]);
        delete_image(tx, repository.id, image, 10)?;
        let left = repository_blobs::find(tx, repository.id, &digest(7))?.expect("in its grace period");
        assert_eq!(left.image_count, 0);
        Ok(())
    })
    .await;
}
