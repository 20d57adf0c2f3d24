"""Images of operating systems: the packages that a scan lists, beside what the system's own tools tell of the same files."""

import pytest

from harness.commands import program, run
from harness.downloads import debian_archive
from harness.feeds import FeedServer
from harness.rootfs import SUITE, unpacked_rootfs
from harness.scans import (
    Scanned,
    advisory,
    feeds_configuration,
    image_of,
    serve_advisories,
    tree_layer,
    write,
)
from harness.server import Wharf
from harness.soak import rounds

# The other releases in the long form: each takes half a minute to be made.
SUITES = [(SUITE, "12"), ("bullseye", "11"), ("trixie", "13")][: rounds(3, 1)]
DPKG_FORMAT = r"${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"


@pytest.fixture(scope="module")
def feeds():
    server = FeedServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def wharf(tmp_path_factory, feeds):
    """A server that has advisories for what is in these images."""
    records = [
        *(
            advisory(f"DEBIAN-CVE-2026-{release}", f"Debian:{release}", "glibc", "9999", "high")
            for _, release in SUITES
        ),
        advisory("ALPINE-CVE-2026-1", "Alpine:v3.20", "openssl", "3.3.2-r1"),
        advisory("GHSA-hfq9-hggm-c56q", "Maven", "com.thoughtworks.xstream:xstream", "1.4.21"),
        advisory("RLSA-2026:1", "Rocky Linux:9", "made", "2:1.10-3.el9"),
    ]
    serve_advisories(feeds, records)
    server = Wharf(tmp_path_factory.mktemp("scanned"), config=feeds_configuration(feeds.url))
    yield server.start()
    server.finish()


def findings(described):
    return sorted((found["vulnerability"], found["name"], found["version"]) for found in described["findings"])


def dpkg_packages(told):
    """The packages that `dpkg-query` says are installed: name, version, architecture and source."""
    rows = [line.split("\t") for line in told.splitlines()]
    return sorted(tuple(row[1:]) for row in rows if row[0] == "installed")


def listed_by_dpkg(packages):
    def source(package):
        # A source that has the package's own name and version is not named.
        return package.get("sourceName", package["name"]), package.get("sourceVersion", package["version"])

    return sorted((each["name"], each["version"], each["arch"], *source(each)) for each in packages)


@pytest.mark.parametrize(("suite", "release"), SUITES)
def test_debian(wharf, tmp_path, suite, release):
    root = unpacked_rootfs(tmp_path / "root", suite)
    scanned = Scanned(wharf, f"debian/{suite}")
    described = scanned.push(image_of(tree_layer(root)))
    told = run("dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show", f"--showformat={DPKG_FORMAT}").stdout
    expected = dpkg_packages(told)
    assert len(expected) > 70
    # Rebuilt ones have another version than their source, and some a source of another name.
    assert any("+b" in version and version != source for _, version, _, _, source in expected)
    assert any(name != source for name, _, _, source, _ in expected)
    assert listed_by_dpkg(scanned.packages("dpkg")) == expected
    (platform,) = described["platforms"]
    assert platform["found"]["operatingSystem"]["release"] == release
    assert platform["scan"]["isWhole"], platform
    (glibc,) = {version for _, _, _, source, version in expected if source == "glibc"}
    assert findings(described) == [(f"CVE-2026-{release}", "glibc", glibc)]


