//! Signs that no text shows, in all that images say of themselves: none of it is told as it stands.

use scan::{
    detectors,
    inventory::{Inventory, fold},
    layer,
    limits::Limits,
};

use crate::{
    languages::{
        go,
        java::jar,
        programs::{Kind, program},
        rust,
    },
    layers::support::{Entry, file, tar},
    os::rpm::{berkeley, made::Made, ndb, sqlite},
};

/// Of ASCII, of Latin 1, and those that turn the direction of text.
const SIGNS: [char; 7] = ['\u{1}', '\u{1b}', '\u{7f}', '\u{9b}', '\u{202a}', '\u{202e}', '\u{2069}'];

fn image(entries: &[Entry]) -> Inventory {
    let read = layer::read(tar(entries).as_slice(), &detectors::all(), &Limits::default()).expect("memory can be read");
    fold(&[&read.facts])
}

/// A text in JSON, in its quotes.
fn json(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}

fn rpm(name: &str, version: &str, vendor: &str) -> Vec<u8> {
    let [name, version, vendor, release] = [name, version, vendor, "1"].map(str::to_owned);
    let files = vec![("/usr/share/a/".to_owned(), vec!["b".to_owned(), "c".to_owned()])];
    Made { name, version, release, vendor, files, ..Made::default() }.header().blob()
}

/// The file of each detector that tells of a package with this name and version: detector, path and content.
fn files(name: &str, version: &str) -> Vec<(&'static str, String, Vec<u8>)> {
    let text = |detector, path: &str, content: String| (detector, path.to_owned(), content.into_bytes());
    let (json_name, json_version) = (json(name), json(version));
    let headers = [rpm(name, version, "")];
    let info = go::inline("go1.22.1", &format!("path\tmain\ndep\t{name}\t{version}\th1:x=\n"));
    let crates =
        format!("{{\"packages\":[{{\"name\":{json_name},\"version\":{json_version},\"source\":\"crates.io\"}}]}}");
    vec![
        text("apk", "lib/apk/db/installed", format!("P:{name}\nV:{version}\nF:usr\nR:a\nR:b\n\n")),
        text(
            "dpkg",
            "var/lib/dpkg/status",
            format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\n"),
        ),
        text("dpkg", "var/lib/dpkg/status.d/a", format!("Package: {name}\nVersion: {version}\n")),
        text("dpkg", "var/lib/dpkg/status", format!("Package: a\nVersion: 1\nSource: {name} ({version})\n")),
        text(
            "rpm",
            "var/lib/rpmmanifest/container-manifest-2",
            format!("{name}\t{version}\t1\t1\tv\t(none)\t1\tx\t0\ta-1-1.src.rpm\n"),
        ),
        ("rpm", "var/lib/rpm/rpmdb.sqlite".to_owned(), sqlite::database(&headers, 4096)),
        ("rpm", "var/lib/rpm/Packages.db".to_owned(), ndb::database(&headers)),
        ("rpm", "var/lib/rpm/Packages".to_owned(), berkeley::database(&headers, berkeley::LITTLE, 4096)),
        text("npm", "node_modules/a/package.json", format!("{{\"name\":{json_name},\"version\":{json_version}}}")),
        text("npm", "app/yarn.lock", format!("\"{name}@^1\":\n  version \"{version}\"\n")),
        text("python", "lib/a.dist-info/METADATA", format!("Name: {name}\nVersion: {version}\n")),
        ("java", "app/a.jar".to_owned(), jar(name, "a", version)),
        ("go", "bin/a".to_owned(), program(Kind::Elf64, &[(".go.buildinfo", &info)])),
        ("rust", "bin/b".to_owned(), program(Kind::Elf64, &[(".dep-v0", &rust::packed(&crates))])),
        text("ruby", "specifications/a.gemspec", format!("s.name = \"{name}\"\ns.version = \"{version}\"\n")),
        text("php", "vendor/composer/installed.json", format!("[{{\"name\":{json_name},\"version\":{json_version}}}]")),
        text(
            "dotnet",
            "app/packages.lock.json",
            format!(
                "{{\"version\":1,\"dependencies\":{{\"net8.0\":{{{json_name}:{{\"type\":\"Direct\",\"resolved\":{json_version}}}}}}}}}"
            ),
        ),
    ]
}

#[test]
fn no_detector_tells_of_packages_that_are_named_with_signs() {
    for (detector, path, content) in files("a-b", "1.0") {
        let found = image(&[file(&path, content)]);
        assert!(!found.packages.is_empty() && found.is_whole(), "{detector}: {path}: {found:?}");
    }
    for sign in SIGNS {
        let (name, version) = (format!("a{sign}b"), format!("1.0{sign}1"));
        for (name, version) in [(&*name, "1.0"), ("a-b", &*version), (&*name, &*version)] {
            for (detector, path, content) in files(name, version) {
                let mut found = image(&[file(&path, content)]);
                // Go itself, which a program of Go always has.
                found.packages.retain(|package| package.package.name != "stdlib");
                let shown = format!("{found:?}");
                assert_eq!(found.packages, [], "{detector}: {path}: {name:?} {version:?}");
                assert!(!found.is_whole(), "{detector}: {path}: {name:?} {version:?}");
                assert!(!found.problems.iter().any(|problem| problem.what.contains(SIGNS)), "{detector}: {shown}");
            }
        }
    }
}

