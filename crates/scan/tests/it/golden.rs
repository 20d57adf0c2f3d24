//! Matching against the findings of another scanner's own tests: the same sets for the same packages and advisories. Severities
//! are compared where `WHARF_TEST_VULNDATA` names a folder with what vendors say of them.

mod severities;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
};

use scan::{
    advisory::{Advisory, Affected, Comparison, Event, Head, NameOf, Versions},
    ecosystem::Ecosystem,
    feeds::read_requirement,
    matching::{self, Answer, Match, MatchInput, MemoryIndex},
    os::Os,
    package::{Package, PackageKind, SourcePackage},
};
use serde_json::Value;

use severities::Severities;

/// Findings that a case leaves out because it was run with a list of vulnerabilities to leave out.
const LEFT_OUT: [(&str, &str); 1] = [("alpine-39-ignore-cveids", "CVE-2019-1549")];

/// A row whose fixed version or severity is another one than the case expects: the case, the package, the vulnerability, what
/// is found, what is expected, and why.
type Difference = (
    &'static str,
    &'static str,
    &'static str,
    (&'static str, &'static str),
    (&'static str, &'static str),
    &'static str,
);

const LEAST: &str = "the least version with the fix is told, and not the requirements that the fixes are written as";
const GITHUB: &str = "GitHub's word is another one today than in the case";
const RATED: &str = "GitHub has given a word since the case was made";
const ORACLE: &str = "the folder has no advisories of Oracle, so NVD's rating decides; the case has the vendor's word";

const DIFFERENCES: &[Difference] = &[
    (
        "almalinux-8",
        "openssl-libs",
        "CVE-2021-3712",
        ("1:1.1.1k-5.el8_5", "HIGH"),
        ("1:1.1.1k-5.el8_5", "MEDIUM"),
        "the folder has no advisory of AlmaLinux on it, so NVD's rating decides; the case has the vendor's word",
    ),
    (
        "alpine-distroless",
        "git",
        "CVE-2022-24765",
        ("2.35.2-r0", "HIGH"),
        ("2.35.2-r0", "MEDIUM"),
        "Alpine gives none, so NVD's rating decides, which is 7.8 today; the case has no source of its word",
    ),
    ("busybox-with-lockfile", "ammonia", "CVE-2019-15542", ("2.1.0", "HIGH"), (">= 2.1.0", "HIGH"), LEAST),
    (
        "busybox-with-lockfile",
        "ammonia",
        "CVE-2021-38193",
        ("2.1.3", "MEDIUM"),
        (">= 3.1.0, >= 2.1.3, < 3.0.0", "MEDIUM"),
        LEAST,
    ),
    ("composer.vendor", "guzzlehttp/psr7", "CVE-2022-24775", ("1.8.4", "MEDIUM"), ("1.8.4", "HIGH"), GITHUB),
    (
        "fluentd-multiple-lockfiles",
        "activesupport",
        "CVE-2020-8165",
        ("6.0.3.1", "CRITICAL"),
        ("6.0.3.1, 5.2.4.3", "HIGH"),
        "the fix of the installed branch is told alone, and GitHub's word is another one today",
    ),
    ("gomod-skip", "golang.org/x/text", "CVE-2021-38561", ("0.3.7", "HIGH"), ("0.3.7", "UNDEFINED"), RATED),
    ("gomod-vex", "golang.org/x/text", "CVE-2021-38561", ("0.3.7", "HIGH"), ("0.3.7", "UNDEFINED"), RATED),
    (
        "npm-ubuntu-severity",
        "jquery",
        "CVE-2019-11358",
        ("3.4.0", "MEDIUM"),
        ("3.4.0", "LOW"),
        "the case was run with Ubuntu's word in front of GitHub's for all packages",
    ),
    ("oraclelinux-8", "curl", "CVE-2019-3823", ("7.61.1-11.el8", "HIGH"), ("7.61.1-11.el8", "MEDIUM"), ORACLE),
    ("oraclelinux-8", "curl", "CVE-2019-5436", ("7.61.1-12.el8", "HIGH"), ("7.61.1-12.el8", "MEDIUM"), ORACLE),
    ("test-repo", "ammonia", "CVE-2019-15542", ("2.1.0", "HIGH"), (">= 2.1.0", "HIGH"), LEAST),
    ("test-repo", "ammonia", "CVE-2021-38193", ("2.1.3", "MEDIUM"), (">= 3.1.0, >= 2.1.3, < 3.0.0", "MEDIUM"), LEAST),
];

