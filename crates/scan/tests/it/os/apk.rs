//! The database of apk.

use mutate::Form;
use proptest::prelude::*;
use scan::{detectors::Apk, limits::Limits, package::PackageKind::Apk as Kind};

use super::{hold, owned, package, read, read_within, wants};

const PATH: &str = "lib/apk/db/installed";

/// As apk writes it, cut to a few files.
const REAL: &str = "\
C:Q1OykpQrNKtBi8+TZSrTZvYeJCgHY=
P:musl
V:1.2.4_git20230717-r4
A:x86_64
S:412201
I:667648
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl
m:Natanael Copa <ncopa@alpinelinux.org>
t:1700000000
c:ca7f2ab5e88794e4e654b40776f8a92256f50639
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1qbKsnYnaYlEyLLBL6CEt7RNhjBY=
R:libc.musl-x86_64.so.1
a:0:0:777
Z:Q17yJ3JFNypA4mxhJJr0ou6CzsJVI=

C:Q1Ab=
P:libcrypto3
V:3.1.4-r1
A:x86_64
L:Apache-2.0
o:openssl
D:so:libc.musl-x86_64.so.1
F:etc
F:etc/ssl
M:0:0:755
R:openssl.cnf
F:
R:root-file

C:Q1Cd=
P:.build-deps
V:20240131.093000
A:noarch
T:virtual meta package
D:gcc

";

#[test]
fn a_database() {
    let found = read(&Apk, PATH, REAL.as_bytes());
    assert_eq!(
        found.packages,
        [
            package(Kind, "musl", "1.2.4_git20230717-r4", "x86_64", ("", "")),
            package(Kind, "libcrypto3", "3.1.4-r1", "x86_64", ("openssl", "3.1.4-r1")),
        ]
    );
    assert_eq!(
        owned(&found),
        [
            "musl lib/ld-musl-x86_64.so.1",
            "musl lib/libc.musl-x86_64.so.1",
            "libcrypto3 etc/ssl/openssl.cnf",
            "libcrypto3 root-file",
        ]
    );
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    assert_eq!(read(&Apk, "usr/lib/apk/db/installed", REAL.replace('\n', "\r\n").as_bytes()), found);
}

#[test]
fn what_is_a_package() {
    for (stanza, expected) in [
        ("P:a\nV:1-r0\n", Some("a 1-r0")),
        ("P:a\nV:1-r0", Some("a 1-r0")),
        ("V:1-r0\nP:a\n", Some("a 1-r0")),
        ("P:a\nV:1-r0\nT:virtual meta package\n", None),
        ("P:.a\nV:1-r0\n", None),
        // What is described in no way, has no origin and no file is told by its version.
        ("P:build-deps\nV:20240131.093000\nA:noarch\n", None),
        ("P:build-deps\nV:0\nA:noarch\n", None),
        ("P:a\nV:20240131.093000\no:a\n", Some("a 20240131.093000")),
        ("P:a\nV:20240131.093000\nF:etc\nR:a\n", Some("a 20240131.093000")),
        ("P:a\nV:20240131-r0\n", Some("a 20240131-r0")),
        ("P:a\nV:20240131.0930\n", Some("a 20240131.0930")),
        ("P:a\nV:1\n", Some("a 1")),
        ("P:a\nA:x86_64\n", None),
        ("F:etc\nR:a\n", None),
        ("", None),
        ("\n\n\n", None),
    ] {
        let found = read(&Apk, PATH, stanza.as_bytes());
        let told: Vec<String> =
            found.packages.iter().map(|found| format!("{} {}", found.name, found.version)).collect();
        assert_eq!(told, expected.map(ToOwned::to_owned).into_iter().collect::<Vec<_>>(), "{stanza}");
        assert!(found.problems.is_empty(), "{stanza}: {:?}", found.problems);
        assert!(expected.is_some() || found.owned.is_empty(), "{stanza}");
    }
}

