//! Programs of Rust that name their crates (cargo-auditable), and `Cargo.lock`.
//!
//! Of a program all crates are taken that are part of it; what only built it is left out. Of a lock file the crates are
//! taken that come from elsewhere; those of the workspace itself are its author's.

use std::io::Read;

use serde::Deserialize;

use crate::detectors::gather::Gather;
use crate::detectors::program::{self, Program};
use crate::detectors::text::{file_name, lies_in_package, text};
use crate::detectors::{Candidate, Detector, toml_lock};
use crate::facts::Found;
use crate::limits::Limits;
use crate::package::PackageKind;

/// The detector of programs.
pub struct Programs;

/// The detector of lock files.
pub struct Locks;

/// The part of a program that cargo-auditable writes.
const PART: &str = ".dep-v0";

#[derive(Deserialize)]
struct Crates {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    #[serde(default)]
    kind: Option<String>,
}

impl Detector for Programs {
    fn name(&self) -> &'static str {
        "rust"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        program::is_program(file.head)
    }

    fn read(&self, _path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        // Tables that cannot be read are told by the detector of Go.
        if let Some(part) = Program::read(content).and_then(|program| program.named(PART)) {
            read(part.content, &mut gather);
        }
        gather.finish()
    }
}

fn read(packed: &[u8], gather: &mut Gather<'_>) {
    let most = gather.limits().text_bytes;
    let mut json = Vec::new();
    match flate2::read::ZlibDecoder::new(packed).take(most.saturating_add(1)).read_to_end(&mut json) {
        Ok(read) if read as u64 > most => {
            gather.problem(format!("its list of crates has more than {most} bytes"));
            return;
        }
        Ok(_) => {}
        Err(error) => {
            gather.problem(format!("its list of crates cannot be unpacked: {error}"));
            return;
        }
    }
    match serde_json::from_slice::<Crates>(&json) {
        Ok(crates) => {
            for one in crates.packages.iter().filter(|one| one.kind.as_deref() != Some("build")) {
                gather.installed(PackageKind::Cargo, &one.name, &one.version);
            }
        }
        Err(error) => gather.problem(format!("its list of crates cannot be read: {error}")),
    }
}

impl Detector for Locks {
    fn name(&self) -> &'static str {
        "cargo-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        file_name(file.path) == "Cargo.lock" && !lies_in_package(file.path)
    }

    fn read(&self, _path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        if let Some(text) = text(content, &mut gather) {
            for entry in toml_lock::entries(&text).filter(|entry| entry.source.is_some()) {
                gather.declared(PackageKind::Cargo, entry.name, entry.version);
            }
        }
        gather.finish()
    }
}
