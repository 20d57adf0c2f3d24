//! What a file tells, gathered within the bounds: what comes beyond them is left out, and that is said once.

use crate::{
    facts::{Found, OwnedPath},
    limits::Limits,
    package::Package,
};

/// Problems that are told of one file. A broken file may hold as many as it has lines; the first few are enough to look
/// for the cause.
const PROBLEMS: usize = 20;
/// Bytes that are shown of a broken field.
const SHOWN: usize = 60;

/// What a text takes of memory beside its bytes, about.
const TEXT: usize = size_of::<usize>() * 2;

/// What has been found in a file so far.
pub(super) struct Gather<'a> {
    limits: &'a Limits,
    found: Found,
    /// What is found takes so much memory, about.
    bytes: usize,
    /// How many problems are not told.
    untold: usize,
    is_full: bool,
}

impl<'a> Gather<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, found: Found::default(), bytes: 0, untold: 0, is_full: false }
    }

    /// Whether a bound was reached: what more is found is left out, so that reading on is in vain.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Says what cannot be read, and why. It begins in lower case, as `line 3 has no colon`.
    pub(super) fn problem(&mut self, problem: impl Into<String>) {
        if self.found.problems.len() < PROBLEMS {
            self.found.problems.push(problem.into());
        } else {
            self.untold += 1;
        }
    }

    /// A field of a package as text: `what` is its name in a problem. A field that is longer than a path may be is no
    /// field of a package, and would be copied many times.
    pub(super) fn text(&mut self, what: &str, value: &[u8]) -> Option<String> {
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

    pub(super) fn package(&mut self, package: Package) {
        if self.found.packages.len() >= self.limits.packages {
            self.fill(format!("more than {} packages", self.limits.packages));
        } else if self.has_room(cost(&package)) {
            self.found.packages.push(package);
        }
    }

    /// A path of the package of that name, in parts that belong together without a sign between them. What stands for the
    /// root in front of it, as `/` and `./`, is left out.
    pub(super) fn owned(&mut self, parts: &[&[u8]], package: &str) {
        let length = parts.iter().map(|part| part.len()).sum();
        if self.is_full {
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
        if self.has_room(size_of::<OwnedPath>() + path.len() + package.len() + 2 * TEXT) {
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
    pub(super) fn finish(mut self) -> Found {
        if self.untold > 0 {
            self.found.problems.push(format!("and {} problems more", self.untold));
        }
        // There may be thousands of lists of paths in a layer, and each is kept for as long.
        self.found.owned.shrink_to_fit();
        self.found.packages.shrink_to_fit();
        self.found
    }
}

/// What a package takes of memory, about.
fn cost(package: &Package) -> usize {
    let Package { kind: _, name, version, arch, source, module, vendor, presence: _ } = package;
    let source = source.as_ref().map(|source| [&source.name, &source.version]);
    let texts = [name, version, arch].into_iter().chain(module).chain(vendor).chain(source.into_iter().flatten());
    size_of::<Package>() + texts.map(|text| text.len() + TEXT).sum::<usize>()
}
