//! Layers that mean harm, read by a child of a parent of its own: it is said of each what was not read, and the parent's memory
//! holds the facts and no more. `WHARF_TEST_SOAK=1` tries them at their full size, within the limits that a server has.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::support::planted;

/// What a parent printed: its lines by their first word.
fn parent(case: &str) -> impl Fn(&str) -> String {
    // The limits of the machine are the test's too.
    let output = Command::new(planted()).args(["parent", case]).output().expect("the program");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{case}: {text}{}", String::from_utf8_lossy(&output.stderr));
    println!("{case}: {}", text.replace('\n', "; "));
    move |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')));
        line.unwrap_or_else(|| panic!("no {name}: {text}")).to_owned()
    }
}

/// KiB that a parent takes for pipes and frames, beside facts.
const FLAT_KIB: u64 = 8 << 10;

/// Has a layer read, of which something must be said.
fn hostile(case: &str) {
    let told = parent(case);
    let number = |name: &str| told(name).parse::<u64>().expect("a number");
    assert_eq!((told("whole"), told("said")), ("false".to_owned(), "true".to_owned()), "{case}");
    assert_eq!(told("children"), "''", "{case}");
    // As bytes that grow while they arrive, and as facts, which may take more than their bytes.
    let most = FLAT_KIB + 2 * (number("kept") + number("may"));
    assert!(number("grown") <= most, "{case}: the parent has grown by {} KiB, more than {most}", number("grown"));
}

#[test]
fn a_bomb_of_gzip() {
    hostile("gzip");
}

#[test]
fn a_bomb_of_zstd() {
    hostile("zstd");
}

#[test]
fn five_million_entries() {
    hostile("entries");
}

#[test]
fn five_million_paths() {
    hostile("paths");
}

#[test]
fn a_database_of_a_gigabyte() {
    hostile("database");
}

#[test]
fn a_database_as_large_as_may_be() {
    hostile("full-database");
}

#[test]
fn a_layer_as_large_as_may_be_is_read_whole() {
    assert_eq!(parent("large")("whole"), "true");
}

#[test]
fn links_in_circles() {
    let told = parent("links");
    assert_eq!((told("whole"), told("children")), ("true".to_owned(), "''".to_owned()));
}

#[test]
fn jars_in_jars() {
    hostile("jars");
}

#[test]
fn a_bomb_in_a_jar() {
    hostile("jar-bomb");
}

#[test]
fn a_parent_that_panics_leaves_no_child() {
    assert_eq!(parent("panic")("caught"), "true, children ''");
}

#[test]
fn a_child_ends_with_its_parent() {
    let output = Command::new(planted()).args(["parent", "killed"]).output().expect("the program");
    assert_eq!(output.status.signal(), Some(9), "{output:?}");
    let child = String::from_utf8_lossy(&output.stdout).parse().ok().and_then(Pid::from_raw).expect("a child");
    // One that has ended and was waited for is not there any more.
    if let Ok(child) = pidfd_open(child, PidfdFlags::empty()) {
        let most = Timespec { tv_sec: 60, tv_nsec: 0 };
        assert_eq!(poll(&mut [PollFd::new(&child, PollFlags::IN)], Some(&most)), Ok(1));
    }
}
