//! Which operating system images are of.

use scan::inventory::Inventory;
use scan::os::{Family, Os};

use super::support::{Entry, file, image, link};

fn os(entries: &[Entry]) -> Option<Os> {
    image(&[entries]).os
}

fn release(lines: &str) -> Entry {
    file("etc/os-release", lines)
}

/// What `os-release` says, other files, and the family, version and release that follow.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Family, &'a str, &'a str);

#[test]
fn each_family_has_its_release() {
    let cases: [Case<'_>; 31] = [
        ("ID=alpine\nVERSION_ID=3.20.3", &[("etc/alpine-release", "3.20.3\n")], Family::Alpine, "3.20.3", "v3.20"),
        ("ID=alpine\nVERSION_ID=3.21.0_alpha20240807", &[], Family::Alpine, "3.21.0_alpha20240807", "edge"),
        (
            "ID=alpine\nVERSION_ID=3.20.0",
            &[("etc/apk/repositories", "#https://x/edge/main\nhttps://x/alpine/v3.20/main\n")],
            Family::Alpine,
            "3.20.0",
            "v3.20",
        ),
        (
            "ID=alpine\nVERSION_ID=3.20.0",
            &[("etc/apk/repositories", "https://x/alpine/edge/main\n")],
            Family::Alpine,
            "3.20.0",
            "edge",
        ),
        ("ID=debian\nVERSION_ID=\"12\"", &[("etc/debian_version", "12.7\n")], Family::Debian, "12.7", "12"),
        ("ID=debian\nVERSION_ID=\"12\"", &[("etc/debian_version", "13.1\n")], Family::Debian, "12", "12"),
        (
            "ID=debian\nVERSION_CODENAME=trixie",
            &[("etc/debian_version", "trixie/sid\n")],
            Family::Debian,
            "trixie/sid",
            "trixie",
        ),
        ("ID=debian", &[("etc/debian_version", "forky/sid\n")], Family::Debian, "forky/sid", "forky"),
        (
            "ID=ubuntu\nVERSION_ID=\"24.04\"",
            &[("etc/debian_version", "trixie/sid\n")],
            Family::Ubuntu,
            "24.04",
            "24.04",
        ),
        ("ID=\"rhel\"\nVERSION_ID=\"9.4\"", &[], Family::RedHat, "9.4", "9"),
        ("ID=centos\nNAME=\"CentOS Linux\"\nVERSION_ID=\"7\"", &[], Family::CentOs, "7", "7"),
        ("ID=centos\nNAME=\"CentOS Stream\"\nVERSION_ID=\"9\"", &[], Family::CentOsStream, "9", "9"),
        ("ID=rocky\nVERSION_ID=9.3", &[], Family::Rocky, "9.3", "9"),
        ("ID=almalinux\nVERSION_ID=8.10", &[], Family::Alma, "8.10", "8"),
        ("ID=ol\nVERSION_ID=8.9", &[], Family::Oracle, "8.9", "8"),
        ("ID=fedora\nVERSION_ID=40", &[], Family::Fedora, "40", "40"),
        ("ID=amzn\nVERSION_ID=2", &[], Family::Amazon, "2", "2"),
        ("ID=amzn\nVERSION_ID=2018.03", &[], Family::Amazon, "2018.03", "1"),
        ("ID=amzn\nVERSION_ID=2023", &[], Family::Amazon, "2023", "2023"),
        ("ID=sles\nVERSION_ID=15.5", &[], Family::Sles, "15.5", "15.5"),
        ("ID=sl-micro\nVERSION_ID=6.0", &[], Family::SlMicro, "6.0", "6.0"),
        ("ID=opensuse-leap\nVERSION_ID=15.6", &[], Family::Leap, "15.6", "15.6"),
        ("ID=opensuse-tumbleweed\nVERSION_ID=20240801", &[], Family::Tumbleweed, "20240801", ""),
        ("ID=photon\nVERSION_ID=5.0", &[], Family::Photon, "5.0", "5.0"),
        ("ID=mariner\nVERSION_ID=\"2.0.20230811\"", &[], Family::AzureLinux, "2.0.20230811", "2.0"),
        ("ID=azurelinux\nVERSION_ID=3.0", &[], Family::AzureLinux, "3.0", "3.0"),
        ("ID=wolfi\nVERSION_ID=20230201", &[], Family::Wolfi, "20230201", ""),
        ("ID=chainguard\nVERSION_ID=20230214", &[], Family::Chainguard, "20230214", ""),
        ("ID=minimos\nVERSION_ID=20240101", &[], Family::MinimOs, "20240101", ""),
        // What it is like does not count.
        ("ID=kali\nID_LIKE=debian\nVERSION_ID=2024.2", &[], Family::Unknown, "2024.2", ""),
        ("ID=amzn\nVERSION_ID=2022", &[], Family::Amazon, "2022", "2022"),
    ];
    for (text, others, family, version, advisories) in cases {
        let entries: Vec<Entry> = others.iter().map(|(path, text)| file(path, text)).chain([release(text)]).collect();
        let os = os(&entries).expect(text);
        assert_eq!((os.family, &*os.version, &*os.release), (family, version, advisories), "{text}");
    }
}

