//! A child finds what is found in this process.

use std::cell::Cell;
use std::io::{self, Cursor, Write as _};

use scan::detectors;
use scan::facts::LayerFacts;
use scan::layer;
use scan::limits::Limits;
use scan_worker::{Confinement, Demand, Part, capabilities};

use super::support::{Entry, LONG, analyst, file, gzip, hard_link, small, tar};

const APK: &str = "P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\nF:lib\nR:ld-musl-x86_64.so.1\n\n";
const DPKG: &str =
    "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc\nVersion: 2.36-9\n\n";
const NPM: &str = r#"{"name":"left-pad","version":"1.3.0"}"#;

fn jar() -> Vec<u8> {
    let archive = |entries: &[(&str, &[u8])]| {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).expect("an entry");
            archive.write_all(content).expect("memory");
        }
        archive.finish().expect("memory").into_inner()
    };
    let properties = b"version=2.14.1\ngroupId=org.apache.logging.log4j\nartifactId=log4j-core\n";
    let name = "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties";
    archive(&[("BOOT-INF/lib/log4j-core-2.14.1.jar", &archive(&[(name, properties)]))])
}

/// What is found in this process, and whether the layer had to be read twice.
fn found_here(layer: &[u8], limits: &Limits) -> (LayerFacts, bool) {
    let detectors = detectors::all();
    let analysis = layer::read(layer, &detectors, limits).expect("memory");
    match analysis.again {
        None => (analysis.facts, false),
        Some(again) => (layer::read_again(layer, again, &detectors, limits).expect("memory"), true),
    }
}

/// What a child finds, and how often the layer was opened.
fn found_there(layer: &[u8], limits: &Limits) -> (LayerFacts, u32) {
    let opened = Cell::new(0);
    let open = || {
        opened.set(opened.get() + 1);
        Ok(layer)
    };
    let analysed = analyst(*limits).analyse(open, LONG, || true).expect("facts");
    assert!(analysed.confinement.meets(Demand::Required), "{}", analysed.confinement);
    (analysed.facts, opened.get())
}

#[test]
fn a_child_finds_what_is_found_in_this_process() {
    let jar = jar();
    let large = vec![7; 3 << 20];
    let entries: [(&[Entry<'_>], usize); 6] = [
        (&[file("lib/apk/db/installed", APK), file("etc/os-release", "ID=alpine\nVERSION_ID=3.20.1\n")], 1),
        (&[file("var/lib/dpkg/status", DPKG), file("var/lib/dpkg/info/libc6.list", "/.\n/lib\n/lib/libc.so.6\n")], 1),
        (&[file("app/node_modules/left-pad/package.json", NPM), file("app/large", &large)], 1),
        (&[file("app/a.jar", &jar)], 1),
        (&[file("app/node_modules/left-pad/package.json", "{"), file("usr/x", "x"), hard_link("usr/y", "usr/x")], 0),
        (&[], 0),
    ];
    for (entries, packages) in entries {
        let plain = tar(entries);
        for layer in [gzip(&plain), zstd::bulk::compress(&plain, 3).expect("memory"), plain] {
            let (here, _) = found_here(&layer, &Limits::default());
            let (there, opened) = found_there(&layer, &Limits::default());
            assert_eq!(here, there);
            assert_eq!(opened, 1);
            assert!(there.evidence().map(|evidence| evidence.found.packages.len()).sum::<usize>() >= packages);
        }
    }
}

#[test]
fn a_layer_is_opened_once_more_for_hard_links() {
    let rest = vec![b'x'; 2 << 20];
    let store = "var/cache/store/1f/package";
    let link = hard_link("app/node_modules/left-pad/package.json", store);
    let whole = tar(&[file(store, NPM), link, file("rest", &rest)]);
    let (here, is_again) = found_here(&whole, &Limits::default());
    assert!(is_again);
    let (there, opened) = found_there(&whole, &Limits::default());
    assert_eq!((&there, opened), (&here, 2));
    assert!(there.is_whole() && there.evidence().any(|evidence| evidence.found.packages.len() == 1));
    // It wants the layer again when it has read a part of it: the rest is not sent in between.
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    let (here, is_again) = found_here(&whole, &limits);
    assert!(is_again && !here.is_whole());
    assert_eq!(found_there(&whole, &limits), (here, 2));
}

#[test]
fn what_is_no_layer_is_said_to_be_none() {
    for layer in [&b"no archive"[..], &[0x1f, 0x8b, 8, 0], &[0x28, 0xb5, 0x2f, 0xfd, 1]] {
        let (here, _) = found_here(layer, &Limits::default());
        assert_eq!(found_there(layer, &Limits::default()).0, here);
        assert!(!here.is_whole());
    }
}

#[test]
fn a_child_that_reads_no_further_is_no_failure() {
    // Nothing behind the end of the archive counts, however much there is.
    let layer = || Ok(io::Read::chain(Cursor::new(tar(&[file("a", "x")])), io::repeat(1)));
    let analysed = analyst(small()).analyse(layer, LONG, || true).expect("facts");
    assert!(analysed.facts.is_whole());
    // Nor what is behind a bound.
    let limits = Limits { entries: 3, ..small() };
    let entry = tar(&[file("a", "x")])[..1024].to_vec();
    let analysed = analyst(limits).analyse(|| Ok(Cursor::new(entry.repeat(10_000))), LONG, || true).expect("facts");
    assert_eq!(analysed.facts.problems, ["the layer has more than 3 entries"]);
}

#[test]
fn a_child_is_confined_as_the_kernel_can() {
    let achieved = analyst(small()).probe().expect("a child");
    let offered = capabilities();
    let parts = |confinement: Confinement| Part::ALL.map(|part| (part, confinement.has(part)));
    assert_eq!(parts(achieved), parts(offered));
    assert!(achieved.has(Part::SystemCalls), "{achieved}");
    // Versions that bring no right are not told apart without giving one up.
    assert!(offered.landlock_abi.abs_diff(achieved.landlock_abi) <= 1, "{offered:?} {achieved:?}");
}

#[test]
fn children_at_the_same_time_do_not_meet() {
    let layers: Vec<Vec<u8>> = (0..8)
        .map(|at| {
            let package = format!(r#"{{"name":"package-{at}","version":"1.{at}.0"}}"#);
            let large = vec![at; 1 << 20];
            let store = "var/cache/store/package";
            let link = hard_link("app/node_modules/a/package.json", store);
            gzip(&tar(&[file(store, &package), file("large", &large), link]))
        })
        .collect();
    std::thread::scope(|scope| {
        for layer in &layers {
            scope.spawn(move || {
                for _ in 0..3 {
                    let (here, _) = found_here(layer, &Limits::default());
                    assert_eq!(found_there(layer, &Limits::default()), (here, 2));
                }
            });
        }
    });
}
