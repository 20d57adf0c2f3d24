//! Parents that have hostile layers read, and say what that took of themselves.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Signal, getpid, kill_process};
use scan::detectors;
use scan::layer;
use scan::limits::Limits;
use scan_worker::{Analyst, Demand};

/// The same bytes again and again, and none of them stored more than once.
struct Repeated {
    front: Vec<u8>,
    bytes: Vec<u8>,
    times: u64,
    at: usize,
}

impl Repeated {
    fn new(front: Vec<u8>, bytes: Vec<u8>, times: u64) -> Self {
        Self { front, bytes, times, at: 0 }
    }
}

impl Read for Repeated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.front.is_empty() {
            let count = self.front.as_slice().read(buffer)?;
            self.front.drain(..count);
            return Ok(count);
        }
        if self.at == self.bytes.len() {
            (self.at, self.times) = (0, self.times - 1);
        }
        if self.times == 0 {
            return Ok(0);
        }
        let count = (&self.bytes[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

/// Whether all is tried at its full size.
fn is_long() -> bool {
    std::env::var("WHARF_TEST_SOAK").is_ok_and(|value| value == "1")
}

fn short_or(short: u64, long: u64) -> u64 {
    if is_long() { long } else { short }
}

/// An entry of an archive.
fn entry(kind: tar::EntryType, path: &str, link: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_path(path).expect("a path");
    if !link.is_empty() {
        header.set_link_name(link).expect("a target");
    }
    header.set_mode(0o755);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn file(path: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = entry(tar::EntryType::Regular, path, "", content.len() as u64);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// An archive that holds zeros, which pack well, and other archives.
fn jar(zeros: u64, inner: Option<Vec<u8>>) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().large_file(true);
    archive.start_file("META-INF/MANIFEST.MF", options).expect("an entry");
    archive.write_all(b"Implementation-Version: 1\n").expect("memory");
    for at in 0..4 {
        archive.start_file(format!("lib/{at}.jar"), options).expect("an entry");
        io::copy(&mut io::repeat(0).take(zeros), &mut archive).expect("memory");
    }
    if let Some(inner) = inner {
        for at in 0..4 {
            archive.start_file(format!("lib/inner-{at}.jar"), options).expect("an entry");
            archive.write_all(&inner).expect("memory");
        }
    }
    archive.finish().expect("memory").into_inner()
}

/// Bytes that do not pack.
fn noise(bytes: u64) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// An archive of one artifact, and entries beside.
fn packed(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_level(Some(1));
    let properties = ("META-INF/maven/g/a/pom.properties", &b"version=1.0\ngroupId=g\nartifactId=a\n"[..]);
    for (name, content) in [properties].iter().chain(entries) {
        archive.start_file(*name, options).expect("an entry");
        archive.write_all(content).expect("memory");
    }
    archive.finish().expect("memory").into_inner()
}

/// A layer, the limits within which it is read, and what must be said of it.
fn case(name: &str) -> (Limits, Box<dyn Fn() -> Repeated>, &'static str) {
    let all = Limits::default();
    let limits = if is_long() {
        all
    } else {
        Limits {
            ratio_from_bytes: 64 << 20,
            entries: 100_000,
            file_bytes: 16 << 20,
            facts_bytes: 8 << 20,
            archive_bytes: 64 << 20,
            archive_entries: 1_000,
            packages: 20_000,
            ..all
        }
    };
    let bomb = || entry(tar::EntryType::Regular, "bomb", "", 8 << 30);
    let zeros = vec![0; 8 << 20];
    match name {
        "gzip" => {
            let (front, more) = (gzip(&bomb()), gzip(&zeros));
            (limits, Box::new(move || Repeated::new(front.clone(), more.clone(), u64::MAX)), "times its size")
        }
        "zstd" => {
            let pack = |bytes: &[u8]| zstd::bulk::compress(bytes, 3).expect("memory");
            let (front, more) = (pack(&bomb()), pack(&zeros));
            (limits, Box::new(move || Repeated::new(front.clone(), more.clone(), u64::MAX)), "times its size")
        }
        "entries" => {
            // Five million entries of which nothing is kept, and of which all is.
            let nothing = entry(tar::EntryType::Directory, "./", "", 0).repeat(1_000);
            (limits, Box::new(move || Repeated::new(Vec::new(), nothing.clone(), 5_000)), "entries")
        }
        "paths" => {
            let path = format!("{}/{}", "d".repeat(150), "f".repeat(99));
            let some = [entry(tar::EntryType::Regular, &path, "", 0), file("a/.wh.b", b"")].concat().repeat(500);
            (limits, Box::new(move || Repeated::new(Vec::new(), some.clone(), 5_000)), "what is to be kept")
        }
        "database" => {
            let paragraph =
                b"Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n".repeat(1_000);
            let size = short_or(128 << 20, 1 << 30);
            let front = entry(tar::EntryType::Regular, "var/lib/dpkg/status", "", size);
            let times = size / paragraph.len() as u64 + 2;
            (limits, Box::new(move || Repeated::new(front.clone(), paragraph.clone(), times)), "is larger than")
        }
        "full-database" => {
            let paragraph =
                b"Package: a\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n".repeat(1_000);
            let size = limits.file_bytes - 1;
            let front = entry(tar::EntryType::Regular, "var/lib/dpkg/status", "", size);
            let times = size / paragraph.len() as u64 + 2;
            (limits, Box::new(move || Repeated::new(front.clone(), paragraph.clone(), times)), "")
        }
        "links" => {
            let mut all = Vec::new();
            for at in 0..200 {
                let (name, next) = (format!("l{at}"), format!("l{}/../l{}", (at + 1) % 200, (at + 2) % 200));
                all.extend(entry(tar::EntryType::Symlink, &name, &next, 0));
                let (name, next) = (format!("h{at}/package.json"), format!("h{}/package.json", (at + 1) % 200));
                all.extend(entry(tar::EntryType::Link, &name, &next, 0));
            }
            all.extend([0; 1024]);
            (limits, Box::new(move || Repeated::new(all.clone(), vec![0], 1)), "")
        }
        "jars" => {
            let zeros = short_or(4 << 20, 64 << 20);
            let mut inner = jar(zeros, None);
            for _ in 0..7 {
                inner = jar(0, Some(inner));
            }
            let layer = [file("app/a.jar", &inner), file("app/b.jar", &jar(zeros, None)), vec![0; 1024]].concat();
            (limits, Box::new(move || Repeated::new(layer.clone(), vec![0], 1)), "")
        }
        "jar-bomb" => {
            let bomb = jar(short_or(32 << 20, 1 << 30), None);
            let layer = [file("app/a.jar", &bomb), vec![0; 1024]].concat();
            (limits, Box::new(move || Repeated::new(layer.clone(), vec![0], 1)), "")
        }
        "large" => {
            // As large as all of it may be at once: a jar in a jar, and the window of what both are packed with.
            let inner = packed(&[("noise", &noise(short_or(1 << 20, 90 << 20)))]);
            let outer = packed(&[("lib/inner.jar", &inner), ("noise", &noise(short_or(1 << 20, 100 << 20)))]);
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
            encoder.window_log(27).expect("a window");
            for part in [&file("app/a.jar", &outer)[..], &[0; 1024]] {
                encoder.write_all(part).expect("memory");
            }
            let layer = encoder.finish().expect("memory");
            (limits, Box::new(move || Repeated::new(layer.clone(), vec![0], 1)), "")
        }
        _ => panic!("no such case"),
    }
}

/// The most memory that the process has filled so far, in KiB.
fn high_water() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a high water mark");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

fn children() -> String {
    let own = std::process::id();
    std::fs::read_to_string(format!("/proc/self/task/{own}/children")).expect("a list").trim().to_owned()
}

/// Prints what was said of a hostile layer, what the most memory was before and after, and which children are left.
pub fn run(name: &str) {
    if name == "panic" {
        let analyst = Analyst::new(Limits::default(), Demand::BestEffort);
        let analysed = || analyst.analyse(|| Ok(Panicking), Duration::from_secs(60), || true).map(drop);
        let is_caught = catch_unwind(AssertUnwindSafe(analysed)).is_err();
        println!("caught {is_caught}, children '{}'", children());
        return;
    }
    let (limits, layer, said) = case(name);
    let analyst = Analyst::new(limits, Demand::BestEffort);
    let before = high_water();
    let began = Instant::now();
    let analysed = analyst.analyse(|| Ok(layer()), Duration::from_secs(600), || true);
    let facts = analysed.map(|analysed| analysed.facts);
    let grown = high_water() - before;
    let (problems, is_said, kept) = match &facts {
        Ok(facts) => {
            let of_files = facts.evidence().flat_map(|evidence| &evidence.found.problems);
            let problems: Vec<&String> = facts.problems.iter().chain(of_files).collect();
            let is_said = !problems.is_empty() && problems.iter().any(|problem| problem.contains(said));
            (format!("{problems:?}"), is_said, facts.to_bytes().len() / 1024)
        }
        Err(failure) => (format!("{failure}"), false, 0),
    };
    let mut problems = problems;
    problems.truncate(problems.floor_char_boundary(400));
    println!("whole {}", facts.is_ok_and(|facts| facts.is_whole()));
    println!("said {is_said}");
    println!("grown {grown}");
    println!("kept {kept}");
    println!("may {}", limits.facts_bytes / 1024);
    println!("children '{}'", children());
    println!("took {:?}: {problems}", began.elapsed());
}

/// Prints which child it has, one that never ends by itself, and is killed.
pub fn be_killed() {
    let analyst = Analyst::new(Limits::default(), Demand::BestEffort);
    let analyst = analyst.with_program("/proc/self/exe", &["misbehave", "wait"]);
    let is_confined = Cell::new(false);
    let open = || {
        is_confined.set(true);
        Ok(io::repeat(0))
    };
    let goes_on = || {
        if is_confined.get() {
            print!("{}", children());
            io::stdout().flush().expect("a test");
            let _ = kill_process(getpid(), Signal::KILL);
        }
        true
    };
    let _ = analyst.analyse(open, Duration::from_secs(600), goes_on);
}

struct Panicking;

impl Read for Panicking {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("a reader with a fault")
    }
}

/// Prints how long a child takes to start, and how long a layer takes beside reading it in this process.
pub fn measure() {
    let limits = Limits::default();
    let analyst = Analyst::new(limits, Demand::BestEffort);
    println!("confined {}", analyst.probe().expect("a child"));
    let mut starts: Vec<Duration> = (0..50)
        .map(|_| {
            let began = Instant::now();
            analyst.probe().expect("a child");
            began.elapsed()
        })
        .collect();
    starts.sort();
    println!("a child that reads nothing: {:?} of 50, at most {:?}", starts[25], starts[49]);
    let layer = sample();
    println!("a layer of {} MiB packed", layer.len() >> 20);
    for round in 0..3 {
        let began = Instant::now();
        let detectors = detectors::all();
        let here = layer::read(layer.as_slice(), &detectors, &limits).expect("memory").facts;
        let within = began.elapsed();
        let began = Instant::now();
        let there = analyst.analyse(|| Ok(layer.as_slice()), Duration::from_secs(600), || true).expect("facts").facts;
        let apart = began.elapsed();
        assert_eq!(here, there);
        println!("round {round}: {within:?} here, {apart:?} there: {:.2}", apart.as_secs_f64() / within.as_secs_f64());
    }
}

/// A layer such as an application of Node.js has: many files, some of which tell of packages.
fn sample() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut state = 1_u64;
    for at in 0..30_000 {
        let (path, content) = if at % 30 == 0 {
            let package = format!(r#"{{"name":"package-{at}","version":"1.{at}.0"}}"#);
            (format!("app/node_modules/package-{at}/package.json"), package.into_bytes())
        } else {
            let mut text = Vec::new();
            while text.len() < 6_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.extend(format!("var x{} = require('{}');\n", state >> 52, state >> 40).into_bytes());
            }
            (format!("app/node_modules/package-{}/lib/{at}.js", at - at % 30), text)
        };
        encoder.write_all(&file(&path, &content)).expect("memory");
    }
    encoder.write_all(&[0; 1024]).expect("memory");
    encoder.finish().expect("memory")
}
