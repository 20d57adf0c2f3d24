//! A request's body as it comes from a client, which must keep up a least rate.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::in_flight::Lag;
use super::pace::{Pace, PaceLimits};
use super::socket::SocketView;
use crate::Runtime;
use crate::metrics::ConnectionEnd;

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum PacedError {
    /// The connection broke, or the framing is wrong.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// It came too slowly.
    #[error("the body came too slowly")]
    Overdue,
}

/// See the module.
pub struct PacedBody {
    incoming: Incoming,
    pace: Pace,
    lag: Lag,
    app: Arc<Runtime>,
    is_overdue: bool,
    socket: Option<SocketView>,
}

impl PacedBody {
    /// Wraps a body. `lag` tells the connection's keeper while the client lags behind.
    pub const fn new(incoming: Incoming, limits: PaceLimits, lag: Lag, app: Arc<Runtime>) -> Self {
        Self { incoming, pace: Pace::new(limits), lag, app, is_overdue: false, socket: None }
    }

    /// The body comes over this socket.
    #[must_use]
    pub fn on(self, socket: SocketView) -> Self {
        Self { socket: Some(socket), ..self }
    }

    /// The socket that it comes over, if there is one.
    pub const fn socket(&self) -> Option<&SocketView> {
        self.socket.as_ref()
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = PacedError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, PacedError>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                let bytes = match &frame {
                    Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                    Some(Err(_)) | None => 0,
                };
                this.pace.moved(bytes);
                // Nothing more is expected of the client after the end.
                this.lag.set(this.pace.lags() && matches!(frame, Some(Ok(_))));
                Poll::Ready(frame.map(|frame| frame.map_err(PacedError::from)))
            }
            Poll::Pending if this.pace.poll_overdue(cx).is_ready() => {
                if !this.is_overdue {
                    this.is_overdue = true;
                    this.app.metrics.connection_ends.note(ConnectionEnd::SlowBody);
                }
                Poll::Ready(Some(Err(PacedError::Overdue)))
            }
            Poll::Pending => {
                this.lag.set(true);
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
