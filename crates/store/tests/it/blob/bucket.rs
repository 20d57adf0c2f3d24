//! A bucket of its own for each test, on the server that `WHARF_TEST_S3` names.

use std::collections::HashMap;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use store::blob::{ObjectId, PartLedger, Reserved, S3Settings, SharedSession};
use store::error::{StoreError, StoreErrorKind};

/// What the keys of the tests begin with.
pub const PREFIX: &str = "tests/blobs/";

pub struct TestBucket {
    name: String,
    /// Where the store under test finds the server.
    pub endpoint: String,
    raw: AmazonS3,
}

pub fn server_url() -> String {
    std::env::var("WHARF_TEST_S3")
        .expect("WHARF_TEST_S3 names no S3 server: run `tests/run`, which starts one for the tests")
}

impl TestBucket {
    pub fn create() -> Self {
        let name = format!("wharf-test-{}", ObjectId::random());
        let endpoint = server_url();
        request(&endpoint, &format!("PUT /{name} HTTP/1.1"));
        let raw = AmazonS3Builder::new()
            .with_endpoint(&endpoint)
            .with_allow_http(true)
            .with_bucket_name(&name)
            .with_region("us-east-1")
            .with_access_key_id("test")
            .with_secret_access_key("test")
            .with_disable_bulk_delete(true)
            .build()
            .expect("a client");
        Self { name, endpoint, raw }
    }

    pub fn settings(&self, folder: &FilePath) -> S3Settings {
        S3Settings {
            endpoint: Some(self.endpoint.clone()),
            region: Some("us-east-1".to_owned()),
            prefix: PREFIX.to_owned(),
            access_key: Some(("test".to_owned(), "test".to_owned())),
            patience: Duration::from_secs(2),
            ..S3Settings::new(self.name.clone(), folder.join("spool"))
        }
    }

    /// The key of an object in the tests' scope.
    pub fn key(object: ObjectId) -> Path {
        let name = object.to_string();
        Path::from(format!("{PREFIX}us-east-1/AES256/{}/{name}", &name[..2]))
    }

    pub async fn get(&self, object: ObjectId) -> Option<Vec<u8>> {
        let found = self.raw.get(&Self::key(object)).await.ok()?;
        Some(found.bytes().await.expect("it can be read").to_vec())
    }

    pub async fn put(&self, object: ObjectId, bytes: &[u8]) {
        self.put_key(&Self::key(object), bytes).await;
    }

    pub async fn put_key(&self, key: &Path, bytes: &[u8]) {
        self.raw.put(key, bytes.to_vec().into()).await.expect("it can be written");
    }

    pub async fn remove(&self, object: ObjectId) {
        self.raw.delete(&Self::key(object)).await.expect("it can be removed");
    }

    /// The keys of all objects.
    pub async fn keys(&self) -> Vec<String> {
        let mut list = self.raw.list(None);
        let mut keys = Vec::new();
        while let Some(meta) = std::future::poll_fn(|cx| list.as_mut().poll_next(cx)).await {
            keys.push(meta.expect("it can be listed").location.to_string());
        }
        keys
    }

    /// How many multipart uploads are unfinished.
    pub fn unfinished(&self) -> usize {
        request(&self.endpoint, &format!("GET /{}?uploads HTTP/1.1", self.name)).matches("<UploadId>").count()
    }
}

/// Makes a request without a body, on a thread that may block.
fn request(endpoint: &str, line: &str) -> String {
    use std::io::{Read as _, Write as _};
    let host = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let head = format!(
        "{line}\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n"
    );
    let work = move || {
        let mut stream = std::net::TcpStream::connect(&host)?;
        stream.write_all(head.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = std::thread::spawn(work).join().expect("no panic").expect("the server answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{line}: {answer}");
    answer
}

/// What the database remembers of uploads.
#[derive(Default)]
pub struct Ledger {
    uploads: Arc<Mutex<HashMap<ObjectId, Remembered>>>,
}

#[derive(Clone, Default)]
struct Remembered {
    epoch: u64,
    next_part: u32,
    multipart: Option<String>,
}

struct Parts {
    uploads: Arc<Mutex<HashMap<ObjectId, Remembered>>>,
    object: ObjectId,
    epoch: u64,
}

impl Ledger {
    /// Ends the right of all earlier sessions.
    pub fn session(&self, object: ObjectId) -> SharedSession {
        let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        let upload = uploads.entry(object).or_default();
        upload.epoch += 1;
        let ledger = Parts { uploads: Arc::clone(&self.uploads), object, epoch: upload.epoch };
        SharedSession { spare: ObjectId::random(), multipart: upload.multipart.clone(), ledger: Arc::new(ledger) }
    }

    pub fn multipart(&self, object: ObjectId) -> Option<String> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).get(&object)?.multipart.clone()
    }
}

impl PartLedger for Parts {
    fn reserve<'a>(&'a self, multipart: &'a str, count: u32) -> Reserved<'a> {
        Box::pin(async move {
            let mut uploads = self.uploads.lock().unwrap_or_else(PoisonError::into_inner);
            let upload = uploads.entry(self.object).or_default();
            if upload.epoch != self.epoch {
                return Err(StoreError::new(StoreErrorKind::Busy, "somebody else writes"));
            }
            upload.multipart = Some(multipart.to_owned());
            upload.next_part += count;
            Ok(upload.next_part - count + 1)
        })
    }
}
