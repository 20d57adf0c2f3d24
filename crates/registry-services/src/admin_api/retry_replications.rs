//! RetryReplications: lets replications that failed begin anew.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::replication::replicate::Replicate;
use runtime::jobs::job;
use serde::{Deserialize, Serialize};
use store::tables::image_replications::{self, ReplicationRoute};

use super::errors::WharfError;

const MAX_IDS: usize = 1000;

/// Has replications that failed begin anew, and answers with those that did.
pub struct RetryReplications;

#[derive(Deserialize)]
pub struct Input {
    ids: Option<Vec<i64>>,
}

#[derive(Serialize)]
pub struct Output {
    ids: Vec<i64>,
}

impl Operation for RetryReplications {
    const NAME: &'static str = "RetryReplications";
    const ACTION: Action = Action::WharfRetryReplications;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Vec<i64>;
    type Error = WharfError;

    fn check(_: &Call<'_>, input: Input) -> Result<Vec<i64>, WharfError> {
        let ids = input.ids.unwrap_or_default();
        if !(1..=MAX_IDS).contains(&ids.len()) {
            return Err(WharfError::validation("ids", format!("must have 1 to {MAX_IDS} ids of ListReplications")));
        }
        Ok(ids)
    }

    fn needs(call: &Call<'_>, _: &Vec<i64>) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &call.own_registry(), "*")]
    }

    async fn run(call: &Call<'_>, ids: Vec<i64>) -> Result<Output, WharfError> {
        let (source, now_ms) = (call.own_registry(), call.app.now_ms());
        let retried = call
            .app
            .db
            .write(move |tx| {
                let mut retried = Vec::new();
                for id in &ids {
                    if let Some(destination) = image_replications::retry(tx, &source, *id, now_ms)? {
                        let route = ReplicationRoute { source: source.clone(), destination };
                        job::enqueue(tx, &Replicate::new(&route), now_ms, now_ms)?;
                        retried.push(*id);
                    }
                }
                Ok::<_, WharfError>(retried)
            })
            .await?;
        call.app.wake_jobs.wake();
        Ok(Output { ids: retried })
    }
}
