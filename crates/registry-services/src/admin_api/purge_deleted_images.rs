//! PurgeDeletedImages: drops deleted images for good, before their time is over.

use std::collections::BTreeSet;
use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::tag_rights::{self, TagChange, TagRights, Undone};
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use registry::images::pull::Selector;
use registry::images::restore;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::StoreError;
use store::tables::deleted_images::Freed;
use store::tables::repositories::RepositoryRef;

use super::errors::WharfError;
use super::guards::Guards;
use super::shapes::ImageId;
use super::{constraints, dry_run};

/// Drops deleted images for good, so that they cannot be restored, or in a dry run tells which it would drop.
pub struct PurgeDeletedImages;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_ids: Option<Vec<ImageId>>,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    purged_images: Vec<PurgedImage>,
    failures: Vec<Failure>,
    /// Bytes that nothing of the account refers to any more.
    released_bytes: u64,
    /// Bytes of layers that no image of the account names any more, and that repositories show until `later_at`, for
    /// pushes that count on them.
    later_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    later_at: Option<Timestamp>,
    dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PurgedImage {
    image_digest: String,
    image_tags: Vec<String>,
    /// `PURGED`, or `TAG_PURGED` where the image itself had stayed.
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    image_id: ImageId,
    failure_code: &'static str,
    failure_reason: &'static str,
}

/// The input, validated.
pub struct Checked {
    place: RepositoryRef,
    images: Vec<(ImageId, Selector)>,
    is_dry_run: bool,
}

impl Operation for PurgeDeletedImages {
    const NAME: &'static str = "PurgeDeletedImages";
    const ACTION: Action = Action::WharfPurgeDeletedImages;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        Ok(Checked {
            place: constraints::repository(call, input.registry_id.as_deref(), input.repository_name.as_deref())?,
            images: constraints::image_ids(input.image_ids)?,
            is_dry_run: input.dry_run.unwrap_or(false),
        })
    }

    fn needs(_: &Call<'_>, Checked { place, images, .. }: &Checked) -> Vec<Need> {
        let tags = images.iter().map(|(id, _)| id.image_tag.as_deref());
        tag_rights::needs(Self::ACTION, place, tags)
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, WharfError> {
        let (now_ms, grace_ms) = (call.app.now_ms(), call.app.limits.blob_grace_ms);
        let checked = Arc::new(checked);
        let mut rights =
            TagRights::new(call.http, &call.caller, Self::ACTION, TagChange::Taken, &checked.place).await?;
        let guards = Guards::ask(call, &checked.place, &[Self::ACTION, Action::EcrBatchDeleteImage]).await?;
        loop {
            let (leave, asked, guards) = (rights.clone(), Arc::clone(&checked), guards.clone());
            let purged = dry_run::write(call, checked.is_dry_run, move |tx| {
                let (output, guarded) = purge_all(tx, &asked, now_ms, grace_ms)?;
                guards.require(guarded).map_err(Undone::Failed)?;
                leave.require(output.purged_images.iter().flat_map(|image| tag_rights::of_image(&image.image_tags)))?;
                Ok(output)
            });
            match purged.await {
                Ok(output) => return Ok(output),
                Err(Undone::Failed(error)) => return Err(error),
                Err(Undone::NotAsked(tags)) => rights.ask(call.http, &call.caller, tags).await?,
            }
        }
    }
}

fn purge_all(
    tx: &mut dyn Tx,
    Checked { place, images, is_dry_run }: &Checked,
    now_ms: i64,
    grace_ms: i64,
) -> Result<(Output, BTreeSet<i64>), StoreError> {
    let mut freed = Freed::default();
    let mut guards = BTreeSet::new();
    let mut output = Output {
        purged_images: Vec::new(),
        failures: Vec::new(),
        released_bytes: 0,
        later_bytes: 0,
        later_at: None,
        dry_run: *is_dry_run,
    };
    for (id, selector) in images {
        let Some(purged) = restore::purge(tx, place, selector, now_ms)? else {
            output.failures.push(Failure {
                image_id: id.clone(),
                failure_code: "ImageNotFound",
                failure_reason: "It is not among the deleted images",
            });
            continue;
        };
        freed.add(purged.freed);
        guards.extend(purged.guards);
        output.purged_images.push(PurgedImage {
            image_digest: purged.digest.to_string(),
            image_tags: purged.tags.iter().map(ToString::to_string).collect(),
            status: if purged.images > 0 { "PURGED" } else { "TAG_PURGED" },
        });
    }
    output.released_bytes = freed.bytes;
    output.later_bytes = freed.later_bytes;
    output.later_at = freed.unreferenced_since_ms.map(|since_ms| Timestamp::from_ms(since_ms + grace_ms));
    Ok((output, guards))
}
