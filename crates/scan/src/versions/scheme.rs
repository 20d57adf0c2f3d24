//! The schemes that there are, and who follows which.

use std::cmp::Ordering;

use super::semver::Flavour;
use super::{apk, dpkg, maven, packagist, pep440, rpm, rubygems, semver};

/// How versions are written and ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Alpine, Chainguard, MinimOS, Wolfi.
    Apk,
    /// Debian, Ubuntu and what is built from them.
    Dpkg,
    /// Red Hat and its kin, Amazon Linux, SUSE, Photon, Azure Linux (once Mariner).
    Rpm,
    /// Semantic versions: npm, crates.io, Hex, Swift.
    Semver,
    /// Modules of Go, and Go itself.
    Go,
    /// Packages of Python.
    Pep440,
    /// Artifacts of Maven.
    Maven,
    /// Gems of Ruby.
    RubyGems,
    /// Packages of PHP.
    Packagist,
    /// Packages of .NET.
    NuGet,
    /// Components of Bitnami's images.
    Bitnami,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Self; 11] = [
        Self::Apk,
        Self::Dpkg,
        Self::Rpm,
        Self::Semver,
        Self::Go,
        Self::Pep440,
        Self::Maven,
        Self::RubyGems,
        Self::Packagist,
        Self::NuGet,
        Self::Bitnami,
    ];

    /// The scheme of an ecosystem as OSV names it; what is behind a colon (`Debian:12`) does not count.
    pub fn of_ecosystem(name: &str) -> Option<Self> {
        let name = name.split_once(':').map_or(name, |(ecosystem, _)| ecosystem);
        Some(match name {
            "Alpine" | "Chainguard" | "MinimOS" | "Wolfi" => Self::Apk,
            "Debian" | "Ubuntu" => Self::Dpkg,
            "AlmaLinux" | "Amazon Linux" | "Azure Linux" | "Fedora" | "Mageia" | "Mariner" | "Oracle Linux"
            | "Photon OS" | "Red Hat" | "Rocky Linux" | "SUSE" | "openEuler" | "openSUSE" => Self::Rpm,
            "GitHub Actions" | "Hex" | "SwiftURL" | "crates.io" | "npm" => Self::Semver,
            "Go" => Self::Go,
            "PyPI" => Self::Pep440,
            "Maven" => Self::Maven,
            "RubyGems" => Self::RubyGems,
            "Packagist" => Self::Packagist,
            "NuGet" => Self::NuGet,
            "Bitnami" => Self::Bitnami,
            _ => return None,
        })
    }

    /// The order of two versions: a total one, for all texts. White space around them does not count.
    pub fn compare(self, a: &str, b: &str) -> Ordering {
        let (a, b) = (a.trim(), b.trim());
        match self {
            Self::Apk => apk::compare(a, b),
            Self::Dpkg => dpkg::compare(a, b),
            Self::Rpm => rpm::compare(a, b),
            Self::Semver => semver::compare(a, b, Flavour::Plain),
            Self::Go => semver::compare(a, b, Flavour::Go),
            Self::Pep440 => pep440::compare(a, b),
            Self::Maven => maven::compare(a, b),
            Self::RubyGems => rubygems::compare(a, b),
            Self::Packagist => packagist::compare(a, b),
            Self::NuGet => semver::compare(a, b, Flavour::NuGet),
            Self::Bitnami => semver::compare(a, b, Flavour::Bitnami),
        }
    }

    /// The order of a package's version and of a bound that an advisory names.
    ///
    /// It is [`Self::compare`], but for what a bound leaves open: a bound of rpm without release stands for all releases of the
    /// version, and one of PEP 440 without local part (`+cpu`) for all local parts. So it is no order of versions among
    /// themselves.
    pub fn compare_to_bound(self, version: &str, bound: &str) -> Ordering {
        let (version, bound) = (version.trim(), bound.trim());
        match self {
            Self::Rpm => rpm::compare_to_bound(version, bound),
            Self::Pep440 => pep440::compare_to_bound(version, bound),
            Self::Apk
            | Self::Dpkg
            | Self::Semver
            | Self::Go
            | Self::Maven
            | Self::RubyGems
            | Self::Packagist
            | Self::NuGet
            | Self::Bitnami => self.compare(version, bound),
        }
    }

    /// Whether the text is a version, and its place among others means something. It is no check of the scheme's grammar:
    /// what its own tools order and packages have is taken.
    pub fn is_version(self, text: &str) -> bool {
        let text = text.trim();
        match self {
            Self::Apk => apk::is_version(text),
            Self::Dpkg => dpkg::is_version(text),
            Self::Rpm => rpm::is_version(text),
            Self::Semver => semver::is_version(text, Flavour::Plain),
            Self::Go => semver::is_version(text, Flavour::Go),
            Self::Pep440 => pep440::is_version(text),
            Self::Maven => maven::is_version(text),
            Self::RubyGems => rubygems::is_version(text),
            Self::Packagist => packagist::is_version(text),
            Self::NuGet => semver::is_version(text, Flavour::NuGet),
            Self::Bitnami => semver::is_version(text, Flavour::Bitnami),
        }
    }
}
