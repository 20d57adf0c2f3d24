//! Rows against rows, and manifests against the rows of their images.

use std::sync::Arc;

use oci::{Digest, Manifest, ManifestKind};
use registry::images::encryption::open_manifest;
use registry::images::errors::RegistryError;
use registry::images::uploads::blob_scope;
use store::db::schema;
use store::error::{StoreError, StoreErrorKind};
use store::tables::row_checks::{self, RowCheck, WrongRow};
use store::tables::{advisory_records, images, pull_through_cache_rules, repositories, repository_blobs};

use super::advisories::{self, DamagedRecord};
use super::check::{Checker, unless_damaged};
use super::documents;
use super::finding::{Finding, FindingKind};
use super::pages;
use super::values::Values;

/// Rows of one kind of dangling reference that are told one by one.
const DANGLING_SHOWN: usize = 100;
/// Images that one transaction reads.
const IMAGES: usize = 50;

const fn kind_of(check: RowCheck) -> FindingKind {
    match check {
        RowCheck::TagElsewhere => FindingKind::TagElsewhere,
        RowCheck::LayerNotShown => FindingKind::LayerNotShown,
        RowCheck::ListedImageMissing => FindingKind::ListedImageMissing,
        RowCheck::LinkToOtherDigest => FindingKind::LinkToOtherDigest,
        RowCheck::ImageCount | RowCheck::UpstreamImageCount => FindingKind::WrongImageCount,
        RowCheck::ReferenceCount => FindingKind::WrongReferenceCount,
        RowCheck::RepositoryImageCount => FindingKind::WrongRepositoryCount,
        RowCheck::ObjectNamedTwice => FindingKind::ObjectNamedTwice,
    }
}

/// An image as the check of manifests needs it.
struct ImageToCheck {
    repository: repositories::Repository,
    image: images::Image,
    sealed: Vec<u8>,
}

impl Checker {
    /// The database's file, and references between tables.
    pub(super) async fn check_tables(&mut self) -> Result<(), StoreError> {
        for finding in pages::findings(&self.app.db).await? {
            self.report(finding).await?;
        }
        for problem in self.app.db.read(row_checks::file_problems).await? {
            self.report(Finding::new(FindingKind::DamagedDatabase, "wharf.db", problem)).await?;
        }
        for table in self.app.db.read(schema::read).await? {
            for reference in table.references.clone() {
                let (asked, of) = (table.clone(), reference.clone());
                let found = self.app.db.read(move |tx| row_checks::dangling(tx, &asked, &of, DANGLING_SHOWN)).await?;
                for row in found {
                    let detail = format!("table {} names a row of {} that is not there", table.name, reference.table);
                    self.report(Finding::new(FindingKind::DanglingRow, row, detail)).await?;
                }
            }
        }
        Ok(())
    }

    /// The values of all rows, and what is sealed in them.
    pub(super) async fn check_values(&mut self) -> Result<(), StoreError> {
        let app = Arc::clone(&self.app);
        // Before they are read: they are found with all other policies that cannot be.
        if !documents::mark_changed(&app.db).await?.is_empty() {
            app.publish_changes().await?;
        }
        let mut values = Values::of(&app).await?;
        while values.has_more() {
            for finding in values.next_table().await? {
                self.report(finding).await?;
            }
            self.note_progress(false).await?;
        }
        for finding in values.sealed().await? {
            self.report(finding).await?;
        }
        for finding in values.scans().await? {
            self.report(finding).await?;
        }
        for DamagedRecord { record, mut finding } in advisories::find_damaged(&app).await? {
            if self.settings.repair {
                app.db.write(move |tx| advisory_records::drop_damaged(tx, &record)).await?;
                finding = finding.repaired("dropped; its feed is taken in anew by the next update");
            }
            self.report(finding).await?;
        }
        Ok(())
    }

