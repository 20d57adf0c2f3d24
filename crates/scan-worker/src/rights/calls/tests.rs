use super::*;

/// What the kernel would answer.
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const END: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | 1;

/// Runs a filter as the kernel does: the few instructions that there are, on the data of a call.
fn run(program: &BpfProgram, machine: u32, call: c_long, arguments: [u64; 6]) -> u32 {
    let number = u32::try_from(call).expect("a number");
    let mut data = [number.to_le_bytes(), machine.to_le_bytes(), [0; 4], [0; 4]].concat();
    data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
    let (mut at, mut held) = (0, 0);
    loop {
        let step = &program[at];
        at += 1;
        let jump = |is: bool| usize::from(if is { step.jt } else { step.jf });
        match step.code {
            // Load a word, and with a mask, compare, jump, and return.
            0x20 => {
                let from = step.k as usize;
                held = u32::from_le_bytes(data[from..from + 4].try_into().expect("a word"));
            }
            0x54 => held &= step.k,
            0x05 => at += step.k as usize,
            0x15 => at += jump(held == step.k),
            0x25 => at += jump(held > step.k),
            0x35 => at += jump(held >= step.k),
            0x06 => return step.k,
            code => panic!("an instruction that no filter here has: {code:#x}"),
        }
    }
}

fn machine_number() -> u32 {
    match std::env::consts::ARCH {
        "x86_64" => 0xc000_003e,
        "aarch64" => 0xc000_00b7,
        _ => 0xc000_00f3,
    }
}

/// The strictest of what the filters answer: the lowest, as they are numbered.
fn answer(call: c_long, arguments: [u64; 6]) -> u32 {
    let filters = filters().expect("filters");
    let answers = filters.iter().map(|filter| run(filter, machine_number(), call, arguments));
    // To end the process is the strictest, and is numbered as the largest.
    answers.min_by_key(|answer| answer.cast_signed()).expect("an answer")
}

#[test]
fn any_call_that_is_not_listed_ends_the_process() {
    let mut counts = (0, 0);
    // With the bit of x32 too, whose calls have the same numbers.
    for call in (0..1_000).chain(0x4000_0000..0x4000_0400) {
        let expected = if ALLOWED.contains(&call) {
            counts.0 += 1;
            ALLOW
        } else if REFUSED.contains(&call) {
            counts.1 += 1;
            REFUSE
        } else {
            END
        };
        // Arguments that none of those has that are allowed with some.
        let arguments = [77, 77, u64::MAX, 0, 77, 77];
        assert_eq!(answer(call, arguments), expected, "call {call}");
    }
    assert_eq!(counts, (ALLOWED.len(), REFUSED.len()));
}

#[test]
fn some_are_allowed_with_some_arguments() {
    let own = u64::from(getpid().as_raw_nonzero().get().unsigned_abs());
    let abort = 6;
    let [read, anonymous, shared] = [1, 0x20, 0x01];
    let cases: [(c_long, [u64; 6], u32); 22] = [
        (libc::SYS_read, [0, 1, 1, 0, 0, 0], ALLOW),
        (libc::SYS_read, [1, 1, 1, 0, 0, 0], END),
        (libc::SYS_read, [3, 1, 1, 0, 0, 0], END),
        (libc::SYS_write, [1, 1, 1, 0, 0, 0], ALLOW),
        (libc::SYS_write, [2, 1, 1, 0, 0, 0], ALLOW),
        (libc::SYS_write, [0, 1, 1, 0, 0, 0], END),
        (libc::SYS_write, [3, 1, 1, 0, 0, 0], END),
        (libc::SYS_writev, [2, 1, 1, 0, 0, 0], ALLOW),
        (libc::SYS_writev, [4, 1, 1, 0, 0, 0], END),
        (libc::SYS_mmap, [0, 4096, read | 2, 2 | anonymous, u64::MAX, 0], ALLOW),
        (libc::SYS_mmap, [0, 4096, read | 4, 2 | anonymous, u64::MAX, 0], END),
        (libc::SYS_mmap, [0, 4096, read, 2, 0, 0], END),
        (libc::SYS_mmap, [0, 4096, read, shared, 0, 0], END),
        (libc::SYS_mprotect, [4096, 4096, read | 2, 0, 0, 0], ALLOW),
        (libc::SYS_mprotect, [4096, 4096, read | 4, 0, 0, 0], END),
        (libc::SYS_tgkill, [own, own, abort, 0, 0, 0], ALLOW),
        (libc::SYS_tgkill, [own, own, 9, 0, 0, 0], END),
        (libc::SYS_tgkill, [1, 1, abort, 0, 0, 0], END),
        (libc::SYS_tkill, [own, abort, 0, 0, 0, 0], ALLOW),
        (libc::SYS_tkill, [1, abort, 0, 0, 0, 0], END),
        (libc::SYS_kill, [own, abort, 0, 0, 0, 0], END),
        (libc::SYS_openat, [0, 1, 0, 0, 0, 0], REFUSE),
    ];
    for (call, arguments, expected) in cases {
        assert_eq!(answer(call, arguments), expected, "{call} {arguments:?}");
    }
}

#[test]
fn calls_of_another_machine_end_the_process() {
    // Those of 32 bits, which the kernel takes too, are numbered otherwise.
    for other in [0x4000_0003, 0x4000_0028, 0] {
        let ending = &filters().expect("filters")[1];
        assert_eq!(run(ending, other, libc::SYS_read, [0; 6]), END, "{other:#x}");
    }
}
