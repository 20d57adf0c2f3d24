//! The rules of matching, each by packages and advisories made for it.

use scan::{
    advisory::{Advisory, Affected, Event, Head, Kind, Module, NameOf, Scope, State, Versions},
    ecosystem::Ecosystem,
    feeds::Scores,
    matching::{self, Answer, Assessment, Class, InputPackage, MatchInput, MatchLimits, MemoryIndex},
    os::Os,
    package::{Package, PackageKind, Presence, SourcePackage},
    severity::{Judge, Severity},
};

const CVE: &str = "CVE-2024-1";

fn advisory(id: &str, affected: Affected) -> Advisory {
    let head = Head {
        source: "vendor".to_owned(),
        id: id.to_owned(),
        vulnerabilities: vec![CVE.to_owned()],
        ..Head::default()
    };
    Advisory { head, affected: vec![affected] }
}

fn row(ecosystem: Ecosystem, release: &str, name: &str, fixed: &str) -> Affected {
    let mut row = Affected::all(ecosystem, release, name);
    if !fixed.is_empty() {
        row.versions = Versions::before(fixed);
    }
    row
}

fn red_hat(name: &str, fixed: &str) -> Affected {
    row(Ecosystem::RedHat, "8", name, fixed)
}

fn rpm(name: &str, version: &str) -> Package {
    Package { vendor: Some("Red Hat, Inc.".to_owned()), ..Package::installed(PackageKind::Rpm, name, version) }
}

fn index(advisories: impl IntoIterator<Item = Advisory>) -> MemoryIndex {
    let mut index = MemoryIndex::default();
    advisories.into_iter().for_each(|advisory| index.add_advisory(advisory));
    index
}

fn assess(os: (&str, &str), packages: Vec<InputPackage>, index: &MemoryIndex) -> Assessment {
    let input = MatchInput { system: Some(Os::named(os.0, os.1, "")), packages };
    let Ok(assessment) = matching::assess(&input, index);
    assessment
}

/// Hostile images have many packages of one source, of which advisories say much.
#[test]
fn comparing_is_bounded() {
    let rows = |number: usize| {
        let mut told = advisory(&format!("A-{number}"), row(Ecosystem::PyPi, "", "a", "2.0"));
        told.head.vulnerabilities = vec![format!("CVE-{number}")];
        told
    };
    let index = index((0..10).map(rows));
    let packages = (0..5).map(|_| Package::installed(PackageKind::Python, "a", "1.0").into()).collect();
    let input = MatchInput { system: None, packages };
    let within = |limits: MatchLimits| {
        let Ok(found) = matching::find(&input, &index, &limits);
        (found.matches.len(), found.ended.is_some())
    };
    let found = |rulings, findings| within(MatchLimits { rulings, findings, ..MatchLimits::default() });
    assert_eq!(found(50, 50), (50, false));
    assert_eq!(found(49, 50), (40, true));
    // Those of one package are told whole.
    assert_eq!(found(50, 15), (20, true));
    // Each finding takes some hundreds of bytes, or more.
    assert_eq!(within(MatchLimits { memory: 1 << 20, ..MatchLimits::default() }), (50, false));
    assert_eq!(within(MatchLimits { memory: 5_000, ..MatchLimits::default() }), (10, true));
    // What rows there are more of is not known, and that is said.
    assert_eq!(within(MatchLimits { rows: 10, ..MatchLimits::default() }), (50, false));
    assert_eq!(within(MatchLimits { rows: 9, ..MatchLimits::default() }), (50, true));
    let Ok(found) = matching::find(&input, &index, &MatchLimits::default());
    let Ok(all) = matching::assess(&input, &index);
    assert_eq!(found.matches, all.matches.into_iter().filter(|found| found.answer.is_finding()).collect::<Vec<_>>());
}

/// The answer for one package by rows of one vulnerability.
fn answer(os: (&str, &str), package: Package, rows: Vec<Affected>) -> Option<Answer> {
    let index = index(rows.into_iter().enumerate().map(|(at, row)| advisory(&format!("A-{at}"), row)));
    let mut assessment = assess(os, vec![package.into()], &index);
    assert!(assessment.matches.len() <= 1);
    assessment.matches.pop().map(|found| found.answer)
}

/// What is expected where a fix is there: no answer where none is named.
fn fixed_in(version: &str) -> Option<Answer> {
    (!version.is_empty()).then(|| Answer::Affected { fixed_in: Some(version.to_owned()) })
}

