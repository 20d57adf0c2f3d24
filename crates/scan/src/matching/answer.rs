//! What matching answers: for each package and vulnerability whether it is affected, and why this is said.

use serde::{Deserialize, Serialize};

use crate::{advisory::State, severity::Judged};

/// The answer for one package and one vulnerability.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The package, by its place in the input.
    pub package: usize,
    /// The vulnerability: its CVE where it has one.
    pub vulnerability: String,
    /// Its other names, and the ids of the advisories on it.
    pub aliases: Vec<String>,
    /// The answer.
    pub answer: Answer,
    /// The state that the vendor gives it beside.
    pub state: State,
    /// How severe it is.
    pub severity: Judged,
    /// What sort of package it is in.
    pub class: Class,
    /// The records that were looked at, the one that decides first.
    pub evidence: Vec<Evidence>,
}

/// Whether a package has a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has.
    Affected {
        /// The version that fixes it, if there is one.
        fixed_in: Option<String>,
    },
    /// It had, and the version that is there has the fix.
    Fixed {
        /// The version that brought the fix.
        since: String,
    },
    /// It has not: its version is in no range, or its vendor says so.
    NotAffected {
        /// Who says so.
        said_by: String,
    },
    /// It cannot be said.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl Answer {
    /// Whether it is a finding.
    pub fn is_finding(&self) -> bool {
        matches!(self, Self::Affected { .. })
    }
}

/// What sort of package a finding is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// One that may run.
    #[default]
    Runtime,
    /// One whose files do not run, such as headers of the kernel: gates leave it out unless they are told otherwise.
    NotRuntime,
}

/// A record that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The feed.
    pub source: String,
    /// The record.
    pub record: String,
    /// When the record was changed last, as its feed writes it.
    pub modified: Option<String>,
    /// The name that the row is for.
    pub name: String,
    /// The version of the package that was compared.
    pub version: String,
    /// What it was compared with: the range, in words.
    pub range: String,
    /// The rule that decided, in words.
    pub rule: String,
}

/// A package that was matched with nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The package, by its place in the input.
    pub package: usize,
    /// Why.
    pub why: String,
}
