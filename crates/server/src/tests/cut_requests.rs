//! Requests whose clients go at any moment: whatever they have changed is recorded.

use ecr_services::ecr;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use access::auth::token;
use access::web_identity::SourceConfig;
use api::protocols::operation::Call;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use registry::Registry;
use registry::images::changes::Cause;
use registry::images::creation::IfAbsent;
use registry::images::uploads;
use runtime::http::budget::{Holder, PoolKind};
use runtime::http::finish::{Finish, Finishing};
use runtime::http::forwarded::Client;
use runtime::http::in_flight::InFlight;
use runtime::http::paced_body::PacedBody;
use runtime::http::respond;
use serde_json::Value;
use store::tables::audit_events::{self, Attribute, EventFilter};
use store::tables::image_tags;
use store::tables::repositories;
use tokio::time::Instant;

use super::test_app::{ACCOUNT, START_MS, TestApp, root_key};
use crate::dispatch;

const REPOSITORY: &str = "app";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
/// How often a byte of a slow request comes.
const TRICKLE: Duration = Duration::from_millis(20);
const PIPE_BYTES: usize = 64 * 1024;

/// Sends a request that is dropped when it has waited so often; whether it came to its answer before.
async fn send(app: &Arc<Registry>, waits: usize, method: Method, path: &str, token: &str, body: &'static str) -> bool {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let app = Arc::clone(app);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let app = Arc::clone(&app);
        async move {
            let (pace, lag) = (app.listener.pace, InFlight::new(Instant::now()).lag());
            let client = Client { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), is_tls: Some(false) };
            let (holder, finish) = (Holder::alone(client.ip), Finish::default());
            let request = request.map(|body| PacedBody::new(body, pace, lag, Arc::clone(&app.runtime)));
            let room = app.request_budget.share(PoolKind::Buffers, &holder);
            let work = Box::pin(dispatch::handle(app, client, holder, request, finish.clone()));
            let mut finishing = Finishing::new(work, room, finish);
            let mut left = waits;
            let answered = poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                Pin::new(&mut finishing).poll(cx).map(Some)
            });
            let answered = answered.await;
            drop(finishing);
            let gone = || {
                let mut answer = respond::empty(StatusCode::IM_A_TEAPOT);
                answer.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
                answer
            };
            Ok::<_, Infallible>(answered.map_or_else(gone, |((answer, _), _)| answer))
        }
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(theirs), service));
    let (mut sender, connection) = handshake(TokioIo::new(ours)).await.expect("a connection");
    tokio::spawn(connection);
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Basic {token}"))
        .header(header::CONTENT_TYPE, INDEX)
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .expect("a good request");
    let answer = sender.send_request(request).await.expect("an answer");
    answer.status() != StatusCode::IM_A_TEAPOT
}

/// The tags that successful records of that name tell of.
async fn recorded(test: &TestApp, name: &str, tag_of: fn(&Value) -> &Value) -> BTreeSet<String> {
    let filter = EventFilter {
        registry: test.registry(),
        from_ms: START_MS,
        until_ms: i64::MAX,
        attribute: Some(Attribute::EventName(name.to_owned())),
        before: None,
    };
    let events = test.app.db.read(move |tx| audit_events::list(tx, &filter, 1000)).await.expect("readable");
    let records = events.iter().map(|event| serde_json::from_str::<Value>(&event.record).expect("JSON"));
    records
        .filter(|record| record["errorCode"].is_null())
        .map(|record| tag_of(&record["requestParameters"]).as_str().expect("a tag").to_owned())
        .collect()
}

async fn tags(test: &TestApp) -> BTreeSet<String> {
    let (registry, name) = (test.registry(), REPOSITORY.parse().expect("a name"));
    let tags = test.app.db.read(move |tx| {
        let repository = repositories::find(tx, &registry.repository(&name))?.expect("it is there");
        image_tags::list(tx, repository.id, "", 1000)
    });
    let tags: Result<Vec<String>, store::error::StoreError> = tags.await;
    tags.expect("readable").into_iter().collect()
}

async fn settle(test: &TestApp) {
    test.app.unfinished.ended().await;
    test.app.audit.flush(&test.app.db).await.expect("stored");
}

