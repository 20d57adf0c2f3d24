//! The sections about scanning images: `[scanning]` and `[advisories]`.

use std::time::Duration;

use registry::advisory_settings::{AdvisorySettings, DEFAULT_MAX_DATA_AGE_HOURS};
use runtime::config_error::ConfigError;
use scan::feeds::catalog::Feed;
use scan::feeds::catalog::configured::{self, FeedWords};
use scan_worker::Demand;
use serde::{Deserialize, Serialize};

const HOUR_MS: i64 = 60 * 60 * 1000;

/// How images are scanned.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScanningConfig {
    /// Whether advisories are never fetched: they come by `wharf advisories import` alone. Default: false.
    #[serde(default)]
    pub offline: bool,
    /// Hours after which advisories that were not seen to be current are too old to call an image clean. Default: 336 (14
    /// days).
    pub max_data_age_hours: Option<u32>,
    /// `required`: where the kernel cannot confine what reads layers, none is read. Default: `best-effort`.
    pub confinement: Option<String>,
}

impl ScanningConfig {
    /// How what reads layers must be confined.
    pub fn confinement(&self) -> Result<Demand, ConfigError> {
        let confinement = self.confinement.as_deref().map(str::parse::<Demand>).transpose();
        let confinement = confinement.map_err(|error| ConfigError(format!("scanning.confinement: {error}")))?;
        Ok(confinement.unwrap_or_default())
    }

    /// What is done with these feeds.
    pub(super) fn advisories(&self, feeds: Vec<Feed>) -> Result<AdvisorySettings, ConfigError> {
        if self.max_data_age_hours == Some(0) {
            return Err(ConfigError("scanning.max_data_age_hours: at least 1 is needed".to_owned()));
        }
        let max_data_age_hours = self.max_data_age_hours.unwrap_or(DEFAULT_MAX_DATA_AGE_HOURS);
        Ok(AdvisorySettings {
            feeds,
            is_offline: self.offline,
            max_data_age_ms: i64::from(max_data_age_hours) * HOUR_MS,
        })
    }

    /// With the defaults filled in.
    pub(super) fn filled(&self) -> Self {
        Self {
            offline: self.offline,
            max_data_age_hours: self.max_data_age_hours.or(Some(DEFAULT_MAX_DATA_AGE_HOURS)),
            confinement: Some(self.confinement.clone().unwrap_or_else(|| Demand::default().to_string())),
        }
    }
}

/// Where advisories come from.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdvisoriesConfig {
    /// Feeds beside those that are known, and what is to be another with these.
    #[serde(default)]
    pub feeds: Vec<FeedConfig>,
}

/// A feed of advisories. Of one that is known, only what is to be another.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FeedConfig {
    /// Its name. Must be given.
    #[serde(default)]
    pub name: String,
    /// Where its files are.
    #[serde(default)]
    pub urls: Vec<String>,
    /// Its form.
    pub form: Option<String>,
    /// How it is packed. Default: as its URL tells.
    pub packaging: Option<String>,
    /// The ecosystems that it tells of.
    #[serde(default)]
    pub ecosystems: Vec<String>,
    /// The release that all of it is for.
    pub release: Option<String>,
    /// Whether it says which packages are affected, or only adds to what others say. Default: true.
    pub authoritative: Option<bool>,
    /// What the URL of its checksum has behind its own.
    pub checksum: Option<String>,
    /// Minutes from one look to the next.
    pub interval_minutes: Option<u32>,
    /// Its licence.
    pub licence: Option<String>,
    /// Whether it is fetched. Default: true.
    pub enabled: Option<bool>,
}

impl FeedConfig {
    fn words(&self) -> FeedWords {
        FeedWords {
            name: self.name.clone(),
            urls: self.urls.clone(),
            form: self.form.clone(),
            packaging: self.packaging.clone(),
            ecosystems: self.ecosystems.clone(),
            release: self.release.clone().filter(|release| !release.is_empty()),
            is_authoritative: self.authoritative,
            checksum: self.checksum.clone(),
            interval: self.interval_minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
            licence: self.licence.clone(),
            is_on: self.enabled,
        }
    }
}

/// The keys of a feed as they are written here.
fn written(key: &str) -> &str {
    match key {
        "interval" => "interval_minutes",
        key => key,
    }
}

impl AdvisoriesConfig {
    /// All feeds: those that are known, and what is said here.
    pub fn feeds(&self) -> Result<Vec<Feed>, ConfigError> {
        let words: Vec<FeedWords> = self.feeds.iter().map(FeedConfig::words).collect();
        configured::all(&words).map_err(|problems| {
            let line = |(name, problem): &(String, configured::FeedProblem)| {
                format!("advisories.feeds.{} of feed '{name}': {}", written(problem.key), problem.text)
            };
            ConfigError(problems.iter().map(line).collect::<Vec<_>>().join("\n"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force(config: &ScanningConfig) -> Result<AdvisorySettings, ConfigError> {
        config.advisories(AdvisoriesConfig::default().feeds().expect("good"))
    }

    #[test]
    fn what_is_not_given_is_as_it_is_by_default() {
        for config in [ScanningConfig::default(), ScanningConfig::default().filled()] {
            assert_eq!(in_force(&config).expect("good"), AdvisorySettings::default());
            assert_eq!(config.confinement().expect("good"), Demand::default());
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let age = ScanningConfig { max_data_age_hours: Some(0), ..ScanningConfig::default() };
        assert!(in_force(&age).expect_err("wrong").0.starts_with("scanning.max_data_age_hours: "));
        let confinement = ScanningConfig { confinement: Some("much".to_owned()), ..ScanningConfig::default() };
        assert!(confinement.confinement().expect_err("wrong").0.starts_with("scanning.confinement: 'much' is neither"));
        let feed = FeedConfig { name: "debian".to_owned(), interval_minutes: Some(1), ..FeedConfig::default() };
        let error = AdvisoriesConfig { feeds: vec![feed] }.feeds().expect_err("wrong");
        assert!(error.0.starts_with("advisories.feeds.interval_minutes of feed 'debian': "), "{}", error.0);
    }

    #[test]
    fn a_feed_is_switched_off_and_another_added() {
        let off = FeedConfig { name: "debian".to_owned(), enabled: Some(false), ..FeedConfig::default() };
        let wolfi = FeedConfig {
            name: "wolfi".to_owned(),
            urls: vec!["https://packages.wolfi.dev/os/security.json".to_owned()],
            form: Some("secdb".to_owned()),
            ecosystems: vec!["Wolfi".to_owned()],
            ..FeedConfig::default()
        };
        let feeds = AdvisoriesConfig { feeds: vec![off, wolfi] }.feeds().expect("good");
        let is_on = |name: &str| feeds.iter().find(|feed| feed.name == name).map(|feed| feed.is_on);
        assert_eq!((is_on("debian"), is_on("wolfi"), is_on("alpine")), (Some(false), Some(true), Some(true)));
    }
}
