//! Changed inputs: no detector panics, works on without end, or finds more than a bound allows.

use mutate::Form;
use scan::limits::Limits;

use super::java::{jar, overlapping};
use super::programs::{Kind, program};
use super::rust::{CRATES, packed};
use super::{found_within, go, go_functions, zipped};

/// Bounds that a small input may reach.
const LIMITS: Limits = Limits {
    entries: 1_000,
    unpacked_bytes: 1 << 20,
    file_bytes: 1 << 20,
    text_bytes: 1 << 16,
    path_bytes: 200,
    packages: 50,
    facts_bytes: 1 << 16,
    archive_depth: 3,
    archive_entries: 100,
    archive_bytes: 2 << 20,
    archives_bytes: 4 << 20,
    ratio: 200,
    ratio_from_bytes: 1 << 20,
};

/// Reads what may be anything, and holds what is found to the bounds.
fn read(path: &str, content: &[u8]) {
    let found = found_within(path, content, &LIMITS);
    // Two detectors may want a file.
    assert!(found.packages.len() <= 2 * LIMITS.packages && found.problems.len() <= 44, "{path}");
    let is_word = |text: &str| !text.chars().any(|letter| letter.is_control() || letter.is_whitespace());
    for package in &found.packages {
        let imports = package.imports.iter().flatten();
        assert!(imports.clone().is_sorted() && imports.clone().all(|import| is_word(import)), "{package:?}");
        assert!(!package.name.is_empty() && is_word(&package.name) && is_word(&package.version), "{package:?}");
    }
    assert!(found.problems.iter().all(|problem| problem.len() < 2_000 && !problem.contains('\u{1b}')));
    assert!(found.within.iter().all(|(at, path)| *at < found.packages.len() && path.len() <= LIMITS.path_bytes));
}

#[test]
fn texts() {
    let cases: [(&str, &[&str]); 12] = [
        (
            "a.dist-info/METADATA",
            &["Metadata-Version: 2.1\nName: A.b\nVersion: 1.0\n\ntext", "Name: c\r\nVersion: 2\r\n"],
        ),
        ("requirements.txt", &["a[x]==1.0 ; python_version < '3' --hash=sha256:00\n", "b === 2.0\n-r c\n# d==1\n"]),
        (
            "poetry.lock",
            &[
                "[[package]]\nname = \"a\"\nversion = \"1.0\"\n\n[metadata]\n",
                "[[package]]\nname='b'\nsource = { virtual = \".\" }\n",
            ],
        ),
        ("Cargo.lock", &["[[package]]\nname = \"a\"\nversion = \"1.0\"\nsource = \"registry\"\n"]),
        (
            "yarn.lock",
            &[
                "a@^1, a@~1:\n  version \"1.0.0\"\n",
                "\"@s/b@npm:^1\":\n  version: 1.0.0\n  resolution: \"@s/b@npm:1.0.0\"\n",
            ],
        ),
        (
            "pnpm-lock.yaml",
            &["packages:\n\n  /@s/a/1.0.0_b@2:\n    dev: true\n", "packages:\n  'a@1.0.0(b@2)':\n    x: {}\n"],
        ),
        (
            "specifications/a.gemspec",
            &["# stub: a 1.0 ruby lib\n  s.name = \"a\".freeze\n  s.version = Gem::Version.new(\"1.0\")\n"],
        ),
        ("Gemfile.lock", &["GEM\n  specs:\n    a (1.0-x86)\n      b (= 1)\n\nPATH\n  specs:\n    c (1)\n"]),
        (
            "packages.config",
            &["<packages>\n <package id=\"A\" version='1.0' developmentDependency=\"true\"/>\n</packages>"],
        ),
        ("a.jar", &["PK\u{5}\u{6}"]),
        ("a.egg", &["PK\u{3}\u{4}"]),
        ("a.deps.json", &["\u{feff}{}"]),
    ];
    for (path, seeds) in cases {
        mutate::inputs(Form::Text, seeds, 1_500, |content| read(path, content));
    }
}

