//! Which feeds there are: where each is, in which form, how often it is worth asking for, and what it answers for.
//!
//! A feed that an operator adds, or has a mirror of, is the same as one of the table: [`configured`].

mod built_in;
pub mod configured;
mod index;

use std::time::Duration;

use super::{About, FeedLimits, Form, Packaging};
use crate::ecosystem::Ecosystem;

pub use built_in::built_in;
pub use index::{Found, MAX_INDEX_BYTES, Step, sha256_of};

/// A feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// What it is called: words of small letters, digits and dashes.
    pub name: String,
    /// The form of its files.
    pub form: Form,
    /// How they are packed.
    pub packaging: Packaging,
    /// Its files, at least one. Each is fetched, and is in force, apart from the others.
    pub files: Vec<FeedFile>,
    /// How a file is found from its URL, where publishers give it a name that changes; none where the URL is the file's.
    pub steps: &'static [Step],
    /// What the publisher says of a file's content, beside it.
    pub checksum: Option<Checksum>,
    /// How long after one look the next is worth it.
    pub interval: Duration,
    /// Which ecosystems it tells of; none for what is known of vulnerabilities whoever has them.
    pub covers: Vec<Ecosystem>,
    /// What it is for those.
    pub role: Role,
    /// Under which licence its data are, as far as its publisher says.
    pub licence: String,
    /// Whether it is fetched.
    pub is_on: bool,
    /// Bytes that a file has at most, as it is published.
    pub packed_bytes: u64,
    /// Bytes that it has at most without its compression.
    pub bytes: u64,
}

/// One file of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedFile {
    /// Which of the feed's files it is, such as `v3.20/main`; empty for the only one.
    pub part: String,
    /// Where it is, or where to begin to look for it.
    pub url: String,
    /// The release that all of it is for; `None` where its rows tell.
    pub release: Option<String>,
}

/// What a feed is for the ecosystems that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It says which packages are affected: nothing can be said of an image without it.
    Authoritative,
    /// It adds to what another one says.
    Additional,
}

/// A file beside a feed's, with the checksum of that by SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// What its URL has behind that of the file.
    pub ends: String,
    /// Whether the file is nothing without it.
    pub is_required: bool,
}

impl Feed {
    /// What is known of a file of it beside its content.
    pub fn about<'a>(&'a self, file: &'a FeedFile) -> About<'a> {
        let ecosystem = match self.covers.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        About { source: &self.name, ecosystem, release: file.release.as_deref(), part: &file.part }
    }

    /// What reading a file of it may cost.
    pub fn limits(&self) -> FeedLimits {
        FeedLimits { bytes: self.bytes, ..FeedLimits::default() }
    }

    /// Its files that may tell of a release of an ecosystem.
    pub fn files_for<'a>(&'a self, ecosystem: Ecosystem, release: &'a str) -> impl Iterator<Item = &'a FeedFile> {
        let is_covered = self.covers.contains(&ecosystem);
        let is_for = move |file: &&FeedFile| is_covered && file.release.as_deref().is_none_or(|own| own == release);
        self.files.iter().filter(is_for)
    }
}

