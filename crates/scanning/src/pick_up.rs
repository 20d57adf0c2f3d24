//! Has the images scanned that a registry has when enhanced scanning takes their repositories: those that no enhanced scan has
//! looked at (reference/scanning.md 4).

use std::sync::Arc;

use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, JobError};
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_scans::{self, ScanCause};
use store::tables::images::{self, ImageStatus};
use store::tables::repositories::{self, Repository};
use store::tables::scanning_configurations::ScanType;

use crate::configuration::Configuration;
use crate::context::Scanning;
use crate::pick_up_images::PickUpImages;
use crate::platforms;
use crate::scan_image::{self, ScanImage};

/// Repositories, and images of one, that are looked at in one transaction.
const PAGE: usize = 100;

impl Handle<Scanning> for PickUpImages {
    const AT_ONCE: usize = 1;

    async fn run(self, app: Arc<Scanning>, _: Attempt) -> Result<(), JobError> {
        let registry = self.registry().map_err(JobError::Hopeless)?;
        let mut after = String::new();
        loop {
            let (registry, from) = (registry.clone(), after.clone());
            let page = app.db.read(move |tx| {
                let configuration = Configuration::find(tx, &registry)?;
                Ok::<_, StoreError>((configuration, repositories::list(tx, &registry, &from, PAGE)?))
            });
            let (configuration, page) = page.await.map_err(JobError::Store)?;
            for repository in page.iter().filter(|repository| is_taken(&configuration, repository)) {
                pick_up_from(&app, repository).await.map_err(JobError::Store)?;
            }
            match page.last() {
                Some(last) => after = last.spec.name.to_string(),
                None => return Ok(()),
            }
        }
    }
}

fn is_taken(configuration: &Configuration, repository: &Repository) -> bool {
    configuration.scan_type == ScanType::Enhanced && configuration.of(repository).scans_what_comes()
}

/// Has those images of a repository scanned that never were, page by page, as pushes go between these.
async fn pick_up_from(app: &Scanning, repository: &Repository) -> Result<(), StoreError> {
    let now_ms = app.now_ms();
    let mut after = String::new();
    loop {
        let (repository, from) = (repository.clone(), after.clone());
        let last = app.db.write(move |tx: &mut dyn Tx| {
            // It may have been changed since, or be gone.
            let Some(repository) = repositories::find_by_id(tx, repository.id)? else { return Ok(None) };
            if !is_taken(&Configuration::find(tx, &repository.spec.registry)?, &repository) {
                return Ok(None);
            }
            let page = images::list(tx, repository.id, &from, PAGE)?;
            for image in &page {
                for platform in platforms::of(tx, image)?.images {
                    let (image_id, scan_type) = (platform.id, ScanType::Enhanced);
                    if platform.status == ImageStatus::Active && image_scans::find(tx, image_id, scan_type)?.is_none() {
                        let job = ScanImage { account: repository.spec.registry.account, image_id, scan_type };
                        scan_image::request(tx, job, ScanCause::Configuration, now_ms)?;
                    }
                }
            }
            Ok::<_, StoreError>(page.last().map(|last| last.digest.to_string()))
        });
        match last.await? {
            Some(last) => after = last,
            None => return Ok(()),
        }
        app.wake_jobs.wake();
    }
}
