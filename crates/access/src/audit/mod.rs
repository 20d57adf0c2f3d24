//! Records of who did what, in CloudTrail's form (reference/around.md 3): made by the dispatchers, kept in a file and for
//! LookupEvents. No request ever waits for them.

mod api_call;
mod event;
mod file;
mod identity;
mod parameters;
mod pending;
mod recipients;
mod refusals;
mod repetitions;
mod shares;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runtime::boxed;
use runtime::shutdown::stopped;
use runtime::start_error::StartError;
use runtime::timer::interval;
use store::db::Db;
use store::error::StoreError;
use store::tables::audit_events;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::Access;

pub use api_call::{EndedCall, record_call, record_web_identity};
pub use event::{ApiEvent, AuditedResource, ServiceEvent, Who, record, record_service_event};
pub use parameters::cut;
pub use refusals::{
    record_denied_mount, record_layer_download, record_login, record_replicated_layer, record_signature,
    record_unknown_operation, record_web_identity_refusal,
};

use file::FileWriter;
use pending::Pending;
use repetitions::{RepeatedFailures, RepeatedRefusals};

/// Events are stored so often, and old ones removed.
const STORE_EVERY: Duration = Duration::from_secs(1);
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// Events that one transaction removes.
const PRUNE_BATCH: usize = 1_000;

/// A file that takes every record.
#[derive(Clone, Debug)]
pub struct AuditFile {
    /// Where it is.
    pub path: PathBuf,
    /// A new one begins at this length.
    pub rotate_bytes: u64,
    /// Files that are kept, the one that is written included; at least 1.
    pub keep_files: u32,
}

/// What is recorded.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// The file.
    pub file: Option<AuditFile>,
    /// Whether LookupEvents knows of what was only read.
    pub record_reads: bool,
    /// How long LookupEvents knows of an event.
    pub retention_ms: i64,
    /// How many events LookupEvents knows of, of all accounts together; 0 for none at all.
    pub max_events: u64,
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

impl Default for AuditSettings {
    /// No file; 90 days and a million events for LookupEvents, as CloudTrail's event history has.
    fn default() -> Self {
        Self { file: None, record_reads: false, retention_ms: 90 * DAY_MS, max_events: 1_000_000 }
    }
}

/// The audit of one node.
pub struct Audit {
    settings: AuditSettings,
    file: Option<FileWriter>,
    pending: Pending,
    refusals: RepeatedRefusals,
    failures: RepeatedFailures,
}

impl Audit {
    /// Opens the file, if there is one.
    pub fn open(settings: AuditSettings) -> Result<Self, StartError> {
        let file = settings.file.clone().map(FileWriter::open).transpose()?;
        Ok(Self {
            settings,
            file,
            pending: Pending::default(),
            refusals: RepeatedRefusals::default(),
            failures: RepeatedFailures::default(),
        })
    }

    /// Whether anybody wants a record of a call. What nobody wants costs no more than this question.
    pub fn wants(&self, is_read_only: bool) -> bool {
        self.file.is_some() || self.stores(is_read_only)
    }

    /// Whether LookupEvents is to know of such a call.
    fn stores(&self, is_read_only: bool) -> bool {
        self.settings.max_events > 0 && (self.settings.record_reads || !is_read_only)
    }

    /// Stores the events that wait.
    #[boxed]
    pub async fn flush(&self, db: &Db) -> Result<(), StoreError> {
        self.pending.flush(db).await
    }

    /// Writes the file to its end, and says what was lost until then. What comes later is not written any more.
    pub fn close(&self) {
        if let Some(file) = &self.file {
            file.close();
        }
        self.warn_of_losses();
    }

    fn warn_of_losses(&self) {
        let dropped = self.pending.take_dropped();
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "{dropped} audit events are missing in LookupEvents: they came too fast to be stored"
            );
        }
        let dropped = self.file.as_ref().map_or(0, FileWriter::take_dropped);
        if dropped > 0 {
            tracing::warn!(dropped, "{dropped} audit records are missing in the file: it could not take them");
        }
    }

    /// Removes events that are too old or too many.
    async fn prune(&self, db: &Db, now_ms: i64) -> Result<(), StoreError> {
        let until_ms = now_ms - self.settings.retention_ms;
        while db.write(move |tx| audit_events::delete_old(tx, until_ms, PRUNE_BATCH)).await? > 0 {}
        let held = db.read(audit_events::holdings).await?;
        for (of, keep) in shares::too_many(held, self.settings.max_events) {
            let keep = usize::try_from(keep).unwrap_or(usize::MAX);
            let asked = of.clone();
            let beyond = db.read(move |tx| audit_events::first_beyond(tx, &asked, keep)).await?;
            let Some(beyond) = beyond else { continue };
            loop {
                let of = of.clone();
                if db.write(move |tx| audit_events::delete_from(tx, &of, beyond, PRUNE_BATCH)).await? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Stores and prunes events until `stop` turns true.
#[boxed]
pub async fn run(app: Arc<Access>, mut stop: watch::Receiver<bool>) {
    let mut store = interval(STORE_EVERY);
    let mut prune = interval(PRUNE_EVERY);
    store.set_missed_tick_behavior(MissedTickBehavior::Delay);
    prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (what, result) = tokio::select! {
            () = stopped(&mut stop) => {
                refusals::record_counts(&app, true);
                return;
            }
            _ = store.tick() => {
                refusals::record_counts(&app, false);
                ("storing audit events", app.audit.flush(&app.db).await)
            }
            () = app.audit.pending.is_long() => ("storing audit events", app.audit.flush(&app.db).await),
            _ = prune.tick() => ("removing old audit events", app.audit.prune(&app.db, app.now_ms()).await),
        };
        app.audit.warn_of_losses();
        if let Err(error) = result {
            tracing::error!("{what} failed, and is tried again later: {error}", error = runtime::with_causes(&error));
        }
    }
}

#[cfg(test)]
mod tests {
    use store::tables::audit_events::NewEvent;

    use super::pending::tests::of as event_of;
    use super::*;
    use crate::testing::{ACCOUNT, OTHER_ACCOUNT, START_MS, TestAccess};
    use crate::web_identity::SourceConfig;

    #[tokio::test]
    async fn the_events_of_one_account_push_those_of_no_other_out() {
        let test = TestAccess::new(SourceConfig::default()).await;
        let settings = AuditSettings { file: None, record_reads: false, retention_ms: 1_000, max_events: 100 };
        let audit = Audit::open(settings).expect("no file");
        let event = |account: &str, number: i64| NewEvent { at_ms: START_MS + number, ..event_of(account, 2) };
        for number in 0..10 {
            audit.pending.push(event(ACCOUNT, number));
        }
        for number in 0..1_100 {
            audit.pending.push(event(OTHER_ACCOUNT, number));
        }
        audit.flush(&test.db).await.expect("stored");
        audit.prune(&test.db, START_MS).await.expect("pruned");
        let held = test.db.read(audit_events::holdings).await.expect("readable");
        let mut counts: Vec<(&str, u64)> = held.iter().map(|of| (of.account.as_str(), of.events)).collect();
        counts.sort_unstable();
        assert_eq!(counts, [(ACCOUNT, 10), (OTHER_ACCOUNT, 90)]);
        // The oldest went, and what is too old goes whoever has few.
        audit.prune(&test.db, START_MS + 1_000 + 1_050).await.expect("pruned");
        let held = test.db.read(audit_events::holdings).await.expect("readable");
        assert_eq!(held.iter().map(|of| (of.account.as_str(), of.events)).collect::<Vec<_>>(), [(OTHER_ACCOUNT, 50)]);
    }
}
