//! Importing one repository: which of its images are wanted, the repository itself, and its settings.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use oci::{Digest, RepositoryName};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::copy::{Copied, Import, shown};
use super::destination::{PolicyKind, Present};
use super::ecr::Settings;
use super::failure::Failure;
use super::source::{Listing, Problem};

/// A repository on its way.
pub(super) struct RepositoryImport {
    pub(super) source: String,
    pub(super) target: RepositoryName,
    pub(super) is_there: bool,
    pub(super) listing: Listing,
    /// What the target's tags name.
    pub(super) tags: HashMap<String, Digest>,
    pub(super) present: Mutex<HashSet<Digest>>,
    /// Images that are being copied or were.
    pub(super) copies: Mutex<HashMap<Digest, Arc<OnceCell<Copied>>>>,
}

impl RepositoryImport {
    pub(super) fn has(&self, digest: Digest) -> bool {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest)
    }

    pub(super) fn add(&self, digest: Digest) {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }
}

impl Import {
    /// Imports a repository; what goes wrong is noted.
    pub(super) async fn repository(self: Arc<Self>, name: String) {
        self.tally.count(|totals| totals.repositories += 1);
        let target = match &self.manner.prefix {
            Some(prefix) => format!("{}/{name}", prefix.trim_end_matches('/')),
            None => name.clone(),
        };
        let target: RepositoryName = match target.parse() {
            Ok(target) => target,
            Err(error) => {
                let reason = format!("'{target}' is no name of a repository in ECR: {error}; --prefix may help");
                return self.tally.fail(&name, "", reason);
            }
        };
        if let Err(failure) = self.import_into(&name, target).await {
            self.tally.fail(&name, "", failure);
        }
    }

    async fn import_into(self: &Arc<Self>, name: &str, target: RepositoryName) -> Result<(), Failure> {
        let mut listing = self.source.list(name, &self.selection).await?;
        self.drop_old(name, &mut listing).await;
        for Problem { image, reason } in std::mem::take(&mut listing.problems) {
            self.tally.fail(name, image, reason);
        }
        for note in std::mem::take(&mut listing.notes) {
            self.tally.note(note);
        }
        let is_there = self.target.has_repository(&target).await?;
        let settings = self.prepare(name, &target, is_there).await?;
        let Present { images, tags } = if is_there { self.target.present(&target).await? } else { Present::default() };
        let images_to_copy = listing.images.clone();
        self.tally.count(|totals| totals.images += images_to_copy.len() as u64);
        let is_there = is_there || !self.manner.is_dry_run;
        let place = Arc::new(RepositoryImport {
            source: name.to_owned(),
            target,
            is_there,
            listing,
            tags,
            present: Mutex::new(images),
            copies: Mutex::default(),
        });
        let mut copying = JoinSet::new();
        let mut is_whole = true;
        for image in images_to_copy {
            // In this order, as lifecycle policies count by it.
            let Ok(permit) = Arc::clone(&self.images).acquire_owned().await else { break };
            let (import, place) = (Arc::clone(self), Arc::clone(&place));
            copying.spawn(async move {
                let is_copied = import.image(&place, &image).await;
                drop(permit);
                is_copied
            });
            while let Some(done) = copying.try_join_next() {
                is_whole &= done.unwrap_or(false);
            }
        }
        while let Some(done) = copying.join_next().await {
            is_whole &= done.unwrap_or(false);
        }
        self.settle(&place, settings, is_whole).await;
        Ok(())
    }

    /// Leaves out what was there before the time that the selection names.
    async fn drop_old(&self, name: &str, listing: &mut Listing) {
        let Some(since_ms) = self.selection.since_ms else { return };
        let mut recent_images = Vec::new();
        for image in std::mem::take(&mut listing.images) {
            let at_ms = match image.pushed_at_ms {
                Some(at_ms) => Ok(Some(at_ms)),
                None => self.source.created_at_ms(name, image.digest).await,
            };
            match at_ms {
                // What does not say its age is no image that could be told to be old.
                Ok(at_ms) => recent_images.extend(at_ms.is_none_or(|at_ms| at_ms >= since_ms).then_some(image)),
                Err(failure) => self.tally.fail(name, shown(&image), failure),
            }
        }
        listing.images = recent_images;
    }

    /// Creates the repository if it is not there; the settings that it should get when the images are there.
    async fn prepare(&self, name: &str, target: &RepositoryName, is_there: bool) -> Result<Option<Settings>, Failure> {
        let is_unsettled = self.state.is_unsettled(target.as_str());
        let settings = if self.manner.has_settings && (!is_there || is_unsettled) {
            self.source.settings(name).await?
        } else {
            None
        };
        for problem in settings.iter().flat_map(|settings| &settings.problems) {
            self.tally.fail(name, "", problem);
        }
        if is_there {
            return Ok(settings);
        }
        self.tally.count(|totals| totals.repositories_created += 1);
        if self.manner.is_dry_run {
            return Ok(None);
        }
        // Before it is created: a run that is killed in between must know whose settings these are.
        self.state.note_created(target.as_str());
        self.target.create_repository(target, settings.as_ref()).await?;
        self.tally.print(format!("{target} created"));
        Ok(settings)
    }

    /// Gives a new repository its policies. That for lifecycles waits for all images: it deletes by what it sees.
    async fn settle(&self, place: &RepositoryImport, settings: Option<Settings>, is_whole: bool) {
        let Some(settings) = settings.filter(|_| !self.manner.is_dry_run) else { return };
        let mut is_settled = is_whole && settings.problems.is_empty();
        let lifecycle = settings.lifecycle_policy.filter(|_| is_whole);
        for (kind, what, text) in [
            (PolicyKind::Repository, "its policy", settings.repository_policy),
            (PolicyKind::Lifecycle, "its lifecycle policy", lifecycle),
        ] {
            let Some(text) = text else { continue };
            if let Err(failure) = self.target.put_policy(&place.target, kind, &text).await {
                is_settled = false;
                self.tally.fail(&place.source, "", format!("{what} cannot be set: {failure}"));
            }
        }
        if is_settled {
            self.state.note_settled(place.target.as_str());
        }
    }
}
