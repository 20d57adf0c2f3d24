//! A connection that ends when its peer does not take what is sent to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::in_flight::Lag;
use super::layered::{Layer, Layered};
use super::pace::{Pace, PaceLimits};
use crate::Runtime;
use crate::metrics::ConnectionEnd;

/// See the module.
pub type PacedStream<S> = Layered<S, PacedPeer>;

/// How a connection's peer keeps up.
pub struct PacedPeer {
    pace: Pace,
    lag: Lag,
    app: Arc<Runtime>,
}

impl<S> Layered<S, PacedPeer> {
    /// Wraps a stream. `lag` tells the connection's keeper while the peer lags behind.
    pub const fn new(stream: S, limits: PaceLimits, lag: Lag, app: Arc<Runtime>) -> Self {
        Self { stream, layer: PacedPeer { pace: Pace::new(limits), lag, app } }
    }
}

impl PacedPeer {
    /// The kernel has waited for long enough until the peer took something; it says so once, to whoever asks first.
    fn note_timeout(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::TimedOut {
            self.app.metrics.connection_ends.note(ConnectionEnd::SlowReader);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Layer<S> for PacedPeer {
    fn poll_read(&mut self, stream: &mut S, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(stream).poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &read {
            self.note_timeout(error);
        }
        read
    }

    /// What came of an attempt to write, unless the peer keeps it waiting for too long.
    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
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
