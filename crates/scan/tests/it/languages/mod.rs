//! Packages of programming languages: what each detector takes of a file, and that none trusts it.

mod archives;
mod dotnet;
pub mod go;
mod go_functions;
pub mod java;
mod mutated;
mod npm;
mod php;
pub mod programs;
mod python;
mod ruby;
pub mod rust;

use std::io::{Cursor, Write};

use scan::detectors::languages::LANGUAGES;
use scan::detectors::{Candidate, Detector};
use scan::facts::Found;
use scan::limits::Limits;
use scan::package::Presence;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The names of the detectors that want a file.
fn wanted_by(path: &str, content: &[u8]) -> Vec<&'static str> {
    let head = &content[..content.len().min(64)];
    let file = Candidate { path, head, size: content.len() as u64, mode: 0o644 };
    LANGUAGES.iter().filter(|detector| detector.wants(&file)).map(|detector| detector.name()).collect()
}

/// What a detector finds in a file that it wants.
fn found(path: &str, content: &[u8]) -> Found {
    found_within(path, content, &Limits::default())
}

fn found_within(path: &str, content: &[u8], limits: &Limits) -> Found {
    let head = &content[..content.len().min(64)];
    let file = Candidate { path, head, size: content.len() as u64, mode: 0o644 };
    let wanting = LANGUAGES.iter().filter(|detector| detector.wants(&file));
    let mut all = Found::default();
    for found in wanting.map(|detector| detector.read(path, content, limits)) {
        let before = all.packages.len();
        all.within.extend(found.within.into_iter().map(|(at, within)| (before + at, within)));
        all.packages.extend(found.packages);
        all.problems.extend(found.problems);
    }
    all
}

/// Packages as texts, in order: `name version`, with `declared` behind where it is so.
fn shown(found: &Found) -> Vec<String> {
    let declared = |presence| if presence == Presence::Declared { " declared" } else { "" };
    let show = |package: &scan::package::Package| {
        format!("{} {}{}", package.name, package.version, declared(package.presence))
    };
    found.packages.iter().map(show).collect()
}

/// What is found in a file without any problem.
fn packages(path: &str, content: impl AsRef<[u8]>) -> Vec<String> {
    let found = found(path, content.as_ref());
    assert_eq!(found.problems, Vec::<String>::new(), "{path}");
    shown(&found)
}

/// The problems of a file of which nothing is taken.
fn problems(path: &str, content: impl AsRef<[u8]>) -> Vec<String> {
    let found = found(path, content.as_ref());
    assert_eq!(shown(&found), Vec::<String>::new(), "{path}");
    found.problems
}

/// A zip archive.
fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    zipped_as(SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated), entries)
}

fn zipped_as(options: SimpleFileOptions, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        archive.start_file(*name, options).expect("an entry");
        archive.write_all(content).expect("in memory");
    }
    archive.finish().expect("in memory").into_inner()
}

#[test]
fn each_detector_has_a_name_of_its_own() {
    let mut names: Vec<&str> = LANGUAGES.iter().map(|detector| detector.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), LANGUAGES.len());
    assert!(LANGUAGES.iter().all(|detector: &&dyn Detector| detector.revision() > 0));
}

