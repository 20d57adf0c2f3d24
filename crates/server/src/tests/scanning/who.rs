//! Who may ask for scans and read what they found, and with which key in order.

use account_services::kms_api;
use api::protocols::service::Service;
use ecr_services::ecr;
use registry_services::admin_api;
use serde_json::{Value, json};
use store::tables::scanning_configurations::ScanType;

use super::findings::report;
use super::fixtures::{IMAGE, Scanned};
use crate::tests::test_app::{ACCOUNT, OTHER_ACCOUNT, root_key};

/// What starts scans, and tells of them.
const OPERATIONS: [(&Service, &str); 7] = [
    (&ecr::SERVICE, "StartImageScan"),
    (&ecr::SERVICE, "DescribeImageScanFindings"),
    (&ecr::SERVICE, "BatchGetRepositoryScanningConfiguration"),
    (&admin_api::SERVICE, "StartImageScan"),
    (&admin_api::SERVICE, "DescribeImageScan"),
    (&admin_api::SERVICE, "ExplainImageFinding"),
    (&admin_api::SERVICE, "ListImageScanCounts"),
];

fn input(repository: &str) -> Value {
    json!({
        "registryId": ACCOUNT,
        "repositoryName": repository,
        "repositoryNames": [repository],
        "imageId": {"imageTag": "v1"},
        "vulnerability": "CVE-2026-1",
    })
}

#[tokio::test]
async fn nobody_sees_the_scans_of_another_account() {
    let test = Scanned::new(true).await;
    let digest = test.push("app", "one", Some("v1"), IMAGE).await;
    test.end("app", &digest, ScanType::Basic, Some(&report())).await;
    let policy = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["ecr:*", "wharf:*"],
        "Resource": "arn:aws:ecr:us-east-1:123456789012:repository/elsewhere"}}"#;
    let (stranger, elsewhere) = (root_key(OTHER_ACCOUNT), test.user(ACCOUNT, "elsewhere", Some(policy)).await);
    for (service, operation) in OPERATIONS {
        for key in [&stranger, &elsewhere] {
            let answer = test.try_call_of(&[service], key, operation, input("app")).await;
            // What names no registry is about the caller's own.
            if operation.starts_with("BatchGet") && key == &stranger {
                assert_eq!(answer.expect("its own")["failures"][0]["failureCode"], "REPOSITORY_NOT_FOUND");
                continue;
            }
            let refused = answer.expect_err(operation);
            assert!(refused.starts_with("AccessDeniedException"), "{operation}: {refused}");
        }
        test.try_call_of(&[service], &root_key(ACCOUNT), operation, input("app")).await.expect(operation);
        if operation == "StartImageScan" {
            test.end("app", &digest, ScanType::Basic, Some(&report())).await;
        }
    }
    // The other account's configuration is its own.
    let rules = json!([{
        "scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}],
    }]);
    let put = json!({"scanType": "ENHANCED", "rules": rules});
    test.try_call(&stranger, "PutRegistryScanningConfiguration", put).await.expect("its own");
    let found = test.call("GetRegistryScanningConfiguration", json!({})).await;
    assert_eq!(found["scanningConfiguration"], json!({"scanType": "BASIC", "rules": []}));
}

#[tokio::test]
async fn without_its_key_nothing_of_a_repository_is_told() {
    let test = Scanned::new(false).await;
    let key = test.try_call_of(&[&kms_api::SERVICE], &root_key(ACCOUNT), "CreateKey", json!({})).await.expect("a key");
    let arn = &key["KeyMetadata"]["Arn"];
    let encryption = json!({"encryptionType": "KMS", "kmsKey": arn});
    let with = json!({"encryptionConfiguration": encryption, "imageScanningConfiguration": {"scanOnPush": true}});
    test.create("sealed", with).await;
    let digest = test.push("sealed", "one", Some("v1"), IMAGE).await;
    test.end("sealed", &digest, ScanType::Basic, Some(&report())).await;
    let (root, key_id) = (root_key(ACCOUNT), json!({"KeyId": key["KeyMetadata"]["KeyId"]}));
    for (switch, is_told) in [("DisableKey", false), ("EnableKey", true)] {
        test.try_call_of(&[&kms_api::SERVICE], &root, switch, key_id.clone()).await.expect(switch);
        for (service, operation) in OPERATIONS {
            // A scan that began would hide what the last one found.
            if operation.starts_with("BatchGet") || (is_told && operation == "StartImageScan") {
                continue;
            }
            let answer = test.try_call_of(&[service], &root, operation, input("sealed")).await;
            assert_eq!(answer.is_ok(), is_told, "{switch} {operation}: {answer:?}");
            if let Err(refused) = answer {
                assert!(refused.starts_with("KmsException"), "{operation}: {refused}");
            }
        }
    }
}
