//! Copies in another form: the same content, shorter where that pays, and refused where it is not the same.

use bytes::Bytes;
use oci::Digest;
use proptest::prelude::*;
use store::blob::{BlobReader, DataKey, Encoding, ObjectId, SEGMENT};
use store::error::StoreError;

use super::{Kind, Stored, TestStore, any_size, assert_refused, check, noise, on_every_store};

on_every_store!(
    [
        a_copy_of_a_copy_is_the_content,
        what_pays_is_compressed,
        a_copy_is_as_secret_as_what_it_was_made_from,
        a_copy_of_something_else_is_refused,
        a_damaged_copy_is_refused,
        a_frame_that_says_much_is_read_in_small_pieces
    ],
    [any_range_of_a_copy_reads_exactly_its_bytes],
);

/// Lines as logs and sources have them; others for each seed.
fn text(length: usize, seed: u64) -> Vec<u8> {
    let line = format!("a line of text that the seed {seed} has written again and again\n");
    line.bytes().cycle().take(length).collect()
}

/// A copy of an object in another store.
struct Copied {
    object: ObjectId,
    key: DataKey,
    encoding: Encoding,
    stored_bytes: u64,
    size_bytes: u64,
}

fn source(place: &TestStore, stored: &Stored) -> BlobReader {
    let size_bytes = stored.plaintext.len() as u64;
    place.store.open_reader(stored.object, stored.key.clone(), size_bytes).expect("it opens")
}

async fn copy(from: &TestStore, stored: &Stored, to: &TestStore, encoding: Encoding) -> Copied {
    copy_as(from, stored, to, encoding, Digest::sha256_of(&stored.plaintext)).await.expect("it can be copied")
}

async fn copy_as(
    from: &TestStore,
    stored: &Stored,
    to: &TestStore,
    encoding: Encoding,
    digest: Digest,
) -> Result<Copied, StoreError> {
    let (state, key) = to.store.begin();
    let object = state.object;
    let stored_bytes =
        to.store.copy(source(from, stored), &digest, state, key.clone(), encoding, to.copy_ledger(object)).await?;
    Ok(Copied { object, key, encoding, stored_bytes, size_bytes: stored.plaintext.len() as u64 })
}

fn open(place: &TestStore, copied: &Copied) -> Result<BlobReader, StoreError> {
    let Copied { object, key, encoding, stored_bytes, size_bytes } = copied;
    place.store.open_encoded(*object, key.clone(), (*encoding, *stored_bytes), *size_bytes)
}

async fn read(place: &TestStore, copied: &Copied, range: std::ops::Range<usize>) -> Result<Vec<u8>, StoreError> {
    let mut found = Vec::new();
    if range.is_empty() {
        return Ok(found);
    }
    let mut stream = open(place, copied)?.stream(range.start as u64, range.end as u64 - 1);
    while let Some(part) = stream.next().await {
        found.extend_from_slice(&part?);
    }
    Ok(found)
}

fn any_range_of_a_copy_reads_exactly_its_bytes(kind: Kind) {
    let (standard, archive) = (TestStore::new(kind), TestStore::new(kind));
    let ranges = proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 4);
    let content = (any_size(), any::<u64>(), any::<bool>(), proptest::sample::select(&Encoding::ALL[..]));
    check(32, &(content, ranges), |((size, seed, is_text, encoding), ranges)| {
        let (standard, archive) = (&standard, &archive);
        async move {
            let plaintext = if is_text { text(size, seed) } else { noise(size, seed) };
            let stored = standard.store(plaintext).await;
            let copied = copy(standard, &stored, archive, encoding).await;
            prop_assert!(read(archive, &copied, 0..size).await.expect("readable") == stored.plaintext);
            for (a, b) in ranges {
                let (a, b) = if size == 0 { (0, 0) } else { (a.index(size), b.index(size) + 1) };
                let range = a.min(b)..a.max(b);
                let found = read(archive, &copied, range.clone()).await.expect("readable");
                prop_assert!(found == stored.plaintext[range.clone()], "{:?} of {}", range, size);
            }
            Ok(())
        }
    });
}

async fn a_copy_of_a_copy_is_the_content(kind: Kind) {
    let (standard, archive) = (TestStore::new(kind), TestStore::new(kind));
    // More than is decompressed at a time, with an end in the middle of nothing.
    for size in [0, 1, 256 * 1024, 5 * 256 * 1024, 3_000_001] {
        let stored = standard.store(text(size, 1)).await;
        for digest in [Digest::sha256_of(&stored.plaintext), Digest::sha512_of(&stored.plaintext)] {
            let copied = copy_as(&standard, &stored, &archive, Encoding::Zstd, digest).await.expect("a copy");
            let (state, key) = standard.store.begin();
            let object = state.object;
            let back = open(&archive, &copied).expect("it opens");
            let stored_bytes = standard
                .store
                .copy(back, &digest, state, key.clone(), Encoding::Identity, standard.copy_ledger(object))
                .await;
            assert_eq!(stored_bytes.expect("it can be restored"), size as u64);
            let restored = Stored { object, key, plaintext: stored.plaintext.clone() };
            let (found, error) = standard.read_all(&restored).await;
            assert!(error.is_none() && found == stored.plaintext, "{size}: {error:?}");
        }
    }
}