fn since(version: &str) -> Option<Answer> {
    (!version.is_empty()).then(|| Answer::Fixed { since: version.to_owned() })
}

const RHEL: (&str, &str) = ("rhel", "8.4");

#[test]
fn epochs() {
    // What the database leaves out is 0; what the advisory leaves out is not known.
    let cases = [
        ("1:1.0-1.el8", "1.1-1.el8", fixed_in("1:1.1-1.el8")),
        ("1:1.2-1.el8", "1.1-1.el8", since("1:1.1-1.el8")),
        ("2.0-1.el8", "1:1.0-1.el8", fixed_in("1:1.0-1.el8")),
        ("0:2.0-1.el8", "0:1.0-1.el8", since("0:1.0-1.el8")),
    ];
    for (version, fixed, expected) in cases {
        assert_eq!(answer(RHEL, rpm("a", version), vec![red_hat("a", fixed)]), expected, "{version} {fixed}");
    }
    // The source of an rpm has the package's epoch if it has its version.
    let mut package = rpm("a-libs", "1:1.0-1.el8");
    package.source = Some(SourcePackage { name: "a".to_owned(), version: "1.0-1.el8".to_owned() });
    let mut source = red_hat("a", "1:1.1-1.el8");
    source.of = NameOf::Source;
    assert_eq!(answer(RHEL, package.clone(), vec![source.clone()]), fixed_in("1:1.1-1.el8"));
    package.source = Some(SourcePackage { name: "a".to_owned(), version: "2.0-1.el8".to_owned() });
    assert_eq!(answer(RHEL, package, vec![source]), since("1.1-1.el8"));
}

#[test]
fn sources_and_binaries() {
    let mut package = Package::installed(PackageKind::Dpkg, "libssl3", "3.0.11-1+b1");
    package.source = Some(SourcePackage { name: "openssl".to_owned(), version: "3.0.11-1".to_owned() });
    let debian = |name: &str, of| Affected { of, ..row(Ecosystem::Debian, "12", name, "3.0.11-1+x") };
    let os = ("debian", "12");
    assert_eq!(answer(os, package.clone(), vec![debian("openssl", NameOf::Source)]), fixed_in("3.0.11-1+x"));
    assert_eq!(answer(os, package.clone(), vec![debian("openssl", NameOf::Binary)]), None);
    assert_eq!(answer(os, package.clone(), vec![debian("libssl3", NameOf::Source)]), None);
    assert_eq!(answer(os, package.clone(), vec![debian("openssl", NameOf::Either)]), fixed_in("3.0.11-1+x"));
    assert_eq!(answer(("debian", "11"), package, vec![debian("openssl", NameOf::Source)]), None);
}

#[test]
fn states_and_denials() {
    let state = |state| Affected { state, ..red_hat("a", "") };
    let case = |rows| answer(RHEL, rpm("a", "1-1.el8"), rows);
    let open = Some(Answer::Affected { fixed_in: None });
    for kept in [State::Affected, State::WillNotFix, State::Deferred, State::EndOfLife] {
        assert_eq!(case(vec![state(kept)]), open, "{kept:?}");
    }
    assert!(matches!(case(vec![state(State::UnderInvestigation)]), Some(Answer::Unknown { .. })));
    assert_eq!(
        case(vec![state(State::NotAffected), state(State::Affected)]),
        Some(Answer::NotAffected { said_by: "vendor".to_owned() })
    );
    // A fix says more than that something is affected.
    assert_eq!(case(vec![state(State::WillNotFix), red_hat("a", "1-2.el8")]), fixed_in("1-2.el8"));
    assert_eq!(case(vec![state(State::WillNotFix), red_hat("a", "1-1.el8")]), since("1-1.el8"));
}

