//! Facts as bytes: the same again, small, and refused where they are damaged.

use proptest::collection::vec;
use proptest::prelude::*;
use scan::detectors::{Candidate, Detector};
use scan::facts::{Entries, Evidence, FileFacts, Found, LayerFacts, OtherName, OwnedPath, Reader};
use scan::layer::{self, is_outdated};
use scan::limits::Limits;
use scan::package::{Package, PackageKind, Presence, SourcePackage};

use super::support::{DETECTORS, Entry, directory, facts, file, hard_link, link};

fn limits() -> Limits {
    Limits::default()
}

fn some() -> LayerFacts {
    facts(&[
        directory("a"),
        file("a/packages", "os p 1\nnpm q 2\nlock r 3\nowns usr/lib/one p\nowns usr/lib/other p\nbroken is-torn"),
        file("a/é", ""),
        file("a/è", ""),
        link("a/l", "../x"),
        file("store", "npm s 1"),
        hard_link("s.pkg", "store"),
        hard_link("t.pkg", "a/packages"),
        file("etc/os-release", "ID=x"),
        file("b/.wh.c", ""),
        file("d/.wh..wh..opq", ""),
        super::support::entry(b'M', "odd", "", ""),
    ])
}

#[test]
fn facts_are_the_same_again() {
    let facts = some();
    assert!(
        facts.files.iter().any(|file| !file.other_names.is_empty())
            && facts.files.iter().any(|file| file.content.is_some())
    );
    let bytes = facts.to_bytes();
    assert_eq!(LayerFacts::from_bytes(&bytes, &limits()), Ok(facts));
    let none = LayerFacts::default();
    assert_eq!(LayerFacts::from_bytes(&none.to_bytes(), &limits()), Ok(none));
}

#[test]
fn damage_is_refused() {
    let bytes = some().to_bytes();
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= bit;
            assert!(LayerFacts::from_bytes(&damaged, &limits()).is_err(), "{at}");
        }
        assert!(LayerFacts::from_bytes(&bytes[..at], &limits()).is_err());
    }
    assert!(LayerFacts::from_bytes(&[bytes.as_slice(), b"x"].concat(), &limits()).is_err());
}

/// Bytes with the checksum that they should have.
fn summed(body: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(body);
    [body, &crc.sum().to_le_bytes()].concat()
}

#[test]
fn forged_facts_are_refused_or_read() {
    let bytes = some().to_bytes();
    let body = &bytes[..bytes.len() - 4];
    let mut read = 0;
    for at in 0..body.len() {
        for byte in [0, 1, 2, 0x7f, 0x80, 0xff] {
            let mut forged = body.to_vec();
            forged[at] = byte;
            if let Ok(facts) = LayerFacts::from_bytes(&summed(&forged), &limits()) {
                assert_eq!(LayerFacts::from_bytes(&facts.to_bytes(), &limits()), Ok(facts));
                read += 1;
            }
        }
        assert!(LayerFacts::from_bytes(&summed(&body[..at]), &limits()).is_err());
    }
    assert!(read > 100, "{read}");
    let other = [&body[..8], &[2], &body[9..]].concat();
    let error = LayerFacts::from_bytes(&summed(&other), &limits()).expect_err("another version");
    assert_eq!(error.to_string(), "the facts of a layer are damaged: they hold another version");
}

/// As they were stored before it was known what programs have of a module: they stay readable, and say nothing of that.
#[test]
fn facts_without_imports_are_as_they_were() {
    let package = Package::installed(PackageKind::Go, "m.io/a", "v1.0.0");
    let mut facts = facts(&[file("packages", "")]);
    let evidence = Evidence { reader: 1, is_by_content: false, found: Found::default() };
    facts.files = vec![FileFacts { evidence: vec![evidence], ..FileFacts::default() }];
    facts.files[0].evidence[0].found.packages = vec![package];
    let bytes = facts.to_bytes();
    let stored = b"\x01\x06\0\x06m.io/a\x06v1.0.0\0\0\0\0\0\0\0".as_slice();
    assert!(bytes.windows(stored.len()).any(|part| part == stored), "{bytes:?}");
    assert_eq!(LayerFacts::from_bytes(&bytes, &limits()), Ok(facts));
}

#[test]
fn facts_unfold_to_no_more_than_they_may() {
    // Each path takes a few bytes more than the one before, and all that is before it.
    let long = "x".repeat(4000);
    let owned = (0..1000).map(|at| OwnedPath { path: format!("{long}{at}"), package: "p".to_owned() }).collect();
    let found = Found { owned, ..Found::default() };
    let evidence = vec![Evidence { reader: 0, is_by_content: false, found }];
    let reader = Reader { name: "x".to_owned(), revision: 1 };
    let mut facts = LayerFacts { readers: vec![reader], ..LayerFacts::default() };
    facts.files.push(FileFacts { evidence, ..FileFacts::default() });
    let mut read = self::facts(&[file("packages", "")]);
    read.files = facts.files;
    let bytes = read.to_bytes();
    assert!(bytes.len() < 20_000);
    assert!(LayerFacts::from_bytes(&bytes, &limits()).is_ok());
    let error = LayerFacts::from_bytes(&bytes, &Limits { facts_bytes: 1 << 20, ..limits() }).expect_err("too much");
    assert_eq!(error.to_string(), "the facts of a layer are damaged: they hold more than facts may hold");
    let imports = Some((0..1000).map(|at| format!("{long}{at}")).collect());
    let package = Package { imports, ..Package::installed(PackageKind::Go, "m", "v1") };
    read.files[0].evidence[0].found = Found { packages: vec![package], ..Found::default() };
    let bytes = read.to_bytes();
    assert!(bytes.len() < 20_000);
    assert!(LayerFacts::from_bytes(&bytes, &limits()).is_ok());
    assert!(LayerFacts::from_bytes(&bytes, &Limits { facts_bytes: 1 << 20, ..limits() }).is_err());
}

