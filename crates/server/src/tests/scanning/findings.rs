//! What is told of what scans have found.

use scan::advisory::{Rating, State};
use scan::matching::{Class, Evidence};
use scan::os::Os;
use scan::package::{Package, PackageKind, SourcePackage};
use scan::severity::{Judge, Judged, Severity};
use scanning::report::{Exploited, Finding, Place, Report, ReportedPackage, ReportedProblem, UsedFeed, Vulnerability};
use serde_json::{Value, json};
use store::tables::scanning_configurations::ScanType;

use super::fixtures::{IMAGE, Scanned};
use crate::tests::test_app::{ACCOUNT, START_MS};

const LAYER_DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const HOUR_MS: i64 = 60 * 60 * 1000;

fn finding(vulnerability: &str, severity: Severity, name: &str, version: &str, packages: &[usize]) -> Finding {
    Finding {
        vulnerability: vulnerability.to_owned(),
        aliases: Vec::new(),
        name: name.to_owned(),
        version: version.to_owned(),
        packages: packages.to_vec(),
        judged: Judged { severity, by: Judge::Vendor },
        fixed_in: None,
        state: State::Affected,
        class: Class::Runtime,
        evidence: Vec::new(),
        first_seen_ms: START_MS,
        last_seen_ms: START_MS + 1000,
    }
}

