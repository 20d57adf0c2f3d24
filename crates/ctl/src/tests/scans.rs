//! `wharf scan`, `wharf findings` and `wharf scan explain`: what they print, and how they end.

use clap::Parser as _;
use serde_json::{Value, json};

use super::{Cli, Ran, run, run_leaving, run_with};
use crate::Outcome;

pub(super) const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaa";
pub(super) const OTHER: &str = "sha256:bbbbbbbbbbbbbbbbbbbb";
pub(super) const AT: f64 = 1_795_224_902.0;

pub(super) fn ok(answer: &Value) -> (u16, String) {
    (200, answer.to_string())
}

fn started() -> (u16, String) {
    ok(&json!({
        "registryId": "123456789012", "repositoryName": "app",
        "imageId": { "imageDigest": DIGEST, "imageTag": "v1" },
    }))
}

/// A platform whose scan has this status.
pub(super) fn platform(digest: &str, name: &str, status: &str) -> Value {
    let is_done = matches!(status, "COMPLETE" | "ACTIVE");
    let mut platform = json!({
        "imageDigest": digest,
        "platform": name,
        "scan": { "status": status, "cause": "MANUAL", "requestedAt": AT, "isWhole": true },
    });
    if !matches!(status, "PENDING" | "IN_PROGRESS") {
        platform["scan"]["endedAt"] = AT.into();
    }
    if is_done {
        platform["found"] = json!({
            "findingSeverityCounts": {}, "packageCount": 12, "skippedPackageCount": 1,
            "operatingSystem": {
                "id": "debian", "version": "12", "release": "12", "name": "Debian GNU/Linux 12 (bookworm)",
                "endOfLife": "2026-06-10",
            },
            "problems": [],
            "feeds": [{ "name": "debian", "revision": 3, "checkedAt": AT, "ageSeconds": 7200 }],
        });
    }
    platform
}

pub(super) fn scan(platforms: &[Value], findings: &[Value]) -> Value {
    json!({
        "registryId": "123456789012", "repositoryName": "app",
        "imageId": { "imageDigest": DIGEST, "imageTag": "v1" },
        "imageStatus": "ACTIVE", "scanType": "BASIC", "platforms": platforms, "findings": findings,
    })
}

/// One platform, whose scan is done.
pub(super) fn done(findings: &[Value]) -> Value {
    scan(&[platform(DIGEST, "linux/amd64", "COMPLETE")], findings)
}

pub(super) fn package(kind: &str, name: &str, version: &str, paths: &[&str]) -> Value {
    json!({
        "kind": kind, "name": name, "version": version, "paths": paths,
        "layerDigest": "sha256:0123456789abcdef",
    })
}

fn finding(vulnerability: &str, severity: &str, fixed_in: Option<&str>, more: &Value) -> Value {
    let mut finding = json!({
        "imageDigest": DIGEST, "vulnerability": vulnerability, "severity": severity,
        "name": "openssl", "version": "3.0.1", "state": "AFFECTED", "class": "RUNTIME",
        "packages": [package("dpkg", "libssl3", "3.0.1", &["var/lib/dpkg/status"])],
        "description": "It reads too far.", "references": ["https://example.com/advisory"],
        "firstSeenAt": AT, "lastSeenAt": AT,
    });
    if let Some(version) = fixed_in {
        finding["fixedIn"] = version.into();
    }
    for (name, value) in more.as_object().into_iter().flatten() {
        finding[name] = value.clone();
    }
    finding
}

/// Findings of all sorts, in no order.
fn sorts() -> Vec<Value> {
    let exploited = json!({ "added": "2026-01-01", "due": "2026-02-01", "isRansomware": true });
    let minimist = json!({
        "name": "minimist", "version": "1.2.0", "likelihood": 0.000_45, "percentile": 0.5,
        "packages": [package("npm", "minimist", "1.2.0", &["app/node_modules/minimist/package.json", "b/c d.json"])],
    });
    vec![
        finding("CVE-2026-5", "HIGH", Some("5.1"), &json!({ "name": "linux", "class": "NOT_RUNTIME" })),
        finding("CVE-2026-4", "UNDEFINED", None, &json!({ "state": "WILL_NOT_FIX" })),
        finding("CVE-2026-3", "HIGH", None, &json!({})),
        finding("CVE-2026-2", "HIGH", Some("1.2.6"), &minimist),
        finding("CVE-2026-1", "MEDIUM", Some("3.0.2"), &json!({ "exploited": exploited })),
    ]
}

