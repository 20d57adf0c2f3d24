//! The filter of system calls (seccomp). What a child needs is allowed; the rest ends it.
//!
//! It ends the process where a refusal would let whoever has taken it over try the next thing, and so that the parent sees it:
//! no honest layer comes there. Excepted is what a C library may try of its own accord and goes on without: it is refused. The
//! list holds for glibc and musl, which differ in how they abort and in how they ask for memory.

use std::collections::BTreeMap;

use libc::c_long;
use rustix::process::getpid;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::confinement::{Confinement, Part};

/// The rules of a filter.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// What is allowed whatever its arguments are: they reach nothing outside the process.
const ALLOWED: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    // The seeds of hash maps.
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
];

/// What is refused and ends nothing: libraries look at descriptors, at the machine and at files of theirs, and go on without.
const REFUSED: &[c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_ioctl,
    libc::SYS_lseek,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    libc::SYS_openat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_sched_getaffinity,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    libc::SYS_statx,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// Forbids system calls, to all threads if there are several.
pub fn forbid_system_calls(achieved: &mut Confinement) {
    let Ok(filters) = filters() else { return };
    achieved
        .note(Part::SystemCalls, filters.iter().all(|filter| seccompiler::apply_filter_all_threads(filter).is_ok()));
}

/// Whether the numbers of system calls are known for the machine that this was compiled for.
pub(super) fn is_known_machine() -> bool {
    machine().is_ok()
}

fn machine() -> Result<TargetArch, BackendError> {
    TargetArch::try_from(std::env::consts::ARCH)
}

/// The filters, in the order in which they are put on: of their answers, the strictest counts.
fn filters() -> Result<[BpfProgram; 2], BackendError> {
    let refused: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let mut known = allowed(getpid().as_raw_nonzero().get().unsigned_abs())?;
    known.extend(refused.clone());
    let refusal = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let refusing = SeccompFilter::new(refused, SeccompAction::Allow, refusal, machine()?)?;
    let ending = SeccompFilter::new(known, SeccompAction::KillProcess, SeccompAction::Allow, machine()?)?;
    Ok([refusing.try_into()?, ending.try_into()?])
}

/// What is allowed to the process of a number.
fn allowed(process: u32) -> Result<Rules, BackendError> {
    let is = |argument, value: u32| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, u64::from(value))
    };
    let bits = |argument, mask: i32, value: i32| {
        let (mask, value) = (u64::from(mask.unsigned_abs()), u64::from(value.unsigned_abs()));
        SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)
    };
    let mut rules: Rules = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_read, vec![SeccompRule::new(vec![is(0, 0)?])?]);
    for call in [libc::SYS_write, libc::SYS_writev] {
        rules.insert(call, vec![SeccompRule::new(vec![is(0, 1)?])?, SeccompRule::new(vec![is(0, 2)?])?]);
    }
    // Memory that holds no file and is never executed.
    let is_no_code = || bits(2, libc::PROT_EXEC, 0);
    let is_no_file = bits(3, libc::MAP_ANONYMOUS, libc::MAP_ANONYMOUS)?;
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(vec![is_no_code()?, is_no_file])?]);
    rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![is_no_code()?])?]);
    // It may abort itself: memory that is not to be had ends so.
    let aborts = libc::SIGABRT.unsigned_abs();
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![is(0, process)?, is(2, aborts)?])?]);
    rules.insert(libc::SYS_tkill, vec![SeccompRule::new(vec![is(0, process)?, is(1, aborts)?])?]);
    Ok(rules)
}

#[cfg(test)]
mod tests;
