//! What a file tells, gathered within the bounds of its layer: what comes beyond them is left out, and that is said once.

use crate::{
    facts::{FOUND_BYTES, Found, OwnedPath, owned_cost, package_cost, text_cost},
    limits::Limits,
    package::{Package, PackageKind, Presence},
    signs,
};

/// No manager of a language has longer names or versions; Go's module paths are the longest.
const MAX_WORD_BYTES: usize = 1024;
/// Problems that are told of one file. A broken file may hold as many as it has lines; the first few are enough to look
/// for the cause.
const PROBLEMS: usize = 20;
/// Letters of a problem: messages of readers repeat what they have read.
const PROBLEM_LETTERS: usize = 300;
/// Bytes that are shown of a broken field.
const SHOWN: usize = 60;

/// What has been found in a file so far.
pub struct Gather<'a> {
    limits: &'a Limits,
    found: Found,
    /// What is found takes so much of [`Limits::facts_bytes`], problems apart.
    bytes: usize,
    /// How many problems are not told.
    untold: usize,
    is_full: bool,
    /// The package that was left out last as its name has signs that no text shows.
    misnamed: String,
}

impl<'a> Gather<'a> {
    /// Nothing yet.
    pub fn new(limits: &'a Limits) -> Self {
        Self { limits, found: Found::default(), bytes: FOUND_BYTES, untold: 0, is_full: false, misnamed: String::new() }
    }

    /// The bounds that hold.
    pub fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// Whether a bound was reached: what more is found is left out, so that reading on is in vain.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Notes that so many bytes were unpacked from archives in the file.
    pub fn unpacked(&mut self, bytes: u64) {
        self.found.unpacked_bytes = self.found.unpacked_bytes.saturating_add(bytes);
    }

    /// Says what cannot be read, and why. It begins in lower case, as `line 3 has no colon`.
    pub fn problem(&mut self, problem: impl AsRef<str>) {
        if self.found.problems.len() < PROBLEMS {
            self.found.problems.push(cut(problem.as_ref(), PROBLEM_LETTERS));
        } else {
            self.untold += 1;
        }
    }

    /// A field of a package as text: `what` is its name in a problem. A field that is longer than a path may be is no
    /// field of a package, and would be copied many times.
    pub fn text(&mut self, what: &str, value: &[u8]) -> Option<String> {
        if value.len() > self.limits.path_bytes {
            self.problem(format!("{what} is {} bytes long", value.len()));
            return None;
        }
        if let Ok(text) = std::str::from_utf8(value) {
            return Some(text.to_owned());
        }
        let shown = value.get(..SHOWN).unwrap_or(value);
        self.problem(format!("{what} is no UTF-8: {}", shown.escape_ascii()));
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// A package of a database, whose fields are [texts](Self::text).
    pub fn package(&mut self, package: Package) {
        self.add(package, "");
    }

    /// An installed package of a language.
    pub fn installed(&mut self, kind: PackageKind, name: &str, version: &str) {
        self.installed_within("", kind, name, version);
    }

    /// A module of Go, with the packages of it that a program has, if these are known.
    pub fn module(&mut self, name: &str, version: &str, imports: Option<Vec<String>>) {
        if self.are_words(name, version) {
            self.add(Package { imports, ..Package::installed(PackageKind::Go, name, version) }, "");
        }
    }

    /// A package that lies at a path of the file's own; an empty path is the file itself.
    pub fn installed_within(&mut self, within: &str, kind: PackageKind, name: &str, version: &str) {
        if self.are_words(name, version) {
            self.add(Package::installed(kind, name, version), within);
        }
    }

    /// A package that a lock file names.
    pub fn declared(&mut self, kind: PackageKind, name: &str, version: &str) {
        if self.are_words(name, version) {
            self.add(Package { presence: Presence::Declared, ..Package::installed(kind, name, version) }, "");
        }
    }

    /// Whether a package can be named so, which is a problem otherwise.
    fn are_words(&mut self, name: &str, version: &str) -> bool {
        let are_words = is_word(name) && (version.is_empty() || is_word(version));
        if !are_words {
            let (name, version) = (shown(name), shown(version));
            self.problem(format!("a package is named `{name}` with the version `{version}`, which cannot be"));
        }
        are_words
    }

    fn add(&mut self, package: Package, within: &str) {
        if let Some(problem) = signs::misnamed(&package) {
            self.misnamed = package.name;
            return self.problem(problem);
        }
        let place = if within.is_empty() { 0 } else { text_cost(within) };
        if self.found.packages.len() >= self.limits.packages {
            self.fill(format!("more than {} packages", self.limits.packages));
        } else if self.has_room(package_cost(&package).saturating_add(place)) {
            if !within.is_empty() {
                self.found.within.insert(self.found.packages.len(), within.to_owned());
            }
            self.found.packages.push(package);
        }
    }

    /// A path of the package of that name, in parts that belong together without a sign between them. What stands for the
    /// root in front of it, as `/` and `./`, is left out.
    pub fn owned(&mut self, parts: &[&[u8]], package: &str) {
        let length = parts.iter().map(|part| part.len()).sum();
        if self.is_full {
            return;
        }
        if signs::are_in(package) {
            // It may have been left out just before.
            if package != self.misnamed {
                package.clone_into(&mut self.misnamed);
                self.problem(signs::misnaming(&[package]));
            }
            return;
        }
        if length > self.limits.path_bytes {
            self.problem(format!("a path of {package} is {length} bytes long"));
            return;
        }
        let mut path = String::with_capacity(length);
        for part in parts {
            path.push_str(&String::from_utf8_lossy(part));
        }
        let root = path.len() - path.trim_start_matches("./").trim_start_matches('/').len();
        path.drain(..root);
        if path.is_empty() || path == "." {
            return;
        }
        if self.has_room(owned_cost(&path, package)) {
            self.found.owned.push(OwnedPath { path, package: package.to_owned() });
        }
    }

    fn has_room(&mut self, bytes: usize) -> bool {
        if self.is_full {
            return false;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.facts_bytes {
            self.fill(format!("more than {} bytes of packages and paths", self.limits.facts_bytes));
        }
        !self.is_full
    }

    fn fill(&mut self, what: String) {
        if !self.is_full {
            self.is_full = true;
            self.found.problems.push(format!("it tells of {what}: the rest is left out"));
        }
    }

    /// What was found.
    pub fn finish(mut self) -> Found {
        if self.untold > 0 {
            self.found.problems.push(format!("and {} problems more", self.untold));
        }
        // There may be thousands of lists of paths in a layer, and each is kept for as long.
        self.found.owned.shrink_to_fit();
        self.found.packages.shrink_to_fit();
        self.found
    }
}

/// Whether it can be a name or a version: some text without blanks and signs that no text shows.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_WORD_BYTES
        && text.chars().all(|letter| !signs::is_sign(letter) && !letter.is_whitespace())
}

/// A text of the image, in a message for people: short, and without what could write over the message.
pub fn shown(text: &str) -> String {
    cut(text, 80)
}

fn cut(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most).map(|(at, _)| at);
    let mut cut = signs::Escaped(text.get(..end.unwrap_or(text.len())).unwrap_or_default()).to_string();
    if end.is_some() {
        cut.push('…');
    }
    cut
}
