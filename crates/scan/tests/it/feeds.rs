//! Each form of feed: what is read out of a made input, and that no input harms the reader.

use std::ops::ControlFlow;

use mutate::Form as Mutated;
use scan::{
    advisory::{Advisory, Affected, Event, Kind, Module, NameOf, Scope, State},
    ecosystem::Ecosystem,
    feeds::{self, FeedLimits, Form, Record, Report},
};

fn read_with(form: Form, source: &str, input: &[u8], limits: &FeedLimits) -> (Vec<Record>, Report) {
    let mut records = Vec::new();
    let mut keep = |record| {
        records.push(record);
        ControlFlow::Continue(())
    };
    let mut input = input;
    let report = feeds::import(form, source, &mut input, limits, &mut keep);
    (records, report)
}

pub fn read(form: Form, input: &str) -> (Vec<Record>, Report) {
    read_with(form, "test", input.as_bytes(), &FeedLimits::default())
}

fn advisories(form: Form, input: &str) -> Vec<Advisory> {
    let (records, report) = read(form, input);
    assert_eq!((report.broken, report.ended), (0, None), "{:?}", report.problems);
    let advisory = |record| match record {
        Record::Advisory(advisory) => *advisory,
        other => panic!("{other:?}"),
    };
    records.into_iter().map(advisory).collect()
}

