//! What is matched: an operating system, and the packages of an image.

use crate::{
    ecosystem::Ecosystem,
    package::{Package, PackageKind},
};

/// What is matched.
#[derive(Debug, Clone, Default)]
pub struct MatchInput {
    /// The operating system; `None` where there is none, or one without advisories: its packages match nothing then.
    pub system: Option<System>,
    /// The packages.
    pub packages: Vec<InputPackage>,
}

/// A package of an image.
#[derive(Debug, Clone)]
pub struct InputPackage {
    /// The package.
    pub package: Package,
    /// The files that tell of it, without a slash in front.
    pub paths: Vec<String>,
    /// The package of the operating system that owns these files, by its name.
    pub owner: Option<String>,
}

impl From<Package> for InputPackage {
    fn from(package: Package) -> Self {
        Self { package, paths: Vec::new(), owner: None }
    }
}

/// An operating system and its release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// The distribution.
    pub family: Family,
    /// The release, as os-release has it (`VERSION_ID`).
    pub version: String,
    /// Whether an Alpine is of edge, as its repositories say.
    pub is_edge: bool,
    /// Whether Ubuntu's extended support is attached.
    pub has_extended_support: bool,
}

/// A distribution of an operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    Alpine,
    Wolfi,
    Chainguard,
    MinimOs,
    Debian,
    Ubuntu,
    RedHat,
    /// CentOS up to 8, which is built from Red Hat's sources; its Stream is not.
    CentOs,
    AlmaLinux,
    RockyLinux,
    OracleLinux,
    AmazonLinux,
    Fedora,
    Suse,
    SuseMicro,
    OpenSuseLeap,
    OpenSuseTumbleweed,
    Photon,
    AzureLinux,
}

/// The distributions by the `ID` of os-release.
const IDS: [(&str, Family); 22] = [
    ("alpine", Family::Alpine),
    ("wolfi", Family::Wolfi),
    ("chainguard", Family::Chainguard),
    ("minimos", Family::MinimOs),
    ("debian", Family::Debian),
    ("ubuntu", Family::Ubuntu),
    ("rhel", Family::RedHat),
    ("centos", Family::CentOs),
    ("almalinux", Family::AlmaLinux),
    ("rocky", Family::RockyLinux),
    ("ol", Family::OracleLinux),
    ("amzn", Family::AmazonLinux),
    ("fedora", Family::Fedora),
    ("sles", Family::Suse),
    ("sled", Family::Suse),
    ("sl-micro", Family::SuseMicro),
    ("sle-micro", Family::SuseMicro),
    ("opensuse-leap", Family::OpenSuseLeap),
    ("opensuse-tumbleweed", Family::OpenSuseTumbleweed),
    ("photon", Family::Photon),
    ("mariner", Family::AzureLinux),
    ("azurelinux", Family::AzureLinux),
];

impl System {
    /// The system of an os-release's `ID`, `VERSION_ID` and `NAME`; `None` for those without advisories.
    pub fn of(id: &str, version: &str, name: &str) -> Option<Self> {
        let family = IDS.into_iter().find(|(known, _)| *known == id)?.1;
        // CentOS Stream runs ahead of the releases that the advisories are for.
        if family == Family::CentOs && (name.contains("Stream") || major(version).parse::<u32>().unwrap_or(0) > 8) {
            return None;
        }
        Some(Self { family, version: version.to_owned(), is_edge: false, has_extended_support: false })
    }

    /// The ecosystem whose advisories are for it, and the release that they know it by.
    pub fn place(&self) -> (Ecosystem, String) {
        let version = self.version.as_str();
        let none = String::new;
        match self.family {
            Family::Alpine if self.is_edge => (Ecosystem::Alpine, "edge".to_owned()),
            Family::Alpine => (Ecosystem::Alpine, minor(version)),
            Family::Wolfi => (Ecosystem::Wolfi, none()),
            Family::Chainguard => (Ecosystem::Chainguard, none()),
            Family::MinimOs => (Ecosystem::MinimOs, none()),
            Family::Debian => (Ecosystem::Debian, major(version)),
            Family::Ubuntu => (Ecosystem::Ubuntu, minor(version)),
            Family::RedHat | Family::CentOs => (Ecosystem::RedHat, major(version)),
            Family::AlmaLinux => (Ecosystem::AlmaLinux, major(version)),
            Family::RockyLinux => (Ecosystem::RockyLinux, major(version)),
            Family::OracleLinux => (Ecosystem::OracleLinux, major(version)),
            Family::AmazonLinux => (Ecosystem::AmazonLinux, amazon(version)),
            Family::Fedora => (Ecosystem::Fedora, major(version)),
            Family::Suse => (Ecosystem::Suse, minor(version)),
            Family::SuseMicro => (Ecosystem::Suse, format!("micro {}", minor(version))),
            Family::OpenSuseLeap => (Ecosystem::OpenSuse, minor(version)),
            Family::OpenSuseTumbleweed => (Ecosystem::OpenSuse, "tumbleweed".to_owned()),
            Family::Photon => (Ecosystem::Photon, minor(version)),
            Family::AzureLinux => (Ecosystem::AzureLinux, minor(version)),
        }
    }

    /// Whether the distribution itself built an rpm of this vendor. Others' packages are listed, and judged by no advisory.
    pub fn is_vendor(&self, vendor: &str) -> bool {
        let own: &[&str] = match self.family {
            Family::RedHat => &["red hat"],
            Family::CentOs => &["centos", "red hat"],
            Family::AlmaLinux => &["almalinux", "cloudlinux"],
            Family::RockyLinux => &["rocky"],
            Family::OracleLinux => &["oracle america"],
            Family::AmazonLinux => &["amazon"],
            Family::Fedora => &["fedora project"],
            Family::Suse | Family::SuseMicro | Family::OpenSuseLeap | Family::OpenSuseTumbleweed => {
                &["suse", "opensuse"]
            }
            Family::Photon => &["vmware", "broadcom"],
            Family::AzureLinux => &["microsoft corporation"],
            Family::Alpine | Family::Wolfi | Family::Chainguard | Family::MinimOs | Family::Debian | Family::Ubuntu => {
                return true;
            }
        };
        let vendor = vendor.to_lowercase();
        own.iter().any(|name| vendor.starts_with(name))
    }
}

fn major(version: &str) -> String {
    version.split(['.', ' ']).next().unwrap_or_default().to_owned()
}

fn minor(version: &str) -> String {
    let version = version.trim_start_matches('v').split(' ').next().unwrap_or_default();
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// Amazon Linux 1 is known by the month that it came out in.
fn amazon(version: &str) -> String {
    match major(version).as_str() {
        "2018" | "2017" | "2016" | "2015" | "2014" => "1".to_owned(),
        other => other.to_owned(),
    }
}

impl PackageKind {
    /// Whether it is one of the operating system's own package managers.
    pub fn is_of_system(self) -> bool {
        matches!(self, Self::Apk | Self::Dpkg | Self::Rpm)
    }

    /// The ecosystem of a language's packages.
    pub fn ecosystem(self) -> Option<Ecosystem> {
        Some(match self {
            Self::Apk | Self::Dpkg | Self::Rpm => return None,
            Self::Npm => Ecosystem::Npm,
            Self::Python => Ecosystem::PyPi,
            Self::Maven => Ecosystem::Maven,
            Self::Go => Ecosystem::Go,
            Self::Gem => Ecosystem::RubyGems,
            Self::Composer => Ecosystem::Packagist,
            Self::NuGet => Ecosystem::NuGet,
            Self::Cargo => Ecosystem::CratesIo,
        })
    }
}