pub(super) fn requests(ran: &Ran) -> Vec<(String, Value)> {
    let parts = ran.requests.iter().filter_map(|line| line.strip_prefix("Wharf_20261121.")?.split_once(' '));
    parts.map(|(name, input)| (name.to_owned(), serde_json::from_str(input).expect("JSON"))).collect()
}

/// The exit code that the program would end with.
pub(super) fn code(ran: &Ran) -> u8 {
    match &ran.result {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::No) => 1,
        Err(_) => 2,
    }
}

#[tokio::test]
async fn a_scan_is_waited_for_by_its_digest() {
    let pending = scan(&[platform(DIGEST, "linux/amd64", "PENDING")], &[]);
    let found = done(&sorts());
    let ran = run(&["scan", "app:v1"], vec![started(), ok(&pending), ok(&found), ok(&found)]).await;
    assert_eq!(
        ran.text(),
        "Image       app:v1\n\
         Digest      sha256:aaaaaaaaaaaaaaaaaaaa\n\
         Platform    linux/amd64\n\
         Scan        complete (ended 2026-11-21 01:35:02 UTC, by hand)\n\
         System      Debian GNU/Linux 12 (bookworm); its last day of fixes is 2026-06-10\n\
         Packages    12, 1 of them compared with nothing\n\
         Advisories  debian (2h old)\n\
         \n\
         SEVERITY   VULNERABILITY  PACKAGE            INSTALLED  FIXED IN           KEV         EPSS   WHERE\n\
         MEDIUM     CVE-2026-1     openssl (libssl3)  3.0.1      3.0.2              ransomware  -      layer sha256:0123456789ab…\n\
         HIGH       CVE-2026-2     minimist           1.2.0      1.2.6              -           0.04%  app/node_modules/minimist/package.json and 1 more\n\
         HIGH       CVE-2026-3     openssl (libssl3)  3.0.1      no fix yet         -           -      layer sha256:0123456789ab…\n\
         UNDEFINED  CVE-2026-4     openssl (libssl3)  3.0.1      will not be fixed  -           -      layer sha256:0123456789ab…\n\
         \n\
         1 finding is in packages that do not run (--include-not-runtime counts them):\n\
         SEVERITY  VULNERABILITY  PACKAGE          INSTALLED  FIXED IN  KEV  EPSS  WHERE\n\
         HIGH      CVE-2026-5     linux (libssl3)  3.0.1      5.1       -    -     layer sha256:0123456789ab…\n\
         \n\
         4 findings: 2 HIGH, 1 MEDIUM, 1 UNDEFINED; 1 known to be exploited, 2 with a fix\n"
    );
    assert_eq!(code(&ran), 1);
    let id = json!({ "imageDigest": DIGEST });
    let asked = |size: u32| {
        ("DescribeImageScan".to_owned(), json!({ "repositoryName": "app", "imageId": id, "maxResults": size }))
    };
    let start = json!({ "repositoryName": "app", "imageId": { "imageTag": "v1" } });
    assert_eq!(requests(&ran), [("StartImageScan".to_owned(), start), asked(1), asked(1), asked(500)]);

    let ran = run_with(&["findings", "app:v1"], vec![ok(&done(&sorts()))], true).await;
    let loud: Vec<&str> = ran.text().lines().filter(|line| line.starts_with("\u{1b}[31m")).collect();
    assert!(matches!(loud[..], [line] if line.contains("CVE-2026-1") && line.ends_with("\u{1b}[0m")), "{loud:?}");
}

