//! How the file of a feed is packed.

use std::{fmt, str::FromStr};

/// What a file is compressed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

/// What lies in the file of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packaging {
    /// One document, or records one a line.
    File(Compression),
    /// A tar archive of documents.
    Tar(Compression),
    /// A zip of documents.
    Zip,
    /// A zip in which there is one zip of documents.
    ZipInZip,
}

/// A word is none for a packaging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a packaging: none, gzip, bzip2, xz, zstd, zip, zip.zip, tar, tar.gz, tar.bz2, tar.xz or tar.zst")]
pub struct UnknownPackaging;

/// Each packaging, its word in a configuration, and how names of such files end.
const ALL: [(Packaging, &str, &[&str]); 12] = [
    (Packaging::ZipInZip, "zip.zip", &[".zip.zip"]),
    (Packaging::Zip, "zip", &[".zip"]),
    (Packaging::Tar(Compression::None), "tar", &[".tar"]),
    (Packaging::Tar(Compression::Gzip), "tar.gz", &[".tar.gz", ".tgz"]),
    (Packaging::Tar(Compression::Bzip2), "tar.bz2", &[".tar.bz2"]),
    (Packaging::Tar(Compression::Xz), "tar.xz", &[".tar.xz"]),
    (Packaging::Tar(Compression::Zstd), "tar.zst", &[".tar.zst"]),
    (Packaging::File(Compression::Gzip), "gzip", &[".gz"]),
    (Packaging::File(Compression::Bzip2), "bzip2", &[".bz2"]),
    (Packaging::File(Compression::Xz), "xz", &[".xz"]),
    (Packaging::File(Compression::Zstd), "zstd", &[".zst"]),
    (Packaging::File(Compression::None), "none", &[]),
];

impl Packaging {
    /// All packagings.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter().map(|(packaging, ..)| packaging)
    }

    /// What the name of a file, or a URL, says of how it is packed.
    pub fn of_name(name: &str) -> Self {
        let name = name.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
        let is_of = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        ALL.into_iter()
            .find(|(.., ends)| is_of(ends))
            .map_or(Self::File(Compression::None), |(packaging, ..)| packaging)
    }
}

impl FromStr for Packaging {
    type Err = UnknownPackaging;

    fn from_str(word: &str) -> Result<Self, UnknownPackaging> {
        let found = ALL.into_iter().find(|(_, known, _)| *known == word);
        found.map(|(packaging, ..)| packaging).ok_or(UnknownPackaging)
    }
}

impl fmt::Display for Packaging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = ALL.into_iter().find(|(packaging, ..)| packaging == self).map_or("", |(_, word, _)| word);
        f.write_str(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_names() {
        for packaging in Packaging::all() {
            assert_eq!(packaging.to_string().parse(), Ok(packaging));
        }
        assert_eq!("rar".parse::<Packaging>(), Err(UnknownPackaging));
        for (name, word) in [
            ("https://example.com/all.zip", "zip"),
            ("2026-01-01_all.zip.zip", "zip.zip"),
            ("https://example.com/osv-all.tar.xz?a=b", "tar.xz"),
            ("a.TGZ", "tar.gz"),
            ("scores.csv.gz", "gzip"),
            ("main.json", "none"),
        ] {
            assert_eq!(Packaging::of_name(name).to_string(), word, "{name}");
        }
    }
}
