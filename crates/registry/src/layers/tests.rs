//! Where layers are, and the ways to read them, tried in each combination.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use access::auth::caller::Caller;
use access::kms::{KmsError, aws_managed};
use bytes::Bytes;
use oci::{Digest, Manifest, RepositoryName};
use store::blob::{BlobStore, ObjectId, Redirect, S3Settings};
use store::tables::blobs::{self, NewBlob};
use store::tables::kms_keys::{self, KeyRef};
use store::tables::pull_through_cache_rules::{self, PullThroughCacheRule};
use store::tables::repositories::{EncryptionType, NewRepository, Repository, RepositoryRef, TagMutability};
use store::tables::upstream_blobs::{self, BlobSource};
use store::tables::{images, key_version, repository_blobs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::reading::{LayerStream, ReadableLayer, Unread};
use super::{Location, find, readable_by};
use crate::cache::anonymous;
use crate::cache::config::PullThroughCacheConfig;
use crate::cache::failure::CacheFailure;
use crate::cache::settings::CacheSettings;
use crate::cache::upstream::UpstreamFailure;
use crate::images::changes::{Actor, Cause};
use crate::images::creation::IfAbsent;
use crate::images::encryption::{self, Use};
use crate::images::errors::RegistryError;
use crate::images::import::{self, Import, UpstreamImage};
use crate::images::{repositories, storage_class, uploads};
use crate::testing::{START_MS, TestRegistry, TestSetup};

const UPSTREAM: &str = "quay.io";
const REPOSITORY: &str = "quay/app";

/// Longer than what is kept in the database.
fn content(seed: u8) -> Vec<u8> {
    (0..100_000_u32).map(|at| (at % 251) as u8 ^ seed).collect()
}

/// An upstream that has one layer.
async fn start_upstream(layer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let digest = Digest::sha256_of(&layer).to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a whole head"));
            }
            let is_there = String::from_utf8_lossy(&head).contains(&digest);
            let (status, body) = if is_there { ("200 OK", layer.as_slice()) } else { ("404 Not Found", &b""[..]) };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.expect("written");
            // A client that has seen that it is not there may be gone.
            let _ = stream.write_all(body).await;
        }
    });
    address
}

/// A registry with one repository, which a rule fills from an upstream that has one layer.
struct Fixture {
    test: TestRegistry,
    place: RepositoryRef,
    repository: Repository,
    rule: PullThroughCacheRule,
}

/// A read under way.
type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, Unread>> + 'a>>;

/// Whether upstream does not have it.
fn is_lost(read: &Result<Vec<u8>, Unread>) -> bool {
    matches!(read, Err(Unread::NotFetched(CacheFailure::Upstream(UpstreamFailure::NotFound))))
}

/// Lets a read go on as far as it can, and asserts that it waits then.
async fn begin(reading: &mut Reading<'_>) {
    assert!(std::future::poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_pending())).await);
}

impl Fixture {
    async fn new(encryption_type: EncryptionType, at_upstream: Vec<u8>) -> Self {
        Self::of(TestSetup::default(), encryption_type, at_upstream).await
    }

    async fn of(setup: TestSetup, encryption_type: EncryptionType, at_upstream: Vec<u8>) -> Self {
        let address = start_upstream(at_upstream).await;
        let config = PullThroughCacheConfig {
            allow_http: true,
            endpoints: BTreeMap::from([(UPSTREAM.to_owned(), format!("http://{address}"))]),
            ..PullThroughCacheConfig::default()
        };
        let test = TestRegistry::of(setup, CacheSettings::read(&config).expect("a configuration")).await;
        let name: RepositoryName = REPOSITORY.parse().expect("a name");
        let place = test.registry().repository(&name);
        let kms_key = if encryption_type == EncryptionType::Aes256 {
            None
        } else {
            let key = KeyRef { registry: test.registry(), name: aws_managed::ECR_ALIAS.to_owned() };
            Some(aws_managed::require(&test.app, &key).await.expect("made").arn())
        };
        let new = NewRepository {
            registry: test.registry(),
            name,
            created_at_ms: START_MS,
            tag_mutability: TagMutability::Mutable,
            tag_mutability_filters: Vec::new(),
            scan_on_push: false,
            encryption_type,
            kms_key,
        };
        let rule = PullThroughCacheRule {
            registry: test.registry(),
            prefix: "quay".parse().expect("a prefix"),
            upstream_url: UPSTREAM.to_owned(),
            upstream_registry: Some("quay".parse().expect("a kind")),
            upstream_prefix: None,
            credential_arn: None,
            custom_role_arn: None,
            created_at_ms: START_MS,
            updated_at_ms: START_MS,
        };
        let cause = Cause::now(&test.app, Actor::Principal("somebody".into()));
        let made = rule.clone();
        let created = test.app.db.write(move |tx| {
            assert!(pull_through_cache_rules::insert(tx, &made)?);
            repositories::create(tx, &new, &[], 10, &cause)
        });
        let repository = created.await.expect("created");
        Self { test, place, repository, rule }
    }

