//! Severities: the words of each feed, and what decides where a feed has none.

use scan::{
    advisory::{Kind, Rating},
    severity::{self, Judge, Opinions, Severity},
};

fn rating(version: u8, score: f64) -> Rating {
    Rating { source: "test".to_owned(), version, vector: String::new(), score }
}

/// A feed's words, and what each stands for.
type Words = (&'static str, &'static [(&'static str, Option<Severity>)]);

#[test]
fn words_of_each_feed() {
    let feeds: [Words; 7] = [
        (
            "Debian",
            &[
                ("unimportant", Some(Severity::Informational)),
                ("low", Some(Severity::Low)),
                ("medium", Some(Severity::Medium)),
                ("high", Some(Severity::High)),
                ("not yet assigned", None),
                ("end-of-life", None),
            ],
        ),
        (
            "Ubuntu",
            &[
                ("negligible", Some(Severity::Informational)),
                ("low", Some(Severity::Low)),
                ("medium", Some(Severity::Medium)),
                ("high", Some(Severity::High)),
                ("critical", Some(Severity::Critical)),
                ("untriaged", None),
            ],
        ),
        (
            "Red Hat, Alma, Rocky",
            &[
                ("Low", Some(Severity::Low)),
                ("Moderate", Some(Severity::Medium)),
                ("Important", Some(Severity::High)),
                ("Critical", Some(Severity::Critical)),
                ("None", None),
            ],
        ),
        (
            "Amazon",
            &[("low", Some(Severity::Low)), ("Medium", Some(Severity::Medium)), ("important", Some(Severity::High))],
        ),
        ("Oracle", &[("MODERATE", Some(Severity::Medium)), ("N/A", None)]),
        ("GitHub", &[("MODERATE", Some(Severity::Medium)), ("CRITICAL", Some(Severity::Critical))]),
        ("none", &[("", None), ("UNKNOWN", None)]),
    ];
    for (feed, words) in feeds {
        for (word, severity) in words {
            assert_eq!(Severity::of_word(word), *severity, "{feed}: {word}");
        }
    }
}

#[test]
fn scores() {
    let cases = [
        (3, 0.0, Severity::Informational),
        (3, 0.1, Severity::Low),
        (3, 4.0, Severity::Medium),
        (3, 7.0, Severity::High),
        (4, 9.0, Severity::Critical),
        (2, 3.9, Severity::Low),
        (2, 6.9, Severity::Medium),
        (2, 10.0, Severity::High),
    ];
    for (version, score, severity) in cases {
        assert_eq!(Severity::of_score(version, score), severity, "{version} {score}");
    }
}

#[test]
fn vectors() {
    let cases = [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 3, 9.8),
        ("CVSS:3.0/AV:L/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L", 3, 4.0),
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", 2, 7.5),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 4, 9.3),
    ];
    for (vector, version, score) in cases {
        let rating = Rating::of_vector("test", vector).expect(vector);
        assert_eq!(rating.version, version, "{vector}");
        assert!((rating.score - score).abs() < 0.01, "{vector}: {}", rating.score);
    }
    for nonsense in ["", "high", "CVSS:9.9/AV:N", "CVSS:3.1/AV:X"] {
        assert_eq!(Rating::of_vector("test", nonsense), None, "{nonsense}");
    }
}

#[test]
fn who_decides() {
    let (low, high) = ([rating(3, 2.0)], [rating(3, 8.0)]);
    let all = Opinions {
        kind: Kind::Vulnerability,
        word: Some("medium"),
        ratings: &low,
        national: &high,
        elsewhere: Some("CRITICAL"),
    };
    let cases = [
        (all, Severity::Medium, Judge::Vendor),
        (Opinions { word: Some("not yet assigned"), ..all }, Severity::Low, Judge::VendorCvss),
        (Opinions { word: None, ratings: &[], ..all }, Severity::High, Judge::NationalCvss),
        (Opinions { word: None, ratings: &[], national: &[], ..all }, Severity::Critical, Judge::Elsewhere),
        (Opinions { kind: Kind::Malicious, ..all }, Severity::Critical, Judge::Vendor),
        (Opinions::default(), Severity::Undefined, Judge::Nobody),
    ];
    for (opinions, severity, by) in cases {
        let judged = severity::judge(&opinions);
        assert_eq!((judged.severity, judged.by), (severity, by), "{opinions:?}");
    }
    assert_eq!(severity::best(&[rating(2, 1.0), rating(4, 2.0), rating(3, 3.0)]).map(|rating| rating.version), Some(3));
}
