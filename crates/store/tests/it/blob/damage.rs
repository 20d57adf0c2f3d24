//! Damage on disk: refused with the object's name, and never read as if it were content.

use oci::Algorithm;
use proptest::prelude::*;
use store::blob::{DataKey, SEGMENT};
use store::error::StoreErrorKind;

use super::{
    Kind, SEALED_SEGMENT, SIZES, Stored, TestStore, any_size, assert_refused, check, noise, on_every_store, read,
};

on_every_store!(
    [
        every_byte_of_small_objects_counts,
        a_missing_file_is_refused,
        swapped_files_are_refused,
        moved_segments_are_refused,
        the_last_segment_is_the_last,
        an_object_does_not_open_in_place_of_another_store_or_key
    ],
    [
        a_flipped_bit_anywhere_is_refused,
        a_range_elsewhere_does_not_suffer,
        a_cut_file_is_refused,
        appended_bytes_are_refused
    ],
);

/// Reads a damaged object in every way. What comes before the error must be content from before `damaged_at`.
async fn assert_damage_is_refused(place: &TestStore, stored: &Stored, damaged_at: usize, what: &str) {
    if !stored.plaintext.is_empty() {
        let (found, error) = place.read_all(stored).await;
        assert_refused(error.as_ref(), stored.object, what);
        assert!(stored.plaintext.starts_with(&found), "{what}: wrong bytes came before the error");
        assert!(found.len() <= damaged_at, "{what}: {} bytes came, damaged at {damaged_at}", found.len());
    }
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let size_bytes = stored.plaintext.len() as u64;
        let hash = place.hash(stored.object, stored.key.clone(), size_bytes, algorithm).await;
        assert_refused(hash.as_ref().err(), stored.object, what);
    }
}

fn a_flipped_bit_anywhere_is_refused(kind: Kind) {
    let place = TestStore::new(kind);
    let strategy = (any_size(), any::<prop::sample::Index>(), 0..8_u32);
    check(96, &strategy, |(size, at, bit)| {
        let place = &place;
        async move {
            let stored = place.store(noise(size, 1)).await;
            let mut file = place.read_file(stored.object).await;
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
            place.write_file(stored.object, &file).await;
            let segment = at / SEALED_SEGMENT;
            assert_damage_is_refused(place, &stored, segment * SEGMENT, &format!("bit {bit} of byte {at}")).await;
            Ok(())
        }
    });
}

async fn every_byte_of_small_objects_counts(kind: Kind) {
    let place = TestStore::new(kind);
    for size in [0, 1, 40] {
        let stored = place.store(noise(size, 1)).await;
        let file = place.read_file(stored.object).await;
        for at in 0..file.len() {
            let mut flipped = file.clone();
            flipped[at] ^= 0x80;
            place.write_file(stored.object, &flipped).await;
            assert_damage_is_refused(&place, &stored, 0, &format!("byte {at} of {size}")).await;
        }
        for length in 0..file.len() {
            place.write_file(stored.object, &file[..length]).await;
            assert_damage_is_refused(&place, &stored, 0, &format!("{size} cut to {length}")).await;
        }
    }
}

fn a_range_elsewhere_does_not_suffer(kind: Kind) {
    let place = TestStore::new(kind);
    let strategy = (0..5_usize, 0..SEALED_SEGMENT);
    check(32, &strategy, |(segment, at)| {
        let place = &place;
        async move {
            let stored = place.store(noise(5 * SEGMENT, 1)).await;
            let mut file = place.read_file(stored.object).await;
            file[segment * SEALED_SEGMENT + at] ^= 1;
            place.write_file(stored.object, &file).await;
            for other in 0..5 {
                let range = other * SEGMENT..(other + 1) * SEGMENT;
                let (found, error) = place.read(&stored, range.clone()).await;
                if other == segment {
                    assert_refused(error.as_ref(), stored.object, "the damaged segment");
                    prop_assert!(found.is_empty());
                } else {
                    prop_assert!(error.is_none(), "segment {} has no damage: {:?}", other, error);
                    prop_assert!(found == stored.plaintext[range]);
                }
            }
            Ok(())
        }
    });
}

fn a_cut_file_is_refused(kind: Kind) {
    let place = TestStore::new(kind);
    check(64, &(any_size(), any::<prop::sample::Index>()), |(size, at)| {
        let place = &place;
        async move {
            let stored = place.store(noise(size, 1)).await;
            let file = place.read_file(stored.object).await;
            let left = at.index(file.len());
            place.write_file(stored.object, &file[..left]).await;
            assert_damage_is_refused(place, &stored, 0, &format!("cut to {left} of {}", file.len())).await;
            Ok(())
        }
    });
}

fn appended_bytes_are_refused(kind: Kind) {
    let place = TestStore::new(kind);
    let strategy = (any_size(), prop_oneof![1..100_usize, Just(SEALED_SEGMENT), 1..2 * SEALED_SEGMENT]);
    check(48, &strategy, |(size, more)| {
        let place = &place;
        async move {
            let stored = place.store(noise(size, 1)).await;
            let mut file = place.read_file(stored.object).await;
            file.extend_from_slice(&noise(more, 2));
            place.write_file(stored.object, &file).await;
            assert_damage_is_refused(place, &stored, 0, &format!("{more} bytes appended to {size}")).await;
            Ok(())
        }
    });
}

