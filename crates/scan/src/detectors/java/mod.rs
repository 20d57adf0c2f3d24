//! Archives of Java, and archives in them.
//!
//! What an archive is, in the order of what is believed:
//!
//! 1. Each `META-INF/maven/GROUP/ARTIFACT/pom.properties`: Maven's own word. Several are the parts of a shaded archive, and
//!    all are packages. Elsewhere in an archive such a file is somebody's data.
//! 2. The manifest of a plugin of Jenkins, which says group, name and version outright.
//! 3. The name of the file, `ARTIFACT-VERSION`; the manifest's main section helps to part it, and tells the version where
//!    the name has none. The group is not known then: the artifact is listed, and no advisory speaks of it. Manifests have
//!    words that look like a group (`Implementation-Vendor-Id`, `Bundle-SymbolicName`); they are often others than Maven's,
//!    and a wrong group is another artifact.
//!
//! Sources and documentation (`-sources.jar`, `-javadoc.jar`) are no programs, and tell of no packages.
//!
//! Archives in archives are read in memory, to the depth and with the bytes and entries that [`Limits`] has for one file of
//! the layer and all within it.

mod archive;
mod coordinates;
mod manifest;

use crate::detectors::gather::Gather;
use crate::detectors::text::file_name;
use crate::detectors::{Candidate, Detector};
use crate::facts::Found;
use crate::limits::Limits;

/// The detector of archives of Java.
pub struct Archives;

/// What archives of Java are called. The later ones are the names of other things as well.
const NAMES: [&str; 3] = ["jar", "war", "ear"];
const OTHER_NAMES: [&str; 8] = ["par", "sar", "nar", "kar", "jpi", "hpi", "lpkg", "rar"];

impl Detector for Archives {
    fn name(&self) -> &'static str {
        "java"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        file.size > 0 && is_archive(file_name(file.path), file.head)
    }

    fn read(&self, path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        archive::read(file_name(path), content, &mut gather);
        gather.finish()
    }
}

fn has_name(name: &str, names: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
    names.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Whether a file is an archive of Java, by its name and beginning.
fn is_archive(name: &str, head: &[u8]) -> bool {
    has_name(name, &NAMES) || has_name(name, &OTHER_NAMES) && head.starts_with(b"PK")
}