#[test]
fn a_layer_of_many_files_takes_little() {
    let mut entries: Vec<Entry> = Vec::new();
    for package in 0..1_500 {
        let root = format!("usr/src/app/node_modules/package-{}", package * 7919 % 1_500);
        entries.push(file(&format!("{root}/package.pkg"), format!("npm package-{package} 1.{package}.0")));
        for source in 0..19 {
            entries.push(file(&format!("{root}/dist/module-{}.js", source * package), ""));
        }
    }
    let bytes = facts(&entries).to_bytes();
    let packed = super::support::zstd(&bytes);
    assert_eq!(entries.len(), 30_000);
    assert!(bytes.len() < 900_000 && packed.len() < 250_000, "{} {}", bytes.len(), packed.len());
}

/// A detector of a later revision.
struct Later(&'static str, u32, &'static str);

impl Detector for Later {
    fn name(&self) -> &'static str {
        self.0
    }

    fn revision(&self) -> u32 {
        self.1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        file.path == self.2
    }

    fn read(&self, _: &str, _: &[u8], _: &Limits) -> Found {
        Found::default()
    }
}

#[test]
fn only_the_layers_that_a_better_detector_concerns_are_outdated() {
    let read = facts(&[file("packages", ""), file("other", "")]);
    let unread = facts(&[file("other", "")]);
    assert!(!is_outdated(&read, &DETECTORS));
    assert!(is_outdated(&LayerFacts::default(), &DETECTORS));
    // Of one that could not be read, whatever is read in another way may read it.
    let broken = layer::unread("its reader has ended".to_owned(), &DETECTORS);
    assert!(!broken.is_whole() && !is_outdated(&broken, &DETECTORS));
    assert_eq!(broken.readers, read.readers);
    for (later, of_read, of_unread, of_broken) in [
        (Later("lines", 1, "other"), false, false, false),
        (Later("lines", 2, "nothing"), true, false, true),
        (Later("lines", 2, "other"), true, true, true),
        (Later("magic", 2, "nothing"), false, false, true),
        (Later("new", 1, "nothing"), true, true, true),
    ] {
        let outdated = [&read, &unread, &broken].map(|facts| is_outdated(facts, &[&later]));
        assert_eq!(outdated, [of_read, of_unread, of_broken], "{}", later.0);
    }
}

fn package() -> impl Strategy<Value = Package> {
    let kinds = [
        PackageKind::Apk,
        PackageKind::Dpkg,
        PackageKind::Rpm,
        PackageKind::Npm,
        PackageKind::Python,
        PackageKind::Maven,
        PackageKind::Go,
        PackageKind::Gem,
        PackageKind::Composer,
        PackageKind::NuGet,
        PackageKind::Cargo,
    ];
    let source = proptest::option::of((any::<String>(), any::<String>()));
    let texts = (any::<String>(), any::<String>(), any::<String>());
    let more = (proptest::option::of(any::<String>()), proptest::option::of(any::<String>()), any::<bool>());
    let imports = proptest::option::of(vec("[a-c/]{0,4}", 0..6));
    let all = (proptest::sample::select(kinds.to_vec()), texts, source, more, imports);
    all.prop_map(|(kind, texts, source, more, imports)| Package {
        kind,
        name: texts.0,
        version: texts.1,
        arch: texts.2,
        source: source.map(|(name, version)| SourcePackage { name, version }),
        module: more.0,
        vendor: more.1,
        presence: if more.2 { Presence::Installed } else { Presence::Declared },
        imports,
    })
}

fn found() -> impl Strategy<Value = Found> {
    let owned = (any::<String>(), any::<String>()).prop_map(|(path, package)| OwnedPath { path, package });
    let within = proptest::collection::btree_map(0..4_usize, any::<String>(), 0..4);
    (vec(package(), 0..4), within, vec(owned, 0..4), vec(any::<String>(), 0..3)).prop_map(
        |(packages, mut within, owned, problems)| {
            within.retain(|at, _| *at < packages.len());
            Found { packages, within, owned, problems, unpacked_bytes: 0 }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_was_found_is_the_same_again(found in vec(found(), 0..4), content in vec(any::<u8>(), 0..9), path in any::<String>()) {
        let evidence: Vec<Evidence> = found.into_iter().map(|found| Evidence { reader: 1, is_by_content: true, found }).collect();
        let content = Some(content);
        let other_names = vec![OtherName { path, evidence: evidence.clone(), content: content.clone() }];
        let mut facts = facts(&[file("packages", "")]);
        facts.files = vec![FileFacts { evidence, content, other_names }];
        let again = LayerFacts::from_bytes(&facts.to_bytes(), &limits());
        prop_assert_eq!(again.as_ref(), Ok(&facts));
    }
}

#[test]
fn entries_are_counted() {
    assert_eq!(some().entries.len(), 9);
    assert!(Entries::default().is_empty());
}
