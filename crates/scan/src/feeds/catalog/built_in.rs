//! The feeds that Wharf knows by itself.
//!
//! Those of Wolfi and Chainguard are not among them: their licence forbids to pass on what is made of them, and who may use
//! them is the operator's to know. Fedora's has no form that is read here.

use std::time::Duration;

use super::{Checksum, Feed, FeedFile, Role, Step};
use crate::{
    ecosystem::Ecosystem,
    feeds::{Compression, Form, Packaging},
};

/// A row of the table.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// With a placeholder for each of the values: `{release}`.
    pub(super) url: &'static str,
    /// What stands for the placeholders, in the order of the parts of a file's name.
    pub(super) values: &'static [(&'static str, &'static [&'static str])],
    /// The release that all files are for, where it is one and no value.
    pub(super) release: Option<&'static str>,
    steps: &'static [Step],
    checksum: Option<&'static str>,
    form: Form,
    packaging: Packaging,
    hours: u64,
    covers: &'static [Ecosystem],
    role: Role,
    is_on: bool,
    licence: &'static str,
    packed_mib: u64,
    gib: u64,
}

const PLAIN: Packaging = Packaging::File(Compression::None);

/// What most rows have.
const ROW: Row = Row {
    name: "",
    url: "",
    values: &[],
    release: None,
    steps: &[],
    checksum: None,
    form: Form::Osv,
    packaging: Packaging::Zip,
    hours: 6,
    covers: &[],
    role: Role::Authoritative,
    is_on: true,
    licence: "",
    packed_mib: 512,
    gib: 16,
};

/// One of the zips that osv.dev makes of what publishers give it.
const fn osv(name: &'static str, url: &'static str, covers: &'static [Ecosystem], licence: &'static str) -> Row {
    Row { name, url, covers, licence, ..ROW }
}

/// From a list of mirrors to a repository of rpms, and to its list of updates.
const UPDATES: &[Step] = &[Step::FirstUrl { then: "repodata/repomd.xml" }, Step::RepositoryData { kind: "updateinfo" }];

const UPDATEINFO: Row = Row {
    form: Form::UpdateInfo,
    packaging: Packaging::File(Compression::Gzip),
    steps: UPDATES,
    covers: &[Ecosystem::AmazonLinux],
    licence: "not stated",
    packed_mib: 64,
    gib: 1,
    ..ROW
};

const CC_BY: &str = "CC-BY-4.0";
/// Architectures have files of their own.
const ARCHES: (&str, &[&str]) = ("arch", &["x86_64", "aarch64"]);

