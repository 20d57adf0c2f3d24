//! The order of each scheme is total: it can be turned round, does not run in a circle, and knows what is equal.

use std::cmp::Ordering;

use proptest::prelude::*;
use proptest::sample::select;
use scan::versions::{Scheme, compare_rpm_part};

use crate::tables;

fn scheme() -> impl Strategy<Value = Scheme> {
    select(&Scheme::ALL[..])
}

/// What versions are made of, so that short texts often have the same beginning.
const PIECES: &[&str] = &[
    "0",
    "00",
    "1",
    "01",
    "2",
    "9",
    "10",
    "18446744073709551616",
    ".",
    ".",
    ".",
    "-",
    "-",
    "_",
    "+",
    "~",
    "^",
    ":",
    "!",
    "#",
    " ",
    "a",
    "b",
    "m",
    "p",
    "r",
    "rc",
    "RC",
    "cr",
    "alpha",
    "Beta",
    "dev",
    "post",
    "pre",
    "final",
    "ga",
    "sp",
    "SNAPSHOT",
    "stable",
    "v",
    "go",
    "x",
    "A",
    "é",
    "r1",
    "-r0",
    "_p1",
    "_rc",
    "~f0",
    "x86",
    "\0",
];

fn version_like() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(select(PIECES), 0..8).prop_map(|pieces| pieces.concat());
    // One that begins as most versions do, and one as it comes.
    prop_oneof![
        pieces.clone().prop_map(|rest| format!("1.{rest}")),
        pieces.clone().prop_map(|rest| format!("1{rest}")),
        pieces
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => version_like(), 1 => any_text()]
}

/// What is wrong with the order of three texts, if anything.
fn fault(compare: impl Fn(&str, &str) -> Ordering, texts: [&str; 3]) -> Option<String> {
    for a in texts {
        if compare(a, a).is_ne() {
            return Some(format!("{a:?} is not itself"));
        }
        for b in texts {
            if compare(b, a) != compare(a, b).reverse() {
                return Some(format!("{a:?} and {b:?} are {:?} and {:?}", compare(a, b), compare(b, a)));
            }
            for c in texts {
                let (first, second) = (compare(a, b), compare(b, c));
                // Equal ones have the same place among all others.
                let whole = if first.is_eq() { second } else { first };
                if (second.is_eq() || second == whole) && compare(a, c) != whole {
                    return Some(format!("{a:?} {first:?} {b:?} {second:?} {c:?}, but {:?}", compare(a, c)));
                }
            }
        }
    }
    None
}

fn rounds(short: u32) -> ProptestConfig {
    let is_long = std::env::var("WHARF_TEST_SOAK").is_ok_and(|value| value == "1");
    ProptestConfig {
        cases: if is_long { short * 50 } else { short },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(rounds(3_000))]

    #[test]
    fn texts_have_one_order(scheme in scheme(), a in text(), b in text(), c in text()) {
        let fault = fault(|a, b| scheme.compare(a, b), [&a, &b, &c]);
        prop_assert!(fault.is_none(), "{scheme:?}: {fault:?}");
    }

    #[test]
    fn parts_of_rpm_have_one_order(a in text(), b in text(), c in text()) {
        let fault = fault(compare_rpm_part, [&a, &b, &c]);
        prop_assert!(fault.is_none(), "{fault:?}");
    }

    #[test]
    fn white_space_around_versions_does_not_count(scheme in scheme(), a in text(), b in text()) {
        prop_assert_eq!(scheme.compare(&format!("\t{a} \n"), &b), scheme.compare(&a, &b));
        prop_assert_eq!(scheme.is_version(&format!(" {a} ")), scheme.is_version(&a));
    }

    /// A bound leaves open what it does not say, and no more than that.
    #[test]
    fn bounds_are_versions(scheme in scheme(), version in text(), bound in text()) {
        let order = scheme.compare_to_bound(&version, &bound);
        prop_assert!(order == scheme.compare(&version, &bound) || order.is_eq() || scheme == Scheme::Pep440);
    }
}

