//! Asking for scans, and how far they are.

use api::protocols::service::Service;
use registry_services::admin_api;
use scanning::report::Report;
use serde_json::{Value, json};
use store::tables::scanning_configurations::ScanType;
use upkeep::background::work_off;

use super::fixtures::{IMAGE, Made, Scanned, sorted};
use crate::tests::test_app::{ACCOUNT, root_key};

const OWN: [&Service; 1] = [&admin_api::SERVICE];
const ABSENT: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn by_tag(tag: &str) -> Value {
    json!({"repositoryName": "app", "imageId": {"imageTag": tag}})
}

async fn refused(test: &Scanned, operation: &str, input: Value) -> String {
    test.try_call(&root_key(ACCOUNT), operation, input).await.expect_err("refused")
}

async fn enhanced(test: &Scanned) {
    let rules = json!([{
        "scanFrequency": "CONTINUOUS_SCAN",
        "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}],
    }]);
    test.call("PutRegistryScanningConfiguration", json!({"scanType": "ENHANCED", "rules": rules})).await;
}

#[tokio::test]
async fn a_scan_is_asked_for_and_goes_on() {
    let test = Scanned::new(false).await;
    let digest = test.push("app", "one", Some("v1"), IMAGE).await;
    let started = test.call("StartImageScan", by_tag("v1")).await;
    let expected = json!({
        "registryId": ACCOUNT,
        "repositoryName": "app",
        "imageId": {"imageDigest": digest, "imageTag": "v1"},
        "imageScanStatus": {"status": "IN_PROGRESS"},
    });
    assert_eq!(started, expected);
    let first = test.scans("app", ScanType::Basic).await.pop().expect("asked for").1;
    test.clock.advance_ms(1000);
    test.call("StartImageScan", by_tag("v1")).await;
    let second = test.scans("app", ScanType::Basic).await.pop().expect("asked for").1;
    assert_eq!(second, first, "it has not ended");
    let described = test.call("DescribeImageScanFindings", by_tag("v1")).await;
    assert_eq!(described["imageScanStatus"], json!({"status": "IN_PROGRESS"}));
    assert!(described.get("imageScanFindings").is_none(), "{described}");

    // Without the quota it can be asked for as soon as it has ended.
    test.end("app", &digest, ScanType::Basic, Some(&Report::default())).await;
    test.call("StartImageScan", json!({"repositoryName": "app", "imageId": {"imageDigest": digest}})).await;
    let third = test.scans("app", ScanType::Basic).await.pop().expect("asked for").1;
    assert_eq!((third.requested_at_ms, third.ended_at_ms), (test.now_ms(), None));
    assert_eq!(test.jobs().await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_scanned_says_why() {
    let test = Scanned::new(false).await;
    let digest = test.push("app", "one", Some("v1"), IMAGE).await;
    let chart = Made { config: "application/vnd.cncf.helm.config.v1+json", ..IMAGE };
    test.push("app", "chart", Some("chart"), chart).await;
    let within = format!("in the repository with name 'app' in the registry with id '{ACCOUNT}'");
    for (operation, id, text) in [
        (
            "StartImageScan",
            json!({"imageDigest": ABSENT}),
            format!(
                "ImageNotFoundException: The image with imageId {{imageDigest:'{ABSENT}', imageTag:'null'}} does not \
                 exist with{within}"
            ),
        ),
        (
            "DescribeImageScanFindings",
            json!({"imageTag": "absent"}),
            format!(
                "ImageNotFoundException: The image with imageId {{imageDigest:'null', imageTag:'absent'}} does not \
                 exist with{within}"
            ),
        ),
        (
            "DescribeImageScanFindings",
            json!({"imageTag": "v1"}),
            format!(
                "ScanNotFoundException: Image scan does not exist for the image with '{{imageDigest:'null', \
                 imageTag:'v1'}}' {within}"
            ),
        ),
        (
            "StartImageScan",
            json!({"imageTag": "chart"}),
            "UnsupportedImageTypeException: The image is of a type that cannot be scanned".to_owned(),
        ),
    ] {
        let input = json!({"repositoryName": "app", "imageId": id});
        assert_eq!(refused(&test, operation, input).await, text);
    }
    let gone = json!({"repositoryName": "gone", "imageId": {"imageTag": "v1"}});
    assert!(refused(&test, "StartImageScan", gone).await.starts_with("RepositoryNotFoundException"));

    let archive = json!({
        "repositoryName": "app", "imageId": {"imageDigest": digest}, "targetStorageClass": "ARCHIVE",
    });
    test.call("UpdateImageStorageClass", archive).await;
    work_off(&test.app).await;
    assert!(refused(&test, "StartImageScan", by_tag("v1")).await.starts_with("ImageArchivedException"));
    let described = test.call("DescribeImageScanFindings", by_tag("v1")).await;
    assert_eq!(described["imageScanStatus"]["status"], "IMAGE_ARCHIVED");
    assert!(described.get("imageScanFindings").is_none(), "{described}");
}

#[tokio::test]
async fn with_enhanced_scanning_only_wharfs_own_operation_starts_scans() {
    let test = Scanned::new(false).await;
    test.push("app", "one", Some("v1"), IMAGE).await;
    enhanced(&test).await;
    assert_eq!(refused(&test, "StartImageScan", by_tag("v1")).await, "ValidationException: This feature is disabled");
    let flag = json!({"repositoryName": "app", "imageScanningConfiguration": {"scanOnPush": true}});
    assert_eq!(
        refused(&test, "PutImageScanningConfiguration", flag).await,
        "ValidationException: This feature is disabled"
    );
    let key = root_key(ACCOUNT);
    test.try_call_of(&OWN, &key, "StartImageScan", by_tag("v1")).await.expect("asked for");
    assert_eq!(test.asked("app", ScanType::Enhanced).await.len(), 1);
    assert!(test.asked("app", ScanType::Basic).await.is_empty());
    let described = test.call("DescribeImageScanFindings", by_tag("v1")).await;
    assert_eq!(described["imageScanStatus"], json!({"status": "PENDING"}));
}

#[tokio::test]
async fn an_index_is_scanned_by_its_images() {
    let test = Scanned::new(false).await;
    let (one, other) = (test.push("app", "one", None, IMAGE).await, test.push("app", "other", None, IMAGE).await);
    let attestation = Made { layer: "application/vnd.in-toto+json", ..IMAGE };
    let about = test.push("app", r#"{"predicateType": "sbom"}"#, None, attestation).await;
    let index = test.push_index("app", &[&one, &other, &about], Some("v1")).await;
    // While only one of them was asked for, the others are waited for by nobody.
    let (of_one, by_digest) =
        (json!({"imageDigest": one}), |id: &Value| json!({"repositoryName": "app", "imageId": id}));
    test.call("StartImageScan", by_digest(&of_one)).await;
    let described = test.call("DescribeImageScanFindings", by_tag("v1")).await;
    assert_eq!(described["imageScanStatus"], json!({"status": "IN_PROGRESS"}));
    test.end("app", &one, ScanType::Basic, Some(&Report::default())).await;
    assert!(refused(&test, "DescribeImageScanFindings", by_tag("v1")).await.starts_with("ScanNotFoundException"));

    let started = test.call("StartImageScan", by_tag("v1")).await;
    assert_eq!(started["imageId"], json!({"imageDigest": index, "imageTag": "v1"}));
    assert_eq!(test.asked("app", ScanType::Basic).await, sorted([&one, &other, &about]));
    test.call_off("app", &about).await;

    // Until the last of them has ended, and found out something, nothing is told.
    test.end("app", &one, ScanType::Basic, Some(&Report::default())).await;
    let described = test.call("DescribeImageScanFindings", by_tag("v1")).await;
    assert_eq!(described["imageScanStatus"], json!({"status": "IN_PROGRESS"}));
    assert!(described.get("imageScanFindings").is_none(), "{described}");
    test.end("app", &other, ScanType::Basic, None).await;
    let described = test.call("DescribeImageScanFindings", by_tag("v1")).await;
    let failed = json!({"status": "FAILED", "description": "There are no advisories for Debian 12"});
    assert_eq!(described["imageScanStatus"], failed);
    assert!(described.get("imageScanFindings").is_none(), "{described}");
    test.call("StartImageScan", json!({"repositoryName": "app", "imageId": {"imageDigest": other}})).await;
    test.end("app", &other, ScanType::Basic, Some(&Report::default())).await;
    let described = test.call("DescribeImageScanFindings", by_tag("v1")).await;
    let complete = json!({"status": "COMPLETE", "description": "The scan was completed successfully."});
    assert_eq!(described["imageScanStatus"], complete);
    assert_eq!(described["imageScanFindings"]["findings"], json!([]));

    let listed = test.call("ListImageScanCounts", json!({"repositoryName": "app"})).await;
    let images = listed["images"].as_array().expect("a list");
    assert_eq!(images.len(), 3, "all but the attestation: {listed}");
    let whole = images.iter().find(|image| image["imageDigest"] == index.as_str()).expect("the index");
    assert_eq!((&whole["scan"]["status"], &whole["findingSeverityCounts"]), (&json!("COMPLETE"), &json!({})));
}

#[tokio::test]
async fn another_image_of_the_same_blobs_takes_no_findings_away() {
    let test = Scanned::new(true).await;
    let digest = test.push("app", "one", Some("v1"), IMAGE).await;
    test.end("app", &digest, ScanType::Basic, Some(&super::findings::report())).await;
    let attestation = Made { layer: "application/vnd.in-toto+json", ..IMAGE };
    assert_ne!(test.push("app", "one", Some("v2"), attestation).await, digest);
    let described = test.call("DescribeImageScanFindings", by_tag("v1")).await;
    assert_eq!(described["imageScanFindings"]["findingSeverityCounts"]["CRITICAL"], 1);
    test.call("StartImageScan", by_tag("v1")).await;
}

#[tokio::test]
async fn the_other_type_of_scanning_has_results_of_its_own() {
    let test = Scanned::new(true).await;
    let digest = test.push("app", "one", Some("v1"), IMAGE).await;
    test.end("app", &digest, ScanType::Basic, Some(&Report::default())).await;
    enhanced(&test).await;
    assert!(refused(&test, "DescribeImageScanFindings", by_tag("v1")).await.starts_with("ScanNotFoundException"));
    test.call("PutRegistryScanningConfiguration", json!({"scanType": "BASIC", "rules": []})).await;
    let described = test.call("DescribeImageScanFindings", by_tag("v1")).await;
    assert_eq!(described["imageScanStatus"]["status"], "COMPLETE");
}

#[tokio::test]
async fn who_follows_events_is_told() {
    let test = Scanned::new(false).await;
    test.call("FollowEvents", json!({"waitSeconds": 0})).await;
    let start = test.call("FollowEvents", json!({"waitSeconds": 0})).await["nextToken"].clone();
    test.create("other", json!({})).await;
    let basic = test.push("app", "one", Some("v1"), IMAGE).await;
    test.call("StartImageScan", by_tag("v1")).await;
    test.end("app", &basic, ScanType::Basic, Some(&super::findings::report())).await;
    enhanced(&test).await;
    test.try_call_of(&OWN, &root_key(ACCOUNT), "StartImageScan", by_tag("v1")).await.expect("asked for");
    test.end("app", &basic, ScanType::Enhanced, Some(&super::findings::report())).await;
    let told = test.call("FollowEvents", json!({"waitSeconds": 0, "nextToken": start, "maxResults": 100})).await;
    let of = |kind: &str| {
        let events = told["events"].as_array().expect("events");
        let found: Vec<_> = events.iter().filter(|event| event["detail-type"] == kind).collect();
        assert_eq!(found.len(), 1, "{kind}: {told}");
        found[0].clone()
    };
    let arn = |name: &str| format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{name}");
    let scanned = of("ECR Image Scan");
    assert_eq!((&scanned["source"], &scanned["resources"]), (&json!("aws.ecr"), &json!([arn("app")])));
    let detail = json!({
        "scan-status": "COMPLETE",
        "repository-name": "app",
        "finding-severity-counts": {"CRITICAL": 1, "HIGH": 1, "UNDEFINED": 1},
        "image-digest": basic,
        "image-tags": ["v1"],
    });
    assert_eq!(scanned["detail"], detail);
    let inspected = of("Inspector2 Scan");
    assert_eq!(inspected["source"], "aws.inspector2");
    let detail = json!({
        "scan-status": "INITIAL_SCAN_COMPLETE",
        "repository-name": arn("app"),
        "finding-severity-counts": {"CRITICAL": 1, "HIGH": 1, "UNDEFINED": 1, "TOTAL": 3},
        "image-digest": basic,
        "image-tags": ["v1"],
    });
    assert_eq!(inspected["detail"], detail);
    let changed = |name: &str| {
        json!({
            "repository-name": name,
            "repository-arn": arn(name),
            "scan-frequency": "CONTINUOUS_SCAN",
            "previous-scan-frequency": "MANUAL",
        })
    };
    let change = of("ECR Scan Resource Change");
    assert_eq!(change["resources"], json!([]));
    let detail = json!({
        "action-type": "SCAN_FREQUENCY_CHANGE",
        "repositories": [changed("app"), changed("other")],
        "resource-type": "REPOSITORY",
        "scan-type": "ENHANCED",
    });
    assert_eq!(change["detail"], detail);
}
