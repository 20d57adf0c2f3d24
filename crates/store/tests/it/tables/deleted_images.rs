//! Deleted images: what comes back is what was there, and references on blobs are right in any order of events.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::db::{Db, Tx};
use store::error::StoreError;
use store::tables::deleted_images::{self, After, DeletedImageFilter, DeletionNote, Released};
use store::tables::images::{self, ImageStatus, NewImage};
use store::tables::repositories::{self, NewRepository, Repository};
use store::tables::{blobs, deleted_tags, image_tags, repository_blobs};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::fixtures::{
    add_blob, add_image_of, add_repository, add_tag, delete_image, delete_repository, digest, due_objects, home,
    in_transaction, name, new_image, new_repository, number, open, registry, tag,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    everything_comes_back,
    images_outlive_their_repository,
    a_tag_alone_is_kept,
    expired_images_go_with_their_references,
    lists_have_pages,
    the_last_deletion_is_found,
    a_purge_counts_the_bytes_of_its_own_account,
    references_are_right_in_any_order,
    restoring_races_with_collecting,
    deleting_races_with_pushing,
);

const NOW_MS: i64 = 10_000;

fn note(at_ms: i64, expires_at_ms: i64) -> DeletionNote {
    DeletionNote { by: "arn:aws:iam::123456789012:root".to_owned(), reason: "test".to_owned(), at_ms, expires_at_ms }
}

fn filter(repository: Option<&str>) -> DeletedImageFilter {
    DeletedImageFilter { registry: home(), repository: repository.map(name), since_ms: 0, now_ms: NOW_MS }
}

/// Every count is that of the rows which it counts, and images name only blobs that are shown.
fn assert_counts(tx: &mut dyn Tx) -> Result<(), StoreError> {
    for (what, sql) in [
        (
            "references on blobs",
            "SELECT count(*) FROM blobs b WHERE b.reference_count <> \
             (SELECT count(*) FROM repository_blobs r WHERE r.blob_id = b.id) + \
             (SELECT count(*) FROM deleted_image_blobs d WHERE d.blob_id = b.id)",
        ),
        (
            "images of blobs",
            "SELECT count(*) FROM repository_blobs r WHERE r.image_count <> (SELECT count(*) FROM images i \
             JOIN image_blobs n ON n.image_id = i.id WHERE i.repository_id = r.repository_id AND n.digest = r.digest)",
        ),
        (
            "named blobs that are not shown",
            "SELECT count(*) FROM images i JOIN image_blobs n ON n.image_id = i.id LEFT JOIN repository_blobs r \
             ON r.repository_id = i.repository_id AND r.digest = n.digest WHERE r.digest IS NULL",
        ),
        (
            "blobs in their grace period that are in use",
            "SELECT count(*) FROM repository_blobs WHERE (unreferenced_since_ms IS NULL) <> (image_count > 0)",
        ),
    ] {
        assert_eq!(number(tx, sql)?, 0, "{what}");
    }
    Ok(())
}

/// Deletes an image as the registry does, so that it can be restored.
fn delete_kept(tx: &mut dyn Tx, repository_id: i64, image_id: i64, note: &DeletionNote) -> Result<(), StoreError> {
    deleted_images::keep(tx, image_id, note)?;
    delete_image(tx, repository_id, image_id, note.at_ms).map(drop)
}

/// All that is stored of an image, as text.
fn stored(tx: &mut dyn Tx, image_id: i64) -> Result<Vec<String>, StoreError> {
    let mut rows = Vec::new();
    for sql in [
        "SELECT id, digest, media_type, artifact_media_type, artifact_type, annotations, subject_digest, size_bytes, \
         manifest_bytes, manifest, pushed_at_ms, last_pulled_at_ms, status FROM images WHERE id = $1",
        "SELECT b.digest, r.blob_id, r.media_type, r.image_count, r.unreferenced_since_ms FROM image_blobs b \
         JOIN images i ON i.id = b.image_id \
         JOIN repository_blobs r ON r.repository_id = i.repository_id AND r.digest = b.digest \
         WHERE b.image_id = $1 ORDER BY b.digest",
        "SELECT child_digest FROM image_children WHERE parent_image_id = $1 ORDER BY child_digest",
    ] {
        rows.extend(tx.query(sql, &[image_id.into()])?.iter().map(|row| format!("{row:?}")));
    }
    Ok(rows)
}