    /// Uploads a layer, as whoever pushes does.
    async fn upload(&self, content: &[u8]) -> Digest {
        let app = &self.test.app;
        let cause = Cause::now(app, Actor::Principal("somebody".into()));
        let digest = Digest::sha256_of(content);
        let upload = uploads::begin(app, &self.place, IfAbsent::Refuse, &cause).await.expect("begun");
        let mut session = uploads::open(app, &self.place, upload.id).await.expect("open");
        session.write(Bytes::copy_from_slice(content)).await.expect("written");
        session.complete(app, digest).await.expect("complete");
        digest
    }

    /// Notes a layer that an image of upstream's names.
    async fn await_from_upstream(&self, content: &[u8]) -> Digest {
        let (id, digest, size_bytes) = (self.repository.id, Digest::sha256_of(content), content.len() as u64);
        let source = Self::source();
        let noted = self.test.app.db.write(move |tx| {
            upstream_blobs::add_image(tx, id, &digest, Some(size_bytes), "application/x-layer", &source)
        });
        noted.await.expect("noted");
        digest
    }

    fn source() -> BlobSource {
        BlobSource { upstream_url: UPSTREAM.to_owned(), upstream_repository: "app".to_owned() }
    }

    /// Caches the manifest of an image that names one blob, as a pull does; the number tells those apart that name the same.
    async fn cache_image(&self, content: &[u8], number: u8) -> (Digest, Digest) {
        let (app, blob) = (&self.test.app, Digest::sha256_of(content));
        let text = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "size": content.len(),
                "digest": blob.to_string(),
            },
            "layers": [],
            "annotations": { "number": number.to_string() },
        });
        let bytes = text.to_string().into_bytes();
        let (image, manifest) = (Digest::sha256_of(&bytes), Manifest::parse(&bytes, None).expect("a manifest"));
        let encryption = encryption::require(app, &self.repository, Use::Push).await.expect("the key may be used");
        let cause = Cause::now(app, Actor::PullThroughCache);
        let new = UpstreamImage::new(app, &encryption, &self.place, image, manifest, &bytes, &cause).expect("sealed");
        let import = Import {
            place: self.place.clone(),
            source: Self::source(),
            images: vec![new],
            tag: None,
            may_create: false,
            takes_tags: false,
            encryption,
            repository_quota: 10,
            tags_per_image: 10,
            cause,
        };
        app.db.write(move |tx| import::store(tx, &import)).await.expect("stored");
        (image, blob)
    }

    /// Archives an image, or begins to restore it.
    async fn turn(&self, image: Digest, is_archived: bool) {
        let (repository, cause) = (self.repository.clone(), Cause::now(&self.test.app, Actor::Service));
        let turned = self.test.app.db.write(move |tx| {
            let image = images::find(tx, repository.id, &image)?.expect("it is there");
            if is_archived {
                storage_class::archive(tx, &repository, &image, &cause)
            } else {
                storage_class::begin_restore(tx, &repository, &image, &cause)
            }
        });
        assert_eq!(turned.await.expect("written"), Ok(()));
    }

    /// Who pulls without a token, from where the rule leads.
    fn nobody(&self) -> Caller {
        anonymous::caller(self.place.clone(), self.rule.clone()).expect("the rule fills it")
    }

    /// The layer as nobody in particular is shown it.
    async fn shown(&self, digest: Digest) -> Result<ReadableLayer, RegistryError> {
        readable_by(&self.test.app, &self.nobody(), &self.place, digest).await
    }

    /// Reads it whole, in one of the ways that give bytes.
    fn read<'a>(&'a self, layer: &'a ReadableLayer, is_streamed: bool) -> Reading<'a> {
        if is_streamed { Box::pin(self.stream(layer, 0, 99_999)) } else { Box::pin(self.read_blocking(layer)) }
    }

    /// Has one image name the layer, which is in the archive.
    async fn archive(&self, digest: Digest) {
        let id = self.repository.id;
        let sql = "UPDATE repository_blobs SET image_count = 1, archived_image_count = 1 \
                   WHERE repository_id = $1 AND digest = $2";
        let changed = self.test.app.db.write(move |tx| tx.execute(sql, &[id.into(), digest.to_string().into()]));
        assert_eq!(changed.await.expect("written"), 1);
    }

    async fn disable_key(&self) {
        let arn = self.repository.spec.kms_key.clone().expect("a key");
        let version = self.test.app.db.write(move |tx| {
            let mut key = kms_keys::find(tx, &arn.key_ref().expect("an ARN"))?.expect("it is there");
            key.is_enabled = false;
            kms_keys::update(tx, &key)?;
            key_version::increment(tx)?;
            key_version::find(tx)
        });
        self.test.app.kms_keys.forget_before(version.await.expect("written"));
    }

    async fn readable(&self, digest: Digest) -> Result<ReadableLayer, RegistryError> {
        find(&self.test.app, &self.place, digest).await?.readable(&self.test.app).await
    }

    /// The layer as it stands for the server itself.
    async fn unchecked(&self, digest: Digest) -> ReadableLayer {
        find(&self.test.app, &self.place, digest).await.expect("it is there").for_the_server()
    }

    async fn stream(&self, layer: &ReadableLayer, first: u64, last: u64) -> Result<Vec<u8>, Unread> {
        let app = &self.test.app;
        let open = layer.open(app).await.map_err(Unread::NotFetched)?;
        assert_eq!(open.size_bytes(), 100_000);
        let mut bytes = Vec::new();
        match open.stream(app, first, last).await.map_err(Unread::NotOpened)? {
            LayerStream::Stored(mut stream) => {
                stream.begin().await.expect("it is there");
                while let Some(part) = stream.next().await {
                    bytes.extend_from_slice(&part.expect("readable"));
                }
            }
            LayerStream::Coming(mut stream) => {
                use runtime::http::body::ComingBytes as _;
                while let Some(part) = std::future::poll_fn(|cx| stream.poll_next(cx)).await {
                    bytes.extend_from_slice(&part.expect("readable"));
                }
            }
        }
        Ok(bytes)
    }

    async fn read_blocking(&self, layer: &ReadableLayer) -> Result<Vec<u8>, Unread> {
        let mut reader = layer.blocking(&self.test.app).await?;
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes)
        });
        Ok(read.await.expect("no panic").expect("readable"))
    }

    /// Reads it in both ways that give bytes.
    async fn assert_reads(&self, layer: &ReadableLayer, content: &[u8]) {
        assert!(self.stream(layer, 0, 99_999).await.expect("readable") == content);
        assert!(self.stream(layer, 70_000, 70_009).await.expect("readable") == content[70_000..70_010]);
        assert!(self.read_blocking(layer).await.expect("readable") == content);
    }
}

