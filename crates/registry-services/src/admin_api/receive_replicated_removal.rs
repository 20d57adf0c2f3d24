//! ReceiveReplicatedRemoval: takes away an image, or tags of one, that another Wharf has lost.

use access::action::Action;
use access::auth::arrival::Arrival;
use access::auth::authorize::Need;
use access::auth::tag_rights::{TagChange, Undone};
use api::protocols::operation::{Call, Operation};
use oci::{Digest, Tag};
use registry::replication::receive;
use serde::{Deserialize, Serialize};

use super::arrival::{self, ArrivalMembers};
use super::errors::WharfError;

/// Tags in one request: many more than an image has by the quota that ECR has by default, since the other's may be higher.
const MAX_TAGS: usize = 10_000;

/// Removes an image, or tags of one, that another Wharf replicated here and has lost since.
pub struct ReceiveReplicatedRemoval;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(flatten)]
    arrival: ArrivalMembers,
    image_digest: Option<String>,
    image_tags: Option<Vec<String>>,
    is_deleted: Option<bool>,
}

#[derive(Serialize)]
pub struct Output {}

/// The input, validated.
pub struct Checked {
    arrival: Arrival,
    digest: Digest,
    tags: Vec<Tag>,
    is_deleted: bool,
}

impl Operation for ReceiveReplicatedRemoval {
    const NAME: &'static str = "ReceiveReplicatedRemoval";
    const ACTION: Action = arrival::ACTION;
    const READ_ONLY: bool = false;
    /// As many of the longest tags.
    const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        Ok(Checked {
            digest: arrival::digest(input.image_digest.as_deref())?,
            tags: arrival::tags(input.image_tags.as_deref(), MAX_TAGS)?,
            is_deleted: input.is_deleted.unwrap_or(false),
            arrival: input.arrival.check(call)?,
        })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        // With the image all of its tags go, which are asked for when they are known.
        let named = if checked.is_deleted { &[][..] } else { &checked.tags };
        arrival::needs_of_tags(&checked.arrival, named)
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, WharfError> {
        let Checked { arrival, digest, tags, is_deleted } = checked;
        let mut rights = arrival::tag_rights(call, &arrival, TagChange::Taken).await?;
        loop {
            let removed = receive::remove_as(call.app, &arrival, digest, tags.clone(), is_deleted, &rights);
            match removed.await {
                Ok(()) => return Ok(Output {}),
                Err(Undone::Failed(error)) => return Err(error.into()),
                Err(Undone::NotAsked(tags)) => rights.ask(call.http, &call.caller, tags).await?,
            }
        }
    }
}
