//! What the stores hold against what the metadata names.

use store::blob::{Listed, ListedKind, ObjectId, Tier};
use store::db::schema;
use store::error::StoreError;
use store::tables::integrity;

use super::check::Checker;
use super::finding::{Finding, FindingKind};

/// Listed things that one transaction looks up.
const BATCH: usize = 200;
/// Files that Wharf keeps in its folders beside objects have been written a moment ago at most.
const NAMES_SHOWN: usize = 3;

impl Checker {
    /// Finds what is in a store and in no row.
    pub(super) async fn check_store(&mut self, tier: Tier) -> Result<(), StoreError> {
        let tables = self.app.db.read(schema::read).await?;
        let columns = integrity::object_columns(&tables);
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
                Some(object) => integrity::is_named(tx, &columns, *object),
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
        let detail = format!("{} bytes in {}", listed.bytes, listed.key);
        let Some(object) = object_of(&listed.kind) else {
            if self.foreign_files < NAMES_SHOWN {
                self.report(Finding::new(FindingKind::ForeignFile, listed.key.clone(), detail)).await?;
            }
            self.foreign_files += 1;
            return Ok(());
        };
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
