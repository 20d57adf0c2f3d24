//! What an advisory says of versions, as a table.

use proptest::prelude::*;
use proptest::sample::select;
use scan::versions::Event::{Fixed, Introduced, LastAffected, Limit};
use scan::versions::Verdict::{Affected, NotAffected, Unknown};
use scan::versions::{Event, Range, Scheme, Verdict};

struct Row {
    name: &'static str,
    scheme: Scheme,
    events: &'static [Event<'static>],
    versions: &'static [&'static str],
    verdicts: &'static [(&'static str, Verdict)],
}

const ROWS: &[Row] = &[
    Row {
        name: "fixed closes before its version",
        scheme: Scheme::Semver,
        events: &[Introduced("1.0.0"), Fixed("1.2.0")],
        versions: &[],
        verdicts: &[
            ("0.9.9", NotAffected),
            ("1.0.0-rc.1", NotAffected),
            ("1.0.0", Affected),
            ("1.2.0-rc.1", Affected),
            ("1.2.0", NotAffected),
            ("latest", Unknown),
        ],
    },
    Row {
        name: "last_affected closes behind its version",
        scheme: Scheme::Maven,
        events: &[Introduced("0"), LastAffected("2.0")],
        versions: &[],
        verdicts: &[("0", Affected), ("alpha1", Affected), ("2.0.0.Final", Affected), ("2.0-1", NotAffected)],
    },
    Row {
        name: "several spans in one range, in any order",
        scheme: Scheme::Pep440,
        events: &[Fixed("2.5"), Introduced("0"), Introduced("2.0"), Fixed("1.5")],
        versions: &[],
        verdicts: &[
            ("1.4", Affected),
            ("1.5", NotAffected),
            ("1.9", NotAffected),
            ("2.0", Affected),
            ("2.5", NotAffected),
        ],
    },
    Row {
        name: "at the same version the order of the advisory holds",
        scheme: Scheme::Semver,
        events: &[Introduced("1.0"), Fixed("1.0.0")],
        versions: &[],
        verdicts: &[("1.0.0", NotAffected), ("2.0.0", NotAffected)],
    },
    Row {
        name: "0 is before every version",
        scheme: Scheme::Dpkg,
        events: &[Introduced("0"), Fixed("1.0-1")],
        versions: &[],
        verdicts: &[("0~~1", Affected), ("1.0-1~bpo12+1", Affected), ("1.0-1", NotAffected)],
    },
    Row {
        name: "no fix",
        scheme: Scheme::RubyGems,
        events: &[Introduced("1.0")],
        versions: &[],
        verdicts: &[("0.9", NotAffected), ("1.0.rc1", NotAffected), ("99", Affected), ("unknown", Unknown)],
    },
    Row {
        name: "all versions, even what is none",
        scheme: Scheme::Packagist,
        events: &[Introduced("0")],
        versions: &[],
        verdicts: &[("1.0", Affected), ("dev-main", Affected), ("", Affected)],
    },
    Row {
        name: "no introduction: from the first version on",
        scheme: Scheme::Apk,
        events: &[Fixed("1.2.3-r4")],
        versions: &[],
        verdicts: &[("1.2.3-r3", Affected), ("1.2.3-r4", NotAffected)],
    },
    Row {
        name: "of several limits the last one counts",
        scheme: Scheme::Go,
        events: &[Introduced("0"), Limit("1.2.0"), Limit("1.4.0")],
        versions: &[],
        verdicts: &[("v1.3.9", Affected), ("v1.4.0", NotAffected)],
    },
    Row {
        name: "no limit",
        scheme: Scheme::Go,
        events: &[Introduced("1.0.0"), Limit("*")],
        versions: &[],
        verdicts: &[("v9.0.0", Affected)],
    },
    Row {
        name: "listed versions beside a range",
        scheme: Scheme::NuGet,
        events: &[Introduced("2.0"), Fixed("2.1")],
        versions: &["1.0.0-Beta", "odd build"],
        verdicts: &[
            ("1.0-beta", Affected),
            ("1.0", NotAffected),
            ("2.0.5", Affected),
            ("odd build", Affected),
            ("odd", Unknown),
        ],
    },
    Row {
        name: "listed versions alone",
        scheme: Scheme::Pep440,
        events: &[],
        versions: &["1.0", "1.1"],
        verdicts: &[("1.0.0", Affected), ("1.1+cpu", Affected), ("1.2", NotAffected), ("trunk", Unknown)],
    },
    Row {
        name: "nothing is said",
        scheme: Scheme::Semver,
        events: &[],
        versions: &[],
        verdicts: &[("1.0.0", Unknown)],
    },
    Row {
        name: "a bound that is no version",
        scheme: Scheme::Dpkg,
        events: &[Introduced("0"), Fixed("<unfixed>")],
        versions: &["1.0-1"],
        verdicts: &[("1.0-2", Unknown), ("1.0-1", Affected)],
    },
    Row {
        name: "a bound of rpm without release stands for all of them",
        scheme: Scheme::Rpm,
        events: &[Introduced("1.0"), LastAffected("0:2.0")],
        versions: &[],
        verdicts: &[
            ("1.0-1.el9", Affected),
            ("2.0-9.el9", Affected),
            ("2.0.1-1.el9", NotAffected),
            ("1:1.5-1", NotAffected),
        ],
    },
    Row {
        name: "a fix of rpm with a release",
        scheme: Scheme::Rpm,
        events: &[Introduced("0"), Fixed("0:4.19.1-1.el7_5")],
        versions: &[],
        verdicts: &[("4.19.1-1.el7", Affected), ("4.19.1-1.el7_5", NotAffected), ("4.19.1", Affected)],
    },
    Row {
        name: "a bound of PEP 440 without local part stands for all of them",
        scheme: Scheme::Pep440,
        events: &[Introduced("0"), LastAffected("2.0.0")],
        versions: &[],
        verdicts: &[("2.0.0+cu118", Affected), ("2.0.0.post1", NotAffected)],
    },
    Row {
        name: "a fix that is a local part",
        scheme: Scheme::Pep440,
        events: &[Introduced("0"), Fixed("2.0.0+cgr.2")],
        versions: &[],
        verdicts: &[("2.0.0", Affected), ("2.0.0+cgr.1", Affected), ("2.0.0+cgr.12", NotAffected)],
    },
];

