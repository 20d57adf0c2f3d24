//! Objects that are so short that the database keeps them: in no store, and as well protected as there.

use bytes::Bytes;
use oci::{Algorithm, Digest};
use store::blob::{
    BlobReader, DataKey, FinishedObject, Form, MAX_SMALL_BYTES, ObjectId, Protection, SEGMENT, UploadState,
};

use super::{Kind, Stored, TestStore, assert_refused, noise, on_every_store};

on_every_store!(
    [
        a_small_object_is_in_no_store,
        it_may_come_in_parts,
        what_is_longer_or_stored_in_part_goes_to_the_store,
        what_is_plain_goes_to_the_store,
        what_was_changed_is_refused,
    ],
    [],
);

const MAX: usize = MAX_SMALL_BYTES as usize;

async fn is_nothing_stored(place: &TestStore, object: ObjectId) -> bool {
    match &place.bucket {
        None => !place.file(object).exists(),
        Some(bucket) => bucket.keys().await.is_empty(),
    }
}

/// Writes the rest of an object; what the database is to keep, or what was stored.
async fn finish(place: &TestStore, state: UploadState, key: &DataKey, rest: &[u8]) -> (FinishedObject, bool) {
    let mut writer = place.writer(state, key.clone());
    writer.write(Bytes::copy_from_slice(rest)).await.expect("it can be written");
    match writer.finish_small() {
        Ok(finished) => (finished, true),
        Err(writer) => (writer.finish().await.expect("it can be stored"), false),
    }
}

fn open(finished: &FinishedObject, key: &DataKey) -> BlobReader {
    let sealed = finished.small.clone().expect("it is small");
    BlobReader::of_small(finished.object, &key.clone().into(), sealed, finished.size_bytes).expect("it opens")
}

async fn read(reader: BlobReader, range: std::ops::Range<usize>) -> Vec<u8> {
    let mut found = Vec::new();
    if !range.is_empty() {
        let mut stream = reader.stream(range.start as u64, range.end as u64 - 1);
        stream.begin().await.expect("it can be read");
        while let Some(bytes) = stream.next().await {
            found.extend_from_slice(&bytes.expect("it is whole"));
        }
    }
    found
}

async fn a_small_object_is_in_no_store(kind: Kind) {
    let place = TestStore::new(kind);
    for size in [0, 1, 1000, MAX - 1, MAX] {
        let plaintext = noise(size, size as u64);
        let (state, key) = place.store.begin();
        let object = state.object;
        let (finished, is_small) = finish(&place, state, &key, &plaintext).await;
        assert!(is_small, "{size}");
        assert_eq!((finished.object, finished.size_bytes), (object, size as u64));
        assert_eq!(finished.sha256, Digest::sha256_of(&plaintext));
        assert!(is_nothing_stored(&place, object).await, "{size}");
        let sealed = finished.small.clone().expect("it is small");
        assert!(sealed.len() > size && (size < 16 || !sealed.windows(16).any(|window| window == &plaintext[..16])));
        let reader = open(&finished, &key);
        for range in [0..size, 0..size.min(1), size / 3..size / 2, size.saturating_sub(1)..size] {
            assert_eq!(read(reader.clone(), range.clone()).await, plaintext[range]);
        }
        let sha512 = reader.digest(Algorithm::Sha512).await.expect("it can be read");
        assert_eq!(sha512, Digest::sha512_of(&plaintext));
    }
}

async fn it_may_come_in_parts(kind: Kind) {
    let place = TestStore::new(kind);
    let plaintext = noise(MAX, 1);
    let (mut state, key) = place.store.begin();
    for part in plaintext[..MAX - 100].chunks(700) {
        let mut writer = place.writer(state, key.clone());
        writer.write(Bytes::copy_from_slice(part)).await.expect("it can be written");
        let acknowledged = writer.checkpoint().await.expect("it is durable");
        state = UploadState::from_bytes(&acknowledged.to_bytes()).expect("a stored state can be read");
    }
    let object = state.object;
    let (finished, is_small) = finish(&place, state, &key, &plaintext[MAX - 100..]).await;
    assert!(is_small && is_nothing_stored(&place, object).await);
    assert_eq!(finished.sha256, Digest::sha256_of(&plaintext));
    assert_eq!(read(open(&finished, &key), 0..MAX).await, plaintext);
}

async fn what_is_longer_or_stored_in_part_goes_to_the_store(kind: Kind) {
    let place = TestStore::new(kind);
    for (first, rest) in [(0, MAX + 1), (MAX, 1), (2 * SEGMENT, 0), (2 * SEGMENT, 10), (300 * 1024, 10)] {
        let plaintext = noise(first + rest, 1);
        let (mut state, key) = place.store.begin();
        if first > 0 {
            let mut writer = place.writer(state, key.clone());
            writer.write(Bytes::copy_from_slice(&plaintext[..first])).await.expect("it can be written");
            state = writer.checkpoint().await.expect("it is durable");
        }
        let (finished, is_small) = finish(&place, state, &key, &plaintext[first..]).await;
        assert!(!is_small && finished.small.is_none(), "{first} and {rest}");
        let (found, error) =
            place.read_all(&Stored { object: finished.object, key, plaintext: plaintext.clone() }).await;
        assert!(error.is_none() && found == plaintext, "{first} and {rest}: {error:?}");
    }
}

async fn what_is_plain_goes_to_the_store(kind: Kind) {
    let place = TestStore::new(kind);
    let (state, protection) = place.store.begin_as(ObjectId::random(), Form::Plain);
    let mut writer = place.writer(state, protection);
    writer.write(Bytes::from_static(b"clear")).await.expect("it can be written");
    let Err(writer) = writer.finish_small() else { panic!("the database would hold it in clear") };
    let finished = writer.finish().await.expect("it can be stored");
    assert_eq!(place.read_file(finished.object).await, b"clear");
    let refused = BlobReader::of_small(finished.object, &Protection::Plain, Bytes::from_static(b"clear"), 5);
    assert_refused(refused.err().as_ref(), finished.object, "plain");
}

async fn what_was_changed_is_refused(kind: Kind) {
    let place = TestStore::new(kind);
    let (state, key) = place.store.begin();
    let (finished, _) = finish(&place, state, &key, &noise(500, 1)).await;
    let sealed = finished.small.clone().expect("it is small").to_vec();
    let object = finished.object;
    let mut changed = Vec::new();
    for at in [0, 11, 12, 300, sealed.len() - 1] {
        let mut other = sealed.clone();
        other[at] ^= 1;
        changed.push((format!("byte {at}"), object, other, 500));
    }
    changed.push(("cut".to_owned(), object, sealed[..sealed.len() - 1].to_vec(), 500));
    changed.push(("nothing".to_owned(), object, Vec::new(), 500));
    changed.push(("another length".to_owned(), object, sealed.clone(), 499));
    changed.push(("another object".to_owned(), ObjectId::random(), sealed, 500));
    for (what, object, bytes, size) in changed {
        let error = match BlobReader::of_small(object, &key.clone().into(), bytes.into(), size) {
            Ok(reader) => reader.digest(Algorithm::Sha256).await.err(),
            Err(error) => Some(error),
        };
        assert_refused(error.as_ref(), object, &what);
    }
}