#[test]
fn the_problem_writes_the_signs_out() {
    let status = "Package: good\nVersion: 1\n\nPackage: a\u{1b}[2J\nVersion: 1\u{202e}\n";
    let found = image(&[file("var/lib/dpkg/status", status)]);
    let names: Vec<&str> = found.packages.iter().map(|package| &*package.package.name).collect();
    assert_eq!(names, ["good"]);
    let [problem] = &found.problems[..] else { panic!("{found:?}") };
    assert_eq!(
        problem.what,
        "a package is named with control characters, and was left out: `a\\u{1b}[2J` `1\\u{202e}`"
    );
}

/// Facts may be older than this rule, or come from a process that a hostile layer has taken over.
#[test]
fn what_facts_say_is_not_told_as_it_stands() {
    let layer = |name: &str| {
        let status = tar(&[file("var/lib/dpkg/status", "Package: good\nVersion: 1\n\nPackage: other\nVersion: 1\n")]);
        let read = layer::read(status.as_slice(), &detectors::all(), &Limits::default()).expect("memory can be read");
        let mut facts = read.facts;
        name.clone_into(&mut facts.files[0].evidence[0].found.packages[0].name);
        facts
    };
    assert!(fold(&[&layer("good")]).is_whole());
    let found = fold(&[&layer("go\u{1b}od")]);
    let names: Vec<&str> = found.packages.iter().map(|package| &*package.package.name).collect();
    let problems: Vec<(Option<&str>, &str)> =
        found.problems.iter().map(|problem| (problem.path.as_deref(), &*problem.what)).collect();
    let what = "a package is named with control characters, and was left out: `go\\u{1b}od` `1`";
    assert_eq!((names, problems), (vec!["other"], vec![(Some("var/lib/dpkg/status"), what)]));
}

/// What is only shown beside a package is kept, with its signs written out; so are paths, which hold files whatever they are.
#[test]
fn what_is_shown_beside_is_written_out() {
    let database = sqlite::database(&[rpm("a", "1", "V\u{9b}endor\u{202e}")], 4096);
    let found = image(&[file("var/lib/rpm/rpmdb.sqlite", database)]);
    assert_eq!(found.packages[0].package.vendor.as_deref(), Some("V\\u{9b}endor\\u{202e}"));
    let path = "a\u{1b}b/node_modules/c/package.json";
    let found = image(&[file(path, r#"{"name":"c","version":"1"}"#)]);
    assert_eq!(found.packages[0].occurrences[0].path, "a\\u{1b}b/node_modules/c/package.json");
    let found = image(&[file(path, "{"), file(&"\u{202e}".repeat(3000), "")]);
    assert_eq!((found.packages.len(), found.problems.len()), (0, 2));
    for problem in &found.problems {
        assert!(!format!("{:?}{}", problem.path, problem.what).contains(SIGNS), "{problem:?}");
    }
    let list = file("var/lib/dpkg/info/a\u{1b}b.list", "/usr/bin/a\n/usr/bin/b\n");
    assert_eq!(image(&[list]).problems.len(), 1);
}

#[test]
fn systems_tell_nothing_with_signs() {
    let cases = [
        ("etc/os-release", "ID=deb\u{1b}ian\nVERSION_ID=12\n", None),
        ("etc/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"De\u{202e}bian\"\n", Some(("debian", "12", ""))),
        ("etc/os-release", "ID=debian\nVERSION_ID=\"12\u{7f}\"\n", Some(("debian", "", ""))),
        ("etc/debian_version", "12\u{9b}.1\n", Some(("debian", "", "Debian 12\u{9b}.1"))),
        ("etc/os-release", "\u{feff}ID=debian\nVERSION_ID=12\n", Some(("debian", "12", ""))),
        ("etc/os-release", "\u{feff}\"ID=debian\"\n", None),
        ("etc/debian_version", "\u{feff}12.1\n", Some(("debian", "12.1", "Debian 12.1"))),
    ];
    for (path, content, told) in cases {
        let os = image(&[file(path, content)]).os;
        let told = told.map(|(id, version, name)| (id, version, if name.contains(SIGNS) { "" } else { name }));
        let found = os.as_ref().map(|os| (&*os.id, &*os.version, &*os.pretty_name));
        assert_eq!(found, told, "{path}: {content:?}");
    }
    // What is more exact is told only if it is honest.
    let files =
        [file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n"), file("etc/alpine-release", "3.20.1\u{1b}\n")];
    assert_eq!(image(&files).os.expect("a system").version, "3.20.1");
}
