//! What the blob store promises: the same bytes back or a clear refusal, and nothing in clear on the disk.

mod archive;
mod damage;
mod full_disk;
mod reading;
mod secrecy;
mod writing;

use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use store::blob::{BlobStore, DataKey, FinishedObject, ObjectId, SEGMENT};
use store::error::{StoreError, StoreErrorKind};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Bytes on disk of a full segment: nonce, ciphertext, tag.
const SEALED_SEGMENT: usize = 12 + SEGMENT + 16;

/// Sizes around which the form of an object changes.
const SIZES: [usize; 11] = [
    0,
    1,
    SEGMENT - 1,
    SEGMENT,
    SEGMENT + 1,
    2 * SEGMENT - 1,
    2 * SEGMENT,
    2 * SEGMENT + 1,
    3 * SEGMENT,
    // Past the 512 KiB that are handed over at a time.
    8 * SEGMENT + 1,
    19 * SEGMENT + 77,
];

/// A store in a folder of its own.
struct Place {
    folder: TempDir,
    store: BlobStore,
}

/// An object and what is needed to read it.
#[derive(Clone)]
struct Stored {
    object: ObjectId,
    key: DataKey,
    plaintext: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = BlobStore::open(folder.path()).expect("the store opens");
        Self { folder, store }
    }

    /// The store as a new start of the program opens it.
    fn reopened(&self) -> BlobStore {
        BlobStore::open(self.folder.path()).expect("the store opens again")
    }

    fn file(&self, object: ObjectId) -> PathBuf {
        file_in(self.folder.path(), object)
    }

    fn read_file(&self, object: ObjectId) -> Vec<u8> {
        std::fs::read(self.file(object)).expect("the object has a file")
    }

    fn write_file(&self, object: ObjectId, bytes: &[u8]) {
        std::fs::write(self.file(object), bytes).expect("the file can be written");
    }

    async fn store(&self, plaintext: Vec<u8>) -> Stored {
        let (finished, key) = write(&self.store, &plaintext).await.expect("the object can be written");
        Stored { object: finished.object, key, plaintext }
    }

    /// Reads the bytes from `range`: what came, and the error that ended it.
    async fn read(&self, stored: &Stored, range: std::ops::Range<usize>) -> (Vec<u8>, Option<StoreError>) {
        let size_bytes = stored.plaintext.len() as u64;
        read(&self.store, stored.object, &stored.key, size_bytes, range).await
    }

    async fn read_all(&self, stored: &Stored) -> (Vec<u8>, Option<StoreError>) {
        self.read(stored, 0..stored.plaintext.len()).await
    }
}

fn file_in(folder: &Path, object: ObjectId) -> PathBuf {
    let name = object.to_string();
    folder.join("objects").join(&name[..2]).join(&name)
}

async fn write(store: &BlobStore, plaintext: &[u8]) -> Result<(FinishedObject, DataKey), StoreError> {
    let (state, key) = store.begin();
    let mut writer = store.writer(state, key.clone());
    writer.write(Bytes::copy_from_slice(plaintext)).await?;
    Ok((writer.finish().await?, key))
}

async fn read(
    store: &BlobStore,
    object: ObjectId,
    key: &DataKey,
    size_bytes: u64,
    range: std::ops::Range<usize>,
) -> (Vec<u8>, Option<StoreError>) {
    let reader = match store.open_reader(object, key.clone(), size_bytes) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut found = Vec::new();
    if range.is_empty() {
        return (found, None);
    }
    let mut stream = reader.stream(range.start as u64, range.end as u64 - 1);
    while let Some(part) = poll_fn(|cx| stream.poll_next(cx)).await {
        match part {
            Ok(bytes) => found.extend_from_slice(&bytes),
            Err(error) => {
                let after = poll_fn(|cx| stream.poll_next(cx)).await;
                assert!(after.is_none(), "nothing follows an error");
                return (found, Some(error));
            }
        }
    }
    (found, None)
}

/// Bytes without a pattern; others for each seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Checks that the object was refused as damaged, by name.
fn assert_refused(error: Option<&StoreError>, object: ObjectId, what: &str) {
    let error = error.unwrap_or_else(|| panic!("{what}: not refused"));
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{what}: {error}");
    assert!(error.to_string().contains(&object.to_string()), "{what}: {error}");
}

/// Runs a property on a runtime of its own.
fn check<S, F>(cases: u32, strategy: &S, property: impl Fn(S::Value) -> F)
where
    S: Strategy,
    F: Future<Output = TestCaseResult>,
{
    let runtime = Runtime::new().expect("a runtime");
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(strategy, |value| runtime.block_on(property(value)))
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// A size for properties: near a boundary or anywhere in a few segments.
fn any_size() -> impl Strategy<Value = usize> {
    prop_oneof![proptest::sample::select(&SIZES[..9]), 0..4 * SEGMENT]
}
