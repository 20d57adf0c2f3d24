//! How the images of a registry are scanned: what was put for it, which repositories its rules take, and what follows for
//! each of them (reference/scanning.md 1).

mod filter;
mod put;
#[cfg(test)]
mod tests;

use oci::RepositoryName;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::registry_id::RegistryId;
use store::tables::repositories::Repository;
use store::tables::scanning_configurations::{self, ScanType};

pub use filter::{FILTER_PATTERN, Filter, MAX_FILTER_LENGTH};
pub use put::put;

/// Rules of one registry.
pub const MAX_RULES: usize = 2;
/// Filters of one rule.
pub const MAX_FILTERS: usize = 100;

/// When the images of a repository are scanned (ECR: `ScanFrequency`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frequency {
    /// When they are pushed.
    #[serde(rename = "SCAN_ON_PUSH")]
    OnPush,
    /// When they are pushed, and again whenever something new is known.
    #[serde(rename = "CONTINUOUS_SCAN")]
    Continuous,
    /// When somebody asks for it; with enhanced scanning never.
    #[serde(rename = "MANUAL")]
    Manual,
}

impl Frequency {
    /// Every frequency, in the model's order.
    pub const ALL: [Self; 3] = [Self::OnPush, Self::Continuous, Self::Manual];

    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnPush => "SCAN_ON_PUSH",
            Self::Continuous => "CONTINUOUS_SCAN",
            Self::Manual => "MANUAL",
        }
    }

    /// Which of several rules that take a repository holds: the one that scans most.
    const fn rank(self) -> u8 {
        match self {
            Self::Continuous => 2,
            Self::OnPush => 1,
            Self::Manual => 0,
        }
    }
}

/// A rule: the repositories whose names one of its filters takes are scanned so often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// How often.
    pub frequency: Frequency,
    /// Which.
    pub filters: Vec<Filter>,
}

/// What was put for a registry; the default if nothing ever was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The type of scanning.
    pub scan_type: ScanType,
    /// The rules, as they were put.
    pub rules: Vec<Rule>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { scan_type: ScanType::Basic, rules: Vec::new() }
    }
}

/// Why rules cannot be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// Nothing is watched with basic scanning.
    #[error("The scan frequency CONTINUOUS_SCAN is not supported for the scan type BASIC")]
    ContinuousBasic,
    /// Nobody can ask for an enhanced scan.
    #[error("The scan frequency MANUAL is not supported for the scan type ENHANCED")]
    ManualEnhanced,
    /// Two rules would say the same of different repositories.
    #[error("At most one rule can be given for each scan frequency")]
    SameFrequency,
}

/// How the images of one repository are scanned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The type of scanning.
    pub scan_type: ScanType,
    /// When.
    pub frequency: Frequency,
    /// Whether ECR says of the repository that its images are scanned on push.
    pub is_on_push: bool,
    /// The filters that decided: those of the rule in force which take the repository.
    pub filters: Vec<Filter>,
}

impl Effective {
    /// Whether images are scanned when they come.
    pub fn scans_what_comes(&self) -> bool {
        self.frequency != Frequency::Manual
    }
}

impl Configuration {
    /// The one in force.
    pub fn find(tx: &mut dyn Tx, registry: &RegistryId) -> Result<Self, StoreError> {
        let Some(found) = scanning_configurations::find(tx, registry)? else { return Ok(Self::default()) };
        let rules = serde_json::from_str(&found.rules).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "column scanning_configurations.rules").with_source(error)
        })?;
        Ok(Self { scan_type: found.scan_type, rules })
    }

    fn store(&self, tx: &mut dyn Tx, registry: &RegistryId) -> Result<(), StoreError> {
        let rules = serde_json::to_string(&self.rules).map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "rules of scanning cannot be stored").with_source(error)
        })?;
        let stored = scanning_configurations::ScanningConfiguration { scan_type: self.scan_type, rules };
        scanning_configurations::upsert(tx, registry, &stored)
    }

    /// Refuses rules that say something which the type of scanning does not have, or that contradict each other.
    pub fn check(&self) -> Result<(), Contradiction> {
        let frequencies: Vec<Frequency> = self.rules.iter().map(|rule| rule.frequency).collect();
        match self.scan_type {
            ScanType::Basic if frequencies.contains(&Frequency::Continuous) => {
                return Err(Contradiction::ContinuousBasic);
            }
            ScanType::Enhanced if frequencies.contains(&Frequency::Manual) => {
                return Err(Contradiction::ManualEnhanced);
            }
            ScanType::Basic | ScanType::Enhanced => {}
        }
        match frequencies.as_slice() {
            [first, second] if first == second => Err(Contradiction::SameFrequency),
            _ => Ok(()),
        }
    }

    /// How the images of a repository are scanned, whose own flag says whether they are when they are pushed. With basic
    /// scanning either is enough, the flag or a rule; with enhanced scanning only rules count.
    pub fn of_name(&self, name: &RepositoryName, scan_on_push: bool) -> Effective {
        let mut frequency = Frequency::Manual;
        let mut filters = Vec::new();
        for rule in &self.rules {
            let taking: Vec<Filter> = rule.filters.iter().filter(|filter| filter.takes(name)).cloned().collect();
            if !taking.is_empty() && (filters.is_empty() || rule.frequency.rank() > frequency.rank()) {
                (frequency, filters) = (rule.frequency, taking);
            }
        }
        if self.scan_type == ScanType::Basic && scan_on_push && frequency == Frequency::Manual {
            (frequency, filters) = (Frequency::OnPush, Vec::new());
        }
        Effective { scan_type: self.scan_type, frequency, is_on_push: frequency == Frequency::OnPush, filters }
    }

    /// As [`of_name`](Self::of_name), of a stored repository.
    pub fn of(&self, repository: &Repository) -> Effective {
        self.of_name(&repository.spec.name, repository.spec.scan_on_push)
    }
}