async fn what_pays_is_compressed(kind: Kind) {
    let (standard, archive) = (TestStore::new(kind), TestStore::new(kind));
    let mut half = noise(2_000_000, 1);
    half.extend(text(2_000_000, 1));
    let mut tail = noise(4_000_000, 1);
    tail.extend(text(1_000, 1));
    let cases = [
        ("text", text(3_000_000, 1), Encoding::Zstd),
        ("short text", text(5_000, 1), Encoding::Zstd),
        ("text within a block of the disk", text(4_000, 1), Encoding::Identity),
        ("nothing", Vec::new(), Encoding::Identity),
        ("noise, as a compressed layer is", noise(3_000_000, 1), Encoding::Identity),
        ("noise and text", half, Encoding::Zstd),
        ("noise with a little text", tail, Encoding::Identity),
    ];
    for (name, plaintext, expected) in cases {
        let stored = standard.store(plaintext).await;
        let encoding = source(&standard, &stored).archive_encoding().await.expect("readable");
        assert_eq!(encoding, expected, "{name}");
        let copied = copy(&standard, &stored, &archive, encoding).await;
        let (before, after) =
            (standard.read_file(stored.object).await.len(), archive.read_file(copied.object).await.len());
        match encoding {
            Encoding::Zstd => assert!(after * 100 <= before * 95, "{name}: {before} to {after}"),
            Encoding::Identity => assert_eq!(before, after, "{name}"),
        }
    }
}

async fn a_copy_is_as_secret_as_what_it_was_made_from(kind: Kind) {
    let (standard, archive) = (TestStore::new(kind), TestStore::new(kind));
    let stored = standard.store(text(100_000, 7)).await;
    let copied = copy(&standard, &stored, &archive, Encoding::Zstd).await;
    let file = archive.read_file(copied.object).await;
    assert!(!file.windows(12).any(|window| window == b"line of text"), "it is encrypted");
    assert!(zstd_magic(&file).is_none(), "and does not show its form");
}

fn zstd_magic(file: &[u8]) -> Option<usize> {
    file.windows(4).position(|window| window == [0x28, 0xb5, 0x2f, 0xfd])
}

async fn a_copy_of_something_else_is_refused(kind: Kind) {
    let (standard, archive) = (TestStore::new(kind), TestStore::new(kind));
    let stored = standard.store(text(100_000, 7)).await;
    for encoding in Encoding::ALL {
        for digest in [Digest::sha256_of(b"something else"), Digest::sha512_of(b"something else")] {
            let error = copy_as(&standard, &stored, &archive, encoding, digest).await.err().expect("refused");
            assert_eq!(error.kind(), store::error::StoreErrorKind::Corrupt, "{encoding:?}: {error}");
        }
    }
}

async fn a_damaged_copy_is_refused(kind: Kind) {
    let (standard, archive) = (TestStore::new(kind), TestStore::new(kind));
    let stored = standard.store(noise(5 * SEGMENT, 7)).await;
    let copied = copy(&standard, &stored, &archive, Encoding::Zstd).await;
    let whole = archive.read_file(copied.object).await;
    for at in [0, 12, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        archive.write_file(copied.object, &changed).await;
        let error = read(&archive, &copied, 0..5 * SEGMENT).await.err();
        assert_refused(error.as_ref(), copied.object, &format!("byte {at}"));
    }
    archive.write_file(copied.object, &whole[..whole.len() - 1]).await;
    assert_refused(read(&archive, &copied, 0..1).await.err().as_ref(), copied.object, "cut");
    archive.write_file(copied.object, &whole).await;
    // Authenticated, and yet not the content that the row speaks of.
    for size_bytes in [copied.size_bytes - 1, copied.size_bytes + 1] {
        let wrong = Copied { size_bytes, key: copied.key.clone(), ..copied };
        let error = read(&archive, &wrong, 0..size_bytes as usize).await.err();
        assert_refused(error.as_ref(), copied.object, &format!("of {size_bytes} bytes"));
    }
    let plain = archive.store(noise(5 * SEGMENT, 7)).await;
    let size_bytes = 5 * SEGMENT as u64;
    let no_frame = Copied {
        object: plain.object,
        key: plain.key.clone(),
        encoding: Encoding::Zstd,
        stored_bytes: size_bytes,
        size_bytes,
    };
    let error = read(&archive, &no_frame, 0..5 * SEGMENT).await.err();
    assert_refused(error.as_ref(), plain.object, "no frame");
}

async fn a_frame_that_says_much_is_read_in_small_pieces(kind: Kind) {
    let (standard, archive) = (TestStore::new(kind), TestStore::new(kind));
    let size = 64 * 1024 * 1024;
    let stored = standard.store(vec![0; size]).await;
    let copied = copy(&standard, &stored, &archive, Encoding::Zstd).await;
    assert!(copied.stored_bytes < 100_000);
    let mut stream = open(&archive, &copied).expect("it opens").stream(0, size as u64 - 1);
    let mut total = 0;
    while let Some(part) = stream.next().await {
        let part: Bytes = part.expect("readable");
        assert!(part.len() <= 256 * 1024, "{} at once", part.len());
        total += part.len();
    }
    assert_eq!(total, size);
}
