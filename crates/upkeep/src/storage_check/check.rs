//! One check of all that is stored: what it is asked to do, how far it is, and what it has found.

use std::collections::BTreeMap;
use std::sync::Arc;

use oci::Digest;
use registry::Registry;
use registry::images::errors::RegistryError;
use runtime::boxed;
use runtime::with_causes;
use serde::{Deserialize, Serialize};
use store::blob::Tier;
use store::error::{StoreError, StoreErrorKind};
use store::tables::blobs::{self, StoredBlob};
use store::tables::damaged_objects;
use store::tables::row_checks::{self, RowCheck};
use store::tables::storage_checks::{self, CheckStatus, StorageCheck};
use tokio::task::JoinSet;

use super::contents::{Damage, Depth, examine};
use super::finding::{Finding, FindingKind};
use super::heal::heal;

const HOUR_MS: i64 = 60 * 60 * 1000;
/// Checks that are kept with what they found.
pub const KEPT: usize = 10;
/// Findings of one check that are stored; more are counted.
const MAX_FINDINGS: u64 = 10_000;
/// Blobs that one page has, and that are read at a time.
const BLOBS: usize = 200;
const READERS: usize = 4;
/// Progress is stored after so much work.
const NOTE_EVERY_BYTES: u64 = 64 * 1024 * 1024;
const NOTE_EVERY: u64 = 500;
/// Images that a finding names.
const AFFECTED: usize = 10;

/// What a check is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Of so many of a hundred blobs all bytes are read; of the others the end.
    pub sample_percent: f64,
    /// Whether what is safe to repair is repaired.
    pub repair: bool,
    /// What nothing names counts as an orphan after so many hours.
    pub orphan_grace_hours: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sample_percent: 100.0, repair: false, orphan_grace_hours: 24 }
    }
}

impl Settings {
    pub(super) fn orphan_grace_ms(&self) -> i64 {
        i64::from(self.orphan_grace_hours) * HOUR_MS
    }
}

/// How far a check is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// What it is at, in words.
    pub phase: String,
    /// Of blobs and images together, how many it has looked at.
    pub done: u64,
    /// And how many there are.
    pub total: u64,
    /// Blobs whose object was looked at.
    pub blobs_checked: u64,
    /// Of these, those that were read whole.
    pub blobs_read: u64,
    /// What was read of them.
    pub bytes_read: u64,
    /// Images whose manifest was looked at.
    pub images_checked: u64,
    /// Things that the stores have listed.
    pub objects_listed: u64,
    /// How often each kind was found.
    pub found: BTreeMap<FindingKind, u64>,
    /// How many of these were repaired.
    pub repaired: u64,
    /// How many of them only are worth knowing.
    pub warnings: u64,
}

impl Progress {
    /// Findings that are neither repaired nor warnings.
    pub fn damage(&self) -> u64 {
        self.found.values().sum::<u64>().saturating_sub(self.repaired + self.warnings)
    }

    /// All findings.
    pub fn findings(&self) -> u64 {
        self.found.values().sum()
    }
}

/// A check at work.
pub struct Checker {
    pub(super) app: Arc<Registry>,
    pub(super) settings: Settings,
    pub(super) progress: Progress,
    pub(super) foreign_files: usize,
    row: StorageCheck,
    /// Work and bytes at which progress was stored last.
    noted: (u64, u64),
}

/// Does a check from its beginning. An error says that it could not be done, and is not stored.
#[boxed]
pub async fn run(app: Arc<Registry>, row: StorageCheck, settings: Settings) -> Result<(), StoreError> {
    let id = row.id.clone();
    app.db.write(move |tx| storage_checks::clear_findings(tx, &id)).await?;
    let mut checker = Checker { app, settings, progress: Progress::default(), foreign_files: 0, row, noted: (0, 0) };
    checker.run().await
}

