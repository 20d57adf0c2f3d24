//! The database of dpkg.

use mutate::Form;
use proptest::prelude::*;
use scan::{
    detectors::Dpkg,
    package::{Package, PackageKind::Dpkg as Kind},
};

use super::{hold, package, read, wants};

const PATH: &str = "var/lib/dpkg/status";

/// As dpkg writes it, cut to a few fields.
const REAL: &str = "\
Package: libc6
Status: install ok installed
Priority: optional
Section: libs
Installed-Size: 12984
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u10
Conffiles:
 /etc/ld.so.conf.d/x86_64-linux-gnu.conf d4e7a7b88a71b5ffd9e2644e71a0cfab
Description: GNU C Library: Shared libraries
 Contains the standard libraries that are used by nearly all programs on
 the system.
 .
 Package: this is text
Homepage: https://www.gnu.org/software/libc/libc.html

Package: postgresql-client
Status: install ok installed
Architecture: all
Source: postgresql-common (200+deb10u5)
Version: 11+200+deb10u5

Package: perl-base
Essential: yes
Status: hold ok installed
Architecture: amd64
Source: perl (5.36.0-7)
Version: 5.36.0-7

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: vim
Status: install ok installed
Architecture: amd64
Version: 2:9.0.1378-2

";

#[test]
fn a_database() {
    let found = read(&Dpkg, PATH, REAL.as_bytes());
    let expected = [
        package(Kind, "libc6", "2.36-9+deb12u10", "amd64", ("glibc", "2.36-9+deb12u10")),
        package(Kind, "postgresql-client", "11+200+deb10u5", "all", ("postgresql-common", "200+deb10u5")),
        package(Kind, "perl-base", "5.36.0-7", "amd64", ("perl", "5.36.0-7")),
        package(Kind, "vim", "2:9.0.1378-2", "amd64", ("", "")),
    ];
    assert_eq!(found.packages, expected);
    assert!(found.problems.is_empty() && found.owned.is_empty(), "{:?}", found.problems);
    assert_eq!(read(&Dpkg, PATH, REAL.replace('\n', "\r\n").as_bytes()), found);
}

#[test]
fn a_control_file_is_a_package_that_is_there() {
    let text = "Package: tzdata\nVersion: 2024a-0+deb12u1\nArchitecture: all\nDescription: zones";
    let found = read(&Dpkg, "var/lib/dpkg/status.d/tzdata", text.as_bytes());
    assert_eq!(found.packages, [package(Kind, "tzdata", "2024a-0+deb12u1", "all", ("", ""))]);
    assert!(found.problems.is_empty());
}

#[test]
fn states() {
    for (status, is_there) in [
        ("install ok installed", true),
        ("deinstall ok installed", true),
        ("purge ok installed", true),
        ("install reinstreq installed", true),
        ("install ok triggers-pending", true),
        ("install ok triggers-awaited", true),
        ("install ok half-configured", true),
        ("install ok unpacked", true),
        ("install reinstreq half-installed", true),
        ("deinstall ok config-files", false),
        ("install ok config-files", false),
        ("purge ok not-installed", false),
        ("unknown ok not-installed", false),
    ] {
        let found = read(&Dpkg, PATH, format!("Package: a\nStatus: {status}\nVersion: 1\n").as_bytes());
        assert_eq!(found.packages.len(), usize::from(is_there), "{status}");
        assert!(found.problems.is_empty(), "{status}");
    }
}

