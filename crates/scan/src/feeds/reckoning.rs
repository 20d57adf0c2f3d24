//! What a record takes of memory once it is read, reckoned from its text before that: a short text may name a great many
//! things, each of which takes far more than the letters that name it.

use std::mem::size_of;

use crate::advisory::{Advisory, Affected, Event, Head, Module, Rating, Requirement, Versions};

/// What is made of the parts of a record, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// Bytes of an object, or of an element of XML, beside the texts in it.
    pub object: usize,
    /// Bytes of a member of an object, or of an attribute, beside its text.
    pub member: usize,
    /// Bytes of an element of a list, beside its text.
    pub element: usize,
}

impl Weights {
    /// Of forms of which parts are kept as they are: a map has room for eleven members from its first one on.
    pub const OF_VALUES: Self = Self { object: 512, member: 96, element: 96 };
    /// Of CSAF, of which no text is copied and no member is kept that is not asked for. A list that grows has room for as many as
    /// it holds, and products are known by their ids beside.
    pub const OF_CSAF: Self = Self { object: 128, member: 0, element: 96 };
    /// Of XML: an element is a node, and the text behind it is another one.
    pub const OF_XML: Self = Self { object: 256, member: 128, element: 0 };
}

/// What was reckoned of a record so far.
#[derive(Debug)]
pub(super) struct Reckoning {
    weights: Weights,
    /// Bytes in memory.
    pub bytes: usize,
    /// Which of the values that are open are lists, from the innermost on: deeper ones than these are not read.
    lists: u128,
}

impl Reckoning {
    pub(super) fn new(weights: Weights) -> Self {
        Self { weights, bytes: 0, lists: 0 }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Takes in a letter that is kept until the record is read.
    pub(super) fn letter(&mut self) {
        self.add(1);
    }

    /// Takes in a sign of JSON, outside of texts.
    pub(super) fn sign_of_json(&mut self, sign: u8) {
        match sign {
            b'{' => {
                self.lists <<= 1;
                self.add(self.weights.object);
            }
            b'[' => {
                self.lists = self.lists << 1 | 1;
                self.add(self.weights.element);
            }
            b'}' | b']' => self.lists >>= 1,
            b',' if self.lists & 1 == 1 => self.add(self.weights.element),
            b',' | b':' => self.add(self.weights.member),
            _ => {}
        }
    }

    /// Takes in a sign of XML.
    pub(super) fn sign_of_xml(&mut self, sign: u8) {
        match sign {
            b'<' => self.add(self.weights.object),
            b'=' => self.add(self.weights.member),
            _ => {}
        }
    }
}

/// Bytes that a text takes beside its letters.
const TEXT: usize = size_of::<String>() + 16;

fn text(text: &str) -> usize {
    text.len() + TEXT
}

fn texts(texts: &[String]) -> usize {
    texts.iter().map(|one| text(one)).sum()
}

fn ratings(ratings: &[Rating]) -> usize {
    let of = |rating: &Rating| size_of::<Rating>() + rating.source.len() + rating.vector.len();
    ratings.iter().map(of).sum()
}

/// What an advisory takes of memory.
pub(super) fn of_advisory(advisory: &Advisory) -> usize {
    let Head { source, id, aliases, vulnerabilities, severity, published, modified, withdrawn, .. } = &advisory.head;
    let Head { summary, details, references, .. } = &advisory.head;
    let single = [source, id, summary, details].into_iter().chain(severity).chain(published).chain(modified);
    let head: usize = single.chain(withdrawn).map(|one| text(one)).sum();
    let lists = texts(aliases) + texts(vulnerabilities) + texts(references);
    let rows: usize = advisory.affected.iter().map(of_row).sum();
    head + lists + ratings(&advisory.head.ratings) + rows
}

/// What a row takes of memory.
pub(super) fn of_row(row: &Affected) -> usize {
    let Affected { release, name, versions, arches, modules, repository, severity, note, imports, .. } = row;
    let single = [release, name].into_iter().chain(repository).chain(severity).chain(note);
    let single: usize = single.map(|one| text(one)).sum();
    let modules: usize = modules.iter().map(|Module { name, stream }| text(name) + text(stream)).sum();
    let lists = texts(arches) + texts(imports) + ratings(&row.ratings);
    size_of::<Affected>() + single + modules + lists + of_versions(versions)
}

fn of_versions(versions: &Versions) -> usize {
    let event = |event: &Event| match event {
        Event::Introduced(version) | Event::Fixed(version) | Event::LastAffected(version) | Event::Limit(version) => {
            size_of::<Event>() + text(version)
        }
    };
    let range = |range: &Vec<Event>| size_of::<Vec<Event>>() + range.iter().map(event).sum::<usize>();
    let ranges: usize = versions.ranges.iter().map(range).sum();
    let requirement = |Requirement(comparisons): &Requirement| -> usize {
        TEXT + comparisons.iter().map(|(_, version)| TEXT + text(version)).sum::<usize>()
    };
    let unaffected: usize = versions.unaffected.iter().map(requirement).sum();
    ranges + texts(&versions.listed) + unaffected + versions.fixed.as_deref().map_or(0, text)
}
