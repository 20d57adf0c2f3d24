//! Advisories as whoever runs the server sees them: which there are, how old they are, what was imported.

use std::sync::Arc;

use api::protocols::operation::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecr_services::ecr;
use oci::Digest;
use registry::advisory_settings::AdvisorySettings;
use registry_services::admin_api;
use runtime::jobs::job::Job as _;
use scanning::update_advisories::UpdateAdvisories;
use serde_json::{Value, json};
use store::error::StoreError;
use store::tables::jobs::{self, Taking};
use upkeep::background::work_off;

use super::test_app::{ACCOUNT, OTHER_ACCOUNT, TestApp, root_key};

const MAIN: &str = "alpine/v3.20/main";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn call_as(test: &TestApp, key: &str, operation: &str, input: Value) -> Result<Value, String> {
    let http = test.request();
    let services = [&ecr::SERVICE, &admin_api::SERVICE];
    let entry = services.iter().find_map(|service| service.entry(operation)).expect("an operation");
    let call = Call::new(&test.app, &http, test.caller(key));
    match (entry.run)(&call, input.to_string().as_bytes()).await {
        Ok(output) => Ok(serde_json::from_slice(&output).expect("JSON")),
        Err(error) => Err(format!("{}: {}", error.code, error.message)),
    }
}

async fn call(test: &TestApp, operation: &str, input: Value) -> Value {
    call_as(test, &root_key(ACCOUNT), operation, input).await.expect(operation)
}

async fn refused(test: &TestApp, operation: &str, input: Value) -> String {
    call_as(test, &root_key(ACCOUNT), operation, input).await.expect_err("refused")
}

/// A server with Alpine's feed of one release, which is on, and Debian's, which is off.
async fn server(is_offline: bool) -> TestApp {
    let mut settings = AdvisorySettings { is_offline, ..AdvisorySettings::default() };
    settings.feeds.retain(|feed| feed.name == "alpine" || feed.name == "debian");
    for feed in &mut settings.feeds {
        feed.is_on = feed.name == "alpine";
        feed.packed_bytes = 4_000;
        feed.files.retain(|file| ["v3.20/main", "v3.20/community", ""].contains(&file.part.as_str()));
    }
    let test = TestApp::with_advisories(settings).await;
    call(&test, "CreateRepository", json!({"repositoryName": "wharf-advisories"})).await;
    test
}

fn secdb(packages: &[(&str, &str)]) -> Vec<u8> {
    let package = |(name, id): &(&str, &str)| json!({"pkg": {"name": name, "secfixes": {"1.2-r0": [id]}}});
    let packages: Vec<_> = packages.iter().map(package).collect();
    json!({"distroversion": "v3.20", "reponame": "main", "packages": packages}).to_string().into_bytes()
}

async fn upload(test: &TestApp, content: &[u8]) -> String {
    let place = json!({"repositoryName": "wharf-advisories"});
    let upload = call(test, "InitiateLayerUpload", place).await["uploadId"].clone();
    let part = json!({
        "repositoryName": "wharf-advisories", "uploadId": upload, "partFirstByte": 0,
        "partLastByte": content.len() - 1, "layerPartBlob": STANDARD.encode(content),
    });
    call(test, "UploadLayerPart", part).await;
    let digest = Digest::sha256_of(content).to_string();
    let end = json!({"repositoryName": "wharf-advisories", "uploadId": upload, "layerDigests": [digest]});
    call(test, "CompleteLayerUpload", end).await;
    digest
}

fn import_of(digest: &str, feed: &str) -> Value {
    json!({"repositoryName": "wharf-advisories", "layerDigest": digest, "feed": feed})
}

async fn import(test: &TestApp, content: &[u8]) -> Value {
    let digest = upload(test, content).await;
    let asked = call(test, "ImportAdvisories", import_of(&digest, MAIN)).await;
    assert_eq!(asked["name"], MAIN);
    work_off(&test.app).await;
    described(test, MAIN).await
}

async fn described(test: &TestApp, name: &str) -> Value {
    let mut answer = call(test, "DescribeAdvisories", json!({"names": [name]})).await;
    assert_eq!(answer["files"].as_array().expect("a list").len(), 1, "{answer}");
    answer["files"][0].take()
}