/// Triples of real versions, near each other and far from each other.
#[test]
fn real_versions_have_one_order() {
    let schemes = [
        (Scheme::Apk, "alpine"),
        (Scheme::Dpkg, "debian"),
        (Scheme::Rpm, "redhat"),
        (Scheme::Semver, "semver"),
        (Scheme::Go, "golang"),
        (Scheme::Pep440, "pypi"),
        (Scheme::Maven, "maven"),
        (Scheme::RubyGems, "rubygems"),
        (Scheme::Packagist, "packagist"),
        (Scheme::NuGet, "nuget"),
        (Scheme::Bitnami, "bitnami"),
    ];
    for (scheme, table) in schemes {
        let mut versions = tables::versions(table);
        let count = versions.len();
        for step in [1, 7, count / 3] {
            for at in (0..count).step_by(5) {
                let texts = [0, 1, 2].map(|index| versions[(at + index * step) % count]);
                assert_eq!(fault(|a, b| scheme.compare(a, b), texts), None, "{scheme:?}: {texts:?}");
            }
        }
        versions.sort_by(|a, b| scheme.compare(a, b));
        // In the sorted list all pairs have the order of their places; neighbours and some far apart are looked at.
        for distance in [1, 2, 5, 50, 500] {
            for (one, other) in versions.iter().zip(versions.iter().skip(distance)) {
                assert!(scheme.compare(one, other).is_le(), "{scheme:?}: {one} and {other}");
            }
        }
    }
}

#[test]
fn long_versions_take_no_longer_than_they_are() {
    let pieces = ["0.", "1.", "a.", "a1", "0-", "-", "~", "^", "_p1", "0", "9", ":", "+", "!", ".0a", "#", "é", "-r"];
    for scheme in Scheme::ALL {
        for piece in pieces {
            let one = format!("1.{}", piece.repeat(4_000));
            let other = format!("{one}1");
            assert_eq!(scheme.compare(&one, &other), scheme.compare(&other, &one).reverse(), "{scheme:?} {piece}");
            assert_eq!(scheme.compare(&one, &one), Ordering::Equal, "{scheme:?} {piece}");
            let _ = scheme.is_version(&one);
        }
    }
}

/// What the tables do not have: `<` and `=` between neighbours.
const CHAINS: &[(Scheme, &str)] = &[
    (
        Scheme::Apk,
        "a < 1_alpha < 1_alpha1 < 1_beta < 1_rc < 1?x < 1 < 1-r1 < 1~0a < 1_git1 < 1_p < 1a < 1.0 < 1.01 < 1.1 < 1.10",
    ),
    (Scheme::Dpkg, "1~rc1-1 < 1 = 1-0 < 1-1~bpo1 < 1-1 < 1-1+b1 < 1a-1 < 1.1-1 < 1:0.1 = 01:0.1"),
    (Scheme::Rpm, "~1 < 1~rc1-1 < 1 < 1-0 < 1-1 < 1^git1-1 < 1.1 < 1:0 < 2:0"),
    (Scheme::Semver, "nothing < 1.0.0-0 < 1.0.0-1 < 1.0.0-a < 1.0.0 = v1 = =1.0+5 < 1.0.0.1 < 18446744073709551616"),
    (Scheme::Semver, "1.0.0-beta = 1.0.0beta < 1.0.0-beta.0 < 1.0.0"),
    (
        Scheme::Go,
        "(devel) < v0.0.0-20200101000000-abcdefabcdef < go1.21-beta < go1.21rc2 = 1.21.0-rc.2 < go1.21rc10 < go1.21 = v1.21.0 = 1.21.0+incompatible < go1.21.3",
    ),
    (Scheme::Pep440, "trunk < 1.dev1 < 1a1 < 1rc1.dev1 < 1rc1 < 1 = 1.0.0 = v1 < 1+cpu < 1.post1 = 1-1 < 1!0"),
    (
        Scheme::Maven,
        "alpha < 1-alpha < 1a1 = 1.a1 = 1.0-alpha-1 < 1-b1 < 1-m1 < 1-cr = 1.0.RC < 1-SNAPSHOT < 1 = 1.0.Final < 1-sp < 1-x < 1-1 < 1.0.1 < 1.1",
    ),
    (
        Scheme::RubyGems,
        "x < 1.a = 1.0.a < 1.b < 1-1 = 1.pre.1 < 1.rc1 = 1.0.0.rc.1 < 1 = 1.0-x86_64-linux = 1.0-java < 1.0.1",
    ),
    (
        Scheme::Packagist,
        "dev-main < 1.x-dev < 1.0-dev < 1a1 < 1.0-BETA = 1.0.0b < 1rc < 1 = v1.0.0.0 = 1-stable = 1+5 < 1-p1 = 1.0-patch1 < 1.0.0.1 < 1.1-dev",
    ),
    (Scheme::NuGet, "1.0-0 < 1.0-ALPHA = 1-alpha < 1.0-alpha.1 < 1.0-beta < 1 = 1.0.0.0 = 1.0.0+x < 1.0.0.1"),
    (Scheme::Bitnami, "1.2.3-rc1 = 1.2.3-rc1-2 < 1.2.3 = 1.2.3-0 = 1.2.3-15 < 1.2.4"),
];

