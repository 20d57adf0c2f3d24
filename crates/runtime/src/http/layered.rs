//! A stream with something around it: all goes through as it is, but for what a layer sees to.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is around a stream. Each method passes on what it does not see to.
pub trait Layer<S: AsyncRead + AsyncWrite + Unpin>: Unpin {
    /// Reads.
    fn poll_read(&mut self, stream: &mut S, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(stream).poll_read(cx, buf)
    }

    /// What came of an attempt to write, of one buffer or several.
    fn written(&mut self, _cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        written
    }

    /// Flushes.
    fn poll_flush(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(stream).poll_flush(cx)
    }

    /// Stops sending.
    fn poll_shutdown(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(stream).poll_shutdown(cx)
    }
}

/// See the module.
pub struct Layered<S, L> {
    /// The stream.
    pub(super) stream: S,
    /// What is around it.
    pub(super) layer: L,
}

impl<S: AsyncRead + AsyncWrite + Unpin, L: Layer<S>> AsyncRead for Layered<S, L> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, layer } = self.get_mut();
        layer.poll_read(stream, cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, L: Layer<S>> AsyncWrite for Layered<S, L> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, layer } = self.get_mut();
        let written = Pin::new(stream).poll_write(cx, buf);
        layer.written(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, layer } = self.get_mut();
        layer.poll_flush(stream, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, layer } = self.get_mut();
        layer.poll_shutdown(stream, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, layer } = self.get_mut();
        let written = Pin::new(stream).poll_write_vectored(cx, bufs);
        layer.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
