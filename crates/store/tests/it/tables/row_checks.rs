//! Rows that contradict others: each kind is found, and what can be counted anew is.

use store::db::Tx;
use store::error::StoreError;
use store::tables::repositories::Repository;
use store::tables::repository_blobs;
use store::tables::row_checks::{self, RowCheck, WrongRow};

use super::fixtures::{add_blob, add_image_of, add_repository, digest, in_transaction, number, scope_of};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    whole_rows_are_not_wrong,
    wrong_counts_are_found_and_counted_anew,
    an_object_in_use_is_kept,
    a_layer_is_shown_again_for_a_lost_reference_alone,
);

const NOW_MS: i64 = 77;

/// A repository with an image of the first of two layers.
fn fill(tx: &mut dyn Tx) -> Result<Repository, StoreError> {
    let repository = add_repository(tx, "app")?;
    for layer in [1, 2] {
        add_blob(tx, &repository, &digest(layer), 5)?;
    }
    add_image_of(tx, repository.id, 1, [digest(1)])?;
    Ok(repository)
}

/// What is found, over all checks.
fn wrong(tx: &mut dyn Tx) -> Result<Vec<(RowCheck, WrongRow)>, StoreError> {
    let mut found = Vec::new();
    for check in RowCheck::ALL {
        let mut after = 0;
        while let Some((rows, last)) = row_checks::wrong_rows(tx, check, after)? {
            found.extend(rows.into_iter().map(|row| (check, row)));
            after = last;
        }
    }
    Ok(found)
}

async fn whole_rows_are_not_wrong(backend: &Backend) {
    in_transaction(backend, |tx| {
        assert!(wrong(tx)?.is_empty());
        fill(tx)?;
        assert!(wrong(tx)?.is_empty());
        Ok(())
    })
    .await;
}

async fn wrong_counts_are_found_and_counted_anew(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = fill(tx)?;
        let named = format!("digest = '{}'", digest(1));
        // The number of images that name a layer, too high, too low, and of a layer that none names.
        for (damage, layer, since) in [
            (format!("image_count = 7 WHERE {named}"), 1, -1),
            (format!("image_count = 0, unreferenced_since_ms = 1 WHERE {named}"), 1, -1),
            (format!("archived_image_count = 1 WHERE {named}"), 1, -1),
            (format!("image_count = 3, unreferenced_since_ms = NULL WHERE NOT {named}"), 2, NOW_MS),
        ] {
            tx.execute(&format!("UPDATE repository_blobs SET {damage}"), &[])?;
            let found = wrong(tx)?;
            let subject = digest(layer).to_string();
            let of_layer = |(check, row): &(RowCheck, WrongRow)| {
                *check == RowCheck::ImageCount && row.repository_id == Some(repository.id) && row.subject == subject
            };
            assert!(found.len() == 1 && found.iter().all(of_layer), "{damage}: {found:?}");
            row_checks::recount_images(tx, repository.id, &subject, NOW_MS)?;
            assert!(wrong(tx)?.is_empty(), "{damage}");
            let sql =
                format!("SELECT COALESCE(unreferenced_since_ms, -1) FROM repository_blobs WHERE digest = '{subject}'");
            assert_eq!(number(tx, &sql)?, since, "{damage}");
        }
        tx.execute("UPDATE blobs SET reference_count = reference_count + 1", &[])?;
        let found = wrong(tx)?;
        assert_eq!(found.len(), 2);
        for (check, row) in found {
            assert_eq!(check, RowCheck::ReferenceCount);
            row_checks::recount_references(tx, row.blob_id.expect("it is about a blob"))?;
        }
        assert!(wrong(tx)?.is_empty());
        tx.execute("UPDATE image_counts SET images = images + 3", &[])?;
        let found = wrong(tx)?;
        assert!(matches!(found[..], [(RowCheck::RepositoryImageCount, _)]), "{found:?}");
        row_checks::recount_repository(tx, repository.id)?;
        assert!(wrong(tx)?.is_empty());
        Ok(())
    })
    .await;
}

async fn an_object_in_use_is_kept(backend: &Backend) {
    in_transaction(backend, |tx| {
        fill(tx)?;
        tx.execute(
            "INSERT INTO removed_objects (object_id, removed_at_ms) SELECT object_id, 9 FROM blobs WHERE digest = $1",
            &[digest(1).to_string().into()],
        )?;
        let found = wrong(tx)?;
        let [(RowCheck::ObjectNamedTwice, row)] = &found[..] else { panic!("{found:?}") };
        assert!(row_checks::keep_named_object(tx, &row.subject)?);
        assert!(wrong(tx)?.is_empty());
        assert!(!row_checks::keep_named_object(tx, &row.subject)?, "there is no note any more");
        Ok(())
    })
    .await;
}

async fn a_layer_is_shown_again_for_a_lost_reference_alone(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = fill(tx)?;
        // Another one has the same layer, and names it in an image for which it never came.
        let other = add_repository(tx, "other")?;
        let show = |tx: &mut dyn Tx, repository: &Repository| {
            row_checks::show_again(tx, repository.id, &scope_of(repository), &digest(1), NOW_MS)
        };
        assert!(!show(tx, &other)?, "nothing was lost");
        assert_eq!(repository_blobs::find(tx, other.id, &digest(1))?, None);
        tx.execute("DELETE FROM repository_blobs WHERE image_count = 1", &[])?;
        assert!(show(tx, &repository)?);
        assert!(wrong(tx)?.is_empty(), "{:?}", wrong(tx)?);
        assert!(!show(tx, &other)?, "it was found");
        Ok(())
    })
    .await;
}
