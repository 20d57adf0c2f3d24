//! The scans of images as people ask for them, and read what was found.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use registry::Registry;
use registry::images::encryption::{self, Use};
use registry::images::errors::RegistryError;
use registry::images::pull::{Selector, find_image};
use registry::images::repositories::require;
use runtime::boxed;
use runtime::http::budget::{Holder, PoolKind, Share};
use runtime::jobs::job;
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_scans::{self, ImageScan, ScanCause, ScanStatus, SeverityCounts};
use store::tables::images::{self, Image, ImageStatus};
use store::tables::repositories::{Repository, RepositoryRef};
use store::tables::scanning_configurations::ScanType;
use store::tables::sealed_documents::SealedDocument;

use crate::configuration::Configuration;
use crate::platforms::{self, Platforms};
use crate::report::Report;
use crate::scan_image::{self, ScanImage};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A report takes so many times the room of what it is written as.
const REPORT_ROOM: u64 = 4;

/// Why an image is not scanned, or has no scan that could be read.
#[derive(Debug)]
pub enum ScanError {
    /// There is no such image.
    ImageNotFound,
    /// The image is archived, or on its way back.
    Archived,
    /// The image is not made of layers of files, or is a list of no images that are.
    Unsupported,
    /// Nobody can ask for a scan: the registry has enhanced scanning.
    Disabled,
    /// The image was scanned within the last day, and one scan a day is the quota.
    QuotaUsedUp,
    /// The image was never scanned with the registry's type of scanning.
    NotScanned,
    /// What any use of the registry can meet.
    Registry(Box<RegistryError>),
}

impl From<RegistryError> for ScanError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}

impl From<StoreError> for ScanError {
    fn from(error: StoreError) -> Self {
        RegistryError::from(error).into()
    }
}

/// By which rules a scan is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// By those of ECR's operation: with basic scanning alone, and within the quota.
    AsInEcr,
    /// By none: also with enhanced scanning, and as often as somebody likes.
    Freely,
}

/// Has an image scanned, or the images that it names; gives the image that was meant. A scan that has not ended goes on. Needs the
/// repository's KMS key, if it has one: a scan could not keep what it finds without it.
#[boxed]
pub async fn start(
    app: &Registry,
    place: &RepositoryRef,
    selector: Option<&Selector>,
    asked: Asked,
) -> Result<Image, ScanError> {
    let (place, selector, now_ms) = (place.clone(), selector.cloned(), app.now_ms());
    let has_quota = asked == Asked::AsInEcr && app.quotas.one_scan_a_day;
    let of_key = place.clone();
    let repository = app.db.read(move |tx| require(tx, &of_key)).await?;
    encryption::require(app, &repository, Use::Pull).await?;
    let image = app.db.write(move |tx| {
        let (_, image) = image_of(tx, &place, selector.as_ref())?;
        let scan_type = Configuration::find(tx, &place.registry)?.scan_type;
        if asked == Asked::AsInEcr && scan_type == ScanType::Enhanced {
            return Err(ScanError::Disabled);
        }
        if image.status != ImageStatus::Active {
            return Err(ScanError::Archived);
        }
        let platforms = platforms::of(tx, &image)?.images;
        if platforms.is_empty() {
            return Err(ScanError::Unsupported);
        }
        let mut used_up = 0;
        let mut archived = 0;
        for platform in &platforms {
            let last = image_scans::find(tx, platform.id, scan_type)?;
            if platform.status != ImageStatus::Active {
                archived += 1;
            } else if has_quota && last.as_ref().is_some_and(|last| uses_up_quota(last, now_ms)) {
                used_up += 1;
            } else {
                let job = ScanImage { account: place.registry.account, image_id: platform.id, scan_type };
                match last {
                    // It goes on; a job that was given up is begun anew.
                    Some(last) if last.ended_at_ms.is_none() => job::enqueue(tx, &job, now_ms, now_ms)?,
                    _ => scan_image::request(tx, job, ScanCause::Manual, now_ms)?,
                }
            }
        }
        match platforms.len() {
            all if archived == all => Err(ScanError::Archived),
            all if used_up > 0 && used_up + archived == all => Err(ScanError::QuotaUsedUp),
            _ => Ok(image),
        }
    });
    let image = image.await?;
    app.wake_jobs.wake();
    Ok(image)
}

/// Whether a scan is the one that an image may have in a day. One that has failed told nobody anything.
fn uses_up_quota(last: &ImageScan, now_ms: i64) -> bool {
    last.status != ScanStatus::Failed && last.is_whole && now_ms - last.requested_at_ms < DAY_MS
}

/// The image that is meant, of which there must be one: none is meant by what no image can be called.
fn image_of(
    tx: &mut dyn Tx,
    place: &RepositoryRef,
    selector: Option<&Selector>,
) -> Result<(Repository, Image), ScanError> {
    let repository = require(tx, place)?;
    let found = match selector {
        Some(selector) => find_image(tx, repository.id, selector)?.ok(),
        None => None,
    };
    Ok((repository, found.ok_or(ScanError::ImageNotFound)?))
}