#[test]
fn module_streams() {
    let module = |stream: &str| Module { name: "php".to_owned(), stream: stream.to_owned() };
    let fix = |stream: &str, fixed: &str| Affected { modules: vec![module(stream)], ..red_hat("php", fixed) };
    let labelled = |label: &str, version: &str| Package { module: Some(label.to_owned()), ..rpm("php", version) };
    let newer = "8.0.20-2.module+el8.7.0+3+cc";
    let older = "7.4.30-2.module+el8.7.0+2+bb";
    let installed = "7.4.19-1.module+el8.5.0+1+aa";
    let both = || vec![fix("8.0", newer), fix("7.4", older)];
    let case = |package, rows| answer(RHEL, package, rows);
    assert_eq!(case(labelled("php:7.4:8050:x", installed), both()), fixed_in(older));
    assert_eq!(case(labelled("php:7.4:8050:x", installed), vec![fix("8.0", newer)]), None);
    // Without a label a fix with the same mark tells the stream.
    let marked = vec![fix("8.0", newer), fix("7.4", "7.4.19-1.module+el8.5.0+1+aa")];
    assert_eq!(case(rpm("php", installed), marked), since("7.4.19-1.module+el8.5.0+1+aa"));
    // The version alone tells what it is not, and no more.
    assert_eq!(case(rpm("php", installed), vec![fix("8.0", newer)]), None);
    assert!(matches!(case(rpm("php", installed), both()), Some(Answer::Unknown { .. })));
    // A package of no module meets no fix of one; that there is no fix holds for all.
    assert_eq!(case(rpm("php", "7.2-1.el8"), both()), None);
    assert_eq!(case(rpm("php", installed), vec![red_hat("php", "7.5-1.el8")]), None);
    assert_eq!(case(rpm("php", installed), vec![red_hat("php", "")]), Some(Answer::Affected { fixed_in: None }));
    // Builders that count apart agree on what is before their marks.
    let other = labelled("php:7.4:8050:x", "7.4.30-2.module_el8.7.0+1+dd");
    assert!(!matches!(case(other, both()), Some(Answer::Affected { .. })));
    // A sibling with the same mark is of the same stream.
    let sibling_fix = Affected { modules: vec![module("7.4")], ..red_hat("php-x", "2.0-1.module+el8.5.0+1+aa") };
    let index = index([advisory("A", fix("7.4", older)), advisory("B", sibling_fix)]);
    let found =
        assess(RHEL, vec![rpm("php", installed).into(), rpm("php-x", "2.0-1.module+el8.5.0+1+aa").into()], &index);
    assert_eq!(found.findings().map(|found| found.package).collect::<Vec<_>>(), [0]);
}

#[test]
fn minor_releases() {
    let eus = |fixed: &str| Affected { repository: Some("rhel_eus:8.2::baseos".to_owned()), ..red_hat("a", fixed) };
    let case = |version, rows| answer(RHEL, rpm("a", version), rows);
    let rows = || vec![red_hat("a", "4-305.el8"), eus("4-193.60.el8_2"), red_hat("a", "4-240.22.el8_3")];
    assert_eq!(case("4-240.1.el8_3", rows()), fixed_in("4-240.22.el8_3"));
    assert_eq!(case("4-240.22.el8_3", rows()), since("4-240.22.el8_3"));
    assert_eq!(case("4-193.70.el8_2", rows()), since("4-193.60.el8_2"));
    // A release without a minor one has none of the fixes that are for one alone.
    assert_eq!(case("4-200.el8", rows()), fixed_in("4-240.22.el8_3"));
    assert_eq!(case("4-306.el8", rows()), since("4-305.el8"));
}

#[test]
fn vendors_flavours_architectures_and_extras() {
    let foreign = Package { vendor: Some("Fedora Project".to_owned()), ..rpm("a", "1-1.el8") };
    let index_of = |row| index([advisory("A", row)]);
    let found = assess(RHEL, vec![foreign.into()], &index_of(red_hat("a", "2-1.el8")));
    assert_eq!((found.matches.len(), found.skipped.len()), (0, 1));

    let oracle = |fixed: &str| row(Ecosystem::OracleLinux, "8", "a", fixed);
    let case = |version: &str, fixed: &str| {
        answer(("ol", "8.5"), Package::installed(PackageKind::Rpm, "a", version), vec![oracle(fixed)])
    };
    assert_eq!(case("2:2.17-1.el8", "2:2.17-3.ksplice1.el8"), None);
    assert_eq!(case("2:2.17-1.ksplice1.el8", "2:2.17-3.ksplice1.el8"), fixed_in("2:2.17-3.ksplice1.el8"));

    let arch = |arch: &str| {
        let package = Package { arch: arch.to_owned(), ..rpm("a", "1-1.el8") };
        answer(RHEL, package, vec![Affected { arches: vec!["x86_64".to_owned()], ..red_hat("a", "2-1.el8") }])
    };
    assert_eq!((arch("aarch64"), arch("x86_64"), arch("noarch")), (None, fixed_in("2-1.el8"), fixed_in("2-1.el8")));

    let amazon = |fixed: &str, extra: Option<&str>| Affected {
        repository: extra.map(|extra| format!("extras/{extra}")),
        ..row(Ecosystem::AmazonLinux, "2", "kernel-headers", fixed)
    };
    let case = |version: &str, rows| {
        answer(("amzn", "2"), Package::installed(PackageKind::Rpm, "kernel-headers", version), rows)
    };
    let rows = || {
        vec![
            amazon("4.14.200-1.amzn2", None),
            amazon("5.4.100-1.amzn2", Some("kernel-5.4")),
            amazon("5.10.50-1.amzn2", Some("kernel-5.10")),
        ]
    };
    assert_eq!(case("4.14.100-1.amzn2", rows()), fixed_in("4.14.200-1.amzn2"));
    assert_eq!(case("4.14.300-1.amzn2", rows()), since("4.14.200-1.amzn2"));
    assert_eq!(
        case("4.14.300-1.amzn2", vec![amazon("1-1.amzn2", None), amazon("5.4.100-1.amzn2", Some("kernel-5.4"))]),
        since("1-1.amzn2")
    );
}

