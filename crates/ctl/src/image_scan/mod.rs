//! Scans of an image as several commands read them: how far those of all its platforms are, and what they found.

mod finding;
mod gate;
mod report;
mod sarif;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::Error;
use crate::named_image::Place;

pub(crate) use finding::{Exploited, Package, percent};
pub(crate) use gate::{FailOn, Severity};
pub(crate) use report::{ShowArgs, show};

/// Findings that one request asks for.
const PAGE: usize = 500;
/// More pages than any image has; ends what a faulty server would make endless.
const MAX_PAGES: usize = 10_000;
/// How often the pages are read anew of what a scan changed meanwhile.
const ATTEMPTS: usize = 5;

/// What the scans of an image say of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageScan {
    pub(crate) registry_id: String,
    pub(crate) repository_name: String,
    pub(crate) image_id: ImageId,
    /// `ACTIVE`, or why nothing is told of it.
    pub(crate) image_status: String,
    pub(crate) scan_type: String,
    pub(crate) platforms: Vec<Platform>,
    pub(crate) findings: Vec<finding::Finding>,
    #[serde(skip_serializing)]
    next_token: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImageId {
    pub(crate) image_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image_tag: Option<String>,
}

/// An image that is scanned, and its last scan.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Platform {
    pub(crate) image_digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scan: Option<Scan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<Found>,
}

/// The part of an answer on a repository's scans that tells their type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    scan_type: String,
}

/// How far a scan is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Scan {
    pub(crate) status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    cause: String,
    requested_at: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vulnerability_source_updated_at: Option<f64>,
    is_whole: bool,
}

/// What a scan found out beside the findings.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Found {
    finding_severity_counts: BTreeMap<String, i64>,
    package_count: u64,
    skipped_package_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    operating_system: Option<OperatingSystem>,
    problems: Vec<Problem>,
    pub(crate) feeds: Vec<Feed>,
    /// Feeds that were not there, and what they tell of any vulnerability.
    #[serde(default)]
    missing_feeds: Vec<MissingFeed>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct MissingFeed {
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tells: String,
}

impl Found {
    /// The feeds that would tell something, and were not there.
    fn lacks(&self, what: &str) -> Vec<&str> {
        let of_kind = self.missing_feeds.iter().filter(|feed| feed.tells == what);
        of_kind.map(|feed| feed.name.as_str()).collect()
    }
}

/// What feeds tell: severities, and what is exploited.
const SEVERITY: &str = "SEVERITY";
const EXPLOITED: &str = "EXPLOITED";

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperatingSystem {
    id: String,
    version: String,
    release: String,
    name: String,
    /// The last day of its fixes.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_of_life: Option<String>,
}

/// Why a part of it was not analysed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    reason: String,
}

/// Advisories that it was compared with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Feed {
    pub(crate) name: String,
    revision: i64,
    checked_at: f64,
    pub(crate) age_seconds: i64,
}

impl Scan {
    /// Whether it has ended with what it found.
    fn is_done(&self) -> bool {
        matches!(self.status.as_str(), "COMPLETE" | "ACTIVE")
    }

    /// Whether it goes on, or has yet to begin.
    pub(crate) fn is_open(&self) -> bool {
        self.ended_at.is_none() && matches!(self.status.as_str(), "PENDING" | "IN_PROGRESS")
    }

    /// How far it is, in words.
    pub(crate) fn words(&self) -> String {
        let status = self.status.to_lowercase().replace('_', " ");
        match &self.description {
            Some(description) if !self.is_done() => format!("{status}: {description}"),
            _ => status,
        }
    }
}

impl Platform {
    /// As people tell it from the others.
    pub(crate) fn name(&self) -> &str {
        self.platform.as_deref().unwrap_or(&self.image_digest)
    }

    /// Why nothing, or not all, can be said of it, and with what its scan says of that; none if what was found is all that
    /// there is.
    fn gap(&self) -> Option<(String, Option<&str>)> {
        let plain = |what: &str| Some((what.to_owned(), None));
        match &self.scan {
            None => plain("it was not scanned"),
            Some(scan) if !scan.is_done() => {
                let what = match scan.status.as_str() {
                    "FAILED" => "the scan failed".to_owned(),
                    "UNSUPPORTED_IMAGE" => "images of its kind are not supported".to_owned(),
                    "PENDING" => "the scan has not begun".to_owned(),
                    "IN_PROGRESS" => "the scan has not ended".to_owned(),
                    other => format!("the scan is {}", other.to_lowercase().replace('_', " ")),
                };
                Some((what, scan.description.as_deref()))
            }
            Some(_) if self.found.is_none() => plain("what its scan has found is not told"),
            Some(scan) if !scan.is_whole => plain("it was analysed in part"),
            Some(_) => None,
        }
    }
}

