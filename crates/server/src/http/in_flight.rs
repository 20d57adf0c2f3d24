//! What is in flight on one connection: requests whose answers are not sent to the end, and bytes not flushed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Buf as _;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::record::Metered;

#[derive(Default)]
struct State {
    requests: AtomicUsize,
    has_unflushed: AtomicBool,
}

/// The connection's count; clones share it.
#[derive(Clone, Default)]
pub struct InFlight(Arc<State>);

/// A request that is in flight until this is dropped.
pub struct RequestInFlight(Arc<State>);

impl InFlight {
    /// Counts a request.
    pub fn begin(&self) -> RequestInFlight {
        self.0.requests.fetch_add(1, Ordering::AcqRel);
        RequestInFlight(Arc::clone(&self.0))
    }

    /// Whether nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.0.requests.load(Ordering::Acquire) == 0 && !self.0.has_unflushed.load(Ordering::Acquire)
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A body whose request is in flight until it is sent.
pub struct Counted<B: Body> {
    /// The body itself.
    pub body: B,
    /// Dropped with it.
    pub _in_flight: RequestInFlight,
    /// Counts what is sent.
    pub metered: Metered,
}

impl<B: Body> Drop for Counted<B> {
    fn drop(&mut self) {
        self.metered.end(self.body.is_end_stream());
    }
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let counted = self.get_mut();
        let frame = Pin::new(&mut counted.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            counted.metered.add(data.remaining() as u64);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes what is written and not flushed.
pub struct Flushing<S> {
    stream: S,
    in_flight: InFlight,
}

impl<S> Flushing<S> {
    /// Wraps a stream.
    pub const fn new(stream: S, in_flight: InFlight) -> Self {
        Self { stream, in_flight }
    }

    fn note(&self, has_unflushed: bool) {
        self.in_flight.0.has_unflushed.store(has_unflushed, Ordering::Release);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Flushing<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Flushing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.note(true);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.note(false);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.note(true);
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
