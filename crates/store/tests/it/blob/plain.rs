//! Objects that are left to the store's encryption: nothing but their content, whole or refused where that can be told.

use bytes::Bytes;
use oci::{Algorithm, Digest};
use proptest::prelude::*;
use store::blob::{DataKey, Encoding, Form, ObjectId, Protection, Redirect, UploadState};
use store::error::{StoreError, StoreErrorKind};

use super::{Kind, SIZES, TestStore, any_size, assert_refused, check, noise, on_every_store};

on_every_store!(
    [
        the_content_is_all_that_is_stored,
        what_is_missing_or_of_another_length_is_refused,
        another_byte_shows_in_the_digest,
        an_object_is_of_one_form,
        copies_may_be_of_another_form,
        what_is_written_can_be_read_before_the_end,
        urls_are_given_out_only_if_the_store_is_told_to
    ],
    [any_range_reads_exactly_its_bytes, an_object_goes_on_after_restarts_at_any_byte],
);

const MIB: usize = 1024 * 1024;

fn begin(place: &TestStore) -> UploadState {
    let (state, protection) = place.store.begin_as(ObjectId::random(), Form::Plain);
    assert!(matches!(protection, Protection::Plain));
    state
}

fn restored(state: &UploadState) -> UploadState {
    UploadState::from_bytes(&state.to_bytes()).expect("a stored state can be read")
}

async fn store(place: &TestStore, content: &[u8]) -> ObjectId {
    let finished = place.write(begin(place), Protection::Plain, content).await.expect("it can be written");
    assert_eq!(finished.sha256, Digest::sha256_of(content));
    finished.object
}

async fn read(place: &TestStore, object: ObjectId, size: usize) -> (Vec<u8>, Option<StoreError>) {
    super::read(&place.store, object, &Protection::Plain, size as u64, 0..size).await
}

async fn assert_reads(place: &TestStore, object: ObjectId, content: &[u8]) {
    let (found, error) = read(place, object, content.len()).await;
    assert!(error.is_none() && found == content, "{} bytes: {error:?}", content.len());
}

async fn the_content_is_all_that_is_stored(kind: Kind) {
    let place = TestStore::new(kind);
    for size in SIZES {
        let content = noise(size, 1);
        let object = store(&place, &content).await;
        assert!(place.read_file(object).await == content, "{size} bytes");
        assert_reads(&place, object, &content).await;
        for (algorithm, expected) in
            [(Algorithm::Sha256, Digest::sha256_of(&content)), (Algorithm::Sha512, Digest::sha512_of(&content))]
        {
            let hash = place.hash(object, Protection::Plain, size as u64, algorithm).await;
            assert_eq!(hash.expect("it can be read"), expected, "{size} bytes");
        }
    }
}

fn any_range_reads_exactly_its_bytes(kind: Kind) {
    let place = TestStore::new(kind);
    let strategy = (
        any_size().prop_filter("an empty object has no range", |size| *size > 0),
        any::<u64>(),
        proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 6),
    );
    check(24, &strategy, |(size, seed, ranges)| {
        let place = &place;
        async move {
            let content = noise(size, seed);
            let object = store(place, &content).await;
            for (a, b) in ranges {
                let (a, b) = (a.index(size), b.index(size));
                let range = a.min(b)..a.max(b) + 1;
                let (found, error) =
                    super::read(&place.store, object, &Protection::Plain, size as u64, range.clone()).await;
                prop_assert!(error.is_none(), "{:?}: {:?}", range, error);
                prop_assert!(found == content[range.clone()], "{:?}", range);
            }
            Ok(())
        }
    });
}

fn an_object_goes_on_after_restarts_at_any_byte(kind: Kind) {
    let place = TestStore::new(kind);
    let strategy = (any_size(), any::<u64>(), proptest::collection::vec(any::<prop::sample::Index>(), 0..5));
    check(24, &strategy, |(size, seed, cuts)| {
        let place = &place;
        async move {
            let content = noise(size, seed);
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(size + 1)).collect();
            ends.sort_unstable();
            let mut state = begin(place);
            let mut at = 0;
            for end in ends {
                // What is never acknowledged is replaced.
                let mut lost = place.writer(restored(&state), Protection::Plain);
                let _ = lost.write(noise(70_000, !seed).into()).await;
                drop(lost);
                let mut writer = place.writer(restored(&state), Protection::Plain);
                writer.write(Bytes::copy_from_slice(&content[at..end])).await.expect("it can be written");
                state = writer.checkpoint().await.expect("it is durable");
                at = end;
            }
            let finished = place.write(restored(&state), Protection::Plain, &content[at..]).await.expect("it ends");
            prop_assert_eq!(finished.sha256, Digest::sha256_of(&content));
            prop_assert!(place.read_file(finished.object).await == content);
            Ok(())
        }
    });
}