/// Three findings: of a package of the system, of one of a language, and of one that nobody says anything of.
pub fn report() -> Report {
    let system = |name: &str| ReportedPackage {
        package: Package {
            arch: "amd64".to_owned(),
            source: Some(SourcePackage { name: "openssl".to_owned(), version: "1:3.0.11-1".to_owned() }),
            ..Package::installed(PackageKind::Dpkg, name, "1:3.0.11-1")
        },
        layer: 0,
        places: vec![Place { path: "var/lib/dpkg/status".to_owned(), within: None, owner: None }],
    };
    let npm = ReportedPackage {
        package: Package::installed(PackageKind::Npm, "lodash", "4.17.20"),
        layer: 0,
        places: ["app/node_modules/lodash/package.json", "b/node_modules/lodash/package.json"]
            .map(|path| Place { path: path.to_owned(), within: None, owner: None })
            .into(),
    };
    let rating = |source: &str, version, vector: &str, score| Rating {
        source: source.to_owned(),
        version,
        vector: vector.to_owned(),
        score,
    };
    let openssl = Vulnerability {
        description: "A fault in openssl.".to_owned(),
        references: vec!["https://tracker.example/CVE-2026-1".to_owned(), "https://example.com/more".to_owned()],
        ratings: vec![rating("NVD", 3, "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8)],
        published: Some("2026-01-02".to_owned()),
        modified: Some("2026-01-03T04:05:06Z".to_owned()),
        vendor_severity: Some("critical".to_owned()),
        ..Vulnerability::default()
    };
    let lodash = Vulnerability {
        exploited: Some(Exploited {
            added: "2026-02-01".to_owned(),
            due: "2026-03-01".to_owned(),
            is_ransomware: true,
        }),
        likelihood: Some(0.5),
        percentile: Some(0.9),
        ..Vulnerability::default()
    };
    let evidence = Evidence {
        source: "debian".to_owned(),
        record: "CVE-2026-1".to_owned(),
        modified: None,
        name: "openssl".to_owned(),
        version: "1:3.0.11-1".to_owned(),
        range: "before 1:3.0.11-2".to_owned(),
        rule: "the version is in the range".to_owned(),
    };
    let report = Report {
        system: Some(Os::named("debian", "12", "Debian")),
        end_of_life: Some("2028-06-30".to_owned()),
        layers: vec![LAYER_DIGEST.to_owned()],
        packages: vec![system("libssl3"), system("openssl"), npm],
        vulnerabilities: [("CVE-2026-1".to_owned(), openssl), ("CVE-2026-2".to_owned(), lodash)].into(),
        feeds: vec![UsedFeed { name: "debian".to_owned(), revision: 3, checked_at_ms: START_MS - HOUR_MS }],
        ..Report::default()
    };
    Report {
        findings: vec![
            Finding {
                aliases: vec!["GHSA-aaaa".to_owned()],
                fixed_in: Some("3.0.11-2".to_owned()),
                evidence: vec![evidence],
                ..finding("CVE-2026-1", Severity::Critical, "openssl", "1:3.0.11-1", &[0, 1])
            },
            finding("CVE-2026-2", Severity::High, "lodash", "4.17.20", &[2]),
            finding("CVE-2025-3", Severity::Undefined, "openssl", "1:3.0.11-1", &[0, 1]),
        ],
        ..report
    }
}

fn by_tag() -> Value {
    json!({"repositoryName": "app", "imageId": {"imageTag": "v1"}})
}

async fn scanned(scan_type: ScanType, report: &Report) -> (Scanned, String) {
    let test = Scanned::new(true).await;
    if scan_type == ScanType::Enhanced {
        let rules = json!([{
            "scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}],
        }]);
        test.call("PutRegistryScanningConfiguration", json!({"scanType": "ENHANCED", "rules": rules})).await;
    }
    let digest = test.push("app", "one", Some("v1"), IMAGE).await;
    test.end("app", &digest, scan_type, Some(report)).await;
    (test, digest)
}

#[tokio::test]
async fn basic_findings() {
    let (test, digest) = scanned(ScanType::Basic, &report()).await;
    let (at, counts) = (START_MS as f64 / 1000.0, json!({"CRITICAL": 1, "HIGH": 1, "UNDEFINED": 1}));
    let attribute = |key: &str, value: &str| json!({"key": key, "value": value});
    let expected = json!({
        "registryId": ACCOUNT,
        "repositoryName": "app",
        "imageId": {"imageDigest": digest, "imageTag": "v1"},
        "imageScanStatus": {"status": "COMPLETE", "description": "The scan was completed successfully."},
        "imageScanFindings": {
            "imageScanCompletedAt": at,
            "vulnerabilitySourceUpdatedAt": at,
            "findingSeverityCounts": counts,
            "findings": [
                {
                    "name": "CVE-2026-1",
                    "description": "A fault in openssl.",
                    "uri": "https://tracker.example/CVE-2026-1",
                    "severity": "CRITICAL",
                    "attributes": [
                        attribute("package_name", "openssl"),
                        attribute("package_version", "1:3.0.11-1"),
                        attribute("CVSS3_SCORE", "9.8"),
                        attribute("CVSS3_VECTOR", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"),
                    ],
                },
                {
                    "name": "CVE-2026-2",
                    "uri": "https://cve.mitre.org/cgi-bin/cvename.cgi?name=CVE-2026-2",
                    "severity": "HIGH",
                    "attributes": [attribute("package_name", "lodash"), attribute("package_version", "4.17.20")],
                },
                {
                    "name": "CVE-2025-3",
                    "uri": "https://cve.mitre.org/cgi-bin/cvename.cgi?name=CVE-2025-3",
                    "severity": "UNDEFINED",
                    "attributes": [attribute("package_name", "openssl"), attribute("package_version", "1:3.0.11-1")],
                },
            ],
        },
    });
    assert_eq!(test.call("DescribeImageScanFindings", by_tag()).await, expected);

    // Page by page it is the same, with the counts of all on each.
    let mut input = by_tag();
    input["maxResults"] = json!(1);
    let mut found = Vec::new();
    loop {
        let page = test.call("DescribeImageScanFindings", input.clone()).await;
        assert_eq!(page["imageScanFindings"]["findingSeverityCounts"], counts);
        found.extend(page["imageScanFindings"]["findings"].as_array().expect("a list").clone());
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(json!(found), expected["imageScanFindings"]["findings"]);
}

#[tokio::test]
async fn an_image_that_was_not_read_whole_is_said_to_be_so() {
    let problem =
        ReportedProblem { layer: 0, path: Some("a.jar".to_owned()), what: "it is nested too deep".to_owned() };
    let layer = ReportedProblem { layer: 0, path: None, what: "the layer ends in the middle".to_owned() };
    let of_file = "The image was analysed in part: a.jar: it is nested too deep.";
    let of_layer = "The image was analysed in part: the layer ends in the middle.";
    for scan_type in [ScanType::Basic, ScanType::Enhanced] {
        let done = if scan_type == ScanType::Basic { "COMPLETE" } else { "ACTIVE" };
        for (problem, found, status, says) in [
            (&problem, Report::default(), "FAILED", of_file),
            (&problem, report(), done, of_file),
            // What was found is told, and that this is not all.
            (&layer, report(), "FAILED", of_layer),
            (&layer, Report::default(), "FAILED", of_layer),
        ] {
            let has_findings = !found.findings.is_empty();
            let (test, _) = scanned(scan_type, &Report { problems: vec![problem.clone()], ..found }).await;
            let described = test.call("DescribeImageScanFindings", by_tag()).await;
            assert_eq!(described["imageScanStatus"], json!({"status": status, "description": says}));
            assert_eq!(described.get("imageScanFindings").is_some(), has_findings, "{described}");
            let own = test.call("DescribeImageScan", by_tag()).await;
            let platform = &own["platforms"][0];
            assert_eq!((&platform["scan"]["status"], &platform["scan"]["isWhole"]), (&json!(status), &json!(false)));
            assert_eq!(platform["found"]["problems"][0]["reason"], problem.what.as_str());
            assert_eq!(own["findings"].as_array().is_some_and(|findings| !findings.is_empty()), has_findings);
        }
    }
}

#[tokio::test]
async fn one_vulnerability_may_have_several_fixes() {
    let fixed_in = |version: &str| Finding {
        fixed_in: Some(version.to_owned()),
        ..finding("CVE-2026-7", Severity::High, "foo", "1.0-1", &[0])
    };
    let several = Report { findings: vec![fixed_in("1.0-5"), fixed_in("1.0-6")], ..report() };
    for (scan_type, member) in [(ScanType::Basic, "findings"), (ScanType::Enhanced, "enhancedFindings")] {
        let (test, _) = scanned(scan_type, &several).await;
        let all = test.call("DescribeImageScanFindings", by_tag()).await;
        let all = all["imageScanFindings"].clone();
        assert_eq!(
            (all["findingSeverityCounts"].clone(), all[member].as_array().map(Vec::len)),
            (json!({"HIGH": 2}), Some(2))
        );
        if scan_type == ScanType::Enhanced {
            assert_ne!(all[member][0]["findingArn"], all[member][1]["findingArn"]);
        }
        for (operation, at) in [
            ("DescribeImageScanFindings", format!("/imageScanFindings/{member}")),
            ("DescribeImageScan", "/findings".to_owned()),
        ] {
            let mut input = by_tag();
            input["maxResults"] = json!(1);
            let first = test.call(operation, input.clone()).await;
            input["nextToken"] = first["nextToken"].clone();
            let second = test.call(operation, input).await;
            assert!(second.get("nextToken").is_none(), "{operation}");
            if at != "/imageScanFindings/findings" {
                // Basic findings do not tell of fixes.
                assert_ne!(first.pointer(&at), second.pointer(&at), "{operation}");
            }
            assert_eq!(second.pointer(&at).and_then(Value::as_array).map(Vec::len), Some(1), "{operation}");
        }
    }
}

#[tokio::test]
async fn enhanced_findings() {
    let (test, digest) = scanned(ScanType::Enhanced, &report()).await;
    let described = test.call("DescribeImageScanFindings", by_tag()).await;
    let status = json!({"status": "ACTIVE", "description": "Continuous scan is selected for image."});
    assert_eq!(described["imageScanStatus"], status);
    let findings = &described["imageScanFindings"];
    assert!(findings.get("findings").is_none(), "{findings}");
    assert_eq!(findings["findingSeverityCounts"], json!({"CRITICAL": 1, "HIGH": 1, "UNDEFINED": 1}));
    let found = findings["enhancedFindings"].as_array().expect("a list");
    let names: Vec<&Value> = found.iter().map(|one| &one["packageVulnerabilityDetails"]["vulnerabilityId"]).collect();
    assert_eq!(names, ["CVE-2026-1", "CVE-2026-2", "CVE-2025-3"]);
    let mut first = found[0].clone();
    let arn = first["findingArn"].take();
    let prefix = format!("arn:aws:inspector2:us-east-1:{ACCOUNT}:finding/");
    let id = arn.as_str().and_then(|arn| arn.strip_prefix(&prefix)).expect("an ARN");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let (at, later) = (START_MS as f64 / 1000.0, (START_MS + 1000) as f64 / 1000.0);
    let vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    let expected = json!({
        "awsAccountId": ACCOUNT,
        "description": "A fault in openssl.",
        "findingArn": null,
        "firstObservedAt": at,
        "lastObservedAt": later,
        "updatedAt": later,
        "packageVulnerabilityDetails": {
            "cvss": [{"baseScore": 9.8, "scoringVector": vector, "source": "NVD", "version": "3.1"}],
            "referenceUrls": ["https://tracker.example/CVE-2026-1", "https://example.com/more"],
            "relatedVulnerabilities": ["GHSA-aaaa"],
            "source": "DEBIAN_CVE",
            "sourceUrl": "https://tracker.example/CVE-2026-1",
            "vendorCreatedAt": 1_767_312_000.0,
            "vendorSeverity": "critical",
            "vendorUpdatedAt": 1_767_413_106.0,
            "vulnerabilityId": "CVE-2026-1",
            "vulnerablePackages": [{
                "arch": "AMD64",
                "epoch": 1,
                "name": "openssl",
                "packageManager": "OS",
                "release": "1",
                "sourceLayerHash": LAYER_DIGEST,
                "version": "3.0.11",
                "fixedInVersion": "0:3.0.11-2",
            }],
        },
        "remediation": {"recommendation": {"text": "Update openssl to version 3.0.11-2"}},
        "resources": [{
            "details": {"awsEcrContainerImage": {
                "architecture": "amd64",
                "imageHash": digest,
                "imageTags": ["v1"],
                "platform": "DEBIAN_12",
                "pushedAt": at,
                "registry": ACCOUNT,
                "repositoryName": "app",
            }},
            "id": format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/app/{digest}"),
            "type": "AWS_ECR_CONTAINER_IMAGE",
        }],
        "score": 9.8,
        "scoreDetails": {"cvss": {
            "adjustments": [], "score": 9.8, "scoreSource": "NVD", "scoringVector": vector, "version": "3.1",
        }},
        "severity": "CRITICAL",
        "status": "ACTIVE",
        "title": "CVE-2026-1 - libssl3, openssl",
        "type": "PACKAGE_VULNERABILITY",
        "fixAvailable": "YES",
        "exploitAvailable": "NO",
    });
    assert_eq!(first, expected);
    let package = |path: &str| {
        json!({
            "filePath": path, "name": "lodash", "packageManager": "NODEPKG", "sourceLayerHash": LAYER_DIGEST,
            "version": "4.17.20",
        })
    };
    let packages =
        json!([package("app/node_modules/lodash/package.json"), package("b/node_modules/lodash/package.json"),]);
    assert_eq!(found[1]["packageVulnerabilityDetails"]["vulnerablePackages"], packages);
    assert_eq!((&found[1]["exploitAvailable"], &found[1]["fixAvailable"]), (&json!("YES"), &json!("NO")));
}

#[tokio::test]
async fn wharfs_own_operations_tell_more() {
    let (test, digest) = scanned(ScanType::Basic, &report()).await;
    let described = test.call("DescribeImageScan", by_tag()).await;
    let platform = &described["platforms"][0];
    assert_eq!((&platform["imageDigest"], &platform["platform"]), (&json!(digest), &json!("linux/amd64")));
    assert_eq!((&platform["scan"]["status"], &platform["scan"]["cause"]), (&json!("COMPLETE"), &json!("PUSH")));
    let found = &platform["found"];
    assert_eq!(found["findingSeverityCounts"], json!({"CRITICAL": 1, "HIGH": 1, "UNDEFINED": 1}));
    assert_eq!((&found["packageCount"], &found["operatingSystem"]["endOfLife"]), (&json!(3), &json!("2028-06-30")));
    assert_eq!((&found["feeds"][0]["name"], &found["feeds"][0]["ageSeconds"]), (&json!("debian"), &json!(3600)));
    // What is known to be exploited stands before what is more severe.
    let findings = described["findings"].as_array().expect("a list");
    let names: Vec<&Value> = findings.iter().map(|one| &one["vulnerability"]).collect();
    assert_eq!(names, ["CVE-2026-2", "CVE-2026-1", "CVE-2025-3"]);
    assert_eq!(findings[0]["exploited"], json!({"added": "2026-02-01", "due": "2026-03-01", "isRansomware": true}));
    assert_eq!(findings[1]["packages"][0]["paths"], json!(["var/lib/dpkg/status"]));
    assert_eq!((&findings[1]["fixedIn"], &findings[1]["state"]), (&json!("3.0.11-2"), &json!("AFFECTED")));

    let listed = test.call("ListImageScanCounts", json!({"repositoryName": "app"})).await;
    assert_eq!(listed["images"][0]["findingSeverityCounts"], found["findingSeverityCounts"]);

    for (name, other) in [("CVE-2026-1", "GHSA-aaaa"), ("GHSA-aaaa", "CVE-2026-1")] {
        let mut input = by_tag();
        input["vulnerability"] = json!(name);
        let explained = test.call("ExplainImageFinding", input).await;
        let packages = explained["packages"].as_array().expect("a list");
        let names: Vec<&Value> = packages.iter().map(|package| &package["name"]).collect();
        assert_eq!(names, ["libssl3", "openssl"], "{name}");
        assert_eq!(packages[0]["evidence"][0]["range"], "before 1:3.0.11-2");
        assert_eq!((&packages[0]["layerDigest"], &packages[0]["isFound"]), (&json!(LAYER_DIGEST), &json!(true)));
        assert_eq!(packages[0]["layerCreatedBy"], "COPY one");
        let judged = |package: &Value| [package["severity"].clone(), package["severitySource"].clone()];
        assert_eq!(judged(&packages[0]), [json!("CRITICAL"), json!("VENDOR")]);
        let source = [&packages[0]["sourceName"], &packages[0]["sourceVersion"]];
        assert_eq!(source, [&json!("openssl"), &json!("1:3.0.11-1")]);
        // What it is.
        assert_eq!(
            (&explained["aliases"], &explained["description"]),
            (&json!([other]), &json!("A fault in openssl."))
        );
        assert_eq!(explained["references"][0], "https://tracker.example/CVE-2026-1");
        let vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
        let rating = json!({"source": "NVD", "version": 3, "vector": vector, "score": 9.8});
        assert_eq!(explained["ratings"], json!([rating]));
        assert_eq!((explained.get("exploited"), explained.get("likelihood")), (None, None));
    }
    let mut input = by_tag();
    input["vulnerability"] = json!("CVE-2026-2");
    let explained = test.call("ExplainImageFinding", input).await;
    assert_eq!(explained["exploited"], json!({"added": "2026-02-01", "due": "2026-03-01", "isRansomware": true}));
    assert_eq!((&explained["likelihood"], &explained["percentile"]), (&json!(0.5), &json!(0.9)));

    // Lines of an image's history are for those who may read its config.
    let statement = json!({"Effect": "Deny", "Principal": "*", "Action": "ecr:GetDownloadUrlForLayer"});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    test.call("SetRepositoryPolicy", json!({"repositoryName": "app", "policyText": policy})).await;
    let mut input = by_tag();
    input["vulnerability"] = json!("CVE-2026-1");
    let explained = test.call("ExplainImageFinding", input).await;
    assert_eq!(explained["packages"][0]["layerDigest"], json!(LAYER_DIGEST));
    assert_eq!(explained["packages"][0].get("layerCreatedBy"), None);
}
