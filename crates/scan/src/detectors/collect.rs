//! Gathers what a file tells, so that no file can tell more than its layer may hold.

use crate::facts::Found;
use crate::limits::Limits;
use crate::package::{Package, PackageKind, Presence};

/// No manager has longer names or versions; Go's module paths are the longest.
const MAX_WORD_BYTES: usize = 1024;
/// Problems of one file that are told one by one; they are said to people.
const MAX_PROBLEMS: usize = 20;
const MAX_PROBLEM_LETTERS: usize = 300;

/// The packages and problems of one file, in the making.
pub struct Collector<'a> {
    limits: &'a Limits,
    found: Found,
    /// Bytes of the packages and where they lie.
    bytes: usize,
    problems_left_out: usize,
    is_full: bool,
}

impl<'a> Collector<'a> {
    /// Nothing yet.
    pub fn new(limits: &'a Limits) -> Self {
        Self { limits, found: Found::default(), bytes: 0, problems_left_out: 0, is_full: false }
    }

    /// The bounds that hold.
    pub fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// Adds an installed package.
    pub fn installed(&mut self, kind: PackageKind, name: &str, version: &str) {
        self.add(Package::installed(kind, name, version), "");
    }

    /// Adds a package that a lock file names.
    pub fn declared(&mut self, kind: PackageKind, name: &str, version: &str) {
        self.add(Package { presence: Presence::Declared, ..Package::installed(kind, name, version) }, "");
    }

    /// Adds a package that lies at a path of the file's own; an empty path is the file itself.
    pub fn installed_within(&mut self, within: &str, kind: PackageKind, name: &str, version: &str) {
        self.add(Package::installed(kind, name, version), within);
    }

    fn add(&mut self, package: Package, within: &str) {
        let bytes =
            self.bytes.saturating_add(size_of::<Package>() + package.name.len() + package.version.len() + within.len());
        if !is_word(&package.name) || !(package.version.is_empty() || is_word(&package.version)) {
            self.problem(format!(
                "a package is named `{}` with the version `{}`, which cannot be",
                shown(&package.name),
                shown(&package.version)
            ));
        } else if self.found.packages.len() >= self.limits.packages || bytes > self.limits.facts_bytes {
            self.is_full = true;
        } else {
            if !within.is_empty() {
                self.found.within.insert(self.found.packages.len(), within.to_owned());
            }
            self.found.packages.push(package);
            self.bytes = bytes;
        }
    }

    /// Says what could not be read.
    pub fn problem(&mut self, problem: impl AsRef<str>) {
        if self.found.problems.len() < MAX_PROBLEMS {
            // Messages of readers repeat what they have read.
            self.found.problems.push(cut(problem.as_ref(), MAX_PROBLEM_LETTERS));
        } else {
            self.problems_left_out += 1;
        }
    }

    /// What was found.
    pub fn finish(mut self) -> Found {
        if self.problems_left_out > 0 {
            self.found.problems.push(format!("{} more problems of this kind", self.problems_left_out));
        }
        if self.is_full {
            let Limits { packages, facts_bytes, .. } = self.limits;
            self.found
                .problems
                .push(format!("it tells of more packages than {packages}, or {facts_bytes} bytes of them"));
        }
        self.found
    }
}

/// Whether it can be a name or a version: some text without blanks and signs that no text shows.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_WORD_BYTES
        && text.chars().all(|letter| !letter.is_control() && !letter.is_whitespace())
}

/// A text of the image, in a message for people: short, and without what could write over the message.
pub fn shown(text: &str) -> String {
    cut(text, 80)
}

fn cut(text: &str, most: usize) -> String {
    let mut letters = text.chars();
    let mut cut: String =
        letters.by_ref().take(most).map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    if letters.next().is_some() {
        cut.push('…');
    }
    cut
}