/// What is known of an image's scans.
pub struct FoundScans {
    /// The image that was meant.
    pub image: Image,
    /// The registry's type of scanning.
    pub scan_type: ScanType,
    /// The images that are scanned for it, in the order of their digests: itself, or those that it names.
    pub platforms: Vec<PlatformScan>,
    /// The room in memory that the reports take.
    _room: Share,
}

/// An image that is scanned, and its last scan.
pub struct PlatformScan {
    /// The image.
    pub image: Image,
    /// Its last scan; none if it was never scanned with this type of scanning.
    pub scan: Option<ImageScan>,
    /// What the scan has found, once it has ended and found out anything.
    pub report: Option<Report>,
}

/// A scan as it was read.
type Read = (Image, Option<ImageScan>, Option<SealedDocument>);

/// Finds the scans of an image with what they found, for `holder`, who has been allowed to read it. Needs the repository's
/// KMS key, if it has one.
#[boxed]
pub async fn find(
    app: &Registry,
    place: &RepositoryRef,
    selector: Option<&Selector>,
    holder: &Holder,
) -> Result<FoundScans, ScanError> {
    let (asked, selector) = (place.clone(), selector.cloned());
    let read = app.db.read(move |tx| {
        let (repository, image) = image_of(tx, &asked, selector.as_ref())?;
        let scan_type = Configuration::find(tx, &asked.registry)?.scan_type;
        let mut read: Vec<Read> = Vec::new();
        let platforms = platforms::of(tx, &image)?;
        if !platforms.is_whole {
            read.push((image.clone(), Some(too_many(&image, scan_type)), None));
        }
        for platform in platforms.images {
            let scan = image_scans::find(tx, platform.id, scan_type)?;
            let is_told = platform.status == ImageStatus::Active && scan.as_ref().is_some_and(ImageScan::is_told);
            let sealed = if is_told { image_scans::find_report(tx, platform.id, scan_type)? } else { None };
            read.push((platform, scan, sealed));
        }
        Ok::<_, ScanError>((repository, image, scan_type, read))
    });
    let (repository, image, scan_type, read) = read.await?;
    encryption::require(app, &repository, Use::Pull).await?;
    let mut room = app.request_budget.share(PoolKind::Answers, holder);
    let mut platforms = Vec::with_capacity(read.len());
    for (image, mut scan, sealed) in read {
        let report = match sealed {
            Some(sealed) => Some(open(app, &sealed, &mut room).await?),
            None => None,
        };
        if let (Some(scan), Some(report)) = (&mut scan, &report) {
            tell(scan, report);
        }
        platforms.push(PlatformScan { image, scan, report });
    }
    Ok(FoundScans { image, scan_type, platforms, _room: room })
}

/// The scan of an index of which not all images are looked at: whatever the others have, it is not known.
fn too_many(index: &Image, scan_type: ScanType) -> ImageScan {
    ImageScan {
        image_id: index.id,
        scan_type,
        cause: ScanCause::Push,
        status: ScanStatus::Failed,
        description: Some(Platforms::TOO_MANY.to_owned()),
        requested_at_ms: index.pushed_at_ms,
        started_at_ms: None,
        ended_at_ms: Some(index.pushed_at_ms),
        source_updated_at_ms: None,
        is_whole: false,
        counts: SeverityCounts::default(),
    }
}

/// Says of a scan what its report knows: which parts could not be read is sealed with it.
pub(crate) fn tell(scan: &mut ImageScan, report: &Report) {
    scan.status = report.told_status(scan.status);
    if let Some(words) = report.problem_words() {
        scan.description = Some(match (scan.status, &scan.description) {
            (ScanStatus::UnsupportedImage, Some(why)) => format!("{why}. {words}"),
            _ => words,
        });
    }
}

/// As [`tell`], as far as that is known without the report.
fn tell_without_report(scan: &mut ImageScan) {
    if scan.is_told() && !scan.is_whole && scan.counts == SeverityCounts::default() {
        scan.status = match scan.status {
            ScanStatus::Complete | ScanStatus::Active => ScanStatus::Failed,
            other => other,
        };
    }
}

/// Opens a report, once there is room for it.
async fn open(app: &Registry, sealed: &SealedDocument, room: &mut Share) -> Result<Report, ScanError> {
    room.grow(sealed.sealed.len() as u64).map_err(RegistryError::from)?;
    let bytes = encryption::open_document(app, sealed).await?;
    room.grow(Report::unpacked_bytes(&bytes).saturating_mul(REPORT_ROOM)).map_err(RegistryError::from)?;
    Ok(runtime::tasks::blocking("reading a scan's report", move || Report::from_bytes(&bytes)).await??)
}

impl FoundScans {
    /// Whether the image is archived, or on its way back: nothing is told of it then.
    pub fn is_archived(&self) -> bool {
        self.image.status != ImageStatus::Active
    }