#[test]
fn extended_support() {
    let pro = Affected {
        of: NameOf::Source,
        repository: Some("pro".to_owned()),
        ..row(Ecosystem::Ubuntu, "18.04", "a", "1.2")
    };
    let index = index([advisory("A", pro)]);
    let package = || vec![Package::installed(PackageKind::Dpkg, "a", "1.1").into()];
    assert_eq!(assess(("ubuntu", "18.04"), package(), &index).matches.len(), 0);
    let system = Os { is_attached_to_pro: true, ..Os::named("ubuntu", "18.04", "") };
    let Ok(found) = matching::assess(&MatchInput { system: Some(system), packages: package() }, &index);
    assert_eq!(found.findings().count(), 1);
}

fn gem(name: &str) -> InputPackage {
    let mut package = InputPackage::from(Package::installed(PackageKind::Gem, name, "1.0"));
    package.paths = vec![format!("usr/share/gems/specifications/{name}-1.0.gemspec")];
    package
}

#[test]
fn packages_of_languages_that_the_system_brought() {
    let upstream = || advisory("GHSA-1", row(Ecosystem::RubyGems, "", "json", "2.0"));
    let own = || InputPackage::from(rpm("rubygem-json", "1.0-5.el8"));
    let owned = |path: &str| InputPackage {
        owner: Some("rubygem-json".to_owned()),
        paths: vec![path.to_owned()],
        ..gem("json")
    };
    let answers = |packages, index: &MemoryIndex| {
        let found = assess(RHEL, packages, index);
        found.matches.into_iter().map(|found| found.answer).collect::<Vec<_>>()
    };
    let alone = index([upstream()]);
    let affected = Answer::Affected { fixed_in: Some("2.0".to_owned()) };
    assert_eq!(answers(vec![gem("json"), own()], &alone), std::slice::from_ref(&affected));
    assert!(matches!(answers(vec![owned("usr/share/gems/a"), own()], &alone)[..], [Answer::Unknown { .. }]));
    // No distribution's package brings files there.
    assert_eq!(answers(vec![owned("opt/app/a"), own()], &alone), std::slice::from_ref(&affected));
    // Nor does the distribution judge what others built.
    let foreign = InputPackage::from(Package { vendor: Some("Remi".to_owned()), ..rpm("rubygem-json", "1.0-5.el8") });
    assert_eq!(answers(vec![owned("usr/share/gems/a"), foreign], &alone), [affected]);
    // A denial of the owner's vendor reaches into its files where it says so.
    let denial = Affected { state: State::NotAffected, scope: Scope::PackageAndFiles, ..red_hat("rubygem-json", "") };
    let denied = index([upstream(), advisory("A", denial)]);
    let found = answers(vec![owned("usr/share/gems/a"), own()], &denied);
    assert!(found.iter().all(|answer| matches!(answer, Answer::NotAffected { .. })), "{found:?}");
}

