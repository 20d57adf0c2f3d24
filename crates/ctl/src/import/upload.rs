//! Bringing a layer to the target: in parts, each of which begins where the target says that it is.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use oci::{Digest, RepositoryName};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{Method, StatusCode, Url};
use tokio::sync::mpsc;

use super::destination::Destination;
use super::failure::Failure;

/// A longer layer is sent in parts of this length, so that little is lost when one of them breaks off.
const PART_BYTES: u64 = 64 << 20;
/// Pieces of a layer between the source and the target.
const PIECES_IN_FLIGHT: usize = 8;
/// A layer of which nothing moves so long is given up.
const STALL: Duration = Duration::from_secs(300);

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

impl Destination {
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