    /// Whether any of its images was ever asked to be scanned.
    pub fn is_scanned(&self) -> bool {
        self.platforms.iter().any(|platform| platform.scan.is_some())
    }

    /// Whether all of them were, or are about to be: while nothing goes on, nothing is to be waited for.
    pub fn is_scanned_or_waits(&self) -> bool {
        let goes_on = |scan: &ImageScan| scan.ended_at_ms.is_none();
        self.is_scanned()
            && (self.platforms.iter().all(|platform| platform.scan.is_some())
                || self.platforms.iter().any(|platform| platform.scan.as_ref().is_some_and(goes_on)))
    }

    /// The scan that says how far all of them are, see [`deciding`].
    pub fn deciding(&self) -> Option<&ImageScan> {
        deciding(self.platforms.iter().map(|platform| platform.scan.as_ref()))
    }

    /// Whether all of the scans have ended with what they found. That nothing was found in a part of an image, or in one whose
    /// system is not known, is nothing to tell.
    pub fn is_told(&self) -> bool {
        let has_findings = |platform: &PlatformScan| platform.report.as_ref().is_some_and(|it| !it.findings.is_empty());
        let is_in_part = |scan: &ImageScan| matches!(scan.status, ScanStatus::Failed | ScanStatus::UnsupportedImage);
        !self.platforms.is_empty()
            && self.platforms.iter().all(|platform| platform.report.is_some())
            && (!self.deciding().is_some_and(is_in_part) || self.platforms.iter().any(has_findings))
    }
}

/// An image of a list, with the scans of what is scanned for it.
pub struct ListedScan {
    /// The image.
    pub image: Image,
    /// The last scans; none for an image that was never scanned.
    pub scans: Vec<Option<ImageScan>>,
}

/// Up to `limit` images of a repository in the order of their digests, from the first after `after`, with their scans by the
/// registry's type of scanning, but not what they found. Needs the repository's KMS key, if it has one.
#[boxed]
pub async fn list(
    app: &Registry,
    place: &RepositoryRef,
    after: String,
    limit: usize,
) -> Result<(ScanType, Vec<ListedScan>), RegistryError> {
    let asked = place.clone();
    let read = app.db.read(move |tx| {
        let repository = require(tx, &asked)?;
        let scan_type = Configuration::find(tx, &asked.registry)?.scan_type;
        let mut listed = Vec::new();
        let mut found = HashMap::new();
        for image in images::list(tx, repository.id, &after, limit)? {
            let mut scans = Vec::new();
            let platforms = platforms::of(tx, &image)?;
            if !platforms.is_whole {
                scans.push(Some(too_many(&image, scan_type)));
            }
            for platform in platforms.images {
                let scan = match found.entry(platform.id) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => {
                        let mut scan = image_scans::find(tx, platform.id, scan_type)?;
                        scan.iter_mut().for_each(tell_without_report);
                        place.insert(scan)
                    }
                };
                scans.push(scan.clone());
            }
            listed.push(ListedScan { image, scans });
        }
        Ok::<_, RegistryError>((repository, scan_type, listed))
    });
    let (repository, scan_type, listed) = read.await?;
    encryption::require(app, &repository, Use::Pull).await?;
    Ok((scan_type, listed))
}

/// Which of several scans says how far all of them are: the one that keeps the others from being told. None stands for an image
/// that was never scanned, and is the answer where there is one.
pub fn deciding<'a>(scans: impl Iterator<Item = Option<&'a ImageScan>>) -> Option<&'a ImageScan> {
    scans.min_by_key(|scan| rank(*scan)).flatten()
}

fn rank(scan: Option<&ImageScan>) -> u8 {
    match scan.map(|scan| scan.status) {
        None | Some(ScanStatus::Pending) => 0,
        Some(ScanStatus::InProgress) => 1,
        Some(ScanStatus::Failed) => 2,
        Some(ScanStatus::UnsupportedImage) => 3,
        Some(ScanStatus::Active) => 4,
        Some(ScanStatus::Complete) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scan_a_day() {
        let scan = |status| ImageScan {
            image_id: 1,
            scan_type: ScanType::Basic,
            cause: ScanCause::Push,
            status,
            description: None,
            requested_at_ms: 1000,
            started_at_ms: None,
            ended_at_ms: None,
            source_updated_at_ms: None,
            is_whole: true,
            counts: image_scans::SeverityCounts::default(),
        };
        for (status, later_ms, is_used_up) in [
            (ScanStatus::Complete, 0, true),
            (ScanStatus::Complete, DAY_MS - 1, true),
            (ScanStatus::Complete, DAY_MS, false),
            (ScanStatus::InProgress, 5, true),
            (ScanStatus::UnsupportedImage, 5, true),
            (ScanStatus::Failed, 5, false),
        ] {
            assert_eq!(uses_up_quota(&scan(status), 1000 + later_ms), is_used_up, "{status:?} {later_ms}");
        }
    }
}