fn only(form: Form, input: &str) -> Advisory {
    let mut all = advisories(form, input);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn fixes(row: &Affected) -> Vec<&str> {
    row.versions.fixes().collect()
}

const OSV: &str = r#"{"id":"GHSA-aaaa","aliases":["CVE-2024-1"],"summary":"It leaks","published":"2024-01-01T00:00:00Z",
"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
"affected":[{"package":{"ecosystem":"PyPI","name":"Some_Name"},"ranges":[{"type":"GIT","events":[{"introduced":"0"}]},
{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.0"}]}],"versions":["0.9"]}],
"database_specific":{"severity":"CRITICAL"},"references":[{"type":"WEB","url":"https://example.com/a"}]}"#;

#[test]
fn osv_of_a_language() {
    let advisory = only(Form::Osv, OSV);
    assert_eq!(
        (advisory.head.id.as_str(), advisory.head.vulnerabilities.as_slice()),
        ("GHSA-aaaa", ["CVE-2024-1".to_owned()].as_slice())
    );
    assert_eq!(advisory.head.severity.as_deref(), Some("CRITICAL"));
    assert_eq!(advisory.head.ratings.first().map(|rating| rating.version), Some(3));
    let row = &advisory.affected[0];
    assert_eq!((row.ecosystem, row.name.as_str()), (Ecosystem::PyPi, "some-name"));
    assert_eq!((row.versions.ranges.len(), fixes(row), row.versions.listed.len()), (1, vec!["2.0"], 1));
}

#[test]
fn osv_of_distributions() {
    let row = |ecosystem: &str, name: &str, fixed: &str| {
        format!(
            r#"{{"id":"X-1","summary":"Important: php:7.4 security update","related":["CVE-2024-1","CVE-2024-2"],"affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},
            "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}]}}]}}"#
        )
    };
    let places = [
        ("Alpine:v3.20", Ecosystem::Alpine, "3.20", None, NameOf::Source),
        ("Debian:12", Ecosystem::Debian, "12", None, NameOf::Source),
        ("Ubuntu:22.04:LTS", Ecosystem::Ubuntu, "22.04", None, NameOf::Source),
        ("Ubuntu:Pro:18.04:LTS", Ecosystem::Ubuntu, "18.04", Some("pro"), NameOf::Source),
        ("Red Hat:enterprise_linux:8::appstream", Ecosystem::RedHat, "8", Some("appstream"), NameOf::Either),
        ("Red Hat:rhel_eus:8.4::baseos", Ecosystem::RedHat, "8", Some("rhel_eus:8.4::baseos"), NameOf::Either),
        ("AlmaLinux:9", Ecosystem::AlmaLinux, "9", None, NameOf::Binary),
        ("Rocky Linux:8", Ecosystem::RockyLinux, "8", None, NameOf::Source),
        ("openSUSE:Leap 15.5", Ecosystem::OpenSuse, "15.5", Some("Leap 15.5"), NameOf::Either),
        (
            "SUSE:Linux Enterprise Server 15 SP3-LTSS",
            Ecosystem::Suse,
            "15.3",
            Some("Linux Enterprise Server 15 SP3-LTSS"),
            NameOf::Either,
        ),
        ("SUSE:Linux Micro 6.0", Ecosystem::Suse, "micro 6.0", Some("Linux Micro 6.0"), NameOf::Either),
    ];
    for (text, ecosystem, release, repository, of) in places {
        let advisory = only(Form::Osv, &row(text, "php", "7.4.30-1.module+el8.7.0+1+aa"));
        assert_eq!(advisory.head.vulnerabilities, ["CVE-2024-1", "CVE-2024-2"], "{text}");
        assert_eq!(advisory.head.severity.as_deref(), Some("Important"), "{text}");
        let row = &advisory.affected[0];
        let found = (row.ecosystem, row.release.as_str(), row.repository.as_deref(), row.of);
        assert_eq!(found, (ecosystem, release, repository, of), "{text}");
        assert_eq!(row.modules, [Module { name: "php".to_owned(), stream: "7.4".to_owned() }], "{text}");
    }
    // A row of a distribution that names no release would be for all of them: those of others are filed so.
    let (records, report) = read(Form::Osv, &row("Alpine", "php", "1-r0"));
    assert!(matches!(&records[..], [Record::Advisory(advisory)] if advisory.affected.is_empty()));
    assert_eq!(report.skipped_rows, 1);
}

#[test]
fn what_osv_says_beside() {
    let notice = only(
        Form::Osv,
        r#"{"id":"RUSTSEC-1","affected":[{"package":{"ecosystem":"crates.io","name":"a"},"ecosystem_specific":{"informational":"unmaintained"}}]}"#,
    );
    assert_eq!(notice.head.kind, Kind::Notice);
    let bug_fix = r#"{"id":"ALBA-2021:1","affected":[{"package":{"ecosystem":"AlmaLinux:8","name":"a"}}]}"#;
    assert_eq!(only(Form::Osv, bug_fix).head.kind, Kind::Notice);
    let fix = r#"{"id":"ALSA-2021:1","affected":[{"package":{"ecosystem":"AlmaLinux:8","name":"a"}}]}"#;
    assert_eq!(only(Form::Osv, fix).head.vulnerabilities, ["ALSA-2021:1"]);
    assert_eq!(only(Form::Osv, r#"{"id":"MAL-1","affected":[]}"#).head.kind, Kind::Malicious);

    let gem = only(
        Form::Osv,
        r#"{"id":"RUBYSEC-1","affected":[{"package":{"ecosystem":"RubyGems","name":"a"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}],
        "database_specific":{"patched_versions":["~> 0.8.6",">= 0.9.15"],"unaffected_versions":["< 0.7.0"]}}]}"#,
    );
    assert_eq!(gem.affected[0].versions.unaffected.len(), 3);

    let bounded = only(
        Form::Osv,
        r#"{"id":"GHSA-1","affected":[{"package":{"ecosystem":"npm","name":"a"},"ranges":[{"type":"SEMVER","events":[{"introduced":"1.0"},{"fixed":"1.5"}]}],
        "database_specific":{"last_known_affected_version_range":"<= 1.2"}}]}"#,
    );
    let versions = &bounded.affected[0].versions;
    assert_eq!(versions.ranges, [vec![Event::Introduced("1.0".to_owned()), Event::LastAffected("1.2".to_owned())]]);
    assert_eq!(versions.fixed.as_deref(), Some("1.5"));

    let state = only(
        Form::Osv,
        r#"{"id":"CVE-2024-1","affected":[{"package":{"ecosystem":"Red Hat:enterprise_linux:8","name":"php:7.3/php"},"database_specific":{"state":"Will not fix"}}],
        "database_specific":{"not_affected":[{"ecosystem":"Red Hat:enterprise_linux:9","name":"php"}]}}"#,
    );
    let states: Vec<_> = state
        .affected
        .iter()
        .map(|row| (row.name.as_str(), row.release.as_str(), row.state, row.modules.len()))
        .collect();
    assert_eq!(states, [("php", "8", State::WillNotFix, 1), ("php", "9", State::NotAffected, 0)]);

    let suse = only(
        Form::Osv,
        r#"{"id":"SUSE-SU-1","related":["CVE-2024-1"],"affected":[{"package":{"ecosystem":"openSUSE:Leap 15.5","name":"s"},
        "ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1-1"}]}],"ecosystem_specific":{"binaries":[{"s-lib":"2-1","s":"1-1"}]}}]}"#,
    );
    let mut rows: Vec<_> = suse.affected.iter().map(|row| (row.name.as_str(), row.of, fixes(row))).collect();
    rows.sort_by_key(|row| row.0);
    assert_eq!(rows, [("s", NameOf::Binary, vec!["1-1"]), ("s-lib", NameOf::Binary, vec!["2-1"])]);

    let debian = only(
        Form::Osv,
        r#"{"id":"DEBIAN-CVE-1","upstream":["CVE-2024-1"],"affected":[{"package":{"ecosystem":"Debian:11","name":"a"},"ecosystem_specific":{"urgency":"end-of-life"}}]}"#,
    );
    assert_eq!(debian.affected[0].state, State::EndOfLife);
}

