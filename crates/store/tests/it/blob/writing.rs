//! Writing: any parts and any restarts in between make the same object.

use std::sync::mpsc;

use bytes::Bytes;
use oci::{Algorithm, Digest};
use proptest::prelude::*;
use store::blob::{DataKey, SEGMENT, UploadState};
use store::error::StoreErrorKind;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;

use super::{Kind, SEALED_SEGMENT, SIZES, Stored, TestStore, any_size, assert_refused, check, noise, on_every_store};

on_every_store!(
    [
        objects_of_every_form_come_back,
        bytes_that_were_never_acknowledged_are_replaced,
        a_writer_that_is_dropped_leaves_the_acknowledged_state,
        a_state_that_does_not_add_up_is_refused,
        a_removed_object_is_gone_and_may_be_removed_again,
        what_is_written_can_be_read_before_the_end
    ],
    [any_parts_make_the_same_object, an_object_goes_on_after_restarts_at_any_byte],
);

/// Cuts `0..size` at the given places.
fn parts_of(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Bytes> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| Bytes::copy_from_slice(&bytes[pair[0]..pair[1]])).collect()
}

/// Goes through the stored form of a state, as a restart does.
fn restored(state: &UploadState) -> UploadState {
    UploadState::from_bytes(&state.to_bytes()).expect("a stored state can be read")
}

/// Writes one part in a session of its own, and returns the state to store.
async fn write_part(place: &TestStore, state: &UploadState, key: &DataKey, part: Bytes) -> UploadState {
    let mut writer = place.writer(restored(state), key.clone());
    writer.write(part).await.expect("the part can be written");
    writer.checkpoint().await.expect("the part is durable")
}

/// Ends an object and checks that it is `plaintext`.
async fn finish_as(place: &TestStore, state: &UploadState, key: &DataKey, plaintext: &[u8]) {
    let finished = place.writer(restored(state), key.clone()).finish().await.expect("the object ends");
    assert_eq!(finished.size_bytes, plaintext.len() as u64);
    assert_eq!(finished.sha256, Digest::sha256_of(plaintext));
    let stored = Stored { object: finished.object, key: key.clone(), plaintext: plaintext.to_vec() };
    let (found, error) = place.read_all(&stored).await;
    assert!(error.is_none(), "{error:?}");
    assert!(found == plaintext, "the object reads as it was written");
}

async fn objects_of_every_form_come_back(kind: Kind) {
    let place = TestStore::new(kind);
    for size in SIZES {
        let plaintext = noise(size, 1);
        let (state, key) = place.store.begin();
        let finished = place.write(state, key.clone(), &plaintext).await.expect("it can be written");
        assert_eq!(finished.sha256, Digest::sha256_of(&plaintext), "{size} bytes");
        assert_eq!(finished.size_bytes, size as u64);
        let segments = size.div_ceil(SEGMENT).max(1);
        assert_eq!(place.read_file(finished.object).await.len(), size + segments * 28, "{size} bytes");
        for (algorithm, expected) in
            [(Algorithm::Sha256, Digest::sha256_of(&plaintext)), (Algorithm::Sha512, Digest::sha512_of(&plaintext))]
        {
            let hash = place.hash(finished.object, key.clone(), size as u64, algorithm).await;
            assert_eq!(hash.expect("it can be read"), expected, "{size} bytes");
        }
        let stored = Stored { object: finished.object, key, plaintext };
        let (found, error) = place.read_all(&stored).await;
        assert!(error.is_none() && found == stored.plaintext, "{size} bytes: {error:?}");
    }
}

fn any_parts_make_the_same_object(kind: Kind) {
    let place = TestStore::new(kind);
    let large = prop_oneof![3 => any_size(), 1 => 8 * SEGMENT..20 * SEGMENT];
    let strategy = (large, any::<u64>(), proptest::collection::vec(any::<prop::sample::Index>(), 0..12));
    check(64, &strategy, |(size, seed, cuts)| {
        let place = &place;
        async move {
            let plaintext = noise(size, seed);
            let (state, key) = place.store.begin();
            let mut writer = place.writer(state.clone(), key.clone());
            for part in parts_of(&plaintext, &cuts) {
                writer.write(part).await.expect("the part can be written");
            }
            let finished = writer.finish().await.expect("the object ends");
            prop_assert_eq!(finished.sha256, Digest::sha256_of(&plaintext));
            prop_assert_eq!(finished.size_bytes, size as u64);
            let (found, error) =
                place.read_all(&Stored { object: finished.object, key, plaintext: plaintext.clone() }).await;
            prop_assert!(error.is_none(), "{:?}", error);
            prop_assert!(found == plaintext);
            Ok(())
        }
    });
}