impl Checker {
    async fn run(&mut self) -> Result<(), StoreError> {
        let (blobs, _, images) = self.app.db.read(row_checks::totals).await?;
        self.progress.total = blobs + images;
        self.row.status = CheckStatus::Running;
        self.begin("tables").await?;
        let checked = self.check_tables().await;
        self.note_damage("tables", checked).await?;
        for check in RowCheck::ALL {
            let checked = self.check_rows(check).await;
            self.note_damage("tables", checked).await?;
        }
        self.begin("values").await?;
        let checked = self.check_values().await;
        self.note_damage("values", checked).await?;
        self.begin("manifests").await?;
        let checked = self.check_manifests().await;
        self.note_damage("manifests", checked).await?;
        self.begin("blobs").await?;
        let checked = self.check_blobs().await;
        self.note_damage("blobs", checked).await?;
        self.begin("objects").await?;
        for tier in Tier::ALL {
            let checked = self.check_store(tier).await;
            self.note_damage("objects", checked).await?;
        }
        self.check_data_folder().await?;
        self.progress.phase = String::new();
        self.progress.done = self.progress.total;
        self.row.status = if self.progress.damage() == 0 { CheckStatus::Clean } else { CheckStatus::Damaged };
        self.row.finished_at_ms = Some(self.app.now_ms());
        self.note_progress(true).await
    }

    /// Damage that a part of the check cannot go on from is found by it: the parts after it still tell what they can.
    async fn note_damage(&mut self, part: &str, checked: Result<(), StoreError>) -> Result<(), StoreError> {
        match checked {
            Err(error) if error.kind() == StoreErrorKind::Corrupt => {
                let detail = format!("the check of {part} could not be ended: {}", with_causes(&error));
                self.report(Finding::new(FindingKind::DamagedDatabase, "the database", detail)).await
            }
            other => other,
        }
    }

    async fn begin(&mut self, phase: &str) -> Result<(), StoreError> {
        phase.clone_into(&mut self.progress.phase);
        self.note_progress(true).await
    }

    /// Stores how far this is, if that has changed by much.
    pub(super) async fn note_progress(&mut self, is_now: bool) -> Result<(), StoreError> {
        let work = self.progress.done + self.progress.objects_listed;
        let bytes = self.progress.bytes_read;
        if !is_now && work < self.noted.0 + NOTE_EVERY && bytes < self.noted.1 + NOTE_EVERY_BYTES {
            return Ok(());
        }
        self.noted = (work, bytes);
        self.row.progress = serde_json::to_string(&self.progress).expect("numbers and texts can be written as JSON");
        let row = self.row.clone();
        self.app.db.write(move |tx| storage_checks::update(tx, &row)).await?;
        Ok(())
    }

    /// Notes something that is wrong.
    pub(super) async fn report(&mut self, finding: Finding) -> Result<(), StoreError> {
        *self.progress.found.entry(finding.kind).or_default() += 1;
        self.progress.repaired += u64::from(finding.repair.is_some());
        self.progress.warnings += u64::from(finding.kind.is_warning());
        let number = self.progress.findings();
        tracing::warn!(
            kind = ?finding.kind, subject = finding.subject,
            "a check found {:?} of {}: {}", finding.kind, finding.subject, finding.detail
        );
        if number > MAX_FINDINGS {
            return Ok(());
        }
        let id = self.row.id.clone();
        let text = serde_json::to_string(&finding).expect("texts can be written as JSON");
        self.app.db.write(move |tx| storage_checks::put_finding(tx, &id, number as i64, &text)).await
    }

    /// Every blob's object.
    async fn check_blobs(&mut self) -> Result<(), StoreError> {
        let mut after = 0;
        let mut reading: JoinSet<Result<Option<Examined>, StoreError>> = JoinSet::new();
        loop {
            let page = self.app.db.read(move |tx| row_checks::blobs_after(tx, after, BLOBS)).await?;
            let Some(last) = page.last() else { break };
            after = *last;
            for id in page {
                while reading.len() >= READERS {
                    self.take_examined(&mut reading).await?;
                }
                runtime::tasks::spawn_in(
                    &mut reading,
                    examine_row(Arc::clone(&self.app), id, self.settings.sample_percent),
                );
            }
        }
        while !reading.is_empty() {
            self.take_examined(&mut reading).await?;
        }
        Ok(())
    }