async fn everything_comes_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        for blob in 0..3 {
            add_blob(tx, &repository, &digest(100 + blob), 1_000)?;
        }
        let full = NewImage {
            artifact_media_type: Some("application/vnd.example".to_owned()),
            artifact_type: Some("application/vnd.example.type".to_owned()),
            annotations: BTreeMap::from([("key".to_owned(), "value".to_owned())]),
            subject: Some(digest(7)),
            ..new_image(1)
        };
        let id = images::insert(tx, repository.id, &full)?.expect("new");
        for blob in 0..3 {
            assert!(repository_blobs::add_image(tx, repository.id, &digest(100 + blob), "layer")?);
            images::insert_blob(tx, id, &digest(100 + blob))?;
        }
        images::insert_child(tx, id, repository.id, &digest(8))?;
        images::record_pull(tx, id, 9_000)?;
        for text in ["a", "b"] {
            add_tag(tx, repository.id, text, id)?;
        }
        // One more image keeps a blob in use.
        add_image_of(tx, repository.id, 2, [digest(100)])?;
        let before = stored(tx, id)?;
        assert_eq!(before.len(), 5);

        delete_kept(tx, repository.id, id, &note(NOW_MS, NOW_MS + 1))?;
        assert_counts(tx)?;
        assert_eq!(stored(tx, id)?, Vec::<String>::new());
        assert!(images::find(tx, repository.id, &digest(1))?.is_none());
        let kept =
            deleted_images::find_newest(tx, &home().repository(&name("app")), &digest(1), NOW_MS)?.expect("kept");
        assert_eq!((kept.id, kept.note, kept.status), (id, note(NOW_MS, NOW_MS + 1), ImageStatus::Active));
        assert_eq!((kept.size_bytes, kept.pushed_at_ms), (1_001, 5_000));
        assert_eq!(deleted_images::children(tx, id)?, [digest(8)]);
        // Past its time it is not found, even before it is collected.
        assert_eq!(deleted_images::find_newest(tx, &home().repository(&name("app")), &digest(1), NOW_MS + 1)?, None);
        let tags = deleted_tags::list_of_image(tx, id)?;
        let shown: Vec<_> = tags.iter().map(|tag| (tag.tag.as_str(), tag.tagged_at_ms, tag.digest)).collect();
        assert_eq!(shown, [("a", 6_000, digest(1)), ("b", 6_000, digest(1))]);
        let found =
            deleted_tags::find_newest(tx, &home().repository(&name("app")), &tag("a"), None, NOW_MS)?.expect("kept");
        assert_eq!((found.deleted_image_id, &found), (Some(id), &tags[0]));

        // The repository forgot the blobs meanwhile; the references kept them.
        repository_blobs::collect_unreferenced(tx, NOW_MS, 10)?;
        assert_eq!(blobs::collect_unreferenced(tx, NOW_MS, 10)?, 0);
        assert!(repository_blobs::find(tx, repository.id, &digest(101))?.is_none(), "deleted layers are hidden");

        deleted_images::restore(tx, id, repository.id, NOW_MS)?;
        assert_eq!(stored(tx, id)?, before);
        assert_counts(tx)?;
        for table in ["deleted_images", "deleted_tags", "deleted_image_blobs", "deleted_image_children"] {
            assert_eq!(number(tx, &format!("SELECT count(*) FROM {table}"))?, 0, "{table}");
        }
        Ok(())
    })
    .await;
}

async fn images_outlive_their_repository(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (old, other) = (add_repository(tx, "app")?, add_repository(tx, "other")?);
        for repository in [&old, &other] {
            add_blob(tx, repository, &digest(100), 1_000)?;
        }
        let mut ids = Vec::new();
        for image in 1..=3 {
            ids.push(add_image_of(tx, old.id, image, [digest(100)])?);
        }
        let elsewhere = add_image_of(tx, other.id, 1, [digest(100)])?;
        add_tag(tx, old.id, "v1", ids[0])?;
        add_tag(tx, other.id, "v1", elsewhere)?;
        deleted_images::keep_all_of(tx, old.id, &note(NOW_MS, NOW_MS + 1))?;
        delete_repository(tx, old.id, NOW_MS)?;
        assert_counts(tx)?;
        // Two repositories showed the blob; now one does, and three deleted images need it.
        assert_eq!(number(tx, "SELECT reference_count FROM blobs")?, 4);
        assert_eq!(deleted_images::list(tx, &filter(None), &After::default(), 10)?.len(), 3);
        assert_eq!(number(tx, "SELECT count(*) FROM deleted_tags")?, 1);

        let again = add_repository(tx, "app")?;
        for id in ids {
            deleted_images::restore(tx, id, again.id, NOW_MS)?;
            assert_counts(tx)?;
        }
        assert_eq!(number(tx, "SELECT reference_count FROM blobs")?, 2);
        assert_eq!(images::list(tx, again.id, "", 10)?.len(), 3);
        Ok(())
    })
    .await;
}

