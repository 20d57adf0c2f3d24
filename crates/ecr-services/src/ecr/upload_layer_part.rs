//! UploadLayerPart: adds the next part to an upload.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use aws::Blob;
use bytes::Bytes;
use registry::images::uploads;
use runtime::http::spool::Spooled;
use serde::{Deserialize, Serialize};
use store::error::{StoreError, StoreErrorKind};
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check};
use super::errors::EcrError;

/// Appends the next part to an upload.
pub struct UploadLayerPart;

/// The model's limit on 'layerPartBlob'.
const MAX_PART_BYTES: usize = 20_971_520;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    upload_id: Option<String>,
    part_first_byte: Option<i64>,
    part_last_byte: Option<i64>,
    layer_part_blob: Option<Blob>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    upload_id: String,
    last_byte_received: u64,
}

/// The input, validated.
pub struct Checked {
    repository: RepositoryRef,
    upload_id: uuid::Uuid,
    first: u64,
    last: u64,
    size_bytes: u64,
    /// What of it is in the input itself; over the network nothing is.
    part: Bytes,
}

fn byte_number(member: &'static str, value: Option<i64>) -> Result<u64, EcrError> {
    let value = Check::required(member, value)?;
    u64::try_from(value).map_err(|_| EcrError::parameter(member, "Member must have value greater than or equal to 0"))
}

fn unreadable() -> EcrError {
    StoreError::new(StoreErrorKind::Other, "a part that was received cannot be read again").into()
}

impl Operation for UploadLayerPart {
    const NAME: &'static str = "UploadLayerPart";
    const ACTION: Action = Action::EcrUploadLayerPart;
    const READ_ONLY: bool = false;
    /// A part of 20 MiB in base64, and the rest.
    const MAX_BODY_BYTES: usize = MAX_PART_BYTES / 3 * 4 + 64 * 1024;
    const LARGE_MEMBER: Option<&'static str> = Some("layerPartBlob");
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let repository = constraints::repository(call, input.registry_id.as_deref(), input.repository_name)?;
        let upload_id = constraints::upload_id(input.upload_id)?;
        let first = byte_number("partFirstByte", input.part_first_byte)?;
        let last = byte_number("partLastByte", input.part_last_byte)?;
        let part = Check::required("layerPartBlob", input.layer_part_blob)?.0;
        let apart = call.http.large_member.get().map_or(0, Spooled::size_bytes);
        let size_bytes = part.len() as u64 + apart;
        if size_bytes > MAX_PART_BYTES as u64 {
            let text = format!("Member must have length less than or equal to {MAX_PART_BYTES}");
            return Err(EcrError::parameter("layerPartBlob", text));
        }
        Ok(Checked { repository, upload_id, first, last, size_bytes, part: Bytes::from(part) })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![constraints::need_on(Self::ACTION, &checked.repository)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { repository, upload_id, first, last, size_bytes, part } = checked;
        let mut session = uploads::open_received(call.app, &repository, upload_id).await?;
        let says = last.checked_sub(first).and_then(|span| span.checked_add(1));
        if first != session.received() || says != Some(size_bytes) {
            return Err(session.out_of_order().into());
        }
        let max_parts = call.app.quotas.layer_parts;
        if session.upload().part_count >= max_parts {
            return Err(EcrError::TooManyParts(max_parts));
        }
        session.write(part).await?;
        if let Some(apart) = call.http.large_member.get() {
            let mut pieces = apart.reader();
            while let Some(piece) = pieces.next().await.map_err(|_| unreadable())? {
                session.write(piece).await?;
            }
        }
        session.checkpoint(call.app).await?;
        Ok(Output {
            registry_id: repository.registry.account.to_string(),
            repository_name: repository.name.to_string(),
            upload_id: upload_id.to_string(),
            last_byte_received: last,
        })
    }
}
