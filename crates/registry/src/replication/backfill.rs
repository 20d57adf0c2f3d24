//! Back-fills: the job that lists what a registry has for a destination, and notes it for replication bit by bit.
//!
//! It replicates nothing itself: each image takes its place in the destination's queue, a few at a time, so that a
//! back-fill can be stopped and pushes do not wait behind it.

use std::collections::BTreeSet;
use std::sync::Arc;

use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_replications::{self, ReplicationStatus};
use store::tables::images::{self, ImageStatus};
use store::tables::registry_id::RegistryId;
use store::tables::replication_backfills::{self, Backfill, BackfillLine, BackfillStatus, LineStatus};
use store::tables::{image_tags, repositories};
use uuid::Uuid;

use super::rules::{Destination, Rules};
use super::triggers;
use crate::Registry;

/// How long a back-fill that has ended is shown (the model: 90 days).
pub const RETAINED_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// Lines that are noted for replication at a time.
const NOTED_AT_ONCE: usize = 64;
/// Rows that one transaction reads.
const PAGE: usize = 500;
/// How often what is noted is looked at.
const LOOK_EVERY_MS: i64 = 500;

/// The job.
#[derive(Debug, Serialize, Deserialize)]
pub struct Fill {
    /// The back-fill's id.
    id: String,
    source: Destination,
}

impl Fill {
    /// Of one back-fill.
    pub fn new(backfill: &Backfill) -> Self {
        Self { id: backfill.id.to_string(), source: (&backfill.route.source).into() }
    }
}

/// What is to be done next.
enum Next {
    /// More of the same, at once.
    More,
    /// Wait for what was noted.
    Wait,
    /// Nothing.
    Ended,
}

impl Job for Fill {
    const KIND: &'static str = "replication-backfill";

    fn key(&self) -> String {
        self.id.clone()
    }
}

impl Handle<Registry> for Fill {
    // Storage alone can fail, and comes back.
    const MAX_ATTEMPTS: i64 = i64::MAX;

    async fn run(self, app: Arc<Registry>, _: Attempt) -> Result<(), JobError> {
        let id = self.id.parse().map_err(|_| JobError::Hopeless(format!("{} is no back-fill's id", self.id)))?;
        loop {
            let (source, now_ms) = (self.source.registry(), app.now_ms());
            let next = app.db.write(move |tx| step(tx, &source, id, now_ms)).await?;
            app.wake_jobs.wake();
            match next {
                Next::More => {}
                Next::Wait => return Err(JobError::TooEarly { until_ms: now_ms + LOOK_EVERY_MS }),
                Next::Ended => return Ok(()),
            }
        }
    }
}

fn step(tx: &mut dyn Tx, source: &RegistryId, id: Uuid, now_ms: i64) -> Result<Next, StoreError> {
    let Some(backfill) = replication_backfills::find(tx, source, id)? else { return Ok(Next::Ended) };
    match backfill.status {
        BackfillStatus::Preparing => prepare(tx, backfill),
        BackfillStatus::InProgress | BackfillStatus::Stopping => advance(tx, backfill, now_ms),
        BackfillStatus::Stopped | BackfillStatus::Complete => Ok(Next::Ended),
    }
}

/// Stops a back-fill: what waits is dropped, and what is noted arrives.
pub fn stop(tx: &mut dyn Tx, mut backfill: Backfill, now_ms: i64) -> Result<Backfill, StoreError> {
    replication_backfills::delete_waiting(tx, backfill.id)?;
    let noted = replication_backfills::list_lines(tx, backfill.id, Some(LineStatus::Noted), ("", "", ""), 1)?;
    if noted.is_empty() {
        backfill.status = BackfillStatus::Stopped;
        backfill.ended_at_ms = Some(now_ms);
    } else {
        backfill.status = BackfillStatus::Stopping;
    }
    replication_backfills::update(tx, &backfill)?;
    Ok(backfill)
}

