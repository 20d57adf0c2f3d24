//! How severe a vulnerability is: the distribution's word, else what CVSS says, else that nobody said.

use serde::{Deserialize, Serialize};

use crate::advisory::{Kind, Rating};

/// A severity as ECR has it, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Nobody said.
    #[default]
    Undefined,
    /// It is known, and matters to hardly anybody.
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// All severities, the greatest first.
    pub const ALL: [Self; 6] =
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Informational, Self::Undefined];

    /// Its place among all, the greatest being 0.
    pub fn rank(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).unwrap_or(Self::ALL.len())
    }

    /// Its name in ECR's answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undefined => "UNDEFINED",
            Self::Informational => "INFORMATIONAL",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }

    /// The severity that a feed's word stands for; `None` for words that assign none, such as Debian's `not yet assigned`.
    pub fn of_word(word: &str) -> Option<Self> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" => Self::High,
            "medium" | "moderate" => Self::Medium,
            "low" => Self::Low,
            "unimportant" | "negligible" | "informational" => Self::Informational,
            _ => return None,
        })
    }

    /// The severity of a base score, as NVD parts them; version 2 of CVSS knows no critical one.
    pub fn of_score(version: u8, score: f64) -> Self {
        if version < 3 {
            return if score >= 7.0 {
                Self::High
            } else if score >= 4.0 {
                Self::Medium
            } else {
                Self::Low
            };
        }
        if score >= 9.0 {
            Self::Critical
        } else if score >= 7.0 {
            Self::High
        } else if score >= 4.0 {
            Self::Medium
        } else if score > 0.0 {
            Self::Low
        } else {
            Self::Informational
        }
    }
}

impl Rating {
    /// The rating of a vector; `None` for what is no vector of CVSS.
    pub fn of_vector(source: &str, vector: &str) -> Option<Self> {
        // Vectors with all metrics of version 4 have some 200 letters.
        let vector = vector.trim();
        let parsed: cvss::Cvss = if vector.len() <= 512 { vector.parse().ok()? } else { return None };
        let version = match parsed {
            cvss::Cvss::CvssV20(_) => 2,
            cvss::Cvss::CvssV40(_) => 4,
            _ => 3,
        };
        Some(Self { source: source.to_owned(), version, vector: vector.to_owned(), score: parsed.score() })
    }

    /// The severity that it stands for.
    pub fn severity(&self) -> Severity {
        Severity::of_score(self.version, self.score)
    }
}

/// What is known of a vulnerability's severity, by who said it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opinions<'a> {
    /// What the advisory is.
    pub kind: Kind,
    /// The word for this package, or the advisory's.
    pub word: Option<&'a str>,
    /// The ratings for this package, or the advisory's.
    pub ratings: &'a [Rating],
    /// NVD's ratings.
    pub national: &'a [Rating],
    /// The word of another advisory on the same vulnerability, such as GitHub's.
    pub elsewhere: Option<&'a str>,
}

/// A severity and who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Judged {
    /// The severity.
    pub severity: Severity,
    /// Who said it.
    pub by: Judge,
}

/// Who said how severe a vulnerability is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// The feed, by its own word.
    Vendor,
    /// The CVSS of the feed.
    VendorCvss,
    /// The CVSS of NVD.
    NationalCvss,
    /// Another advisory on the same vulnerability.
    Elsewhere,
    /// Nobody.
    #[default]
    Nobody,
}

/// The severity by these opinions: the first that has one, from the vendor's word on.
pub fn judge(opinions: &Opinions<'_>) -> Judged {
    let word = |word: Option<&str>| word.and_then(Severity::of_word);
    let rated = |ratings: &[Rating]| best(ratings).map(Rating::severity);
    let judged = |severity, by| Judged { severity, by };
    if opinions.kind == Kind::Malicious {
        return judged(Severity::Critical, Judge::Vendor);
    }
    word(opinions.word)
        .map(|severity| judged(severity, Judge::Vendor))
        .or_else(|| rated(opinions.ratings).map(|severity| judged(severity, Judge::VendorCvss)))
        .or_else(|| rated(opinions.national).map(|severity| judged(severity, Judge::NationalCvss)))
        .or_else(|| word(opinions.elsewhere).map(|severity| judged(severity, Judge::Elsewhere)))
        .unwrap_or_default()
}

/// The rating that counts: version 3 before 4 before 2, as most are rated by it and scores are compared.
pub fn best(ratings: &[Rating]) -> Option<&Rating> {
    [3, 4, 2].into_iter().find_map(|version| ratings.iter().find(|rating| rating.version == version))
}