#[tokio::test]
async fn what_nobody_has_rated_is_not_known_to_be_harmless() {
    let unrated = finding("CVE-2026-4", "UNDEFINED", None, &json!({}));
    let mut part = done(std::slice::from_ref(&unrated));
    part["platforms"][0]["found"]["missingFeeds"] = json!([
        { "name": "cve-list", "tells": "SEVERITY" }, { "name": "kev", "tells": "EXPLOITED" }, { "name": "older" },
    ]);
    let why = "1 finding has no severity, as cve-list was not there to tell it";
    let ran = run(&["findings", "app:v1", "--fail-on", "high"], vec![ok(&part)]).await;
    assert_eq!(code(&ran), 2);
    let error = ran.result.as_ref().expect_err("it is not known").to_string();
    assert!(error.contains(why), "{error}");
    let text = &ran.printed;
    assert!(text.contains("Missing     cve-list, kev, older: what these tell is not known\n"), "{text}");
    assert!(text.contains("1 UNDEFINED; not known which are exploited, 0 with a fix\n"), "{text}");
    assert!(text.ends_with(&format!("None of them is of severity HIGH or above\nNot known: {why}\n")), "{text}");
    let ran = run(&["findings", "app:v1", "--fail-on", "high", "--output", "json"], vec![ok(&part)]).await;
    let shown: Value = serde_json::from_str(&ran.printed).expect("JSON");
    assert_eq!((&shown["verdict"], &shown["unknown"]), (&json!("UNKNOWN"), &json!([why])));
    // What is not shown is as little known.
    for arguments in [&["--severity", "high"][..], &["--severity", "high", "--fail-on", "high"]] {
        let ran = run(&[&["findings", "app:v1"], arguments].concat(), vec![ok(&part)]).await;
        assert_eq!(code(&ran), 2, "{arguments:?}");
        assert!(ran.printed.contains(why), "{}", ran.printed);
    }
    // Whoever asks for any finding has one; where something counts, it does; where all is rated, nothing is missed.
    let high = finding("CVE-2026-3", "HIGH", None, &json!({}));
    let low = finding("CVE-2026-6", "LOW", None, &json!({}));
    for (findings, arguments, expected) in [
        (vec![&unrated], &["--fail-on", "any"][..], 1),
        (vec![&unrated, &high], &["--fail-on", "high"], 1),
        (vec![&low], &["--fail-on", "high"], 0),
        (vec![&unrated], &["--fail-on", "high", "--only-fixed"], 0),
    ] {
        part["findings"] = json!(findings);
        let ran = run(&[&["findings", "app:v1"], arguments].concat(), vec![ok(&part)]).await;
        assert_eq!(code(&ran), expected, "{arguments:?}");
    }
}

#[tokio::test]
async fn what_counts_decides_how_it_ends() {
    for (arguments, expected, told) in [
        (&[][..], 1, "4 findings: 2 HIGH"),
        (&["--fail-on", "critical"], 0, "None of them is of severity CRITICAL"),
        (&["--fail-on", "high"], 1, "2 of them are of severity HIGH or above"),
        (&["--fail-on", "low"], 1, "3 of them are of severity LOW or above"),
        (&["--only-fixed", "--fail-on", "high"], 1, "2 findings: 1 HIGH, 1 MEDIUM"),
        (&["--severity", "high"], 1, "2 findings: 2 HIGH"),
        (&["--severity", "HIGH"], 1, "2 findings: 2 HIGH"),
        (&["--fail-on", "Critical"], 0, "None of them is of severity CRITICAL"),
        (&["--severity", "critical"], 0, "No findings of severity CRITICAL"),
        (&["--severity", "high", "--only-fixed", "--include-not-runtime"], 1, "2 findings: 2 HIGH"),
        (&["--severity", "critical", "--only-fixed"], 0, "No findings of severity CRITICAL that a version fixes"),
    ] {
        let ran = run(&[&["findings", "app"], arguments].concat(), vec![ok(&done(&sorts()))]).await;
        assert!(ran.text().contains(told), "{arguments:?}: {}", ran.text());
        assert_eq!(code(&ran), expected, "{arguments:?}");
        assert_eq!(requests(&ran)[0].1["imageId"], json!({ "imageTag": "latest" }));
    }
    // What does not run counts where it is asked for.
    let headers = finding("CVE-2026-5", "HIGH", None, &json!({ "class": "NOT_RUNTIME" }));
    for (arguments, expected) in [(&[][..], 0), (&["--include-not-runtime"], 1)] {
        let answers = vec![ok(&done(std::slice::from_ref(&headers)))];
        let ran = run(&[&["findings", "app"], arguments].concat(), answers).await;
        assert_eq!(code(&ran), expected, "{}", ran.printed);
        assert!(ran.printed.contains("CVE-2026-5"), "{}", ran.printed);
    }
    let ran = run(&["findings", "app"], vec![ok(&done(&[]))]).await;
    assert!(ran.text().ends_with("\n\nNo findings\n"), "{}", ran.text());
    assert_eq!(code(&ran), 0);
}

