//! `/v2/<name>/blobs/<digest>`: pulling layers and configs.

use std::sync::Arc;

use access::request::RequestContext;
use http::{HeaderValue, StatusCode, header};
use oci::{ByteRange, Digest, ErrorCode, RangeOutcome, RepositoryName};
use registry::Registry;
use registry::layers;
use registry::layers::reading::{LayerStream, OpenLayer, ReadableLayer};
use runtime::http::body::{BodyError, ResponseBody};
use runtime::http::budget::Share;
use runtime::http::respond::{self, Answer};

use super::errors::V2Error;
use super::{CONTENT_DIGEST, V2Request};

/// What is so short is sent at once and not by way of the bucket: it costs less than another request, and whoever looks
/// at configs alone needs no way to the bucket.
const MAX_DIRECT_BYTES: u64 = 64 * 1024;

/// GET and HEAD: OCI distribution, "Pulling blobs".
pub async fn get(request: &V2Request<'_>, name: RepositoryName, digest: Digest) -> Result<Answer, V2Error> {
    let (app, http) = (request.app, request.http);
    let layer = layers::readable_by(app, &request.caller, &request.registry.repository(&name), digest).await?;
    if let Some(answer) = redirect(app, http, &layer, digest).await? {
        return Ok(answer);
    }
    answer_layer(app, http, &layer, digest).await
}

/// Sends the client to the bucket for the bytes (OCI distribution, "Pulling blobs": 307), if the bucket has them as they
/// are and gives out URLs. A range goes with the client. What is sent at once is answered here.
async fn redirect(
    app: &Registry,
    http: &RequestContext,
    layer: &ReadableLayer,
    digest: Digest,
) -> Result<Option<Answer>, V2Error> {
    let is_short = layer.location().size_bytes().is_none_or(|size_bytes| size_bytes <= MAX_DIRECT_BYTES);
    if http.method != http::Method::GET || is_short || is_known(http, &digest) {
        return Ok(None);
    }
    let Some(url) = layer.url(app).await? else { return Ok(None) };
    let mut answer = respond::empty(StatusCode::TEMPORARY_REDIRECT);
    respond::add_header(&mut answer, header::LOCATION, url);
    respond::add_header(&mut answer, CONTENT_DIGEST, digest.to_string());
    // The URL is good for a short time, and for whoever was let in.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Some(answer))
}

/// Whether the client says that it has the layer.
fn is_known(http: &RequestContext, digest: &Digest) -> bool {
    http.header(header::IF_NONE_MATCH).is_some_and(|known| oci::if_none_match(known, digest))
}

/// The bytes of a layer, or only its length.
enum Source {
    Bytes(OpenLayer),
    Length(u64),
}

impl Source {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::Bytes(layer) => layer.size_bytes(),
            Self::Length(size_bytes) => *size_bytes,
        }
    }
}

/// The layer, or the part of it that the Range header asks for; fetched from upstream if it is still there.
pub(super) async fn answer_layer(
    app: &Arc<Registry>,
    http: &RequestContext,
    layer: &ReadableLayer,
    digest: Digest,
) -> Result<Answer, V2Error> {
    let source = match layer.location().size_bytes().filter(|_| http.method == http::Method::HEAD) {
        Some(size_bytes) => Source::Length(size_bytes),
        None => Source::Bytes(layer.open(app).await.map_err(V2Error::of_layer)?),
    };
    answer(app, http, source, digest).await
}

/// DELETE is optional in the specification, and ECR has none: layers go when no image names them.
pub async fn delete(request: &V2Request<'_>, name: RepositoryName, digest: Digest) -> Result<Answer, V2Error> {
    layers::find(request.app, &request.registry.repository(&name), digest).await?.require_here()?;
    Err(V2Error::new(
        ErrorCode::Unsupported,
        "Layers cannot be deleted. Delete the images that name them; the space is freed later.",
    )
    .with_status(StatusCode::METHOD_NOT_ALLOWED))
}

async fn answer(app: &Arc<Registry>, http: &RequestContext, source: Source, digest: Digest) -> Result<Answer, V2Error> {
    let size = source.size_bytes();
    let text = digest.to_string();
    let is_held_by_client = is_known(http, &digest);
    // A range of another version than the client has a part of would be of no use to it.
    // Range is defined for GET alone (RFC 9110, 14.2).
    let range = http
        .header(header::RANGE)
        .filter(|_| http.method == http::Method::GET)
        .filter(|_| http.header(header::IF_RANGE).is_none_or(|known| known.trim_matches('"') == text));
    let mut answer = match range.map_or(RangeOutcome::Whole, |range| ByteRange::parse(range, size)) {
        _ if is_held_by_client => respond::empty(StatusCode::NOT_MODIFIED),
        RangeOutcome::Unsatisfiable => {
            let error = V2Error::new(ErrorCode::SizeInvalid, format!("The blob has {size} bytes"))
                .with_status(StatusCode::RANGE_NOT_SATISFIABLE);
            let mut answer = error.into_answer(http);
            respond::add_header(&mut answer, header::CONTENT_RANGE, format!("bytes */{size}"));
            return Ok(answer);
        }
        RangeOutcome::Whole => with_bytes(app, http, source, StatusCode::OK, 0, size).await?,
        RangeOutcome::Part { first, last } => {
            let mut answer =
                with_bytes(app, http, source, StatusCode::PARTIAL_CONTENT, first, last + 1 - first).await?;
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

/// Room for what a stream holds for as long as it lasts, where that is much.
fn room_of_stream(http: &RequestContext, bytes: u64) -> Result<Option<Arc<Share>>, BodyError> {
    Ok(http.new_answer_share().settle(bytes)?)
}

async fn with_bytes(
    app: &Arc<Registry>,
    http: &RequestContext,
    source: Source,
    status: StatusCode,
    first: u64,
    count: u64,
) -> Result<Answer, V2Error> {
    let mut answer = respond::empty(status);
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    if http.method == http::Method::HEAD || count == 0 {
        return Ok(answer);
    }
    let last = first + count - 1;
    // Only HEAD is content with a length, and HEAD was answered above.
    let Source::Bytes(layer) = source else { return Ok(answer) };
    *answer.body_mut() = match layer.stream(app, first, last).await? {
        LayerStream::Stored(mut stream) => {
            let room = room_of_stream(http, stream.held_bytes())?;
            stream.begin().await?;
            ResponseBody::Blob { stream, remaining: count, _room: room }
        }
        LayerStream::Coming(stream) => ResponseBody::Coming { stream, remaining: count },
    };
    Ok(answer)
}