#[tokio::test]
async fn a_layer_that_is_here_is_read_as_a_stream_and_by_a_thread() {
    for encryption_type in [EncryptionType::Aes256, EncryptionType::Kms, EncryptionType::KmsDsse] {
        let fixture = Fixture::new(encryption_type, Vec::new()).await;
        let digest = fixture.upload(&content(0)).await;
        let layer = fixture.readable(digest).await.expect("readable");
        assert!(matches!(layer.location(), Location::Here(_)));
        assert_eq!(layer.location().size_bytes(), Some(100_000));
        fixture.assert_reads(&layer, &content(0)).await;
        // What is sealed in files, no URL leads to.
        assert_eq!(layer.url(&fixture.test.app).await.expect("no fault"), None);
    }
}

#[tokio::test]
async fn a_layer_that_is_upstream_comes_when_it_is_read() {
    for is_streamed in [true, false] {
        let fixture = Fixture::new(EncryptionType::Aes256, content(1)).await;
        let digest = fixture.await_from_upstream(&content(1)).await;
        let layer = fixture.readable(digest).await.expect("readable");
        assert!(matches!(layer.location(), Location::Upstream(_)));
        assert_eq!((layer.location().size_bytes(), layer.location().image_count()), (Some(100_000), 1));
        assert_eq!(layer.url(&fixture.test.app).await.expect("no fault"), None);
        let found = find(&fixture.test.app, &fixture.place, digest).await.expect("it is known");
        assert!(matches!(found.require_here(), Err(RegistryError::LayerNotFound(..))));
        let bytes = if is_streamed {
            fixture.stream(&layer, 0, 99_999).await.expect("it comes")
        } else {
            fixture.read_blocking(&layer).await.expect("it comes")
        };
        assert!(bytes == content(1));
        layer.stored(&fixture.test.app).await.expect("it has come");
        let found = fixture.readable(digest).await.expect("readable");
        assert!(matches!(found.location(), Location::Here(blob) if blob.image_count == 1));
        fixture.assert_reads(&found, &content(1)).await;
        // Whoever found it before it came reads it too.
        fixture.assert_reads(&layer, &content(1)).await;
    }
}

