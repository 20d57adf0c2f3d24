//! Which advisories are for an operating system, and which packages its distribution built.

use crate::{
    ecosystem::Ecosystem,
    os::{Family, Os},
};

/// The ecosystem whose advisories are for a system, and the release that they know it by; `None` for those without advisories.
pub fn place(os: &Os) -> Option<(Ecosystem, String)> {
    let release = os.release.as_str();
    let own = |ecosystem| Some((ecosystem, release.to_owned()));
    match os.family {
        Family::Alpine => Some((Ecosystem::Alpine, release.trim_start_matches('v').to_owned())),
        Family::Wolfi => own(Ecosystem::Wolfi),
        Family::Chainguard => own(Ecosystem::Chainguard),
        Family::MinimOs => own(Ecosystem::MinimOs),
        Family::Debian => own(Ecosystem::Debian),
        Family::Ubuntu => own(Ecosystem::Ubuntu),
        // It is built from Red Hat's sources; its Stream runs ahead of the releases that the advisories are for.
        Family::CentOs if release.parse().is_ok_and(|major: u32| major > 8) => None,
        Family::RedHat | Family::CentOs => own(Ecosystem::RedHat),
        Family::Alma => own(Ecosystem::AlmaLinux),
        Family::Rocky => own(Ecosystem::RockyLinux),
        Family::Oracle => own(Ecosystem::OracleLinux),
        Family::Amazon => own(Ecosystem::AmazonLinux),
        Family::Fedora => own(Ecosystem::Fedora),
        Family::Sles => own(Ecosystem::Suse),
        Family::SlMicro => Some((Ecosystem::Suse, format!("micro {release}"))),
        Family::Leap => own(Ecosystem::OpenSuse),
        Family::Tumbleweed => Some((Ecosystem::OpenSuse, "tumbleweed".to_owned())),
        Family::Photon => own(Ecosystem::Photon),
        Family::AzureLinux => own(Ecosystem::AzureLinux),
        Family::CentOsStream | Family::Unknown => None,
    }
}

/// Whether the distribution itself built an rpm of this vendor. Others' packages are listed, and judged by no advisory.
pub fn is_vendor(family: Family, vendor: &str) -> bool {
    let own: &[&str] = match family {
        Family::RedHat => &["red hat"],
        Family::CentOs | Family::CentOsStream => &["centos", "red hat"],
        Family::Alma => &["almalinux", "cloudlinux"],
        Family::Rocky => &["rocky"],
        Family::Oracle => &["oracle america"],
        Family::Amazon => &["amazon"],
        Family::Fedora => &["fedora project"],
        Family::Sles | Family::SlMicro | Family::Leap | Family::Tumbleweed => &["suse", "opensuse"],
        Family::Photon => &["vmware", "broadcom"],
        Family::AzureLinux => &["microsoft corporation"],
        Family::Alpine
        | Family::Wolfi
        | Family::Chainguard
        | Family::MinimOs
        | Family::Debian
        | Family::Ubuntu
        | Family::Unknown => return true,
    };
    let vendor = vendor.to_lowercase();
    own.iter().any(|name| vendor.starts_with(name))
}