async fn what_is_missing_or_of_another_length_is_refused(kind: Kind) {
    let place = TestStore::new(kind);
    for size in [0, 10, 200_000] {
        let content = noise(size, 1);
        let object = store(&place, &content).await;
        let hash = || place.store.open_reader(object, Protection::Plain, size as u64);
        place.write_file(object, &[&content[..], b"more"].concat()).await;
        let digest = async { hash()?.digest(Algorithm::Sha256).await };
        assert_refused(digest.await.err().as_ref(), object, "longer");
        if size > 0 {
            place.write_file(object, &content[..size - 1]).await;
            let digest = async { hash()?.digest(Algorithm::Sha256).await };
            assert_refused(digest.await.err().as_ref(), object, "cut");
        }
        place.store.remove(object, None).await.expect("it can be removed");
        let digest = async { hash()?.digest(Algorithm::Sha256).await };
        let error = digest.await.expect_err("missing");
        assert_refused(Some(&error), object, "missing");
        assert!(error.to_string().contains("is missing"), "{error}");
    }
}

async fn another_byte_shows_in_the_digest(kind: Kind) {
    let place = TestStore::new(kind);
    let mut content = noise(200_000, 1);
    let digest = Digest::sha256_of(&content);
    let object = store(&place, &content).await;
    content[100_000] ^= 1;
    place.write_file(object, &content).await;
    let reader = place.store.open_reader(object, Protection::Plain, 200_000).expect("it opens");
    assert_eq!(reader.digest(Algorithm::Sha256).await.expect("it reads"), Digest::sha256_of(&content));
    let (state, key) = place.store.begin();
    let ledger = place.copy_ledger(state.object);
    let copied = place.store.copy(reader, &digest, state, key, Encoding::Identity, ledger).await;
    assert_eq!(copied.expect_err("it is not what it should be").kind(), StoreErrorKind::Corrupt);
}

/// A row that says otherwise than the state of its upload is wrong, and a sealed object is not read as a plain one.
async fn an_object_is_of_one_form(kind: Kind) {
    let place = TestStore::new(kind);
    let (sealed, key) = place.store.begin();
    for (state, protection) in [(begin(&place), Protection::from(DataKey::generate())), (sealed, Protection::Plain)] {
        let session = place.session(&state);
        let refused = place.store.writer(restored(&state), protection, session).err().expect("refused");
        assert_eq!(refused.kind(), StoreErrorKind::Corrupt, "{refused}");
    }
    let stored = place.store(noise(1000, 1)).await;
    let (_, error) = read(&place, stored.object, 1000).await;
    assert_refused(error.as_ref(), stored.object, "sealed, read as plain");
    let plain = store(&place, &noise(1000, 1)).await;
    let (_, error) = super::read(&place.store, plain, &key, 1000, 0..1000).await;
    assert_refused(error.as_ref(), plain, "plain, read as sealed");
}

async fn copies_may_be_of_another_form(kind: Kind) {
    let (place, other) = (TestStore::new(kind), TestStore::new(kind));
    let content = vec![7; 3 * MIB];
    let digest = Digest::sha256_of(&content);
    let size = content.len() as u64;
    let mut from = (store(&place, &content).await, Protection::Plain, Encoding::Identity, size);
    let ways = [(Form::Sealed, Encoding::Zstd), (Form::Plain, Encoding::Zstd), (Form::Plain, Encoding::Identity)];
    let mut places = [&place, &other];
    for (form, encoding) in ways {
        let [here, there] = places;
        let (object, protection, known, stored_bytes) = from;
        let reader = here.store.open_encoded(object, protection, (known, stored_bytes), size).expect("it opens");
        let (state, protection) = there.store.begin_as(ObjectId::random(), form);
        let (object, ledger) = (state.object, there.copy_ledger(state.object));
        let copied = there.store.copy(reader, &digest, state, protection.clone(), encoding, ledger).await;
        from = (object, protection, encoding, copied.expect("it can be copied"));
        places = [there, here];
    }
    assert!(places[0].read_file(from.0).await == content, "it is the content again");
}

async fn what_is_written_can_be_read_before_the_end(kind: Kind) {
    let place = TestStore::new(kind);
    let content = noise(20 * MIB, 1);
    let mut writer = place.writer(begin(&place), Protection::Plain);
    let follower = writer.follow();
    for piece in content.chunks(MIB) {
        writer.write(Bytes::copy_from_slice(piece)).await.expect("it can be written");
    }
    let mut readable = follower.readable();
    let known = *readable.wait_for(|bytes| *bytes > 10 * MIB as u64).await.expect("it grows");
    let reader = follower.open(Protection::Plain, content.len() as u64).expect("it opens");
    let mut stream = reader.stream(0, known - 1);
    let mut found = Vec::new();
    while let Some(bytes) = stream.next().await {
        found.extend_from_slice(&bytes.expect("it can be read"));
    }
    assert!(found == content[..known as usize]);
    let finished = writer.finish().await.expect("it ends");
    assert_reads(&place, finished.object, &content).await;
}

