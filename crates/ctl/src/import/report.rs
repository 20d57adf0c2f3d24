//! What an import did, and what it could not do.

use serde::Serialize;

use crate::bytes;
use crate::output::{Field, field};

/// Something that was not imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotImported {
    pub(super) repository: String,
    /// `:TAG`, `@DIGEST`, or nothing for the repository.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) image: String,
    pub(super) reason: String,
}

impl NotImported {
    pub(super) fn row(&self) -> Vec<String> {
        vec![format!("{}{}", self.repository, self.image), self.reason.clone()]
    }
}

/// Counts of an import.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Totals {
    pub(super) repositories: u64,
    pub(super) repositories_created: u64,
    /// Images that the selection wants, by digest.
    pub(super) images: u64,
    /// Of these, those that are done with.
    #[serde(skip)]
    pub(super) images_done: u64,
    pub(super) images_copied: u64,
    /// Images that were there with all their tags.
    pub(super) images_unchanged: u64,
    pub(super) referrers_copied: u64,
    /// Manifests in all: of images, of what indexes list, of referrers.
    pub(super) manifests_copied: u64,
    pub(super) tags_written: u64,
    pub(super) blobs_copied: u64,
    pub(super) blobs_mounted: u64,
    pub(super) blobs_present: u64,
    /// Of blobs that were copied.
    pub(super) bytes_copied: u64,
}

/// All that a script wants to know.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) source: String,
    pub(super) target: String,
    /// Whether it only says what would be done.
    pub(super) dry_run: bool,
    /// Whether it ended early, and the next run goes on.
    pub(super) interrupted: bool,
    #[serde(flatten)]
    pub(super) totals: Totals,
    pub(super) state: String,
    /// Images of a dry run that would be copied or tagged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) would_copy: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) failures: Vec<NotImported>,
}

impl Report {
    /// For people.
    pub(super) fn text(&self) -> String {
        let totals = &self.totals;
        let (copied, created) = if self.dry_run { ("to copy", "to create") } else { ("copied", "created") };
        let line = |label: &'static str, text: String| -> Field { field(label, text) };
        let mut lines = vec![
            line("Source", self.source.clone()),
            line("Target", self.target.clone()),
            line("Repositories", format!("{}, {} {created}", totals.repositories, totals.repositories_created)),
            line(
                "Images",
                format!("{}, {} {copied}, {} unchanged", totals.images, totals.images_copied, totals.images_unchanged),
            ),
            line("Referrers", format!("{} {copied}", totals.referrers_copied)),
            line("Tags", format!("{} {}", totals.tags_written, if self.dry_run { "to write" } else { "written" })),
            line(
                "Layers",
                format!(
                    "{} {copied} ({}), {} mounted, {} were there",
                    totals.blobs_copied,
                    bytes::shown(totals.bytes_copied),
                    totals.blobs_mounted,
                    totals.blobs_present
                ),
            ),
        ];
        if !self.dry_run {
            lines.push(line("State", self.state.clone()));
        }
        if !self.would_copy.is_empty() {
            lines.push(("Would copy", self.would_copy.clone()));
        }
        if !self.notes.is_empty() {
            lines.push(("Notes", self.notes.clone()));
        }
        crate::output::fields(&lines)
    }
}
