//! A bucket whose server fails, is slow or cuts its answers: nothing is lost, nothing is called damage that is none.

use std::error::Error as _;

use oci::Digest;
use store::blob::{BlobStore, SEGMENT};
use store::error::StoreErrorKind;

use super::bucket::{TestBucket, server_url};
use super::faulty_proxy::{Fault, FaultyProxy};
use super::{Kind, Stored, TestStore, noise, open};

const MIB: usize = 1024 * 1024;

/// A place whose requests go through a proxy.
async fn faulty() -> (TestStore, FaultyProxy) {
    let proxy = FaultyProxy::start(&server_url()).await;
    let mut place = TestStore::new(Kind::S3);
    let bucket = place.bucket.as_mut().expect("a bucket");
    bucket.endpoint.clone_from(&proxy.endpoint);
    place.store = open(place.folder.path(), place.bucket.as_ref());
    (place, proxy)
}

fn any(_: &str) -> bool {
    true
}

fn is_get(line: &str) -> bool {
    line.starts_with("GET")
}

async fn assert_reads(place: &TestStore, stored: &Stored, what: &str) {
    let (found, error) = place.read_all(stored).await;
    assert!(error.is_none(), "{what}: {error:?} {:?}", error.as_ref().and_then(|error| error.source()));
    assert!(found == stored.plaintext, "{what}: other bytes");
}

#[tokio::test]
async fn passing_failures_are_not_seen() {
    let (place, proxy) = faulty().await;
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Slow, Fault::LoseAnswer] {
        for size in [100, 12 * MIB] {
            proxy.first(2, any, fault);
            let stored = place.store(noise(size, 1)).await;
            proxy.first(2, any, fault);
            assert_reads(&place, &stored, &format!("{fault:?}, {size} bytes")).await;
            proxy.first(1, any, fault);
            place.store.remove(stored.object, None).await.expect("it can be removed");
        }
    }
    proxy.set(|_| Fault::None);
    assert_eq!(place.bucket.as_ref().expect("a bucket").keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_continued() {
    let (place, proxy) = faulty().await;
    let stored = place.store(noise(3 * MIB + 5, 1)).await;
    for cut in [0, 1, SEGMENT, SEGMENT + 28, 700_000] {
        proxy.first(3, is_get, Fault::Cut(cut));
        assert_reads(&place, &stored, &format!("cut after {cut}")).await;
        proxy.first(3, is_get, Fault::Cut(cut));
        let size = stored.plaintext.len() as u64;
        let digest = place.hash(stored.object, stored.key.clone(), size, oci::Algorithm::Sha256).await;
        assert_eq!(digest.expect("it can be read"), Digest::sha256_of(&stored.plaintext));
    }
    // Each answer brings something, so the reading comes to its end however often it breaks off.
    proxy.set(|line| if is_get(line) { Fault::Cut(300_000) } else { Fault::None });
    assert_reads(&place, &stored, "always cut").await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_damage() {
    let (place, proxy) = faulty().await;
    let stored = place.store(noise(SEGMENT, 1)).await;
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Status(403), Fault::Cut(0), Fault::LoseAnswer] {
        proxy.set(move |_| fault);
        let (found, error) = place.read_all(&stored).await;
        let error = error.unwrap_or_else(|| panic!("{fault:?} is no answer"));
        assert!(found.is_empty());
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{fault:?}: {error}");
        assert!(error.to_string().contains(&stored.object.to_string()), "{error}");
    }
    proxy.set(|_| Fault::None);
    assert_reads(&place, &stored, "back").await;
}

#[tokio::test]
async fn a_write_that_fails_says_so_and_can_be_repeated() {
    let (place, proxy) = faulty().await;
    let (state, key) = place.store.begin();
    let plaintext = noise(20 * MIB, 1);
    let mut writer = place.writer(state.clone(), key.clone());
    writer.write(plaintext[..10 * MIB].to_vec().into()).await.expect("it can be written");
    let acknowledged = writer.checkpoint().await.expect("it is durable");
    proxy.set(|line| if line.starts_with("PUT") { Fault::Status(503) } else { Fault::None });
    let mut writer = place.writer(acknowledged.clone(), key.clone());
    let mut written = writer.write(plaintext[10 * MIB..].to_vec().into()).await;
    if written.is_ok() {
        written = writer.checkpoint().await.map(drop);
    }
    assert_eq!(written.expect_err("nothing can be stored").kind(), StoreErrorKind::Unavailable);
    proxy.set(|_| Fault::None);
    let mut writer = place.writer(acknowledged, key.clone());
    writer.write(plaintext[10 * MIB..].to_vec().into()).await.expect("it can be written again");
    let finished = writer.finish().await.expect("it ends");
    assert_eq!(finished.sha256, Digest::sha256_of(&plaintext));
    assert_reads(&place, &Stored { object: finished.object, key, plaintext }, "repeated").await;
}

#[tokio::test]
async fn an_end_whose_answer_is_lost_is_an_end() {
    let (place, proxy) = faulty().await;
    for fault in [Fault::LoseAnswer, Fault::Cut(10), Fault::Status(503)] {
        proxy.first(1, |line| line.starts_with("POST") && line.contains("uploadId="), fault);
        let stored = place.store(noise(9 * MIB, 1)).await;
        assert_reads(&place, &stored, &format!("{fault:?}")).await;
    }
}

#[tokio::test]
async fn one_request_reads_it_all() {
    let (place, proxy) = faulty().await;
    let stored = place.store(noise(20 * SEGMENT, 1)).await;
    let before = proxy.requests();
    assert_reads(&place, &stored, "all").await;
    assert_eq!(proxy.requests(), before + 1);
    let (found, error) = place.read(&stored, 5 * SEGMENT + 7..9 * SEGMENT).await;
    assert!(error.is_none() && found == stored.plaintext[5 * SEGMENT + 7..9 * SEGMENT]);
    assert_eq!(proxy.requests(), before + 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_bucket_is_said_at_the_start() {
    let (place, proxy) = faulty().await;
    place.store.probe().await.expect("this one is good");
    let bucket = place.bucket.as_ref().expect("a bucket");
    assert_eq!(bucket.keys().await, Vec::<String>::new(), "nothing is left");
    let mut absent = bucket.settings(place.folder.path());
    absent.bucket = "no-such-bucket".to_owned();
    let error = BlobStore::of_bucket(absent).expect("well-formed").probe().await.expect_err("it is absent");
    assert!(error.to_string().contains("no-such-bucket") && error.to_string().contains("does not exist"), "{error}");
    proxy.set(|_| Fault::Status(403));
    let error = place.store.probe().await.expect_err("not allowed");
    assert!(error.to_string().contains("s3:PutObject"), "{error}");
    let mut nowhere = bucket.settings(place.folder.path());
    nowhere.endpoint = Some("http://127.0.0.1:1".to_owned());
    let error = BlobStore::of_bucket(nowhere).expect("well-formed").probe().await.expect_err("nobody listens");
    assert!(error.to_string().contains("check the endpoint"), "{error}");
    let other = TestBucket::create();
    let elsewhere = open(place.folder.path(), Some(&other));
    elsewhere.probe().await.expect("another bucket");
}
