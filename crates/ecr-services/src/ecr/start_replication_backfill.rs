//! StartReplicationBackfill: replicates what a registry has to a destination of its rules.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::replication::backfill::{Fill, RETAINED_MS};
use registry::replication::rules::Rules;
use runtime::jobs::job;
use serde::Deserialize;
use store::tables::image_replications::ReplicationRoute;
use store::tables::registry_id::RegistryId;
use store::tables::replication_backfills;

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::replication_backfill::Changed;
use super::replication_configuration::Destination;

/// The model: "a registry can have at most 10 replication backfills in progress at once".
const MAX_RUNNING: usize = 10;

/// Has a job replicate the images that a registry has already to a destination of its replication rules.
pub struct StartReplicationBackfill;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    destination: Option<Destination>,
}

impl Operation for StartReplicationBackfill {
    const NAME: &'static str = "StartReplicationBackfill";
    const ACTION: Action = Action::EcrStartReplicationBackfill;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Changed;
    type Checked = ReplicationRoute;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<ReplicationRoute, EcrError> {
        let source: RegistryId = constraints::registry(call, input.registry_id.as_deref())?;
        let destination = Check::required("destination", input.destination)?.check()?;
        Ok(ReplicationRoute { source, destination })
    }

    fn needs(_: &Call<'_>, route: &ReplicationRoute) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &route.source, "*")]
    }

    async fn run(call: &Call<'_>, route: ReplicationRoute) -> Result<Changed, EcrError> {
        let (id, now_ms) = (runtime::random::uuid(), call.app.now_ms());
        let started = call
            .app
            .db
            .write(move |tx| {
                if !Rules::find(tx, &route.source)?.has_destination(&route.destination) {
                    return Err(EcrError::parameter(
                        "destination",
                        "Destination must be in the replication configuration of the registry",
                    ));
                }
                replication_backfills::delete_ended(tx, &route.source, now_ms - RETAINED_MS)?;
                let running = replication_backfills::list_running(tx, &route.source)?;
                if running.iter().any(|destination| destination.region == route.destination.region) {
                    return Err(EcrError::BackfillInProgress(route.destination.region.clone()));
                }
                if running.len() >= MAX_RUNNING {
                    return Err(EcrError::TooManyBackfills(MAX_RUNNING));
                }
                let backfill = replication_backfills::insert(tx, id, &route, now_ms)?;
                job::enqueue(tx, &Fill::new(&backfill), now_ms, now_ms)?;
                Ok(backfill)
            })
            .await?;
        call.app.wake_jobs.wake();
        Ok((&started).into())
    }
}
