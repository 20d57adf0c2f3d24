//! Matching against the findings of another scanner's own tests: the same sets for the same packages and advisories. The cases
//! are looked for in the folder that `WHARF_TEST_VULNDATA` names, and are not run without it.

use std::{
    collections::BTreeSet,
    env,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use flate2::read::GzDecoder;
use scan::{
    advisory::{Advisory, Affected, Comparison, Event, Head, NameOf, Versions},
    ecosystem::Ecosystem,
    feeds::read_requirement,
    matching::{self, Answer, MatchInput, MemoryIndex},
    os::Os,
    package::{Package, PackageKind, SourcePackage},
};
use serde_json::Value;

/// Findings that a case leaves out because it was run with a list of vulnerabilities to leave out.
const LEFT_OUT: [(&str, &str); 1] = [("alpine-39-ignore-cveids", "CVE-2019-1549")];

#[test]
fn the_same_sets() {
    let Some(folder) = env::var_os("WHARF_TEST_VULNDATA") else {
        eprintln!("not run: WHARF_TEST_VULNDATA names no folder of advisories and cases");
        return;
    };
    let path = Path::new(&folder).join("oracle/trivy-golden.jsonl.gz");
    let lines = BufReader::new(GzDecoder::new(File::open(path).expect("the cases"))).lines();
    let mut differences = 0;
    for line in lines {
        let case: Value = serde_json::from_str(&line.expect("text")).expect("a case");
        differences += usize::from(!is_same(&case));
    }
    assert_eq!(differences, 0);
}

fn is_same(case: &Value) -> bool {
    let name = text(&case["case"]);
    let input = MatchInput {
        system: Some(system(case)),
        packages: list(&case["packages"]).map(|package| self::package(package).into()).collect(),
    };
    let mut index = MemoryIndex::default();
    for row in list(&case["advisories"]) {
        for advisory in advisories(row) {
            index.add_advisory(advisory);
        }
    }
    let Ok(assessment) = matching::assess(&input, &index);
    let found: BTreeSet<(String, String, String)> = assessment
        .findings()
        .filter(|found| !LEFT_OUT.contains(&(name, &found.vulnerability)))
        .map(|found| {
            let fixed = match &found.answer {
                Answer::Affected { fixed_in } => fixed_in.clone().unwrap_or_default(),
                other => panic!("{other:?}"),
            };
            (input.packages[found.package].package.name.clone(), found.vulnerability.clone(), fixed)
        })
        .collect();
    let wanted: BTreeSet<(String, String, String)> =
        list(&case["expected"]).map(|row| (own(&row["package"]), own(&row["id"]), own(&row["fixed"]))).collect();
    let pairs = |set: &BTreeSet<(String, String, String)>| {
        set.iter().map(|row| (row.0.clone(), row.1.clone())).collect::<BTreeSet<_>>()
    };
    for (row, expected) in found.iter().flat_map(|row| wanted.iter().map(move |expected| (row, expected))) {
        if (&row.0, &row.1) == (&expected.0, &expected.1) && row.2.trim_start_matches("0:") != expected.2 {
            eprintln!("{name}: {} {}: fixed in {:?}, expected {:?}", row.0, row.1, row.2, expected.2);
        }
    }
    if pairs(&found) != pairs(&wanted) {
        eprintln!("{name}: found {found:?}, expected {wanted:?}; {:?}", assessment.skipped);
    }
    pairs(&found) == pairs(&wanted)
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
    vec![advisory(id, vec![id.to_owned()], affected)]
}

fn advisory(id: &str, vulnerabilities: Vec<String>, affected: Affected) -> Advisory {
    let head = Head { source: "golden".to_owned(), id: id.to_owned(), vulnerabilities, ..Head::default() };
    Advisory { head, affected: vec![affected] }
}

/// Red Hat's rows are for repositories by number: the release of a fix is in its version, and states hold for 6 and 7.
fn red_hat(name: &str, id: &str, entry: &Value) -> Vec<Advisory> {
    let mut cves: Vec<String> = list(&entry["Cves"]).filter_map(|cve| cve["ID"].as_str()).map(str::to_owned).collect();
    if cves.is_empty() {
        cves.push(id.to_owned());
    }
    let fixed = entry["FixedVersion"].as_str();
    let releases =
        ["6", "7"].into_iter().filter(|release| fixed.is_none_or(|fixed| fixed.contains(&format!(".el{release}"))));
    let row = |release: &str| {
        let mut affected = Affected::all(Ecosystem::RedHat, release, name);
        if let Some(fixed) = fixed {
            affected.versions = Versions::before(fixed);
        }
        advisory(id, cves.clone(), affected)
    };
    releases.map(row).collect()
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
