//! `/v2/<name>/blobs/uploads/`: pushing blobs, monolithic and chunked.

use access::action::Action;
use access::audit::{self, AuditedResource};
use http::{HeaderName, HeaderValue, StatusCode, header};
use oci::{ContentRange, Digest, ErrorCode, RepositoryName};
use registry::images::blobs;
use registry::images::changes::Cause;
use registry::images::errors::RegistryError;
use registry::images::uploads::{self, UploadSession};
use runtime::http::body::RequestBody;
use runtime::http::budget::{PoolKind, Share};
use runtime::http::respond::{self, Answer};
use uuid::Uuid;

use super::errors::V2Error;
use super::{CONTENT_DIGEST, V2Request};

pub(super) const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// POST: begins an upload; with `mount` and `from` takes the blob from another repository if it can; with `digest`
/// and a body is the whole push at once.
pub async fn begin(request: &V2Request<'_>, name: RepositoryName, body: &mut RequestBody) -> Result<Answer, V2Error> {
    let place = &request.registry.repository(&name);
    let app = request.app;
    if let Some(algorithm) = request.http.query_parameter("digest-algorithm")
        && !matches!(algorithm.as_str(), "sha256" | "sha512")
    {
        let text = format!("The digest algorithm '{algorithm}' is not supported: sha256 and sha512 are");
        return Err(V2Error::new(ErrorCode::DigestInvalid, text));
    }
    let cause = Cause::of_caller(app, &request.caller);
    let pusher = request.pusher(place);
    let begin = |if_absent| uploads::begin(app, place, if_absent, &cause);
    if let Some(mount) = request.http.query_parameter("mount") {
        let digest = parse_digest(&mount)?;
        if let Some(from) = request.http.query_parameter("from") {
            let from: RepositoryName = from.parse().map_err(|_| {
                V2Error::new(ErrorCode::NameInvalid, format!("'{from}' is not the name of a repository"))
            })?;
            let may_read = match request.authorize_also(&[Action::EcrGetDownloadUrlForLayer], from.as_str()).await {
                Ok(()) => true,
                Err(denied) => {
                    let from = AuditedResource::repository(&request.registry, from.as_str());
                    let (digest, why) = (digest.to_string(), denied.message());
                    audit::record_denied_mount(request.http, &request.caller, &from, &digest, why);
                    false
                }
            };
            let mount = |if_absent| blobs::mount(app, &from, place, digest, if_absent, &cause);
            request.http.must_finish();
            if may_read && pusher.run(mount).await? {
                return Ok(created(&name, digest));
            }
        }
    } else if let Some(digest) = request.http.query_parameter("digest") {
        let whole = [Action::EcrUploadLayerPart, Action::EcrCompleteLayerUpload];
        request.authorize_also(&whole, name.as_str()).await?;
        let digest = parse_digest(&digest)?;
        request.http.must_finish();
        let upload = pusher.run(begin).await?;
        let session = uploads::open(app, place, upload.id).await?;
        let received = async {
            let session = receive(session, body).await?;
            request.renewed().await?.authorize_also(&whole, name.as_str()).await?;
            Ok::<_, V2Error>(session.complete(app, digest).await?)
        };
        let result = received.await;
        if let Err(error) = result {
            // The client never learned the upload's id. One that the wrong digest has ended is gone already.
            let _ = uploads::cancel(app, place, upload.id).await;
            return Err(error);
        }
        return Ok(created(&name, digest));
    }
    request.http.must_finish();
    let upload = pusher.run(begin).await?;
    Ok(progress(&name, upload.id, 0, StatusCode::ACCEPTED))
}

/// GET: how far the upload is.
pub async fn status(request: &V2Request<'_>, name: RepositoryName, id: Uuid) -> Result<Answer, V2Error> {
    let name = &name;
    let (_, upload) = uploads::find(request.app, &request.registry.repository(name), id).await?;
    Ok(progress(name, id, upload.received_bytes, StatusCode::NO_CONTENT))
}

/// PATCH: the next chunk, or without Content-Range the rest of the stream.
pub async fn append(
    request: &V2Request<'_>,
    name: RepositoryName,
    id: Uuid,
    body: &mut RequestBody,
) -> Result<Answer, V2Error> {
    let name = &name;
    let app = request.app;
    let (session, _ahead) = open(request, name, id, body).await?;
    let session = match receive_chunk(request, session, body).await {
        Ok(session) => session,
        Err(error) => return Ok(refusal(request, name, id, error)),
    };
    // Who may push is decided when the bytes are there.
    let request = &request.renewed().await?;
    request.http.must_finish();
    let received = session.checkpoint(app).await?;
    Ok(progress(name, id, received, StatusCode::ACCEPTED))
}

