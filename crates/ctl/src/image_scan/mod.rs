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

pub(crate) use finding::Package;
pub(crate) use gate::FailOn;
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
    platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scan: Option<Scan>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<Found>,
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
}

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

    /// Why nothing, or not all, can be said of it; none if what was found is all that there is.
    fn gap(&self) -> Option<String> {
        match &self.scan {
            None => Some("it was not scanned".to_owned()),
            Some(scan) if !scan.is_done() => {
                let what = match scan.status.as_str() {
                    "FAILED" => "the scan failed".to_owned(),
                    "UNSUPPORTED_IMAGE" => "images of its kind are not supported".to_owned(),
                    "PENDING" => "the scan has not begun".to_owned(),
                    "IN_PROGRESS" => "the scan has not ended".to_owned(),
                    other => format!("the scan is {}", other.to_lowercase().replace('_', " ")),
                };
                Some(match &scan.description {
                    Some(description) => format!("{what}: {description}"),
                    None => what,
                })
            }
            Some(_) if self.found.is_none() => Some("what its scan has found is not told".to_owned()),
            Some(scan) if !scan.is_whole => Some("it was analysed in part".to_owned()),
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

    /// Why it cannot be said that nothing else is in it.
    pub(crate) fn gaps(&self) -> Vec<String> {
        if self.image_status != "ACTIVE" {
            return vec![format!("the image is {}", self.image_status.to_lowercase())];
        }
        if self.platforms.is_empty() {
            return vec!["there is nothing in it that could be scanned".to_owned()];
        }
        let gap = |platform: &Platform| {
            let gap = platform.gap()?;
            Some(if self.platforms.len() == 1 { gap } else { format!("{}: {gap}", platform.name()) })
        };
        self.platforms.iter().filter_map(gap).collect()
    }
}

/// Reads how far the scans of an image are, without the findings.
pub(crate) async fn read_state(client: &Client, repository: &str, id: &Value) -> Result<ImageScan, Error> {
    let input = json!({ "repositoryName": repository, "imageId": id, "maxResults": 1 });
    client.wharf("DescribeImageScan", &input).await
}

/// Reads what the scans of an image have found.
pub(crate) async fn read(client: &Client, repository: &str, id: &Value) -> Result<ImageScan, Error> {
    for _ in 0..ATTEMPTS {
        if let Some(scan) = read_once(client, repository, id).await? {
            return Ok(scan);
        }
    }
    Err(Error::Unknown(format!("{repository} is scanned again and again: ask once that has ended")))
}

/// All pages; none if a scan began or ended between two of them.
async fn read_once(client: &Client, repository: &str, id: &Value) -> Result<Option<ImageScan>, Error> {
    let mut input = json!({ "repositoryName": repository, "imageId": id, "maxResults": PAGE });
    let mut all: ImageScan = client.wharf("DescribeImageScan", &input).await?;
    for _ in 0..MAX_PAGES {
        let Some(token) = all.next_token.take() else { return Ok(Some(all)) };
        input["nextToken"] = token.into();
        let page: ImageScan = client.wharf("DescribeImageScan", &input).await?;
        let scans = |scan: &ImageScan| -> Vec<Option<Scan>> {
            scan.platforms.iter().map(|platform| platform.scan.clone()).collect()
        };
        if scans(&page) != scans(&all) || page.image_id.image_digest != all.image_id.image_digest {
            return Ok(None);
        }
        all.findings.extend(page.findings);
        all.next_token = page.next_token;
    }
    Err(client.missing("DescribeImageScan", "the list does not end".to_owned()))
}