def test_debian_built_on_by_docker(wharf, docker, debian_image, tmp_path):
    """Packages that a later layer removed, with or without what is left of their configuration, and one that it added: what
    Maven would say of its archive is Debian's to say, as Debian mends old versions."""
    built = f"{wharf.host}/debian/built:v1"
    archive = debian_archive("libxstream-java", tmp_path)
    lines = [
        f"FROM {debian_image}",
        # One is gone with all that it had, of another its configuration stays.
        "RUN dpkg --force-all --purge mawk && dpkg --force-all --remove login",
        f"COPY {archive.name} /tmp/",
        f"RUN dpkg --force-depends --install /tmp/{archive.name} && rm -rf /tmp/*.deb /usr/share/doc",
    ]
    (tmp_path / "Dockerfile").write_text("\n".join(lines))
    scanned = Scanned(wharf, "debian/built")
    docker("build", "--network=none", "--tag", built, str(tmp_path))
    docker("login", "--username", "AWS", "--password-stdin", wharf.host, stdin=wharf.password)
    docker("push", built)
    docker.log_out(wharf.host)
    described = scanned.wait()
    query = ["dpkg-query", "--show", f"--showformat={DPKG_FORMAT}"]
    told = docker("run", "--rm", "--network=none", built, *query)
    assert "config-files\tlogin" in told and "mawk" not in told
    expected = dpkg_packages(told)
    assert "libxstream-java" in {name for name, *_ in expected}
    assert listed_by_dpkg(scanned.packages("dpkg")) == expected
    assert {found["name"] for found in described["findings"]} == {"glibc"}
    docker.forget(built)


SPEC = """
Name: {name}
{epoch}
Version: {version}
Release: {release}
Summary: A package that is made for a test
License: MIT
Vendor: {vendor}
{arch}

%description
It has one file.

%package -n {name}-libs
Summary: Another one that is made from the same source
%description -n {name}-libs
It has another one.

%install
mkdir -p %{{buildroot}}/usr/lib/{name}
echo one > %{{buildroot}}/usr/lib/{name}/one
echo two > %{{buildroot}}/usr/lib/{name}/two

%files
/usr/lib/{name}/one
%files -n {name}-libs
/usr/lib/{name}/two
"""
RPM_FORMAT = r"%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\t%{VENDOR}\n"
OURS = "Rocky Enterprise Software Foundation"


def rpm(root, *arguments):
    return run(program("rpm"), "--root", root, "--define", "_dbpath /var/lib/rpm", *arguments).stdout


def build_rpms(folder, name, version, release, vendor=OURS, epoch="", arch=""):
    spec = folder / f"{name}.spec"
    spec.parent.mkdir(parents=True, exist_ok=True)
    spec.write_text(
        SPEC.format(
            name=name,
            version=version,
            release=release,
            vendor=vendor,
            epoch=f"Epoch: {epoch}" if epoch else "",
            arch=f"BuildArch: {arch}" if arch else "",
        )
    )
    run(program("rpmbuild"), "-bb", "--nodeps", "--define", f"_topdir {folder}", spec)


def test_rpm(wharf, tmp_path):
    """A database of rpm's own in SQLite, with epochs, tildes and carets, and packages of somebody else."""
    build = tmp_path / "build"
    build_rpms(build, "made", "1.9", "3.el9", epoch="2")
    build_rpms(build, "other", "2.0~rc1^git7", "1.el9", arch="noarch")
    build_rpms(build, "foreign", "7", "1.remi", vendor="Remi Collet")
    root = tmp_path / "root"
    rocky = {
        "ID": '"rocky"',
        "ID_LIKE": '"rhel centos fedora"',
        "VERSION_ID": '"9.4"',
        "PRETTY_NAME": '"Rocky Linux 9.4"',
    }
    write(root, {"etc/os-release": "".join(f"{key}={value}\n" for key, value in rocky.items())})
    rpm(root, "--initdb")
    rpm(root, "--nodeps", "--install", *sorted(build.glob("RPMS/*/*.rpm")))
    expected = sorted(tuple(line.split("\t")) for line in rpm(root, "-qa", "--qf", RPM_FORMAT).splitlines())
    assert len(expected) == 6 and (root / "var/lib/rpm/rpmdb.sqlite").exists()
    scanned = Scanned(wharf, "rpm/rocky")
    described = scanned.push(image_of(tree_layer(root)))
    packages = scanned.packages("rpm")
    assert sorted((each["name"], each["version"], each["arch"], each["vendor"]) for each in packages) == [
        (name, version, arch, vendor) for name, version, arch, _, vendor in expected
    ]
    # What stands in the file's name behind the source's: its epoch does not.
    for each, (_, _, _, source, _) in zip(sorted(packages, key=lambda each: each["name"]), expected, strict=True):
        version = each.get("sourceVersion", each["version"].rpartition(":")[2])
        assert f"{each.get('sourceName', each['name'])}-{version}.src.rpm" == source
    assert findings(described) == [("RLSA-2026:1", "made", "2:1.9-3.el9")]