#[test]
fn json() {
    let cases: [(&str, &[&str]); 8] = [
        ("node_modules/a/package.json", &[r#"{"name":"@s/a","version":"1.0.0","private":true}"#]),
        ("package.json", &[r#"{"name":"a","version":"1.0.0"}"#]),
        (
            "package-lock.json",
            &[
                r#"{"lockfileVersion":1,"dependencies":{"a":{"version":"npm:b@1.0.0","dependencies":{"c":{"version":"2.0.0","dev":true}}}}}"#,
                r#"{"packages":{"":{},"node_modules/@s/a":{"version":"1.0.0","name":"b"},"node_modules/c":{"link":true}}}"#,
            ],
        ),
        ("Pipfile.lock", &[r#"{"default":{"a":{"version":"==1.0"}},"develop":{}}"#]),
        (
            "composer/installed.json",
            &[r#"[{"name":"A/b","version":"v1.0"}]"#, r#"{"packages":[{"name":"a/b","version":"dev-x"}]}"#],
        ),
        ("composer.lock", &[r#"{"packages":[{"name":"a/b","version":"1.0"}],"packages-dev":[]}"#]),
        (
            "shared/A/1.0/A.deps.json",
            &[r#"{"targets":{"t":{"B/1.0":{"runtime":{"b.dll":{}}}}},"libraries":{"B/1.0":{"type":"package"}}}"#],
        ),
        ("packages.lock.json", &[r#"{"dependencies":{"net6.0":{"A":{"type":"Direct","resolved":"1.0"}}}}"#]),
    ];
    for (path, seeds) in cases {
        mutate::inputs(Form::Json, seeds, 1_500, |content| read(path, content));
    }
}

#[test]
fn archives() {
    let manifest: &[u8] =
        b"Implementation-Vendor-Id: g\r\nImplementation-Version: 1.0\r\nBundle-SymbolicName: g.a\r\n continued\r\n\r\n";
    let plain = zipped(&[("META-INF/MANIFEST.MF", manifest), ("a.class", b"\xca\xfe")]);
    let nested = zipped(&[("lib/a-1.0.jar", &jar("g", "a", "1.0")), ("lib/b.war", &plain)]);
    let deep = zipped(&[("a.jar", &zipped(&[("b.jar", &nested)]))]);
    let crossed = overlapping(&zipped(&[("a.jar", &jar("g", "a", "1.0"))]), 20);
    let egg = zipped(&[("EGG-INFO/PKG-INFO", b"Name: a\nVersion: 1.0\n")]);
    let seeds: [&[u8]; 6] = [&plain, &nested, &deep, &crossed, &egg, &jar("g", "b", "2.0")];
    mutate::binaries(&seeds, 12_000, |content| {
        read("a-1.0.jar", content);
        read("a.egg", content);
    });
}

#[test]
fn programs() {
    let modules =
        "path\ta\nmod\ta\t(devel)\ndep\tb\tv1.0.0\n=>\tc\tv2.0.0\nbuild\t-ldflags=\"-X main.version=1.0.0\"\n";
    let made = Kind::ALL.map(|kind| {
        program(kind, &[(".go.buildinfo", &go::inline("go1.22.1", modules)), (".dep-v0", &packed(CRATES))])
    });
    let tables = Kind::ALL.map(|kind| {
        let table = go_functions::table(kind, go_functions::FORMS[2], 9, go_functions::NAMES);
        let name = if kind == Kind::Elf32 { ".data" } else { ".gopclntab" };
        program(kind, &[(".go.buildinfo", &go::inline("go1.22.1", modules)), (name, &table)])
    });
    let seeds: Vec<&[u8]> = made.iter().chain(&tables).map(Vec::as_slice).collect();
    mutate::binaries(&seeds, 12_000, |content| read("usr/bin/a", content));
}