#[tokio::test]
async fn each_file_of_each_feed_is_told() {
    let test = server(true).await;
    let told = call(&test, "DescribeAdvisories", json!({})).await;
    assert_eq!((&told["isOffline"], &told["maxDataAgeHours"]), (&json!(true), &json!(336)));
    let status: Vec<(&str, &str)> = told["files"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|file| (file["name"].as_str().expect("a name"), file["status"].as_str().expect("a status")))
        .collect();
    assert_eq!(status, [("alpine/v3.20/community", "NOT_WANTED"), (MAIN, "NOT_WANTED"), ("debian", "OFF")]);
    let file = &told["files"][1];
    assert_eq!(
        file["feed"],
        json!({
            "name": "alpine", "url": "https://secdb.alpinelinux.org/v3.20/main.json", "form": "secdb",
            "packaging": "none", "ecosystems": ["Alpine"], "release": "3.20", "role": "AUTHORITATIVE",
            "licence": file["feed"]["licence"], "intervalMinutes": file["feed"]["intervalMinutes"], "maxBytes": 4000,
        })
    );
    assert!(file["feed"]["licence"].as_str().is_some_and(|licence| !licence.is_empty()));
    // What no feed has any more is told too, as it is still there.
    let kept = test.app.db.write(|tx| store::tables::advisory_feeds::want(tx, "gone/1").map(drop));
    kept.await.map_err(|error: StoreError| error).expect("noted");
    let gone = described(&test, "gone/1").await;
    assert_eq!((&gone["status"], &gone["feed"]), (&json!("REMOVED"), &Value::Null));
}

#[tokio::test]
async fn only_who_runs_the_server_may() {
    let test = server(false).await;
    let digest = upload(&test, b"{}").await;
    let stranger = root_key(OTHER_ACCOUNT);
    let nobody = test.user(ACCOUNT, "nobody", None).await;
    let allowed = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["wharf:DescribeAdvisories",
        "wharf:UpdateAdvisories", "wharf:ImportAdvisories"], "Resource": "*"}}"#;
    let keeper = test.user(ACCOUNT, "keeper", Some(allowed)).await;
    for (operation, input) in [
        ("DescribeAdvisories", json!({})),
        ("UpdateAdvisories", json!({"names": ["alpine"]})),
        ("ImportAdvisories", import_of(&digest, MAIN)),
    ] {
        let other = call_as(&test, &stranger, operation, input.clone()).await.expect_err("another account");
        assert!(other.starts_with("AccessDeniedException: Only principals of account"), "{operation}: {other}");
        let denied = call_as(&test, &nobody, operation, input.clone()).await.expect_err("without permission");
        assert!(denied.contains(&format!("perform: wharf:{operation}")), "{operation}: {denied}");
        let outcome = call_as(&test, &keeper, operation, input).await;
        match operation {
            // What is in the layer is the repository's to show.
            "ImportAdvisories" => {
                let denied = outcome.expect_err("without the layer");
                assert!(denied.contains("perform: ecr:GetDownloadUrlForLayer"), "{denied}");
            }
            _ => drop(outcome.expect(operation)),
        }
    }
}

#[tokio::test]
async fn updates_are_asked_for_by_name_or_for_all_that_is_wanted() {
    let test = server(false).await;
    assert_eq!(call(&test, "UpdateAdvisories", json!({})).await, json!({"files": []}));
    let asked = call(&test, "UpdateAdvisories", json!({"names": [MAIN]})).await;
    assert_eq!(asked, json!({"files": [MAIN]}));
    let file = described(&test, MAIN).await;
    assert_eq!((&file["status"], &file["update"]["status"]), (&json!("PENDING"), &json!("WAITING")));
    assert!(file["nextAttemptAt"].is_number());
    assert_eq!(call(&test, "UpdateAdvisories", json!({})).await, json!({"files": [MAIN]}));
    let both = call(&test, "UpdateAdvisories", json!({"names": ["alpine", MAIN]})).await;
    assert_eq!(both, json!({"files": ["alpine/v3.20/community", MAIN]}));
    for (name, code) in
        [("alpine/v9/main", "AdvisoryFeedNotFoundException"), ("debian", "AdvisoryFeedDisabledException")]
    {
        let said = refused(&test, "UpdateAdvisories", json!({"names": [MAIN, name]})).await;
        assert!(said.starts_with(&format!("{code}: ")) && said.contains(name), "{said}");
    }
    let offline = server(true).await;
    let said = refused(&offline, "UpdateAdvisories", json!({"names": [MAIN]})).await;
    assert!(said.starts_with("OfflineException: ") && said.contains("wharf advisories import"), "{said}");
    assert_eq!(described(&offline, MAIN).await["isWanted"], json!(false));
}

