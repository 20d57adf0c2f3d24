//! The lists of paths that dpkg keeps.

use mutate::Form;
use scan::detectors::DpkgOwned;

use super::{hold, owned, read, wants};

const LIST: &str = "\
/.
/usr
/usr/lib
/usr/lib/python3
/usr/lib/python3/dist-packages
/usr/lib/python3/dist-packages/yaml-6.0.egg-info
/usr/lib/python3/dist-packages/yaml-6.0.egg-info/PKG-INFO
/usr/lib/python3/dist-packages/yaml
/usr/lib/python3/dist-packages/yaml/__init__.py
/usr/lib/python3/dist-packages/yaml.pth
/usr/share
/usr/share/doc
";
const CHECKSUMS: &str = "\
0123456789abcdef0123456789abcdef  usr/share/a b.jar
0123456789abcdef0123456789abcdef *usr/bin/a
0123456789abcdef0123456789abcdef  ./usr/bin/b
";

#[test]
fn a_list_gives_the_files() {
    let found = read(&DpkgOwned, "var/lib/dpkg/info/python3-yaml.list", LIST.as_bytes());
    assert_eq!(
        owned(&found),
        [
            "python3-yaml usr/lib/python3/dist-packages/yaml-6.0.egg-info/PKG-INFO",
            "python3-yaml usr/lib/python3/dist-packages/yaml/__init__.py",
            "python3-yaml usr/lib/python3/dist-packages/yaml.pth",
            // Nothing is listed below it, so it may be a file.
            "python3-yaml usr/share/doc",
        ]
    );
    assert!(found.problems.is_empty() && found.packages.is_empty());
}

#[test]
fn checksums_give_the_files() {
    for (path, package) in [
        ("var/lib/dpkg/info/libc6:amd64.md5sums", "libc6"),
        ("var/lib/dpkg/info/a.md5sums", "a"),
        ("var/lib/dpkg/status.d/openjdk-17-jre-headless.md5sums", "openjdk-17-jre-headless"),
    ] {
        let found = read(&DpkgOwned, path, CHECKSUMS.as_bytes());
        let expected = ["usr/share/a b.jar", "usr/bin/a", "usr/bin/b"].map(|path| format!("{package} {path}"));
        assert_eq!(owned(&found), expected);
        assert!(found.problems.is_empty());
    }
}

#[test]
fn what_is_broken_is_said() {
    let text = "0123456789abcdef0123456789abcdef  a\n\nshort\n0123456789abcdef0123456789abcdeg  b\n";
    let found = read(&DpkgOwned, "var/lib/dpkg/info/a.md5sums", text.as_bytes());
    assert_eq!(owned(&found), ["a a"]);
    assert_eq!(found.problems, ["line 3 is no checksum with a path", "line 4 is no checksum with a path"]);
}

#[test]
fn wanted_files() {
    for path in ["var/lib/dpkg/info/a.list", "var/lib/dpkg/info/a:i386.list", "var/lib/dpkg/status.d/a.md5sums"] {
        assert!(wants(&DpkgOwned, path, 0), "{path}");
    }
    for path in [
        "var/lib/dpkg/info/a.postinst",
        "var/lib/dpkg/info/x/a.list",
        "var/lib/dpkg/status.d/a",
        "var/lib/dpkg/status.d/a.list",
        "var/lib/dpkg/a.list",
    ] {
        assert!(!wants(&DpkgOwned, path, 10), "{path}");
    }
}

#[test]
fn changed_lists() {
    for path in ["var/lib/dpkg/info/a.list", "var/lib/dpkg/info/a.md5sums"] {
        mutate::inputs(Form::Text, &[LIST, CHECKSUMS], 2_000, |content| hold(&DpkgOwned, path, content));
    }
}