#[tokio::test]
async fn a_layer_that_upstream_has_lost_is_not_fetched() {
    let fixture = Fixture::new(EncryptionType::Aes256, content(1)).await;
    let digest = fixture.await_from_upstream(&content(2)).await;
    let layer = fixture.readable(digest).await.expect("it is known");
    assert!(is_lost(&fixture.stream(&layer, 0, 9).await));
    assert!(is_lost(&fixture.read_blocking(&layer).await));
}

#[tokio::test]
async fn an_archived_layer_is_out_of_reach_of_clients_alone() {
    for encryption_type in [EncryptionType::Aes256, EncryptionType::Kms] {
        let fixture = Fixture::new(encryption_type, Vec::new()).await;
        let digest = fixture.upload(&content(3)).await;
        // So that what is in memory of it does not hold any more.
        fixture.readable(digest).await.expect("readable");
        fixture.archive(digest).await;
        let refused = fixture.readable(digest).await.err().expect("it is archived");
        assert!(
            matches!(&refused, RegistryError::LayerArchived(place, named) if *place == fixture.place && *named == digest)
        );
        let found = find(&fixture.test.app, &fixture.place, digest).await.expect("it is there");
        assert!(matches!(found.location, Location::Archived(_)) && found.require_here().is_ok());
        fixture.assert_reads(&fixture.unchecked(digest).await, &content(3)).await;
    }
}

#[tokio::test]
async fn a_key_that_is_disabled_while_a_layer_comes_keeps_it_out() {
    let fixture = Fixture::new(EncryptionType::Kms, Vec::new()).await;
    let (app, cause) = (&fixture.test.app, Cause::now(&fixture.test.app, Actor::Principal("somebody".into())));
    let (content, digest) = (Bytes::from_static(b"a layer"), Digest::sha256_of(b"a layer"));
    let upload = uploads::begin(app, &fixture.place, IfAbsent::Refuse, &cause).await.expect("begun");
    let mut session = uploads::open(app, &fixture.place, upload.id).await.expect("open");
    session.write(content).await.expect("written");
    fixture.disable_key().await;
    let refused = session.complete(app, digest).await.expect_err("its key is disabled");
    assert!(matches!(refused, RegistryError::Kms(KmsError::Disabled(_))), "{refused}");
}