#[test]
fn a_broken_record_is_named_and_the_next_is_read() {
    let whole = OSV.replace('\n', " ");
    let torn = &whole[..whole.find("leaks").expect("a place in a text")];
    let deep = format!("{{\"id\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let input = format!("{whole}\n{torn}\n{whole}\n{{\"id\":7}}\n{deep}\n{whole}\n");
    let (records, report) = read(Form::Osv, &input);
    assert_eq!((records.len(), report.records, report.broken, report.ended), (3, 3, 3, None), "{:?}", report.problems);
    assert_eq!(report.problems.len(), 3);
}

#[test]
fn bounds_hold() {
    let input = format!("{}\n", OSV.replace('\n', " ")).repeat(20);
    let limits = FeedLimits { records: 5, ..FeedLimits::default() };
    let (records, report) = read_with(Form::Osv, "test", input.as_bytes(), &limits);
    assert_eq!((records.len(), report.ended.is_some()), (5, true));
    let limits = FeedLimits { record_bytes: 100, ..FeedLimits::default() };
    let (records, report) = read_with(Form::Osv, "test", input.as_bytes(), &limits);
    assert_eq!((records.len(), report.broken, report.ended), (0, 20, None));
    let limits = FeedLimits { bytes: 1000, ..FeedLimits::default() };
    assert!(read_with(Form::Osv, "test", input.as_bytes(), &limits).1.ended.is_some());
    let limits = FeedLimits { rows: 0, ..FeedLimits::default() };
    assert_eq!(read_with(Form::Osv, "test", input.as_bytes(), &limits).1.broken, 20);
}

pub const SECDB: &str = r#"{"distroversion":"v3.20","reponame":"main","packages":[
{"pkg":{"name":"a","secfixes":{"1.0-r1":["CVE-2024-1","CVE-2024-2 GHSA-bbbb"],"0":["CVE-2024-3"]}}},{"pkg":{"name":"b","secfixes":{}}}]}"#;

