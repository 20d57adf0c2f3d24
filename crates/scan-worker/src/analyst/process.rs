//! A child process that is ended and waited for when it is let go of, and what its end says.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::Signal;

use crate::bounds::Bounds;
use crate::failure::Failure;

/// The name of a child in lists of processes.
const NAME: &str = "wharf-layer";
/// Bytes that a pipe to a child is to hold, so that it need not wait for each frame.
const PIPE_BYTES: usize = 1 << 20;
/// Bytes that a child may complain of in all.
const MAX_COMPLAINT_BYTES: usize = 64 << 10;
/// Bytes of them that are told.
const TOLD_BYTES: usize = 300;
/// How often, and after what time each, it is asked whether a child has ended that has closed its pipe.
const LOOKS: usize = 400;
const LOOK: Duration = Duration::from_millis(5);

/// A child, and its pipes.
pub(super) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    complaints: Option<ChildStderr>,
    complaint: Vec<u8>,
}

/// However its parent lets go of it, a child does not go on, and leaves nothing behind.
impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be ended; waiting is what leaves nothing behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub(super) fn start(program: &Path, arguments: &[OsString], bounds: Bounds) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg0(NAME).args(arguments).args(bounds.to_arguments()).env_clear().current_dir("/");
        // Apart from its group: what ends a terminal's programs says nothing of a layer.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), complaints) = pipes else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other("it has no pipes"));
        };
        let process = Self { child, input: Some(input), output, complaints, complaint: Vec::new() };
        // Only this end of each: the child waits as long as it has to.
        ioctl_fionbio(&process.output, true)?;
        if let Some(input) = &process.input {
            ioctl_fionbio(input, true)?;
            // Whoever has many pipes already has them small.
            let _ = fcntl_setpipe_size(input, PIPE_BYTES);
        }
        if let Some(complaints) = &process.complaints {
            ioctl_fionbio(complaints, true)?;
        }
        Ok(process)
    }

    pub(super) fn input_pipe(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn output_pipe(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    pub(super) fn complaint_pipe(&self) -> Option<BorrowedFd<'_>> {
        self.complaints.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn input(&mut self) -> Option<&mut impl Write> {
        self.input.as_mut()
    }

    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    pub(super) fn output(&mut self) -> &mut impl Read {
        &mut self.output
    }

    /// Hears what the child complains of, and how much that was. One that does not stop is ended.
    pub(super) fn hear_complaint(&mut self) -> Result<usize, Failure> {
        let Some(from) = &mut self.complaints else { return Ok(0) };
        let mut part = [0; 4096];
        let count = match from.read(&mut part) {
            Ok(count) if count > 0 => count,
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => 0,
            Ok(_) | Err(_) => {
                self.complaints = None;
                0
            }
        };
        self.complaint.extend_from_slice(part.get(..count).unwrap_or_default());
        if self.complaint.len() > MAX_COMPLAINT_BYTES {
            return Err(Failure::Nonsense(format!("complaints without end{}", self.told())));
        }
        Ok(count)
    }

    /// Why a child has closed its pipe before it had answered.
    pub(super) fn end(&mut self, bounds: Bounds, had_layer: bool, time: Duration) -> Failure {
        let status = self.ended();
        while self.hear_complaint().is_ok_and(|count| count > 0) {}
        if !had_layer {
            let how = status.map_or_else(|| "closed its pipe".to_owned(), |status| format!("ended {}", how(status)));
            return Failure::Start(io::Error::other(format!("it has {how}{}", self.told())));
        }
        let Some(status) = status else {
            return Failure::Nonsense(format!("the end of its answer in the middle{}", self.told()));
        };
        let is = |signal: Signal| status.signal() == Some(signal.as_raw());
        if String::from_utf8_lossy(&self.complaint).contains("memory allocation of ") {
            Failure::Memory(bounds.memory_bytes)
        } else if is(Signal::SYS) {
            Failure::Forbidden
        } else if is(Signal::XCPU) {
            Failure::Time(time)
        } else if is(Signal::KILL) {
            Failure::Killed
        } else if [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT].into_iter().any(is) {
            Failure::Ended(status.signal().unwrap_or_default())
        } else {
            Failure::Crashed(format!("{}{}", how(status), self.told()))
        }
    }

    /// How the child has ended, which has closed its pipe: that is the last or nearly the last that it does.
    fn ended(&mut self) -> Option<ExitStatus> {
        for _ in 0..LOOKS {
            match self.child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return Some(status),
                Err(_) => return None,
            }
            let look = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
            // Whoever is woken early looks early.
            let _ = poll(&mut [], Some(&look));
        }
        None
    }

    /// The beginning of what it complained of, on one line.
    fn told(&self) -> String {
        let text = String::from_utf8_lossy(&self.complaint);
        let text = text.trim().replace('\n', "; ");
        let mut told: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
        told.truncate(told.floor_char_boundary(TOLD_BYTES));
        if told.is_empty() { told } else { format!(": {told}") }
    }
}

fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("by signal {signal}"),
        (None, Some(code)) => format!("with exit code {code}"),
        (None, None) => "in a way of its own".to_owned(),
    }
}