def stanza(name, version, origin=None, files=()):
    """A package as apk writes it into its database, with the files that it owns."""
    lines = [f"C:Q1{name:=<26}=", f"P:{name}", f"V:{version}", "A:x86_64", "S:1024", "I:4096", f"T:{name} of a test"]
    lines += [
        "U:https://example.com",
        "L:MIT",
        *([f"o:{origin}"] if origin else []),
        "t:1717000000",
        "D:so:libc.musl-x86_64.so.1",
    ]
    for path in files:
        folder, _, file = path.rpartition("/")
        lines += [f"F:{folder}", f"R:{file}", "a:0:0:755", "Z:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA="]
    return "\n".join(lines) + "\n"


APK_DATABASE = [
    stanza("alpine-baselayout", "3.6.5-r0", "alpine-baselayout", ["etc/fstab"]),
    stanza("musl", "1.2.5-r0", "musl", ["lib/ld-musl-x86_64.so.1"]),
    stanza("busybox", "1.36.1-r29", "busybox", ["bin/busybox"]),
    stanza("libcrypto3", "3.3.1-r0", "openssl", ["lib/libcrypto.so.3"]),
    stanza("libssl3", "3.3.1-r0", "openssl", ["lib/libssl.so.3"]),
    stanza("ca-certificates-bundle", "20240226-r0", "ca-certificates", ["etc/ssl/certs/ca-certificates.crt"]),
    stanza("scanelf", "1.3.7-r2", "pax-utils", ["usr/bin/scanelf"]),
    stanza("zlib", "1.3.1-r1", "zlib", ["lib/libz.so.1.3.1"]),
    # What `apk add --virtual` made is no package of anybody's.
    "P:.build-deps\nV:20240601.101010\nA:noarch\nS:0\nI:0\nT:virtual meta package\n",
]


def apk_info(database):
    """What `apk info -v` prints of a database, by its own plain lines: apk itself is not among Debian's packages."""
    for text in database:
        fields = dict(line.split(":", 1) for line in text.splitlines() if line[:2] in ("P:", "V:", "A:", "o:"))
        if not fields["P"].startswith("."):
            yield fields["P"], fields["V"], fields["A"], fields.get("o", fields["P"])


def test_apk(wharf, tmp_path):
    root = tmp_path / "root"
    files = {
        "etc/os-release": 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME="Alpine Linux v3.20"\n',
        "etc/alpine-release": "3.20.1\n",
        "etc/apk/repositories": "https://dl-cdn.alpinelinux.org/alpine/v3.20/main\n",
        "lib/apk/db/installed": "\n".join(APK_DATABASE) + "\n",
    }
    write(root, files)
    scanned = Scanned(wharf, "apk/alpine")
    described = scanned.push(image_of(tree_layer(root)))
    listed = [
        (each["name"], each["version"], each["arch"], each.get("sourceName", each["name"]))
        for each in scanned.packages("apk")
    ]
    assert sorted(listed) == sorted(apk_info(APK_DATABASE))
    # Once for what was built together.
    assert findings(described) == [("CVE-2026-1", "openssl", "3.3.1-r0")]
    (found,) = described["findings"]
    assert sorted(package["name"] for package in found["packages"]) == ["libcrypto3", "libssl3"]
