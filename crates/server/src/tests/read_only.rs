//! What an operation says of itself, whether it changes anything, is what CloudTrail's `readOnly` says of it.

use std::collections::HashMap;

use access::auth::caller::Caller;
use access::web_identity::SourceConfig;
use api::protocols::operation::Call;
use serde_json::json;

use super::test_app::{ACCOUNT, TestApp, root_key};
use crate::services::SERVICES;

/// What the names of Amazon's operations begin with that CloudTrail calls reads.
const READING: [&str; 9] =
    ["Get", "List", "Describe", "BatchGet", "BatchCheck", "Lookup", "Simulate", "Explain", "AssumeRole"];
/// Reads by other names.
const OTHER_READS: [&str; 2] = [
    // Wharf's own: what RunLifecyclePolicy would do.
    "DryRunLifecyclePolicy",
    "ValidatePullThroughCacheRule",
];

fn is_read(name: &str) -> bool {
    READING.iter().any(|verb| name.starts_with(verb)) || OTHER_READS.contains(&name)
}

#[test]
fn each_operation_says_of_itself_what_cloudtrail_says_of_it() {
    let entries = || SERVICES.all().iter().flat_map(|service| service.operations.iter().copied().flatten());
    assert!(entries().count() > 150, "all of them");
    for entry in entries() {
        assert_eq!(entry.is_read_only, is_read(entry.name), "{}", entry.name);
    }
    // What takes no signature is recorded as a read, whatever it is.
    for open in SERVICES.all().iter().flat_map(|service| service.unsigned) {
        assert!(is_read(open.name), "{}", open.name);
    }
}

/// How many requests must come to their end when an operation has run for somebody.
async fn unfinished_after(test: &TestApp, caller: Caller, name: &str) -> usize {
    let http = test.request();
    let entry = SERVICES.all().iter().find_map(|service| service.entry(name)).expect("an operation");
    let input = json!({ "repositoryName": "app" }).to_string();
    let _ = (entry.run)(&Call::new(&test.app, &http, caller), input.as_bytes()).await;
    test.app.unfinished.count()
}

#[tokio::test]
async fn only_what_is_allowed_and_changes_something_goes_on_without_its_client() {
    let test = TestApp::new(SourceConfig { allow_private_networks: false, files: HashMap::new() }).await;
    let key = test.user(ACCOUNT, "nobody", None).await;
    assert_eq!(unfinished_after(&test, test.caller(&key), "CreateRepository").await, 0, "it is denied");
    let root = || test.caller(&root_key(ACCOUNT));
    assert_eq!(unfinished_after(&test, root(), "CreateRepository").await, 1);
    for read in ["DryRunLifecyclePolicy", "DescribeRepositories", "ListDeletedImages"] {
        assert_eq!(unfinished_after(&test, root(), read).await, 0, "{read} changes nothing");
    }
}
