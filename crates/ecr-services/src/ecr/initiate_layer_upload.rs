//! InitiateLayerUpload: begins an upload.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryName;
use registry::images::changes::Cause;
use registry::images::create_on_push;
use registry::images::uploads;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;

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
    registry: RegistryId,
    name: RepositoryName,
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
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        Ok(Checked { registry, name: constraints::repository_name("repositoryName", input.repository_name)? })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &checked.registry, checked.name.as_str())]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { registry, name } = &checked;
        let cause = Cause::of_caller(call.app, &call.caller);
        let begin = |if_absent| uploads::begin(call.app, registry, name, if_absent, &cause);
        let upload = create_on_push::pushing(call.app, call.http, &call.caller, registry, name, begin).await?;
        Ok(Output { upload_id: upload.id.to_string(), part_size: PART_BYTES })
    }
}
