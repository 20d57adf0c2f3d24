//! `wharf scan explain`: what it prints, and how it ends.

use serde_json::{Value, json};

use super::run;
use super::scans::{DIGEST, code, done, ok, package, platform, requests, scan};

fn explained(is_found: bool, rule: &str) -> Value {
    let mut package = package("dpkg", "libssl3", "3.0.1", &["var/lib/dpkg/status"]);
    package["imageDigest"] = DIGEST.into();
    package["arch"] = "amd64".into();
    package["isFound"] = is_found.into();
    package["layerCreatedBy"] = "RUN apt-get \n\tinstall openssl".into();
    package["evidence"] = json!([{
        "feed": "debian", "record": "CVE-2026-1", "modified": "2026-03-01", "name": "openssl", "version": "3.0.1",
        "range": "before 3.0.2", "rule": rule,
    }]);
    if is_found {
        package["fixedIn"] = "3.0.2".into();
    }
    package
}

fn explanation(packages: &[Value]) -> (u16, String) {
    ok(&json!({
        "registryId": "123456789012", "repositoryName": "app", "imageId": { "imageDigest": DIGEST },
        "vulnerability": "CVE-2026-1", "packages": packages,
    }))
}

#[tokio::test]
async fn what_it_is_and_what_gets_its_fix_together() {
    let with = |name: &str, arch: &str, path: &str| {
        let mut package = explained(true, "the version is in the range");
        for (member, value) in [
            ("name", name),
            ("arch", arch),
            ("sourceName", "openssl"),
            ("sourceVersion", "3.0.1"),
            ("severity", "HIGH"),
            ("severitySource", "NATIONAL_CVSS"),
        ] {
            package[member] = value.into();
        }
        package["paths"] = json!([path]);
        package
    };
    let mut other = with("openssl", "amd64", "opt/status");
    other["layerDigest"] = "sha256:ff".into();
    let packages =
        [with("libssl3", "amd64", "b/status"), with("libcrypto3", "arm64", "a/status"), other, explained(false, "no")];
    let mut answer = json!({
        "registryId": "123456789012", "repositoryName": "app", "imageId": { "imageDigest": DIGEST },
        "vulnerability": "CVE-2026-1", "packages": packages, "aliases": ["GHSA-xxxx"],
        "description": "It reads\n\n too far.", "references": ["https://a.example", "https://b.example", "https://c.example", "https://d.example"],
        "ratings": [
            { "source": "nvd", "version": 3, "vector": "CVSS:3.1/AV:N", "score": 7.5 },
            { "source": "debian", "version": 2, "score": 5.0 },
        ],
        "exploited": { "added": "2026-01-01", "due": "2026-02-01", "isRansomware": true },
        "likelihood": 0.045_8, "percentile": 0.97, "modified": "2026-03-01",
    });
    let asked = ["scan", "explain", "app:v1", "CVE-2026-1"];
    let ran = run(&asked, vec![ok(&done(&[])), ok(&answer)]).await;
    let blocks: Vec<&str> = ran.text().split("\n\n").collect();
    assert_eq!(blocks.len(), 5, "{}", ran.text());
    assert_eq!(
        blocks[1],
        "Names      GHSA-xxxx\n\
         About      It reads too far.\n\
         CVSS       7.5 by nvd (CVSS:3.1/AV:N)\n           5.0 by debian (version 2)\n\
         Exploited  known since 2026-01-01, also by ransomware; CISA has it fixed until 2026-02-01\n\
         EPSS       4.58% within 30 days, percentile 97.00%\n\
         See        https://a.example\n           https://b.example\n           https://c.example"
    );
    assert_eq!(
        blocks[2],
        "Packages  libssl3 3.0.1 (dpkg, amd64, of the source openssl)\n          \
                   libcrypto3 3.0.1 (dpkg, arm64, of the source openssl)\n\
         Answer    affected, fixed in 3.0.2\n\
         Severity  HIGH (by the CVSS of the CVE's own record)\n\
         Files     a/status\n          b/status\n\
         Layer     sha256:0123456789abcdef\n\
         Made by   RUN apt-get install openssl\n\
         Record    CVE-2026-1 of debian, modified 2026-03-01\n          \
                   openssl 3.0.1 against before 3.0.2: the version is in the range"
    );
    assert!(blocks[3].starts_with("Package   openssl 3.0.1 (dpkg, amd64)\n"), "{}", blocks[3]);
    let ran = run(&[&asked[..], &["--output", "json"]].concat(), vec![ok(&done(&[])), ok(&answer)]).await;
    let shown: Value = serde_json::from_str(ran.text()).expect("JSON");
    for member in
        ["aliases", "description", "references", "ratings", "exploited", "likelihood", "percentile", "packages"]
    {
        assert_eq!(shown[member], answer[member], "{member}");
    }
    // One record may have several ranges.
    let range = |record: &str, range: &str| json!({ "feed": "osv", "record": record, "name": "a", "version": "2", "range": range, "rule": "it is not in it" });
    answer["packages"][2]["evidence"] =
        json!([range("GHSA-1", "before 1"), range("GHSA-1", "from 3"), range("GHSA-2", "all")]);
    let ran = run(&asked, vec![ok(&done(&[])), ok(&answer)]).await;
    let records = "Record    GHSA-1 of osv\n          a 2 against before 1: it is not in it\n          \
                   a 2 against from 3: it is not in it\n\
                   Record    GHSA-2 of osv\n          a 2 against all: it is not in it\n\n";
    assert!(ran.text().contains(records), "{}", ran.text());

    // That it is not on the list is said where there is the list.
    answer.as_object_mut().expect("an object").remove("exploited");
    let mut listed = done(&[]);
    listed["platforms"][0]["found"]["feeds"][0]["name"] = "kev".into();
    for (state, expected) in [(&done(&[]), 0), (&listed, 1)] {
        let ran = run(&asked, vec![ok(state), ok(&answer)]).await;
        assert_eq!(ran.text().matches("Exploited  not known to be").count(), expected, "{}", ran.text());
    }
    for (source, said) in [
        ("VENDOR", "HIGH (the word of debian)"),
        ("VENDOR_CVSS", "HIGH (by the CVSS of debian)"),
        ("ELSEWHERE", "HIGH (the word of another advisory on it)"),
        ("NOBODY", "HIGH (nobody has rated it)"),
        ("A_NEW_ONE", "HIGH (a new one)"),
    ] {
        answer["packages"][0]["severitySource"] = source.into();
        let ran = run(&asked, vec![ok(&done(&[])), ok(&answer)]).await;
        assert!(ran.text().contains(said), "{source}: {}", ran.text());
    }
}

