//! The list of packages that small images of Mariner and Azure Linux have in place of rpm's database.
//!
//! Each line is a package, with tabs between its fields: name, version and release, time of its installation, time of its
//! build, vendor, epoch, size, architecture, epoch as a number, file name of the source package. `(none)` is in the place of
//! what a package has not.

use super::{
    Candidate, Detector,
    gather::Gather,
    paragraphs::lines,
    rpm::{Fields, is_package},
};
use crate::{facts::Found, limits::Limits};

const PATH: &str = "var/lib/rpmmanifest/container-manifest-2";

/// The reader of that list.
#[derive(Debug, Clone, Copy)]
pub struct Mariner;

impl Detector for Mariner {
    fn name(&self) -> &'static str {
        "mariner"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        file.path == PATH
    }

    fn read(&self, _path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        for (index, line) in lines(content).enumerate() {
            if gather.is_full() {
                break;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match fields(line) {
                Some(fields) if is_package(fields.name) => {
                    fields.tell(&mut gather);
                }
                Some(_) => {}
                None => gather.problem(format!("line {} is no package of ten fields", index + 1)),
            }
        }
        gather.finish()
    }
}

fn fields(line: &[u8]) -> Option<Fields<'_>> {
    let mut columns = line.split(|byte| *byte == b'\t').map(<[u8]>::trim_ascii);
    let mut next = || columns.next();
    let [name, version, _, _, vendor, epoch, _, arch, epoch_number, source] =
        [next()?, next()?, next()?, next()?, next()?, next()?, next()?, next()?, next()?, next()?];
    let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    // The number is 0 where the package has no epoch, and some lists have it alone.
    let epoch = number(epoch_number).or_else(|| number(epoch)).unwrap_or_default();
    let is_package = columns.next().is_none();
    is_package.then_some(Fields { name, version, epoch, arch, vendor, source, module: b"" })
}