#[tokio::test]
async fn what_a_request_changes_is_recorded_whenever_its_client_goes() {
    let test = TestApp::new(SourceConfig { allow_private_networks: false, files: HashMap::new() }).await;
    let (http, caller) = (test.request(), test.caller(&root_key(ACCOUNT)));
    let (token, _) = token::issue(&test.app, &caller, caller.account);
    let entry = ecr::SERVICE.entry("CreateRepository").expect("an operation");
    let input = serde_json::json!({ "repositoryName": REPOSITORY }).to_string();
    (entry.run)(&Call::new(&test.app, &http, caller), input.as_bytes()).await.expect("created");
    drop(http);

    let mut waits = 0;
    loop {
        let path = format!("/v2/{REPOSITORY}/manifests/t{waits}");
        let is_answered = send(&test.app, waits, Method::PUT, &path, &token, MANIFEST).await;
        settle(&test).await;
        if is_answered {
            break;
        }
        waits += 1;
    }
    let pushed = tags(&test).await;
    assert_eq!(recorded(&test, "PutImage", |parameters| &parameters["imageTag"]).await, pushed);
    assert!(pushed.len() > 1, "some were cut when their change was under way: {pushed:?}");

    for waits in 0.. {
        let before = tags(&test).await;
        let Some(tag) = before.first() else { break };
        let path = format!("/v2/{REPOSITORY}/manifests/{tag}");
        let is_answered = send(&test.app, waits, Method::DELETE, &path, &token, "").await;
        settle(&test).await;
        if is_answered {
            break;
        }
    }
    let deleted: BTreeSet<String> = pushed.difference(&tags(&test).await).cloned().collect();
    assert_eq!(recorded(&test, "BatchDeleteImage", |parameters| &parameters["imageIds"][0]["imageTag"]).await, deleted);
    assert!(!deleted.is_empty());
}

#[tokio::test]
async fn what_only_reads_ends_with_its_client() {
    let test = TestApp::new(SourceConfig { allow_private_networks: false, files: HashMap::new() }).await;
    let caller = test.caller(&root_key(ACCOUNT));
    let (token, _) = token::issue(&test.app, &caller, caller.account);
    // How often it waits for the database is the machine's to say.
    for waits in 0.. {
        let is_answered = send(&test.app, waits, Method::GET, "/v2/_catalog", &token, "").await;
        assert_eq!(test.app.unfinished.count(), 0, "after {waits} waits");
        if is_answered {
            break;
        }
    }
}

#[tokio::test]
async fn what_waits_for_another_request_ends_with_its_client() {
    let test = TestApp::new(SourceConfig { allow_private_networks: false, files: HashMap::new() }).await;
    let caller = test.caller(&root_key(ACCOUNT));
    let (token, _) = token::issue(&test.app, &caller, caller.account);
    let place = test.registry().repository(&REPOSITORY.parse().expect("a name"));
    let entry = ecr::SERVICE.entry("CreateRepository").expect("an operation");
    let (http, input) = (test.request(), serde_json::json!({ "repositoryName": REPOSITORY }).to_string());
    let cause = Cause::of_caller(&test.app, &caller);
    (entry.run)(&Call::new(&test.app, &http, caller), input.as_bytes()).await.expect("created");
    drop(http);
    let upload = uploads::begin(&test.app, &place, IfAbsent::Refuse, &cause).await.expect("begun").id;
    let mut receiving = uploads::open(&test.app, &place, upload).await.expect("nobody else writes it");
    let path = format!("/v2/{REPOSITORY}/blobs/uploads/{upload}?digest={}", oci::Digest::sha256_of(b""));
    let mut written = 0;
    for waits in 0..6 {
        let mut sent = pin!(send(&test.app, waits, Method::PUT, &path, &token, ""));
        let mut trickle = tokio::time::interval(TRICKLE);
        // It waits for as long as bytes of the other one come.
        let is_answered = loop {
            tokio::select! {
                biased;
                _ = trickle.tick() => {
                    receiving.write(Bytes::from_static(b"x")).await.expect("it is the only writer");
                    written += 1;
                }
                is_answered = &mut sent => break is_answered,
            }
        };
        assert!(!is_answered);
        assert_eq!(test.app.unfinished.count(), 0, "after {waits} waits");
    }
    assert_eq!(receiving.checkpoint(&test.app).await.expect("it was never overtaken"), written);
}