#[test]
fn images_that_are_older_than_os_release() {
    for (path, text, id, family, advisories) in [
        ("etc/centos-release", "CentOS release 6.10 (Final)", "centos", Family::CentOs, "6"),
        ("etc/centos-release", "CentOS Stream release 8", "centos", Family::CentOsStream, "8"),
        ("etc/redhat-release", "Red Hat Enterprise Linux Server release 6.10 (Santiago)", "rhel", Family::RedHat, "6"),
        ("etc/system-release", "Amazon Linux AMI release 2014.03", "amzn", Family::Amazon, "1"),
        ("etc/oracle-release", "Oracle Linux Server release 6.10", "ol", Family::Oracle, "6"),
        ("etc/alpine-release", "3.4.6", "alpine", Family::Alpine, "v3.4"),
        ("etc/debian_version", "7.11", "debian", Family::Debian, "7"),
        ("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=12.04\n", "ubuntu", Family::Ubuntu, "12.04"),
        ("etc/photon-release", "VMware Photon Linux 1.0\nPHOTON_BUILD_NUMBER=1", "photon", Family::Photon, "1.0"),
    ] {
        let os = os(&[file(path, text)]).expect(text);
        assert_eq!((&*os.id, os.family, &*os.release), (id, family, advisories), "{text}");
    }
    assert_eq!(os(&[file("etc/redhat-release", "Scientific Linux release 6.10")]), None);
    assert_eq!(os(&[file("etc/hostname", "x")]), None);
}

#[test]
fn os_release_is_looked_for_as_a_program_would() {
    let own = "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"";
    for entries in [
        vec![file("usr/lib/os-release", own), link("etc/os-release", "../usr/lib/os-release")],
        vec![file("usr/lib/os-release", own), link("etc/os-release", "/usr/lib/os-release")],
        vec![file("usr/lib/os-release", own)],
        vec![
            file("usr/lib/os.release.d/os-release-fedora", own),
            link("usr/lib/os-release", "os.release.d/os-release-fedora"),
        ],
        vec![file("etc/os-release", own), file("usr/lib/os-release", "ID=other")],
        vec![link("etc", "/conf"), file("conf/os-release", own)],
        // A file that says nothing does not hide the others.
        vec![file("etc/os-release", "NAME=x"), file("etc/debian_version", "12.1")],
    ] {
        assert_eq!(os(&entries).map(|os| os.family), Some(Family::Debian), "{entries:?}");
    }
    assert_eq!(
        os(&[file("usr/lib/os-release", own)]).map(|os| os.pretty_name).as_deref(),
        Some("Debian GNU/Linux 12 (bookworm)")
    );
    let layers: Inventory = image(&[&[release(own)], &[file("etc/.wh.os-release", "")]]);
    assert_eq!(layers.os, None);
}

#[test]
fn what_red_hat_and_ubuntu_tell_beside() {
    let own = release("ID=rhel\nVERSION_ID=9.4");
    let sets = r#"{"content_sets": ["rhel-9-for-x86_64-baseos-rpms", "rhel-9-for-x86_64-appstream-rpms"]}"#;
    let entries = [
        own,
        file("root/buildinfo/content_manifests/ubi9.json", sets),
        file(
            "usr/share/buildinfo/content_manifests/x.json",
            r#"{"content_sets": ["other", "rhel-9-for-x86_64-baseos-rpms"]}"#,
        ),
        file("usr/share/buildinfo/labels.json", r#"{"cpe": "cpe:/a:redhat:enterprise_linux:9::appstream"}"#),
        file("root/buildinfo/broken.json", "{"),
    ];
    let os_of = |entries: &[Entry]| os(entries).expect("one");
    let os = os_of(&entries);
    assert_eq!(os.content_sets, ["other", "rhel-9-for-x86_64-appstream-rpms", "rhel-9-for-x86_64-baseos-rpms"]);
    assert_eq!(os.cpes, ["cpe:/a:redhat:enterprise_linux:9::appstream"]);
    let ubuntu = |status: &str| {
        let status = file("var/lib/ubuntu-advantage/status.json", status);
        os_of(&[release("ID=ubuntu\nVERSION_ID=16.04"), status]).is_attached_to_pro
    };
    assert_eq!([r#"{"attached": true}"#, r#"{"attached": false}"#, "{"].map(ubuntu), [true, false, false]);
}
