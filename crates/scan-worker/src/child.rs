//! The child: gives up its rights, reads one layer, answers, and ends.

use std::env;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::stdio::{stderr, stdin, stdout};
use scan::detectors;
use scan::layer;

use crate::bounds::Bounds;
use crate::confinement::Confinement;
use crate::rights;
use crate::wire::{Kind, Layer, VERSION, answer, read_limits};

/// The command of the program by which it is such a child. It is no command for people, and its help does not name it.
pub const COMMAND: &str = "analyze-layer";

/// Called with other arguments than a parent gives.
const USAGE: u8 = 2;
/// The parent was gone, or said something else than a parent says.
const NO_PARENT: u8 = 3;

/// The whole life of a child. It is called before the program sets up anything else, in its only thread.
pub fn child_main() -> ExitCode {
    let arguments = env::args_os().skip_while(|argument| argument != COMMAND).skip(1);
    let arguments: Vec<String> = arguments.filter_map(|argument| argument.into_string().ok()).collect();
    let Some(bounds) = Bounds::of_arguments(&arguments) else {
        complain("this command is for the program itself: it reads one layer, confined, and is given its bounds");
        return ExitCode::from(USAGE);
    };
    let confinement = rights::give_up(&bounds);
    match serve(confinement, &mut Pipe(stdin()), &mut Pipe(stdout())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(NO_PARENT)
        }
    }
}

/// Answers the parent, from how it is confined to the facts. An error is one of the pipes.
fn serve(confinement: Confinement, input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let [low, high, abi] = confinement.to_bytes();
    answer(output, Kind::Confined, &[VERSION, low, high, abi])?;
    let limits = read_limits(input)?;
    let detectors = detectors::all();
    let mut once = Layer::new(input);
    let analysis = layer::read(&mut once, &detectors, &limits)?;
    let facts = match analysis.again {
        None => analysis.facts,
        Some(again) => {
            // The second reading brings the same and more.
            drop(analysis.facts);
            answer(output, Kind::Again, &[])?;
            once.skip_rest()?;
            layer::read_again(Layer::new(input), again, &detectors, &limits)?
        }
    };
    let bytes = facts.to_bytes();
    drop(facts);
    answer(output, Kind::Facts, &bytes)
}

fn complain(what: &str) {
    // Without standard error there is nobody to tell.
    let _ = writeln!(Pipe(stderr()), "{what}");
}

/// A pipe as the system has it: no buffer lies between, of which a thread could hold the lock.
struct Pipe(rustix::fd::BorrowedFd<'static>);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(self.0, &mut *buffer))?)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::write(self.0, bytes))?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_parent_ends_a_child() {
        for input in [&b""[..], &b"\x60\0\0\0half"[..], &b"GET / HTTP/1.1\r\n\r\n"[..]] {
            let mut output = Vec::new();
            assert!(serve(Confinement::default(), &mut &*input, &mut output).is_err());
            assert_eq!(output, [&crate::wire::head(Kind::Confined, 4)[..], &[VERSION, 0, 0, 0]].concat());
        }
    }
}
