//! What somebody might attempt who has taken a child over. Each succeeds in a process that has its rights.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{AddressFamily, SocketType, socket};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};
use scan_worker::{Bounds, Confinement, rights};

/// Says on standard output what came of an attempt: `done`, or the number of the error.
pub fn run(parts: &str, what: &str, argument: &str) {
    let bounds = Bounds { memory_bytes: 1 << 30, cpu_seconds: 10 };
    let program = fs::read("/proc/self/exe").expect("this program");
    let mut achieved = Confinement::default();
    match parts {
        "none" => {}
        "limits" => rights::set_limits(&bounds, &mut achieved),
        "landlock" => rights::forbid_files(&mut achieved),
        "seccomp" => rights::forbid_system_calls(&mut achieved),
        "all" => drop(rights::give_up(&bounds)),
        _ => panic!("no part"),
    }
    let told = match attempt(what, argument, &program) {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("refused {}", error.raw_os_error().unwrap_or_default()),
    };
    io::stdout().write_all(told.as_bytes()).expect("a parent");
}

fn attempt(what: &str, argument: &str, program: &[u8]) -> io::Result<()> {
    let process = || Pid::from_raw(argument.parse().expect("a process")).expect("a process");
    match what {
        "open" => File::open(argument).map(drop),
        "create" | "write" => File::create(argument)?.write_all(b"escaped"),
        "list" => fs::read_dir(argument).map(drop),
        "remove" => fs::remove_file(argument),
        "rename" => fs::rename(argument, format!("{argument}.moved")),
        "link" => fs::hard_link(argument, format!("{argument}.linked")),
        "environment" => fs::read(format!("/proc/{argument}/environ")).map(drop),
        "memory" => File::open(format!("/proc/{argument}/mem")).map(drop),
        "tcp" => TcpStream::connect(argument).map(drop),
        "udp" => UdpSocket::bind("127.0.0.1:0").map(drop),
        "unix" => UnixStream::connect(argument).map(drop),
        "abstract" => UnixStream::connect_addr(&SocketAddr::from_abstract_name(argument)?).map(drop),
        "netlink" => Ok(socket(AddressFamily::NETLINK, SocketType::RAW, None).map(drop)?),
        "exec" => Command::new(argument).status().map(drop),
        "thread" => thread::Builder::new().spawn(|| ())?.join().map_err(|_| io::ErrorKind::Other.into()),
        "signal" => Ok(kill_process(process(), Signal::CONT)?),
        "trace" => {
            let process = nix::unistd::Pid::from_raw(argument.parse().expect("a process"));
            nix::sys::ptrace::attach(process).map_err(io::Error::from)?;
            Ok(())
        }
        "uring" => io_uring::IoUring::new(4).map(drop),
        "memfd" => {
            let file = File::from(memfd_create("escaped", MemfdFlags::empty())?);
            (&file).write_all(program)?;
            Command::new(format!("/proc/self/fd/{}", file.as_raw_fd())).status().map(drop)
        }
        "limits" => {
            // No limit goes up again: not this one either.
            let before = getrlimit(Resource::As);
            let raised = rustix::process::Rlimit { current: None, maximum: None };
            rustix::process::setrlimit(Resource::As, raised)?;
            rustix::process::setrlimit(Resource::As, before).map_err(Into::into)
        }
        "sleep" => {
            thread::sleep(Duration::from_millis(1));
            Ok(())
        }
        // These two are what a child does.
        "compute" => {
            let map: std::collections::HashMap<u64, Vec<u8>> = (0..1_000).map(|at| (at, vec![1; 4096])).collect();
            let large = vec![1_u8; 64 << 20];
            if map.len() + large.len() == 0 { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
        }
        "panic" => {
            let caught = std::panic::catch_unwind(|| panic!("caught"));
            if caught.is_err() { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
        }
        _ => panic!("nobody attempts this"),
    }
}