#[tokio::test]
async fn no_data_is_not_clean() {
    let with = |status: &str, more: &Value| {
        let mut platform = platform(DIGEST, "linux/amd64", status);
        for (name, value) in more.as_object().into_iter().flatten() {
            platform["scan"][name] = value.clone();
        }
        scan(&[platform], &[])
    };
    let mut archived = done(&[]);
    archived["imageStatus"] = "ARCHIVED".into();
    let mut silent = done(&[]);
    silent["platforms"][0].as_object_mut().expect("an object").remove("found");
    let mut never = silent.clone();
    never["platforms"][0].as_object_mut().expect("an object").remove("scan");
    let both = [platform(DIGEST, "linux/amd64", "COMPLETE"), platform(OTHER, "linux/arm64", "IN_PROGRESS")];
    for (answer, told, so_far) in [
        (
            with("PENDING", &json!({ "description": "advisories come" })),
            "the scan has not begun: advisories come",
            "so far",
        ),
        (with("FAILED", &json!({ "description": "advisories are old" })), "the scan failed: advisories are old", ""),
        (with("UNSUPPORTED_IMAGE", &json!({})), "images of its kind are not supported", ""),
        (with("COMPLETE", &json!({ "isWhole": false })), "it was analysed in part", "in what was analysed"),
        (archived, "the image is archived", "in what was analysed"),
        (silent, "what its scan has found is not told", ""),
        (never, "it was not scanned", ""),
        (scan(&both, &[]), "linux/arm64: the scan has not ended", "so far"),
        (scan(&[], &[]), "there is nothing in it that could be scanned", ""),
    ] {
        for format in ["text", "json", "sarif"] {
            let ran = run(&["findings", "app:v1", "--output", format], vec![ok(&answer)]).await;
            assert_eq!(code(&ran), 2, "{told}");
            let error = ran.result.expect_err("unknown").to_string();
            assert!(!ran.printed.contains("No findings\n"), "{}", ran.printed);
            let unknown = "it is not known whether app:v1 is sound: ";
            if format == "text" {
                // The reason is there once, where it is shown how far the scan is.
                let (what, why) = told.rsplit_once(": advisories").unwrap_or((told, ""));
                assert_eq!(error, format!("{unknown}{what}"));
                assert!(ran.printed.ends_with(&format!("Not known: {what}\n")), "{}", ran.printed);
                assert_eq!(ran.printed.matches("advisories").count(), usize::from(!why.is_empty()), "{}", ran.printed);
                let expected = if so_far.is_empty() { String::new() } else { format!("No findings {so_far}\n") };
                let said = ran.printed.lines().find(|line| line.starts_with("No findings"));
                assert_eq!(said.map(|line| format!("{line}\n")).unwrap_or_default(), expected);
            } else {
                assert_eq!(error, format!("{unknown}{told}"));
                assert!(ran.printed.contains(told), "{}", ran.printed);
            }
        }
    }
    // What was found counts all the same; what is below the threshold says nothing of the rest.
    let mut part = with("COMPLETE", &json!({ "isWhole": false }));
    part["findings"] = json!([finding("CVE-2026-1", "LOW", None, &json!({}))]);
    for (fail_on, expected) in [("any", 1), ("low", 1), ("high", 2)] {
        let ran = run(&["findings", "app:v1", "--fail-on", fail_on], vec![ok(&part)]).await;
        assert_eq!(code(&ran), expected, "{fail_on}");
        assert!(ran.printed.contains("Scan        analysed in part; complete"), "{}", ran.printed);
        assert!(ran.printed.ends_with("Not known: it was analysed in part\n"), "{}", ran.printed);
    }
}

