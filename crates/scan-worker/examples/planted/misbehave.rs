//! Children that do as no child does.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::process::abort;

use scan_worker::{Bounds, Part, rights};

/// Says that it is confined: in everything, whether or not it is.
fn say_confined(parts: u16) {
    let [low, high] = parts.to_le_bytes();
    say(b'c', 4, &[1, low, high, 7]);
}

fn say(kind: u8, length: u64, content: &[u8]) {
    let mut out = io::stdout();
    out.write_all(&[&[kind][..], &length.to_le_bytes(), content].concat()).expect("a parent");
    out.flush().expect("a parent");
}

/// Gives up its rights as a child does, and says so.
fn confine(bounds: &[String]) {
    let achieved = rights::give_up(&Bounds::of_arguments(bounds).expect("bounds"));
    say_confined(Part::ALL.iter().map(|part| u16::from(achieved.has(*part)) << (*part as u16)).sum());
}

pub fn run(how: &str, bounds: &[String]) {
    match how {
        "spin" => {
            confine(bounds);
            loop {
                black_box(());
            }
        }
        "wait" => {
            confine(bounds);
            loop {
                std::thread::park();
            }
        }
        "eat" => {
            confine(bounds);
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![1; 16 << 20]);
                black_box(&eaten);
            }
        }
        "eat-at-once" => {
            confine(bounds);
            black_box(vec![0_u8; 1 << 40]);
        }
        "panic" => {
            confine(bounds);
            read_some();
            panic!("a detector \u{1b}[2J\nhas a fault");
        }
        "overflow" => {
            confine(bounds);
            black_box(deep(u64::MAX));
        }
        "abort" => {
            confine(bounds);
            read_some();
            abort();
        }
        "exit" => {
            confine(bounds);
            read_some();
        }
        "half" => {
            confine(bounds);
            read_some();
            say(b'f', 1 << 20, b"wh-facts");
        }
        "garbage" => {
            confine(bounds);
            say(b'?', 3, b"abc");
            wait();
        }
        "damaged" => {
            confine(bounds);
            say(b'f', 12, b"wh-facts\x01abc");
            wait();
        }
        "too-long" => {
            confine(bounds);
            say(b'f', u64::MAX, b"");
            wait();
        }
        "endless" => {
            confine(bounds);
            // As long as facts may be, and longer.
            say(b'f', 1 << 20, b"");
            loop {
                io::stdout().write_all(&[0; 4096]).expect("a parent");
            }
        }
        "again-and-again" => {
            confine(bounds);
            say(b'a', 0, b"");
            say(b'a', 0, b"");
            wait();
        }
        "facts-first" => say(b'f', 0, b""),
        "confined-twice" => {
            confine(bounds);
            say_confined(0);
            wait();
        }
        "another-version" => {
            say(b'c', 4, &[2, 0, 0, 0]);
            wait();
        }
        "complain" => {
            confine(bounds);
            loop {
                io::stderr().write_all(&[b'x'; 4096]).expect("a parent");
            }
        }
        "call" => {
            confine(bounds);
            read_some();
            black_box(TcpListener::bind("127.0.0.1:0").is_ok());
        }
        "unconfined" => {
            say_confined(0);
            wait();
        }
        "close" => {
            say_confined(u16::MAX);
            let null = std::fs::File::create("/dev/null").expect("a file");
            rustix::stdio::dup2_stdout(&null).expect("a descriptor");
            wait();
        }
        "mute" => wait(),
        "killed" => {
            say_confined(u16::MAX);
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        "terminated" => {
            say_confined(u16::MAX);
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM);
        }
        "surroundings" => {
            let variables = std::env::vars_os().count();
            let folder = std::env::current_dir().expect("a folder");
            let open = std::fs::read_dir("/proc/self/fd").expect("a list").count();
            let name = std::env::args().next().unwrap_or_default();
            say_confined(u16::MAX);
            eprintln!("{name} has {variables} variables, is in {} and has {open} descriptors", folder.display());
        }
        _ => panic!("nobody misbehaves like this"),
    }
}

/// Goes on without end, and without an answer.
fn wait() {
    loop {
        std::thread::park();
    }
}

fn read_some() {
    let _ = io::stdin().read(&mut [0; 64]);
}

fn deep(levels: u64) -> u64 {
    let held = black_box([levels; 512]);
    if levels == 0 { 0 } else { deep(levels - 1) + held[7] }
}
