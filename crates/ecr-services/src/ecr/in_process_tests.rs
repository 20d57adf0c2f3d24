//! Operations that are run for a caller in this process, as a page that shows what they answer would.

use access::web_identity::SourceConfig;
use api::protocols::operation::{Call, perform};
use aws::AwsError;
use registry::testing::{ACCOUNT, START_MS, TestRegistry, root_key};
use serde_json::{Value, json};
use store::tables::audit_events::{self, EventFilter};

use super::create_repository::CreateRepository;
use super::describe_repositories::{self, DescribeRepositories};

async fn describe(test: &TestRegistry, key: &str) -> Result<describe_repositories::Output, AwsError> {
    let http = test.request();
    let call = Call::new(&test.app, &http, test.caller(key));
    perform::<DescribeRepositories>(&call, b"{}").await
}

#[tokio::test]
async fn a_caller_in_the_process_takes_the_same_steps_and_gets_typed_output() {
    let test = TestRegistry::new(SourceConfig::default()).await;
    let (root, stranger) = (root_key(ACCOUNT), test.user(ACCOUNT, "stranger", None).await);
    let http = test.request();
    let call = Call::new(&test.app, &http, test.caller(&root));
    let input = json!({ "repositoryName": "app" }).to_string();
    perform::<CreateRepository>(&call, input.as_bytes()).await.expect("created");
    let refused = perform::<CreateRepository>(&call, b"[]").await.err().expect("no structure");
    assert_eq!(refused.code, "SerializationException");

    assert_eq!(describe(&test, &root).await.expect("allowed").repositories.len(), 1);
    let refused = describe(&test, &stranger).await.err().expect("nobody allowed it");
    assert_eq!(refused.code, "AccessDeniedException");

    test.audit.flush(&test.db).await.expect("stored");
    let filter =
        EventFilter { registry: test.registry(), from_ms: START_MS, until_ms: START_MS, attribute: None, before: None };
    let records = test.db.read(move |tx| audit_events::list(tx, &filter, 10)).await.expect("readable");
    let records: Vec<Value> = records.iter().map(|found| serde_json::from_str(&found.record).expect("JSON")).collect();
    // What was only read is not recorded, and what was refused is.
    let created = records.iter().find(|record| record["responseElements"].is_object()).expect("a record");
    assert_eq!(created["eventName"], "CreateRepository");
    assert_eq!(created["responseElements"]["repository"]["repositoryName"], "app");
    assert!(records.iter().any(|record| record["errorCode"] == "SerializationException"), "{records:?}");
}
