//! Bodies: reading a client's within limits, and sending bytes or a blob.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use store::blob::BlobStream;
use store::error::StoreError;

use super::budget::{Exhausted, Share};
use super::finish::Finish;
use super::held_answer::{AnswerShare, SHORT_BYTES};
use super::paced_body::{PacedBody, PacedError};
use super::socket::Arrived;
use crate::Runtime;

/// What a connection of HTTP/1.1 reads of a body at a time.
const HTTP_1_BUFFER: u64 = 64 * 1024;
/// What a client of HTTP/2 may send unasked, on a connection as on a stream of it. Twice as much would let one client push
/// faster over long ways, and many clients fill twice the memory with what nobody has looked at.
pub const HTTP_2_WINDOW: u32 = 512 * 1024;

/// What went wrong with a client's body.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than the request may be.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection broke, or the framing is wrong.
    Broken,
    /// It came too slowly.
    Idle,
    /// There is no room for it now.
    Exhausted,
}

impl From<Exhausted> for BodyError {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

/// A request's body.
pub struct RequestBody {
    incoming: PacedBody,
    app: Arc<Runtime>,
    received_bytes: u64,
    /// What came before anybody asked for it.
    ahead: VecDeque<Bytes>,
    /// Whether all of it has come.
    is_whole: bool,
    finish: Finish,
}

impl RequestBody {
    /// A body of a request to this server.
    pub fn new(incoming: PacedBody, app: Arc<Runtime>, finish: Finish) -> Self {
        let is_whole = http_body::Body::is_end_stream(&incoming);
        Self { incoming, app, received_bytes: 0, ahead: VecDeque::new(), is_whole, finish }
    }

    /// How much has come so far.
    pub const fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// The length that the client announced, if it did.
    pub fn announced_bytes(&self) -> Option<u64> {
        let ahead: u64 = self.ahead.iter().map(|data| data.len() as u64).sum();
        http_body::Body::size_hint(&self.incoming).exact().map(|left| left + ahead)
    }

    /// What the connection may hold of it at a time: a buffer of HTTP/1.1, or of HTTP/2 what may come unasked.
    pub fn buffer_bytes(&self, version: http::Version) -> u64 {
        // Whoever announces nothing over HTTP/2, and does not end its stream, keeps it all the same.
        match version {
            _ if http_body::Body::is_end_stream(&self.incoming) => 0,
            http::Version::HTTP_2 => HTTP_2_WINDOW.into(),
            _ => HTTP_1_BUFFER,
        }
    }

    /// Fails if what the client has sent by now already shows that the rest never comes, as when it is gone. What comes
    /// meanwhile is kept for [`next`](Self::next), as far as `share` has room for it.
    pub async fn look_ahead(&mut self, share: &mut Share) -> Result<(), BodyError> {
        let Some(socket) = self.incoming.socket().cloned() else { return Ok(()) };
        // What is read makes room for more, behind which the end may be.
        let mut seen_bytes = None;
        loop {
            self.require_client()?;
            let arrived = socket.arrived().ok_or(BodyError::Broken)?;
            if !arrived.has_ended() && seen_bytes == Some(arrived.bytes()) {
                return Ok(());
            }
            seen_bytes = Some(arrived.bytes());
            if !self.take_arrived(&arrived, share).await? {
                return Ok(());
            }
        }
    }

    /// Takes what had arrived, and what comes with it; says whether there may be more of it.
    async fn take_arrived(&mut self, arrived: &Arrived, share: &mut Share) -> Result<bool, BodyError> {
        let handed_on = async {
            // After the end nothing is handed on: the body has an end, good or bad, and that is waited for.
            if arrived.has_ended() {
                std::future::pending::<()>().await;
            }
            arrived.handed_on().await;
        };
        let mut handed_on = std::pin::pin!(handed_on);
        let mut is_handed_on = false;
        loop {
            let next = tokio::select! {
                biased;
                next = self.receive() => next,
                () = &mut handed_on, if !is_handed_on => {
                    // The last of it may have come just before that.
                    is_handed_on = true;
                    continue;
                }
                () = std::future::ready(()), if is_handed_on => return Ok(true),
            };
            let Some(data) = next? else { return Ok(false) };
            let has_room = share.grow(data.len() as u64).is_ok();
            self.ahead.push_back(data);
            if !has_room {
                return Ok(false);
            }
        }
    }

