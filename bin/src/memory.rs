//! What the process has in memory, keys among it, is nobody else's.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// No core dump of this process is written, and no other process of its user reads its memory or attaches to it. Root does.
pub fn keep_private() {
    let hard = getrlimit(Resource::Core).maximum;
    // Where a program takes dumps (`|` in core_pattern) the limit does not count, and what follows does. Neither fails on
    // Linux; where one did, the other is still in force, and the program of use.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: hard });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
