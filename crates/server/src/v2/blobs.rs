//! `/v2/<name>/blobs/<digest>`: pulling layers and configs.

use http::{HeaderValue, StatusCode, header};
use oci::{ByteRange, Digest, ErrorCode, RangeOutcome, RepositoryName};
use store::tables::repository_blobs::RepositoryBlob;

use super::errors::V2Error;
use super::{CONTENT_DIGEST, V2Request};
use crate::app::App;
use crate::http::body::ResponseBody;
use crate::http::request::RequestContext;
use crate::http::respond::{self, Answer};
use crate::registry::blobs;

/// GET and HEAD: OCI distribution, "Pulling blobs".
pub async fn get(request: &V2Request<'_>, name: &RepositoryName, digest: Digest) -> Result<Answer, V2Error> {
    let is_head = request.http.method == http::Method::HEAD;
    // access.md 2: a pull-only role has no BatchCheckLayerAvailability, and can ask all the same.
    if !is_head || request.authorize(&["ecr:BatchCheckLayerAvailability"], name.as_str()).await.is_err() {
        request.authorize(&["ecr:GetDownloadUrlForLayer"], name.as_str()).await?;
    }
    let blob = blobs::find_readable(&request.http.app, &request.registry, name, digest).await?;
    answer(&request.http.app, request.http, &blob, digest)
}

/// DELETE is optional in the specification, and ECR has none: layers go when no image names them.
pub async fn delete(request: &V2Request<'_>, name: &RepositoryName, digest: Digest) -> Result<Answer, V2Error> {
    request.authorize(&["ecr:BatchDeleteImage"], name.as_str()).await?;
    blobs::find(&request.http.app, &request.registry, name, digest).await?;
    Err(V2Error::new(
        ErrorCode::Unsupported,
        "Layers cannot be deleted. Delete the images that name them; the space is freed later.",
    )
    .with_status(StatusCode::METHOD_NOT_ALLOWED))
}

/// The blob, or the part of it that the Range header asks for.
pub(super) fn answer(
    app: &App,
    http: &RequestContext,
    blob: &RepositoryBlob,
    digest: Digest,
) -> Result<Answer, V2Error> {
    let size = blob.stored.size_bytes;
    let text = digest.to_string();
    let is_known = http.header(header::IF_NONE_MATCH).is_some_and(|known| oci::if_none_match(known, &digest));
    // A range of another version than the client has a part of would be of no use to it.
    // Range is defined for GET alone (RFC 9110, 14.2).
    let range = http
        .header(header::RANGE)
        .filter(|_| http.method == http::Method::GET)
        .filter(|_| http.header(header::IF_RANGE).is_none_or(|known| known.trim_matches('"') == text));
    let mut answer = match range.map_or(RangeOutcome::Whole, |range| ByteRange::parse(range, size)) {
        _ if is_known => respond::empty(StatusCode::NOT_MODIFIED),
        RangeOutcome::Unsatisfiable => {
            let error = V2Error::new(ErrorCode::SizeInvalid, format!("The blob has {size} bytes"))
                .with_status(StatusCode::RANGE_NOT_SATISFIABLE);
            let mut answer = error.into_answer(http);
            respond::add_header(&mut answer, header::CONTENT_RANGE, format!("bytes */{size}"));
            return Ok(answer);
        }
        RangeOutcome::Whole => with_bytes(app, http, blob, StatusCode::OK, 0, size)?,
        RangeOutcome::Part { first, last } => {
            let mut answer = with_bytes(app, http, blob, StatusCode::PARTIAL_CONTENT, first, last + 1 - first)?;
            respond::add_header(&mut answer, header::CONTENT_RANGE, format!("bytes {first}-{last}/{size}"));
            answer
        }
    };
    let headers = answer.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    // The URL names the content, which therefore never changes.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    respond::add_header(&mut answer, CONTENT_DIGEST, &text);
    respond::add_header(&mut answer, header::ETAG, format!("\"{text}\""));
    Ok(answer)
}

fn with_bytes(
    app: &App,
    http: &RequestContext,
    blob: &RepositoryBlob,
    status: StatusCode,
    first: u64,
    count: u64,
) -> Result<Answer, V2Error> {
    let mut answer = respond::empty(status);
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    if http.method == http::Method::HEAD || count == 0 {
        return Ok(answer);
    }
    let stream = Box::new(blobs::open(app, &blob.stored)?.stream(first, first + count - 1));
    *answer.body_mut() = ResponseBody::Blob { stream, remaining: count };
    Ok(answer)
}
