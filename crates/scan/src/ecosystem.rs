//! Whose packages there are: the names that advisories know ecosystems by, and the releases of those that have some.

use crate::versions::Scheme;

/// A world of packages that has advisories of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ecosystem {
    Alpine,
    Wolfi,
    Chainguard,
    MinimOs,
    Debian,
    Ubuntu,
    RedHat,
    AlmaLinux,
    RockyLinux,
    OracleLinux,
    AmazonLinux,
    Fedora,
    Suse,
    OpenSuse,
    Photon,
    AzureLinux,
    Npm,
    PyPi,
    Maven,
    Go,
    RubyGems,
    Packagist,
    NuGet,
    CratesIo,
    Hex,
    Bitnami,
}

/// What sort of ecosystem one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// A distribution with releases, each with fixes of its own.
    Released,
    /// A distribution that rolls on without releases.
    Rolling,
    /// Packages of a language.
    Language,
}

const ALL: [(Ecosystem, &str, Sort); 26] = [
    (Ecosystem::Alpine, "Alpine", Sort::Released),
    (Ecosystem::Wolfi, "Wolfi", Sort::Rolling),
    (Ecosystem::Chainguard, "Chainguard", Sort::Rolling),
    (Ecosystem::MinimOs, "MinimOS", Sort::Rolling),
    (Ecosystem::Debian, "Debian", Sort::Released),
    (Ecosystem::Ubuntu, "Ubuntu", Sort::Released),
    (Ecosystem::RedHat, "Red Hat", Sort::Released),
    (Ecosystem::AlmaLinux, "AlmaLinux", Sort::Released),
    (Ecosystem::RockyLinux, "Rocky Linux", Sort::Released),
    (Ecosystem::OracleLinux, "Oracle Linux", Sort::Released),
    (Ecosystem::AmazonLinux, "Amazon Linux", Sort::Released),
    (Ecosystem::Fedora, "Fedora", Sort::Released),
    (Ecosystem::Suse, "SUSE", Sort::Released),
    (Ecosystem::OpenSuse, "openSUSE", Sort::Released),
    (Ecosystem::Photon, "Photon OS", Sort::Released),
    (Ecosystem::AzureLinux, "Azure Linux", Sort::Released),
    (Ecosystem::Npm, "npm", Sort::Language),
    (Ecosystem::PyPi, "PyPI", Sort::Language),
    (Ecosystem::Maven, "Maven", Sort::Language),
    (Ecosystem::Go, "Go", Sort::Language),
    (Ecosystem::RubyGems, "RubyGems", Sort::Language),
    (Ecosystem::Packagist, "Packagist", Sort::Language),
    (Ecosystem::NuGet, "NuGet", Sort::Language),
    (Ecosystem::CratesIo, "crates.io", Sort::Language),
    (Ecosystem::Hex, "Hex", Sort::Language),
    (Ecosystem::Bitnami, "Bitnami", Sort::Language),
];

/// An ecosystem, its release and the part of it that a row of an advisory is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcosystemRelease {
    /// The ecosystem.
    pub ecosystem: Ecosystem,
    /// Its release; empty for those without releases.
    pub release: String,
    /// The repository, product or support of the release that the row names beside it, such as `appstream`.
    pub repository: Option<String>,
}

impl Ecosystem {
    /// All ecosystems.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter().map(|(ecosystem, ..)| ecosystem)
    }

    /// Its name, as OSV has it.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// The ecosystem of a name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|(_, known, _)| *known == name).map(|(ecosystem, ..)| ecosystem)
    }

    /// Whether it is a distribution of an operating system.
    pub fn is_distribution(self) -> bool {
        self.entry().2 != Sort::Language
    }

    /// Whether what it says holds for a release, and for none without naming it.
    pub fn has_releases(self) -> bool {
        self.entry().2 == Sort::Released
    }

    /// How its versions are ordered.
    pub fn scheme(self) -> Scheme {
        Scheme::of_ecosystem(self.name()).unwrap_or(Scheme::Semver)
    }

    /// A package's name as advisories and packages of this ecosystem are compared by.
    pub fn package_name(self, name: &str) -> String {
        match self {
            Self::PyPi => python_name(name),
            Self::Packagist | Self::NuGet => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }

    fn entry(self) -> (Self, &'static str, Sort) {
        ALL.into_iter().find(|(ecosystem, ..)| *ecosystem == self).unwrap_or((self, "", Sort::Language))
    }
}

