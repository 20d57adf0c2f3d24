//! What the server says of advisories.

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::date;
use crate::duration::age;

/// How all of them stand.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub(super) is_offline: bool,
    pub(super) max_data_age_hours: i64,
    pub(super) files: Vec<File>,
}

/// A file of a feed.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) is_enabled: bool,
    pub(super) is_wanted: bool,
    pub(super) is_stale: bool,
    pub(super) revision: i64,
    pub(super) records: u64,
    pub(super) broken_records: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_updated_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) checked_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempted_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_attempt_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) update: Option<Job>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) import: Option<Job>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) feed: Option<Feed>,
}

/// The feed that a file is of.
#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feed {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) form: String,
    pub(super) packaging: String,
    pub(super) ecosystems: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) release: Option<String>,
    pub(super) role: String,
    pub(super) licence: String,
    pub(super) interval_minutes: u64,
    pub(super) max_bytes: u64,
}

/// An update or an import that is not over, or was given up.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    pub(super) status: String,
    pub(super) attempts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_error: Option<String>,
}

impl Job {
    /// Whether it waits or is under way.
    pub(super) fn goes_on(&self) -> bool {
        self.status != "DEAD"
    }
}

/// A point in time: a number from the server, a date for scripts.
#[derive(Clone, Copy)]
pub(super) struct Time(f64);

impl Time {
    /// For people: how long ago it is.
    pub(super) fn ago(self, now_ms: i64) -> String {
        match now_ms / 1_000 - self.0 as i64 {
            ..=0 => "now".to_owned(),
            seconds => format!("{} ago", age(seconds)),
        }
    }

    /// For people: how long it is until then.
    pub(super) fn ahead(self, now_ms: i64) -> String {
        match self.0 as i64 - now_ms / 1_000 {
            ..=0 => "now".to_owned(),
            seconds => format!("in {}", age(seconds)),
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&date::iso8601(self.0))
    }
}

impl Feed {
    /// For which images it is, in words.
    pub(super) fn covers(&self) -> String {
        let release = self.release.as_deref().map(|release| format!(" {release}")).unwrap_or_default();
        if self.ecosystems.is_empty() { "all images".to_owned() } else { self.ecosystems.join(", ") + &release }
    }
}

impl File {
    /// How it stands, in words.
    pub(super) fn state(&self) -> String {
        let state = match self.status.as_str() {
            "NOT_WANTED" => "not wanted yet".to_owned(),
            "OFF" => "switched off".to_owned(),
            "REMOVED" => "no feed has it any more".to_owned(),
            "PENDING" => "not fetched yet".to_owned(),
            "STALE" => "too old".to_owned(),
            status => status.to_lowercase(),
        };
        let under_way = |job: &Option<Job>| job.as_ref().is_some_and(Job::goes_on);
        let now = match (under_way(&self.import), under_way(&self.update)) {
            (true, _) => ", being imported",
            (false, true) => ", being fetched",
            (false, false) => "",
        };
        let mut said = self.failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
        for (what, job) in [("update", &self.update), ("import", &self.import)] {
            if let Some(job) = job.as_ref().filter(|job| !job.goes_on()) {
                let why = job.last_error.as_deref().unwrap_or("the server does not say why");
                let _ = write!(said, "; the last {what} failed: {why}");
            }
        }
        format!("{state}{now}{said}")
    }

    /// Whether it is there, and was not only tried for.
    pub(super) fn is_good(&self) -> bool {
        self.status == "CURRENT" && self.failure.is_none() && self.update.is_none()
    }

    /// The row of a table.
    pub(super) fn row(&self, now_ms: i64) -> Vec<String> {
        vec![
            self.name.clone(),
            self.feed.as_ref().map(Feed::covers).unwrap_or_default(),
            if self.revision == 0 { String::new() } else { self.revision.to_string() },
            match (self.revision, self.broken_records) {
                (0, _) => String::new(),
                (_, 0) => self.records.to_string(),
                (_, broken) => format!("{} ({broken} broken)", self.records),
            },
            self.checked_at.map(|time| time.ago(now_ms)).unwrap_or_default(),
            self.next_attempt_at.map(|time| time.ahead(now_ms)).unwrap_or_default(),
            self.state(),
        ]
    }

    /// The columns of that table.
    pub(super) const COLUMNS: [&str; 7] = ["FEED", "FOR", "REVISION", "RECORDS", "CHECKED", "NEXT", "STATE"];
}