#[test]
fn each_chain_holds() {
    for (scheme, chain) in CHAINS {
        let words: Vec<&str> = chain.split(' ').collect();
        for pair in words.windows(3).step_by(2) {
            let order = if pair[1] == "<" { Ordering::Less } else { Ordering::Equal };
            assert_eq!(scheme.compare(pair[0], pair[2]), order, "{scheme:?}: {} {} {}", pair[0], pair[1], pair[2]);
        }
        let versions: Vec<&str> = words.into_iter().step_by(2).collect();
        for (at, one) in versions.iter().enumerate() {
            for other in &versions[at..] {
                assert!(scheme.compare(one, other).is_le(), "{scheme:?}: {one} and {other}");
            }
        }
    }
}

#[test]
fn what_is_a_version() {
    let rows: &[(Scheme, &[&str], &[&str])] = &[
        (Scheme::Apk, &["1", "1.9.5p2-r1", "20240226-r0"], &["", "edge", "1 2"]),
        (Scheme::Dpkg, &["1:2.3-4~deb12u1", "0"], &["", "<unfixed>", "none", "1 2"]),
        (Scheme::Rpm, &["0:1.2-3.el9_1", "1.0^git~1"], &["", "(none)", "-", "1 2"]),
        (Scheme::Semver, &["1.2.3-rc.1+5", "v1", "1.0.0beta1"], &["", "1.x", "^1.2", "*", "latest"]),
        (Scheme::Go, &["v1.2.3", "go1.21.3 X:nocoverageredesign", "1.22rc1"], &["", "(devel)", "devel go1.22"]),
        (Scheme::Pep440, &["1.0", "1!2.0rc1+local", "v1"], &["", "trunk", "1.0.x"]),
        (
            Scheme::Maven,
            &["1.0", "Hoxton.SR12", "r09", "1.0-SNAPSHOT"],
            &["", "${revision}", "[1.0,2.0)", "-", "unspecified"],
        ),
        (Scheme::RubyGems, &["1.0.rc1", "1.16.0-x86_64-linux"], &["", ">= 1.0", "edge"]),
        (Scheme::Packagist, &["v1.2.3", "1.0-beta2", "2.1.0+5"], &["", "dev-main", "1.x-dev", "^1.0"]),
        (Scheme::NuGet, &["1.2.3.4-Beta", "1.0"], &["", "[1.0]", "$(Version)"]),
        (Scheme::Bitnami, &["1.2.3-4"], &["", "latest"]),
    ];
    for (scheme, versions, others) in rows {
        for version in *versions {
            assert!(scheme.is_version(version), "{scheme:?}: {version:?}");
        }
        for other in *others {
            assert!(!scheme.is_version(other), "{scheme:?}: {other:?}");
        }
    }
}

#[test]
fn ecosystems_have_schemes() {
    for (name, scheme) in [
        ("Alpine:v3.20", Some(Scheme::Apk)),
        ("Debian:12", Some(Scheme::Dpkg)),
        ("Ubuntu:24.04:LTS", Some(Scheme::Dpkg)),
        ("Red Hat:enterprise_linux:9::baseos", Some(Scheme::Rpm)),
        ("Photon OS:5.0", Some(Scheme::Rpm)),
        ("npm", Some(Scheme::Semver)),
        ("PyPI", Some(Scheme::Pep440)),
        ("NPM", None),
        ("", None),
    ] {
        assert_eq!(Scheme::of_ecosystem(name), scheme, "{name}");
    }
}
