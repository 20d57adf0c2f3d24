//! The registry that an import writes to: ECR's API for repositories, the registry protocol for their content.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use oci::{Digest, RepositoryName};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION, RANGE};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::ecr::{EcrApi, Settings};
use super::failure::{Failure, cause_of};
use super::http::{new_client, refusal};
use super::login::{Doorman, Login};
use super::patience::Patience;
use super::source::Fetched;
use crate::error::Error;

/// A longer layer is sent in parts of this length, so that little is lost when one of them breaks off.
const PART_BYTES: u64 = 64 << 20;
/// Pieces of a layer between the source and the target.
const PIECES_IN_FLIGHT: usize = 8;
/// For what has no long body.
const SHORT_TIMEOUT: Duration = Duration::from_secs(120);
/// A layer of which nothing moves so long is given up.
const STALL: Duration = Duration::from_secs(300);

/// The target of an import.
pub(super) struct Destination {
    api: Arc<EcrApi>,
    http: Client,
    base: Url,
    doorman: Doorman,
    patience: Patience,
    /// Uploads that the target waits for.
    open_uploads: Mutex<HashSet<Url>>,
}

/// What the target has of a repository.
#[derive(Debug, Default)]
pub(super) struct Present {
    pub(super) images: HashSet<Digest>,
    pub(super) tags: HashMap<String, Digest>,
}

/// How a blob came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Sent,
    Mounted,
}

/// Who failed, in the middle of a layer.
enum Side {
    Source(Failure),
    Target(Failure),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageId {
    image_digest: Digest,
    image_tag: Option<String>,
}

impl Destination {
    pub(super) fn new(
        api: Arc<EcrApi>,
        base: Url,
        trusted: &[PathBuf],
        retries: u32,
        now_ms: fn() -> i64,
    ) -> Result<Self, Error> {
        // Without a limit for silence: nothing comes while a part is sent.
        let http = new_client(&base, trusted, None)?;
        let doorman = Doorman::new(Login::Ecr(Arc::clone(&api)), base.scheme() == "http", now_ms);
        Ok(Self { api, http, base, doorman, patience: Patience::new(retries), open_uploads: Mutex::default() })
    }

    // --- Repositories -----------------------------------------------------------------------------------------------