#[tokio::test]
async fn each_type_of_scanning_has_scans_of_its_own() {
    let refusal = |code: &str| (400, json!({ "__type": code, "message": "never scanned" }).to_string());
    let counts = json!({ "scanType": "ENHANCED", "images": [] });
    for (arguments, answer, said) in [
        (&["findings", "app:v1"][..], ok(&counts), "app:v1 was not scanned by enhanced scanning yet"),
        (&["findings", "app@sha256:aa"], ok(&counts), "app@sha256:aa was not scanned by enhanced scanning yet"),
        (&["scan", "explain", "app:v1", "CVE-2026-1"], ok(&counts), "app:v1 was not scanned by enhanced"),
        (&["findings", "app:v1"], refusal("AccessDeniedException"), "never scanned"),
    ] {
        let ran = run(arguments, vec![refusal("ScanNotFoundException"), answer]).await;
        assert!(ran.error().to_string().starts_with(said), "{}", ran.error());
        assert_eq!(ran.error().code(), Some("ScanNotFoundException"));
        assert!(ran.error().hint().is_some_and(|hint| hint.contains("`wharf scan`")));
        assert_eq!(
            requests(&ran)[1],
            ("ListImageScanCounts".to_owned(), json!({ "repositoryName": "app", "maxResults": 1 }))
        );
    }
}

