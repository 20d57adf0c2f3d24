//! What the stores hold against what the metadata names.

use std::time::UNIX_EPOCH;

use oci::shown_bytes;
use store::blob::{Listed, ListedKind, ObjectId, Tier};
use store::db::schema;
use store::error::StoreError;
use store::tables::row_checks;

use super::check::Checker;
use super::finding::{Finding, FindingKind};

/// Listed things that one transaction looks up.
const BATCH: usize = 200;
/// Foreign files that are named one by one.
const NAMES_SHOWN: usize = 100;

impl Checker {
    /// Finds what is in a store and in no row.
    pub(super) async fn check_store(&mut self, tier: Tier) -> Result<(), StoreError> {
        let tables = self.app.db.read(schema::read).await?;
        let columns = row_checks::object_columns(&tables);
        let mut list = self.app.tier(tier).list();
        let mut batch: Vec<Listed> = Vec::new();
        loop {
            let next = list.next().await?;
            let is_end = next.is_none();
            batch.extend(next);
            if batch.len() >= BATCH || is_end {
                self.progress.objects_listed += batch.len() as u64;
                self.check_listed(tier, &columns, std::mem::take(&mut batch)).await?;
                self.note_progress(false).await?;
            }
            if is_end {
                return Ok(());
            }
        }
    }

    /// Finds what is in the data folder beside the stores and is nobody's that it is known of.
    pub(super) async fn check_data_folder(&mut self) -> Result<(), StoreError> {
        let folder = self.app.data_folder.clone();
        let listing = runtime::tasks::blocking("looking at the data folder", move || {
            let found = folder.foreign().into_iter();
            found.filter_map(|path| Some((runtime::files::symlink_metadata(&path).ok()?, path))).collect::<Vec<_>>()
        });
        let found = listing.await?;
        let until_ms = self.app.now_ms() - self.settings.orphan_grace_ms();
        for (metadata, path) in found {
            let age = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
            if i64::try_from(age.as_millis()).is_ok_and(|modified_at_ms| modified_at_ms <= until_ms) {
                self.report_foreign(path.display().to_string(), metadata.len()).await?;
            }
        }
        Ok(())
    }

    async fn report_foreign(&mut self, path: String, bytes: u64) -> Result<(), StoreError> {
        if self.foreign_files < NAMES_SHOWN {
            let detail = format!("{} in {path}", shown_bytes(bytes));
            self.report(Finding::new(FindingKind::ForeignFile, path, detail)).await?;
        }
        self.foreign_files += 1;
        Ok(())
    }

    async fn check_listed(
        &mut self,
        tier: Tier,
        columns: &[(String, String)],
        batch: Vec<Listed>,
    ) -> Result<(), StoreError> {
        let ids: Vec<Option<ObjectId>> = batch.iter().map(|listed| object_of(&listed.kind)).collect();
        let columns = columns.to_vec();
        // After the listing: rows come before bytes, so an object that is in use has its row by now.
        let named = self.app.db.read(move |tx| {
            let look_up = |id: &Option<ObjectId>| match id {
                Some(object) => row_checks::is_named(tx, &columns, *object),
                None => Ok(false),
            };
            ids.iter().map(look_up).collect::<Result<Vec<bool>, StoreError>>()
        });
        let until_ms = self.app.now_ms() - self.settings.orphan_grace_ms();
        for (listed, is_named) in batch.into_iter().zip(named.await?) {
            if !is_named && listed.modified_at_ms <= until_ms {
                self.report_orphan(tier, listed).await?;
            }
        }
        Ok(())
    }

    async fn report_orphan(&mut self, tier: Tier, listed: Listed) -> Result<(), StoreError> {
        let Some(object) = object_of(&listed.kind) else {
            return self.report_foreign(listed.key, listed.bytes).await;
        };
        let detail = format!("{} in {}", shown_bytes(listed.bytes), listed.key);
        let mut finding = Finding::new(FindingKind::OrphanObject, object.to_string(), detail);
        finding.object = Some(object.to_string());
        if self.settings.repair {
            // Names are never used twice, so what nothing names now nothing ever will.
            self.app.tier(tier).remove_listed(&listed).await?;
            finding = finding.repaired("removed");
        }
        self.report(finding).await
    }
}

fn object_of(kind: &ListedKind) -> Option<ObjectId> {
    match kind {
        ListedKind::Object(object) => Some(*object),
        ListedKind::Multipart { object, .. } => *object,
        ListedKind::Foreign => None,
    }
}