#[test]
fn secdb() {
    let spacious = SECDB.replace(':', " : ").replace(',', " ,\n\t").replace("CVE : ", "CVE:");
    assert_eq!(advisories(Form::Secdb, &spacious), advisories(Form::Secdb, SECDB));
    let found = advisories(Form::Secdb, SECDB);
    let rows: Vec<_> =
        found.iter().map(|advisory| (advisory.head.vulnerabilities[0].as_str(), &advisory.affected[0])).collect();
    let named: Vec<_> =
        rows.iter().map(|(id, row)| (*id, row.name.as_str(), row.release.as_str(), row.state)).collect();
    assert_eq!(
        named,
        [
            ("CVE-2024-3", "a", "3.20", State::NotAffected),
            ("CVE-2024-1", "a", "3.20", State::Affected),
            ("CVE-2024-2", "a", "3.20", State::Affected)
        ]
    );
    assert_eq!(rows[0].1.scope, Scope::PackageAndFiles);
    assert_eq!(found[2].head.aliases, ["GHSA-bbbb"]);
    // One of a distribution without releases is known by its feed's name; any other must name its release.
    let rolling = SECDB.replace("\"distroversion\":\"v3.20\",", "");
    assert!(read(Form::Secdb, &rolling).1.ended.is_some());
    let (records, report) = read_with(Form::Secdb, "wolfi", rolling.as_bytes(), &FeedLimits::default());
    assert_eq!((records.len(), report.ended), (3, None));
    assert!(matches!(&records[0], Record::Advisory(advisory) if advisory.affected[0].ecosystem == Ecosystem::Wolfi));
}

pub const DEBIAN: &str = r#"{"a":{"CVE-2024-1":{"description":"It leaks","releases":{
"bookworm":{"status":"resolved","fixed_version":"1.2-3","urgency":"not yet assigned"},
"bullseye":{"status":"open","urgency":"low","nodsa":"Minor issue","nodsa_reason":"postponed"},
"trixie":{"status":"resolved","fixed_version":"0","urgency":"unimportant"},
"sid":{"status":"undetermined"},"nowhere":{"status":"open"}}}},"b":[1]}"#;

#[test]
fn debian_tracker() {
    let (records, report) = read(Form::DebianTracker, DEBIAN);
    assert_eq!((report.records, report.broken, report.skipped_rows, report.ended), (1, 1, 1, None));
    let [Record::Advisory(advisory)] = &records[..] else { panic!("{records:?}") };
    let row = |row: &Affected| {
        (row.release.clone(), row.state, fixes(row).first().map(ToString::to_string), row.severity.clone())
    };
    let rows: Vec<_> = advisory.affected.iter().map(row).collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows,
        [
            ("12".to_owned(), State::Affected, text("1.2-3"), text("not yet assigned")),
            ("11".to_owned(), State::Deferred, None, text("low")),
            ("sid".to_owned(), State::UnderInvestigation, None, None),
            ("13".to_owned(), State::NotAffected, None, text("unimportant")),
        ]
    );
}

pub const OPENVEX: &str = r#"{"@context":"https://openvex.dev/ns/v0.2.0","timestamp":"2024-05-01T00:00:00Z","statements":[
{"vulnerability":{"name":"CVE-2024-1"},"products":[{"@id":"pkg:deb/ubuntu/a@1.2-0ubuntu3?arch=source&distro=jammy"}],"status":"fixed"},
{"vulnerability":{"name":"CVE-2024-1"},"products":[{"@id":"pkg:deb/ubuntu/a@1?arch=source&distro=esm-infra/bionic"},{"@id":"pkg:oci/x"}],
"status":"not_affected","justification":"vulnerable_code_not_present"}]}"#;

#[test]
fn openvex() {
    let (records, report) = read(Form::OpenVex, OPENVEX);
    assert_eq!((report.records, report.skipped_rows, report.ended), (1, 1, None));
    let [Record::Advisory(advisory)] = &records[..] else { panic!("{records:?}") };
    let row = |row: &Affected| (row.release.clone(), row.repository.clone(), row.state, fixes(row).len(), row.of);
    let rows: Vec<_> = advisory.affected.iter().map(row).collect();
    assert_eq!(rows[0], ("22.04".to_owned(), None, State::Affected, 1, NameOf::Source));
    assert_eq!(rows[1], ("18.04".to_owned(), Some("pro".to_owned()), State::NotAffected, 0, NameOf::Source));
}

