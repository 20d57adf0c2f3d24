//! A process takes away its own rights, for good. Each function notes what it achieved, and none fails: what a kernel lacks
//! is for the parent to judge.

mod calls;
mod files;
mod limits;

pub use calls::forbid_system_calls;
pub use files::forbid_files;
pub use limits::{set_limits, step_back};

use crate::bounds::Bounds;
use crate::confinement::{Confinement, Part, least_abi};

/// Gives up all that reading a pipe and answering through another does not take. Of the whole process: it has one thread.
pub fn give_up(bounds: &Bounds) -> Confinement {
    let mut achieved = Confinement::default();
    step_back(&mut achieved);
    let has_only_pipes = limits::has_only_pipes();
    forbid_files(&mut achieved);
    // Not before: Landlock takes a descriptor.
    set_limits(bounds, &mut achieved);
    // Last: it forbids all of the above.
    forbid_system_calls(&mut achieved);
    achieved.note(Part::Descriptors, has_only_pipes || achieved.has(Part::SystemCalls));
    achieved
}

/// What this kernel offers, without giving up anything: what a child achieves says [`crate::Analyst::probe`].
pub fn capabilities() -> Confinement {
    let mut offered = Confinement::default();
    offered.landlock_abi = files::offered_abi();
    for part in Part::ALL {
        let is_there = match part {
            Part::SystemCalls => calls::is_known_machine() && rustix::thread::secure_computing_mode().is_ok(),
            Part::Files | Part::Network | Part::Signals => offered.landlock_abi >= least_abi(part),
            // Older than any kernel that the program runs on.
            Part::Limits | Part::Privileges | Part::Secrecy | Part::Descriptors | Part::Leash => true,
        };
        offered.note(part, is_there);
    }
    offered
}