async fn a_tag_alone_is_kept(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let id = add_image_of(tx, repository.id, 1, [])?;
        for text in ["a", "b"] {
            add_tag(tx, repository.id, text, id)?;
        }
        deleted_tags::keep(tx, repository.id, &tag("a"), &note(NOW_MS, NOW_MS + 5))?;
        assert!(image_tags::delete(tx, repository.id, "a")?);
        let find = |tx: &mut dyn Tx, digest: Option<&_>, now_ms| {
            deleted_tags::find_newest(tx, &home().repository(&name("app")), &tag("a"), digest, now_ms)
        };
        let found = find(tx, None, NOW_MS)?.expect("kept");
        assert_eq!((found.digest, found.deleted_image_id, found.tagged_at_ms), (digest(1), None, 6_000));
        assert_eq!(find(tx, Some(&digest(1)), NOW_MS)?, Some(found.clone()));
        assert_eq!(find(tx, Some(&digest(2)), NOW_MS)?, None);
        assert_eq!(find(tx, None, NOW_MS + 5)?, None);
        assert_eq!(deleted_tags::list_alone(tx, &filter(Some("app")), &After::default(), 10)?, [found]);
        assert_eq!(deleted_tags::list_alone(tx, &filter(Some("ap")), &After::default(), 10)?, []);
        assert_eq!(deleted_tags::collect_expired(tx, NOW_MS + 4, 10)?, 0);
        assert_eq!(deleted_tags::collect_expired(tx, NOW_MS + 5, 10)?, 1);
        assert_eq!(number(tx, "SELECT count(*) FROM deleted_tags")?, 0);
        Ok(())
    })
    .await;
}

async fn expired_images_go_with_their_references(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let object = add_blob(tx, &repository, &digest(100), 1_000)?;
        for image in 1..=3 {
            let id = add_image_of(tx, repository.id, image, [digest(100)])?;
            add_tag(tx, repository.id, &format!("v{image}"), id)?;
            delete_kept(tx, repository.id, id, &note(NOW_MS, NOW_MS + 10 * image as i64))?;
        }
        repository_blobs::collect_unreferenced(tx, NOW_MS, 10)?;
        assert_eq!(number(tx, "SELECT reference_count FROM blobs")?, 3);
        assert_eq!(deleted_images::collect_expired(tx, NOW_MS + 9, 10)?, Released::default());
        assert_eq!(deleted_images::collect_expired(tx, NOW_MS + 20, 1)?, Released { images: 1, bytes: 0 });
        assert_eq!(deleted_images::collect_expired(tx, NOW_MS + 20, 10)?, Released { images: 1, bytes: 0 });
        assert_counts(tx)?;
        assert_eq!(number(tx, "SELECT count(*) FROM deleted_tags")?, 1);
        assert_eq!(deleted_images::collect_expired(tx, NOW_MS + 30, 10)?, Released { images: 1, bytes: 10 });
        assert_eq!(number(tx, "SELECT count(*) FROM deleted_tags")?, 0);
        assert_eq!(blobs::collect_unreferenced(tx, NOW_MS, 10)?, 1);
        assert_eq!(due_objects(tx, NOW_MS, 10)?, [object]);
        Ok(())
    })
    .await;
}

async fn lists_have_pages(backend: &Backend) {
    in_transaction(backend, |tx| {
        let mut expected = Vec::new();
        for place in ["app", "app-2", "bb"] {
            let repository = add_repository(tx, place)?;
            for image in 0..5 {
                let id = add_image_of(tx, repository.id, image, [])?;
                // Two at a time, and one that is over.
                let at_ms = NOW_MS - 10 + (image as i64 / 2);
                delete_kept(tx, repository.id, id, &note(at_ms, if image == 4 { NOW_MS } else { NOW_MS + 1 }))?;
                if image != 4 {
                    expected.push((place.to_owned(), id));
                }
            }
        }
        for limit in [1, 2, 5, 20] {
            let mut after = After::default();
            let mut seen = Vec::new();
            loop {
                let page = deleted_images::list(tx, &filter(None), &after, limit)?;
                assert!(page.len() <= limit);
                seen.extend(page.iter().map(|image| (image.repository.to_string(), image.id)));
                let Some(last) = page.last() else { break };
                let (deleted_at_ms, id) = (last.note.at_ms, last.id);
                after = After { repository: last.repository.to_string(), deleted_at_ms, id };
            }
            assert_eq!(seen, expected, "{limit} at a time");
        }
        let of_app = deleted_images::list(tx, &filter(Some("app")), &After::default(), 20)?;
        assert_eq!(
            of_app.iter().map(|image| image.id).collect::<Vec<_>>(),
            expected[..4].iter().map(|e| e.1).collect::<Vec<_>>()
        );
        let since = DeletedImageFilter { since_ms: NOW_MS - 9, ..filter(Some("app")) };
        assert_eq!(deleted_images::list(tx, &since, &After::default(), 20)?.len(), 2);
        Ok(())
    })
    .await;
}