    /// The next bytes; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match self.ahead.pop_front() {
            Some(data) => Ok(Some(data)),
            None => self.receive().await,
        }
    }

    /// Of a client that has gone nothing more comes. What is left of its connection may look like the body's end.
    fn require_client(&self) -> Result<(), BodyError> {
        if self.finish.is_cut() && !self.is_whole { Err(BodyError::Broken) } else { Ok(()) }
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, BodyError> {
        while !self.is_whole {
            self.require_client()?;
            let frame = self.incoming.frame().await;
            self.require_client()?;
            match frame {
                None => self.is_whole = true,
                Some(Err(PacedError::Overdue)) => return Err(BodyError::Idle),
                Some(Err(PacedError::Broken(_))) => return Err(BodyError::Broken),
                Some(Ok(frame)) => {
                    // Trailers carry nothing that Wharf uses.
                    if let Ok(data) = frame.into_data() {
                        self.received_bytes += data.len() as u64;
                        self.app.metrics.received_bytes.add(data.len() as u64);
                        return Ok(Some(data));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes and drops what the handler left of a body, within limits: a client that is still sending when the connection
    /// closes may never see the answer.
    pub async fn drain(&mut self) {
        const MAX_BYTES: usize = 128 * 1024 * 1024;
        const MAX_TIME: Duration = Duration::from_secs(5);
        if self.announced_bytes().is_some_and(|left| left > MAX_BYTES as u64) {
            return;
        }
        let drained = async {
            let mut bytes = 0;
            while bytes < MAX_BYTES
                && let Ok(Some(data)) = self.next().await
            {
                bytes += data.len();
            }
        };
        // Past the limits the client sees the connection close, which is all that can be done for it.
        let _ = tokio::time::timeout(MAX_TIME, drained).await;
    }

    /// Takes and drops what comes while an answer is held back, so that it does not fill the connection's buffers.
    pub async fn drop_during(&mut self, headers: &HeaderMap, held_back: impl Future<Output = ()>) {
        // Reading would be the leave to send that such a client waits for.
        if headers.contains_key(http::header::EXPECT) {
            return held_back.await;
        }
        tokio::pin!(held_back);
        tokio::select! {
            () = &mut held_back => {}
            () = self.drain() => held_back.await,
        }
    }

    /// The whole body, if it is at most `limit` bytes long. What it holds is `share`'s.
    pub async fn collect(&mut self, limit: usize, share: &mut Share) -> Result<Bytes, BodyError> {
        if self.announced_bytes().is_some_and(|announced| announced > limit as u64) {
            return Err(BodyError::TooLarge { limit });
        }
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        share.grow(first.len() as u64)?;
        let mut whole: Option<BytesMut> = None;
        let mut first = Some(first);
        while let Some(data) = self.next().await? {
            let buffer = whole.get_or_insert_with(|| first.take().map_or_else(BytesMut::new, BytesMut::from));
            if buffer.len() + data.len() > limit {
                return Err(BodyError::TooLarge { limit });
            }
            share.grow(data.len() as u64)?;
            buffer.extend_from_slice(&data);
        }
        let body = whole.map_or_else(|| first.unwrap_or_default(), BytesMut::freeze);
        if body.len() > limit { Err(BodyError::TooLarge { limit }) } else { Ok(body) }
    }
}

/// Bytes in memory are sent in pieces of this length, so that it is seen whether the client takes them.
const MAX_PIECE: usize = 256 * 1024;

/// Bytes that come piece by piece, as those of a blob that is being fetched from upstream.
pub trait ComingBytes: Send {
    /// The next bytes; none at the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>>;
}

/// An answer's body.
pub enum ResponseBody {
    /// Bytes in memory.
    Full {
        /// Those that are still to be sent; none at the end.
        bytes: Option<Bytes>,
        /// What they hold of the pool of answers, if they are long.
        room: Option<Arc<Share>>,
    },
    /// A blob, or a part of one.
    Blob {
        /// Where the bytes come from.
        stream: Box<BlobStream>,
        /// How many are still to come.
        remaining: u64,
        /// What the stream holds of the pool of answers, if that is much.
        _room: Option<Arc<Share>>,
    },
    /// Bytes that are still coming from elsewhere.
    Coming {
        /// Where they come from.
        stream: Box<dyn ComingBytes>,
        /// How many are still to come.
        remaining: u64,
    },
}

impl ResponseBody {
    /// No bytes.
    pub const fn empty() -> Self {
        Self::Full { bytes: None, room: None }
    }

    /// Bytes that have their room.
    pub const fn held(bytes: Bytes, room: Option<Arc<Share>>) -> Self {
        Self::Full { bytes: Some(bytes), room }
    }

    /// Sees to it that bytes in memory have room if they are long; what was taken while they were made is `made`.
    pub fn settle(&mut self, made: impl FnOnce() -> AnswerShare) -> Result<(), Exhausted> {
        if let Self::Full { bytes: Some(bytes), room: room @ None } = self
            && bytes.len() as u64 > SHORT_BYTES
        {
            *room = made().settle(bytes.len() as u64)?;
        }
        Ok(())
    }
}

impl Default for ResponseBody {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self::Full { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()), room: None }
    }
}

type NextBytes = Option<Result<Bytes, StoreError>>;

fn count_down(next: NextBytes, remaining: &mut u64) -> Option<Result<Frame<Bytes>, StoreError>> {
    next.map(|data| {
        data.map(|data| {
            *remaining = remaining.saturating_sub(data.len() as u64);
            Frame::data(data)
        })
    })
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        match self.get_mut() {
            Self::Full { bytes, .. } => {
                let next = match bytes {
                    Some(rest) if rest.len() > MAX_PIECE => Some(rest.split_to(MAX_PIECE)),
                    rest => rest.take(),
                };
                Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Blob { stream, remaining, .. } => stream.poll_next(cx).map(|next| count_down(next, remaining)),
            Self::Coming { stream, remaining } => stream.poll_next(cx).map(|next| count_down(next, remaining)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full { bytes, .. } => bytes.is_none(),
            Self::Blob { remaining, .. } | Self::Coming { remaining, .. } => *remaining == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Full { bytes, .. } => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::Blob { remaining, .. } | Self::Coming { remaining, .. } => *remaining,
        })
    }
}