pub(super) const TABLE: &[Row] = &[
    Row {
        name: "alpine",
        url: "https://secdb.alpinelinux.org/{release}/{repository}.json",
        values: &[
            (
                "release",
                &[
                    "v3.6", "v3.7", "v3.8", "v3.9", "v3.10", "v3.11", "v3.12", "v3.13", "v3.14", "v3.15", "v3.16",
                    "v3.17", "v3.18", "v3.19", "v3.20", "v3.21", "v3.22", "v3.23", "v3.24", "edge",
                ],
            ),
            ("repository", &["main", "community"]),
        ],
        form: Form::Secdb,
        packaging: PLAIN,
        covers: &[Ecosystem::Alpine],
        licence: "CC-BY-SA-4.0",
        packed_mib: 64,
        gib: 1,
        ..ROW
    },
    Row {
        name: "debian",
        url: "https://security-tracker.debian.org/tracker/data/json",
        form: Form::DebianTracker,
        packaging: PLAIN,
        covers: &[Ecosystem::Debian],
        licence: "not stated",
        ..ROW
    },
    Row {
        name: "ubuntu-osv",
        url: "https://security-metadata.canonical.com/osv/osv-all.tar.xz",
        packaging: Packaging::Tar(Compression::Xz),
        covers: &[Ecosystem::Ubuntu],
        licence: "CC-BY-SA-4.0",
        packed_mib: 1024,
        ..ROW
    },
    Row {
        name: "ubuntu-vex",
        url: "https://security-metadata.canonical.com/vex/vex-all.tar.xz",
        form: Form::OpenVex,
        packaging: Packaging::Tar(Compression::Xz),
        covers: &[Ecosystem::Ubuntu],
        role: Role::Additional,
        is_on: false,
        licence: "CC-BY-SA-4.0",
        packed_mib: 2048,
        gib: 64,
        ..ROW
    },
    // The document names the newest archive, which lies beside it.
    Row {
        name: "redhat-csaf",
        url: "https://security.access.redhat.com/data/csaf/v2/vex/archive_latest.txt",
        steps: &[Step::WordThatEnds { ends: ".tar.zst" }],
        checksum: Some(".sha256"),
        form: Form::Csaf,
        packaging: Packaging::Tar(Compression::Zstd),
        hours: 24,
        covers: &[Ecosystem::RedHat],
        licence: CC_BY,
        packed_mib: 2048,
        gib: 64,
        ..ROW
    },
    // Smaller, and of fixes alone.
    Row {
        is_on: false,
        ..osv(
            "redhat-osv",
            "https://osv-vulnerabilities.storage.googleapis.com/Red%20Hat/all.zip",
            &[Ecosystem::RedHat],
            CC_BY,
        )
    },
    osv(
        "almalinux",
        "https://osv-vulnerabilities.storage.googleapis.com/AlmaLinux/all.zip",
        &[Ecosystem::AlmaLinux],
        "MIT",
    ),
    osv(
        "rocky",
        "https://osv-vulnerabilities.storage.googleapis.com/Rocky%20Linux/all.zip",
        &[Ecosystem::RockyLinux],
        "BSD-3-Clause",
    ),
    Row {
        name: "oracle",
        url: "https://linux.oracle.com/security/oval/com.oracle.elsa-all.xml.bz2",
        form: Form::Oval,
        packaging: Packaging::File(Compression::Bzip2),
        hours: 24,
        covers: &[Ecosystem::OracleLinux],
        licence: "not stated",
        ..ROW
    },
    Row {
        name: "amazon-1",
        url: "https://repo.us-west-2.amazonaws.com/2018.03/updates/{arch}/mirror.list",
        values: &[("arch", &["x86_64"])],
        release: Some("1"),
        hours: 24,
        ..UPDATEINFO
    },
    Row {
        name: "amazon-2",
        url: "https://cdn.amazonlinux.com/2/core/latest/{arch}/mirror.list",
        values: &[ARCHES],
        release: Some("2"),
        ..UPDATEINFO
    },
    // Which of them there are changes: one that is gone keeps nobody from the rest.
    Row {
        name: "amazon-2-extras",
        url: "https://cdn.amazonlinux.com/2/extras/{extra}/latest/{arch}/mirror.list",
        values: &[
            (
                "extra",
                &[
                    "aws-nitro-enclaves-cli",
                    "corretto8",
                    "docker",
                    "ecs",
                    "firefox",
                    "haproxy2",
                    "httpd_modules",
                    "java-openjdk11",
                    "kernel-5.4",
                    "kernel-5.10",
                    "kernel-5.15",
                    "lustre",
                    "mariadb10.5",
                    "memcached1.5",
                    "nginx1",
                    "php8.0",
                    "php8.1",
                    "php8.2",
                    "postgresql12",
                    "postgresql13",
                    "postgresql14",
                    "python3.8",
                    "redis6",
                    "ruby3.0",
                    "squid4",
                    "tomcat8.5",
                    "tomcat9",
                    "unbound1.17",
                    "vim",
                ],
            ),
            ARCHES,
        ],
        release: Some("2"),
        role: Role::Additional,
        ..UPDATEINFO
    },
    Row {
        name: "amazon-2023",
        url: "https://cdn.amazonlinux.com/al2023/core/mirrors/latest/{arch}/mirror.list",
        values: &[ARCHES],
        release: Some("2023"),
        ..UPDATEINFO
    },
    osv("suse-osv", "https://osv-vulnerabilities.storage.googleapis.com/SUSE/all.zip", &[Ecosystem::Suse], CC_BY),
    osv(
        "opensuse-osv",
        "https://osv-vulnerabilities.storage.googleapis.com/openSUSE/all.zip",
        &[Ecosystem::OpenSuse],
        CC_BY,
    ),
    // What SUSE says of severity, and of what is not fixed or not affected.
    Row {
        name: "suse-csaf",
        url: "https://ftp.suse.com/pub/projects/security/csaf-vex.tar.bz2",
        form: Form::Csaf,
        packaging: Packaging::Tar(Compression::Bzip2),
        hours: 24,
        covers: &[Ecosystem::Suse, Ecosystem::OpenSuse],
        role: Role::Additional,
        is_on: false,
        licence: CC_BY,
        packed_mib: 2048,
        gib: 64,
        ..ROW
    },
    Row {
        name: "photon",
        url: "https://packages.broadcom.com/photon/photon_cve_metadata/cve_data_photon{release}.json",
        values: &[("release", &["1.0", "2.0", "3.0", "4.0", "5.0"])],
        form: Form::Photon,
        packaging: PLAIN,
        covers: &[Ecosystem::Photon],
        licence: "not stated",
        packed_mib: 64,
        gib: 1,
        ..ROW
    },
    osv(
        "azure-linux",
        "https://osv-vulnerabilities.storage.googleapis.com/Azure%20Linux/all.zip",
        &[Ecosystem::AzureLinux],
        "MIT",
    ),
    Row {
        name: "minimos",
        url: "https://packages.mini.dev/advisories/secdb/security.json",
        form: Form::Secdb,
        packaging: PLAIN,
        covers: &[Ecosystem::MinimOs],
        is_on: false,
        licence: "not known",
        packed_mib: 64,
        gib: 1,
        ..ROW
    },
    osv(
        "bitnami",
        "https://osv-vulnerabilities.storage.googleapis.com/Bitnami/all.zip",
        &[Ecosystem::Bitnami],
        "Apache-2.0",
    ),
    // With what is known to be malicious, which is most of it.
    Row {
        packed_mib: 2048,
        ..osv(
            "osv-npm",
            "https://osv-vulnerabilities.storage.googleapis.com/npm/all.zip",
            &[Ecosystem::Npm],
            "CC-BY-4.0, Apache-2.0",
        )
    },
    osv(
        "osv-pypi",
        "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip",
        &[Ecosystem::PyPi],
        "CC-BY-4.0, Apache-2.0",
    ),
    osv("osv-maven", "https://osv-vulnerabilities.storage.googleapis.com/Maven/all.zip", &[Ecosystem::Maven], CC_BY),
    osv("osv-go", "https://osv-vulnerabilities.storage.googleapis.com/Go/all.zip", &[Ecosystem::Go], CC_BY),
    osv(
        "osv-rubygems",
        "https://osv-vulnerabilities.storage.googleapis.com/RubyGems/all.zip",
        &[Ecosystem::RubyGems],
        CC_BY,
    ),
    osv(
        "osv-packagist",
        "https://osv-vulnerabilities.storage.googleapis.com/Packagist/all.zip",
        &[Ecosystem::Packagist],
        CC_BY,
    ),
    osv("osv-nuget", "https://osv-vulnerabilities.storage.googleapis.com/NuGet/all.zip", &[Ecosystem::NuGet], CC_BY),
    osv(
        "osv-crates",
        "https://osv-vulnerabilities.storage.googleapis.com/crates.io/all.zip",
        &[Ecosystem::CratesIo],
        "CC0-1.0, CC-BY-4.0",
    ),
    osv("osv-hex", "https://osv-vulnerabilities.storage.googleapis.com/Hex/all.zip", &[Ecosystem::Hex], CC_BY),
    Row {
        name: "kev",
        url: "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
        form: Form::Kev,
        packaging: PLAIN,
        role: Role::Additional,
        licence: "CC0-1.0",
        packed_mib: 64,
        gib: 1,
        ..ROW
    },
    Row {
        name: "epss",
        url: "https://epss.cyentia.com/epss_scores-current.csv.gz",
        form: Form::Epss,
        packaging: Packaging::File(Compression::Gzip),
        hours: 24,
        role: Role::Additional,
        licence: "free with attribution to FIRST",
        packed_mib: 64,
        gib: 1,
        ..ROW
    },
    // The newest release of the list, with the ratings that CISA adds.
    Row {
        name: "cve-list",
        url: "https://api.github.com/repos/CVEProject/cvelistV5/releases/latest",
        steps: &[Step::WordThatEnds { ends: "_all_CVEs_at_midnight.zip.zip" }],
        form: Form::Cve,
        packaging: Packaging::ZipInZip,
        hours: 24,
        role: Role::Additional,
        licence: "public domain, with CVE's terms of use",
        packed_mib: 2048,
        gib: 32,
        ..ROW
    },
];