#[tokio::test]
async fn images_as_they_are_pasted() {
    for (image, registry) in
        [("team/app:v1", None), ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1", Some("123456789012"))]
    {
        let ran = run(&["findings", image], vec![ok(&done(&[]))]).await;
        let input = &requests(&ran)[0].1;
        assert_eq!((&input["repositoryName"], input["registryId"].as_str()), (&json!("team/app"), registry), "{image}");
    }
    let ran = run(&["scan", "registry.example.com:5000/app:v1"], Vec::new()).await;
    assert!(
        ran.error()
            .to_string()
            .starts_with("registry.example.com:5000 is not the registry that this command speaks to")
    );
    let refusal = (400, json!({ "__type": "RepositoryNotFoundException", "message": "no" }).to_string());
    let ran = run(&["scan", "ghcr.io/team/app:v1"], vec![refusal]).await;
    assert_eq!(requests(&ran)[0].1["repositoryName"], "ghcr.io/team/app");
    let said = ran.error().to_string();
    assert!(
        said.starts_with(
            "there is no repository 'ghcr.io/team/app'. If ghcr.io is meant as a host, it is not the registry"
        ),
        "{said}"
    );
}

#[tokio::test]
async fn the_time_is_up() {
    let pending = scan(&[platform(DIGEST, "linux/amd64", "PENDING")], &[]);
    // More than it is looked at within a second.
    let mut answers = vec![started()];
    answers.extend((0..20).map(|_| ok(&pending)));
    let (ran, left) = run_leaving(&["scan", "app:v1", "--timeout", "1s"], answers, false).await;
    assert!((10..20).contains(&left), "{left} answers are left");
    assert_eq!(code(&ran), 2);
    assert!(ran.printed.contains("No findings so far\nNot known: the scan has not begun"), "{}", ran.printed);

    let ran = run(&["scan", "app:v1", "--no-wait"], vec![started()]).await;
    assert_eq!(
        ran.text(),
        "Scan    started of app:v1\nDigest  sha256:aaaaaaaaaaaaaaaaaaaa\n\
         Found   `wharf findings app@sha256:aaaaaaaaaaaaaaaaaaaa`, once it has ended\n"
    );
    assert_eq!(code(&ran), 0);
    for refused in [
        &["scan", "app", "--no-wait", "--timeout", "1m"][..],
        &["scan"],
        &["scan", "app", "--fail-on", "severe"],
        &["gc", "--output", "sarif"],
        &["scan", "app", "explain"],
    ] {
        assert!(Cli::try_parse_from([&["wharf"], refused].concat()).is_err(), "{refused:?}");
    }
}

#[tokio::test]
async fn platforms_of_an_index() {
    let both = [platform(OTHER, "linux/amd64", "COMPLETE"), platform("sha256:cc", "linux/arm64", "ACTIVE")];
    let found = finding("CVE-2026-1", "CRITICAL", None, &json!({ "imageDigest": "sha256:cc" }));
    let ran = run(&["findings", "app:v1"], vec![ok(&scan(&both, &[found]))]).await;
    let blocks: Vec<&str> = ran.text().split("\n\n").collect();
    assert_eq!(blocks.len(), 5, "{}", ran.text());
    assert_eq!(blocks[0], "Image   app:v1\nDigest  sha256:aaaaaaaaaaaaaaaaaaaa");
    assert!(
        blocks[1].starts_with("Platform    linux/amd64\nDigest      sha256:bbbbbbbbbbbbbbbbbbbb\nScan        complete")
    );
    assert!(blocks[2].starts_with("Platform    linux/arm64\nDigest      sha256:cc\nScan        active"));
    assert!(blocks[3].contains("CRITICAL  CVE-2026-1"));
    assert_eq!(blocks[4], "1 finding: 1 CRITICAL; 0 known to be exploited, 0 with a fix\n");
}

#[tokio::test]
async fn pages_are_of_one_scan() {
    let page = |findings: &[Value], token: Option<&str>| {
        let mut page = done(findings);
        if let Some(token) = token {
            page["nextToken"] = token.into();
        }
        page
    };
    let all = sorts();
    let mut changed = page(&all[1..], None);
    changed["platforms"][0]["scan"]["endedAt"] = (AT + 1.0).into();
    let answers = [page(&all[..1], Some("t1")), changed, page(&all[..2], Some("t2")), page(&all[2..], None)];
    let ran = run(&["findings", "app:v1", "--output", "json"], answers.iter().map(ok).collect()).await;
    let shown: Value = serde_json::from_str(ran.text()).expect("JSON");
    let names: Vec<&str> =
        shown["findings"].as_array().into_iter().flatten().filter_map(|one| one["vulnerability"].as_str()).collect();
    assert_eq!(names, ["CVE-2026-1", "CVE-2026-5", "CVE-2026-2", "CVE-2026-3", "CVE-2026-4"]);
    assert_eq!((&shown["verdict"], &shown["unknown"]), (&json!("FINDINGS"), &json!([])));
    assert_eq!(shown["findings"][0]["isCounted"], true);
    assert_eq!(shown["findings"][1]["isCounted"], false);
    assert_eq!(shown["findings"][0]["firstSeenAt"], "2026-11-21T01:35:02Z");
    assert_eq!(shown["platforms"][0]["found"]["feeds"][0]["checkedAt"], "2026-11-21T01:35:02Z");
    assert_eq!(requests(&ran)[3].1["nextToken"], "t2");
}

#[tokio::test]
async fn for_code_hosts() {
    let mut findings = sorts();
    findings[2]["score"] = 8.1.into();
    findings[2]["references"] = json!(["not a url", "javascript:alert(1)", "http://example.com/b"]);
    findings[3]["aliases"] = json!(["GHSA-xxxx"]);
    let mut answer = done(&findings);
    answer["platforms"][0]["found"]["problems"] = json!([{ "path": "a/b.jar", "reason": "it is too deep" }]);
    let ran = run(&["findings", "app:v1", "--output", "sarif"], vec![ok(&answer)]).await;
    let sarif: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!((&sarif["version"], code(&ran)), (&json!("2.1.0"), 1));
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    assert_eq!((rules.len(), results.len()), (5, 5));
    for result in results {
        let at = usize::try_from(result["ruleIndex"].as_u64().expect("a number")).expect("small");
        assert_eq!(rules[at]["id"], result["ruleId"]);
        assert!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].is_string());
    }
    let severities: Vec<&Value> = rules.iter().map(|rule| &rule["properties"]["security-severity"]).collect();
    assert_eq!(severities, [&json!("4.0"), &json!("7.0"), &json!("7.0"), &json!("8.1"), &Value::Null]);
    assert_eq!(rules[3]["helpUri"], "http://example.com/b");
    let levels: Vec<&Value> = results.iter().map(|result| &result["level"]).collect();
    assert_eq!(levels, ["warning", "error", "error", "error", "note"]);
    assert_eq!(results[2]["message"]["text"], "minimist 1.2.0 of app:v1 has CVE-2026-2 (HIGH): fixed in 1.2.6");
    assert_eq!(results[2]["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"], "b/c%20d.json");
    // What does not run is there, and hidden.
    assert_eq!(results[1]["ruleId"], "CVE-2026-5");
    assert_eq!(results[1]["suppressions"][0]["kind"], "external");
    assert!(results[2].get("suppressions").is_none());
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], true);
    assert_eq!(invocation["toolExecutionNotifications"][0]["message"]["text"], "linux/amd64: a/b.jar: it is too deep");
}
