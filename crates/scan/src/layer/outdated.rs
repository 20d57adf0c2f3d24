//! Which layers are to be read again because what reads them has become better.

use crate::detectors::{Candidate, Detector};
use crate::facts::{EntryKind, LayerFacts};
use crate::os;

/// Whether detectors as they are now may find something else in a layer: one of them has another revision than the one
/// that looked and wants a file of the layer (or has read one), or has not looked at all. So it is where other files may
/// tell the operating system, and where any detector has another revision and the layer was not read to its end: what it
/// holds is not known then, and what kept from it may be mended.
///
/// What a detector wants by content alone cannot be told from facts: one that begins to want such files, of a kind that
/// it never read, needs a new name.
pub fn is_outdated(facts: &LayerFacts, detectors: &[&dyn Detector]) -> bool {
    let os = facts.readers.iter().find(|reader| reader.name == os::READER);
    if os.is_none_or(|os| os.revision != os::REVISION) {
        return true;
    }
    detectors.iter().any(|detector| {
        let known = facts.readers.iter().enumerate().find(|(_, reader)| reader.name == detector.name());
        match known {
            None => true,
            Some((_, reader)) if reader.revision == detector.revision() => false,
            Some(_) if !facts.problems.is_empty() => true,
            Some((at, _)) => facts.evidence().any(|evidence| evidence.reader == at) || has_one_for(facts, *detector),
        }
    })
}

/// Whether a detector wants a file of a layer by its path.
fn has_one_for(facts: &LayerFacts, detector: &dyn Detector) -> bool {
    let mut entries = facts.entries.reader();
    while let Ok(Some(entry)) = entries.next() {
        let is_file = matches!(entry.kind, EntryKind::File | EntryKind::Read | EntryKind::HardLink { .. });
        if is_file && detector.wants(&by_path(entry.path)) {
            return true;
        }
    }
    false
}

/// A file of which no more than its path is known.
pub(super) fn by_path(path: &str) -> Candidate<'_> {
    Candidate { path, head: &[], size: 4096, mode: 0o644 }
}
