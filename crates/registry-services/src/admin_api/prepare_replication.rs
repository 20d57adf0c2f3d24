//! PrepareReplication: what this server still needs for an image that another Wharf replicates to it, and where to put
//! it. Creates the repository if it is not there.

use access::action::Action;
use access::auth::arrival::Arrival;
use access::auth::authorize::Need;
use access::auth::layer_grant;
use api::protocols::operation::{Call, Operation};
use oci::Digest;
use registry::replication::readable::Bringer;
use registry::replication::receive;
use serde::{Deserialize, Serialize};

use super::arrival::{self, ArrivalMembers};
use super::errors::WharfError;

/// More than a manifest of 4 MiB can name.
const MAX_LAYERS: usize = 60_000;

/// Tells another Wharf which layers of an image are missing here and where to put each, and makes the repository if
/// it is not there.
pub struct PrepareReplication;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(flatten)]
    arrival: ArrivalMembers,
    layer_digests: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    missing_layers: Vec<MissingLayer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MissingLayer {
    layer_digest: String,
    upload_path: String,
}

impl Operation for PrepareReplication {
    const NAME: &'static str = "PrepareReplication";
    const ACTION: Action = arrival::ACTION;
    const READ_ONLY: bool = false;
    const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
    type Input = Input;
    type Output = Output;
    type Checked = (Arrival, Vec<Digest>);
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, WharfError> {
        let layers = arrival::parsed_list("layerDigests", input.layer_digests.as_deref(), MAX_LAYERS, "digests")?;
        Ok((input.arrival.check(call)?, layers))
    }

    fn needs(_: &Call<'_>, (arrival, _): &Self::Checked) -> Vec<Need> {
        arrival::needs(arrival)
    }

    async fn run(call: &Call<'_>, (arrival, layers): Self::Checked) -> Result<Output, WharfError> {
        let missing = receive::prepare(call.app, &arrival, layers, &Bringer::Caller(call.http, &call.caller)).await?;
        let missing_layers = missing.into_iter().map(|digest| MissingLayer {
            layer_digest: digest.to_string(),
            upload_path: layer_grant::issue(call.app, &call.caller, &arrival, digest),
        });
        Ok(Output { missing_layers: missing_layers.collect() })
    }
}
