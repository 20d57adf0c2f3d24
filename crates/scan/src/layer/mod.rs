//! Reads a layer into facts, as a stream and once: what an archive's entries are, and what detectors find in its files.
//!
//! The archive may be packed with gzip or zstd, or not at all. Whatever it holds, reading it takes no more than the limits
//! say, ends, and gives facts that can be used: those of the entries up to the place where reading had to stop, with the
//! reason among their problems.

mod archive;
mod header;
mod outdated;
mod path;
mod pax;
mod unpack;
mod walk;

pub use outdated::is_outdated;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use archive::Archive;
use unpack::Unpacked;
use walk::Walk;

use crate::detectors::Detector;
use crate::facts::LayerFacts;
use crate::limits::Limits;
use crate::os;

/// The revision of what is kept of a layer apart from what detectors find.
pub const REVISION: u32 = os::REVISION;

/// What was read of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    /// The facts. They can be used as they are: a hard link whose file was not read is a problem of the image then.
    pub facts: LayerFacts,
    /// What a second reading would find beside: the layer has hard links, under paths that detectors want, to files that
    /// came before them under paths that none wanted.
    pub again: Option<Again>,
}

/// The files that a second reading reads for the sake of hard links to them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Again {
    /// By the path of the file, the paths of the links to it.
    links: BTreeMap<String, BTreeSet<String>>,
}

/// Why the reading of a layer ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Stop {
    #[error("the layer's archive ends in the middle of an entry")]
    Truncated,
    #[error("the layer cannot be unpacked: {0}")]
    Unpack(String),
    #[error("the layer is no archive that can be read to its end: an entry lacks {0}")]
    Header(&'static str),
    #[error("the layer is no archive that can be read to its end: the list of a sparse file's pieces is wrong")]
    Sparse,
    #[error("the layer has more than {0} entries")]
    Entries(u64),
    #[error("the layer unpacks to more than {0} bytes")]
    UnpackedBytes(u64),
    #[error("the layer unpacks to more than {0} times its size")]
    Ratio(u64),
    #[error("what is to be kept of the layer takes more than {0} bytes")]
    FactsBytes(usize),
}

/// Reads a layer. An error is one of the input, and says nothing of the layer.
pub fn read(input: impl Read, detectors: &[&dyn Detector], limits: &Limits) -> io::Result<Analysis> {
    analyse(input, detectors, limits, Again::default())
}

/// Reads a layer for the second time, with what the first reading asks for.
pub fn read_again(
    input: impl Read,
    again: Again,
    detectors: &[&dyn Detector],
    limits: &Limits,
) -> io::Result<LayerFacts> {
    analyse(input, detectors, limits, again).map(|analysis| analysis.facts)
}

/// The facts of a layer that cannot be read by these detectors, for a reason in words for people: the reading itself failed,
/// and will again.
pub fn unread(why: String, detectors: &[&dyn Detector]) -> LayerFacts {
    LayerFacts { readers: walk::readers(detectors), problems: vec![why], ..LayerFacts::default() }
}

fn analyse(input: impl Read, detectors: &[&dyn Detector], limits: &Limits, again: Again) -> io::Result<Analysis> {
    let mut archive = Archive::new(Unpacked::new(input, limits)?, limits);
    let mut walk = Walk::new(detectors, limits, again);
    if let Err(stop) = walk.all(&mut archive) {
        match archive.failure() {
            Some(failure) => return Err(failure),
            None => walk.stopped(&stop),
        }
    }
    Ok(walk.done())
}