/// PUT: the last chunk, if there is one, and the digest of the whole.
pub async fn complete(
    request: &V2Request<'_>,
    name: RepositoryName,
    id: Uuid,
    body: &mut RequestBody,
) -> Result<Answer, V2Error> {
    let name = &name;
    let app = request.app;
    let digest = request.http.query_parameter("digest").ok_or_else(|| {
        V2Error::new(ErrorCode::DigestInvalid, "The query parameter 'digest' is needed to complete an upload")
    })?;
    let digest = parse_digest(&digest)?;
    let (session, _ahead) = open(request, name, id, body).await?;
    let session = match receive_chunk(request, session, body).await {
        Ok(session) => session,
        Err(error) => return Ok(refusal(request, name, id, error)),
    };
    // Who may push is decided when the bytes are there.
    let request = &request.renewed().await?;
    request.http.must_finish();
    session.complete(app, digest).await?;
    Ok(created(name, digest))
}

/// Opens an upload for what the client sends. Refuses a request that would overtake another one though its own client has gone;
/// what it has read for that is the share's. It waits for as long as bytes of the other one come, and so only with its client:
/// nothing must finish yet.
async fn open(
    request: &V2Request<'_>,
    name: &RepositoryName,
    id: Uuid,
    body: &mut RequestBody,
) -> Result<(UploadSession, Option<Share>), V2Error> {
    let app = request.app;
    let place = request.registry.repository(name);
    let (mut seen, mut share) = (None, None);
    loop {
        match uploads::open_from(app, &place, id, seen.as_ref()).await? {
            Ok(session) => return Ok((session, share)),
            Err(receiver) => seen.insert(receiver).quiet().await,
        }
        let new_share = || app.request_budget.share(PoolKind::Known, &request.http.holder);
        body.look_ahead(share.get_or_insert_with(new_share)).await?;
    }
}

/// DELETE: gives the upload up.
pub async fn cancel(request: &V2Request<'_>, name: RepositoryName, id: Uuid) -> Result<Answer, V2Error> {
    request.http.must_finish();
    uploads::cancel(request.app, &request.registry.repository(&name), id).await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

fn parse_digest(text: &str) -> Result<Digest, V2Error> {
    text.parse().map_err(|_| V2Error::not_a_digest(text))
}

/// Takes a body whose Content-Range, if it has one, must go on where the upload stands and tell the right length.
async fn receive_chunk(
    request: &V2Request<'_>,
    session: UploadSession,
    body: &mut RequestBody,
) -> Result<UploadSession, V2Error> {
    let Some(range) = request.http.header(header::CONTENT_RANGE) else {
        return receive(session, body).await;
    };
    let range: ContentRange = range
        .parse()
        .map_err(|_| V2Error::new(ErrorCode::BlobUploadInvalid, "Content-Range must be '<first>-<last>'"))?;
    let length = (range.last - range.first).saturating_add(1);
    let before = session.received();
    if range.first != before {
        return Err(session.out_of_order().into());
    }
    if body.announced_bytes().is_some_and(|announced| announced != length) {
        return Err(V2Error::new(ErrorCode::SizeInvalid, "Content-Range and Content-Length do not agree"));
    }
    let session = receive(session, body).await?;
    if session.received() - before != length {
        return Err(V2Error::new(ErrorCode::SizeInvalid, "The body is not as long as its Content-Range says"));
    }
    Ok(session)
}

async fn receive(mut session: UploadSession, body: &mut RequestBody) -> Result<UploadSession, V2Error> {
    session.require_room(body.announced_bytes().unwrap_or(0))?;
    let mut overtaken = std::pin::pin!(session.overtaken());
    loop {
        let data = tokio::select! {
            biased;
            data = body.next() => data?,
            () = &mut overtaken => return Err(RegistryError::UploadBusy.into()),
        };
        let Some(data) = data else { return Ok(session) };
        // What it waits for may be the one that has come.
        tokio::select! {
            biased;
            written = session.write(data) => written?,
            () = &mut overtaken => return Err(RegistryError::UploadBusy.into()),
        }
    }
}

fn location(name: &RepositoryName, id: Uuid) -> String {
    super::path(name, &format!("blobs/uploads/{id}"))
}

/// `Range` in answers about uploads is `0-<last>`; of an empty upload it is `0-0`, as docker expects.
fn add_progress(answer: &mut Answer, location: String, id: Uuid, received: u64) {
    respond::add_header(answer, header::LOCATION, location);
    respond::add_header(answer, header::RANGE, format!("0-{}", received.saturating_sub(1)));
    respond::add_header(answer, UPLOAD_UUID, id.to_string());
}

fn progress(name: &RepositoryName, id: Uuid, received: u64, status: StatusCode) -> Answer {
    let mut answer = respond::empty(status);
    add_progress(&mut answer, location(name, id), id, received);
    if status != StatusCode::NO_CONTENT {
        answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    answer
}

/// A refused chunk; where the client can go on, the answer says from where.
fn refusal(request: &V2Request<'_>, name: &RepositoryName, id: Uuid, error: V2Error) -> Answer {
    let received = error.received;
    let mut answer = error.into_answer(request.http);
    if let Some(received) = received {
        add_progress(&mut answer, location(name, id), id, received);
    }
    answer
}

fn created(name: &RepositoryName, digest: Digest) -> Answer {
    let mut answer = respond::empty(StatusCode::CREATED);
    let location = super::path(name, &format!("blobs/{digest}"));
    respond::add_header(&mut answer, header::LOCATION, location);
    respond::add_header(&mut answer, CONTENT_DIGEST, digest.to_string());
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    answer
}
