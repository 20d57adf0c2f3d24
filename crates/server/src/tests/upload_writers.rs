//! Several requests that write one upload at once: the layer that comes out is whole, and no more is told to be received
//! than is.

use std::collections::HashMap;
use std::sync::Arc;

use access::web_identity::SourceConfig;
use bytes::Bytes;
use oci::{Digest, RepositoryName};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use registry::Registry;
use registry::images::changes::{Actor, Cause};
use registry::images::creation::IfAbsent;
use registry::images::errors::RegistryError;
use registry::images::{blobs, uploads};
use registry::layers;
use store::tables::repositories::{self, EncryptionType, NewRepository, RepositoryRef, TagMutability};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::test_app::TestApp;

const SIZE: usize = 700_000;
const REPOSITORY: &str = "app";

/// What one request does with its turn.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// All that it has is stored.
    Store { bytes: usize, has_them: bool },
    /// Its client goes in the middle.
    Drop { bytes: usize },
    /// Its client goes when all is on its way to be stored.
    DropWhileStoring { bytes: usize, polls: u8 },
}

fn turn() -> impl Strategy<Value = Turn> {
    let bytes = 1..SIZE / 4;
    prop_oneof![
        3 => (bytes.clone(), any::<bool>()).prop_map(|(bytes, has_them)| Turn::Store { bytes, has_them }),
        1 => bytes.clone().prop_map(|bytes| Turn::Drop { bytes }),
        1 => (bytes, 0..6_u8).prop_map(|(bytes, polls)| Turn::DropWhileStoring { bytes, polls }),
    ]
}

fn content() -> Vec<u8> {
    (0..SIZE).map(|at| (at * 7 + at / 251) as u8).collect()
}

struct Fixture {
    test: TestApp,
    name: RepositoryName,
}

impl Fixture {
    async fn new() -> Self {
        let sources = SourceConfig { allow_private_networks: false, files: HashMap::new() };
        let fixture = Self { test: TestApp::new(sources).await, name: REPOSITORY.parse().expect("a name") };
        let new = NewRepository {
            registry: fixture.test.registry(),
            name: fixture.name.clone(),
            created_at_ms: 0,
            tag_mutability: TagMutability::Mutable,
            tag_mutability_filters: Vec::new(),
            scan_on_push: false,
            encryption_type: EncryptionType::Aes256,
            kms_key: None,
        };
        let stored = fixture.test.app.db.write(move |tx| repositories::insert(tx, &new)).await;
        stored.expect("stored").expect("the name is free");
        fixture
    }

    fn place(&self) -> RepositoryRef {
        self.test.registry().repository(&self.name)
    }
}

/// Writes where the upload stands, as a client does that asks before; the bytes that it was told are received then.
async fn write(app: &Arc<Registry>, place: &RepositoryRef, id: uuid::Uuid, turn: Turn) -> Option<u64> {
    let (bytes, has_them) = match turn {
        Turn::Store { bytes, has_them } => (bytes, has_them),
        Turn::Drop { bytes } | Turn::DropWhileStoring { bytes, .. } => (bytes, false),
    };
    let opened =
        if has_them { uploads::open_received(app, place, id).await } else { uploads::open(app, place, id).await };
    let mut session = opened.expect("an upload is open to all");
    let from = session.received() as usize;
    for part in content()[from..(from + bytes).min(SIZE)].chunks(50_000) {
        match session.write(Bytes::copy_from_slice(part)).await {
            Ok(()) => {}
            Err(RegistryError::UploadBusy) => return None,
            Err(error) => panic!("{error}"),
        }
        tokio::task::yield_now().await;
    }
    match turn {
        Turn::Store { .. } => match session.checkpoint(app).await {
            Ok(received) => Some(received),
            Err(RegistryError::UploadBusy) => None,
            Err(error) => panic!("{error}"),
        },
        Turn::Drop { .. } => None,
        Turn::DropWhileStoring { polls, .. } => {
            let mut storing = Box::pin(session.checkpoint(app));
            for _ in 0..polls {
                let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(storing.as_mut().poll(cx).is_ready()));
                if polled.await {
                    return None;
                }
                tokio::task::yield_now().await;
            }
            None
        }
    }
}

async fn try_turns(fixture: &Fixture, turns: &[Turn]) {
    let app = &fixture.test.app;
    let place = fixture.place();
    let cause = Cause::now(app, Actor::Principal("test".into()));
    let upload = uploads::begin(app, &place, IfAbsent::Refuse, &cause).await.expect("begun");
    let (mut running, barrier) = (JoinSet::new(), Arc::new(Barrier::new(turns.len())));
    for turn in turns.iter().copied() {
        let (app, place, barrier) = (Arc::clone(app), place.clone(), Arc::clone(&barrier));
        running.spawn(async move {
            barrier.wait().await;
            write(&app, &place, upload.id, turn).await
        });
    }
    let mut acknowledged = 0;
    while let Some(received) = running.join_next().await {
        acknowledged = acknowledged.max(received.expect("no panic").unwrap_or_default());
    }
    let mut session = uploads::open(app, &place, upload.id).await.expect("open");
    let received = session.received();
    assert!(received >= acknowledged, "{acknowledged} bytes were told to be received, and {received} are");
    session.write(Bytes::copy_from_slice(&content()[received as usize..])).await.expect("written");
    let digest = Digest::sha256_of(&content());
    session.complete(app, digest).await.expect("complete");
    let layer = layers::find(app, &place, digest).await.expect("there").for_the_server();
    let blob = layer.stored(app).await.expect("here");
    let reader = blobs::open(app, &blob.stored).await.expect("readable");
    assert_eq!(reader.digest(oci::Algorithm::Sha256).await.expect("readable"), digest, "what is stored is what came");
}

#[test]
fn a_layer_is_whole_whoever_wrote_it_at_once() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().expect("a runtime");
    let fixture = runtime.block_on(Fixture::new());
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let turns = proptest::collection::vec(turn(), 2..7);
    let result = runner.run(&turns, |turns| {
        runtime.block_on(try_turns(&fixture, &turns));
        Ok(())
    });
    result.expect("it is");
}

#[tokio::test]
async fn a_request_that_waits_for_its_client_is_overtaken_and_stores_nothing() {
    let fixture = Fixture::new().await;
    let app = &fixture.test.app;
    let place = fixture.place();
    let cause = Cause::now(app, Actor::Principal("test".into()));
    let upload = uploads::begin(app, &place, IfAbsent::Refuse, &cause).await.expect("begun");
    let mut first = uploads::open(app, &place, upload.id).await.expect("open");
    first.write(Bytes::from(content()[..300_000].to_vec())).await.expect("written");
    let mut second = uploads::open(app, &place, upload.id).await.expect("open to the next");
    assert_eq!(second.received(), 0, "nothing was acknowledged");
    first.overtaken().await;
    let refused = first.write(Bytes::from_static(b"late")).await;
    assert!(matches!(refused, Err(RegistryError::UploadBusy)), "{refused:?}");
    let refused = first.checkpoint(app).await;
    assert!(matches!(refused, Err(RegistryError::UploadBusy)), "{refused:?}");
    second.write(Bytes::from(content())).await.expect("written");
    second.complete(app, Digest::sha256_of(&content())).await.expect("complete");
}