async fn the_last_deletion_is_found(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        let mut last = 0;
        for at_ms in [NOW_MS - 2, NOW_MS - 1, NOW_MS - 1] {
            last = add_image_of(tx, repository.id, 1, [])?;
            add_tag(tx, repository.id, "v1", last)?;
            delete_kept(tx, repository.id, last, &note(at_ms, NOW_MS + 1))?;
        }
        let found =
            deleted_images::find_newest(tx, &home().repository(&name("app")), &digest(1), NOW_MS)?.expect("kept");
        assert_eq!(found.id, last);
        let found =
            deleted_tags::find_newest(tx, &home().repository(&name("app")), &tag("v1"), None, NOW_MS)?.expect("kept");
        assert_eq!(found.deleted_image_id, Some(last));
        Ok(())
    })
    .await;
}

const BLOBS: u64 = 3;
const IMAGES: u64 = 4;

/// What may happen. Numbers choose a repository, an image or a blob.
#[derive(Clone, Debug)]
enum Step {
    Upload { repository: usize, blob: u64 },
    Push { repository: usize, image: u64 },
    Delete { repository: usize, image: u64, is_kept: bool },
    Recreate { repository: usize, is_kept: bool },
    Restore { repository: usize, image: u64 },
    Drop { repository: usize, image: u64 },
    Wait,
    Collect { limit: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (repository, image) = (|| 0..2_usize, || 0..IMAGES);
    let step = prop_oneof![
        6 => (repository(), 0..BLOBS).prop_map(|(repository, blob)| Step::Upload { repository, blob }),
        6 => (repository(), image()).prop_map(|(repository, image)| Step::Push { repository, image }),
        5 => (repository(), image(), any::<bool>())
            .prop_map(|(repository, image, is_kept)| Step::Delete { repository, image, is_kept }),
        1 => (repository(), any::<bool>()).prop_map(|(repository, is_kept)| Step::Recreate { repository, is_kept }),
        5 => (repository(), image()).prop_map(|(repository, image)| Step::Restore { repository, image }),
        1 => (repository(), image()).prop_map(|(repository, image)| Step::Drop { repository, image }),
        2 => Just(Step::Wait),
        3 => (1..4_usize).prop_map(|limit| Step::Collect { limit }),
    ];
    proptest::collection::vec(step, 1..60)
}

const REPOSITORIES: [&str; 2] = ["first", "second"];

/// Does what the step says if it can be done; both repositories share their blobs.
fn take(tx: &mut dyn Tx, stored: &mut [Repository], now_ms: &mut i64, step: &Step) -> Result<(), StoreError> {
    let at_ms = *now_ms;
    let note = note(at_ms, at_ms + 5);
    match *step {
        Step::Upload { repository, blob } => add_blob(tx, &stored[repository], &digest(100 + blob), at_ms).map(drop),
        Step::Push { repository, image } => {
            let id = stored[repository].id;
            let named = [digest(100 + image % BLOBS), digest(100 + (image + 1) % BLOBS)];
            for blob in &named {
                if repository_blobs::find(tx, id, blob)?.is_none() {
                    return Ok(());
                }
            }
            if images::find(tx, id, &digest(image))?.is_none() {
                add_image_of(tx, id, image, named)?;
            }
            Ok(())
        }
        Step::Delete { repository, image, is_kept } => match images::find(tx, stored[repository].id, &digest(image))? {
            Some(found) if is_kept => delete_kept(tx, stored[repository].id, found.id, &note),
            Some(found) => delete_image(tx, stored[repository].id, found.id, at_ms).map(drop),
            None => Ok(()),
        },
        Step::Recreate { repository, is_kept } => {
            if is_kept {
                deleted_images::keep_all_of(tx, stored[repository].id, &note)?;
            }
            delete_repository(tx, stored[repository].id, at_ms)?;
            stored[repository] = repositories::insert(tx, &new_repository(REPOSITORIES[repository]))?.expect("free");
            Ok(())
        }
        Step::Restore { repository, image } => {
            let id = stored[repository].id;
            let place = name(REPOSITORIES[repository]);
            let is_present = images::find(tx, id, &digest(image))?.is_some();
            match deleted_images::find_newest(tx, &home().repository(&place), &digest(image), at_ms)? {
                Some(deleted) if is_present => deleted_images::drop_one(tx, deleted.id).map(drop),
                Some(deleted) => deleted_images::restore(tx, deleted.id, id, at_ms),
                None => Ok(()),
            }
        }
        Step::Drop { repository, image } => {
            let place = name(REPOSITORIES[repository]);
            match deleted_images::find_newest(tx, &home().repository(&place), &digest(image), at_ms)? {
                Some(deleted) => deleted_images::drop_one(tx, deleted.id).map(drop),
                None => Ok(()),
            }
        }
        Step::Wait => {
            *now_ms += 3;
            Ok(())
        }
        Step::Collect { limit } => {
            deleted_images::collect_expired(tx, at_ms, limit)?;
            repository_blobs::collect_unreferenced(tx, at_ms - 2, limit)?;
            blobs::collect_unreferenced(tx, at_ms, limit).map(drop)
        }
    }
}

/// The test's transactions are undone by this error.
#[derive(Debug)]
struct Undo;

impl From<StoreError> for Undo {
    fn from(error: StoreError) -> Self {
        panic!("a statement failed: {error:?}")
    }
}

async fn references_are_right_in_any_order(backend: &Backend) {
    let db = open(backend);
    let handle = Handle::current();
    block_in_place(|| {
        let mut runner = TestRunner::new(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() });
        let run = |steps: Vec<Step>| {
            let undone = handle.block_on(db.write(move |tx| {
                let mut stored = Vec::new();
                for place in REPOSITORIES {
                    stored.push(add_repository(tx, place)?);
                }
                let mut now_ms = NOW_MS;
                for step in &steps {
                    take(tx, &mut stored, &mut now_ms, step)?;
                    assert_counts(tx)?;
                }
                // Once all is deleted and over, nothing is left.
                for repository in &stored {
                    deleted_images::keep_all_of(tx, repository.id, &note(now_ms, now_ms + 5))?;
                    delete_repository(tx, repository.id, now_ms)?;
                }
                assert_counts(tx)?;
                deleted_images::collect_expired(tx, now_ms + 5, 1_000)?;
                blobs::collect_unreferenced(tx, now_ms, 1_000)?;
                for table in ["blobs", "deleted_images", "deleted_image_blobs", "deleted_image_children"] {
                    assert_eq!(number(tx, &format!("SELECT count(*) FROM {table}"))?, 0, "{table}");
                }
                Err::<(), _>(Undo)
            }));
            assert!(undone.is_err());
            Ok(())
        };
        runner.run(&steps(), run).unwrap_or_else(|failure| panic!("{failure}"));
    });
}

