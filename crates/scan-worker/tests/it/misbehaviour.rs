//! Children that do as no child does, readers that fail, programs that are none: each ends, and it is said whose fault it was.

use std::io::{self, Cursor, Read};
use std::time::{Duration, Instant};

use scan_worker::{Analyst, COMMAND, Demand, Failure, Fault};

use super::support::{LONG, analyst, file, gzip, misbehaving, small, tar};

/// A layer of which most children here read no more than the beginning.
fn layer() -> impl Read {
    Cursor::new(tar(&[file("a", &vec![0; 100_000])])).chain(io::repeat(0).take(4 << 20))
}

/// What is said of a child that misbehaves.
fn said(how: &str, time: Duration) -> Failure {
    misbehaving(how).analyse(|| Ok(layer()), time, || true).expect_err("no facts")
}

#[test]
fn what_a_child_does_is_the_fault_of_its_layer() {
    let cases = [
        ("panic", "crashed", "has ended early, with exit code 101: "),
        ("overflow", "crashed", "has ended early, by signal "),
        ("abort", "crashed", "has ended early, by signal 6"),
        ("exit", "crashed", "has ended early, with exit code 0"),
        ("half", "crashed", "has ended early, with exit code 0"),
        ("garbage", "nonsense", "has answered with what is no answer"),
        ("damaged", "nonsense", "has answered with the facts of a layer are damaged: "),
        ("too-long", "nonsense", "has answered with more than the facts of a layer may be"),
        ("endless", "nonsense", "has answered with the facts of a layer are damaged: "),
        ("again-and-again", "nonsense", "has answered with what makes no sense in this order"),
        ("confined-twice", "nonsense", "has answered with what makes no sense in this order"),
        ("close", "nonsense", "the end of its answer in the middle"),
        ("complain", "nonsense", "has answered with complaints without end: xxxx"),
        ("eat", "memory", "reading the layer takes more than the 328 MiB of memory that it may"),
        ("eat-at-once", "memory", "of memory that it may"),
        ("call", "forbidden", "the layer made what read it ask for what it may not: the process was ended at once"),
        ("killed", "killed", "was ended by the system, as it is where memory is short"),
    ];
    for (how, label, words) in cases {
        let failure = said(how, LONG);
        assert_eq!((failure.label(), failure.fault()), (label, Fault::Layer), "{how}: {failure}");
        let text = failure.to_string();
        assert!(text.contains(words), "{how}: {text}");
        assert!(text.len() < 500 && !text.contains(char::is_control), "{how}: {text}");
    }
}

#[test]
fn a_child_has_its_time() {
    // One that waits for nothing takes nothing of a processor.
    for (how, time) in [("spin", "1s"), ("wait", "6s")] {
        let failure = said(how, Duration::from_secs(1));
        assert_eq!((failure.label(), failure.fault()), ("time", Fault::Layer), "{how}: {failure}");
        assert_eq!(failure.to_string(), format!("reading the layer takes more than the {time} that it may"));
    }
}

#[test]
fn what_comes_before_the_layer_is_the_fault_of_the_node() {
    for (how, words) in [
        ("facts-first", "cannot be started: the process that read the layer has answered with what makes no sense"),
        ("another-version", "has answered with another version"),
        ("unknown", "cannot be started: it has ended with exit code 101: "),
    ] {
        let failure = said(how, LONG);
        assert_eq!((failure.label(), failure.fault()), ("start", Fault::Node), "{how}: {failure}");
        assert!(failure.to_string().contains(words), "{how}: {failure}");
    }
    for program in ["/nowhere", "/etc/passwd", "/bin/false", "/bin/echo"] {
        let analyst = Analyst::new(small(), Demand::BestEffort).with_program(program, &[COMMAND]);
        let failure = analyst.analyse(|| Ok(layer()), LONG, || true).expect_err("no facts");
        assert_eq!((failure.label(), failure.fault()), ("start", Fault::Node), "{program}: {failure}");
        assert!(analyst.probe().is_err());
    }
    // So little memory that nothing is read in it, or that no program starts, shows before there is a layer.
    let failure = analyst(small()).with_memory(1 << 20).probe().expect_err("no child");
    assert!(["memory", "start"].contains(&failure.label()), "{failure}");
}