fn an_object_goes_on_after_restarts_at_any_byte(kind: Kind) {
    let place = TestStore::new(kind);
    let strategy = (
        any_size(),
        any::<u64>(),
        proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
        proptest::collection::vec(0..200_000_usize, 6),
    );
    check(64, &strategy, |(size, seed, cuts, unacknowledged)| {
        let place = &place;
        async move {
            let plaintext = noise(size, seed);
            let (mut state, key) = place.store.begin();
            for (part, extra) in parts_of(&plaintext, &cuts).into_iter().zip(unacknowledged) {
                let before = state.received;
                state = write_part(place, &state, &key, part.clone()).await;
                prop_assert_eq!(state.received, before + part.len() as u64);
                if kind == Kind::S3 {
                    continue;
                }
                // A crash leaves what was written after the last acknowledgement.
                let mut file = std::fs::read(place.file(state.object)).unwrap_or_default();
                file.extend_from_slice(&noise(extra, seed ^ 1));
                place.write_file(state.object, &file).await;
            }
            finish_as(place, &state, &key, &plaintext).await;
            Ok(())
        }
    });
}

async fn bytes_that_were_never_acknowledged_are_replaced(kind: Kind) {
    let place = TestStore::new(kind);
    for (acknowledged, lost) in [(0, 1), (1, SEGMENT), (SEGMENT, 20 * SEGMENT), (3 * SEGMENT + 5, 9 * SEGMENT)] {
        let plaintext = noise(acknowledged + 3 * SEGMENT, 1);
        let (state, key) = place.store.begin();
        let state = write_part(&place, &state, &key, Bytes::copy_from_slice(&plaintext[..acknowledged])).await;
        // Durable, but the state of it is lost: the client was never told.
        write_part(&place, &state, &key, Bytes::from(noise(lost, 2))).await;
        let rest = Bytes::copy_from_slice(&plaintext[acknowledged..]);
        let state = write_part(&place, &state, &key, rest).await;
        finish_as(&place, &state, &key, &plaintext).await;
    }
}

async fn a_writer_that_is_dropped_leaves_the_acknowledged_state(kind: Kind) {
    let place = TestStore::new(kind);
    let plaintext = noise(5 * SEGMENT + 100, 1);
    let (state, key) = place.store.begin();
    let state = write_part(&place, &state, &key, Bytes::copy_from_slice(&plaintext[..SEGMENT + 100])).await;
    for _ in 0..20 {
        let mut dropped = place.writer(state.clone(), key.clone());
        dropped.write(Bytes::from(noise(2800 * 1024, 2))).await.expect("it can be written");
        dropped.write(Bytes::from(noise(2800 * 1024, 3))).await.expect("it can be written");
        drop(dropped);
    }
    let state = write_part(&place, &state, &key, Bytes::copy_from_slice(&plaintext[SEGMENT + 100..])).await;
    finish_as(&place, &state, &key, &plaintext).await;
}

/// A runtime with a single thread for file work, for which everything waits in turn.
fn crowded_runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build().expect("a runtime")
}

/// A request whose client went away, and whose last batch still waits for a thread when the client's next request
/// writes the object: the late batch must not touch what that one acknowledges.
#[tokio::test]
async fn a_late_batch_of_a_dropped_writer_changes_nothing() {
    let place = TestStore::new(Kind::Files);
    let plaintext = noise(40 * SEGMENT + 7, 1);
    let (state, key) = place.store.begin();
    let crowded = crowded_runtime();
    let (open, wait) = mpsc::channel::<()>();
    crowded.spawn_blocking(move || wait.recv());
    let mut left = place.writer(state.clone(), key.clone());
    let leave = async move { left.write(Bytes::from(noise(20 * SEGMENT, 2))).await };
    crowded.spawn(leave).await.expect("the first request ends").expect("the batch is taken");
    let state = write_part(&place, &state, &key, Bytes::copy_from_slice(&plaintext)).await;
    finish_as(&place, &state, &key, &plaintext).await;
    open.send(()).expect("the thread waits");
    crowded.spawn_blocking(|| ()).await.expect("all that waited is done");
    let stored = Stored { object: state.object, key, plaintext };
    let (found, error) = place.read_all(&stored).await;
    assert!(error.is_none(), "{error:?}");
    assert!(found == stored.plaintext, "the acknowledged bytes are there");
    crowded.shutdown_background();
}

/// As before, but the file is open already: the next request waits until the first one has let go of it.
#[tokio::test]
async fn a_writer_follows_one_that_has_the_file_open() {
    let place = TestStore::new(Kind::Files);
    let plaintext = noise(40 * SEGMENT + 7, 1);
    let (state, key) = place.store.begin();
    let crowded = crowded_runtime();
    let (open, wait) = mpsc::channel::<()>();
    let mut left = place.writer(state.clone(), key.clone());
    let leave = async move {
        left.write(Bytes::from(noise(20 * SEGMENT, 2))).await?;
        spawn_blocking(|| ()).await.expect("the first batch is written");
        spawn_blocking(move || wait.recv());
        left.write(Bytes::from(noise(20 * SEGMENT, 3))).await
    };
    crowded.spawn(leave).await.expect("the first request ends").expect("both batches are taken");
    assert!(place.file(state.object).exists());
    let (next, first_key) = (place.writer(restored(&state), key.clone()), key.clone());
    let part = Bytes::copy_from_slice(&plaintext);
    let next = tokio::spawn(async move {
        let mut next = next;
        next.write(part).await?;
        next.checkpoint().await
    });
    open.send(()).expect("the thread waits");
    let state = next.await.expect("the next request ends").expect("the part is durable");
    assert!(place.store.open_reader(state.object, first_key, 1).is_err(), "it is not at its end");
    finish_as(&place, &state, &key, &plaintext).await;
    crowded.shutdown_background();
}

