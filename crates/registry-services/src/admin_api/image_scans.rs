//! The shapes of images' scans that several operations share.

use std::collections::BTreeMap;

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::{List, Page};
use api::protocols::operation::Call;
use aws::Timestamp;
use registry::images::pull::Selector;
use scan::package::PackageKind;
use scanning::report::{Exploited, Place, Report, ReportedPackage};
use scanning::scan_events::by_name;
use scanning::scans::{self, FoundScans, ScanError};
use serde::{Deserialize, Serialize};
use store::tables::image_scans::{ImageScan, SeverityCounts};
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check, DEFAULT_RESULTS, MAX_RESULTS};
use super::errors::WharfError;
use super::shapes::ImageId;

/// The members by which operations name one image.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageMembers {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_id: Option<ImageId>,
}

/// The members of operations that answer pages about one image.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PagedImageMembers {
    #[serde(flatten)]
    image: ImageMembers,
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl PagedImageMembers {
    /// The image that they name, and the page of the operation's list.
    pub fn check(
        self,
        call: &Call<'_>,
        operation: &'static str,
    ) -> Result<(NamedImage, Page<[String; 1]>), WharfError> {
        let named = self.image.check(call)?;
        let list = List::with_members(operation, &[&named.place.registry, &named.place.name, &named.id]);
        let page = Check::page(list, self.max_results, self.next_token.as_deref(), DEFAULT_RESULTS, MAX_RESULTS)?;
        Ok((named, page))
    }
}

/// The image that they name.
#[derive(Clone)]
pub struct NamedImage {
    /// Its repository.
    pub place: RepositoryRef,
    /// As it was named.
    pub id: ImageId,
    /// The same.
    pub selector: Selector,
}

impl ImageMembers {
    /// The image that they name.
    pub fn check(self, call: &Call<'_>) -> Result<NamedImage, WharfError> {
        let place = constraints::repository(call, self.registry_id.as_deref(), self.repository_name.as_deref())?;
        let id = Check::required("imageId", self.image_id)?;
        let selector = constraints::selector("imageId", &id)?;
        Ok(NamedImage { place, id, selector })
    }
}

impl NamedImage {
    /// As people name it: `app:v1`, `app@sha256:…`.
    fn name(&self) -> String {
        let mut name = self.place.name.to_string();
        if let Some(tag) = &self.id.image_tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.id.image_digest {
            name.push('@');
            name.push_str(digest);
        }
        name
    }

    /// A permission on its repository.
    pub fn need(&self, action: Action) -> Need {
        Need::on_repository(action, &self.place.registry, self.place.name.as_str())
    }

    /// What is known of its scans.
    pub async fn find(&self, call: &Call<'_>) -> Result<FoundScans, WharfError> {
        let found = scans::find(call.app, &self.place, Some(&self.selector), &call.http.holder).await;
        found.map_err(|error| self.failed(error))
    }

    /// The same, of which some scan must have told what it found.
    pub async fn find_told(&self, call: &Call<'_>) -> Result<FoundScans, WharfError> {
        let found = self.find(call).await?;
        if found.platforms.iter().any(|platform| platform.report.is_some()) {
            return Ok(found);
        }
        Err(self.failed(if found.is_archived() { ScanError::Archived } else { ScanError::NotScanned }))
    }

    /// Why it is not scanned, or has no scan that could be read.
    pub fn failed(&self, error: ScanError) -> WharfError {
        match error {
            ScanError::ImageNotFound => WharfError::ImageNotFound(self.name()),
            ScanError::Archived => WharfError::ImageArchived(self.name()),
            ScanError::Unsupported => WharfError::UnsupportedImageType(self.name()),
            ScanError::NotScanned | ScanError::Disabled | ScanError::QuotaUsedUp => {
                WharfError::ScanNotFound(self.name())
            }
            ScanError::Registry(error) => (*error).into(),
        }
    }
}

/// How far a scan is, without what it found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanSummary {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    cause: &'static str,
    requested_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vulnerability_source_updated_at: Option<Timestamp>,
    is_whole: bool,
}

impl From<&ImageScan> for ScanSummary {
    fn from(scan: &ImageScan) -> Self {
        Self {
            status: scan.status.as_str(),
            description: scan.description.clone(),
            cause: scan.cause.as_str(),
            requested_at: Timestamp::from_ms(scan.requested_at_ms),
            started_at: scan.started_at_ms.map(Timestamp::from_ms),
            ended_at: scan.ended_at_ms.map(Timestamp::from_ms),
            vulnerability_source_updated_at: scan.source_updated_at_ms.map(Timestamp::from_ms),
            is_whole: scan.is_whole,
        }
    }
}

/// The counts of the severities that there are findings of.
pub fn present_counts<'a>(counts: impl IntoIterator<Item = &'a SeverityCounts>) -> BTreeMap<&'static str, i64> {
    let mut present = BTreeMap::new();
    for (severity, count) in counts.into_iter().flat_map(by_name) {
        if count > 0 {
            *present.entry(severity).or_default() += count;
        }
    }
    present
}

/// That a vulnerability is known to be exploited.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownExploited {
    added: String,
    due: String,
    is_ransomware: bool,
}

impl From<&Exploited> for ShownExploited {
    fn from(exploited: &Exploited) -> Self {
        let Exploited { added, due, is_ransomware } = exploited.clone();
        Self { added, due, is_ransomware }
    }
}

/// A package of an image, and where it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePackage {
    kind: PackageKind,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    arch: String,
    paths: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_digest: Option<String>,
}

impl ImagePackage {
    /// Of a report.
    pub fn new(report: &Report, reported: &ReportedPackage) -> Self {
        let package = &reported.package;
        Self {
            kind: package.kind,
            name: package.name.clone(),
            version: package.version.clone(),
            arch: package.arch.clone(),
            paths: reported.places.iter().map(Place::whole_path).collect(),
            layer_digest: report.layers.get(reported.layer).cloned(),
        }
    }
}
