//! InitiateLayerUpload: begins an upload.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::changes::Cause;
use registry::images::uploads;
use registry::pushes::Pusher;
use serde::{Deserialize, Serialize};
use store::tables::repositories::RepositoryRef;

use super::constraints;
use super::errors::EcrError;

/// Begins an upload to a repository, which is created if a template covers its name and the caller may create it.
pub struct InitiateLayerUpload;

/// What clients are told to send at a time: 10 MiB (reference/repositories-images.md 3).
const PART_BYTES: u64 = 10_485_760;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    upload_id: String,
    part_size: u64,
}

/// The input, validated.
pub struct Checked {
    repository: RepositoryRef,
}

impl Operation for InitiateLayerUpload {
    const NAME: &'static str = "InitiateLayerUpload";
    const ACTION: Action = Action::EcrInitiateLayerUpload;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let repository = constraints::repository(call, input.registry_id.as_deref(), input.repository_name)?;
        Ok(Checked { repository })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![constraints::need_on(Self::ACTION, &checked.repository)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { repository } = &checked;
        let cause = Cause::of_caller(call.app, &call.caller);
        let pusher = Pusher { app: call.app, http: call.http, caller: &call.caller, repository };
        let upload = pusher.run(|if_absent| uploads::begin(call.app, repository, if_absent, &cause)).await?;
        Ok(Output { upload_id: upload.id.to_string(), part_size: PART_BYTES })
    }
}