#[test]
fn whoever_ends_a_group_of_processes_says_nothing_of_a_layer() {
    let failure = said("terminated", LONG);
    assert_eq!((failure.label(), failure.fault()), ("ended", Fault::Node), "{failure}");
}

#[test]
fn no_byte_goes_to_a_child_that_is_not_confined_as_is_demanded() {
    let opened = std::cell::Cell::new(false);
    let open = || {
        opened.set(true);
        Ok(layer())
    };
    let program = super::support::planted();
    let analyst = Analyst::new(small(), Demand::Required).with_program(program, &["misbehave", "unconfined"]);
    let failure = analyst.analyse(open, LONG, || true).expect_err("no facts");
    assert_eq!((failure.label(), failure.fault()), ("unconfined", Fault::Node), "{failure}");
    assert!(failure.to_string().contains("not by a filter of system calls (seccomp), Landlock for files"), "{failure}");
    assert!(!opened.get());
}

/// How many descriptors every program gets that this process starts, beside the three.
fn left_open() -> usize {
    let is_left_open = |entry: &std::fs::DirEntry| {
        let number = entry.file_name().to_string_lossy().parse::<u32>();
        let flags = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim);
        let flags = flags.and_then(|flags| u32::from_str_radix(flags, 8).ok());
        number.is_ok_and(|number| number > 2) && flags.is_some_and(|flags| flags & 0o2_000_000 == 0)
    };
    std::fs::read_dir("/proc/self/fdinfo").expect("a list").filter_map(Result::ok).filter(is_left_open).count()
}

#[test]
fn a_child_gets_nothing_of_the_servers_surroundings() {
    let text = said("surroundings", LONG).to_string();
    // Its three pipes, the list itself, and what whoever started the tests has left open for all.
    let open = 4 + left_open();
    let said = format!("with exit code 0: wharf-layer has 0 variables, is in / and has {open} descriptors");
    assert!(text.ends_with(&said), "{text}: {said}");
}

#[test]
fn whoever_asks_is_told_to_stop() {
    let began = Instant::now();
    let failure = misbehaving("wait").analyse(|| Ok(layer()), LONG, || began.elapsed() < Duration::from_millis(300));
    let failure = failure.expect_err("no facts");
    assert_eq!((failure.label(), failure.fault()), ("cancelled", Fault::Node), "{failure}");
    assert!(began.elapsed() < LONG);
}

/// A reader that fails behind the first bytes.
struct Failing {
    left: usize,
}

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.left).min(1_000);
        if count == 0 {
            return Err(io::Error::other("the disk is gone"));
        }
        self.left -= count;
        // What is no compression and no end of an archive.
        buffer[..count].fill(0);
        Ok(count)
    }
}

#[test]
fn what_the_store_cannot_read_is_its_fault() {
    let entry = tar(&[file("a", &vec![1; 4 << 20])]);
    for left in [0, 1, 100_000, 2_000_000] {
        let open = || Ok(Cursor::new(&entry[..512]).chain(Failing { left }));
        let failure = analyst(small()).analyse(open, LONG, || true).expect_err("no facts");
        assert_eq!((failure.label(), failure.fault()), ("input", Fault::Storage), "{left}: {failure}");
        assert_eq!(failure.to_string(), "the layer cannot be read from where it is stored: the disk is gone");
    }
    let closed = || Err::<Failing, _>(io::Error::from(io::ErrorKind::NotFound));
    let failure = analyst(small()).analyse(closed, LONG, || true).expect_err("no facts");
    assert_eq!(failure.fault(), Fault::Storage);
}

#[test]
fn a_layer_that_cannot_be_opened_twice_is_the_stores_fault() {
    let store = "usr/share/package";
    let link = super::support::hard_link("app/node_modules/a/package.json", store);
    let layer = gzip(&tar(&[file(store, r#"{"name":"a","version":"1.0.0"}"#), link]));
    let times = std::cell::Cell::new(0);
    let open = || {
        times.set(times.get() + 1);
        if times.get() == 1 { Ok(layer.as_slice()) } else { Err(io::Error::other("the disk is gone")) }
    };
    let failure = analyst(small()).analyse(open, LONG, || true).expect_err("no facts");
    assert_eq!((failure.fault(), times.get()), (Fault::Storage, 2), "{failure}");
}