#[tokio::test]
async fn with_a_key_that_is_disabled_nothing_is_read_or_fetched() {
    let fixture = Fixture::new(EncryptionType::Kms, content(4)).await;
    let (here, archived) = (fixture.upload(&content(5)).await, fixture.upload(&content(6)).await);
    let upstream = fixture.await_from_upstream(&content(4)).await;
    fixture.archive(archived).await;
    fixture.readable(here).await.expect("the key may be used");
    fixture.disable_key().await;
    for digest in [here, archived] {
        let refused = fixture.readable(digest).await.err().expect("its key is disabled");
        assert!(matches!(refused, RegistryError::Kms(KmsError::Disabled(_))), "{refused}");
    }
    let layer = fixture.readable(upstream).await.expect("nothing of it is encrypted yet");
    for failure in [
        fixture.stream(&layer, 0, 9).await.expect_err("it cannot be stored"),
        fixture.read_blocking(&layer).await.expect_err("it cannot be stored"),
    ] {
        assert!(matches!(&failure, Unread::NotFetched(CacheFailure::Refused(text)) if text.ends_with("is disabled.")));
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let fixture = Fixture::new(EncryptionType::Aes256, Vec::new()).await;
    let (app, digest) = (&fixture.test.app, Digest::sha256_of(b"nothing"));
    for _ in 0..2 {
        let refused = find(app, &fixture.place, digest).await.err().expect("nothing is there");
        assert!(matches!(refused, RegistryError::LayerNotFound(place, _) if place == fixture.place));
        let elsewhere = fixture.test.registry().repository(&"other".parse().expect("a name"));
        let refused = find(app, &elsewhere, digest).await.err().expect("nothing is there");
        assert!(matches!(refused, RegistryError::RepositoryNotFound(place) if place == elsewhere));
    }
}

#[tokio::test]
async fn a_url_leads_to_what_a_bucket_has_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = S3Settings {
        // Nothing is asked of it.
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        access_key: Some(("key".to_owned(), "secret".to_owned())),
        redirect: Some(Redirect { lifetime: Duration::from_secs(60), endpoint: None }),
        ..S3Settings::new("layers".to_owned(), folder.path().join("spool"))
    };
    let setup = TestSetup { blobs: Some(BlobStore::of_bucket(settings).expect("a bucket")), ..TestSetup::default() };
    let fixture = Fixture::of(setup, EncryptionType::Aes256, Vec::new()).await;
    for (is_plain, is_archived) in [(true, false), (false, false), (true, true)] {
        let (repository, digest) =
            (fixture.repository.clone(), Digest::sha256_of(&[u8::from(is_plain), u8::from(is_archived)]));
        let stored = fixture.test.app.db.write(move |tx| {
            let new = NewBlob {
                scope: &uploads::blob_scope(&repository),
                digest: &digest,
                size_bytes: 100_000,
                object: ObjectId::random(),
                data_key: if is_plain { &[] } else { &[1] },
                small: None,
            };
            let blob_id = blobs::insert(tx, &new, START_MS)?;
            repository_blobs::insert(tx, repository.id, &digest, blob_id, START_MS)
        });
        assert!(stored.await.expect("stored"));
        if is_archived {
            fixture.archive(digest).await;
        }
        let layer = match fixture.readable(digest).await {
            Ok(layer) => layer,
            Err(error) => {
                assert!(is_archived && matches!(error, RegistryError::LayerArchived(..)));
                continue;
            }
        };
        let url = layer.url(&fixture.test.app).await.expect("no fault");
        assert_eq!(url.is_some(), is_plain);
        assert!(
            url.is_none_or(|url| url.starts_with("http://127.0.0.1:9/layers/") && url.contains("X-Amz-Signature="))
        );
    }
}

#[tokio::test]
async fn one_fetch_serves_all_who_read() {
    let fixture = Arc::new(Fixture::new(EncryptionType::Aes256, content(7)).await);
    let digest = fixture.await_from_upstream(&content(7)).await;
    let reads = (0..6).map(|number| {
        let fixture = Arc::clone(&fixture);
        async move {
            let layer = fixture.readable(digest).await.expect("readable");
            if number % 2 == 0 {
                fixture.stream(&layer, 0, 99_999).await.expect("it comes")
            } else {
                fixture.read_blocking(&layer).await.expect("it comes")
            }
        }
    });
    for bytes in futures_util::future::join_all(reads).await {
        assert!(bytes == content(7));
    }
    assert_eq!(fixture.test.app.metrics.cache.layers.get(), 1);
}

