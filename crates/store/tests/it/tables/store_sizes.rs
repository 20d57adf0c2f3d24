//! How much there is, over all registries.

use store::tables::store_sizes::{self, StoreSizes, TierSizes};
use store::tables::{images, repository_blobs, uploads};

use super::fixtures::{
    add_blob, add_image_of, add_repository, add_tag, digest, in_transaction, name, number, open, scope_of,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(an_empty_database_has_nothing, what_is_shared_is_stored_once, a_database_counts_what_it_is_asked);

async fn an_empty_database_has_nothing(backend: &Backend) {
    in_transaction(backend, |tx| {
        assert_eq!(store_sizes::measure(tx)?, StoreSizes::default());
        assert_eq!(uploads::count_all(tx)?, (0, 0));
        Ok(())
    })
    .await;
}

async fn what_is_shared_is_stored_once(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (one, other) = (add_repository(tx, "one")?, add_repository(tx, "other")?);
        add_blob(tx, &one, &digest(1), 5)?;
        add_blob(tx, &one, &digest(2), 5)?;
        assert!(repository_blobs::share(tx, one.id, other.id, &scope_of(&other), &digest(1), 5)?);
        let shared = repository_blobs::find(tx, other.id, &digest(1))?.expect("it is there").stored.id;
        let image = add_image_of(tx, one.id, 1, [digest(1), digest(2)])?;
        add_image_of(tx, other.id, 1, [digest(1)])?;
        add_tag(tx, one.id, "a", image)?;
        add_tag(tx, one.id, "b", image)?;
        let sizes = store_sizes::measure(tx)?;
        assert_eq!((sizes.repositories, sizes.images, sizes.tags), (2, 2, 2));
        let standard = TierSizes { objects: 2, unique_bytes: 20, stored_bytes: 20, logical_bytes: 30 };
        assert_eq!((sizes.standard, sizes.archive), (standard, TierSizes::default()));
        tx.execute(
            "UPDATE blobs SET tier = 'ARCHIVE', encoding = 'ZSTD', stored_bytes = 4 WHERE id = $1",
            &[shared.into()],
        )?;
        let sizes = store_sizes::measure(tx)?;
        let archive = TierSizes { objects: 1, unique_bytes: 10, stored_bytes: 4, logical_bytes: 20 };
        assert_eq!((sizes.standard.unique_bytes, sizes.archive), (10, archive));
        assert_eq!(number(tx, "SELECT COUNT(*) FROM repository_blobs")?, 3);
        let found = images::place_of(tx, image)?;
        assert_eq!(found.map(|(_, _, found)| found), Some(name("one").to_string()));
        assert_eq!(images::place_of(tx, 99_999)?, None);
        repository_blobs::remove_image(tx, one.id, image, 9)?;
        Ok(())
    })
    .await;
}

async fn a_database_counts_what_it_is_asked(backend: &Backend) {
    let db = open(backend);
    for _ in 0..3 {
        db.write(|tx| tx.query("SELECT 1", &[])).await.expect("written");
        db.read(|tx| tx.query("SELECT 1", &[])).await.expect("read");
    }
    let measures = db.measures();
    assert_eq!((measures.reads.attempts.get(), measures.writes.attempts.get()), (3, 3));
    assert_eq!((measures.reads.retries.get(), measures.writes.retries.get()), (0, 0));
    assert_eq!((measures.reads.wait_micros.read().count, measures.writes.wait_micros.read().count), (3, 3));
}
