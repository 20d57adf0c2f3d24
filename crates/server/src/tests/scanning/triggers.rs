//! What has an image scanned.

use serde_json::{Value, json};
use store::tables::image_scans::{self, EndedScan, ScanCause, ScanStatus, SeverityCounts};
use store::tables::scanning_configurations::ScanType;
use upkeep::background::work_off;

use super::fixtures::{IMAGE, Made, Scanned, sorted};
use crate::tests::test_app::{ACCOUNT, root_key};

const BASIC: ScanType = ScanType::Basic;
const ENHANCED: ScanType = ScanType::Enhanced;

fn rules(scan_type: &str, rules: &[(&str, &str)]) -> Value {
    let rule = |(frequency, filter): &(&str, &str)| {
        json!({
            "scanFrequency": frequency,
            "repositoryFilters": [{"filter": filter, "filterType": "WILDCARD"}],
        })
    };
    json!({"scanType": scan_type, "rules": rules.iter().map(rule).collect::<Vec<_>>()})
}

#[tokio::test]
async fn the_flag_or_a_rule_has_images_scanned() {
    for (flag, put, basic, enhanced) in [
        (false, None, false, false),
        (true, None, true, false),
        (false, Some(rules("BASIC", &[])), false, false),
        (true, Some(rules("BASIC", &[])), true, false),
        (false, Some(rules("BASIC", &[("SCAN_ON_PUSH", "a*")])), true, false),
        (false, Some(rules("BASIC", &[("SCAN_ON_PUSH", "other")])), false, false),
        (false, Some(rules("BASIC", &[("MANUAL", "*")])), false, false),
        (true, Some(rules("ENHANCED", &[])), false, false),
        (false, Some(rules("ENHANCED", &[("SCAN_ON_PUSH", "app")])), false, true),
        (false, Some(rules("ENHANCED", &[("CONTINUOUS_SCAN", "*")])), false, true),
    ] {
        let test = Scanned::new(flag).await;
        if let Some(put) = &put {
            test.call("PutRegistryScanningConfiguration", put.clone()).await;
        }
        test.push("app", "one", Some("v1"), IMAGE).await;
        let asked = (test.asked("app", BASIC).await.len(), test.asked("app", ENHANCED).await.len());
        assert_eq!(asked, (usize::from(basic), usize::from(enhanced)), "{flag} {put:?}");
        assert_eq!(test.jobs().await.len(), usize::from(basic || enhanced), "{flag} {put:?}");
    }
}

#[tokio::test]
async fn an_image_is_scanned_when_it_comes_and_not_when_it_comes_once_more() {
    let test = Scanned::new(false).await;
    let manifest = test.manifest("app", "one", IMAGE).await;
    let digest = test.put("app", &manifest, None).await;
    assert!(test.asked("app", BASIC).await.is_empty());
    let on = json!({"repositoryName": "app", "imageScanningConfiguration": {"scanOnPush": true}});
    test.call("PutImageScanningConfiguration", on).await;
    assert!(test.asked("app", BASIC).await.is_empty(), "it does not come");

    // A tag is enough if it was not scanned yet.
    test.put("app", &manifest, Some("v1")).await;
    let (of, first) = test.scans("app", BASIC).await.pop().expect("asked for");
    assert_eq!((of, first.status, first.cause), (digest, ScanStatus::Pending, ScanCause::Push));
    test.clock.advance_ms(1000);
    test.put("app", &manifest, Some("v2")).await;
    let again = test.scans("app", BASIC).await.pop().expect("asked for").1;
    assert_eq!(again.requested_at_ms, first.requested_at_ms);

    // One that has failed is tried again.
    for (status, is_again) in
        [(ScanStatus::Complete, false), (ScanStatus::UnsupportedImage, true), (ScanStatus::Failed, true)]
    {
        let last = test.scans("app", BASIC).await.pop().expect("asked for").1;
        let ended = EndedScan {
            status,
            description: None,
            source_updated_at_ms: None,
            is_whole: true,
            counts: SeverityCounts::default(),
            report: None,
        };
        let now_ms = test.now_ms();
        let end = test.db.write(move |tx| {
            image_scans::end(tx, (last.image_id, BASIC), last.requested_at_ms, &ended, now_ms)?;
            // For the next round.
            Ok::<_, store::error::StoreError>(())
        });
        end.await.expect("stored");
        test.clock.advance_ms(1000);
        test.put("app", &manifest, Some(status.as_str())).await;
        let now = test.scans("app", BASIC).await.pop().expect("asked for").1;
        assert_eq!(now.status == ScanStatus::Pending, is_again, "{status:?}");
        if !is_again {
            let (image_id, now_ms) = (now.image_id, test.now_ms());
            let ask = test.db.write(move |tx| image_scans::request(tx, image_id, BASIC, ScanCause::Manual, now_ms));
            ask.await.expect("stored");
        }
    }
}