/// The feeds that are known without a configuration, in the order of what they cover.
pub fn built_in() -> Vec<Feed> {
    TABLE.iter().map(Row::feed).collect()
}

impl Row {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|row| row.name == name)
    }

    /// The files of a URL with placeholders, one for each way to fill them.
    pub(super) fn files(&self, url: &str) -> Vec<FeedFile> {
        let own = |release: Option<&str>| release.map(str::to_owned);
        let mut files = vec![FeedFile { part: String::new(), url: url.to_owned(), release: own(self.release) }];
        for (name, values) in self.values {
            let placeholder = format!("{{{name}}}");
            let filled = |file: &FeedFile, value: &str| FeedFile {
                part: if file.part.is_empty() { value.to_owned() } else { format!("{}/{value}", file.part) },
                url: file.url.replace(&placeholder, value),
                release: if *name == "release" {
                    own(value.strip_prefix('v').or(Some(value)))
                } else {
                    file.release.clone()
                },
            };
            files = files.iter().flat_map(|file| values.iter().map(|value| filled(file, value))).collect();
        }
        files
    }

    pub(super) fn feed(&self) -> Feed {
        Feed {
            name: self.name.to_owned(),
            form: self.form,
            packaging: self.packaging,
            files: self.files(self.url),
            steps: self.steps,
            checksum: self.checksum.map(|ends| Checksum { ends: ends.to_owned(), is_required: false }),
            interval: Duration::from_secs(self.hours * 3600),
            covers: self.covers.to_vec(),
            role: self.role,
            licence: self.licence.to_owned(),
            is_on: self.is_on,
            packed_bytes: self.packed_mib << 20,
            bytes: self.gib << 30,
        }
    }
}
