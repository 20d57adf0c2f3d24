//! Reading: every range is exactly its bytes.

use proptest::prelude::*;
use store::blob::SEGMENT;

use super::{Kind, TestStore, any_size, assert_refused, check, noise, on_every_store};

on_every_store!(
    [ranges_at_the_edges_of_segments_are_exact, a_reader_goes_on_after_the_object_is_removed],
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
