//! `wharf advisories`.

use serde_json::{Value, json};

use super::{run, run_with};
use crate::Outcome;

fn file(name: &str, more: Value) -> Value {
    let mut file = json!({
        "name": name, "status": "CURRENT", "isEnabled": true, "isWanted": true, "isStale": false, "revision": 3,
        "records": 12, "brokenRecords": 0, "checkedAt": 1_795_221_302.0, "nextAttemptAt": 1_795_232_102.0,
        "feed": {
            "name": name.split('/').next(), "url": format!("https://example.com/{name}.json"), "form": "secdb",
            "packaging": "none", "ecosystems": ["Alpine"], "release": "3.20", "role": "AUTHORITATIVE",
            "licence": "CC-BY-SA-4.0", "intervalMinutes": 360, "maxBytes": 1000,
        },
    });
    let Value::Object(more) = more else { return file };
    for (name, value) in more {
        match value {
            Value::Null => drop(file.as_object_mut().map(|file| file.remove(&name))),
            value => file[name] = value,
        }
    }
    file
}

fn answer(is_offline: bool, files: &[Value]) -> (u16, String) {
    (200, json!({"isOffline": is_offline, "maxDataAgeHours": 336, "files": files}).to_string())
}

const MAIN: &str = "alpine/v3.20/main";

#[tokio::test]
async fn status() {
    let never = json!({"status": "PENDING", "revision": 0, "records": 0, "checkedAt": null, "update": {"status": "RUNNING", "attempts": 1}});
    let failed = json!({"status": "STALE", "isStale": true, "failure": "its host is not available: no route", "brokenRecords": 2});
    let off = json!({"isWanted": false, "status": "NOT_WANTED"});
    let files = [file(MAIN, json!({})), file("debian", never), file("ours", failed), file("osv-npm", off)];
    let ran = run(&["advisories", "status"], vec![answer(false, &files)]).await;
    assert_eq!(ran.requests, ["Wharf_20261121.DescribeAdvisories {}"]);
    assert_eq!(
        ran.text(),
        "Advisories may be 336 hours old\n\
         FEED               FOR          REVISION  RECORDS        CHECKED  NEXT   STATE\n\
         alpine/v3.20/main  Alpine 3.20  3         12             1h ago   in 2h  current\n\
         debian             Alpine 3.20  -         -              -        in 2h  not fetched yet, being fetched\n\
         ours               Alpine 3.20  3         12 (2 broken)  1h ago   in 2h  too old: its host is not available: no route\n"
    );
    let none = run(&["advisories", "status"], vec![answer(true, &[])]).await;
    assert!(
        none.text().contains("this server fetches none (scanning.offline)") && none.text().contains("None are wanted")
    );
    let json = run(&["advisories", "status", "--output", "json"], vec![answer(false, &files[..1])]).await;
    let told: Value = serde_json::from_str(json.text()).expect("JSON");
    assert_eq!(
        (&told["files"][0]["checkedAt"], &told["maxDataAgeHours"]),
        (&json!("2026-11-21T00:35:02Z"), &json!(336))
    );
    let coloured = run_with(&["advisories", "status"], vec![answer(false, &files[..1])], true).await;
    assert!(coloured.text().contains("\u{1b}[1mFEED"), "{}", coloured.text());
}

