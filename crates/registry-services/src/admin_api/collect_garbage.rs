//! CollectGarbage: has the garbage collection begin now, or tells what it would take.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::collect_garbage;
use serde::{Deserialize, Serialize};

use super::errors::WharfError;

/// Has the garbage collection begin now, or in a dry run only measures what it would take.
pub struct CollectGarbage;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    collectable: Option<Collectable>,
}

/// What a collection would take now. Bytes of blobs and uploads go a little later than their rows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Collectable {
    uploads: u64,
    upload_bytes: u64,
    deleted_images: u64,
    repository_layers: u64,
    blobs: u64,
    blob_bytes: u64,
    removed_objects: u64,
    removed_object_bytes: u64,
    total_bytes: u64,
}

impl Operation for CollectGarbage {
    const NAME: &'static str = "CollectGarbage";
    const ACTION: Action = Action::WharfCollectGarbage;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = bool;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<bool, WharfError> {
        WharfError::unless_operator(call)?;
        Ok(input.dry_run.unwrap_or_default())
    }

    fn needs(_: &Call<'_>, _: &bool) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, dry_run: bool) -> Result<Output, WharfError> {
        if !dry_run {
            collect_garbage::start(call.app).await?;
            return Ok(Output { dry_run, collectable: None });
        }
        let found = collect_garbage::measure(call.app).await?;
        let collectable = Collectable {
            uploads: found.uploads.0,
            upload_bytes: found.uploads.1,
            deleted_images: found.deleted_images,
            repository_layers: found.repository_layers,
            blobs: found.blobs.0,
            blob_bytes: found.blobs.1,
            removed_objects: found.objects.0,
            removed_object_bytes: found.objects.1,
            total_bytes: found.uploads.1 + found.blobs.1 + found.objects.1,
        };
        Ok(Output { dry_run, collectable: Some(collectable) })
    }
}