    /// Whether a repository is there.
    pub(super) async fn has_repository(&self, name: &RepositoryName) -> Result<bool, Failure> {
        let input = json!({ "repositoryNames": [name.as_str()] });
        match self.api.call::<Value>("DescribeRepositories", input).await {
            Ok(_) => Ok(true),
            Err(Failure::NotFound(_)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Creates a repository with these settings.
    pub(super) async fn create_repository(
        &self,
        name: &RepositoryName,
        settings: Option<&Settings>,
    ) -> Result<(), Failure> {
        let mut input = Value::Object(settings.map(|settings| settings.creation.clone()).unwrap_or_default());
        input["repositoryName"] = name.as_str().into();
        match self.api.call::<Value>("CreateRepository", input).await {
            // It exists if an attempt before this one made it, and its answer was lost.
            Ok(_) | Err(Failure::Exists(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Gives a repository the policy of the source, unless it has one.
    pub(super) async fn put_policy(&self, name: &RepositoryName, kind: PolicyKind, text: &str) -> Result<(), Failure> {
        let (get, put, member) = match kind {
            PolicyKind::Repository => ("GetRepositoryPolicy", "SetRepositoryPolicy", "policyText"),
            PolicyKind::Lifecycle => ("GetLifecyclePolicy", "PutLifecyclePolicy", "lifecyclePolicyText"),
        };
        match self.api.call::<Value>(get, json!({ "repositoryName": name.as_str() })).await {
            Ok(_) => Ok(()),
            Err(Failure::NotFound(_)) => {
                let input = json!({ "repositoryName": name.as_str(), member: text });
                self.api.call::<Value>(put, input).await.map(drop)
            }
            Err(failure) => Err(failure),
        }
    }

    /// What a repository has.
    pub(super) async fn present(&self, name: &RepositoryName) -> Result<Present, Failure> {
        let input = json!({ "repositoryName": name.as_str(), "filter": { "imageStatus": "ANY" } });
        let ids: Vec<ImageId> = self.api.list("ListImages", input, "imageIds").await?;
        let mut present = Present::default();
        for id in ids {
            present.images.insert(id.image_digest);
            if let Some(tag) = id.image_tag {
                present.tags.insert(tag, id.image_digest);
            }
        }
        Ok(present)
    }

    // --- Images -----------------------------------------------------------------------------------------------------

    fn url(&self, path: &str) -> Result<Url, Failure> {
        self.base.join(path).map_err(|_| Failure::Final(format!("'{path}' makes no URL")))
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &[(HeaderName, String)],
        body: Option<reqwest::Body>,
    ) -> Result<Response, Failure> {
        let mut request = self.http.request(method, url.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = self.doorman.known("").await? {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request
            .send()
            .await
            .map_err(|error| Failure::passing(format!("{} cannot be reached: {}", self.base, cause_of(&error))))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let failure = refusal("the target", answer).await;
        if status == StatusCode::UNAUTHORIZED {
            // The token has ended; the API says it if the key has as well.
            self.doorman.forget("");
            return Err(Failure::passing(failure.to_string()));
        }
        Err(failure)
    }

    async fn send_short(
        &self,
        method: Method,
        url: &Url,
        headers: &[(HeaderName, String)],
        body: Option<Bytes>,
    ) -> Result<Response, Failure> {
        let sent = self.send(method, url, headers, body.map(reqwest::Body::from));
        let late = |_| Err(Failure::passing(format!("{} did not answer in time", self.base)));
        tokio::time::timeout(SHORT_TIMEOUT, sent).await.unwrap_or_else(late)
    }

    /// Whether a repository has a blob.
    pub(super) async fn has_blob(&self, name: &RepositoryName, digest: Digest) -> Result<bool, Failure> {
        let url = self.url(&format!("/v2/{name}/blobs/{digest}"))?;
        let asked = || self.send_short(Method::HEAD, &url, &[], None);
        match self.patience.run(asked).await {
            Ok(_) => Ok(true),
            Err(Failure::NotFound(_)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Stores a manifest, under a tag or by its digest alone.
    pub(super) async fn put_manifest(
        &self,
        name: &RepositoryName,
        tag: Option<&str>,
        image: &Fetched,
    ) -> Result<(), Failure> {
        let reference = tag.map_or_else(|| image.digest.to_string(), str::to_owned);
        let url = self.url(&format!("/v2/{name}/manifests/{reference}"))?;
        let headers = [(CONTENT_TYPE, image.manifest.media_type.to_string())];
        let put = || self.send_short(Method::PUT, &url, &headers, Some(image.bytes.clone()));
        self.patience.run(put).await.map(drop)
    }

    // --- Blobs ------------------------------------------------------------------------------------------------------

    /// Brings a blob: from another repository of the target if that is allowed, else from the source, of which `feed`
    /// sends the bytes from an offset on. `moved` counts them.
    pub(super) async fn upload<F: Future<Output = Result<(), Failure>>>(
        &self,
        name: &RepositoryName,
        (digest, size): (Digest, u64),
        mount_from: Option<&RepositoryName>,
        moved: &Arc<AtomicU64>,
        feed: impl Fn(u64, mpsc::Sender<Bytes>) -> F,
    ) -> Result<Arrival, Failure> {
        let mut attempt = 0;
        let mut upload: Option<Url> = None;
        let outcome = loop {
            let tried = async {
                // Perhaps only the answer was lost.
                if attempt > 0 && self.has_blob(name, digest).await.map_err(Side::Target)? {
                    return Ok(Arrival::Sent);
                }
                let (url, offset) = match &upload {
                    Some(url) => (url.clone(), self.offset(url).await.map_err(Side::Target)?),
                    None => match self.begin(name, digest, mount_from).await.map_err(Side::Target)? {
                        None => return Ok(Arrival::Mounted),
                        Some(url) => (url, Some(0)),
                    },
                };
                let Some(offset) = offset else {
                    // It has gone, or nobody can tell how far it is.
                    self.cancel(&url).await;
                    upload = None;
                    return Err(Side::Target(Failure::passing("the target gave an upload up")));
                };
                upload = Some(url.clone());
                self.fill(url, digest, offset, size, moved, &feed).await?;
                Ok(Arrival::Sent)
            };
            match tried.await {
                Ok(arrival) => break Ok(arrival),
                // The source has been tried again already.
                Err(Side::Source(failure)) => break Err(failure),
                Err(Side::Target(failure)) => {
                    if let Err(failure) = self.patience.before_retry(&mut attempt, failure).await {
                        break Err(failure);
                    }
                }
            }
        };
        if let Some(url) = upload {
            if outcome.is_err() {
                self.cancel(&url).await;
            }
            self.open_uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(&url);
        }
        outcome
    }

    /// Begins an upload; none if the blob could be mounted.
    async fn begin(
        &self,
        name: &RepositoryName,
        digest: Digest,
        mount_from: Option<&RepositoryName>,
    ) -> Result<Option<Url>, Failure> {
        let mount = mount_from
            .map(|from| format!("?mount={digest}&from={}", utf8_percent_encode(from.as_str(), NON_ALPHANUMERIC)));
        let url = self.url(&format!("/v2/{name}/blobs/uploads/{}", mount.unwrap_or_default()))?;
        let answer = self.send_short(Method::POST, &url, &[(CONTENT_LENGTH, "0".to_owned())], None).await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(None);
        }
        let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let upload =
            location.and_then(|location| url.join(location).ok()).filter(|upload| upload.origin() == url.origin());
        let upload = upload.ok_or_else(|| Failure::Final("the target began an upload nowhere".to_owned()))?;
        self.open_uploads.lock().unwrap_or_else(PoisonError::into_inner).insert(upload.clone());
        Ok(Some(upload))
    }

    /// How far an upload is; none if it has gone or does not say.
    async fn offset(&self, upload: &Url) -> Result<Option<u64>, Failure> {
        let answer = match self.send_short(Method::GET, upload, &[], None).await {
            Ok(answer) => answer,
            Err(Failure::NotFound(_)) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let range = answer.headers().get(RANGE).and_then(|range| range.to_str().ok());
        let last: Option<u64> = range.and_then(|range| range.strip_prefix("0-")).and_then(|last| last.parse().ok());
        // An empty upload says 0-0, as one of one byte does.
        Ok(last.filter(|last| *last > 0).map(|last| last + 1))
    }

    /// Sends the rest of a blob.
    async fn fill<F: Future<Output = Result<(), Failure>>>(
        &self,
        upload: Url,
        digest: Digest,
        offset: u64,
        size: u64,
        moved: &Arc<AtomicU64>,
        feed: &impl Fn(u64, mpsc::Sender<Bytes>) -> F,
    ) -> Result<(), Side> {
        let (to, from) = mpsc::channel(PIECES_IN_FLIGHT);
        let pieces = Arc::new(Mutex::new(Pieces { from, left: Bytes::new(), moved: Arc::clone(moved) }));
        let feeding = feed(offset, to);
        let sending = self.send_parts(upload, digest, offset, size, &pieces);
        tokio::pin!(feeding, sending);
        let mut is_fed = false;
        loop {
            tokio::select! {
                biased;
                outcome = &mut feeding, if !is_fed => {
                    outcome.map_err(Side::Source)?;
                    is_fed = true;
                }
                sent = &mut sending => return sent.map_err(Side::Target),
            }
        }
    }

    async fn send_parts(
        &self,
        mut upload: Url,
        digest: Digest,
        mut offset: u64,
        size: u64,
        pieces: &Arc<Mutex<Pieces>>,
    ) -> Result<(), Failure> {
        loop {
            let length = (size - offset.min(size)).min(PART_BYTES);
            let is_last = offset + length >= size;
            let mut headers =
                vec![(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_LENGTH, length.to_string())];
            if length > 0 {
                headers.push((CONTENT_RANGE, format!("{offset}-{}", offset + length - 1)));
            }
            let progress = Arc::new(AtomicU64::new(0));
            let body = Part { pieces: Arc::clone(pieces), remaining: length, progress: Arc::clone(&progress) };
            let body = (length > 0).then(|| reqwest::Body::wrap(body));
            let method = if is_last { Method::PUT } else { Method::PATCH };
            let url = if is_last { with_digest(&upload, digest) } else { upload.clone() };
            let answer = tokio::select! {
                answer = self.send(method, &url, &headers, body) => answer,
                () = stalled(&progress) => Err(Failure::passing("the target took no more bytes of a layer")),
            };
            let answer = answer.map_err(|failure| match failure {
                // The target has forgotten it: another one is begun.
                Failure::NotFound(text) => Failure::passing(text),
                Failure::WrongDigest(_) => {
                    Failure::WrongDigest(format!("the source's bytes of {digest} have another digest"))
                }
                failure => failure,
            })?;
            if is_last {
                return Ok(());
            }
            offset += length;
            let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            if let Some(next) = location.and_then(|location| upload.join(location).ok()) {
                upload = next;
            }
        }
    }

    async fn cancel(&self, upload: &Url) {
        // The target forgets it in time if this does not work.
        let _ = self.send_short(Method::DELETE, upload, &[], None).await;
        self.open_uploads.lock().unwrap_or_else(PoisonError::into_inner).remove(upload);
    }

    /// Takes back what was begun and will not be ended.
    pub(super) async fn cancel_all(&self) {
        let open: Vec<Url> = self.open_uploads.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        for upload in open {
            self.cancel(&upload).await;
        }
    }
}

/// The two policies of a repository.
#[derive(Clone, Copy, Debug)]
pub(super) enum PolicyKind {
    Repository,
    Lifecycle,
}

fn with_digest(upload: &Url, digest: Digest) -> Url {
    let mut url = upload.clone();
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    url
}

/// Ends when nothing has moved for long.
async fn stalled(progress: &AtomicU64) {
    let mut seen = progress.load(Ordering::Relaxed);
    loop {
        tokio::time::sleep(STALL).await;
        let now = progress.load(Ordering::Relaxed);
        if now == seen {
            return;
        }
        seen = now;
    }
}

/// A blob on its way from the source to the parts of an upload.
struct Pieces {
    from: mpsc::Receiver<Bytes>,
    left: Bytes,
    moved: Arc<AtomicU64>,
}

/// One part of an upload as a body.
struct Part {
    pieces: Arc<Mutex<Pieces>>,
    remaining: u64,
    progress: Arc<AtomicU64>,
}

impl Body for Part {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let this = self.get_mut();
        if this.remaining == 0 {
            return Poll::Ready(None);
        }
        let mut pieces = this.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if pieces.left.is_empty() {
            match ready!(pieces.from.poll_recv(cx)) {
                Some(piece) => pieces.left = piece,
                None => return Poll::Ready(Some(Err(std::io::Error::other("the source broke off")))),
            }
        }
        let length = this.remaining.min(pieces.left.len() as u64);
        let piece = pieces.left.split_to(length as usize);
        this.remaining -= length;
        this.progress.fetch_add(length, Ordering::Relaxed);
        pieces.moved.fetch_add(length, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
