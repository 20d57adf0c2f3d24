//! The tables of `tests/versions`: each row holds, and so does its mirror image, but for the rows that are listed as wrong.

use std::cmp::Ordering;

use scan::versions::{Scheme, compare_rpm_part};

type Compare = fn(&str, &str) -> Ordering;

/// A table: its name, its rows, what orders its versions, and how many rows it has.
pub struct Table {
    pub name: &'static str,
    text: &'static str,
    compare: Compare,
    rows: usize,
}

/// Rows that no total order can have, or that the scheme's own tool has otherwise: the table, the rows, and the proof.
const WRONG: &[(&str, &[&str], &str)] = &[
    (
        "redhat",
        &[
            "1:0 < 1",
            "4.19.0-1.el7_5 > 12:4.19.0-1.el7",
            "3:4.19.0-1.el7_5 < 4.21.0-1.el7",
            "2:4.19.01-1.el7_5 = 4.19.1-1.el7_5",
            "4.19.01-1.el7_5 = 2:4.19.1-1.el7_5",
        ],
        "they take a missing epoch for any epoch: then 0:1 = 1 = 2:1, though the table has 0:1 < 1:1 < 2:1. For others of its \
         rows a missing epoch is 0, as it is for rpm: 0:0 = 0 and 13 < 14:2",
    ),
    ("maven", &["2.9.0-1 < 2.9.0.RC1"], "2.9.0.RC1 is a candidate for 2.9.0, and 2.9.0 < 2.9.0-1 as 1.0 < 1.0-1"),
    (
        "maven",
        &[
            "6.1.12.rc5 < 6.1.12rc1",
            "1.1.46.sec10 < 1.1.46_noneautotype",
            "1.2.31.sec10 < 1.2.31_noneautotype",
            "1.2.48.sec10 < 1.2.48_noneautotype",
            "1.2.57.sec10 < 1.2.57_noneautotype",
        ],
        "a word behind a dot is the same as behind a dash (reference of the POM, version order), so that words decide: \
         rc5 > rc1, and sec > _noneautotype as text",
    ),
    ("packagist", &["1.0.0 > 1.0"], "both are 1.0.0.0 for Composer; `version_compare` sees them before that"),
    ("packagist", &["1.2.3.# = 1.2.3.1"], "1.2.3.# = 1.2.3, and that is before 1.2.3.1"),
    (
        "packagist",
        &["v1.9.0-ALPHA.1 = v1.9.0-BETA.1", "v1.9.0-ALPHA.2 = v1.9.0-BETA.2"],
        "Composer reads stabilities in any case, so alpha < beta",
    ),
    (
        "packagist",
        &["5.1.0-stable < 5.1.0-beta2"],
        "Composer drops `stable`; to `version_compare` it is an unknown word, before every known one",
    ),
    (
        "packagist",
        &["v6.5 < v6.5.0-beta-0", "v6.6 < v6.6.0-beta"],
        "both begin with 6.5.0.0 (6.6.0.0) for Composer, and a beta is before what it is a beta of",
    ),
];

pub const TABLES: &[Table] = &[
    Table {
        name: "alpine",
        text: include_str!("../versions/alpine.txt"),
        compare: |a, b| Scheme::Apk.compare(a, b),
        rows: 5687,
    },
    Table {
        name: "debian",
        text: include_str!("../versions/debian.txt"),
        compare: |a, b| Scheme::Dpkg.compare(a, b),
        rows: 4869,
    },
    Table {
        name: "redhat",
        text: include_str!("../versions/redhat.txt"),
        compare: |a, b| Scheme::Rpm.compare(a, b),
        rows: 191,
    },
    Table {
        name: "rpm-segment",
        text: include_str!("../versions/rpm-segment.txt"),
        compare: compare_rpm_part,
        rows: 103,
    },
    Table {
        name: "semver",
        text: include_str!("../versions/semver.txt"),
        compare: |a, b| Scheme::Semver.compare(a, b),
        rows: 86,
    },
    Table {
        name: "npm",
        text: include_str!("../versions/npm.txt"),
        compare: |a, b| Scheme::Semver.compare(a, b),
        rows: 20,
    },
    Table {
        name: "golang",
        text: include_str!("../versions/golang.txt"),
        compare: |a, b| Scheme::Go.compare(a, b),
        rows: 31,
    },
    Table {
        name: "pypi",
        text: include_str!("../versions/pypi.txt"),
        compare: |a, b| Scheme::Pep440.compare(a, b),
        rows: 4173,
    },
    Table {
        name: "maven",
        text: include_str!("../versions/maven.txt"),
        compare: |a, b| Scheme::Maven.compare(a, b),
        rows: 5548,
    },
    Table {
        name: "rubygems",
        text: include_str!("../versions/rubygems.txt"),
        compare: |a, b| Scheme::RubyGems.compare(a, b),
        rows: 4165,
    },
    Table {
        name: "packagist",
        text: include_str!("../versions/packagist.txt"),
        compare: |a, b| Scheme::Packagist.compare(a, b),
        rows: 5409,
    },
    Table {
        name: "nuget",
        text: include_str!("../versions/nuget.txt"),
        compare: |a, b| Scheme::NuGet.compare(a, b),
        rows: 39,
    },
    Table {
        name: "bitnami",
        text: include_str!("../versions/bitnami.txt"),
        compare: |a, b| Scheme::Bitnami.compare(a, b),
        rows: 10,
    },
];

/// The versions and the order of a row.
fn row(line: &str) -> (&str, Ordering, &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let [a, sign, b] = words[..] else { panic!("'{line}' is no row") };
    let order = match sign {
        "<" => Ordering::Less,
        "=" => Ordering::Equal,
        ">" => Ordering::Greater,
        _ => panic!("'{line}' has no order"),
    };
    (a, order, b)
}

/// The versions of the table of a scheme.
pub fn versions(name: &str) -> Vec<&'static str> {
    let table = TABLES.iter().find(|table| table.name == name).expect("a table");
    table.text.lines().map(row).flat_map(|(a, _, b)| [a, b]).collect()
}

#[test]
fn each_row_holds() {
    let mut faults = Vec::new();
    for table in TABLES {
        let wrong = WRONG.iter().filter(|(name, ..)| *name == table.name).flat_map(|(_, rows, _)| *rows);
        let wrong: Vec<&str> = wrong.copied().collect();
        let (mut rows, mut refused) = (0, Vec::new());
        for line in table.text.lines() {
            let (a, order, b) = row(line);
            let found = (table.compare)(a, b);
            assert_eq!((table.compare)(b, a), found.reverse(), "{}: {line} in the mirror", table.name);
            rows += 1;
            if found != order {
                refused.push(line);
                if !wrong.contains(&line) {
                    faults.push(format!("{}: {line}, and {found:?} was found", table.name));
                }
            }
        }
        println!("{}: {} of {rows} rows hold", table.name, rows - refused.len());
        assert_eq!(rows, table.rows, "{}", table.name);
        let right = wrong.iter().filter(|line| !refused.contains(line));
        faults.extend(right.map(|line| format!("{}: {line} holds: it is not wrong", table.name)));
    }
    assert!(faults.is_empty(), "{} rows:\n{}", faults.len(), faults.join("\n"));
}
