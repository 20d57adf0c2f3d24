//! Events: what happens to repositories and images, told to the sinks of the configuration.
//!
//! An event of a change is stored as a job for each sink that wants it, in the transaction of the change, so it is
//! neither lost nor early, and arrives at least once. Pulls change nothing and are many: their events are gathered in
//! memory, and lost when the server is killed.

mod comparison;
pub mod config;
pub mod event;
mod event_file;
mod nats;
mod nats_credentials;
pub mod pattern;
#[cfg(test)]
mod pattern_tests;
mod pulls;
mod sink;
#[cfg(test)]
mod tests;
mod webhook;

use std::sync::Arc;

use serde_json::Value;
use store::db::Tx;
use store::error::StoreError;
use store::tables::followed_events;
use store::tables::images::ImageStatus;
use store::tables::jobs::{self, NewJob};
use store::tables::registry_id::RegistryId;
use store::tables::repositories::Repository;

use self::config::EventsConfig;
use self::event::Event;
use self::pulls::PullQueue;
pub use self::sink::{Attempted, Sink};
use runtime::clock::Clock;
use runtime::config_error::ConfigError;
use runtime::jobs::handler::Handler;
use runtime::jobs::job::JobError;

use crate::Registry;
use crate::images::changes::{Actor, Cause, Change};
use crate::images::followers::{Follower, Pull};

/// Events of one sink that a node sends at a time. Each sink has its own, so none waits for another's receiver.
const AT_ONCE: usize = 8;
/// Attempts wait 1 s, 2 s, 4 s … up to 5 minutes: as many make 24 hours, for which EventBridge tries, too.
const MAX_ATTEMPTS: i64 = 300;
/// How long an event is kept for who follows its registry.
const FOLLOWED_KEPT_MS: i64 = 10 * 60 * 1000;
/// Such events that one transaction removes.
const FORGOTTEN_AT_ONCE: usize = 1_000;

/// The sinks, and events on their way to them.
#[derive(Default)]
pub struct Events {
    sinks: Vec<Arc<Sink>>,
    pulls: PullQueue,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.sinks.iter().map(|sink| sink.name())).finish()
    }
}

impl Events {
    /// The sinks that are configured.
    pub fn new(config: &EventsConfig) -> Result<Self, ConfigError> {
        let sinks: Vec<Arc<Sink>> = Sink::all(config)?.into_iter().map(Arc::new).collect();
        Ok(Self { sinks, pulls: PullQueue::default() })
    }

    /// The sinks.
    pub fn sinks(&self) -> &[Arc<Sink>] {
        &self.sinks
    }

    /// Who brings events to the sinks: for each sink a kind of job of its own.
    pub fn job_handlers(&self, clock: &Arc<dyn Clock>) -> impl Iterator<Item = Handler> {
        self.sinks.iter().map(|sink| {
            let (sink, clock) = (Arc::clone(sink), Arc::clone(clock));
            Handler {
                kind: sink.job_kind().to_owned().into(),
                at_once: AT_ONCE,
                max_attempts: MAX_ATTEMPTS,
                run: Box::new(move |job| Box::pin(deliver(Arc::clone(&sink), Arc::clone(&clock), job.payload.clone()))),
            }
        })
    }

    /// Whether anybody wants to know of what happens in a registry: a sink, or who follows it.
    pub fn are_wanted(&self, tx: &mut dyn Tx, registry: &RegistryId, now_ms: i64) -> Result<bool, StoreError> {
        Ok(!self.sinks.is_empty() || is_followed(tx, registry, now_ms)?)
    }

    /// Notes an event in the transaction that it tells of, for every sink that wants it and for who follows the registry.
    pub fn enqueue(&self, tx: &mut dyn Tx, event: &Event, now_ms: i64) -> Result<(), StoreError> {
        let json = event.to_json();
        if is_followed(tx, event.registry(), now_ms)? {
            followed_events::insert(tx, event.registry(), &json.to_string(), now_ms)?;
        }
        let mut text = None;
        for sink in self.sinks.iter().filter(|sink| sink.wants(&json)) {
            let payload: &String = text.get_or_insert_with(|| json.to_string());
            let key = format!("{} {}", event.title(), event.id());
            let job = NewJob { kind: sink.job_kind(), key: &key, payload, account: None, due_at_ms: now_ms };
            jobs::enqueue(tx, &job, now_ms)?;
        }
        Ok(())
    }
}

