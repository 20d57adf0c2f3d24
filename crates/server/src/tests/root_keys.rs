//! Root keys: everything is sealed anew after a rotation, wherever that is cut off, and an old key goes only when nothing
//! can need it.

use access::root_key_rotation::{self, NotRetired, RETIRE_AFTER_MS};
use access::web_identity::SourceConfig;
use account_services::secrets_api;
use api::protocols::operation::Call;
use ecr_services::ecr;
use registry::cache::settings::CacheSettings;
use registry_services::admin_api;
use runtime::limits::Limits;
use serde_json::{Value, json};
use store::tables::root_keys::{self as rows, Search};
use upkeep::background;

use super::test_app::{ACCOUNT, START_MS, TestApp, TestSetup, root_key};

async fn app() -> TestApp {
    TestApp::new(SourceConfig { allow_private_networks: false, files: std::collections::HashMap::new() }).await
}

async fn call(test: &TestApp, operation: &str, input: Value) -> Result<Value, String> {
    let http = test.request();
    let services = [&ecr::SERVICE, &admin_api::SERVICE, &secrets_api::SERVICE];
    let entry = services.iter().find_map(|service| service.entry(operation)).expect("an operation");
    let call = Call::new(&test.app, &http, test.caller(&root_key(ACCOUNT)));
    let answer = (entry.run)(&call, input.to_string().as_bytes()).await;
    answer.map(|json| serde_json::from_slice(&json).expect("JSON")).map_err(|error| error.code.to_string())
}

async fn search(test: &TestApp) -> Search {
    test.app.db.read(rows::find_search).await.expect("readable").expect("there was one")
}

#[tokio::test]
async fn an_old_root_key_goes_when_nothing_needs_it() {
    let test = app().await;
    test.user(ACCOUNT, "alice", None).await;
    call(&test, "CreateSecret", json!({"Name": "s", "SecretString": "geheim"})).await.expect("made");
    let rotated = root_key_rotation::rotate(&test.app).await.expect("made");
    assert_eq!((rotated, test.app.key_ring.sealing()), (Some(2), 2));
    background::work_off(&test.app).await;
    let ended = search(&test).await;
    assert_eq!((ended.seen, ended.resealed, ended.unreadable), (2, 0, 0), "the second search found nothing");
    let retire = async |number| root_key_rotation::retire(&test.app, number).await.expect("readable");
    assert_eq!(retire(1).await, Err(NotRetired::TooEarly(START_MS + RETIRE_AFTER_MS)));
    assert_eq!((retire(2).await, retire(3).await), (Err(NotRetired::InUse), Err(NotRetired::NotFound)));
    test.clock.advance_ms(RETIRE_AFTER_MS);
    assert_eq!(retire(1).await, Err(NotRetired::TooEarly(START_MS + RETIRE_AFTER_MS)), "not looked for again yet");
    background::work_off(&test.app).await;
    assert_eq!(retire(1).await, Ok(()));
    assert_eq!(test.app.key_ring.all().into_keys().collect::<Vec<_>>(), [2]);
    let value = call(&test, "GetSecretValue", json!({"SecretId": "s"})).await.expect("it opens");
    assert_eq!(value["SecretString"], "geheim");
    test.app.db.write(store::tables::identity_version::increment).await.expect("stored");
    test.app.load_identities().await.expect("the secrets of access keys open");
}

#[tokio::test]
async fn robot_tokens_keep_their_root_key() {
    let test = app().await;
    let token = json!({"name": "ci", "repositories": ["*"], "actions": ["pull"]});
    call(&test, "CreateToken", token).await.expect("made");
    root_key_rotation::rotate(&test.app).await.expect("made");
    test.clock.advance_ms(RETIRE_AFTER_MS);
    background::work_off(&test.app).await;
    assert_eq!(root_key_rotation::retire(&test.app, 1).await.expect("readable"), Err(NotRetired::RobotTokens(1)));
    call(&test, "RevokeToken", json!({"name": "ci"})).await.expect("revoked");
    assert_eq!(root_key_rotation::retire(&test.app, 1).await.expect("readable"), Ok(()));
}

#[tokio::test]
async fn a_search_goes_on_where_it_was_cut_off() {
    let test = app().await;
    for number in 0..450 {
        test.user(ACCOUNT, &format!("u{number}"), None).await;
    }
    root_key_rotation::rotate(&test.app).await.expect("made");
    // As a node left it that ended after its first step of users.
    let cut = Search {
        root_key: 2,
        began_at_ms: START_MS,
        place: 4,
        cursor: "AKIA".to_owned(),
        seen: 10,
        resealed: 10,
        unreadable: 0,
        ended_at_ms: None,
    };
    test.app.db.write(move |tx| rows::store_search(tx, &cut)).await.expect("stored");
    background::work_off(&test.app).await;
    let ended = search(&test).await;
    assert_eq!((ended.seen, ended.resealed, ended.unreadable), (450, 0, 0));
    let stored = test.app.db.read(rows::list).await.expect("readable");
    assert_eq!(stored[0].unused_since_ms, Some(START_MS));
}

#[tokio::test]
async fn what_cannot_be_opened_is_left_and_keeps_the_key() {
    let test = app().await;
    test.user(ACCOUNT, "alice", None).await;
    let damage = |tx: &mut dyn store::db::Tx| {
        let head = store::blob::sealed_head(1);
        tx.execute("UPDATE iam_access_keys SET sealed_secret = $1", &[[&head[..], &[0; 40]].concat().into()])
    };
    test.app.db.write(damage).await.expect("stored");
    root_key_rotation::rotate(&test.app).await.expect("made");
    background::work_off(&test.app).await;
    assert_eq!(search(&test).await.unreadable, 1);
    assert_eq!(test.app.db.read(rows::list).await.expect("readable")[0].unused_since_ms, None);
    let jobs = call(&test, "ListJobs", json!({"deadOnly": true})).await.expect("listed");
    assert_eq!(jobs["jobs"][0]["kind"], "reseal");
}

#[tokio::test]
async fn a_root_key_follows_another_after_its_time() {
    let test = app().await;
    root_key_rotation::rotate_if_due(&test.app).await.expect("nothing to do");
    test.clock.advance_ms(400 * 24 * 60 * 60 * 1000);
    root_key_rotation::rotate_if_due(&test.app).await.expect("nothing to do");
    assert_eq!(test.app.key_ring.sealing(), 1, "no interval is configured");
    let limits = Limits { root_key_rotation_ms: Some(1_000), ..Limits::default() };
    let other = TestApp::of(TestSetup { limits, ..TestSetup::default() }, CacheSettings::default()).await;
    other.clock.advance_ms(999);
    root_key_rotation::rotate_if_due(&other.app).await.expect("nothing to do");
    assert_eq!(other.app.key_ring.sealing(), 1);
    other.clock.advance_ms(1);
    root_key_rotation::rotate_if_due(&other.app).await.expect("made");
    root_key_rotation::rotate_if_due(&other.app).await.expect("nothing to do");
    assert_eq!(other.app.key_ring.sealing(), 2);
}
