//! A bucket that nodes share: uploads move between them with every chunk, and one that wakes up late harms nobody.

use bytes::Bytes;
use oci::Digest;
use store::blob::{DataKey, UploadState};
use store::error::StoreErrorKind;

use super::{Kind, Stored, TestStore, noise};

const MIB: usize = 1024 * 1024;

fn restored(state: &UploadState) -> UploadState {
    UploadState::from_bytes(&state.to_bytes()).expect("a stored state can be read")
}

async fn part(place: &TestStore, state: &UploadState, key: &DataKey, bytes: &[u8]) -> UploadState {
    let mut writer = place.writer(restored(state), key.clone());
    for chunk in bytes.chunks(100_000) {
        writer.write(Bytes::copy_from_slice(chunk)).await.expect("it can be written");
    }
    writer.checkpoint().await.expect("the part is durable")
}

async fn assert_reads(place: &TestStore, stored: &Stored) {
    let (found, error) = place.read_all(stored).await;
    assert!(error.is_none(), "{error:?}");
    assert!(found == stored.plaintext, "it reads as it was written");
}

/// What is left beside the one object.
async fn assert_alone(place: &TestStore, expected: usize) {
    let bucket = place.bucket.as_ref().expect("a bucket");
    let keys = bucket.keys().await;
    assert_eq!(keys.len(), expected, "{keys:?}");
    assert_eq!(bucket.unfinished(), 0);
}

#[tokio::test]
async fn chunks_of_any_size_on_any_node_make_one_object() {
    let cases: [&[usize]; 9] = [
        &[0],
        &[MIB, MIB],
        &[5 * MIB, 5 * MIB, 5 * MIB],
        &[8 * MIB],
        &[8 * MIB + 1, 0, 1],
        &[16 * MIB + 100_000],
        &[20 * MIB, 3 * MIB, 100, 9 * MIB],
        &[1; 5],
        &[7 * MIB, 2 * MIB, 7 * MIB, 2 * MIB, 30 * MIB],
    ];
    for sizes in cases {
        let place = TestStore::new(Kind::S3);
        let (mut state, key) = place.store.begin();
        let plaintext = noise(sizes.iter().sum(), 3);
        let mut at = 0;
        let mut rests = Vec::new();
        for size in sizes {
            state = part(&place, &state, &key, &plaintext[at..at + size]).await;
            at += size;
            if let Some(rest) = state.rest_object().filter(|rest| !rests.contains(rest)) {
                rests.push(rest);
            }
        }
        let finished = place.writer(restored(&state), key.clone()).finish().await.expect("it ends");
        assert_eq!(finished.sha256, Digest::sha256_of(&plaintext), "{sizes:?}");
        for rest in &rests {
            place.store.remove(*rest, None).await.expect("what held a rest can be removed");
        }
        assert_reads(&place, &Stored { object: finished.object, key, plaintext }).await;
        assert_alone(&place, 1).await;
    }
}

#[tokio::test]
async fn a_long_object_goes_in_parts_and_a_short_one_at_once() {
    let place = TestStore::new(Kind::S3);
    let short = place.store(noise(7 * MIB, 1)).await;
    assert_reads(&place, &short).await;
    let long = place.store(noise(33 * MIB, 2)).await;
    assert_reads(&place, &long).await;
    let (found, error) = place.read(&long, 20 * MIB + 7..20 * MIB + 9).await;
    assert!(error.is_none() && found == long.plaintext[20 * MIB + 7..20 * MIB + 9]);
    assert_alone(&place, 2).await;
}

#[tokio::test]
async fn a_node_that_wakes_up_late_changes_nothing() {
    for (before, late, then) in [(0, MIB, 2 * MIB), (9 * MIB, 9 * MIB, 10 * MIB), (20 * MIB, 100, 17 * MIB)] {
        let place = TestStore::new(Kind::S3);
        let (state, key) = place.store.begin();
        let plaintext = noise(before + then, 1);
        let state = part(&place, &state, &key, &plaintext[..before]).await;
        // The paused node: it has its session, and goes on when another one has taken the upload over.
        let mut paused = place.writer(restored(&state), key.clone());
        let mut other = place.writer(restored(&state), key.clone());
        other.write(Bytes::copy_from_slice(&plaintext[before..])).await.expect("it can be written");
        let acknowledged = other.checkpoint().await.expect("it is durable");
        let written = paused.write(noise(late, 9).into()).await;
        // Whatever it could still do with what it has been given is to no effect.
        if written.is_ok() {
            let _ = paused.checkpoint().await;
        }
        let finished = place.writer(restored(&acknowledged), key.clone()).finish().await.expect("it ends");
        assert_eq!(finished.sha256, Digest::sha256_of(&plaintext));
        assert_reads(&place, &Stored { object: finished.object, key, plaintext }).await;
    }
}

