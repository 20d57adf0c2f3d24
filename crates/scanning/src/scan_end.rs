//! The image that is scanned, and how its scan ends: with a report, or with why there is none.

use std::sync::Arc;

use oci::Digest;
use registry::images::encryption::{self, Use};
use registry::images::errors::RegistryError;
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_scans::{self, EndedScan, ImageScan, ScanStatus, SeverityCounts};
use store::tables::images::{self, Image};
use store::tables::repositories::{self, Repository};
use store::tables::scanning_configurations::ScanType;

use crate::context::Scanning;
use crate::report::Report;
use crate::scan_events;

/// The image whose scan is to go on.
pub(crate) struct Subject {
    /// Its repository.
    pub repository: Repository,
    /// The image.
    pub image: Image,
    /// Its manifest, sealed.
    pub manifest: Vec<u8>,
    /// The scan.
    pub scan: ImageScan,
}

/// What came of a scan.
pub(crate) struct End {
    /// What it is now.
    pub status: ScanStatus,
    /// What is said of that, in words for people.
    pub description: Option<String>,
    /// What was found.
    pub report: Option<Report>,
}

impl End {
    /// It could not be done.
    pub fn failed(why: String) -> Self {
        Self { status: ScanStatus::Failed, description: Some(why), report: None }
    }

    /// The image cannot be scanned.
    pub fn unsupported(why: &str) -> Self {
        let description = format!("UnsupportedImageError: {why}");
        Self { status: ScanStatus::UnsupportedImage, description: Some(description), report: None }
    }
}

impl Subject {
    /// The image of a scan that has not ended; none if there is no such scan, or no such image.
    pub fn find(tx: &mut dyn Tx, image_id: i64, scan_type: ScanType) -> Result<Option<Self>, StoreError> {
        let scan = image_scans::find(tx, image_id, scan_type)?.filter(|scan| scan.ended_at_ms.is_none());
        let (Some(scan), Some(repository_id)) = (scan, images::repository_of(tx, image_id)?) else { return Ok(None) };
        let Some(repository) = repositories::find_by_id(tx, repository_id)? else { return Ok(None) };
        let Some(image) = images::find_by_id(tx, repository_id, image_id)? else { return Ok(None) };
        let Some(manifest) = images::sealed_manifest(tx, image_id)? else { return Ok(None) };
        Ok(Some(Self { repository, image, manifest, scan }))
    }

    /// Notes that it is no image: there is nothing to tell of it.
    pub async fn call_off(&self, app: &Scanning) -> Result<(), StoreError> {
        let image_id = self.image.id;
        app.db
            .write(move |tx: &mut dyn Tx| {
                images::note_artifact(tx, image_id)?;
                image_scans::delete(tx, image_id)
            })
            .await
    }

    /// Notes what came of it, unless the image is gone or was asked for anew.
    pub async fn end(&self, app: &Scanning, end: End) -> Result<(), StoreError> {
        let End { status, description, report } = end;
        let told_status = report.as_ref().map_or(status, |report| report.told_status(status));
        let key = (self.image.id, self.scan.scan_type);
        let counts = report.as_ref().map_or_else(SeverityCounts::default, Report::counts);
        let is_whole = report.as_ref().is_some_and(|report| report.problems.is_empty());
        let oldest = report.as_ref().and_then(|report| report.feeds.iter().map(|feed| feed.checked_at_ms).min());
        let sealed = match report {
            None => None,
            Some(report) => {
                // Large ones take long: whoever shares the thread would wait, this job's own lease first.
                let written = runtime::tasks::blocking("writing a scan's report", move || report.to_bytes()).await?;
                let Some(bytes) = written? else {
                    let why = "More was found in the image than a scan can keep".to_owned();
                    return Box::pin(self.end(app, End::failed(why))).await;
                };
                let sealed = async {
                    let encryption = encryption::require(app, &self.repository, Use::Push).await?;
                    encryption.seal_document(app, &bytes)
                };
                match sealed.await {
                    Ok(sealed) => Some(sealed),
                    Err(RegistryError::Store(error)) => return Err(error),
                    // It was disabled in the middle.
                    Err(error) => return Box::pin(self.end(app, End::failed(error.to_string()))).await,
                }
            }
        };
        let (now_ms, requested_at_ms) = (app.now_ms(), self.scan.requested_at_ms);
        let (sink, repository, image) = (Arc::clone(&app.events), self.repository.clone(), self.image.clone());
        let has_ended = app
            .db
            .write(move |tx| {
                let ended = EndedScan {
                    status,
                    description: description.as_deref(),
                    source_updated_at_ms: oldest,
                    is_whole,
                    counts,
                    report: sealed.as_ref(),
                };
                let has_ended = image_scans::end(tx, key, requested_at_ms, &ended, now_ms)?;
                if has_ended {
                    scan_events::scan_ended(tx, &sink, (&repository, &image), key.1, told_status, &counts, now_ms)?;
                }
                Ok(has_ended)
            })
            .await
            .map_err(|error: StoreError| error)?;
        if has_ended {
            let counts = &app.metrics.scans;
            match told_status {
                ScanStatus::Complete | ScanStatus::Active => {
                    counts.complete.increment();
                    let micros = (now_ms - requested_at_ms).max(0).saturating_mul(1_000);
                    counts.findings_micros.record(micros.cast_unsigned());
                }
                ScanStatus::UnsupportedImage => counts.unsupported.increment(),
                ScanStatus::Failed | ScanStatus::Pending | ScanStatus::InProgress => counts.failed.increment(),
            }
        }
        app.wake_jobs.wake();
        Ok(())
    }
}

/// What went wrong, with its causes where it has some.
pub(crate) fn told(error: &RegistryError) -> String {
    match error {
        RegistryError::Store(error) => runtime::with_causes(error),
        other => other.to_string(),
    }
}

/// Ends the scans that wait for a layer which cannot be had.
pub(crate) async fn fail_all_waiting(
    app: &Arc<Scanning>,
    repository: &Repository,
    digest: Digest,
    why: &str,
) -> Result<(), StoreError> {
    let account = repository.spec.registry.account;
    let waiting = app.db.read(move |tx| image_scans::waiting_for_layer(tx, &account, &digest)).await?;
    for (image_id, scan_type) in waiting {
        let subject = app.db.read(move |tx| Subject::find(tx, image_id, scan_type)).await?;
        if let Some(subject) = subject {
            subject.end(app, End::failed(why.to_owned())).await?;
        }
    }
    Ok(())
}