/// Lists the images of the next repository.
fn prepare(tx: &mut dyn Tx, mut backfill: Backfill) -> Result<Next, StoreError> {
    let source = &backfill.route.source;
    let Some(repository) = repositories::list(tx, source, &backfill.prepared_to, 1)?.pop() else {
        backfill.status = BackfillStatus::InProgress;
        backfill.is_prepared = true;
        replication_backfills::update(tx, &backfill)?;
        return Ok(Next::More);
    };
    let destinations = Rules::find(tx, source)?.destinations_of(&repository.spec.name);
    if destinations.iter().any(|(destination, _)| *destination == backfill.route.destination) {
        let (mut digest, mut tag) = (String::new(), String::new());
        loop {
            let lines = image_tags::list_lines(tx, repository.id, &digest, &tag, PAGE)?;
            for line in lines.iter().filter(|line| line.status == ImageStatus::Active) {
                let name = &repository.spec.name;
                if !triggers::is_wanted(tx, &repository, &line.digest)? {
                    continue;
                }
                replication_backfills::insert_line(tx, backfill.id, name, &line.digest, line.tag.as_deref())?;
            }
            match lines.last() {
                Some(last) if lines.len() == PAGE => {
                    digest = last.digest.to_string();
                    tag = last.tag.clone().unwrap_or_default();
                }
                _ => break,
            }
        }
    }
    backfill.prepared_to = repository.spec.name.to_string();
    replication_backfills::update(tx, &backfill)?;
    Ok(Next::More)
}

/// Settles what has arrived or failed, and notes more; ends the back-fill when nothing is left.
fn advance(tx: &mut dyn Tx, mut backfill: Backfill, now_ms: i64) -> Result<Next, StoreError> {
    let id = backfill.id;
    let noted = replication_backfills::list_lines(tx, id, Some(LineStatus::Noted), ("", "", ""), NOTED_AT_ONCE)?;
    let mut under_way = 0;
    for line in noted {
        if settle(tx, &backfill, line)? == LineStatus::Noted {
            under_way += 1;
        }
    }
    let waiting =
        replication_backfills::list_lines(tx, id, Some(LineStatus::Waiting), ("", "", ""), NOTED_AT_ONCE - under_way)?;
    let mut noted = None;
    for mut line in waiting {
        // The tags of an image are neighbours here, and one transfer brings them all.
        let place = (line.repository.clone(), line.digest);
        if noted.as_ref() != Some(&place) {
            if !note(tx, &backfill, &line, now_ms)? {
                line.status = LineStatus::Failed;
                line.failure_code = Some("ImageNotFound".to_owned());
                replication_backfills::update_line(tx, id, &line)?;
                continue;
            }
            noted = Some(place);
        }
        line.status = LineStatus::Noted;
        replication_backfills::update_line(tx, id, &line)?;
        under_way += 1;
    }
    if under_way > 0 {
        return Ok(Next::Wait);
    }
    let is_left = !replication_backfills::list_lines(tx, id, Some(LineStatus::Waiting), ("", "", ""), 1)?.is_empty();
    if is_left {
        return Ok(Next::More);
    }
    backfill.status = match backfill.status {
        BackfillStatus::Stopping => BackfillStatus::Stopped,
        _ => BackfillStatus::Complete,
    };
    backfill.ended_at_ms = Some(now_ms);
    replication_backfills::update(tx, &backfill)?;
    Ok(Next::Ended)
}

/// Notes a line's image for replication; `false` if it is gone, or the filters of tags leave it out.
fn note(tx: &mut dyn Tx, backfill: &Backfill, line: &BackfillLine, now_ms: i64) -> Result<bool, StoreError> {
    let Some(repository) = repositories::find(tx, &backfill.route.source.repository(&line.repository))? else {
        return Ok(false);
    };
    let Some(image) = images::find(tx, repository.id, &line.digest)? else { return Ok(false) };
    triggers::note_for(tx, &repository, &image, None, backfill.route.destination.clone(), now_ms)
}

/// Takes over what became of a line's image.
fn settle(tx: &mut dyn Tx, backfill: &Backfill, mut line: BackfillLine) -> Result<LineStatus, StoreError> {
    let destination = &backfill.route.destination;
    let image = match repositories::find(tx, &backfill.route.source.repository(&line.repository))? {
        Some(repository) => images::find(tx, repository.id, &line.digest)?,
        None => None,
    };
    let replication = match &image {
        Some(image) => image_replications::find(tx, image.id, destination)?,
        None => None,
    };
    (line.status, line.failure_code) = match &replication {
        None => (LineStatus::Failed, Some("ImageNotFound".to_owned())),
        Some(found) => match found.status {
            ReplicationStatus::InProgress => return Ok(LineStatus::Noted),
            ReplicationStatus::Complete => (LineStatus::Complete, None),
            ReplicationStatus::Failed => (LineStatus::Failed, found.failure_code.clone()),
        },
    };
    if let Some(image) = &image {
        let children = image_replications::of_children(tx, image.id, destination)?;
        let codes: BTreeSet<String> = children.iter().filter_map(|(.., code)| code.clone()).collect();
        line.child_codes = (!children.is_empty()).then(|| codes.into_iter().collect());
    }
    replication_backfills::update_line(tx, backfill.id, &line)?;
    Ok(line.status)
}