#[tokio::test]
async fn a_file_is_imported_without_a_network() {
    let test = server(true).await;
    let file = import(&test, &secdb(&[("openssl", "CVE-2024-0001"), ("zlib", "CVE-2024-0002")])).await;
    assert_eq!((&file["status"], &file["revision"], &file["records"]), (&json!("CURRENT"), &json!(1), &json!(2)));
    assert_eq!((&file["checkedAt"], &file["nextAttemptAt"]), (&file["changedAt"], &Value::Null));
    assert_eq!((&file["import"], &file["isWanted"]), (&Value::Null, &json!(true)));
    // What is no such file changes nothing, and says why.
    for (content, why) in [
        (&b"no advisories at all"[..], "the file cannot be used: "),
        (
            b"{\"packages\": []}",
            "What was in force stays. Files of the feed 'alpine' are of the form secdb, not packed; this one begins as JSON does",
        ),
        (b"\x1f\x8b\x08\0", "this one begins as a gzip file does"),
    ] {
        let file = import(&test, content).await;
        assert_eq!((&file["status"], &file["revision"], &file["records"]), (&json!("CURRENT"), &json!(1), &json!(2)));
        assert_eq!(file["import"]["status"], "DEAD");
        let said = file["import"]["lastError"].as_str().expect("why");
        assert!(said.contains(why), "{said}");
    }
    test.clock.advance_ms(15 * DAY_MS);
    let file = described(&test, MAIN).await;
    assert_eq!((&file["status"], &file["isStale"]), (&json!("STALE"), &json!(true)));
    let file = import(&test, &secdb(&[("openssl", "CVE-2024-0001")])).await;
    assert_eq!((&file["status"], &file["revision"], &file["records"]), (&json!("CURRENT"), &json!(2), &json!(1)));
    assert_eq!(file["import"], Value::Null);
}

#[tokio::test]
async fn what_cannot_be_imported_is_refused_at_once() {
    let test = server(true).await;
    let digest = upload(&test, &secdb(&[("openssl", "CVE-2024-0001")])).await;
    let large = upload(&test, &[b'x'; 4_001]).await;
    let absent = Digest::sha256_of(b"absent").to_string();
    for (layer, feed, text) in [
        (
            &digest,
            "alpine",
            "ValidationException: 'feed' must name one of the 2 files of the feed 'alpine', such as 'al",
        ),
        (&digest, "debian", "AdvisoryFeedDisabledException: The feed of advisories 'debian' is switched off"),
        (&digest, "nobody", "AdvisoryFeedNotFoundException: There is no feed of advisories 'nobody'"),
        (&absent, MAIN, "LayersNotFoundException: "),
        (&large, MAIN, "ValidationException: 'layerDigest' must have at most 4000 bytes"),
        (&"x".to_owned(), MAIN, "ValidationException: 'layerDigest' must be"),
    ] {
        let said = refused(&test, "ImportAdvisories", import_of(layer, feed)).await;
        assert!(said.starts_with(text), "{said}");
    }
    assert_eq!(described(&test, MAIN).await["isWanted"], json!(false));
}

#[tokio::test]
async fn an_import_and_an_update_wait_for_each_other() {
    let test = server(false).await;
    call(&test, "UpdateAdvisories", json!({"names": [MAIN]})).await;
    // Another node is at the update.
    let now_ms = test.app.now_ms();
    let taken = test.app.db.write(move |tx| {
        jobs::take_due(tx, &Taking::of_all(UpdateAdvisories::KIND, "another node", now_ms, now_ms + 30_000, 1))
    });
    let taken = taken.await.map_err(|error: StoreError| error).expect("taken").remove(0);
    let file = import(&test, &secdb(&[("openssl", "CVE-2024-0001")])).await;
    assert_eq!((&file["revision"], &file["import"]["status"]), (&json!(0), &json!("WAITING")));
    // It has put the update back; that would come first, but waits for what was asked for.
    let put_back = test.app.db.write(move |tx| jobs::put_back(tx, &taken, now_ms, None));
    put_back.await.map_err(|error: StoreError| error).expect("put back");
    work_off(&test.app).await;
    let file = described(&test, MAIN).await;
    assert_eq!((&file["update"]["status"], &file["update"]["attempts"]), (&json!("WAITING"), &json!(0)));
    assert_eq!((&file["attemptedAt"], &file["failure"]), (&Value::Null, &Value::Null), "nothing was fetched");
    test.clock.advance_ms(1_000);
    let app = Arc::clone(&test.app);
    let forgotten = app.db.write(|tx| jobs::cancel(tx, UpdateAdvisories::KIND, MAIN));
    forgotten.await.map_err(|error: StoreError| error).expect("forgotten");
    work_off(&test.app).await;
    let file = described(&test, MAIN).await;
    assert_eq!((&file["revision"], &file["import"]), (&json!(1), &Value::Null));
}