async fn urls_are_given_out_only_if_the_store_is_told_to(kind: Kind) {
    let place = TestStore::new(kind);
    let object = store(&place, b"content").await;
    assert!(!place.store.encrypts());
    assert_eq!(place.store.presigned_url(object).await.expect("no request"), None);
    let Some(bucket) = &place.bucket else { return };
    let mut settings = bucket.settings(place.folder.path());
    settings.encrypts = true;
    let public = "https://layers.example:9000".to_owned();
    for endpoint in [None, Some(public)] {
        let lifetime = std::time::Duration::from_secs(77);
        settings.redirect = Some(Redirect { lifetime, endpoint: endpoint.clone() });
        let store = store::blob::BlobStore::of_bucket(settings.clone()).expect("good").of_scope(&super::scope());
        assert!(store.encrypts());
        let url = store.presigned_url(object).await.expect("no request").expect("a URL");
        let (place, query) = url.split_once('?').expect("a signature");
        let endpoint = endpoint.unwrap_or_else(|| bucket.endpoint.clone());
        let key = super::bucket::TestBucket::key(object);
        assert_eq!(place, format!("{endpoint}/{}/{key}", settings.bucket));
        assert!(query.contains("X-Amz-Expires=77&") && query.contains("&X-Amz-Signature="), "{query}");
        assert!(!query.contains("Security-Token"), "{query}");
    }
}

/// What it has handed to a thread waits for the file, and comes to it when another writer has finished the object.
#[tokio::test]
async fn a_writer_behind_a_closed_fence_leaves_the_object_alone() {
    let place = TestStore::new(Kind::Files);
    let (state, content) = (begin(&place), noise(MIB, 1));
    let mut late = place.writer(restored(&state), Protection::Plain);
    let finished = place.write(restored(&state), Protection::Plain, &content).await.expect("it ends");
    let file = std::fs::File::open(place.file(finished.object)).expect("it is there");
    file.lock().expect("nobody else has it");
    let fence = late.fence().expect("files have one");
    let writing = tokio::spawn(async move {
        late.write(noise(2 * MIB, 2).into()).await?;
        late.finish().await
    });
    tokio::task::yield_now().await;
    fence.close();
    file.unlock().expect("it was locked");
    writing.await.expect("no panic").expect_err("it is kept out");
    assert_reads(&place, finished.object, &content).await;
}

/// In chunks of any size, each by another node.
#[tokio::test]
async fn parts_of_a_bucket_make_the_content() {
    let cases: [&[usize]; 6] = [
        &[MIB, MIB],
        &[5 * MIB, 5 * MIB, 5 * MIB],
        &[8 * MIB + 1, 0, 1],
        &[1; 5],
        &[9 * MIB],
        &[20 * MIB, 3 * MIB, 9 * MIB],
    ];
    for sizes in cases {
        let place = TestStore::new(Kind::S3);
        let content = noise(sizes.iter().sum(), 3);
        let mut state = begin(&place);
        let mut at = 0;
        for size in sizes {
            let mut writer = place.writer(restored(&state), Protection::Plain);
            for chunk in content[at..at + size].chunks(100_000) {
                writer.write(Bytes::copy_from_slice(chunk)).await.expect("it can be written");
            }
            state = writer.checkpoint().await.expect("it is durable");
            at += size;
        }
        let finished = place.writer(restored(&state), Protection::Plain).finish().await.expect("it ends");
        assert_eq!(finished.sha256, Digest::sha256_of(&content), "{sizes:?}");
        assert!(place.read_file(finished.object).await == content, "{sizes:?}");
        assert_eq!(place.bucket.as_ref().expect("a bucket").unfinished(), 0);
    }
}

/// No authentication would tell later that what an earlier chunk has left in the bucket is not what came.
#[tokio::test]
async fn a_rest_that_has_changed_is_refused() {
    for before in [MIB, 9 * MIB] {
        let place = TestStore::new(Kind::S3);
        let mut writer = place.writer(begin(&place), Protection::Plain);
        writer.write(noise(before, 1).into()).await.expect("it can be written");
        let state = writer.checkpoint().await.expect("it is durable");
        let rest = state.rest_object().expect("no whole number of parts");
        let bytes = place.read_file(rest).await;
        let mut flipped = bytes.clone();
        flipped[100] ^= 1;
        place.write_file(rest, &flipped).await;
        let error = place.writer(restored(&state), Protection::Plain).finish().await.expect_err("changed");
        assert_refused(Some(&error), rest, "changed");
        place.write_file(rest, &bytes).await;
        place.writer(restored(&state), Protection::Plain).finish().await.expect("whole again");
    }
}
