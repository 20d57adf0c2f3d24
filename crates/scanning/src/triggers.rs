//! What has an image scanned that comes into a repository, noted in the transaction that it comes with.

use registry::images::changes::{Actor, Cause, Change};
use registry::images::followers::Follower;
use store::db::Tx;
use store::error::StoreError;
use store::tables::advisory_feeds;
use store::tables::image_scans::{self, ScanCause, ScanStatus};
use store::tables::images::{self, ImageStatus};
use store::tables::repositories::Repository;

use crate::configuration::Configuration;
use crate::platforms;
use crate::scan_image::{self, ScanImage};

/// The follower of changes that has images scanned.
#[derive(Debug)]
pub struct ScanTriggers;

impl Follower for ScanTriggers {
    fn follow(
        &self,
        tx: &mut dyn Tx,
        cause: &Cause,
        repository: &Repository,
        change: &Change<'_>,
    ) -> Result<(), StoreError> {
        let (image, why, is_anew) = match change {
            Change::ImagePushed { image, .. } => (image, cause_of_push(&cause.actor), false),
            // reference/repositories-images.md 4: what was found before it was archived counts no more.
            Change::ImageStatusChanged { image, status: ImageStatus::Active } => (image, ScanCause::Restore, true),
            Change::ImageRestored { image, .. } => (image, ScanCause::Restore, false),
            Change::ImageStatusChanged { status: ImageStatus::Archived | ImageStatus::Activating, .. }
            | Change::ImageDeleted { .. }
            | Change::RepositoryCreated
            | Change::RepositoryDeleted => return Ok(()),
        };
        let effective = Configuration::find(tx, &repository.spec.registry)?.of(repository);
        if !effective.scans_what_comes() {
            return Ok(());
        }
        let Some(image) = images::find(tx, repository.id, image.digest)? else { return Ok(()) };
        let advisories_changed_at_ms = advisory_feeds::last_change_ms(tx)?;
        for platform in platforms::of(tx, &image)?.images {
            // One that is archived, or on its way back, is scanned when it is active.
            if platform.status != ImageStatus::Active {
                continue;
            }
            let last = image_scans::find(tx, platform.id, effective.scan_type)?;
            // What has come once more with another tag is what it was, unless advisories have changed since. An index that comes
            // back says nothing of its images.
            let is_done = last.is_some_and(|last| match last.ended_at_ms {
                None => true,
                Some(ended_at_ms) => {
                    let is_told = matches!(last.status, ScanStatus::Complete | ScanStatus::Active) && last.is_whole;
                    is_told && advisories_changed_at_ms.is_none_or(|changed_at_ms| changed_at_ms <= ended_at_ms)
                }
            });
            if !is_done || (is_anew && platform.id == image.id) {
                let account = repository.spec.registry.account;
                let job = ScanImage { account, image_id: platform.id, scan_type: effective.scan_type };
                scan_image::request(tx, job, why, cause.at_ms)?;
            }
        }
        Ok(())
    }
}

fn cause_of_push(actor: &Actor) -> ScanCause {
    match actor {
        Actor::Replication => ScanCause::Replication,
        Actor::PullThroughCache => ScanCause::Import,
        Actor::Principal(_) | Actor::Lifecycle | Actor::Service => ScanCause::Push,
    }
}
