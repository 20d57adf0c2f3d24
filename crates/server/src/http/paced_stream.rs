//! A connection that ends when its peer does not take what is sent to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::in_flight::Lag;
use super::pace::{Pace, PaceLimits};
use crate::app::App;
use crate::metrics::ConnectionEnd;

/// See the module.
pub struct PacedStream<S> {
    stream: S,
    pace: Pace,
    lag: Lag,
    app: Arc<App>,
}

impl<S> PacedStream<S> {
    /// Wraps a stream. `lag` tells the connection's keeper while the peer lags behind.
    pub const fn new(stream: S, limits: PaceLimits, lag: Lag, app: Arc<App>) -> Self {
        Self { stream, pace: Pace::new(limits), lag, app }
    }

    /// The kernel has waited for long enough until the peer took something; it says so once, to whoever asks first.
    fn note_timeout(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::TimedOut {
            self.app.metrics.connection_ends.note(ConnectionEnd::SlowReader);
        }
    }

    /// What came of an attempt to write, unless the peer keeps it waiting for too long.
    fn paced(&mut self, written: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(written) => {
                if let Err(error) = &written {
                    self.note_timeout(error);
                }
                // Most writes never wait.
                if self.pace.lags() {
                    self.pace.moved(written.as_ref().copied().unwrap_or_default());
                    self.lag.set(self.pace.lags());
                }
                Poll::Ready(written)
            }
            Poll::Pending if self.pace.poll_overdue(cx).is_ready() => {
                self.app.metrics.connection_ends.note(ConnectionEnd::SlowReader);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
            }
            Poll::Pending => {
                self.lag.set(true);
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &read {
            self.note_timeout(error);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.paced(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.paced(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
