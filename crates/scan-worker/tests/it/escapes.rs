//! What somebody who has taken a child over may attempt: each attempt succeeds with the rights of a process, and fails without
//! them, by more than one part of the confinement where there is more than one.

use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use scan_worker::{Part, capabilities};

use super::support::planted;

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// The kernel has refused it, with the number of an error.
    Refused(i32),
    /// The kernel has ended the process for a system call.
    Ended,
    /// A signal of another kind.
    Signal(i32),
    Other(String),
}

use Outcome::{Done, Ended, Refused};

const EPERM: i32 = 1;
const EAGAIN: i32 = 11;
const EACCES: i32 = 13;
const EXDEV: i32 = 18;
const EMFILE: i32 = 24;
const SIGSYS: i32 = 31;

fn attempt(parts: &str, what: &str, argument: &str) -> Outcome {
    let mut command = Command::new(planted());
    // As a child is started: without variables, some of which would have it read files.
    command.args(["attempt", parts, what, argument]).stdin(Stdio::null()).env_clear();
    let output = command.output().expect("the program");
    let told = String::from_utf8_lossy(&output.stdout);
    match (output.status.signal(), told.strip_prefix("refused ").and_then(|number| number.parse().ok())) {
        (Some(SIGSYS), _) => Ended,
        (Some(signal), _) => Outcome::Signal(signal),
        (None, Some(number)) => Refused(number),
        (None, None) if told == "done" => Done,
        (None, None) => Outcome::Other(format!("{output:?}")),
    }
}

/// A process that attempts are about.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().expect("a process"))
    }

    fn number(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder of its own for a test, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("scan-worker-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// A file in it.
    fn file(&self, name: &str) -> String {
        let path = self.path(name);
        fs::write(&path, "something").expect("a file");
        path
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn nothing_of_the_machine_can_be_reached() {
    let folder = Folder::new("all");
    let victim = Victim::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let _socket = UnixListener::bind(folder.path("socket")).expect("a socket");
    let name = format!("scan-worker-{}", std::process::id());
    let abstract_name = SocketAddr::from_abstract_name(&name).expect("a name");
    let _abstract = UnixListener::bind_addr(&abstract_name).expect("a socket");
    let cases = [
        // A library may look for files of its own; it gets none.
        ("open", folder.file("open"), Refused(EPERM)),
        ("open", "/etc/passwd".to_owned(), Refused(EPERM)),
        ("open", "/proc/self/maps".to_owned(), Refused(EPERM)),
        ("create", folder.path("new"), Refused(EPERM)),
        ("list", "/".to_owned(), Refused(EPERM)),
        ("environment", victim.number(), Refused(EPERM)),
        ("memory", victim.number(), Refused(EPERM)),
        // Whatever else somebody attempts is the last thing.
        ("remove", folder.file("removed"), Ended),
        ("rename", folder.file("renamed"), Ended),
        ("link", folder.file("linked"), Ended),
        ("tcp", address, Ended),
        ("udp", String::new(), Ended),
        ("unix", folder.path("socket"), Ended),
        ("abstract", name, Ended),
        ("netlink", String::new(), Ended),
        ("exec", "/bin/true".to_owned(), Ended),
        ("thread", String::new(), Ended),
        ("signal", victim.number(), Ended),
        ("trace", victim.number(), Ended),
        ("uring", String::new(), Ended),
        ("memfd", String::new(), Ended),
        ("limits", String::new(), Ended),
        ("sleep", String::new(), Ended),
        // And what a child does itself goes on.
        ("compute", String::new(), Done),
        ("panic", String::new(), Done),
    ];
    // Confined first: what was removed is not there to be removed.
    for (what, argument, expected) in &cases {
        assert_eq!(attempt("all", what, argument), *expected, "{what} {argument}");
        assert_eq!(attempt("seccomp", what, argument), *expected, "{what} {argument}");
    }
    assert!(
        fs::exists(folder.path("removed")).expect("a folder") && !fs::exists(folder.path("new")).expect("a folder")
    );
    for (what, argument, _) in &cases {
        // Where the machine has it at all.
        let is_there = *what != "uring" || io_uring::IoUring::new(4).is_ok();
        assert!(!is_there || attempt("none", what, argument) == Done, "{what} {argument} with all rights");
    }
}

#[test]
fn landlock_alone_keeps_from_files_ports_and_processes() {
    let has = |part| capabilities().has(part);
    if !has(Part::Files) {
        eprintln!("not run: this kernel has no Landlock");
        return;
    }
    let folder = Folder::new("landlock");
    let victim = Victim::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let name = format!("scan-worker-landlock-{}", std::process::id());
    let abstract_name = SocketAddr::from_abstract_name(&name).expect("a name");
    let _abstract = UnixListener::bind_addr(&abstract_name).expect("a socket");
    let cases = [
        (Part::Files, "open", folder.file("open"), EACCES),
        (Part::Files, "open", "/proc/self/maps".to_owned(), EACCES),
        (Part::Files, "create", folder.path("new"), EACCES),
        (Part::Files, "list", "/".to_owned(), EACCES),
        (Part::Files, "remove", folder.file("removed"), EACCES),
        (Part::Files, "rename", folder.file("renamed"), EACCES),
        (Part::Files, "link", folder.file("linked"), EACCES),
        (Part::Files, "exec", "/bin/true".to_owned(), EACCES),
        (Part::Files, "environment", victim.number(), EACCES),
        (Part::Files, "memory", victim.number(), EACCES),
        (Part::Files, "trace", victim.number(), EPERM),
        (Part::Network, "tcp", listener.local_addr().expect("an address").to_string(), EACCES),
        (Part::Signals, "signal", victim.number(), EPERM),
        (Part::Signals, "abstract", name, EPERM),
    ];
    for (part, what, argument, error) in cases {
        if has(part) {
            let outcome = attempt("landlock", what, &argument);
            // The first version refuses what changes a folder in words of its own.
            let is_refused = outcome == Refused(error) || outcome == Refused(EXDEV);
            assert!(is_refused, "{what} {argument}: {outcome:?}");
        }
    }
}

#[test]
fn limits_alone_keep_from_files_and_memory() {
    let folder = Folder::new("limits");
    assert_eq!(attempt("limits", "open", &folder.file("open")), Refused(EMFILE));
    assert_eq!(attempt("limits", "udp", ""), Refused(EMFILE));
    // The descriptor is refused before the file would be too long.
    assert_eq!(attempt("limits", "write", &folder.path("new")), Refused(EMFILE));
    // Root starts processes and sets limits whatever they are, unless it is root of a container alone.
    if !rustix::process::geteuid().is_root() {
        assert_eq!(attempt("limits", "thread", ""), Refused(EAGAIN));
        assert_eq!(attempt("limits", "limits", ""), Refused(EPERM));
    }
}
