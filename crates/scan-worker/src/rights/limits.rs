//! Limits of resources, privileges, and who is ended first when memory is short.

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use rustix::fs::{Dir, Mode, OFlags, open};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, nice, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{set_name, set_no_new_privs};

use crate::bounds::Bounds;
use crate::confinement::{Confinement, Part};

/// What lists of processes call a child: started by a link, it would have the link's name.
const NAME: &CStr = c"wharf-layer";
/// How much less urgent a child is than the server that started it: it takes what pushes and pulls leave.
const NICE: i32 = 19;
/// What makes the kernel end a child before anything else when memory is short.
const FIRST_TO_GO: &[u8] = b"1000";

/// Steps back behind the server: what is short is the child's loss, and no privilege or secret is its gain.
pub fn step_back(achieved: &mut Confinement) {
    // Where these do not work, the child is called otherwise, and as urgent and as likely to be ended as the server.
    let _ = set_name(NAME);
    let _ = nice(NICE);
    if let Ok(score) = open("/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::io::write(score, FIRST_TO_GO);
    }
    achieved.note(Part::Privileges, set_no_new_privs(true).is_ok());
    achieved.note(Part::Secrecy, set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok());
    achieved.note(Part::Leash, set_parent_process_death_signal(Some(Signal::KILL)).is_ok());
}

/// Sets the limits, and no process, no file and no descriptor to come.
pub fn set_limits(bounds: &Bounds, achieved: &mut Confinement) {
    let more_than_needed = [
        (Resource::As, bounds.memory_bytes),
        (Resource::Fsize, 0),
        (Resource::Nofile, 0),
        // Root may start processes all the same; the filter of system calls forbids them to everybody.
        (Resource::Nproc, 0),
        (Resource::Core, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
    ];
    let mut are_set = true;
    for (resource, bound) in more_than_needed {
        are_set &= lower(resource, bound, bound);
    }
    // The first bound ends with a signal of its own, by which the parent knows what it was.
    are_set &= lower(Resource::Cpu, bounds.cpu_seconds, bounds.cpu_seconds.saturating_add(1));
    achieved.note(Part::Limits, are_set);
}

/// Lowers a limit; one that is lower already stays.
fn lower(resource: Resource, current: u64, maximum: u64) -> bool {
    let before = getrlimit(resource);
    let least = |bound: Option<u64>, other: u64| Some(bound.map_or(other, |bound| bound.min(other)));
    let current = least(before.current, current);
    setrlimit(resource, Rlimit { current, maximum: least(before.maximum, maximum) }).is_ok()
}

/// Whether the process has no descriptors but the three that every program has.
pub(super) fn has_only_pipes() -> bool {
    let Ok(list) = open("/proc/self/fd", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else {
        return false;
    };
    let Ok(mut entries) = Dir::read_from(&list) else { return false };
    // Those by which the list itself is read are closed again.
    let Ok(reading) = entries.fd().map(|fd| fd.as_raw_fd()) else { return false };
    let known = [0, 1, 2, list.as_raw_fd(), reading];
    while let Some(entry) = entries.read() {
        let Ok(entry) = entry else { return false };
        let number = entry.file_name().to_str().ok().and_then(|name| name.parse().ok());
        if number.is_some_and(|number: i32| !known.contains(&number)) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_too_many_is_seen() {
        // The tests themselves may have been started with some; one more is seen in any case.
        let _more = open("/", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).expect("a folder");
        assert!(!has_only_pipes());
    }
}