impl ImageScan {
    /// As people write it, with its digest.
    pub(crate) fn name(&self) -> String {
        let ImageId { image_digest, image_tag } = &self.image_id;
        match (image_tag, image_digest) {
            (Some(tag), _) => format!("{}:{tag}", self.repository_name),
            (None, Some(digest)) => format!("{}@{digest}", self.repository_name),
            (None, None) => self.repository_name.clone(),
        }
    }

    /// Platforms whose scans go on.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Platform> {
        self.platforms.iter().filter(|platform| platform.scan.as_ref().is_some_and(Scan::is_open))
    }

    /// Whether what is scanned are images that it names.
    pub(crate) fn is_index(&self) -> bool {
        let is_itself = |platform: &Platform| self.image_id.image_digest.as_ref() == Some(&platform.image_digest);
        self.platforms.len() > 1 || !self.platforms.iter().all(is_itself)
    }

    /// Whether no scan has begun or ended between two answers, and both are of one image.
    pub(crate) fn is_of_same_scans(&self, other: &Self) -> bool {
        let scans = |scan: &Self| -> Vec<Option<Scan>> {
            scan.platforms.iter().map(|platform| platform.scan.clone()).collect()
        };
        scans(self) == scans(other) && self.image_id.image_digest == other.image_id.image_digest
    }

    /// Whether the scan of any platform has told what it found.
    pub(crate) fn is_told(&self) -> bool {
        self.platforms.iter().any(|platform| platform.found.is_some())
    }

    /// Why it cannot be said that nothing else is in it, with what the scans say of that.
    pub(crate) fn gaps(&self) -> Vec<String> {
        self.gaps_with(|what, why| why.map_or_else(|| what.clone(), |why| format!("{what}: {why}")))
    }

    /// The same beside what shows how far the scans are, which says why.
    fn short_gaps(&self) -> Vec<String> {
        self.gaps_with(|what, _| what.clone())
    }

    fn gaps_with(&self, words: impl Fn(&String, Option<&str>) -> String) -> Vec<String> {
        if self.image_status != "ACTIVE" {
            return vec![format!("the image is {}", self.image_status.to_lowercase())];
        }
        if self.platforms.is_empty() {
            return vec!["there is nothing in it that could be scanned".to_owned()];
        }
        let gap = |platform: &Platform| {
            let (what, why) = platform.gap()?;
            Some(self.named(platform, words(&what, why)))
        };
        self.platforms.iter().filter_map(gap).collect()
    }

    /// What is said of a platform, with its name where there are others.
    fn named(&self, platform: &Platform, said: String) -> String {
        if self.platforms.len() == 1 { said } else { format!("{}: {said}", platform.name()) }
    }
}

/// Reads how far the scans of an image are, without the findings.
pub(crate) async fn read_state(client: &Client, place: &Place) -> Result<ImageScan, Error> {
    read_page(client, place, json!({ "maxResults": 1 })).await
}

/// Reads what the scans of an image have found.
pub(crate) async fn read(client: &Client, place: &Place) -> Result<ImageScan, Error> {
    for _ in 0..ATTEMPTS {
        if let Some(scan) = read_once(client, place).await? {
            return Ok(scan);
        }
    }
    Err(Error::Unknown(format!("{} is scanned again and again: ask once that has ended", place.repository)))
}

/// All pages; none if a scan began or ended between two of them.
async fn read_once(client: &Client, place: &Place) -> Result<Option<ImageScan>, Error> {
    let mut all = read_page(client, place, json!({ "maxResults": PAGE })).await?;
    for _ in 0..MAX_PAGES {
        let Some(token) = all.next_token.take() else { return Ok(Some(all)) };
        let page = read_page(client, place, json!({ "maxResults": PAGE, "nextToken": token })).await?;
        if !page.is_of_same_scans(&all) {
            return Ok(None);
        }
        all.findings.extend(page.findings);
        all.next_token = page.next_token;
    }
    Err(client.missing("DescribeImageScan", "the list does not end".to_owned()))
}

/// One page. Where nothing was scanned, the error says by which type of scanning: each has findings of its own.
async fn read_page(client: &Client, place: &Place, members: Value) -> Result<ImageScan, Error> {
    let error = match place.call(client, "DescribeImageScan", members).await {
        Ok(page) => return Ok(page),
        Err(error) => error,
    };
    let Error::Refused { code, message, .. } = &error else { return Err(error) };
    if code != "ScanNotFoundException" {
        return Err(error);
    }
    let counts = place.call_on_repository(client, "ListImageScanCounts", json!({ "maxResults": 1 })).await;
    // What the server has said is better than nothing.
    let message = match counts {
        Ok(Counts { scan_type }) => {
            format!("{} was not scanned by {} scanning yet", place.name(), scan_type.to_lowercase())
        }
        Err(_) => message.clone(),
    };
    Err(match error {
        Error::Refused { operation, code, request, credentials, .. } => {
            Error::Refused { operation, code, message, request, credentials }
        }
        other => other,
    })
}