#[test]
fn a_file_is_wanted_by_its_path() {
    let cases: [(&str, &[&str]); 54] = [
        ("app/node_modules/a/package.json", &["npm"]),
        ("node_modules/a/package.json", &["npm"]),
        ("app/node_modules/@s/a/package.json", &["npm"]),
        ("app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json", &["npm"]),
        ("app/node_modules/a/node_modules/b/package.json", &["npm"]),
        ("app/node_modules/a/dist/package.json", &[]),
        ("app/node_modules/@s/package.json", &[]),
        ("app/node_modules/a/test/b/package.json", &[]),
        ("app/node_modules/.cache/package.json", &[]),
        ("app/package.json", &["npm"]),
        ("package.json", &["npm"]),
        ("app/templates/package.json", &[]),
        ("app/tests/data/package.json", &[]),
        ("app/package-lock.json", &["npm-lock"]),
        ("app/npm-shrinkwrap.json", &["npm-lock"]),
        ("app/yarn.lock", &["npm-lock"]),
        ("app/pnpm-lock.yaml", &["npm-lock"]),
        ("app/node_modules/a/package-lock.json", &[]),
        ("app/node_modules/.package-lock.json", &[]),
        ("usr/lib/python3/dist-packages/a-1.0.dist-info/METADATA", &["python"]),
        ("usr/lib/python3/dist-packages/a-1.0.dist-info/RECORD", &[]),
        ("usr/lib/python3/dist-packages/a.egg-info/PKG-INFO", &["python"]),
        ("usr/lib/python3/dist-packages/a-1.0.egg-info", &["python"]),
        ("usr/lib/python3/dist-packages/a.egg/EGG-INFO/PKG-INFO", &["python"]),
        ("usr/share/METADATA", &[]),
        ("usr/share/PKG-INFO", &[]),
        ("app/requirements.txt", &["python-lock"]),
        ("app/requirements-prod.txt", &["python-lock"]),
        ("app/old-requirements.txt", &[]),
        ("usr/lib/python3/site-packages/a/requirements.txt", &[]),
        ("app/poetry.lock", &["python-lock"]),
        ("app/Pipfile.lock", &["python-lock"]),
        ("app/pdm.lock", &["python-lock"]),
        ("app/uv.lock", &["python-lock"]),
        ("app/pylock.toml", &["python-lock"]),
        ("app/a.jar", &["java"]),
        ("app/a.WAR", &["java"]),
        ("app/a.zip", &[]),
        ("usr/share/a.par", &[]),
        ("src/Cargo.lock", &["cargo-lock"]),
        ("usr/lib/ruby/gems/3.1.0/specifications/a-1.0.gemspec", &["ruby"]),
        ("usr/lib/ruby/gems/3.1.0/specifications/default/a-1.0.gemspec", &["ruby"]),
        ("usr/lib/ruby/gems/3.1.0/gems/a-1.0/a.gemspec", &[]),
        ("app/Gemfile.lock", &["ruby-lock"]),
        ("usr/lib/ruby/gems/3.1.0/gems/a-1.0/Gemfile.lock", &[]),
        ("app/vendor/composer/installed.json", &["composer"]),
        ("app/installed.json", &[]),
        ("app/composer.lock", &["composer-lock"]),
        ("app/vendor/a/b/composer.lock", &[]),
        ("app/a.deps.json", &["dotnet"]),
        ("app/packages.lock.json", &["dotnet-lock"]),
        ("app/Packages.config", &["dotnet-lock"]),
        ("etc/passwd", &[]),
        ("", &[]),
    ];
    for (path, detectors) in cases {
        assert_eq!(wanted_by(path, b"{}"), detectors, "{path}");
    }
}

#[test]
fn a_file_is_wanted_by_its_beginning() {
    let elf = |kind: u8| [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 9], &[kind, 0]].concat();
    let cases: [(&str, &[u8], &[&str]); 11] = [
        ("usr/bin/a", &elf(2), &["go", "rust"]),
        ("usr/lib/a.so", &elf(3), &["go", "rust"]),
        ("usr/lib/a.o", &elf(1), &[]),
        ("core", &elf(4), &[]),
        ("a.exe", b"MZ\x90\0", &["go", "rust"]),
        ("a", b"\xcf\xfa\xed\xfe\x07\0\0\x01", &["go", "rust"]),
        ("a", b"\xca\xfe\xba\xbe\0\0\0\x02", &["go", "rust"]),
        ("A.class", b"\xca\xfe\xba\xbe\0\0\0\x34", &[]),
        ("usr/share/a.par", b"PK\x03\x04", &["java"]),
        ("a.egg", b"PK\x03\x04", &["python"]),
        ("a.jar", b"", &[]),
    ];
    for (path, head, detectors) in cases {
        assert_eq!(wanted_by(path, head), detectors, "{path}");
    }
}

#[test]
fn no_file_tells_of_more_than_a_layer_may_hold() {
    let requirements = (0..100).map(|number| format!("a{number}==1.0\n")).collect::<Vec<_>>().concat();
    let limits = Limits { packages: 10, ..Limits::default() };
    let found = found_within("requirements.txt", requirements.as_bytes(), &limits);
    assert_eq!((found.packages.len(), found.problems.len()), (10, 1));
    let limits = Limits { facts_bytes: 1_000, ..Limits::default() };
    let found = found_within("requirements.txt", requirements.as_bytes(), &limits);
    assert!(found.packages.len() < 10 && found.problems.len() == 1, "{found:?}");
    let limits = Limits { text_bytes: 100, ..Limits::default() };
    let found = found_within("requirements.txt", requirements.as_bytes(), &limits);
    assert_eq!((found.packages.len(), found.problems.len()), (0, 1));
}

#[test]
fn names_and_versions_are_words() {
    for (name, version) in [("a b", "1"), ("a", "1\u{1b}[2J"), (&"a".repeat(2_000), "1"), ("a", "1 or so")] {
        let content = format!("Name: x\nVersion: y\n\n{name}{version}");
        assert_eq!(packages("a.dist-info/METADATA", content), ["x y"]);
        let told = problems("a.dist-info/METADATA", format!("Name: {name}\nVersion: {version}\n"));
        assert_eq!(told.len(), 1, "{name} {version}");
        assert!(told[0].len() < 400 && !told[0].contains('\u{1b}'), "{}", told[0]);
    }
}

#[test]
fn problems_of_a_file_are_counted() {
    let list: Vec<String> = (0..100).map(|number| format!(r#"{{"name":"a {number}","version":"1"}}"#)).collect();
    let told = problems("vendor/composer/installed.json", format!("[{}]", list.join(",")));
    assert_eq!(told.len(), 21);
    assert_eq!(told[20], "and 80 problems more");
}