/// The files that must be in force before anything can be said of packages of a release: those of the authoritative feeds that
/// are on. None where nobody tells of it. That a file is in force is not all: one that tells of many releases tells of this
/// one only if it has [rows](super::Report::places) of it.
pub fn needed<'a>(
    feeds: impl IntoIterator<Item = &'a Feed>,
    ecosystem: Ecosystem,
    release: &'a str,
) -> Vec<(&'a Feed, &'a FeedFile)> {
    let authoritative = feeds.into_iter().filter(|feed| feed.is_on && feed.role == Role::Authoritative);
    authoritative.flat_map(|feed| feed.files_for(ecosystem, release).map(move |file| (feed, file))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ecosystem::EcosystemRelease;

    #[test]
    fn the_table_is_whole() {
        let feeds = built_in();
        let names: BTreeSet<&str> = feeds.iter().map(|feed| feed.name.as_str()).collect();
        assert_eq!(names.len(), feeds.len(), "each name is there once");
        for feed in &feeds {
            let name = &feed.name;
            assert!(configured::is_name(name), "{name}");
            assert!(!feed.files.is_empty() && !feed.licence.is_empty(), "{name}");
            assert_eq!(feed.form.has_rows(), !feed.covers.is_empty(), "{name}");
            assert!(feed.interval >= Duration::from_secs(3600) && feed.packed_bytes <= feed.bytes, "{name}");
            let parts: BTreeSet<&str> = feed.files.iter().map(|file| file.part.as_str()).collect();
            assert_eq!(parts.len(), feed.files.len(), "{name}: each part is there once");
            for file in &feed.files {
                assert!(configured::is_url(&file.url), "{}", file.url);
                assert!(file.url.starts_with("https://") && !file.url.contains(['{', '}', ' ']), "{}", file.url);
                if feed.steps.is_empty() {
                    assert_eq!(Packaging::of_name(&file.url), feed.packaging, "{}", file.url);
                }
            }
        }
    }

    /// Their licence forbids what is made of them: they are an operator's to configure.
    #[test]
    fn what_may_not_be_passed_on_is_not_in_the_table() {
        for feed in built_in() {
            assert!(!feed.covers.contains(&Ecosystem::Wolfi) && !feed.covers.contains(&Ecosystem::Chainguard));
            for file in feed.files {
                assert!(!file.url.contains("wolfi") && !file.url.contains("cgr.dev"), "{}", file.url);
            }
        }
    }

    #[test]
    fn what_an_image_needs() {
        let feeds = built_in();
        let of = |ecosystem, release: &str| -> Vec<String> {
            let name = |(feed, file): (&Feed, &FeedFile)| {
                if file.part.is_empty() { feed.name.clone() } else { format!("{} {}", feed.name, file.part) }
            };
            needed(&feeds, ecosystem, release).into_iter().map(name).collect()
        };
        assert_eq!(of(Ecosystem::Debian, "12"), ["debian"]);
        assert_eq!(of(Ecosystem::Alpine, "3.20"), ["alpine v3.20/main", "alpine v3.20/community"]);
        assert_eq!(of(Ecosystem::Alpine, "edge"), ["alpine edge/main", "alpine edge/community"]);
        assert!(of(Ecosystem::Alpine, "2.7").is_empty(), "nobody tells of it");
        assert_eq!(of(Ecosystem::AmazonLinux, "2"), ["amazon-2 x86_64", "amazon-2 aarch64"]);
        assert_eq!(of(Ecosystem::RedHat, "9"), ["redhat-csaf"]);
        assert_eq!(of(Ecosystem::Photon, "5.0"), ["photon 5.0"]);
        assert_eq!(of(Ecosystem::Npm, ""), ["osv-npm"]);
        assert!(of(Ecosystem::Wolfi, "").is_empty());
        assert!(of(Ecosystem::Fedora, "40").is_empty(), "no form of it is read");
        // What is covered at all: a feed more or less is to be meant.
        let untold: Vec<&str> = Ecosystem::all()
            .filter(|ecosystem| !feeds.iter().any(|feed| feed.is_on && feed.covers.contains(ecosystem)))
            .map(Ecosystem::name)
            .collect();
        assert_eq!(untold, ["Wolfi", "Chainguard", "MinimOS", "Fedora"]);
    }

    #[test]
    fn buckets_are_named_as_ecosystems_are() {
        for feed in built_in().iter().filter(|feed| feed.form == Form::Osv) {
            for file in &feed.files {
                let Some(rest) = file.url.strip_prefix("https://osv-vulnerabilities.storage.googleapis.com/") else {
                    continue;
                };
                let name = rest.split('/').next().unwrap_or_default().replace("%20", " ");
                assert_eq!(feed.covers, [Ecosystem::named(&name).expect("an ecosystem")], "{}", file.url);
            }
        }
        let release = |text: &str| EcosystemRelease::of_osv(text).map(|place| place.release);
        assert_eq!(release("Azure Linux:3").as_deref(), Some("3.0"));
        assert_eq!(release("Azure Linux:3.0").as_deref(), Some("3.0"));
    }
}