pub const CSAF: &str = r#"{"document":{"title":"a: leak","aggregate_severity":{"text":"Moderate"},"tracking":{"id":"CVE-2024-1"}},
"product_tree":{"branches":[{"branches":[
{"product":{"product_id":"R8","product_identification_helper":{"cpe":"cpe:/o:redhat:enterprise_linux:8::baseos"}}},
{"product":{"product_id":"R9","product_identification_helper":{"cpe":"cpe:/o:redhat:enterprise_linux:9"}}},
{"product":{"product_id":"a-0:1-2.el8.x86_64","product_identification_helper":{"purl":"pkg:rpm/redhat/a@1-2.el8?arch=x86_64&epoch=1"}}},
{"product":{"product_id":"a-0:1-2.el8.aarch64","product_identification_helper":{"purl":"pkg:rpm/redhat/a@1-2.el8?arch=aarch64&epoch=1"}}},
{"product":{"product_id":"M","product_identification_helper":{"purl":"pkg:rpmmod/redhat/php@7.4:8070:1"}}}]}],
"relationships":[
{"full_product_name":{"product_id":"R8:a.x"},"product_reference":"a-0:1-2.el8.x86_64","relates_to_product_reference":"R8"},
{"full_product_name":{"product_id":"R8:a.y"},"product_reference":"a-0:1-2.el8.aarch64","relates_to_product_reference":"R8"},
{"full_product_name":{"product_id":"R8:M"},"product_reference":"M","relates_to_product_reference":"R8"},
{"full_product_name":{"product_id":"R8:M:a"},"product_reference":"a-0:1-2.el8.x86_64","relates_to_product_reference":"R8:M"},
{"full_product_name":{"product_id":"R9:a"},"product_reference":"a","relates_to_product_reference":"R9"},
{"full_product_name":{"product_id":"R9:a.src"},"product_reference":"a.src","relates_to_product_reference":"R9"},
{"full_product_name":{"product_id":"R9:p"},"product_reference":"php:8.1/php","relates_to_product_reference":"R9"}]},
"vulnerabilities":[{"cve":"CVE-2024-1","product_status":{"fixed":["R8:a.x","R8:a.y","R8:M:a"],"known_affected":["R9:a","R9:a.src"],"known_not_affected":["R9:p"]},
"remediations":[{"category":"none_available","details":"Will not fix","product_ids":["R9:a"]}],
"threats":[{"category":"impact","details":"Low","product_ids":["R9:a"]}],
"flags":[{"label":"component_not_present","product_ids":["R9:p"]}],
"scores":[{"cvss_v3":{"vectorString":"CVSS:3.1/AV:N/AC:H/PR:L/UI:N/S:U/C:N/I:L/A:N"},"products":["R9:a"]}]}]}"#;

#[test]
fn csaf() {
    let advisory = only(Form::Csaf, CSAF);
    assert_eq!(
        (advisory.head.id.as_str(), advisory.head.severity.as_deref(), advisory.head.ratings.len()),
        ("CVE-2024-1", Some("Moderate"), 1)
    );
    let row = |row: &Affected| {
        let module = row.modules.first().map(|module| format!("{}:{}", module.name, module.stream));
        (row.name.clone(), row.release.clone(), row.state, fixes(row).first().map(ToString::to_string), row.of, module)
    };
    let rows: Vec<_> = advisory.affected.iter().map(row).collect();
    let text = |text: &str| Some(text.to_owned());
    let own = str::to_owned;
    assert_eq!(
        rows,
        [
            (own("a"), own("8"), State::Affected, text("1:1-2.el8"), NameOf::Binary, None),
            (own("a"), own("8"), State::Affected, text("1:1-2.el8"), NameOf::Binary, text("php:7.4")),
            (own("a"), own("9"), State::WillNotFix, None, NameOf::Either, None),
            (own("a"), own("9"), State::Affected, None, NameOf::Source, None),
            (own("php"), own("9"), State::NotAffected, None, NameOf::Either, text("php:8.1")),
        ]
    );
    assert_eq!(advisory.affected[0].arches, ["aarch64", "x86_64"]);
    assert_eq!(advisory.affected[2].severity.as_deref(), Some("Low"));
    assert_eq!(advisory.affected[4].note.as_deref(), Some("component_not_present"));
}