#[test]
fn each_row_holds() {
    for row in ROWS {
        let range = Range::new(row.scheme, row.events.iter().copied(), row.versions.iter().copied());
        for (version, verdict) in row.verdicts {
            assert_eq!(range.affects(version), *verdict, "{}: {version}", row.name);
        }
    }
}

#[test]
fn of_several_answers_the_greatest_holds() {
    assert_eq!([NotAffected, Affected, Unknown].into_iter().max(), Some(Affected));
    assert_eq!([NotAffected, Unknown].into_iter().max(), Some(Unknown));
}

/// The evaluation as the specification of OSV has it, on whole numbers.
fn is_affected(events: &[(u8, u32)], version: u32) -> bool {
    let mut sorted = events.to_vec();
    sorted.sort_by_key(|(_, at)| *at);
    let mut is_affected = !events.iter().any(|(kind, _)| *kind == 0);
    for (kind, at) in sorted {
        match kind {
            0 if version >= at => is_affected = true,
            1 if version >= at => is_affected = false,
            2 if version > at => is_affected = false,
            _ => {}
        }
    }
    let mut limits = events.iter().filter(|(kind, _)| *kind == 3).map(|(_, at)| *at).peekable();
    is_affected && (limits.peek().is_none() || limits.any(|limit| version < limit))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_mean_what_osv_says(
        scheme in select(&Scheme::ALL[..]),
        events in prop::collection::vec((0..4_u8, 1..9_u32), 1..6),
        version in 1..10_u32,
    ) {
        let texts: Vec<(u8, String)> = events.iter().map(|(kind, at)| (*kind, at.to_string())).collect();
        let written = texts.iter().map(|(kind, at)| match kind {
            0 => Introduced(at),
            1 => Fixed(at),
            2 => LastAffected(at),
            _ => Limit(at),
        });
        let verdict = Range::new(scheme, written, []).affects(&version.to_string());
        prop_assert_eq!(verdict == Affected, is_affected(&events, version));
        prop_assert!(verdict != Unknown);
    }
}
