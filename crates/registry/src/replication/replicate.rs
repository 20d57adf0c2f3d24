//! The job that brings a registry's images to one destination: it works through what waits, several at a time, and
//! ends when nothing does.
//!
//! There is one job per pair of registries, so a destination that is slow or out of reach holds up no other, and nothing
//! is sent to it twice at once. What waits are the rows of `image_replications`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::image_replications::{self, DueReplication, ReplicationRoute};
use store::tables::replication_removals;
use tokio::task::{Id, JoinSet};

use super::failure::ReplicationFailure;
use super::rules::Destination;
use super::transfer::Transfer;
use crate::Registry;

/// Images that are on their way to one destination at a time.
const IMAGES_AT_ONCE: usize = 4;
/// Rows that are read at a time.
const PAGE: usize = 64;
/// A destination that is out of reach is tried so often, and when something new is pushed.
const OUT_OF_REACH_MS: i64 = 15_000;
/// How long an image waits for what it needs first.
const EARLY_MS: i64 = 100;
/// Attempts of one image that others overtake, at most 5 minutes apart: about an hour and a half.
const MAX_ATTEMPTS: i64 = 25;
const LONGEST_DELAY_MS: i64 = 5 * 60 * 1000;

/// The job.
#[derive(Debug, Serialize, Deserialize)]
pub struct Replicate {
    source: Destination,
    destination: Destination,
}

impl Replicate {
    /// Of one pair of registries.
    pub fn new(route: &ReplicationRoute) -> Self {
        Self { source: (&route.source).into(), destination: (&route.destination).into() }
    }

    fn route(&self) -> ReplicationRoute {
        ReplicationRoute { source: self.source.registry(), destination: self.destination.registry() }
    }
}

impl Job for Replicate {
    const KIND: &'static str = "replicate";

    fn key(&self) -> String {
        self.route().to_string()
    }
}

impl Handle<Registry> for Replicate {
    // Pairs of registries, most of which wait for their network.
    const AT_ONCE: usize = 64;
    // A destination that is out of reach is tried until it is back: its images stay IN_PROGRESS.
    const MAX_ATTEMPTS: i64 = i64::MAX;

    async fn run(self, app: Arc<Registry>, _: Attempt) -> Result<(), JobError> {
        Round::new(Transfer::new(app, self.route())).run().await
    }
}

/// One run of the job.
struct Round {
    transfer: Arc<Transfer>,
    running: JoinSet<Result<(), ReplicationFailure>>,
    under_way: HashMap<Id, DueReplication>,
    waiting: VecDeque<DueReplication>,
    is_within_reach: bool,
}

impl Round {
    fn new(transfer: Transfer) -> Self {
        let transfer = Arc::new(transfer);
        Self {
            transfer,
            running: JoinSet::new(),
            under_way: HashMap::new(),
            waiting: VecDeque::new(),
            is_within_reach: true,
        }
    }

    /// Works until nothing is due. Dropped, it drops what is under way.
    async fn run(mut self) -> Result<(), JobError> {
        self.remove().await?;
        loop {
            while self.is_within_reach && self.under_way.len() < IMAGES_AT_ONCE {
                let Some(next) = self.next().await? else { break };
                let (transfer, due) = (Arc::clone(&self.transfer), next.clone());
                let task = runtime::tasks::spawn_in(&mut self.running, async move { transfer.bring(&due).await });
                self.under_way.insert(task.id(), next);
            }
            // Those that are under way may be through all the same when one is not.
            let Some(ended) = self.running.join_next_with_id().await else { break };
            let (id, result) = match ended {
                Ok((id, result)) => (id, result),
                Err(error) => {
                    (error.id(), Err(ReplicationFailure::Image(format!("replicating it ended early: {error}"))))
                }
            };
            if let (Some(due), Err(failure)) = (self.under_way.remove(&id), result) {
                self.note_failure(&due, failure).await?;
            }
            self.remove().await?;
        }
        let (app, route) = (&self.transfer.app, self.transfer.route.clone());
        if !self.is_within_reach {
            return Err(JobError::TooEarly { until_ms: app.now_ms() + OUT_OF_REACH_MS });
        }
        match app.db.read(move |tx| image_replications::next_due_ms(tx, &route)).await? {
            None => Ok(()),
            Some(until_ms) => Err(JobError::TooEarly { until_ms }),
        }
    }

