//! The job that brings a registry's images to one destination: it works through what waits, several at a time, and
//! ends when nothing does.
//!
//! There is one job per pair of registries, so a destination that is slow or out of reach holds up no other, and nothing
//! is sent to it twice at once. What waits are the rows of `image_replications`.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use store::tables::image_replications::{self, DueReplication, ReplicationRoute};
use store::tables::replication_removals;
use tokio::task::{Id, JoinSet};

use super::courier::Courier;
use super::rules::Destination;
use super::trouble::Trouble;
use crate::app::App;
use crate::jobs::job::{Attempt, Job, JobError};

/// Images that are on their way to one destination at a time.
const IMAGES_AT_ONCE: usize = 4;
/// Rows that are read at a time.
const PAGE: usize = 64;
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
    // Pairs of registries, most of which wait for their network.
    const AT_ONCE: usize = 64;
    // A destination that is out of reach is tried until it is back: its images stay IN_PROGRESS.
    const MAX_ATTEMPTS: i64 = i64::MAX;

    fn key(&self) -> String {
        self.route().to_string()
    }

    async fn run(self, app: Arc<App>, _: Attempt) -> Result<(), JobError> {
        Round::new(Courier::new(app, self.route())).run().await
    }
}

/// One run of the job.
struct Round {
    courier: Arc<Courier>,
    running: JoinSet<Result<(), Trouble>>,
    under_way: HashMap<Id, DueReplication>,
    waiting: VecDeque<DueReplication>,
}

impl Round {
    fn new(courier: Courier) -> Self {
        let courier = Arc::new(courier);
        Self { courier, running: JoinSet::new(), under_way: HashMap::new(), waiting: VecDeque::new() }
    }

    /// Works until nothing is due. Dropped, it drops what is under way.
    async fn run(mut self) -> Result<(), JobError> {
        loop {
            self.remove().await?;
            while self.under_way.len() < IMAGES_AT_ONCE {
                let Some(next) = self.next().await? else { break };
                let (courier, due) = (Arc::clone(&self.courier), next.clone());
                let task = self.running.spawn(async move { courier.bring(&due).await });
                self.under_way.insert(task.id(), next);
            }
            let Some(ended) = self.running.join_next_with_id().await else { break };
            let (id, result) = match ended {
                Ok((id, result)) => (id, result),
                Err(error) => (error.id(), Err(Trouble::Image(format!("replicating it ended early: {error}")))),
            };
            if let (Some(due), Err(trouble)) = (self.under_way.remove(&id), result) {
                self.note_trouble(&due, trouble).await?;
            }
        }
        let route = self.courier.route.clone();
        match self.courier.app.db.read(move |tx| image_replications::next_due_ms(tx, &route)).await? {
            None => Ok(()),
            Some(until_ms) => Err(JobError::TooEarly { until_ms }),
        }
    }

    /// The next image whose turn it is, and that is not under way.
    async fn next(&mut self) -> Result<Option<DueReplication>, JobError> {
        if self.waiting.is_empty() {
            let (route, now_ms) = (self.courier.route.clone(), self.courier.app.now_ms());
            let under_way: HashSet<i64> = self.under_way.values().map(|due| due.id).collect();
            let limit = PAGE + under_way.len();
            let due =
                self.courier.app.db.read(move |tx| image_replications::list_due(tx, &route, now_ms, limit)).await?;
            self.waiting = due.into_iter().filter(|due| !under_way.contains(&due.id)).collect();
        }
        Ok(self.waiting.pop_front())
    }

    /// Does the removals that wait, in the order in which they were noted: a list goes before what it names.
    async fn remove(&self) -> Result<(), JobError> {
        loop {
            let route = self.courier.route.clone();
            let removals = self.courier.app.db.read(move |tx| replication_removals::list(tx, &route, PAGE)).await?;
            if removals.is_empty() {
                return Ok(());
            }
            for (id, removal) in removals {
                match self.courier.remove(&removal).await {
                    Ok(()) => {}
                    Err(Trouble::Destination(text) | Trouble::Image(text)) => return Err(JobError::Failed(text)),
                    Err(Trouble::Early) => return Err(JobError::Failed("not yet".to_owned())),
                    Err(Trouble::Refused { code, reason }) => tracing::warn!(
                        repository = %removal.repository, digest = %removal.digest, %code,
                        "the deletion of {} was not replicated: {reason}", removal.digest
                    ),
                }
                self.courier.app.db.write(move |tx| replication_removals::delete(tx, id)).await?;
            }
        }
    }

    async fn note_trouble(&self, due: &DueReplication, trouble: Trouble) -> Result<(), JobError> {
        let app = &self.courier.app;
        let (id, now_ms) = (due.id, app.now_ms());
        let Some((generation, attempts)) = app.db.read_point(move |tx| image_replications::turn(tx, id)).await? else {
            return Ok(());
        };
        let (code, reason) = match trouble {
            Trouble::Early => {
                let until_ms = now_ms + EARLY_MS;
                let postponed =
                    app.db.write(move |tx| image_replications::postpone(tx, id, until_ms, None, false, now_ms));
                return Ok(postponed.await?);
            }
            Trouble::Destination(text) => {
                // Its own turn stays where it is; the destination waits as a whole.
                let reason = text.clone();
                app.db
                    .write(move |tx| image_replications::postpone(tx, id, now_ms, Some(&reason), false, now_ms))
                    .await?;
                return Err(JobError::Failed(text));
            }
            Trouble::Image(text) if attempts + 1 < MAX_ATTEMPTS => {
                tracing::info!(repository = %due.repository, digest = %due.digest, "an image is replicated later: {text}");
                let until_ms = now_ms + delay_ms(attempts);
                app.db
                    .write(move |tx| image_replications::postpone(tx, id, until_ms, Some(&text), true, now_ms))
                    .await?;
                return Ok(());
            }
            Trouble::Image(text) => ("ReplicationFailed".to_owned(), text),
            Trouble::Refused { code, reason } => (code, reason),
        };
        tracing::warn!(
            repository = %due.repository, digest = %due.digest, %code,
            "{} of {} was not replicated: {reason}", due.digest, due.repository
        );
        let end = move |tx: &mut dyn store::db::Tx| {
            image_replications::end(tx, id, generation, Some((&code, &reason)), now_ms)
        };
        Ok(app.db.write(end).await?)
    }
}

fn delay_ms(attempts: i64) -> i64 {
    (1000_i64 << attempts.clamp(0, 20)).min(LONGEST_DELAY_MS)
}
