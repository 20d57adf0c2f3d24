//! TestEvents: sends an event to every sink at once, whatever its filter says, and tells what became of it.

use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::events::Attempted;
use registry::events::event::Event;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::errors::WharfError;

/// Sends a test event to every sink at once, whatever its filter says, and tells what became of each.
pub struct TestEvents;

#[derive(Deserialize)]
pub struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    event_id: String,
    results: Vec<SinkResult>,
    dropped_pull_events: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SinkResult {
    sink: String,
    is_delivered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    elapsed_milliseconds: i64,
}

impl From<Attempted> for SinkResult {
    fn from(attempted: Attempted) -> Self {
        Self {
            sink: attempted.sink,
            is_delivered: attempted.failure.is_none(),
            reason: attempted.failure,
            elapsed_milliseconds: attempted.elapsed_ms,
        }
    }
}

impl Operation for TestEvents {
    const NAME: &'static str = "TestEvents";
    const ACTION: Action = Action::WharfTestEvents;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = ();
    type Error = WharfError;

    fn check(call: &Call<'_>, _: Input) -> Result<(), WharfError> {
        WharfError::unless_operator(call)
    }

    fn needs(_: &Call<'_>, (): &()) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (): ()) -> Result<Output, WharfError> {
        let app = call.app;
        let event = Event::test(&call.own_registry(), app.now_ms());
        let json = event.to_json();
        let mut attempts = JoinSet::new();
        for (at, sink) in app.events.sinks().iter().cloned().enumerate() {
            let (json, clock) = (json.clone(), Arc::clone(&app.clock));
            runtime::tasks::spawn_in(&mut attempts, async move { (at, sink.attempt(&json, &*clock).await) });
        }
        let mut results = attempts.join_all().await;
        results.sort_by_key(|(at, _)| *at);
        Ok(Output {
            event_id: event.id().to_string(),
            results: results.into_iter().map(|(_, attempted)| attempted.into()).collect(),
            dropped_pull_events: app.events.dropped_pulls(),
        })
    }
}
