//! StopReplicationBackfill: ends a back-fill; what is on its way arrives.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::replication::backfill;
use serde::Deserialize;
use store::tables::registry_id::RegistryId;
use store::tables::replication_backfills::{self, BackfillStatus};
use uuid::Uuid;

use super::constraints;
use super::errors::EcrError;
use super::replication_backfill::{self, Changed};

/// Stops a back-fill; the images that are on their way arrive.
pub struct StopReplicationBackfill;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    replication_backfill_id: Option<String>,
}

impl Operation for StopReplicationBackfill {
    const NAME: &'static str = "StopReplicationBackfill";
    const ACTION: Action = Action::EcrStopReplicationBackfill;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Changed;
    type Checked = (RegistryId, Uuid);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        Ok((registry, replication_backfill::id(input.replication_backfill_id)?))
    }

    fn needs(_: &Call<'_>, (registry, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, registry, "*")]
    }

    async fn run(call: &Call<'_>, (registry, id): Self::Checked) -> Result<Changed, EcrError> {
        let now_ms = call.app.now_ms();
        let stopped = call
            .app
            .db
            .write(move |tx| {
                let found = replication_backfills::find(tx, &registry, id)?
                    .ok_or_else(|| EcrError::BackfillNotFound(registry.clone(), id))?;
                if found.status.is_terminal() || found.status == BackfillStatus::Stopping {
                    return Err(EcrError::BackfillEnded(id, found.status.as_str()));
                }
                Ok(backfill::stop(tx, found, now_ms)?)
            })
            .await?;
        call.app.wake_jobs.wake();
        Ok((&stopped).into())
    }
}