#[test]
fn sources_and_versions() {
    for (fields, expected) in [
        ("Version: 1.2-3+b1\nSource: s (1.2-3)", package(Kind, "a", "1.2-3+b1", "", ("s", "1.2-3"))),
        ("Version: 1.2-3+b1\nSource: a (1.2-3)", package(Kind, "a", "1.2-3+b1", "", ("a", "1.2-3"))),
        ("Version: 1.2-3\nSource: a", package(Kind, "a", "1.2-3", "", ("", ""))),
        ("Version: 1.2-3\nSource: a (1.2-3)", package(Kind, "a", "1.2-3", "", ("", ""))),
        ("Version: 1:1.2-3\nSource: s", package(Kind, "a", "1:1.2-3", "", ("s", "1:1.2-3"))),
        ("Version: 0:1.2-3\nSource: s (00:1.2)", package(Kind, "a", "1.2-3", "", ("s", "1.2"))),
        ("Version: 1.2-3\nSource:", package(Kind, "a", "1.2-3", "", ("", ""))),
        ("Version: 1.2-3\nSource: s(1)", package(Kind, "a", "1.2-3", "", ("s", "1"))),
        ("Version: 1.2-3\nSource: s (", package(Kind, "a", "1.2-3", "", ("s", "1.2-3"))),
        ("version:1.2-3\nSOURCE:s", package(Kind, "a", "1.2-3", "", ("s", "1.2-3"))),
        ("Version:\t1.2-3  \nArchitecture: arm64", package(Kind, "a", "1.2-3", "arm64", ("", ""))),
    ] {
        let found = read(&Dpkg, PATH, format!("Package: a\nStatus: install ok installed\n{fields}\n").as_bytes());
        assert_eq!(found.packages, [expected], "{fields}");
        assert!(found.problems.is_empty(), "{fields}: {:?}", found.problems);
    }
}

#[test]
fn what_is_broken_is_said() {
    for (text, packages, problem) in [
        ("Package: a\nVersion: 1\n<html>\nStatus: install ok installed\n", 1, "line 3 has no colon"),
        ("\n\n\nVersion: 1\nStatus: install ok installed\n", 0, "the paragraph of line 4 names no package"),
        ("Package: a\nStatus: install ok installed\n", 1, "a has no version"),
        (
            "Package: a\nStatus: install ok broken\nVersion: 1\n",
            1,
            "the package of line 1 has the unknown status broken",
        ),
    ] {
        let found = read(&Dpkg, PATH, text.as_bytes());
        assert_eq!((found.packages.len(), found.problems), (packages, vec![problem.to_owned()]), "{text}");
    }
    // A package without a version is listed, and no advisory speaks of it.
    assert_eq!(read(&Dpkg, PATH, b"Package: a\n").packages, [Package::installed(Kind, "a", "")]);
    // An empty database tells of no package, as that of a system which is about to be made.
    assert_eq!(read(&Dpkg, PATH, b""), scan::facts::Found::default());
}

#[test]
fn wanted_files() {
    for path in ["var/lib/dpkg/status", "var/lib/dpkg/status.d/base", "var/lib/dpkg/status.d/libc6"] {
        assert!(wants(&Dpkg, path, 0), "{path}");
    }
    for path in [
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/available",
        "var/lib/dpkg/status.d/base.md5sums",
        "var/lib/dpkg/status.d/x/base",
        "x/var/lib/dpkg/status",
    ] {
        assert!(!wants(&Dpkg, path, 10), "{path}");
    }
}

#[test]
fn changed_databases() {
    mutate::inputs(Form::Text, &[REAL], 4_000, |content| hold(&Dpkg, PATH, content));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        written in proptest::collection::vec(
            ("[a-z0-9][a-z0-9+.-]{1,12}", "([1-9]:)?[0-9][0-9A-Za-z.+~-]{0,9}", "[a-z0-9-]{1,8}",
             "[a-z]{2,5}", proptest::option::of("[0-9][0-9a-z.]{0,5}"), any::<bool>(), "[ -~]{0,30}"),
            0..20,
        ),
    ) {
        let mut lines = Vec::new();
        let mut packages = Vec::new();
        for (name, version, arch, source, source_version, is_there, description) in &written {
            let state = if *is_there { "install ok installed" } else { "deinstall ok config-files" };
            lines.push(format!("Package: {name}\nStatus: {state}\nArchitecture: {arch}\nSource: {source}"));
            lines.extend(source_version.as_ref().map(|version| format!(" ({version})")));
            lines.push(format!("\nVersion: {version}\nDescription: x\n {description}\n .\n\t{description}\n\n"));
            let source_version = source_version.as_ref().unwrap_or(version);
            let is_same = source == name && source_version == version;
            if *is_there {
                packages.push(package(Kind, name, version, arch, (if is_same { "" } else { source }, source_version)));
            }
        }
        let found = read(&Dpkg, PATH, lines.concat().as_bytes());
        prop_assert_eq!(found.packages, packages);
        prop_assert!(found.problems.is_empty());
    }
}
