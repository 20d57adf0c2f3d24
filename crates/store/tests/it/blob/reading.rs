//! Reading: every range is exactly its bytes.

use std::io::{self, Read as _};

use proptest::prelude::*;
use store::blob::SEGMENT;
use store::error::StoreError;

use super::{Kind, SIZES, Stored, TestStore, any_size, assert_refused, check, noise, on_every_store};

on_every_store!(
    [
        ranges_at_the_edges_of_segments_are_exact,
        a_thread_reads_all_of_it_and_no_more,
        a_thread_reads_nothing_after_damage,
        a_reader_goes_on_after_the_object_is_removed
    ],
    [any_range_reads_exactly_its_bytes],
);

fn any_range_reads_exactly_its_bytes(kind: Kind) {
    let place = TestStore::new(kind);
    let strategy = (
        any_size().prop_filter("an empty object has no range", |size| *size > 0),
        any::<u64>(),
        proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 8),
    );
    check(48, &strategy, |(size, seed, ranges)| {
        let place = &place;
        async move {
            let stored = place.store(noise(size, seed)).await;
            for (a, b) in ranges {
                let (a, b) = (a.index(size), b.index(size));
                let range = a.min(b)..a.max(b) + 1;
                let (found, error) = place.read(&stored, range.clone()).await;
                prop_assert!(error.is_none(), "{:?}: {:?}", range, error);
                prop_assert!(found == stored.plaintext[range.clone()], "{:?}", range);
            }
            Ok(())
        }
    });
}

async fn ranges_at_the_edges_of_segments_are_exact(kind: Kind) {
    let place = TestStore::new(kind);
    let edges = |segment: usize| [segment * SEGMENT, segment * SEGMENT + 1, (segment + 1) * SEGMENT - 1];
    for size in [3 * SEGMENT, 3 * SEGMENT + 1, 4 * SEGMENT - 1] {
        let stored = place.store(noise(size, 1)).await;
        let mut places: Vec<usize> = (0..4).flat_map(edges).filter(|at| *at < size).collect();
        places.push(size);
        for (at, start) in places.iter().enumerate() {
            for end in &places[at + 1..] {
                let (found, error) = place.read(&stored, *start..*end).await;
                assert!(error.is_none(), "{start}..{end} of {size}: {error:?}");
                assert!(found == stored.plaintext[*start..*end], "{start}..{end} of {size}");
            }
        }
    }
}

/// Reads the whole of an object on a blocking thread, in pieces of that length, until it ends or fails.
async fn read_blocking(place: &TestStore, stored: &Stored, piece: usize) -> (Vec<u8>, Vec<io::Error>) {
    let reader = place.store.open_reader(stored.object, stored.key.clone(), stored.plaintext.len() as u64);
    let mut reader = reader.expect("it opens").blocking();
    let read = tokio::task::spawn_blocking(move || {
        let (mut found, mut errors, mut buffer) = (Vec::new(), Vec::new(), vec![0; piece]);
        // What has failed is asked once more.
        while errors.len() < 2 {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => found.extend_from_slice(&buffer[..count]),
                Err(error) => errors.push(error),
            }
        }
        (found, errors)
    });
    read.await.expect("no panic")
}

async fn a_thread_reads_all_of_it_and_no_more(kind: Kind) {
    let place = TestStore::new(kind);
    for size in SIZES {
        let stored = place.store(noise(size, 1)).await;
        for piece in [SEGMENT / 3, 5 * SEGMENT] {
            let (found, errors) = read_blocking(&place, &stored, piece).await;
            assert!(errors.is_empty() && found == stored.plaintext, "{size} in pieces of {piece}: {errors:?}");
        }
    }
}

async fn a_thread_reads_nothing_after_damage(kind: Kind) {
    let place = TestStore::new(kind);
    let mut stored = place.store(noise(9 * SEGMENT, 1)).await;
    stored.key = place.store(noise(1, 2)).await.key;
    let (found, errors) = read_blocking(&place, &stored, SEGMENT).await;
    assert!(found.is_empty());
    assert_eq!(errors.len(), 2, "it is refused again");
    for error in errors {
        let inner = error.into_inner().expect("what is wrong").downcast::<StoreError>().expect("the store's error");
        assert_refused(Some(&*inner), stored.object, "read with another key");
    }
}

async fn a_reader_goes_on_after_the_object_is_removed(kind: Kind) {
    let place = TestStore::new(kind);
    let stored = place.store(noise(9 * SEGMENT, 1)).await;
    let reader = place.store.open_reader(stored.object, stored.key.clone(), 9 * SEGMENT as u64).expect("it opens");
    let mut stream = reader.stream(0, 9 * SEGMENT as u64 - 1);
    stream.begin().await.expect("there is something to read");
    place.store.remove(stored.object, None).await.expect("it can be removed");
    let mut found = Vec::new();
    while let Some(part) = std::future::poll_fn(|cx| stream.poll_next(cx)).await {
        found.extend_from_slice(&part.expect("what is open stays readable"));
    }
    assert!(found == stored.plaintext);
    let (_, error) = place.read_all(&stored).await;
    assert_refused(error.as_ref(), stored.object, "opened after the removal");
}
