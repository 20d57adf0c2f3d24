//! Programs of Go: the modules that were built in, and Go itself.
//!
//! Each program names the version of Go that built it, and since modules exist all that it is made of. What is taken:
//!
//! * Go as `stdlib`, without `go` in front of its version; a version of Go in development has none.
//! * Each module with its version as it is written, `v` in front. A module that another replaces is the other, by its name
//!   and version; one that a folder replaces keeps its name, and its version is not known.
//! * The main module. The version `(devel)` is none: then what the linker was told to put into a variable named so
//!   counts, and else the version is not known. `v0.0.0-…` of a main module is none either, as Go makes it where it sees no
//!   tag: it is before all releases, and all advisories would match.
//!
//! Which packages of a module the program holds is read from the names of its functions ([`functions`]), as advisories speak
//! of some packages of a module. Where they are not to be found an advisory is held against the module.

mod buildinfo;
mod functions;
mod modules;

use crate::detectors::gather::Gather;
use crate::detectors::program::{self, Program};
use crate::detectors::{Candidate, Detector};
use crate::facts::Found;
use crate::limits::Limits;

/// The detector of Go.
pub struct Programs;

impl Detector for Programs {
    fn name(&self) -> &'static str {
        "go"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        program::is_program(file.head)
    }

    fn read(&self, _path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        match Program::read(content) {
            Some(program) => read(&program, content, &mut gather),
            // What begins as programs of DOS do may be many things.
            None if content.starts_with(b"MZ") => {}
            None => gather.problem("it begins as a program does, and its tables cannot be read"),
        }
        gather.finish()
    }
}

fn read(program: &Program<'_>, content: &[u8], gather: &mut Gather<'_>) {
    let Some(place) = buildinfo::find(program) else {
        if is_packed(content) {
            gather.problem("it is packed by UPX, which hides what it is made of");
        }
        return;
    };
    let Some(info) = buildinfo::read(program, place) else {
        gather.problem("what Go says of its build cannot be read");
        return;
    };
    let go = String::from_utf8_lossy(info.go);
    // The programs for several machines need not have the same packages, and one of them is read.
    let packages = if content.starts_with(&[0xca, 0xfe, 0xba, 0xbe]) { None } else { functions::packages(program) };
    if info.modules.len() as u64 > gather.limits().text_bytes {
        gather.problem(format!("its list of modules has {} bytes", info.modules.len()));
        modules::read(&go, "", packages.as_ref(), gather);
        return;
    }
    modules::read(&go, &String::from_utf8_lossy(info.modules), packages.as_ref(), gather);
}

/// Whether UPX has packed it: its mark stands right behind the tables of the program.
fn is_packed(content: &[u8]) -> bool {
    let start = content.get(..1024).unwrap_or(content);
    start.windows(4).any(|part| part == b"UPX!")
}
