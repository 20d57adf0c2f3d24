//! The shapes of a registry's scanning configuration on the wire (reference/scanning.md 1).

use scanning::configuration::{
    Configuration, FILTER_PATTERN, Filter, Frequency, MAX_FILTER_LENGTH, MAX_FILTERS, MAX_RULES, Rule,
};
use serde::{Deserialize, Serialize};
use store::tables::scanning_configurations::ScanType;

use super::constraints::NewerCheck;
use super::errors::EcrError;

const FILTER_TYPE: &str = "WILDCARD";

/// `RegistryScanningConfiguration`, and the input of what puts one.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryScanningConfiguration {
    scan_type: Option<String>,
    rules: Option<Vec<RegistryScanningRule>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct RegistryScanningRule {
    scan_frequency: Option<String>,
    repository_filters: Option<Vec<ScanningRepositoryFilter>>,
}

/// `ScanningRepositoryFilter`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanningRepositoryFilter {
    filter: Option<String>,
    filter_type: Option<String>,
}

impl ScanningRepositoryFilter {
    /// Filters as they are shown.
    pub fn list(filters: &[Filter]) -> Vec<Self> {
        let shown = |filter: &Filter| Self {
            filter: Some(filter.as_str().to_owned()),
            filter_type: Some(FILTER_TYPE.to_owned()),
        };
        filters.iter().map(shown).collect()
    }

    fn check(self) -> Result<Filter, EcrError> {
        let kind = NewerCheck::required("filterType", self.filter_type)?;
        NewerCheck::one_of("filterType", &kind, &[FILTER_TYPE], |name| name)?;
        let filter = NewerCheck::required("filter", self.filter)?;
        NewerCheck::length("filter", &filter, 1, MAX_FILTER_LENGTH)?;
        NewerCheck::parsed("filter", &filter, FILTER_PATTERN)
    }
}

impl RegistryScanningRule {
    fn check(self) -> Result<Rule, EcrError> {
        let frequency = NewerCheck::required("scanFrequency", self.scan_frequency)?;
        let frequency = NewerCheck::one_of("scanFrequency", &frequency, &Frequency::ALL, Frequency::as_str)?;
        let filters = NewerCheck::list("repositoryFilters", self.repository_filters, 0, MAX_FILTERS)?;
        Ok(Rule {
            frequency,
            filters: filters.into_iter().map(ScanningRepositoryFilter::check).collect::<Result<_, _>>()?,
        })
    }
}

impl RegistryScanningConfiguration {
    /// What is to be put. A type that is left out is BASIC, and rules that are left out are none.
    pub fn check(self) -> Result<Configuration, EcrError> {
        let scan_type = match self.scan_type {
            None => ScanType::Basic,
            Some(text) => NewerCheck::one_of("scanType", &text, &ScanType::ALL, ScanType::as_str)?,
        };
        let rules = NewerCheck::list("rules", Some(self.rules.unwrap_or_default()), 0, MAX_RULES)?;
        let rules = rules.into_iter().map(RegistryScanningRule::check).collect::<Result<_, _>>()?;
        let configuration = Configuration { scan_type, rules };
        configuration.check().map_err(|error| EcrError::parameter("rules", error.to_string()))?;
        Ok(configuration)
    }
}

impl From<&Configuration> for RegistryScanningConfiguration {
    fn from(configuration: &Configuration) -> Self {
        let rules = configuration.rules.iter().map(|rule| RegistryScanningRule {
            scan_frequency: Some(rule.frequency.as_str().to_owned()),
            repository_filters: Some(ScanningRepositoryFilter::list(&rule.filters)),
        });
        Self { scan_type: Some(configuration.scan_type.as_str().to_owned()), rules: Some(rules.collect()) }
    }
}
