//! The list that is in the place of a database of rpm.

use mutate::Form;
use scan::{
    detectors::Mariner,
    package::{Package, PackageKind::Rpm as Kind},
};

use super::{hold, package, read, wants};

const PATH: &str = "var/lib/rpmmanifest/container-manifest-2";
const VENDOR: &str = "Microsoft Corporation";

const REAL: &str = "\
mariner-release\t2.0-12.cm2\t1653816591\t1653753130\tMicrosoft Corporation\t(none)\t580\tnoarch\t0\tmariner-release-2.0-12.cm2.src.rpm
openssl-libs\t1.1.1k-15.cm2\t1653816591\t1653753130\tMicrosoft Corporation\t(none)\t3330\tx86_64\t0\topenssl-1.1.1k-15.cm2.src.rpm
tzdata\t2022a-1.cm2\t1653816591\t1653753130\t(none)\t2\t3330\tnoarch\t2\ttzdata-2022a-1.cm2.src.rpm
gpg-pubkey\t3135ce90-5e6fda74\t1653816591\t1653753130\t(none)\t(none)\t0\t(none)\t0\t(none)
";

#[test]
fn a_list() {
    let found = read(&Mariner, PATH, REAL.as_bytes());
    let by = |vendor: Option<&str>, package| Package { vendor: vendor.map(ToOwned::to_owned), ..package };
    let expected = [
        by(Some(VENDOR), package(Kind, "mariner-release", "2.0-12.cm2", "noarch", ("", ""))),
        by(Some(VENDOR), package(Kind, "openssl-libs", "1.1.1k-15.cm2", "x86_64", ("openssl", "1.1.1k-15.cm2"))),
        by(None, package(Kind, "tzdata", "2:2022a-1.cm2", "noarch", ("", ""))),
    ];
    assert_eq!(found.packages, expected);
    assert!(found.problems.is_empty() && found.owned.is_empty(), "{:?}", found.problems);
}

#[test]
fn what_is_broken_is_said() {
    for (line, packages, problem) in [
        ("a\t1-1\t0\t0\tv\t(none)\t0\tnoarch\t0", 0, "line 1 is no package of ten fields"),
        ("a\t1-1\t0\t0\tv\t(none)\t0\tnoarch\t0\ta-1-1.src.rpm\tmore", 0, "line 1 is no package of ten fields"),
        ("\t1-1\t0\t0\tv\t(none)\t0\tnoarch\t0\ta-1-1.src.rpm", 0, "a package has no name"),
        ("a\t\t0\t0\tv\t(none)\t0\tnoarch\t0\ta-1-1.src.rpm", 1, "a has no version"),
        ("a\t1-1\t0\t0\tv\t(none)\t0\tnoarch\t0\twhat", 1, "the source of a is no name of a source package"),
    ] {
        let found = read(&Mariner, PATH, line.as_bytes());
        assert_eq!((found.packages.len(), found.problems), (packages, vec![problem.to_owned()]), "{line}");
    }
}

#[test]
fn an_epoch_is_in_either_field() {
    for (epoch, number, version) in [("(none)", "0", "1-1"), ("3", "(none)", "3:1-1"), ("(none)", "3", "3:1-1")] {
        let line = format!("a\t1-1\t0\t0\tv\t{epoch}\t0\tnoarch\t{number}\ta-1-1.src.rpm\r\n\n");
        let found = read(&Mariner, PATH, line.as_bytes());
        assert_eq!(found.packages.iter().map(|found| found.version.as_str()).collect::<Vec<_>>(), [version]);
        assert!(found.problems.is_empty());
    }
}

#[test]
fn wanted_files() {
    assert!(wants(&Mariner, PATH, 0));
    assert!(!wants(&Mariner, "var/lib/rpmmanifest/container-manifest-1", 10));
}

#[test]
fn changed_lists() {
    mutate::inputs(Form::Text, &[REAL], 4_000, |content| hold(&Mariner, PATH, content));
}