pub const UPDATEINFO: &str = r#"<?xml version="1.0"?><updates><!-- <update> --><update type="security"><id>ALAS2KERNEL-5.4-2022-021</id><title>a &gt; b</title>
<issued date="2022-01-01"/><severity>important</severity><references><reference id="CVE-2022-1" href="https://example.com" type="cve" title='>'/></references>
<pkglist><collection short="x"><package arch="x86_64" epoch="0" name="kernel-headers" release="1.amzn2" version="5.4.1"><filename>f</filename></package>
<package arch="aarch64" epoch="0" name="kernel-headers" release="1.amzn2" version="5.4.1"/><package arch="src" epoch="0" name="kernel" release="1.amzn2" version="5.4.1"/></collection></pkglist></update>
<update type="security"><id>ALAS2023-2024-500</id><pkglist><package arch="noarch" name="b" release="1.amzn2023.0.1" version="2"/></pkglist></update></updates>"#;

#[test]
fn updateinfo() {
    let found = advisories(Form::UpdateInfo, UPDATEINFO);
    let row = |advisory: &Advisory| {
        let row = &advisory.affected[0];
        (
            advisory.head.vulnerabilities[0].clone(),
            row.name.clone(),
            row.release.clone(),
            row.repository.clone(),
            fixes(row)[0].to_owned(),
        )
    };
    let own = str::to_owned;
    assert_eq!(
        row(&found[0]),
        (own("CVE-2022-1"), own("kernel-headers"), own("2"), Some(own("extras/kernel-5.4")), own("0:5.4.1-1.amzn2"))
    );
    assert_eq!(row(&found[1]), (own("ALAS2023-2024-500"), own("b"), own("2023"), None, own("0:2-1.amzn2023.0.1")));
    assert_eq!(found[0].affected[0].arches, ["aarch64", "x86_64"]);
    assert_eq!(found[0].head.summary, "a > b");
}

const OVAL: &str = r#"<oval_definitions xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5"><definitions><definition id="d" class="patch"><metadata>
<title>ELSA-2021-1: a update (MODERATE)</title><reference source="elsa" ref_id="ELSA-2021-1" ref_url="https://linux.oracle.com/1"/>
<reference source="CVE" ref_id="CVE-2021-1"/><advisory><severity>MODERATE</severity><issued date="2021-01-01"/></advisory></metadata>
<criteria operator="AND"><criterion comment="Oracle Linux 8 is installed"/><criteria operator="OR"><criteria operator="AND">
<criterion comment="Oracle Linux arch is x86_64"/><criterion comment="Module nodejs:12 is enabled"/><criteria operator="OR"><criteria operator="AND">
<criterion comment="a is earlier than 0:1-2.el8"/><criterion comment="a is signed with the Oracle Linux 8 key"/></criteria></criteria></criteria></criteria></criteria>
</definition></definitions></oval_definitions>"#;

#[test]
fn oval() {
    let advisory = only(Form::Oval, OVAL);
    assert_eq!((advisory.head.id.as_str(), advisory.head.severity.as_deref()), ("ELSA-2021-1", Some("MODERATE")));
    assert_eq!(advisory.head.vulnerabilities, ["CVE-2021-1"]);
    let row = &advisory.affected[0];
    assert_eq!((row.name.as_str(), row.release.as_str(), fixes(row)), ("a", "8", vec!["0:1-2.el8"]));
    assert_eq!((row.arches.as_slice(), row.modules.len()), (["x86_64".to_owned()].as_slice(), 1));
}

