//! `wharf replication backfill`.

use serde_json::{Value, json};

use super::run;

const ID: &str = "0b8c0f6e-8e9a-4a6e-9d5b-7c1c2f1d3e4f";
const TARGET: &str = "AmazonEC2ContainerRegistry_V20150921";

fn backfill(status: &str, progress: Option<Value>) -> Value {
    let mut answer = json!({
        "registryId": "123456789012", "replicationBackfillId": ID, "status": status, "startedAt": 1_795_224_902.0,
        "destination": { "region": "eu-west-1", "registryId": "210987654321" },
    });
    if let Some(progress) = progress {
        answer["progress"] = progress;
    }
    answer
}

#[tokio::test]
async fn start_stop_and_list() {
    let arguments = ["replication", "backfill", "start", "--to-region", "eu-west-1", "--to-account", "210987654321"];
    let ran = run(&arguments, vec![(200, backfill("PREPARING", None).to_string())]).await;
    assert_eq!(
        ran.text(),
        format!(
            "Back-fill    {ID}\nDestination  210987654321/eu-west-1\nStatus       PREPARING\n\
             Replicated   not known yet\nStarted      2026-11-21 01:35:02 UTC\n"
        )
    );
    let wanted = r#"{"destination":{"region":"eu-west-1","registryId":"210987654321"}}"#;
    assert_eq!(ran.requests, [format!("{TARGET}.StartReplicationBackfill {wanted}")]);

    let ran = run(&["replication", "backfill", "stop", ID], vec![(200, backfill("STOPPING", None).to_string())]).await;
    assert!(ran.text().contains("STOPPING"));
    assert_eq!(ran.requests, [format!(r#"{TARGET}.StopReplicationBackfill {{"replicationBackfillId":"{ID}"}}"#)]);

    let progress = json!({ "totalReplicationCount": 9, "completedReplicationCount": 7, "failedReplicationCount": 2 });
    let pages =
        [json!({ "backfills": [backfill("COMPLETE", Some(progress))], "nextToken": "7" }), json!({ "backfills": [] })];
    let pages = pages.iter().map(|page| (200, page.to_string())).collect();
    let ran = run(&["replication", "backfill", "list"], pages).await;
    assert_eq!(
        ran.text().lines().nth(1),
        Some(&*format!("{ID}  210987654321/eu-west-1  COMPLETE  7 of 9, 2 failed  2026-11-21 01:35:02 UTC"))
    );
    assert_eq!(ran.requests[1], format!(r#"{TARGET}.ListReplicationBackfills {{"nextToken":"7"}}"#));
}

#[tokio::test]
async fn status_names_what_failed() {
    let mut page = backfill("IN_PROGRESS", None);
    let image = json!({ "imageDigest": "sha256:0123456789abcdef", "imageTag": "v1" });
    page["results"] =
        json!([{ "repositoryName": "app", "imageId": image, "status": "FAILED", "failureCode": "AccessDenied" }]);
    let ran = run(&["replication", "backfill", "status", ID], vec![(200, page.to_string())]).await;
    assert!(ran.text().ends_with("Failed:\n  app:v1@sha256:0123456789ab…: AccessDenied\n"), "{}", ran.printed);
    let ran = run(&["replication", "backfill", "status", ID, "--output", "json"], vec![(200, page.to_string())]).await;
    let answer: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!(answer["failures"][0]["failureCode"], "AccessDenied");
    assert_eq!(answer["startedAt"], "2026-11-21T01:35:02Z");
}