#[test]
fn names_and_records_of_languages() {
    let pypi = |fixed: &str| row(Ecosystem::PyPi, "", "a", fixed);
    let head = |id: &str, aliases: &[&str], cves: &[&str]| Head {
        source: id.split('-').next().unwrap_or_default().to_lowercase(),
        id: id.to_owned(),
        aliases: aliases.iter().map(ToString::to_string).collect(),
        vulnerabilities: cves.iter().map(ToString::to_string).collect(),
        ..Head::default()
    };
    let package = || vec![Package::installed(PackageKind::Python, "A", "1.0").into()];
    // One finding by several records; GitHub's knows no CVE, but another record knows GitHub's.
    let records = [
        Advisory { head: head("GHSA-1", &[], &[]), affected: vec![pypi("1.2")] },
        Advisory { head: head("PYSEC-1", &[CVE, "GHSA-1"], &[CVE]), affected: vec![pypi("")] },
    ];
    let found = assess(("debian", "12"), package(), &index(records));
    let [only] = &found.matches[..] else { panic!("{found:?}") };
    assert_eq!(
        (only.vulnerability.as_str(), &only.answer),
        (CVE, &Answer::Affected { fixed_in: Some("1.2".to_owned()) })
    );
    assert!(only.aliases.contains(&"GHSA-1".to_owned()) && only.evidence.len() == 2);
    // A record that knows no end yields to one that does.
    let records = [
        Advisory { head: head("GO-1", &[CVE], &[CVE]), affected: vec![pypi("")] },
        Advisory { head: head("GHSA-1", &[CVE], &[CVE]), affected: vec![pypi("1.0")] },
    ];
    assert_eq!(assess(("debian", "12"), package(), &index(records)).findings().count(), 0);
    // What is withdrawn or no vulnerability matches nothing.
    let withdrawn = Head { withdrawn: Some("2024-01-01".to_owned()), ..head("GHSA-1", &[], &[CVE]) };
    let notice = Head { kind: Kind::Notice, ..head("GHSA-2", &[], &["CVE-2024-2"]) };
    let records = [withdrawn, notice].map(|head| Advisory { head, affected: vec![pypi("")] });
    assert_eq!(assess(("debian", "12"), package(), &index(records)).matches.len(), 0);
}

#[test]
fn requirements() {
    let mut affected = row(Ecosystem::RubyGems, "", "a", "");
    affected.versions.unaffected =
        ["~> 0.8.6", ">= 0.9.15", "< 0.7.0"].into_iter().filter_map(scan::feeds::read_requirement).collect();
    let case = |version: &str| {
        let package = Package::installed(PackageKind::Gem, "a", version);
        answer(("debian", "12"), package, vec![affected.clone()])
    };
    for version in ["0.6.9", "0.8.6", "0.8.9", "0.9.15", "1.0"] {
        assert!(matches!(case(version), Some(Answer::NotAffected { .. })), "{version}");
    }
    assert_eq!(case("0.8.5"), fixed_in("0.8.6"));
    assert_eq!(case("0.9.0"), fixed_in("0.9.15"));
    let mut listed = row(Ecosystem::Npm, "", "a", "");
    listed.versions = Versions { listed: vec!["1.0.0".to_owned()], ..Versions::default() };
    let case = |version: &str| {
        answer(("debian", "12"), Package::installed(PackageKind::Npm, "a", version), vec![listed.clone()])
    };
    assert_eq!(case("1.0.0"), Some(Answer::Affected { fixed_in: None }));
    assert!(matches!(case("1.0.1"), Some(Answer::NotAffected { .. })));
    let mut range = row(Ecosystem::Npm, "", "a", "");
    range.versions.ranges = vec![vec![Event::Introduced("1.0.0".to_owned()), Event::LastAffected("1.5.0".to_owned())]];
    range.versions.fixed = Some("2.0.0".to_owned());
    let package = Package::installed(PackageKind::Npm, "a", "1.5.0");
    assert_eq!(answer(("debian", "12"), package, vec![range]), fixed_in("2.0.0"));
}

#[test]
fn declared_packages() {
    let npm = |presence, path: &str| InputPackage {
        package: Package { presence, ..Package::installed(PackageKind::Npm, "a", "1.0.0") },
        paths: vec![path.to_owned()],
        owner: None,
    };
    let index = index([advisory("A", row(Ecosystem::Npm, "", "a", "2.0.0"))]);
    let found =
        |packages| assess(("debian", "12"), packages, &index).findings().map(|found| found.package).collect::<Vec<_>>();
    let lock = || npm(Presence::Declared, "app/package-lock.json");
    assert_eq!(found(vec![lock()]), [0]);
    assert_eq!(found(vec![lock(), npm(Presence::Installed, "app/node_modules/a/package.json")]), [1]);
    assert_eq!(found(vec![lock(), npm(Presence::Installed, "other/node_modules/a/package.json")]), [0, 1]);
}