const ROUNDS: u64 = 40;

/// A repository with one blob.
async fn with_blob(db: &Db) -> Repository {
    db.write(|tx| {
        let repository = add_repository(tx, "app")?;
        add_blob(tx, &repository, &digest(100), 1_000)?;
        Ok::<_, StoreError>(repository)
    })
    .await
    .unwrap()
}

async fn restoring_races_with_collecting(backend: &Backend) {
    let db = Arc::new(open(backend));
    let repository = with_blob(&db).await;
    let id = repository.id;
    for image in 0..ROUNDS {
        let deleted = db.write(move |tx| {
            let app = repositories::find(tx, &home().repository(&name("app")))?.expect("there");
            add_blob(tx, &app, &digest(100), NOW_MS)?;
            let image_id = add_image_of(tx, id, image, [digest(100)])?;
            delete_kept(tx, id, image_id, &note(NOW_MS, NOW_MS + 5))?;
            Ok::<_, StoreError>(image_id)
        });
        let image_id = deleted.await.unwrap();
        // One clock has just come to the end of the window, the other has not.
        let restore = db.write(move |tx| {
            match deleted_images::find_newest(tx, &home().repository(&name("app")), &digest(image), NOW_MS + 4)? {
                Some(deleted) => deleted_images::restore(tx, deleted.id, id, NOW_MS).map(|()| true),
                None => Ok(false),
            }
        });
        let collect = db.write(|tx| {
            let released = deleted_images::collect_expired(tx, NOW_MS + 5, 10)?;
            repository_blobs::collect_unreferenced(tx, NOW_MS, 10)?;
            blobs::collect_unreferenced(tx, NOW_MS, 10)?;
            Ok::<_, StoreError>(released.images)
        });
        let (restored, collected) = tokio::join!(restore, collect);
        let (restored, collected) = (restored.unwrap(), collected.unwrap());
        assert_eq!(usize::from(restored) + collected, 1, "image {image_id} is restored or collected, and never both");
        let after = db.write(move |tx| {
            assert_counts(tx)?;
            let found = images::find(tx, id, &digest(image))?;
            if let Some(found) = &found {
                delete_image(tx, id, found.id, NOW_MS)?;
            }
            Ok::<_, StoreError>(found.is_some())
        });
        assert_eq!(after.await.unwrap(), restored);
    }
}