    /// One kind of wrong rows.
    pub(super) async fn check_rows(&mut self, check: RowCheck) -> Result<(), StoreError> {
        let mut after = 0;
        while let Some((wrong, last)) = self.app.db.read(move |tx| row_checks::wrong_rows(tx, check, after)).await? {
            after = last;
            for row in wrong {
                self.report_row(check, row).await?;
            }
            self.note_progress(false).await?;
        }
        Ok(())
    }

    async fn report_row(&mut self, check: RowCheck, row: WrongRow) -> Result<(), StoreError> {
        let repository_id = row.repository_id;
        let place = match repository_id {
            None => None,
            Some(id) => {
                let found = self.app.db.read_point(move |tx| {
                    let Some(repository) = repositories::find_by_id(tx, id)? else { return Ok(None) };
                    let (registry, name) = (&repository.spec.registry, &repository.spec.name);
                    let rule = pull_through_cache_rules::find_for(tx, &registry.repository(name))?;
                    Ok::<_, StoreError>(Some((repository, rule.is_some())))
                });
                unless_damaged(found.await)?
            }
        };
        // Images of a cached list come when they are asked for.
        if check == RowCheck::ListedImageMissing && place.as_ref().is_some_and(|(_, is_cached)| *is_cached) {
            return Ok(());
        }
        let mut finding = Finding::new(
            kind_of(check),
            row.subject.clone(),
            format!("{}, and should be: {}", row.found, row.expected),
        );
        if let Some((repository, _)) = &place {
            let spec = &repository.spec;
            finding.affected.push(format!("{}/{}/{}", spec.registry.account, spec.registry.region, spec.name));
        }
        if self.settings.repair
            && let Some(how) = self.repair_row(check, &row, place.map(|(repository, _)| repository)).await?
        {
            finding = finding.repaired(how);
        }
        self.report(finding).await
    }

    async fn repair_row(
        &self,
        check: RowCheck,
        row: &WrongRow,
        repository: Option<repositories::Repository>,
    ) -> Result<Option<String>, StoreError> {
        let (db, now_ms) = (&self.app.db, self.app.now_ms());
        let subject = row.subject.clone();
        Ok(match (check, row.repository_id, row.blob_id) {
            (RowCheck::ReferenceCount, _, Some(id)) => {
                db.write(move |tx| row_checks::recount_references(tx, id)).await?;
                Some("counted anew".to_owned())
            }
            (RowCheck::ImageCount | RowCheck::UpstreamImageCount, Some(id), _) => {
                db.write(move |tx| row_checks::recount_images(tx, id, &subject, now_ms)).await?;
                Some("counted anew".to_owned())
            }
            (RowCheck::RepositoryImageCount, Some(id), _) => {
                db.write(move |tx| row_checks::recount_repository(tx, id)).await?;
                Some("counted anew".to_owned())
            }
            (RowCheck::ObjectNamedTwice, ..) => {
                let is_kept = db.write(move |tx| row_checks::keep_named_object(tx, &subject)).await?;
                is_kept.then(|| "the note of its removal was taken back".to_owned())
            }
            (RowCheck::LayerNotShown, Some(id), _) => {
                let (Some(repository), Ok(digest)) = (repository, subject.parse::<Digest>()) else { return Ok(None) };
                let scope = blob_scope(&repository);
                let is_shown = db.write(move |tx| row_checks::show_again(tx, id, &scope, &digest, now_ms)).await?;
                is_shown.then(|| "the repository shows the stored copy again".to_owned())
            }
            _ => None,
        })
    }

