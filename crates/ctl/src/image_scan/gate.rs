//! Which findings count, and what follows from them: a pipeline goes on, stops, or knows nothing.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::finding::Finding;
use super::{ImageScan, Platform, SEVERITY};
use crate::count::counted;

/// How severe a vulnerability is, the most severe first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Severity {
    Critical,
    High,
    Medium,
    Low,
    Informational,
    /// Nobody has said; also what newer servers may say.
    #[serde(other)]
    Undefined,
}

impl Severity {
    /// As ECR writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
            Self::Informational => "INFORMATIONAL",
            Self::Undefined => "UNDEFINED",
        }
    }
}

/// From which severity on findings count.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum FailOn {
    Critical,
    High,
    Medium,
    Low,
    /// Also what matters to hardly anybody, and what nobody has judged.
    #[default]
    Any,
}

impl FailOn {
    /// Whether a severity is at least this one.
    pub(crate) fn takes(self, severity: Severity) -> bool {
        let least = match self {
            Self::Critical => Severity::Critical,
            Self::High => Severity::High,
            Self::Medium => Severity::Medium,
            Self::Low => Severity::Low,
            Self::Any => return true,
        };
        severity <= least
    }

    /// As a sentence has it: `2 of them are of severity HIGH or above`.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Critical => " of severity CRITICAL",
            Self::High => " of severity HIGH or above",
            Self::Medium => " of severity MEDIUM or above",
            Self::Low => " of severity LOW or above",
            Self::Any => "",
        }
    }
}

/// Which findings are looked at, and which of them count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gate {
    pub(crate) fail_on: FailOn,
    /// Only those of at least this severity are looked at.
    pub(crate) least: FailOn,
    /// Only those that a version fixes are looked at.
    pub(crate) is_only_fixed: bool,
    /// Whether those count that are in what does not run.
    pub(crate) with_not_runtime: bool,
}

/// What follows for whoever asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Verdict {
    /// All of it was looked at, and nothing counts.
    Clean,
    /// Something counts.
    Findings,
    /// Nothing counts of what was found, but not all of it was looked at.
    Unknown,
}

impl Gate {
    /// Whether a finding is looked at.
    pub(crate) fn shows(self, finding: &Finding) -> bool {
        self.least.takes(finding.severity) && (!self.is_only_fixed || finding.fixed_in.is_some())
    }

    /// Whether a finding stands among those of what runs.
    pub(crate) fn includes(self, finding: &Finding) -> bool {
        self.with_not_runtime || finding.is_runtime()
    }

    /// Whether a finding counts.
    pub(crate) fn counts(self, finding: &Finding) -> bool {
        self.shows(finding) && self.includes(finding) && self.fail_on.takes(finding.severity)
    }

    /// Why it cannot be said that nothing else counts, with what the scans say of that: of all findings, also those that are not
    /// shown.
    pub(super) fn gaps(self, scan: &ImageScan) -> Vec<String> {
        scan.gaps().into_iter().chain(self.unrated(scan)).collect()
    }

    /// The same beside what shows how far the scans are.
    pub(super) fn short_gaps(self, scan: &ImageScan) -> Vec<String> {
        scan.short_gaps().into_iter().chain(self.unrated(scan)).collect()
    }

    /// Of which platforms it cannot be said that no finding is so severe that it counts: who would tell was not there.
    fn unrated(self, scan: &ImageScan) -> Vec<String> {
        let of_platform = |platform: &Platform| {
            let lacking = platform.found.as_ref()?.lacks(SEVERITY);
            let is_unrated = |finding: &&Finding| {
                finding.image_digest == platform.image_digest
                    && finding.severity == Severity::Undefined
                    && (!self.is_only_fixed || finding.fixed_in.is_some())
                    && self.includes(finding)
            };
            let unrated = scan.findings.iter().filter(is_unrated).count();
            let is_any_enough = self.fail_on.takes(Severity::Undefined) && self.least.takes(Severity::Undefined);
            if is_any_enough || lacking.is_empty() || unrated == 0 {
                return None;
            }
            let findings = counted(unrated, "finding has", "findings have");
            let said = format!("{findings} no severity, as {} was not there to tell it", lacking.join(", "));
            Some(scan.named(platform, said))
        };
        scan.platforms.iter().filter_map(of_platform).collect()
    }

    /// What follows from all of them, with what is [not known](Self::gaps).
    pub(crate) fn verdict(self, scan: &ImageScan, gaps: &[String]) -> Verdict {
        if scan.findings.iter().any(|finding| self.counts(finding)) {
            Verdict::Findings
        } else if gaps.is_empty() {
            Verdict::Clean
        } else {
            Verdict::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds() {
        use Severity::{Critical, High, Informational, Low, Medium, Undefined};
        let all = [Critical, High, Medium, Low, Informational, Undefined];
        for (fail_on, taken) in
            [(FailOn::Critical, 1), (FailOn::High, 2), (FailOn::Medium, 3), (FailOn::Low, 4), (FailOn::Any, 6)]
        {
            let takes: Vec<Severity> = all.into_iter().filter(|severity| fail_on.takes(*severity)).collect();
            assert_eq!(takes, all[..taken], "{fail_on:?}");
        }
        let read: Severity = serde_json::from_str("\"UNTRIAGED\"").expect("a severity");
        assert_eq!(read, Undefined);
    }
}