    async fn take_examined(
        &mut self,
        reading: &mut JoinSet<Result<Option<Examined>, StoreError>>,
    ) -> Result<(), StoreError> {
        let Some(ended) = reading.join_next().await else { return Ok(()) };
        let examined = ended.map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "looking at a blob ended early").with_source(error)
        })??;
        self.progress.done += 1;
        let Some(Examined { stored, digest, depth, damage }) = examined else { return Ok(()) };
        self.progress.blobs_checked += 1;
        if depth == Depth::Whole && damage.as_ref().is_none_or(Damage::was_read) {
            self.progress.blobs_read += 1;
            self.progress.bytes_read += stored.stored_bytes;
        }
        match damage {
            Some(damage) => self.report_damage(stored, digest, damage).await?,
            None if depth == Depth::Whole => {
                let object = stored.object;
                let known = self.app.db.read_point(damaged_objects::count_all).await?;
                if known > 0 {
                    self.app.db.write(move |tx| damaged_objects::delete(tx, object)).await?;
                }
            }
            None => {}
        }
        self.note_progress(false).await
    }

    async fn report_damage(&mut self, stored: StoredBlob, digest: Digest, damage: Damage) -> Result<(), StoreError> {
        let (id, object, now_ms, problem) = (stored.id, stored.object, self.app.now_ms(), damage.detail.clone());
        let is_damaged = !damage.kind.is_warning();
        let affected = self.app.db.write(move |tx| {
            if is_damaged {
                damaged_objects::insert(tx, object, &problem, now_ms)?;
            }
            row_checks::places_of(tx, id, AFFECTED)
        });
        let mut finding = Finding::new(damage.kind, digest.to_string(), damage.detail);
        finding.object = Some(object.to_string());
        finding.affected = affected.await?;
        if self.settings.repair && is_damaged {
            match heal(&self.app, &stored, &digest).await {
                Ok(Some(how)) => {
                    self.app.db.write(damaged_objects::forget_replaced).await?;
                    finding = finding.repaired(how);
                }
                Ok(None) => {}
                Err(RegistryError::Store(error)) => {
                    tracing::warn!("blob {digest} was not healed: {}", with_causes(&error));
                }
                Err(error) => tracing::warn!("blob {digest} was not healed: {error}"),
            }
        }
        self.report(finding).await
    }
}

/// A blob that was looked at.
struct Examined {
    stored: StoredBlob,
    digest: Digest,
    depth: Depth,
    damage: Option<Damage>,
}

/// Whether all of an object is read: names are random, so their first bytes choose.
fn is_sampled(stored: &StoredBlob, percent: f64) -> bool {
    let [first, second, ..] = *stored.object.as_bytes();
    f64::from(u16::from_be_bytes([first, second])) < percent / 100.0 * 65_536.0
}

/// Nothing in the place of what cannot be read.
pub fn unless_damaged<T>(found: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match found {
        Err(error) if error.kind() == StoreErrorKind::Corrupt => Ok(None),
        other => other,
    }
}

/// Looks at the blob of a row; none if it is gone. What seems damaged is looked at again if the blob has its bytes
/// elsewhere by then: it may have been replaced in between.
async fn examine_row(app: Arc<Registry>, id: i64, percent: f64) -> Result<Option<Examined>, StoreError> {
    loop {
        let found = app.db.read_point(move |tx| blobs::find(tx, id)).await;
        // A row that cannot be read was told of with the values of all rows.
        let Some((stored, digest)) = unless_damaged(found)? else { return Ok(None) };
        let depth = if is_sampled(&stored, percent) { Depth::Whole } else { Depth::End };
        let damage = examine(&app, &stored, &digest, depth, None).await?;
        if damage.is_some() {
            let now = app.db.read_point(move |tx| blobs::find(tx, id)).await?;
            if now.is_none_or(|(now, _)| now != stored) {
                continue;
            }
        }
        return Ok(Some(Examined { stored, digest, depth, damage }));
    }
}