#[tokio::test]
async fn what_is_no_image_is_not_scanned_and_an_index_stands_for_its_images() {
    let test = Scanned::new(true).await;
    for (content, config) in
        [("chart", "application/vnd.cncf.helm.config.v1+json"), ("artifact", "application/vnd.oci.empty.v1+json")]
    {
        test.push("app", content, Some(content), Made { config, ..IMAGE }).await;
        assert!(test.asked("app", BASIC).await.is_empty(), "{content}");
    }
    // Their layers are looked at first.
    for (content, layer) in [
        (r#"{"predicateType": "sbom"}"#, "application/vnd.in-toto+json"),
        (r#"{"critical": {}}"#, "application/vnd.dev.cosign.simplesigning.v1+json"),
    ] {
        let digest = test.push("app", content, None, Made { layer, ..IMAGE }).await;
        assert_eq!(test.asked("app", BASIC).await, [digest.as_str()], "{layer}");
        work_off(&test.app).await;
        assert!(test.asked("app", BASIC).await.is_empty(), "{layer}");
        let scan = json!({"repositoryName": "app", "imageId": {"imageDigest": digest}});
        let refused = test.try_call(&root_key(ACCOUNT), "StartImageScan", scan).await.expect_err("it is no image");
        assert!(refused.starts_with("UnsupportedImageTypeException"), "{refused}");
    }
    let docker = Made {
        config: "application/vnd.docker.container.image.v1+json",
        layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
        subject: None,
    };
    let pushed = test.push("app", "docker", None, docker).await;
    assert_eq!(test.asked("app", BASIC).await, [pushed]);

    // What was pushed when nothing was scanned is scanned when an index with a tag names it.
    test.create("multi", json!({})).await;
    let attestation = Made { layer: "application/vnd.in-toto+json", ..IMAGE };
    let (one, other) = (test.push("multi", "one", None, IMAGE).await, test.push("multi", "other", None, IMAGE).await);
    let about = test.push("multi", r#"{"predicateType": "sbom"}"#, None, attestation).await;
    let index = test.push_index("multi", &[&one, &other, &about], None).await;
    assert!(test.asked("multi", BASIC).await.is_empty());
    test.call("PutRegistryScanningConfiguration", rules("BASIC", &[("SCAN_ON_PUSH", "multi")])).await;
    test.push_index("multi", &[&one, &other, &about], Some("v1")).await;
    work_off(&test.app).await;
    assert_eq!(test.asked("multi", BASIC).await, sorted([&one, &other]));
    assert!(!test.asked("multi", BASIC).await.contains(&index));
}

#[tokio::test]
async fn whatever_of_an_index_may_be_run_is_scanned() {
    let test = Scanned::new(true).await;
    let subject = format!("sha256:{}", "0".repeat(64));
    let made = [
        ("referrer", Made { subject: Some(&subject), ..IMAGE }),
        ("custom layer", Made { layer: "application/vnd.custom.tar+gzip", ..IMAGE }),
        ("no statement", Made { layer: "application/vnd.in-toto+json", ..IMAGE }),
        ("no type at all", Made { layer: "application/octet-stream", ..IMAGE }),
        ("custom config", Made { config: "application/vnd.custom.config+json", ..IMAGE }),
    ];
    let mut digests = Vec::new();
    for (content, made) in made {
        digests.push(test.push("app", content, None, made).await);
    }
    let named: Vec<&str> = digests.iter().map(String::as_str).collect();
    test.push_index("app", &named, Some("v1")).await;
    work_off(&test.app).await;
    let mut expected = digests.clone();
    expected.sort();
    assert_eq!(test.asked("app", BASIC).await, expected);
    // What else is pushed takes none of them away.
    let of_other_kind = Made { layer: "application/vnd.in-toto+json", ..IMAGE };
    test.push("app", "referrer", None, of_other_kind).await;
    let index = json!({"repositoryName": "app", "imageId": {"imageTag": "v1"}});
    let described = test.call("DescribeImageScan", index).await;
    assert_eq!(described["platforms"].as_array().map(Vec::len), Some(expected.len()));
}

#[tokio::test]
async fn an_index_of_more_than_is_looked_at_is_not_known() {
    let test = Scanned::new(true).await;
    let one = test.push("app", "one", None, IMAGE).await;
    let manifest: Value = serde_json::from_str(&test.manifest("app", "one", IMAGE).await).expect("JSON");
    let mut digests = vec![one];
    for number in 0..201 {
        let mut other = manifest.clone();
        other["annotations"] = json!({"number": number.to_string()});
        digests.push(test.put("app", &other.to_string(), None).await);
    }
    let named: Vec<&str> = digests.iter().map(String::as_str).collect();
    test.push_index("app", &named, Some("v1")).await;
    let index = json!({"repositoryName": "app", "imageId": {"imageTag": "v1"}});
    for (digest, _) in test.scans("app", BASIC).await {
        test.end("app", &digest, BASIC, Some(&scanning::report::Report::default())).await;
    }
    let told = test.call("DescribeImageScanFindings", index).await;
    assert_eq!(told["imageScanStatus"]["status"], "FAILED", "{told}");
    assert!(told["imageScanStatus"]["description"].as_str().is_some_and(|why| why.contains("200 manifests")));
    assert!(told.get("imageScanFindings").is_none(), "{told}");
}

#[tokio::test]
async fn what_comes_back_is_scanned() {
    let test = Scanned::new(true).await;
    let digest = test.push("app", "one", Some("v1"), IMAGE).await;
    let first = test.scans("app", BASIC).await.pop().expect("asked for").1;
    let id = json!({"imageDigest": digest});

    // From the archive: what was found before counts no more.
    let class = |class: &str| json!({"repositoryName": "app", "imageId": id, "targetStorageClass": class});
    test.clock.advance_ms(1000);
    test.call("UpdateImageStorageClass", class("ARCHIVE")).await;
    work_off(&test.app).await;
    let archived = test.scans("app", BASIC).await.pop().expect("it stays").1;
    assert_eq!(archived.requested_at_ms, first.requested_at_ms);
    test.clock.advance_ms(1000);
    test.call("UpdateImageStorageClass", class("STANDARD")).await;
    work_off(&test.app).await;
    let back = test.scans("app", BASIC).await.pop().expect("asked for").1;
    assert_eq!(back.cause, ScanCause::Restore);
    assert!(back.requested_at_ms > first.requested_at_ms);

    // Deleted and restored: what was found went with it.
    let images = json!({"repositoryName": "app", "imageIds": [id]});
    test.call("BatchDeleteImage", images.clone()).await;
    assert!(test.asked("app", BASIC).await.is_empty());
    test.call("RestoreImage", images).await;
    let restored = test.scans("app", BASIC).await.pop().expect("asked for");
    assert_eq!((restored.0.as_str(), restored.1.cause), (digest.as_str(), ScanCause::Restore));
}