#[tokio::test]
async fn nobody_is_not_shown_what_is_pushed_while_they_ask() {
    let fixture = Fixture::new(EncryptionType::Aes256, content(1)).await;
    for (seed, is_streamed) in [(10, true), (11, false)] {
        let (_, digest) = fixture.cache_image(&content(seed), 0).await;
        let before = fixture.shown(digest).await.expect("upstream's manifest names it");
        assert!(matches!(before.location(), Location::Upstream(_)));
        fixture.upload(&content(seed)).await;
        let after = fixture.shown(digest).await.expect("upstream's manifest names it");
        assert!(matches!(after.location(), Location::Upstream(_)) && after.location().size_bytes().is_none());
        for layer in [&before, &after] {
            assert_eq!(layer.url(&fixture.test.app).await.expect("no fault"), None);
            assert!(is_lost(&fixture.read(layer, is_streamed).await));
        }
        fixture.assert_reads(&fixture.readable(digest).await.expect("who may read it does"), &content(seed)).await;
    }
    assert_eq!(fixture.test.app.metrics.cache.layers.get(), 0);
}

#[tokio::test]
async fn where_a_layer_is_and_where_it_came_from_is_one_read() {
    let fixture = Fixture::new(EncryptionType::Aes256, content(1)).await;
    let (_, digest) = fixture.cache_image(&content(1), 0).await;
    let reads = &fixture.test.app.db.measures().reads.attempts;
    // The repository is in memory from here on.
    fixture.shown(digest).await.expect("it is known");
    let before = reads.get();
    let layer = fixture.shown(digest).await.expect("it is known");
    assert!(matches!(layer.location(), Location::Upstream(_)));
    assert_eq!(reads.get() - before, 1);
    assert!(fixture.stream(&layer, 0, 99_999).await.expect("it comes") == content(1));
    for count in [1, 0] {
        let before = reads.get();
        let layer = fixture.shown(digest).await.expect("it came from there");
        assert!(matches!(layer.location(), Location::Here(_)));
        assert_eq!(reads.get() - before, count);
    }
}

#[tokio::test]
async fn nobody_is_not_shown_what_is_pushed_while_they_wait() {
    let fixture = Fixture::new(EncryptionType::Aes256, content(1)).await;
    let fetches = &fixture.test.app.cache.fetches;
    let mut seed = 10;
    for is_streamed in [true, false] {
        // Alone, and in the same wait as who may read it.
        for is_client_first in [None, Some(true), Some(false)] {
            seed += 1;
            let (_, digest) = fixture.cache_image(&content(seed), 0).await;
            let of_nobody = fixture.shown(digest).await.expect("upstream's manifest names it");
            let of_client = fixture.readable(digest).await.expect("it is known");
            let slots = fetches.take_slots();
            let mut nobody = fixture.read(&of_nobody, is_streamed);
            let mut client = fixture.read(&of_client, is_streamed);
            match is_client_first {
                None => begin(&mut nobody).await,
                Some(true) => {
                    begin(&mut client).await;
                    begin(&mut nobody).await;
                }
                Some(false) => {
                    begin(&mut nobody).await;
                    begin(&mut client).await;
                }
            }
            fixture.upload(&content(seed)).await;
            drop(slots);
            assert!(is_lost(&nobody.await), "{is_client_first:?}");
            assert!(client.await.expect("it was pushed") == content(seed), "{is_client_first:?}");
        }
    }
}

#[tokio::test]
async fn nobody_is_shown_what_upstream_sends_all_the_same() {
    for is_streamed in [true, false] {
        let fixture = Fixture::new(EncryptionType::Aes256, content(1)).await;
        let (_, digest) = fixture.cache_image(&content(1), 0).await;
        let layer = fixture.shown(digest).await.expect("upstream's manifest names it");
        let slots = fixture.test.app.cache.fetches.take_slots();
        let mut read = fixture.read(&layer, is_streamed);
        begin(&mut read).await;
        fixture.upload(&content(1)).await;
        drop(slots);
        assert!(read.await.expect("upstream sends it") == content(1));
        assert_eq!(fixture.test.app.metrics.cache.layers.get(), 1);
        let shown = fixture.shown(digest).await.expect("it came from there");
        assert!(matches!(shown.location(), Location::Here(_)));
        fixture.assert_reads(&shown, &content(1)).await;
    }
}