async fn a_missing_file_is_refused(kind: Kind) {
    let place = TestStore::new(kind);
    for size in SIZES {
        let stored = place.store(noise(size, 1)).await;
        place.store.remove(stored.object, None).await.expect("it can be removed");
        assert_damage_is_refused(&place, &stored, 0, "no file").await;
    }
}

#[tokio::test]
async fn a_file_cut_while_it_is_open_is_refused() {
    let place = TestStore::new(Kind::Files);
    for left in [0, 1, SEALED_SEGMENT, 2 * SEALED_SEGMENT, 5 * SEALED_SEGMENT - 1] {
        let stored = place.store(noise(5 * SEGMENT, 1)).await;
        let size_bytes = stored.plaintext.len() as u64;
        let reader = place.store.open_reader(stored.object, stored.key.clone(), size_bytes).expect("it opens");
        let file = std::fs::OpenOptions::new().write(true).open(place.file(stored.object)).expect("it opens");
        file.set_len(left as u64).expect("it can be cut");
        let mut stream = reader.stream(0, size_bytes - 1);
        let mut found = Vec::new();
        let error = loop {
            match std::future::poll_fn(|cx| stream.poll_next(cx)).await {
                Some(Ok(bytes)) => found.extend_from_slice(&bytes),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        assert_refused(error.as_ref(), stored.object, &format!("cut to {left}"));
        assert!(stored.plaintext.starts_with(&found) && found.len() <= left, "cut to {left}");
    }
}

async fn swapped_files_are_refused(kind: Kind) {
    let place = TestStore::new(kind);
    for size in SIZES {
        let key_of_both = place.store(noise(size, 1)).await;
        // The same key and the same content: the name alone tells the two apart.
        let (state, _) = place.store.begin();
        let mut writer = place.writer(state, key_of_both.key.clone());
        writer.write(key_of_both.plaintext.clone().into()).await.expect("it can be written");
        let other = Stored { object: writer.finish().await.expect("it ends").object, ..key_of_both.clone() };
        let (first, second) = (place.read_file(key_of_both.object).await, place.read_file(other.object).await);
        place.write_file(key_of_both.object, &second).await;
        place.write_file(other.object, &first).await;
        for stored in [&key_of_both, &other] {
            assert_damage_is_refused(&place, stored, 0, &format!("swapped, {size} bytes")).await;
        }
    }
}

async fn moved_segments_are_refused(kind: Kind) {
    let place = TestStore::new(kind);
    // All segments alike and the last one full, so that a mistake could not be seen in the content.
    let stored = place.store(vec![7; 4 * SEGMENT]).await;
    let file = place.read_file(stored.object).await;
    let segments: Vec<&[u8]> = file.chunks(SEALED_SEGMENT).collect();
    for first in 0..4 {
        for second in first + 1..4 {
            let mut order = segments.clone();
            order.swap(first, second);
            place.write_file(stored.object, &order.concat()).await;
            assert_damage_is_refused(&place, &stored, first * SEGMENT, &format!("{first} and {second} swapped")).await;
            let mut order = segments.clone();
            order[second] = segments[first];
            place.write_file(stored.object, &order.concat()).await;
            assert_damage_is_refused(&place, &stored, second * SEGMENT, &format!("{first} repeated at {second}")).await;
        }
    }
}

/// Damage to the metadata as well: the file is cut between segments and the row tells the shorter length, or the
/// file goes on after its last segment and the row tells the longer one.
async fn the_last_segment_is_the_last(kind: Kind) {
    let place = TestStore::new(kind);
    let stored = place.store(vec![7; 4 * SEGMENT]).await;
    let file = place.read_file(stored.object).await;
    for left in 1..4 {
        place.write_file(stored.object, &file[..left * SEALED_SEGMENT]).await;
        let shorter = Stored { plaintext: vec![7; left * SEGMENT], ..stored.clone() };
        assert_damage_is_refused(&place, &shorter, (left - 1) * SEGMENT, &format!("cut to {left} segments")).await;
    }
    place.write_file(stored.object, &[&file[..], &file[..SEALED_SEGMENT]].concat()).await;
    let longer = Stored { plaintext: vec![7; 5 * SEGMENT], ..stored.clone() };
    assert_damage_is_refused(&place, &longer, 3 * SEGMENT, "a segment appended").await;
    place.write_file(stored.object, &file).await;
    let (found, error) = place.read_all(&stored).await;
    assert!(error.is_none() && found == stored.plaintext, "undamaged again: {error:?}");
}

async fn an_object_does_not_open_in_place_of_another_store_or_key(kind: Kind) {
    let (place, elsewhere) = (TestStore::new(kind), TestStore::new(kind));
    for size in SIZES {
        let stored = place.store(noise(size, 1)).await;
        let wrong_key = Stored { key: DataKey::generate(), ..stored.clone() };
        assert_damage_is_refused(&place, &wrong_key, 0, &format!("another key, {size} bytes")).await;
        elsewhere.write_file(stored.object, &place.read_file(stored.object).await).await;
        let (found, error) = read(&elsewhere.store, stored.object, &stored.key, size as u64, 0..size).await;
        assert!(error.is_none() && found == stored.plaintext, "a copied folder reads the same");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_not_called_damage() {
    let place = TestStore::new(Kind::Files);
    let stored = place.store(noise(10, 1)).await;
    std::fs::remove_file(place.file(stored.object)).expect("it can be removed");
    std::os::unix::fs::symlink(place.file(stored.object), place.file(stored.object)).expect("a link to itself");
    let (_, error) = place.read_all(&stored).await;
    let error = error.expect("it does not open");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains(&stored.object.to_string()), "{error}");
}
