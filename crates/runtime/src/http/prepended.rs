//! A stream whose first bytes can be looked at before somebody reads them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::layered::{Layer, Layered};

/// See the module.
pub type Prepended<S> = Layered<S, Seen>;

/// What was looked at and is not read yet.
pub struct Seen(Vec<u8>);

impl<S> Layered<S, Seen> {
    /// Wraps a stream of which nothing is known.
    pub const fn new(stream: S) -> Self {
        Self { stream, layer: Seen(Vec::new()) }
    }

    /// What was looked at.
    pub fn seen(&self) -> &[u8] {
        &self.layer.0
    }

    /// Takes off bytes that were looked at.
    pub fn take(&mut self, count: usize) {
        self.layer.0.drain(..count);
    }
}

impl<S: AsyncRead + Unpin> Layered<S, Seen> {
    /// Looks at more, so that up to `limit` bytes are seen; says whether there was more.
    pub async fn look(&mut self, limit: usize) -> io::Result<bool> {
        let mut buffer = [0; 64];
        let room = limit.saturating_sub(self.layer.0.len()).min(buffer.len());
        let read = self.stream.read(&mut buffer[..room]).await?;
        self.layer.0.extend_from_slice(&buffer[..read]);
        Ok(read > 0)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Layer<S> for Seen {
    fn poll_read(&mut self, stream: &mut S, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Pin::new(stream).poll_read(cx, buf);
        }
        let count = self.0.len().min(buf.remaining());
        buf.put_slice(&self.0[..count]);
        if count == self.0.len() {
            self.0 = Vec::new();
        } else {
            self.0.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}