#[test]
fn the_same_findings() {
    let cases = include_str!("../golden/trivy.jsonl").lines();
    let cases: Vec<Value> = cases.map(|line| serde_json::from_str(line).expect("a case")).collect();
    let ids = cases.iter().flat_map(|case| list(&case["expected"])).map(|row| own(&row["id"])).collect();
    let folder = env::var_os("WHARF_TEST_VULNDATA");
    if folder.is_none() {
        eprintln!("severities are not compared: WHARF_TEST_VULNDATA names no folder with what vendors say of them");
    }
    let severities = folder.map(|folder| Severities::of(Path::new(&folder), &ids));
    let (mut faults, mut listed) = (Vec::new(), BTreeSet::new());
    for case in &cases {
        compare(case, severities.as_ref(), &mut faults, &mut listed);
    }
    let agrees = (0..DIFFERENCES.len()).filter(|at| !listed.contains(at)).map(|at| &DIFFERENCES[at]);
    // That a severity differs shows only where there are some.
    let agrees = agrees.filter(|row| severities.is_some() || row.3.0 != row.4.0);
    faults.extend(agrees.map(|row| format!("{}: {} {} does not differ as it is listed", row.0, row.1, row.2)));
    assert!(faults.is_empty(), "{} rows:\n{}", faults.len(), faults.join("\n"));
}

/// What is told of a package and a vulnerability: the version that fixes it, and the severity.
type Told = BTreeMap<(String, String), (String, String)>;

fn compare(case: &Value, severities: Option<&Severities>, faults: &mut Vec<String>, listed: &mut BTreeSet<usize>) {
    let name = text(&case["case"]);
    let found = found(case, severities);
    let wanted = list(&case["expected"]).map(|row| {
        let severity = match text(&row["severity"]) {
            "UNKNOWN" => "UNDEFINED",
            known => known,
        };
        ((own(&row["package"]), own(&row["id"])), (own(&row["fixed"]), severity.to_owned()))
    });
    let wanted: Told = wanted.collect();
    for key in found.keys().chain(wanted.keys()).collect::<BTreeSet<_>>() {
        let (found, wanted) = (found.get(key), wanted.get(key));
        let (Some(found), Some(wanted)) = (found, wanted) else {
            faults.push(format!("{name}: {key:?}: found {found:?}, expected {wanted:?}"));
            continue;
        };
        let is_same =
            |one: (&str, &str), other: (&str, &str)| one.0 == other.0 && (severities.is_none() || one.1 == other.1);
        let texts = |told: &(String, String), listed: (&str, &str)| is_same((&told.0, &told.1), listed);
        if texts(found, (&wanted.0, &wanted.1)) {
            continue;
        }
        let at = DIFFERENCES.iter().position(|(case, package, id, ours, theirs, _)| {
            *case == name && (*package, *id) == (&*key.0, &*key.1) && texts(found, *ours) && texts(wanted, *theirs)
        });
        match at {
            Some(at) => drop(listed.insert(at)),
            None => faults.push(format!("{name}: {key:?}: found {found:?}, expected {wanted:?}")),
        }
    }
}