#[tokio::test]
async fn a_file_that_lost_acknowledged_bytes_is_refused() {
    let place = TestStore::new(Kind::Files);
    for left in [0, 1, SEALED_SEGMENT, 2 * SEALED_SEGMENT - 1] {
        let (state, key) = place.store.begin();
        let state = write_part(&place, &state, &key, Bytes::from(noise(3 * SEGMENT, 1))).await;
        let file = place.read_file(state.object).await;
        assert_eq!(file.len(), 2 * SEALED_SEGMENT, "the third segment may be the last and waits");
        place.write_file(state.object, &file[..left]).await;
        let error = place.writer(restored(&state), key).finish().await.expect_err("bytes are lost");
        assert_refused(Some(&error), state.object, &format!("{left} bytes left"));
    }
    let (state, key) = place.store.begin();
    let state = write_part(&place, &state, &key, Bytes::from(noise(3 * SEGMENT, 1))).await;
    place.store.remove(state.object, None).await.expect("the file can be removed");
    let error = place.writer(restored(&state), key).finish().await.expect_err("the file is lost");
    assert_refused(Some(&error), state.object, "no file");
}

async fn a_state_that_does_not_add_up_is_refused(kind: Kind) {
    let place = TestStore::new(kind);
    let (state, key) = place.store.begin();
    let state = write_part(&place, &state, &key, Bytes::from(noise(SEGMENT + 100, 1))).await;
    let bytes = state.to_bytes();
    let back = UploadState::from_bytes(&bytes).expect("it can be read");
    assert_eq!((back.object, back.received), (state.object, SEGMENT as u64 + 100));
    assert_eq!(back.to_bytes(), bytes);
    let mut other_version = bytes.clone();
    other_version[0] += 1;
    let mut more_received = bytes.clone();
    more_received[24] ^= 1;
    let mut many_segments = bytes.clone();
    many_segments[25..33].fill(255);
    let mut long_hash = bytes.clone();
    long_hash[33..37].fill(255);
    let cases = [
        ("empty", Vec::new()),
        ("another version", other_version),
        ("more bytes received than there are", more_received),
        ("more segments than can be", many_segments),
        ("a hash longer than all", long_hash),
        ("a longer tail", [bytes.as_slice(), &[0]].concat()),
    ];
    for (name, damaged) in cases {
        let error = UploadState::from_bytes(&damaged).err().unwrap_or_else(|| panic!("{name}"));
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{name}");
    }
    for length in 0..bytes.len() {
        assert!(UploadState::from_bytes(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
}

async fn a_removed_object_is_gone_and_may_be_removed_again(kind: Kind) {
    let place = TestStore::new(kind);
    let (stored, other) = (place.store(noise(10, 1)).await, place.store(noise(10, 2)).await);
    for _ in 0..2 {
        place.store.remove(stored.object, None).await.expect("it can be removed");
    }
    assert!(place.find_file(stored.object).await.is_none());
    let (found, error) = place.read_all(&other).await;
    assert!(error.is_none() && found == other.plaintext);
}

async fn what_is_written_can_be_read_before_the_end(kind: Kind) {
    let place = TestStore::new(kind);
    let plaintext = noise(20 * SEGMENT + 7, 1);
    let (state, key) = place.store.begin();
    let mut writer = place.writer(state, key.clone());
    let follower = writer.follow();
    let mut readable = follower.readable();
    assert!(follower.open(key.clone(), 1).is_err(), "there is nothing yet");
    let mut seen = 0;
    for part in plaintext.chunks(3 * SEGMENT + 5) {
        writer.write(Bytes::copy_from_slice(part)).await.expect("the part can be written");
        let until = *readable.borrow_and_update() as usize;
        assert!(seen <= until && until < plaintext.len(), "{until} after {seen}");
        if until > 0 {
            let size_bytes = plaintext.len() as u64;
            let reader = follower.open(key.clone(), size_bytes).expect("the object can be opened");
            let mut stream = reader.stream(0, until as u64 - 1);
            let mut found = Vec::new();
            while let Some(bytes) = std::future::poll_fn(|cx| stream.poll_next(cx)).await {
                found.extend_from_slice(&bytes.expect("what is readable opens"));
            }
            assert!(found == plaintext[..until], "the first {until} bytes are the object's");
        }
        seen = until;
    }
    assert!(seen > 0, "something was readable before the end");
    writer.finish().await.expect("the object ends");
    // Whoever comes late, or reads on, finds all of it.
    let mut stream =
        follower.open(key.clone(), plaintext.len() as u64).expect("open").stream(0, plaintext.len() as u64 - 1);
    let mut found = Vec::new();
    while let Some(bytes) = stream.next().await {
        found.extend_from_slice(&bytes.expect("it opens"));
    }
    assert!(found == plaintext);
}