pub const PHOTON: &str = r#"[{"cve_id":"CVE-2019-1","pkg":"a","cve_score":7.5,"aff_ver":"all versions before 8-1.ph3 are vulnerable","res_ver":"8-1.ph3"},
{"os_version":"4.0","cve_id":"CVE-2019-2","pkg":"a","cve_score":5,"aff_ver":"all versions before NA","res_ver":"NA"}]"#;

#[test]
fn photon() {
    let found = advisories(Form::Photon, PHOTON);
    let rows: Vec<_> =
        found.iter().map(|advisory| (advisory.affected[0].release.as_str(), fixes(&advisory.affected[0]))).collect();
    assert_eq!(rows, [("3.0", vec!["8-1.ph3"]), ("4.0", vec![])]);
    assert!((found[0].head.ratings[0].score - 7.5).abs() < f64::EPSILON);
}

const KEV: &str = r#"{"title":"t","vulnerabilities":[{"cveID":"CVE-2018-1","vulnerabilityName":"n","dateAdded":"2022-03-15","dueDate":"2022-04-05","knownRansomwareCampaignUse":"Known"}]}"#;
const EPSS: &str =
    "#model_version:v1,score_date:2026-01-01\ncve,epss,percentile\nCVE-2000-1,0.02218,0.81140\nCVE-2000-2,x,1\n";
const CVE: &str = r#"{"cveMetadata":{"cveId":"CVE-2024-1","state":"PUBLISHED"},"containers":{"cna":{"providerMetadata":{"shortName":"x"},"descriptions":[{"lang":"en","value":"It leaks"}]},
"adp":[{"providerMetadata":{"shortName":"CISA-ADP"},"metrics":[{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}]}}
{"id":"CVE-2024-2","v3":"CVSS:3.0/AV:L/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L","source":"nvd"}"#;

#[test]
fn what_is_known_beside() {
    let (records, _) = read(Form::Kev, KEV);
    assert!(
        matches!(&records[..], [Record::Exploited(entry)] if entry.id == "CVE-2018-1" && entry.is_ransomware && entry.due == "2022-04-05")
    );
    let (records, report) = read(Form::Epss, EPSS);
    assert!(matches!(&records[..], [Record::Likelihood(entry)] if entry.id == "CVE-2000-1" && entry.percentile > 0.8));
    assert_eq!(report.broken, 1);
    let (records, report) = read(Form::Cve, CVE);
    assert_eq!((report.broken, report.records), (0, 2));
    assert!(
        matches!(&records[0], Record::Scores(scores) if scores.ratings[0].source == "CISA-ADP" && scores.summary == "It leaks")
    );
    assert!(matches!(&records[1], Record::Scores(scores) if scores.ratings[0].version == 3));
}

#[test]
fn no_input_harms_a_reader() {
    let inputs = [
        (Form::Osv, OSV),
        (Form::Secdb, SECDB),
        (Form::DebianTracker, DEBIAN),
        (Form::OpenVex, OPENVEX),
        (Form::Csaf, CSAF),
        (Form::UpdateInfo, UPDATEINFO),
        (Form::Oval, OVAL),
        (Form::Photon, PHOTON),
        (Form::Kev, KEV),
        (Form::Epss, EPSS),
        (Form::Cve, CVE),
    ];
    for (form, input) in inputs {
        let is_xml = matches!(form, Form::UpdateInfo | Form::Oval | Form::Epss);
        let kind = if is_xml { Mutated::Text } else { Mutated::Json };
        mutate::texts(kind, &[input], 300, |text| {
            let (records, report) = read(form, text);
            assert_eq!(records.len() as u64, report.records);
        });
    }
}