#[tokio::test]
async fn sources() {
    let files =
        [file(MAIN, json!({})), file("alpine/v3.20/community", json!({})), file("debian", json!({"isEnabled": false}))];
    let ran = run(&["advisories", "sources"], vec![answer(false, &files)]).await;
    let lines: Vec<&str> = ran.text().lines().take(3).collect();
    assert_eq!(
        lines,
        [
            "FEED    FOR     FORM                ON   LICENCE       URL",
            "alpine  Alpine  secdb (not packed)  on   CC-BY-SA-4.0  https://example.com/alpine/v3.20/main.json and 1 more",
            "debian  Alpine  secdb (not packed)  off  CC-BY-SA-4.0  https://example.com/debian.json",
        ]
    );
    assert!(ran.text().contains("[[advisories.feeds]]") && ran.text().contains("docs/advisories.md"));
    let json = run(&["advisories", "sources", "--output", "json"], vec![answer(false, &files)]).await;
    let told: Value = serde_json::from_str(json.text()).expect("JSON");
    assert_eq!(told[0]["files"][1]["name"], "alpine/v3.20/community");

    let ran = run(&["advisories", "sources", "alpine"], vec![answer(false, &files[..2])]).await;
    assert_eq!(ran.requests, [r#"Wharf_20261121.DescribeAdvisories {"names":["alpine"]}"#]);
    assert_eq!(
        ran.text(),
        "Feed       alpine\nFor        Alpine\nForm       secdb (not packed)\nSwitched   on\nLicence    CC-BY-SA-4.0\n\
         Asked for  every 6h\nFiles      2\n\n\
         FILE                    RELEASE  URL\n\
         alpine/v3.20/main       3.20     https://example.com/alpine/v3.20/main.json\n\
         alpine/v3.20/community  3.20     https://example.com/alpine/v3.20/community.json\n"
    );
    let json = run(&["advisories", "sources", "alpine", "--output", "json"], vec![answer(false, &files[..2])]).await;
    let told: Value = serde_json::from_str(json.text()).expect("JSON");
    assert_eq!((told.as_array().map(Vec::len), &told[0]["packaging"]), (Some(1), &json!("none")));
    let ran = run(&["advisories", "sources", "alpin"], vec![answer(false, &[])]).await;
    assert_eq!(ran.error().to_string(), "there is no feed 'alpin': `wharf advisories sources` lists them");
}

#[tokio::test]
async fn update() {
    let asked = |files: &[&str]| (200, json!({ "files": files }).to_string());
    let ran = run(&["advisories", "update"], vec![asked(&[])]).await;
    assert!(ran.text().starts_with("No advisories are wanted yet"));
    let ran = run(&["advisories", "update", "alpine"], vec![asked(&[MAIN, "alpine/v3.20/community"])]).await;
    assert_eq!(ran.text(), "2 files are asked for; `wharf advisories status` shows how far they are\n");
    assert_eq!(ran.requests, [r#"Wharf_20261121.UpdateAdvisories {"names":["alpine"]}"#]);
    let under_way = file("ours", json!({"update": {"status": "WAITING", "attempts": 0}}));
    let answers = |last: Value| {
        vec![asked(&["ours"]), answer(false, std::slice::from_ref(&under_way)), answer(false, &[file("ours", last)])]
    };
    let ran = run(&["advisories", "update", "ours", "--wait"], answers(json!({"revision": 4}))).await;
    assert!(ran.text().contains("ours  Alpine 3.20  4") && ran.requests.len() == 3, "{}", ran.text());
    let failed = run(&["advisories", "update", "ours", "--wait"], answers(json!({"failure": "it is cut off"}))).await;
    assert!(failed.text().ends_with("current: it is cut off\n"), "{}", failed.text());
    assert!(matches!(failed.result, Ok(Outcome::No)));
    let dead = json!({"update": {"status": "DEAD", "attempts": 3, "lastError": "no room"}});
    let failed = run(&["advisories", "update", "ours", "--wait"], answers(dead)).await;
    assert!(failed.text().ends_with("current; the last update failed: no room\n"), "{}", failed.text());
    assert!(matches!(failed.result, Ok(Outcome::No)));
}

#[tokio::test]
async fn import() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("main.json");
    std::fs::write(&path, "advisories").expect("written");
    let path = path.to_str().expect("text");
    let begun = || (200, json!({"uploadId": "u", "partSize": 4}).to_string());
    let good = || (200, "{}".to_owned());
    let refused = |code: &str| (400, json!({"__type": code, "message": "no"}).to_string());
    let asked = || (200, json!({"name": MAIN, "revision": 3}).to_string());
    let upload = vec![
        answer(true, &[file(MAIN, json!({}))]),
        refused("RepositoryNotFoundException"),
        good(),
        begun(),
        good(),
        refused("LayerAlreadyExistsException"),
        asked(),
        answer(true, &[file(MAIN, json!({"import": {"status": "RUNNING", "attempts": 1}}))]),
    ];
    let with = |last: Value| [upload.clone(), vec![answer(true, &[file(MAIN, last)])]].concat();
    let ran = run(&["advisories", "import", MAIN, path], with(json!({"revision": 4, "brokenRecords": 1}))).await;
    assert_eq!(ran.text(), "alpine/v3.20/main is in force as revision 4: 12 records, 1 more could not be read\n");
    let names: Vec<&str> = ran.requests.iter().filter_map(|line| line.split([' ', '.']).nth(1)).collect();
    assert_eq!(
        names,
        [
            "DescribeAdvisories",
            "InitiateLayerUpload",
            "CreateRepository",
            "InitiateLayerUpload",
            "UploadLayerPart",
            "CompleteLayerUpload",
            "ImportAdvisories",
            "DescribeAdvisories",
            "DescribeAdvisories",
        ]
    );
    assert!(ran.requests[4].contains(r#""partFirstByte":0,"partLastByte":9"#), "{}", ran.requests[4]);
    let digest = oci::Digest::sha256_of(b"advisories");
    let last = format!(
        r#"Wharf_20261121.ImportAdvisories {{"feed":"{MAIN}","layerDigest":"{digest}","repositoryName":"wharf-advisories"}}"#
    );
    assert_eq!(ran.requests[6], last);
    let ran = run(&["advisories", "import", MAIN, path, "--force"], with(json!({"revision": 4}))).await;
    assert!(ran.requests[6].contains(r#""feed":"alpine/v3.20/main","force":true,"#), "{}", ran.requests[6]);
    let dead =
        json!({"import": {"status": "DEAD", "attempts": 1, "lastError": "the file cannot be used: it is empty"}});
    let ran = run(&["advisories", "import", MAIN, path], with(dead)).await;
    let said = ran.error().to_string();
    assert!(said.ends_with("it was not imported as alpine/v3.20/main: the file cannot be used: it is empty"), "{said}");
    for (files, text) in [
        (vec![], "there is no feed 'alpine': `wharf advisories sources` lists them"),
        (vec![file(MAIN, json!({"isEnabled": false}))], "is switched off: `enabled = true`"),
        (
            vec![file(MAIN, json!({})), file("alpine/x", json!({}))],
            "has 2 files: name the one that it is, such as alpine/v3",
        ),
    ] {
        let ran = run(&["advisories", "import", "alpine", path], vec![answer(true, &files)]).await;
        assert!(ran.error().to_string().contains(text), "{}", ran.error());
    }
    let ran = run(&["advisories", "import", MAIN, "/nowhere"], vec![answer(true, &[file(MAIN, json!({}))])]).await;
    assert!(ran.error().to_string().starts_with("/nowhere: "));
}
