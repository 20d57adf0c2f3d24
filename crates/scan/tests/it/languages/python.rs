//! Distributions of Python.

use super::{packages, problems, zipped};
use proptest::prelude::*;
use scan::detectors::python::normalised;

#[test]
fn metadata_of_every_form() {
    let metadata = "Metadata-Version: 2.1\nName: Zope.Interface__x\nVersion: 5.4.0\nSummary: Name: no\nDescription: a\n        Version: 9\n\nName: other\nVersion: 1\n";
    for path in [
        "usr/lib/python3/dist-packages/zope-5.4.0.dist-info/METADATA",
        "usr/lib/python3/dist-packages/zope.egg-info/PKG-INFO",
        "usr/lib/python3/dist-packages/zope-5.4.0.egg-info",
        "usr/lib/python3/dist-packages/zope-5.4.0-py3.egg/EGG-INFO/PKG-INFO",
    ] {
        assert_eq!(packages(path, metadata), ["zope-interface-x 5.4.0"], "{path}");
        assert_eq!(packages(path, metadata.replace('\n', "\r\n")), ["zope-interface-x 5.4.0"], "{path}");
        let latin = [b"Author: \xe9\n".as_slice(), metadata.as_bytes()].concat();
        assert_eq!(packages(path, latin), ["zope-interface-x 5.4.0"], "{path}");
    }
    for content in ["", "Name: a\n", "Version: 1\n", "\nName: a\nVersion: 1\n", "Name: ---\nVersion: 1\n"] {
        assert_eq!(problems("a.dist-info/METADATA", content).len(), 1, "{content}");
    }
}

#[test]
fn eggs() {
    let egg = zipped(&[("a/__init__.py", b""), ("EGG-INFO/PKG-INFO", b"Name: A\nVersion: 1.0\n")]);
    assert_eq!(packages("lib/A-1.0-py3.egg", &egg), ["a 1.0"]);
    assert_eq!(problems("lib/a.egg", zipped(&[("a.py", b"")])), ["it has no EGG-INFO/PKG-INFO"]);
    assert_eq!(problems("lib/a.egg", b"PK\x03\x04"), ["it is no zip archive"]);
    assert_eq!(packages("lib/a.egg", b"a folder's name, or a link"), Vec::<String>::new());
}

#[test]
fn only_pinned_requirements_count() {
    let cases: [(&str, &[&str]); 19] = [
        ("Django==4.2.1", &["django 4.2.1"]),
        ("  a_b.c == 1.0  # why", &["a-b-c 1.0"]),
        ("a[x,y]==1.0", &["a 1.0"]),
        ("a===1.0", &["a 1.0"]),
        ("a==1.0; python_version < '3'", &["a 1.0"]),
        ("a==1.0 \\", &["a 1.0"]),
        ("a==1!2.0.post1+local", &["a 1!2.0.post1+local"]),
        ("a==1.0 --hash=sha256:00", &["a 1.0"]),
        ("a==1.*", &[]),
        ("a==1.0,<2", &[]),
        ("a==1.0 , <2", &[]),
        ("a>=1.0", &[]),
        ("a~=1.0", &[]),
        ("a!=1.0,==1.1", &[]),
        ("# a==1.0", &[]),
        ("-r other==1.0", &[]),
        ("--extra-index-url https://x/?a==1", &[]),
        ("a @ https://host/a==1.0.whl", &[]),
        ("", &[]),
    ];
    for (line, expected) in cases {
        let expected: Vec<String> = expected.iter().map(|package| format!("{package} declared")).collect();
        assert_eq!(packages("requirements.txt", line), expected, "{line}");
    }
}

#[test]
fn lock_files() {
    let poetry = r#"# generated
[[package]]
name = "A_b"
version = "1.0"
description = "x = 1"
category = "main"
files = [
    {file = "a.whl", hash = "sha256:00"},
]

[package.dependencies]
name = ">=1"
version = "9"

[[package]]
name = "t"
version = "2.0"
category = "dev"

[[package]]
name = "u"
version = "2.1"
groups = ["dev", "docs"]

[[package]]
name = "v"
version = "2.2"
groups = ["main", "dev"]

[metadata]
name = "no"
version = "0"
"#;
    assert_eq!(packages("poetry.lock", poetry), ["a-b 1.0 declared", "v 2.2 declared"]);

    let uv = "version = 1\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\nsource = { editable = \".\" }\n\n[[package]]\nname = \"a\"\nversion = \"1.0\"\nsource = { registry = \"https://pypi.org/virtual\" }\n\n[[package]]\nname = \"b\"\nversion = \"0\"\nsource = { virtual = \"b\" }\n";
    assert_eq!(packages("uv.lock", uv), ["a 1.0 declared"]);
    let pdm =
        "[metadata]\ngroups = [\"default\"]\n\n[[package]]\nname = \"a\"\nversion = \"1.0\"\ngroups = [\"default\"]\n";
    assert_eq!(packages("pdm.lock", pdm), ["a 1.0 declared"]);
    assert_eq!(
        packages("pylock.toml", "lock-version = \"1.0\"\n[[packages]]\nname = \"a\"\nversion = \"1.0\"\n"),
        ["a 1.0 declared"]
    );

    let pipfile = r#"{"default":{"A.b":{"version":"==1.0"},"git":{"git":"x"},"any":{"version":"*"}},"develop":{"t":{"version":"==2"}}}"#;
    assert_eq!(packages("Pipfile.lock", pipfile), ["a-b 1.0 declared"]);
    assert_eq!(problems("Pipfile.lock", "[]"), ["it has no list of packages"]);
}

proptest! {
    #[test]
    fn a_normalised_name_stays_as_it_is(name in "[A-Za-z0-9._-]{0,20}") {
        let once = normalised(&name);
        prop_assert_eq!(&normalised(&once), &once);
        prop_assert!(!once.contains("--") && !once.contains(['_', '.']) && !once.starts_with('-') && !once.ends_with('-'));
    }
}
