//! A stream whose first bytes can be looked at before somebody reads them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// See the module.
pub struct Prepended<S> {
    stream: S,
    /// What was looked at and is not read yet.
    bytes: Vec<u8>,
}

impl<S> Prepended<S> {
    /// Wraps a stream of which nothing is known.
    pub const fn new(stream: S) -> Self {
        Self { stream, bytes: Vec::new() }
    }

    /// What was looked at.
    pub fn seen(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes off bytes that were looked at.
    pub fn take(&mut self, count: usize) {
        self.bytes.drain(..count);
    }
}

impl<S: AsyncRead + Unpin> Prepended<S> {
    /// Looks at more, so that up to `limit` bytes are seen; says whether there was more.
    pub async fn look(&mut self, limit: usize) -> io::Result<bool> {
        let mut buffer = [0; 64];
        let room = limit.saturating_sub(self.bytes.len()).min(buffer.len());
        let read = self.stream.read(&mut buffer[..room]).await?;
        self.bytes.extend_from_slice(&buffer[..read]);
        Ok(read > 0)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prepended<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.bytes.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let count = this.bytes.len().min(buf.remaining());
        buf.put_slice(&this.bytes[..count]);
        if count == this.bytes.len() {
            this.bytes = Vec::new();
        } else {
            this.bytes.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prepended<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
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
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