impl EcosystemRelease {
    /// Reads an ecosystem as OSV writes it: `Debian:12`, `Ubuntu:Pro:22.04:LTS`, `Red Hat:enterprise_linux:8::appstream`.
    ///
    /// `None` for what is unknown, and for a distribution with releases that names none: it would be for all of them.
    pub fn of_osv(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let ecosystem = Ecosystem::named(name).or_else(|| (name == "Mariner").then_some(Ecosystem::AzureLinux))?;
        if !ecosystem.has_releases() {
            return Some(Self { ecosystem, release: String::new(), repository: None });
        }
        let (release, repository) = match ecosystem {
            Ecosystem::Alpine => (rest.trim_start_matches('v').to_owned(), None),
            Ecosystem::Ubuntu => ubuntu(rest),
            // Images know themselves by both numbers.
            Ecosystem::AzureLinux if !rest.is_empty() && !rest.contains('.') => (format!("{rest}.0"), None),
            Ecosystem::RedHat => red_hat(rest),
            Ecosystem::Suse | Ecosystem::OpenSuse => suse(rest),
            _ => (rest.split(':').next().unwrap_or_default().to_owned(), None),
        };
        (!release.is_empty()).then_some(Self { ecosystem, release, repository })
    }
}

/// The repository of rows that hold only where Ubuntu's extended support is attached.
pub const UBUNTU_PRO: &str = "pro";

fn ubuntu(rest: &str) -> (String, Option<String>) {
    let release = rest.split(':').find(|part| part.starts_with(|first: char| first.is_ascii_digit()));
    let is_extended = rest.split(':').next().is_some_and(|first| first == "Pro");
    (release.unwrap_or_default().to_owned(), is_extended.then(|| UBUNTU_PRO.to_owned()))
}

/// `enterprise_linux:8::appstream` is the release itself; `rhel_eus:8.4::baseos` is a minor release with support of its own.
fn red_hat(rest: &str) -> (String, Option<String>) {
    let mut parts = rest.split(':');
    let product = parts.next().unwrap_or_default();
    let release = parts.next().unwrap_or_default();
    let major = release.split('.').next().unwrap_or_default().to_owned();
    match product {
        "enterprise_linux" => (major, parts.next_back().filter(|part| !part.is_empty()).map(str::to_owned)),
        _ if product.starts_with("rhel_") && product != "rhel_software_collections" => (major, Some(rest.to_owned())),
        _ => (String::new(), None),
    }
}

/// `Linux Enterprise Module for Basesystem 15 SP3` and `Leap 15.3` are releases `15.3`; products without a service pack that
/// are no distribution have their name before the number, as in `Linux Micro 6.0`.
fn suse(rest: &str) -> (String, Option<String>) {
    if rest == "Tumbleweed" {
        return ("tumbleweed".to_owned(), None);
    }
    let words: Vec<&str> = rest.split(' ').collect();
    let is_number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    let Some(at) = words.iter().position(is_number) else { return (String::new(), None) };
    let number = words.get(at).copied().unwrap_or_default();
    let number = number.split('-').next().unwrap_or_default();
    let pack = words.get(at + 1).and_then(|word| word.strip_prefix("SP"));
    let pack = pack.map(|pack| pack.split('-').next().unwrap_or_default());
    let release = match pack {
        Some(pack) if !pack.is_empty() => format!("{number}.{pack}"),
        _ if words.contains(&"Micro") => format!("micro {number}"),
        _ => number.to_owned(),
    };
    (release, Some(rest.to_owned()))
}

/// A name as PEP 503 normalises it.
fn python_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    let mut is_after_sign = false;
    for letter in name.chars() {
        if matches!(letter, '-' | '_' | '.') {
            is_after_sign = true;
            continue;
        }
        if is_after_sign {
            normal.push('-');
            is_after_sign = false;
        }
        normal.extend(letter.to_lowercase());
    }
    if is_after_sign {
        normal.push('-');
    }
    normal
}
