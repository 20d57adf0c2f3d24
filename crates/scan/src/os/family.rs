//! The families of operating systems, and under which release their advisories know an image.

use serde::{Deserialize, Serialize};

use super::release::OsRelease;
use super::{Files, text};
use crate::signs;

/// A family of operating systems that has advisories of its own, or is known to have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Alpine: `v3.20`, or `edge`.
    Alpine,
    /// Debian, and images of its packages without a package manager: `12`, or the codename where there is no number yet.
    Debian,
    /// Ubuntu: `24.04`.
    Ubuntu,
    /// Red Hat Enterprise Linux and its base images: the major number.
    RedHat,
    /// CentOS up to 8: the major number.
    CentOs,
    /// CentOS Stream, which is not what Red Hat's advisories speak of: the major number.
    CentOsStream,
    /// Rocky Linux: the major number.
    Rocky,
    /// AlmaLinux: the major number.
    Alma,
    /// Oracle Linux: the major number.
    Oracle,
    /// Fedora: its number.
    Fedora,
    /// Amazon Linux: `1`, `2`, `2023`.
    Amazon,
    /// SUSE Linux Enterprise: `15.5` for service pack 5.
    Sles,
    /// SUSE's small systems for containers (`sl-micro`, `sle-micro`): as [`Family::Sles`].
    SlMicro,
    /// openSUSE Leap: `15.5`.
    Leap,
    /// openSUSE Tumbleweed, which has no releases.
    Tumbleweed,
    /// Photon: `5.0`.
    Photon,
    /// Azure Linux, called Mariner before: `3.0`.
    AzureLinux,
    /// Wolfi, which has no releases.
    Wolfi,
    /// Chainguard's, which has no releases.
    Chainguard,
    /// `MinimOS`, which has no releases.
    MinimOs,
    /// One that is not known.
    Unknown,
}

/// The first parts of a version, without the name that some put behind it (`2 (Karoo)`).
fn parts(version: &str, count: usize) -> String {
    let version = version.split(' ').next().unwrap_or_default();
    version.split('.').take(count).collect::<Vec<_>>().join(".")
}

impl Family {
    pub(super) fn of(named: &OsRelease) -> Self {
        match named.id.as_str() {
            "alpine" => Self::Alpine,
            "debian" => Self::Debian,
            "ubuntu" => Self::Ubuntu,
            "rhel" => Self::RedHat,
            "centos" if named.name.contains("Stream") => Self::CentOsStream,
            "centos" => Self::CentOs,
            "rocky" => Self::Rocky,
            "almalinux" => Self::Alma,
            "ol" => Self::Oracle,
            "fedora" => Self::Fedora,
            "amzn" => Self::Amazon,
            "sles" | "sled" | "sles_sap" => Self::Sles,
            "sl-micro" | "sle-micro" | "suse-microos" => Self::SlMicro,
            "opensuse-leap" => Self::Leap,
            "opensuse-tumbleweed" => Self::Tumbleweed,
            "photon" => Self::Photon,
            "mariner" | "azurelinux" => Self::AzureLinux,
            "wolfi" => Self::Wolfi,
            "chainguard" => Self::Chainguard,
            "minimos" => Self::MinimOs,
            _ => Self::Unknown,
        }
    }

    /// The version as exactly as the image's files tell it, and the release under which advisories know it.
    pub(super) fn release(self, named: &OsRelease, files: &dyn Files) -> (String, String) {
        let version = named.version_id.clone();
        let more_exact = |path| {
            let text = text(files, path)?;
            let line = text.lines().next()?.trim();
            (!line.is_empty() && line.starts_with(&version) && !signs::are_in(line)).then(|| line.to_owned())
        };
        match self {
            Self::Alpine => {
                let version = more_exact("etc/alpine-release").unwrap_or(version);
                let release = if is_edge(&version, files) { "edge".to_owned() } else { alpine_release(&version) };
                (version, release)
            }
            Self::Debian => {
                let version = more_exact("etc/debian_version").unwrap_or(version);
                let release = debian_release(&version, &named.codename);
                (version, release)
            }
            Self::RedHat
            | Self::CentOs
            | Self::CentOsStream
            | Self::Rocky
            | Self::Alma
            | Self::Oracle
            | Self::Fedora => {
                let release = parts(&version, 1);
                (version, release)
            }
            // What came before 2 is named by year and month.
            Self::Amazon => {
                let major = parts(&version, 1);
                let is_first = major.len() == 4 && version.contains('.') && major.as_str() < "2019";
                (version, if is_first { "1".to_owned() } else { major })
            }
            Self::Ubuntu | Self::Sles | Self::SlMicro | Self::Leap | Self::Photon | Self::AzureLinux => {
                let release = parts(&version, 2);
                (version, release)
            }
            Self::Tumbleweed | Self::Wolfi | Self::Chainguard | Self::MinimOs | Self::Unknown => {
                (version, String::new())
            }
        }
    }
}