/// Both nodes end the upload, with other bytes: the one that may not is refused, and what the other one has made stays.
#[tokio::test]
async fn only_one_session_ends_an_upload() {
    for size in [MIB, 12 * MIB] {
        let place = TestStore::new(Kind::S3);
        let (state, key) = place.store.begin();
        let plaintext = noise(size, 1);
        let mut late = place.writer(restored(&state), key.clone());
        late.write(Bytes::from(noise(size, 2))).await.expect("it can be written");
        let mut valid = place.writer(restored(&state), key.clone());
        valid.write(Bytes::copy_from_slice(&plaintext)).await.expect("it can be written");
        let finished = valid.finish().await.expect("it ends");
        match late.finish().await {
            // A short object of its own, which no row will name.
            Ok(other) => assert_ne!(other.object, finished.object),
            Err(error) => {
                assert!(matches!(error.kind(), StoreErrorKind::Busy | StoreErrorKind::Unavailable), "{error}");
            }
        }
        assert_reads(&place, &Stored { object: finished.object, key, plaintext }).await;
    }
}

#[tokio::test]
async fn an_abandoned_upload_leaves_nothing() {
    let place = TestStore::new(Kind::S3);
    let (state, key) = place.store.begin();
    let state = part(&place, &state, &key, &noise(17 * MIB + 100_000, 1)).await;
    let multipart = place.ledger.multipart(state.object);
    assert_eq!(place.bucket.as_ref().expect("a bucket").unfinished(), 1);
    for _ in 0..2 {
        place.store.remove(state.object, multipart.as_deref()).await.expect("it can be removed");
        place.store.remove(state.rest_object().expect("a rest"), None).await.expect("it can be removed");
    }
    assert_alone(&place, 0).await;
    let mut writer = place.writer(restored(&state), key);
    let _ = writer.write(noise(20 * MIB, 2).into()).await;
    assert!(writer.finish().await.is_err(), "it cannot go on");
}

#[tokio::test]
async fn a_rest_that_is_lost_is_refused() {
    let place = TestStore::new(Kind::S3);
    let (state, key) = place.store.begin();
    let state = part(&place, &state, &key, &noise(MIB, 1)).await;
    let rest = state.rest_object().expect("1 MiB is no part");
    let bytes = place.read_file(rest).await;
    place.write_file(rest, &bytes[..bytes.len() - 1]).await;
    let error = place.writer(restored(&state), key.clone()).finish().await.expect_err("cut");
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
    place.bucket.as_ref().expect("a bucket").remove(rest).await;
    let error = place.writer(restored(&state), key.clone()).finish().await.expect_err("missing");
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
    let mut flipped = bytes.clone();
    flipped[MIB / 2] ^= 1;
    place.write_file(rest, &flipped).await;
    let error = place.writer(restored(&state), key.clone()).finish().await.expect_err("changed");
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
    place.write_file(rest, &bytes).await;
    place.writer(restored(&state), key).finish().await.expect("whole again");
}

#[tokio::test]
async fn scopes_have_folders_of_their_own() {
    let place = TestStore::new(Kind::S3);
    let stored = place.store(noise(10, 1)).await;
    let elsewhere = store::blob::BlobScope { region: "eu-west-1".to_owned(), encryption: "AES256".to_owned() };
    let store = place.reopened().of_scope(&elsewhere);
    let (_, error) = super::read(&store, stored.object, &stored.key, 10, 0..10).await;
    super::assert_refused(error.as_ref(), stored.object, "another scope");
    let keys = place.bucket.as_ref().expect("a bucket").keys().await;
    assert_eq!(keys, [super::bucket::TestBucket::key(stored.object).to_string()]);
}

#[tokio::test]
async fn an_upload_goes_on_only_where_it_was_begun() {
    let (folder, bucket) = (TestStore::new(Kind::Files), TestStore::new(Kind::S3));
    for (here, there) in [(&folder, &bucket), (&bucket, &folder)] {
        let (state, key) = here.store.begin();
        let state = part(here, &state, &key, &noise(MIB, 1)).await;
        let session = there.session(&state);
        let refused = match there.store.writer(restored(&state), key, session) {
            Err(error) => error,
            Ok(writer) => writer.finish().await.expect_err("its bytes are elsewhere"),
        };
        assert_eq!(refused.kind(), StoreErrorKind::Corrupt, "{refused}");
    }
}