    /// Manifests: that they open, are what their digests say, and that their layers are as long as they say.
    pub(super) async fn check_manifests(&mut self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = self.app.db.read(move |tx| {
                let mut page = Vec::new();
                for (id, repository_id) in row_checks::images_after(tx, after, IMAGES)? {
                    // Rows that cannot be read were told of with the values of all rows.
                    let repository = unless_damaged(repositories::find_by_id(tx, repository_id))?;
                    let Some(repository) = repository else { continue };
                    let image = unless_damaged(images::find_by_id(tx, repository_id, id))?;
                    let sealed = images::sealed_manifest(tx, id)?;
                    if let (Some(image), Some(sealed)) = (image, sealed) {
                        page.push(ImageToCheck { repository, image, sealed });
                    }
                }
                let last = row_checks::images_after(tx, after, IMAGES)?.last().map(|(id, _)| *id);
                Ok::<_, StoreError>((page, last))
            });
            let (page, last) = page.await?;
            let Some(last) = last else { return Ok(()) };
            after = last;
            for image in page {
                self.check_manifest(image).await?;
                self.progress.images_checked += 1;
                self.progress.done += 1;
            }
            self.note_progress(false).await?;
        }
    }

    async fn check_manifest(&mut self, checked: ImageToCheck) -> Result<(), StoreError> {
        let ImageToCheck { repository, image, sealed } = checked;
        let spec = &repository.spec;
        let affected = format!("{}/{}/{}@{}", spec.registry.account, spec.registry.region, spec.name, image.digest);
        let subject = image.digest.to_string();
        let finding = |kind: FindingKind, detail: String| {
            let mut finding = Finding::new(kind, subject.clone(), detail);
            finding.affected.push(affected.clone());
            finding
        };
        let opened = open_manifest(&self.app, &spec.registry.repository(&spec.name), &image.digest, &sealed).await;
        let manifest = match opened {
            Ok(manifest) => manifest,
            Err(RegistryError::Store(error)) if error.kind() == StoreErrorKind::Corrupt => {
                return self.report(finding(FindingKind::DamagedManifest, error.to_string())).await;
            }
            Err(RegistryError::Store(error)) => return Err(error),
            Err(other) => return self.report(finding(FindingKind::KeyUnusable, other.to_string())).await,
        };
        let actual = match image.digest.algorithm() {
            oci::Algorithm::Sha256 => Digest::sha256_of(&manifest),
            oci::Algorithm::Sha512 => Digest::sha512_of(&manifest),
        };
        if actual != image.digest {
            let detail = format!("the stored manifest has the digest {actual}");
            return self.report(finding(FindingKind::DamagedManifest, detail)).await;
        }
        // What was stored is what was pushed; a manifest that was taken once and would not be today is no damage.
        let Ok(parsed) = Manifest::parse(&manifest, image.media_type.as_ref()) else {
            return Ok(());
        };
        let named: Vec<(Digest, u64)> =
            parsed.blobs().iter().filter_map(|blob| Some((blob.digest, blob.size_bytes?))).collect();
        let repository_id = repository.id;
        let sizes = self.app.db.read(move |tx| {
            let mut wrong = Vec::new();
            for (digest, size) in &named {
                let stored = unless_damaged(repository_blobs::find(tx, repository_id, digest))?;
                if let Some(stored) = stored.filter(|stored| stored.stored.size_bytes != *size) {
                    wrong.push((*digest, *size, stored.stored.size_bytes));
                }
            }
            Ok::<_, StoreError>(wrong)
        });
        for (digest, said, stored) in sizes.await? {
            let detail = format!("its manifest says that {digest} has {said} bytes, and what is stored has {stored}");
            self.report(finding(FindingKind::SizeNotAsPushed, detail)).await?;
        }
        let size = parsed.image_size_bytes();
        if !matches!(parsed.kind, ManifestKind::Index { .. }) && size != image.size_bytes {
            let detail = format!("the image has {size} bytes by its manifest, and {} by its row", image.size_bytes);
            let mut finding = finding(FindingKind::WrongSize, detail);
            if self.settings.repair {
                let id = image.id;
                self.app.db.write(move |tx| row_checks::set_image_size(tx, id, size)).await?;
                finding = finding.repaired("taken from the manifest");
            }
            self.report(finding).await?;
        }
        Ok(())
    }
}
