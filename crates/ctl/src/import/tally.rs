//! What has come of an import so far, for those who watch and for the report.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::report::{NotImported, Totals};

/// What has come of it so far.
pub(super) struct Tally {
    totals: Mutex<Totals>,
    failures: Mutex<Vec<NotImported>>,
    notes: Mutex<Vec<String>>,
    would_copy: Mutex<Vec<String>>,
    /// Bytes on their way, of blobs that are not there yet too.
    pub(super) moved: Arc<AtomicU64>,
    /// Lines for whoever watches.
    lines: mpsc::UnboundedSender<String>,
}

impl Tally {
    pub(super) fn new(lines: mpsc::UnboundedSender<String>) -> Self {
        Self {
            totals: Mutex::default(),
            failures: Mutex::default(),
            notes: Mutex::default(),
            would_copy: Mutex::default(),
            moved: Arc::default(),
            lines,
        }
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.totals.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn print(&self, line: String) {
        // Nobody watches a test.
        let _ = self.lines.send(line);
    }

    /// Notes what was not imported, once.
    pub(super) fn fail(&self, repository: &str, image: impl Into<String>, reason: impl ToString) {
        let failed = NotImported { repository: repository.to_owned(), image: image.into(), reason: reason.to_string() };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if !failures.contains(&failed) {
            self.print(format!("{}{} not imported: {}", failed.repository, failed.image, failed.reason));
            failures.push(failed);
        }
    }

    pub(super) fn would_copy(&self, image: String) {
        self.would_copy.lock().unwrap_or_else(PoisonError::into_inner).push(image);
    }

    pub(super) fn note(&self, note: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    /// Failures, notes and what a dry run would copy, in order.
    pub(super) fn take(&self) -> (Vec<NotImported>, Vec<String>, Vec<String>) {
        fn taken<T>(list: &Mutex<Vec<T>>) -> Vec<T> {
            std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
        }
        let (mut failures, mut notes, mut would_copy) =
            (taken(&self.failures), taken(&self.notes), taken(&self.would_copy));
        failures.sort_by(|one, other| (&one.repository, &one.image).cmp(&(&other.repository, &other.image)));
        notes.sort_unstable();
        would_copy.sort_unstable();
        (failures, notes, would_copy)
    }
}