#[tokio::test]
async fn nobody_is_not_shown_what_no_cached_image_names_or_comes_from_elsewhere() {
    let fixture = Fixture::new(EncryptionType::Aes256, content(1)).await;
    let (pushed, id) = (fixture.upload(&content(2)).await, fixture.repository.id);
    let elsewhere = Digest::sha256_of(&content(3));
    let source = BlobSource { upstream_repository: "other".to_owned(), ..Fixture::source() };
    let noted =
        fixture.test.app.db.write(move |tx| {
            upstream_blobs::add_image(tx, id, &elsewhere, Some(100_000), "application/x-layer", &source)
        });
    noted.await.expect("noted");
    for digest in [pushed, elsewhere] {
        fixture.readable(digest).await.expect("who may read it does");
        let refused = fixture.shown(digest).await.err().expect("it is not shown");
        assert!(matches!(refused, RegistryError::LayerNotFound(..)));
    }
}

#[tokio::test]
async fn what_is_pushed_while_one_waits_is_read_with_its_key() {
    let fixture = Fixture::new(EncryptionType::Kms, content(1)).await;
    let (_, digest) = fixture.cache_image(&content(2), 0).await;
    let layer = fixture.readable(digest).await.expect("nothing of it is encrypted yet");
    for is_streamed in [true, false] {
        let slots = fixture.test.app.cache.fetches.take_slots();
        let mut read = fixture.read(&layer, is_streamed);
        begin(&mut read).await;
        if is_streamed {
            fixture.upload(&content(2)).await;
            fixture.disable_key().await;
        }
        drop(slots);
        let failure = read.await.expect_err("its key is disabled");
        assert!(matches!(&failure, Unread::NotFetched(CacheFailure::Refused(text)) if text.ends_with("is disabled.")));
    }
}

#[tokio::test]
async fn what_only_archived_images_name_is_out_of_reach_wherever_it_is() {
    for is_fetched in [false, true] {
        for is_streamed in [true, false] {
            let fixture = Fixture::new(EncryptionType::Aes256, content(1)).await;
            let app = &fixture.test.app;
            let (first, digest) = fixture.cache_image(&content(1), 0).await;
            if is_fetched {
                fixture.unchecked(digest).await.stored(app).await.expect("it comes");
            }
            fixture.turn(first, true).await;
            for is_restoring in [false, true] {
                if is_restoring {
                    fixture.turn(first, false).await;
                }
                let found = find(app, &fixture.place, digest).await.expect("it is known");
                assert_eq!(matches!(found.location, Location::Archived(_)), is_fetched);
                assert_eq!(matches!(found.location, Location::ArchivedUpstream(_)), !is_fetched);
                assert_eq!((found.location.size_bytes(), found.location.image_count()), (Some(100_000), 1));
                assert_eq!(found.require_here().is_ok(), is_fetched);
                let refused = fixture.readable(digest).await.err().expect("it is archived");
                assert!(matches!(refused, RegistryError::LayerArchived(..)));
                let refused = fixture.shown(digest).await.err().expect("it is archived");
                assert!(matches!(refused, RegistryError::LayerNotFound(..)));
            }
            // The server reads it in every way, and so does everybody for an image that is active.
            let of_server = fixture.unchecked(digest).await;
            fixture.cache_image(&content(1), 1).await;
            for layer in [fixture.readable(digest).await, fixture.shown(digest).await] {
                let layer = layer.expect("an active image names it");
                assert_eq!(matches!(layer.location(), Location::Here(_)), is_fetched);
                assert_eq!(matches!(layer.location(), Location::Upstream(_)), !is_fetched);
                assert_eq!(layer.url(app).await.expect("no fault"), None);
                assert!(fixture.read(&layer, is_streamed).await.expect("readable") == content(1));
            }
            assert_eq!(of_server.url(app).await.expect("no fault"), None);
            assert!(fixture.read(&of_server, is_streamed).await.expect("readable") == content(1));
        }
    }
}