#[test]
fn what_is_broken_is_said() {
    for (text, packages, problem) in [
        (&b"P:a\nV:1\nno line\nP:b"[..], 1, "line 3 is no letter with a colon and a value"),
        (b"\nP:\nV:1\n", 0, "the package of line 2 has no name"),
        (b"V:1\n", 0, "the package of line 1 has no name"),
        (b"P:a\xff\nV:1\n", 1, "the name of a package is no UTF-8: a\\xff"),
        (b"ADB.\0\0", 0, "line 1 is no letter with a colon and a value"),
    ] {
        let found = read(&Apk, PATH, text);
        assert_eq!(
            (found.packages.len(), found.problems),
            (packages, vec![problem.to_owned()]),
            "{}",
            text.escape_ascii()
        );
    }
}

#[test]
fn only_the_first_problems_are_told() {
    let found = read(&Apk, PATH, "broken\n".repeat(1_000).as_bytes());
    assert_eq!(found.problems.len(), 21);
    assert_eq!(found.problems.last().map(String::as_str), Some("and 980 problems more"));
}

#[test]
fn a_bound_that_is_reached_is_said() {
    let text = (0..100).map(|number| format!("P:a{number}\nV:1\nF:usr\nR:b\n\n")).collect::<Vec<_>>().concat();
    let of_packages = read_within(&Apk, PATH, text.as_bytes(), &Limits { packages: 7, ..Limits::default() });
    assert_eq!(of_packages.packages.len(), 7);
    assert_eq!(of_packages.problems, ["it tells of more than 7 packages: the rest is left out"]);
    let of_bytes = read_within(&Apk, PATH, text.as_bytes(), &Limits { facts_bytes: 5_000, ..Limits::default() });
    assert!((5..50).contains(&of_bytes.packages.len()), "{}", of_bytes.packages.len());
    assert_eq!(of_bytes.problems, ["it tells of more than 5000 bytes of packages and paths: the rest is left out"]);
    // A folder of such a length would be written out for each of its files.
    let amplified = format!("P:a\nV:1\nF:{}\n{}", "f".repeat(5_000), "R:\n".repeat(50_000));
    let found = read(&Apk, PATH, amplified.as_bytes());
    assert_eq!((found.packages.len(), found.owned.len(), found.problems.len()), (1, 0, 21));
    assert_eq!(found.problems[0], "a path of a is 5001 bytes long");
    let found = read(&Apk, PATH, format!("P:{}\nV:1\nF:usr\nR:a\n", "a".repeat(5_000)).as_bytes());
    assert_eq!((found.packages.len(), found.owned.len()), (0, 0));
    assert_eq!(found.problems, ["the name of a package is 5000 bytes long"]);
}

#[test]
fn wanted_files() {
    for path in ["lib/apk/db/installed", "usr/lib/apk/db/installed"] {
        assert!(wants(&Apk, path, 0));
    }
    for path in
        ["lib/apk/db/installed.new", "x/lib/apk/db/installed", "lib/apk/db/scripts.tar", "lib/apk/world", "installed"]
    {
        assert!(!wants(&Apk, path, 10), "{path}");
    }
}

#[test]
fn changed_databases() {
    mutate::inputs(Form::Text, &[REAL], 4_000, |content| hold(&Apk, PATH, content));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        written in proptest::collection::vec(
            ("[a-z][a-z0-9+._-]{0,12}", "[0-9][0-9a-z._]{0,8}-r[0-9]", "[a-z0-9_]{0,8}", "[a-z]{1,5}",
             proptest::collection::vec("[a-zA-Z0-9 :._é-]{1,9}", 0..5)),
            0..20,
        ),
    ) {
        let mut lines = Vec::new();
        let mut packages = Vec::new();
        let mut paths = Vec::new();
        for (name, version, arch, origin, files) in &written {
            lines.push(format!("P:{name}\nV:{version}\nA:{arch}\no:{origin}\nF:usr/{origin}\n"));
            for file in files {
                lines.push(format!("R:{file}\na:0:0:755\n"));
                paths.push(format!("{name} usr/{origin}/{file}"));
            }
            lines.push("\n".to_owned());
            let source = if name == origin { "" } else { origin.as_str() };
            packages.push(package(Kind, name, version, arch, (source, version)));
        }
        let found = read(&Apk, PATH, lines.concat().as_bytes());
        prop_assert_eq!(owned(&found), paths);
        prop_assert_eq!(found.packages, packages);
        prop_assert!(found.problems.is_empty());
    }
}
