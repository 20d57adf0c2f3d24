//! A stream that closes gently: it stops sending, and then listens for a moment.
//!
//! A kernel that closes a connection with unread bytes resets it, and a reset can take back an answer that the client
//! has not read yet. So what is still coming is taken and dropped first, within limits.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::layered::{Layer, Layered};

const MAX_TIME: Duration = Duration::from_secs(1);
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// See the module.
pub type LingeringClose<S> = Layered<S, CloseProgress>;

/// How far a stream has come in closing.
pub struct CloseProgress {
    is_shut: bool,
    left: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Layered<S, CloseProgress> {
    /// Wraps a stream.
    pub const fn new(stream: S) -> Self {
        Self { stream, layer: CloseProgress { is_shut: false, left: MAX_BYTES, deadline: None } }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Layer<S> for CloseProgress {
    fn poll_shutdown(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            self.is_shut = true;
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(MAX_TIME)));
        let mut scratch = [0; 8192];
        while self.left > 0 && deadline.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => self.left = self.left.saturating_sub(buf.filled().len()),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
