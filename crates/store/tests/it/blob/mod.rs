//! What the blob store promises: the same bytes back or a clear refusal, and nothing in clear on the disk.

mod archive;
mod bucket;
mod damage;
mod faults;
mod faulty_proxy;
mod full_disk;
mod listing;
mod plain;
mod reading;
mod secrecy;
mod sharing;
mod small;
mod writing;

use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use oci::{Algorithm, Digest};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use store::blob::{
    BlobScope, BlobStore, DataKey, FinishedObject, ObjectId, PartLedger, Protection, SEGMENT, SharedSession,
    UploadState, UploadWriter,
};
use store::error::{StoreError, StoreErrorKind};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use bucket::{Ledger, TestBucket};

/// Runs each of the named functions as a test on every store: first those that need a runtime, then those that make
/// their own.
macro_rules! on_every_store {
    ([$($name:ident),* $(,)?], [$($own:ident),* $(,)?] $(,)?) => {
        mod on_files {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::Kind::Files).await;
                }
            )*
            $(
                #[test]
                fn $own() {
                    super::$own(super::Kind::Files);
                }
            )*
        }
        mod on_s3 {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(super::Kind::S3).await;
                }
            )*
            $(
                #[test]
                fn $own() {
                    super::$own(super::Kind::S3);
                }
            )*
        }
    };
}
pub(crate) use on_every_store;

/// The stores that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Files,
    S3,
}

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
    // Past the 256 KiB to 1 MiB that are handed over at a time.
    8 * SEGMENT + 1,
    35 * SEGMENT + 77,
];

/// A store in a folder or a bucket of its own.
struct TestStore {
    folder: TempDir,
    bucket: Option<TestBucket>,
    ledger: Arc<Ledger>,
    store: BlobStore,
}

fn scope() -> BlobScope {
    BlobScope { region: "us-east-1".to_owned(), encryption: "AES256".to_owned() }
}

/// An object and what is needed to read it.
#[derive(Clone)]
struct Stored {
    object: ObjectId,
    key: DataKey,
    plaintext: Vec<u8>,
}

impl TestStore {
    fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bucket = match kind {
            Kind::Files => None,
            Kind::S3 => Some(TestBucket::create()),
        };
        let store = open(folder.path(), bucket.as_ref());
        Self { folder, bucket, ledger: Arc::default(), store }
    }

    /// The store as a new start of the program, or another node, opens it.
    fn reopened(&self) -> BlobStore {
        open(self.folder.path(), self.bucket.as_ref())
    }

    fn copy_ledger(&self, object: ObjectId) -> Arc<dyn PartLedger> {
        self.ledger.session(object).ledger
    }

    /// A session as a request is given one.
    fn session(&self, state: &UploadState) -> Option<SharedSession> {
        self.bucket.is_some().then(|| self.ledger.session(state.object))
    }

    fn writer(&self, state: UploadState, key: impl Into<Protection>) -> UploadWriter {
        let session = self.session(&state);
        self.reopened().writer(state, key, session).expect("it can be written")
    }

    fn file(&self, object: ObjectId) -> PathBuf {
        file_in(self.folder.path(), object)
    }

    async fn read_file(&self, object: ObjectId) -> Vec<u8> {
        self.find_file(object).await.expect("the object has bytes")
    }

    async fn find_file(&self, object: ObjectId) -> Option<Vec<u8>> {
        match &self.bucket {
            None => std::fs::read(self.file(object)).ok(),
            Some(bucket) => bucket.get(object).await,
        }
    }

    async fn write_file(&self, object: ObjectId, bytes: &[u8]) {
        match &self.bucket {
            None => std::fs::write(self.file(object), bytes).expect("the file can be written"),
            Some(bucket) => bucket.put(object, bytes).await,
        }
    }

    /// The object that was begun with `state`.
    async fn write(
        &self,
        state: UploadState,
        key: impl Into<Protection>,
        plaintext: &[u8],
    ) -> Result<FinishedObject, StoreError> {
        let mut writer = self.writer(state, key);
        writer.write(Bytes::copy_from_slice(plaintext)).await?;
        writer.finish().await
    }

    async fn store(&self, plaintext: Vec<u8>) -> Stored {
        let (state, key) = self.store.begin();
        let finished = self.write(state, key.clone(), &plaintext).await.expect("the object can be written");
        Stored { object: finished.object, key, plaintext }
    }

    /// Reads an object again to compute its digest.
    async fn hash(
        &self,
        object: ObjectId,
        protection: impl Into<Protection>,
        size_bytes: u64,
        algorithm: Algorithm,
    ) -> Result<Digest, StoreError> {
        self.store.open_reader(object, protection, size_bytes)?.digest(algorithm).await
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

fn open(folder: &Path, bucket: Option<&TestBucket>) -> BlobStore {
    let store = match bucket {
        None => BlobStore::open(folder).expect("the store opens"),
        Some(bucket) => BlobStore::of_bucket(bucket.settings(folder)).expect("the store opens"),
    };
    store.of_scope(&scope())
}

fn file_in(folder: &Path, object: ObjectId) -> PathBuf {
    let name = object.to_string();
    folder.join("objects").join(&name[..2]).join(&name)
}

async fn read(
    store: &BlobStore,
    object: ObjectId,
    key: &(impl Into<Protection> + Clone),
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