    /// The next image whose turn it is, and that is not under way.
    async fn next(&mut self) -> Result<Option<DueReplication>, JobError> {
        if self.waiting.is_empty() {
            let (route, now_ms) = (self.transfer.route.clone(), self.transfer.app.now_ms());
            let under_way: HashSet<i64> = self.under_way.values().map(|due| due.id).collect();
            let limit = PAGE + under_way.len();
            let due =
                self.transfer.app.db.read(move |tx| image_replications::list_due(tx, &route, now_ms, limit)).await?;
            self.waiting = due.into_iter().filter(|due| !under_way.contains(&due.id)).collect();
        }
        Ok(self.waiting.pop_front())
    }

    /// Does the removals that wait, in the order in which they were noted: a list goes before what it names.
    async fn remove(&mut self) -> Result<(), JobError> {
        while self.is_within_reach {
            let route = self.transfer.route.clone();
            let removals = self.transfer.app.db.read(move |tx| replication_removals::list(tx, &route, PAGE)).await?;
            if removals.is_empty() {
                break;
            }
            for (id, removal) in removals {
                match self.transfer.remove(&removal).await {
                    Ok(()) => {}
                    Err(ReplicationFailure::Destination(text)) => {
                        self.note_out_of_reach(&text);
                        return Ok(());
                    }
                    // It would hold up all that comes after it.
                    Err(failure) => tracing::warn!(
                        repository = %removal.repository, digest = %removal.digest,
                        "the deletion of {} was not replicated: {failure:?}", removal.digest
                    ),
                }
                self.transfer.app.db.write(move |tx| replication_removals::delete(tx, id)).await?;
            }
        }
        Ok(())
    }

    fn note_out_of_reach(&mut self, text: &str) {
        if self.is_within_reach {
            tracing::warn!("replication {} waits: {text}", self.transfer.route);
        }
        self.is_within_reach = false;
    }

    async fn note_failure(&mut self, due: &DueReplication, failure: ReplicationFailure) -> Result<(), JobError> {
        let (id, generation, now_ms) = (due.id, due.generation, self.transfer.app.now_ms());
        let (due_at_ms, reason, is_failed) = match failure {
            ReplicationFailure::Early => (now_ms + EARLY_MS, None, false),
            ReplicationFailure::Destination(text) => {
                self.note_out_of_reach(&text);
                (now_ms, Some(text), false)
            }
            ReplicationFailure::Image(text) if due.attempts + 1 < MAX_ATTEMPTS => {
                tracing::info!(repository = %due.repository, digest = %due.digest, "an image is replicated later: {text}");
                (now_ms + delay_ms(due.attempts), Some(text), true)
            }
            ReplicationFailure::Image(text) => return self.give_up(due, "ReplicationFailed".to_owned(), text).await,
            ReplicationFailure::Refused { code, reason } => return self.give_up(due, code, reason).await,
        };
        let postpone = move |tx: &mut dyn Tx| {
            image_replications::postpone(tx, id, generation, due_at_ms, reason.as_deref(), is_failed, now_ms)
        };
        Ok(self.transfer.app.db.write(postpone).await?)
    }

    async fn give_up(&self, due: &DueReplication, code: String, reason: String) -> Result<(), JobError> {
        tracing::warn!(
            repository = %due.repository, digest = %due.digest, %code,
            "{} of {} was not replicated: {reason}", due.digest, due.repository
        );
        Ok(self.transfer.end(due, due.generation, Some((code, reason))).await?)
    }
}

fn delay_ms(attempts: i64) -> i64 {
    (1000_i64 << attempts.clamp(0, 20)).min(LONGEST_DELAY_MS)
}