fn found(case: &Value, severities: Option<&Severities>) -> Told {
    let input = MatchInput {
        system: Some(system(case)),
        packages: list(&case["packages"]).map(|package| self::package(package).into()).collect(),
    };
    let mut index = MemoryIndex::default();
    for row in list(&case["advisories"]) {
        for mut advisory in advisories(row) {
            for affected in &mut advisory.affected {
                let id = &advisory.head.vulnerabilities[0];
                if let Some(severities) = severities {
                    severities.tell(affected, id);
                }
            }
            index.add_advisory(advisory);
        }
    }
    let scores = severities.map(|severities| severities.scores.as_slice()).unwrap_or_default();
    for scores in scores {
        index.add_scores(scores.clone());
    }
    let Ok(assessment) = matching::assess(&input, &index);
    let case = text(&case["case"]);
    let is_told = |found: &&Match| !LEFT_OUT.contains(&(case, &found.vulnerability));
    let told = |found: &Match| {
        let Answer::Affected { fixed_in } = &found.answer else { panic!("{found:?}") };
        // An epoch of 0 is none.
        let fixed = fixed_in.as_deref().unwrap_or_default().trim_start_matches("0:").to_owned();
        let package = input.packages[found.package].package.name.clone();
        ((package, found.vulnerability.clone()), (fixed, found.severity.severity.name().to_owned()))
    };
    assessment.findings().filter(is_told).map(told).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn own(value: &Value) -> String {
    text(value).to_owned()
}

fn system(case: &Value) -> Os {
    let id = match text(&case["os"]["family"]) {
        "alma" => "almalinux",
        "amazon" => "amzn",
        "cbl-mariner" => "mariner",
        "oracle" => "ol",
        other => other,
    };
    let mut system = Os::named(id, text(&case["os"]["version"]), "");
    // The image's list of repositories is of edge.
    if text(&case["case"]) == "alpine-distroless" {
        "edge".clone_into(&mut system.release);
    }
    system
}

fn package(package: &Value) -> Package {
    let kind = match text(&package["type"]) {
        "alpine" => PackageKind::Apk,
        "debian" | "ubuntu" => PackageKind::Dpkg,
        "alma" | "amazon" | "centos" | "cbl-mariner" | "oracle" | "photon" => PackageKind::Rpm,
        "bun" | "npm" | "pnpm" | "yarn" => PackageKind::Npm,
        "cargo" => PackageKind::Cargo,
        "composer-vendor" => PackageKind::Composer,
        "gemspec" => PackageKind::Gem,
        "gomod" => PackageKind::Go,
        "gradle" | "jar" | "pom" | "sbt" => PackageKind::Maven,
        "pip" | "pipenv" | "pylock" | "uv" => PackageKind::Python,
        other => panic!("{other}"),
    };
    let mut read = Package::installed(kind, text(&package["name"]), text(&package["version"]));
    if let Some(source) = package["source"].as_str() {
        read.source = Some(SourcePackage { name: source.to_owned(), version: read.version.clone() });
    }
    read
}

/// The advisories of a row of the other scanner's database.
fn advisories(row: &Value) -> Vec<Advisory> {
    let (bucket, name, id, value) = (text(&row["bucket"]), text(&row["package"]), text(&row["id"]), &row["value"]);
    if bucket == "Red Hat" {
        return list(&value["Entries"]).flat_map(|entry| red_hat(name, id, entry)).collect();
    }
    let (ecosystem, release) = place(bucket);
    let name = ecosystem.package_name(name);
    let mut affected = Affected::all(ecosystem, release, name);
    affected.of = NameOf::Either;
    let strings = |key: &str| list(&value[key]).map(own).collect::<Vec<_>>();
    let (vulnerable, patched) = (strings("VulnerableVersions"), strings("PatchedVersions"));
    if let Some(fixed) = value["FixedVersion"].as_str() {
        affected.versions = Versions::before(fixed);
    } else if !vulnerable.is_empty() {
        let ranges = vulnerable.iter().map(|text| range(text)).collect();
        affected.versions = Versions { ranges, fixed: patched.first().cloned(), ..Versions::default() };
    } else {
        affected.versions.unaffected = patched.iter().filter_map(|text| read_requirement(text)).collect();
    }
    affected.severity = severity(&value["Severity"]);
    vec![advisory(id, id, affected)]
}

/// A severity by its number in the other scanner's database.
fn severity(number: &Value) -> Option<String> {
    let word = match number.as_f64()? {
        1.0 => "low",
        2.0 => "medium",
        3.0 => "high",
        4.0 => "critical",
        other => panic!("{other}"),
    };
    Some(word.to_owned())
}

fn advisory(id: &str, vulnerability: &str, affected: Affected) -> Advisory {
    let vulnerabilities = vec![vulnerability.to_owned()];
    let head = Head { source: "golden".to_owned(), id: id.to_owned(), vulnerabilities, ..Head::default() };
    Advisory { head, affected: vec![affected] }
}

/// Red Hat's rows are for repositories by number: the release of a fix is in its version, and states hold for 6 and 7.
fn red_hat(name: &str, id: &str, entry: &Value) -> Vec<Advisory> {
    let fixed = entry["FixedVersion"].as_str();
    let releases =
        ["6", "7"].into_iter().filter(|release| fixed.is_none_or(|fixed| fixed.contains(&format!(".el{release}"))));
    let row = |release: &str, cve: &Value| {
        let mut affected = Affected::all(Ecosystem::RedHat, release, name);
        affected.severity = severity(&cve["Severity"]);
        if let Some(fixed) = fixed {
            affected.versions = Versions::before(fixed);
        }
        advisory(id, cve["ID"].as_str().unwrap_or(id), affected)
    };
    releases.flat_map(|release| list(&entry["Cves"]).map(move |cve| row(release, cve))).collect()
}

fn place(bucket: &str) -> (Ecosystem, String) {
    let languages = [
        ("npm::", Ecosystem::Npm),
        ("pip::", Ecosystem::PyPi),
        ("maven::", Ecosystem::Maven),
        ("cargo::", Ecosystem::CratesIo),
        ("go::", Ecosystem::Go),
        ("rubygems::", Ecosystem::RubyGems),
        ("composer::", Ecosystem::Packagist),
    ];
    if let Some((_, ecosystem)) = languages.into_iter().find(|(start, _)| bucket.starts_with(start)) {
        return (ecosystem, String::new());
    }
    let (name, release) = bucket.rsplit_once(' ').expect("a release");
    let ecosystem = match name {
        "alpine" => Ecosystem::Alpine,
        "debian" => Ecosystem::Debian,
        "ubuntu" => Ecosystem::Ubuntu,
        "alma" => Ecosystem::AlmaLinux,
        "amazon linux" => Ecosystem::AmazonLinux,
        "CBL-Mariner" => Ecosystem::AzureLinux,
        "Oracle Linux" => Ecosystem::OracleLinux,
        "Photon OS" => Ecosystem::Photon,
        other => panic!("{other}"),
    };
    (ecosystem, release.to_owned())
}

/// `>= 1.0, < 2.0`, or Maven's `[1.0,2.0)`.
fn range(text: &str) -> Vec<Event> {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(')')) {
        let (first, fixed) = inner.split_once(',').expect("a range");
        return vec![Event::Introduced(first.to_owned()), Event::Fixed(fixed.to_owned())];
    }
    let event = |(comparison, version)| match comparison {
        Comparison::GreaterOrEqual | Comparison::Greater => Event::Introduced(version),
        Comparison::LessOrEqual => Event::LastAffected(version),
        Comparison::Less => Event::Fixed(version),
        Comparison::Equal | Comparison::NotEqual => panic!("{version}"),
    };
    read_requirement(text).expect("a requirement").0.into_iter().map(event).collect()
}