#[tokio::test]
async fn why_it_is_said() {
    let asked = ["scan", "explain", "app:v1", "CVE-2026-1"];
    let not = explained(false, "the version is not in the range");
    let answers = vec![ok(&done(&[])), explanation(&[not.clone(), explained(true, "the version is in the range")])];
    let ran = run(&asked, answers).await;
    let affected = "Package  libssl3 3.0.1 (dpkg, amd64)\n\
         Answer   affected, fixed in 3.0.2\n\
         Files    var/lib/dpkg/status\n\
         Layer    sha256:0123456789abcdef\n\
         Made by  RUN apt-get install openssl\n\
         Record   CVE-2026-1 of debian, modified 2026-03-01\n         \
                  openssl 3.0.1 against before 3.0.2: the version is in the range";
    let blocks: Vec<&str> = ran.text().split("\n\n").collect();
    assert_eq!(blocks[0], "app:v1 has CVE-2026-1");
    assert_eq!(blocks[1], affected);
    assert!(blocks[2].contains("not found: the version is not in the range"), "{}", blocks[2]);
    assert_eq!(code(&ran), 0);
    assert_eq!(requests(&ran)[1].1["imageId"], json!({ "imageDigest": DIGEST }));

    let ran = run(&asked, vec![ok(&done(&[])), explanation(&[not])]).await;
    assert!(ran.text().starts_with("app:v1 is not said to have CVE-2026-1\n"), "{}", ran.text());
    assert_eq!(code(&ran), 0);

    let ran = run(&asked, vec![ok(&done(&[])), explanation(&[])]).await;
    assert_eq!(
        ran.text(),
        "app:v1 has nothing to do with CVE-2026-1: no advisory in force tells of it in a package that is installed\n\
         Advisories: debian (2h old)\n"
    );
    assert_eq!(code(&ran), 1);

    // The server has nothing to explain of it.
    let mut failed = scan(&[platform(DIGEST, "linux/amd64", "FAILED")], &[]);
    failed["platforms"][0]["scan"]["description"] = "advisories are old".into();
    let ran = run(&asked, vec![ok(&failed)]).await;
    assert_eq!(
        ran.error().to_string(),
        "it is not known whether app:v1 has anything to do with CVE-2026-1: the scan failed: advisories are old"
    );

    let mut part = done(&[]);
    part["platforms"][0]["scan"]["isWhole"] = false.into();
    let ran = run(&asked, vec![ok(&part), explanation(&[])]).await;
    assert_eq!(
        ran.error().to_string(),
        "it is not known whether app:v1 has anything to do with CVE-2026-1: it was analysed in part"
    );
    let ran = run(
        &["scan", "--output", "json", "explain", "app:v1", "CVE-2026-1"],
        vec![ok(&part), explanation(&[explained(true, "r")])],
    )
    .await;
    let shown: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!(shown["packages"][0]["evidence"][0]["rule"], "r");
    assert_eq!(shown["unknown"], json!(["it was analysed in part"]));
    for given in [&["--no-wait"][..], &["--fail-on", "low"], &["app:v2"]] {
        let ran = run(&[&["scan"], given, &["explain", "app:v1", "CVE-2026-1"]].concat(), Vec::new()).await;
        assert!(ran.error().to_string().contains("without `explain`"), "{given:?}");
    }
    let ran = run(&["scan", "explain", "app:v1", "CVE-2026-1", "--output", "sarif"], Vec::new()).await;
    assert!(ran.error().to_string().contains("not as sarif"));
}