#[test]
fn what_is_told_beside() {
    let mut index = index([advisory("A-1", red_hat("kernel-headers", "4-305.el8"))]);
    let ratings =
        scan::advisory::Rating::of_vector("nvd", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H").into_iter().collect();
    index.add_scores(Scores { id: CVE.to_owned(), ratings, ..Scores::default() });
    let nameless = InputPackage::from(Package::installed(PackageKind::Npm, "a", ""));
    let found = assess(RHEL, vec![rpm("kernel-headers", "4-200.el8").into(), gem("x"), nameless], &index);
    let [only] = &found.matches[..] else { panic!("{found:?}") };
    assert_eq!(
        (only.class, only.severity.severity, only.severity.by),
        (Class::NotRuntime, Severity::Critical, Judge::NationalCvss)
    );
    let evidence = &only.evidence[0];
    assert_eq!(
        (evidence.source.as_str(), evidence.record.as_str(), evidence.version.as_str()),
        ("vendor", "A-1", "4-200.el8")
    );
    assert_eq!(
        (evidence.range.as_str(), evidence.rule.as_str()),
        ("all versions, before 4-305.el8", "the version is in the range")
    );
    // There are gems, but no advisories for any: that nothing is found says nothing.
    assert_eq!(found.uncovered, [(Ecosystem::RubyGems, String::new())]);
    assert_eq!(found.skipped.len(), 1);
    let unknown = assess(("haiku", "1"), vec![rpm("a", "1-1").into()], &index);
    assert_eq!(unknown.skipped.len(), 1);
}

#[test]
fn why_and_why_not() {
    let other = Affected { arches: vec!["aarch64".to_owned()], ..red_hat("a", "2-1.el8") };
    let used = Affected { imports: vec!["m/p".to_owned()], ..row(Ecosystem::Go, "", "m", "2.0.0") };
    let index = index([advisory("A", other), advisory("B", red_hat("a", "1-1.el8")), advisory("C", used)]);
    let packages = vec![
        Package { arch: "x86_64".to_owned(), ..rpm("a", "1-1.el8") }.into(),
        Package::installed(PackageKind::Go, "m", "v1.0.0").into(),
    ];
    let input = MatchInput { system: Some(Os::named("rhel", "8", "")), packages };
    let Ok(explained) = matching::explain(&input, &index, CVE);
    let rules: Vec<_> =
        explained.iter().map(|(at, evidence)| (*at, evidence.record.as_str(), evidence.rule.as_str())).collect();
    assert_eq!(
        rules,
        [
            (0, "A", "it is for other architectures"),
            (0, "B", "the version is not in the range"),
            (1, "C", "the version is in the range; that the program uses m/p is not confirmed"),
        ]
    );
    let Ok(nothing) = matching::explain(&input, &index, "CVE-2024-9");
    assert_eq!(nothing, []);
}

#[test]
fn systems() {
    let place = |id: &str, version: &str| matching::place(&Os::named(id, version, ""));
    let cases = [
        ("alpine", "3.20.3", Ecosystem::Alpine, "3.20"),
        ("debian", "12", Ecosystem::Debian, "12"),
        ("ubuntu", "22.04", Ecosystem::Ubuntu, "22.04"),
        ("rhel", "8.10", Ecosystem::RedHat, "8"),
        ("centos", "7", Ecosystem::RedHat, "7"),
        ("amzn", "2", Ecosystem::AmazonLinux, "2"),
        ("amzn", "2018.03", Ecosystem::AmazonLinux, "1"),
        ("sles", "15.5", Ecosystem::Suse, "15.5"),
        ("sl-micro", "6.0", Ecosystem::Suse, "micro 6.0"),
        ("opensuse-leap", "15.6", Ecosystem::OpenSuse, "15.6"),
        ("photon", "4.0", Ecosystem::Photon, "4.0"),
        ("wolfi", "20230201", Ecosystem::Wolfi, ""),
    ];
    for (id, version, ecosystem, release) in cases {
        assert_eq!(place(id, version), Some((ecosystem, release.to_owned())), "{id} {version}");
    }
    assert_eq!(matching::place(&Os::named("centos", "8", "CentOS Stream")), None);
    assert_eq!(place("centos", "9"), None);
    assert_eq!(place("plan9", "4"), None);
    let ended = matching::end_of_life(&Os::named("debian", "10", ""));
    assert_eq!(ended, Some("2024-06-30"));
}