fn alpine_release(version: &str) -> String {
    match version.split(['.', '_']).collect::<Vec<_>>().as_slice() {
        [major, minor, ..] => format!("v{major}.{minor}"),
        _ => String::new(),
    }
}

/// Whether an Alpine image has its packages from the branch that never ends.
fn is_edge(version: &str, files: &dyn Files) -> bool {
    let repositories = text(files, "etc/apk/repositories");
    let mut lines = repositories.iter().flat_map(|text| text.lines()).map(str::trim);
    version.contains("_alpha") || lines.any(|line| !line.starts_with('#') && line.contains("/edge/"))
}

/// The major number; `trixie/sid` and the like where the release has none yet.
fn debian_release(version: &str, codename: &str) -> String {
    let major = parts(version, 1);
    if !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()) {
        return major;
    }
    let first = major.split('/').next().unwrap_or_default();
    if codename.is_empty() { first.to_owned() } else { codename.to_owned() }
}

/// What images tell that are older than `os-release`: a line such as `CentOS release 6.10 (Final)`.
pub(super) fn older(files: &dyn Files) -> Option<OsRelease> {
    const OLDER: [(&str, &str); 10] = [
        ("etc/alpine-release", "alpine"),
        ("etc/rocky-release", "rocky"),
        ("etc/almalinux-release", "almalinux"),
        ("etc/oracle-release", "ol"),
        ("etc/fedora-release", "fedora"),
        ("etc/centos-release", "centos"),
        ("etc/photon-release", "photon"),
        ("etc/mariner-release", "mariner"),
        ("etc/redhat-release", "rhel"),
        ("etc/system-release", "amzn"),
    ];
    let told = OLDER.iter().find_map(|(path, id)| {
        let text = text(files, path)?;
        let line = text.lines().next()?.trim().to_owned();
        let version = line.split(' ').find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?.to_owned();
        // Kin of Red Hat's keep its file too, with their own name in it.
        let is_own = match *id {
            "rhel" => line.starts_with("Red Hat"),
            "amzn" => line.starts_with("Amazon"),
            _ => true,
        };
        let id = (*id).to_owned();
        is_own.then(|| OsRelease {
            id,
            name: line.clone(),
            version_id: version,
            pretty_name: line,
            ..OsRelease::default()
        })
    });
    told.or_else(|| lsb(files)).or_else(|| debian(files)).map(OsRelease::honest)
}

fn lsb(files: &dyn Files) -> Option<OsRelease> {
    let text = text(files, "etc/lsb-release")?;
    let value = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap_or_default();
    let id = value("DISTRIB_ID=").to_ascii_lowercase();
    let pretty_name = value("DISTRIB_DESCRIPTION=").trim_matches('"').to_owned();
    let named = OsRelease { id, version_id: value("DISTRIB_RELEASE=").to_owned(), pretty_name, ..OsRelease::default() };
    (named.id == "ubuntu").then_some(named)
}

fn debian(files: &dyn Files) -> Option<OsRelease> {
    let text = text(files, "etc/debian_version")?;
    let version_id = text.lines().next()?.trim().to_owned();
    let pretty_name = format!("Debian {version_id}");
    (!version_id.is_empty()).then(|| OsRelease {
        id: "debian".to_owned(),
        version_id,
        pretty_name,
        ..OsRelease::default()
    })
}