async fn deleting_races_with_pushing(backend: &Backend) {
    let db = Arc::new(open(backend));
    let repository = with_blob(&db).await;
    let id = repository.id;
    for round in 0..ROUNDS {
        let (old, new) = (2 * round, 2 * round + 1);
        db.write(move |tx| {
            let app = repositories::find(tx, &home().repository(&name("app")))?.expect("there");
            add_blob(tx, &app, &digest(100), NOW_MS)?;
            add_image_of(tx, id, old, [digest(100)])
        })
        .await
        .unwrap();
        let delete = db.write(move |tx| {
            let found = images::find(tx, id, &digest(old))?.expect("there");
            delete_kept(tx, id, found.id, &note(NOW_MS, NOW_MS + 5))
        });
        let push = db.write(move |tx| {
            // As a push does: the blob must be there at this moment.
            if repository_blobs::find(tx, id, &digest(100))?.is_none() {
                return Ok(false);
            }
            add_image_of(tx, id, new, [digest(100)]).map(|_| true)
        });
        let collect = db.write(|tx| {
            repository_blobs::collect_unreferenced(tx, NOW_MS, 10)?;
            blobs::collect_unreferenced(tx, NOW_MS, 10)
        });
        let (deleted, pushed, collected) = tokio::join!(delete, push, collect);
        deleted.unwrap();
        let pushed = pushed.unwrap();
        assert_eq!(collected.unwrap(), 0, "a deleted image still needs the blob");
        db.write(move |tx| {
            assert_counts(tx)?;
            assert_eq!(images::find(tx, id, &digest(new))?.is_some(), pushed);
            let deleted =
                deleted_images::find_newest(tx, &home().repository(&name("app")), &digest(old), NOW_MS)?.expect("kept");
            deleted_images::restore(tx, deleted.id, id, NOW_MS)?;
            assert_counts(tx)
        })
        .await
        .unwrap();
    }
}

async fn a_purge_counts_the_bytes_of_its_own_account(backend: &Backend) {
    in_transaction(backend, |tx| {
        let own = add_repository(tx, "own")?;
        let another = add_repository(tx, "another")?;
        let theirs = NewRepository { registry: registry("210987654321", "us-east-1"), ..new_repository("theirs") };
        let theirs = repositories::insert(tx, &theirs)?.expect("the name is free");
        for (repository, layers) in [(&own, vec![1, 2, 3]), (&another, vec![2]), (&theirs, vec![1, 2, 3])] {
            for layer in layers {
                add_blob(tx, repository, &digest(layer), 5)?;
            }
        }
        let mut purged = Vec::new();
        for (number, layers) in [(1, vec![1, 2]), (2, vec![3]), (3, vec![3])] {
            let image = add_image_of(tx, own.id, number, layers.into_iter().map(digest))?;
            deleted_images::keep(tx, image, &note(10, 50))?;
            delete_image(tx, own.id, image, 10)?;
            purged.push(image);
        }
        delete_repository(tx, own.id, 20)?;
        assert_eq!(
            deleted_images::purge(tx, purged[0])?.bytes,
            10,
            "another repository of the account has the second layer"
        );
        assert_eq!(
            deleted_images::purge(tx, purged[1])?,
            deleted_images::Freed::default(),
            "a deleted image of the account needs it"
        );
        assert_eq!(deleted_images::purge(tx, purged[2])?.bytes, 10);
        assert_counts(tx)
    })
    .await;
}