impl Follower for Events {
    /// Notes the events of a change. Costs one look-up if nobody wants to know.
    fn follow(
        &self,
        tx: &mut dyn Tx,
        cause: &Cause,
        repository: &Repository,
        change: &Change<'_>,
    ) -> Result<(), StoreError> {
        if !self.are_wanted(tx, &repository.spec.registry, cause.at_ms)? {
            return Ok(());
        }
        for event in of_change(cause, repository, change) {
            self.enqueue(tx, &event, cause.at_ms)?;
        }
        Ok(())
    }

    /// Each of them has an event of its own, if anybody wants to know.
    fn wants_images_of_deleted(
        &self,
        tx: &mut dyn Tx,
        repository: &Repository,
        at_ms: i64,
    ) -> Result<bool, StoreError> {
        self.are_wanted(tx, &repository.spec.registry, at_ms)
    }

    /// Whether any sink does.
    fn wants_pulls(&self) -> bool {
        self.sinks.iter().any(|sink| sink.wants_pulls())
    }

    fn pulled(&self, pull: &Pull<'_>) {
        self.note_pull(pull);
    }
}

fn is_followed(tx: &mut dyn Tx, registry: &RegistryId, now_ms: i64) -> Result<bool, StoreError> {
    Ok(followed_events::followed_until_ms(tx, registry)?.is_some_and(|until_ms| now_ms <= until_ms))
}

/// Removes the events that were kept for who follows a registry, and that nobody has asked for since.
pub async fn forget_followed(app: &Registry) -> Result<(), StoreError> {
    let before_ms = app.now_ms() - FOLLOWED_KEPT_MS;
    while app.db.write(move |tx| followed_events::delete_before(tx, before_ms, FORGOTTEN_AT_ONCE)).await? > 0 {}
    Ok(())
}

/// The events of a change, in the order in which they are told.
fn of_change(cause: &Cause, repository: &Repository, change: &Change<'_>) -> Vec<Event> {
    let (place, at_ms) = (repository.into(), cause.at_ms);
    let actor = cause.actor.as_str();
    match *change {
        Change::RepositoryCreated => vec![Event::repository(place, at_ms, actor, true)],
        Change::RepositoryDeleted => vec![Event::repository(place, at_ms, actor, false)],
        // ECR tells of what replication brings as `ECR Replication Action`, which only the replicator can make.
        Change::ImagePushed { image, tag } if cause.actor == Actor::Replication => {
            vec![Event::image_replicated(place, at_ms, image, tag)]
        }
        Change::ImagePushed { image, tag } => vec![Event::image_pushed(place, at_ms, image, tag)],
        Change::ImageDeleted { image, tags: [], .. } => {
            vec![Event::image_deleted(place, at_ms, image, None)]
        }
        Change::ImageDeleted { image, tags, .. } => {
            tags.iter().map(|tag| Event::image_deleted(place, at_ms, image, Some(tag))).collect()
        }
        Change::ImageStatusChanged { image, status } => match status {
            ImageStatus::Archived => vec![Event::storage_class_updated(place, at_ms, image, true)],
            ImageStatus::Active => vec![Event::storage_class_updated(place, at_ms, image, false)],
            // Told when it has come to its end.
            ImageStatus::Activating => Vec::new(),
        },
        Change::ImageRestored { image, tags } => vec![Event::image_restored(place, at_ms, actor, image, tags)],
    }
}

/// Does the job that brings one event to one sink.
async fn deliver(sink: Arc<Sink>, clock: Arc<dyn Clock>, payload: String) -> Result<(), JobError> {
    let event: Value = serde_json::from_str(&payload)
        .map_err(|error| JobError::Hopeless(format!("what is stored of the event cannot be read: {error}")))?;
    sink.deliver(&event, payload, &*clock).await
}
