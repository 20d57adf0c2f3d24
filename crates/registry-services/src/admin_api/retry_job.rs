//! RetryJob: lets a background job be tried now, also one that was given up, or all that were.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::jobs;

use super::errors::WharfError;

/// Has a background job tried now, also one that was given up, or all that were.
pub struct RetryJob;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    job_id: Option<i64>,
    all_dead: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    retried: u64,
}

/// Which jobs.
#[derive(Clone, Copy)]
pub enum Which {
    /// The one of that id.
    One(i64),
    /// All that were given up.
    AllDead,
}

impl Operation for RetryJob {
    const NAME: &'static str = "RetryJob";
    const ACTION: Action = Action::WharfRetryJob;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Which;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Which, WharfError> {
        WharfError::unless_operator(call)?;
        match (input.job_id, input.all_dead.unwrap_or_default()) {
            (Some(id), false) => Ok(Which::One(id)),
            (None, true) => Ok(Which::AllDead),
            _ => Err(WharfError::validation("jobId", "must be given, or 'allDead' be true, and not both")),
        }
    }

    fn needs(_: &Call<'_>, _: &Which) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, which: Which) -> Result<Output, WharfError> {
        let app = call.app;
        let now_ms = app.now_ms();
        let retried = app
            .db
            .write(move |tx| match which {
                Which::AllDead => Ok(jobs::revive(tx, None, now_ms)?),
                Which::One(id) => {
                    if jobs::revive(tx, Some(id), now_ms)? == 0 && !jobs::hasten(tx, id, now_ms)? {
                        return Err(WharfError::JobNotFound(id));
                    }
                    Ok(1)
                }
            })
            .await?;
        app.wake_jobs.wake();
        Ok(Output { retried })
    }
}
