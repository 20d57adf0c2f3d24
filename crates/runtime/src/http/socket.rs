//! The socket under a connection, and what the kernel holds of it that the connection has not come to yet.
//!
//! Under load a connection may be far behind its client: whether the client has gone is known to the kernel first.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

/// A connection's socket.
pub struct Socket {
    read: OwnedReadHalf,
    shared: Arc<Shared>,
}

/// What outlives a look at the socket, and not the socket.
struct Shared {
    /// Written to through its descriptor, as others look at it meanwhile.
    write: OwnedWriteHalf,
    /// How many bytes were read of it.
    read_bytes: AtomicU64,
    /// How many had been read when the connection asked for more and there was nothing: it had handed those on by then.
    handed_on_bytes: AtomicU64,
    asked: Notify,
}

impl Socket {
    /// Takes an accepted connection.
    pub fn new(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        let (read_bytes, handed_on_bytes, asked) = (AtomicU64::new(0), AtomicU64::new(0), Notify::new());
        Self { read, shared: Arc::new(Shared { write, read_bytes, handed_on_bytes, asked }) }
    }

    /// A view of it for requests, which does not keep it open.
    pub fn view(&self) -> SocketView {
        SocketView(Arc::downgrade(&self.shared))
    }
}

/// A view of a connection's socket, for one of its requests.
#[derive(Clone)]
pub struct SocketView(Weak<Shared>);

impl SocketView {
    /// What has come from the client by now, read or not. None if the connection is over.
    pub fn arrived(&self) -> Option<Arrived> {
        let shared = self.0.upgrade()?;
        let socket = shared.write.as_ref();
        // First the end: what comes between the two questions is counted, and what came before the end certainly.
        let mut asked = [PollFd::new(socket, PollFlags::RDHUP)];
        poll(&mut asked, Some(&Timespec::default())).ok()?;
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let has_ended = asked[0].revents().intersects(gone);
        // What is read between these two is missed, and not waited for twice.
        let read_bytes = shared.read_bytes.load(Ordering::Acquire);
        let bytes = read_bytes + ioctl_fionread(socket).ok()?;
        Some(Arrived { socket: self.clone(), bytes, has_ended })
    }
}

/// What had come from a client at a moment.
pub struct Arrived {
    socket: SocketView,
    bytes: u64,
    has_ended: bool,
}

impl Arrived {
    /// How many bytes the client had sent over the connection.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the client had said that nothing more comes, or had gone.
    pub const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Waits until the connection has handed all of it on to its requests, or is over.
    pub async fn handed_on(&self) {
        loop {
            let Some(shared) = self.socket.0.upgrade() else { return };
            let mut asked = std::pin::pin!(shared.asked.notified());
            asked.as_mut().enable();
            if shared.handed_on_bytes.load(Ordering::Acquire) >= self.bytes {
                return;
            }
            asked.await;
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.read).poll_read(cx, buf);
        // Nobody else writes these.
        let read_bytes = self.shared.read_bytes.load(Ordering::Relaxed);
        if read.is_ready() {
            self.shared.read_bytes.store(read_bytes + (buf.filled().len() - before) as u64, Ordering::Release);
        } else if self.shared.handed_on_bytes.swap(read_bytes, Ordering::AcqRel) != read_bytes {
            self.shared.asked.notify_waiters();
        }
        read
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Whoever waits for what it has handed on learns that it is over.
        self.shared.handed_on_bytes.store(u64::MAX, Ordering::Release);
        self.shared.asked.notify_waiters();
    }
}

impl Socket {
    /// Writes once the socket takes something.
    fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&OwnedWriteHalf) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.shared.write.as_ref().poll_write_ready(cx))?;
            match write(&self.shared.write) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |socket| socket.try_write(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(self.shared.write.as_ref(), Shutdown::Write).map_err(io::Error::from))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |socket| socket.try_write_vectored(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn connected() -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("its address")).await.expect("connected");
        (client, Socket::new(listener.accept().await.expect("accepted").0))
    }

    #[tokio::test]
    async fn what_the_client_sent_is_known_before_it_is_read() {
        let (mut client, mut socket) = connected().await;
        let view = socket.view();
        let arrived = view.arrived().expect("it is there");
        assert_eq!((arrived.bytes(), arrived.has_ended()), (0, false));
        client.write_all(b"some bytes").await.expect("sent");
        let arrived = view.arrived().expect("it is there");
        assert_eq!((arrived.bytes(), arrived.has_ended()), (10, false));
        client.shutdown().await.expect("ended");
        let arrived = view.arrived().expect("it is there");
        assert_eq!((arrived.bytes(), arrived.has_ended()), (10, true));
        let mut read = Vec::new();
        socket.read_to_end(&mut read).await.expect("read");
        assert_eq!(read, b"some bytes");
        assert_eq!(view.arrived().expect("it is there").bytes(), 10);
        drop(socket);
        assert!(view.arrived().is_none());
    }

    #[tokio::test]
    async fn it_is_handed_on_when_more_is_asked_for() {
        let (mut client, mut socket) = connected().await;
        client.write_all(b"some bytes").await.expect("sent");
        let arrived = socket.view().arrived().expect("it is there");
        let mut handed_on = Box::pin(arrived.handed_on());
        let mut buffer = [0; 64];
        assert_eq!(socket.read(&mut buffer).await.expect("read"), 10);
        assert!(futures_util::poll!(&mut handed_on).is_pending());
        assert!(futures_util::poll!(Box::pin(socket.read(&mut buffer))).is_pending());
        handed_on.await;
        client.write_all(b"more").await.expect("sent");
        let arrived = socket.view().arrived().expect("it is there");
        let mut handed_on = Box::pin(arrived.handed_on());
        assert!(futures_util::poll!(&mut handed_on).is_pending());
        drop(socket);
        handed_on.await;
    }

    #[tokio::test]
    async fn a_reset_is_an_end() {
        let (client, socket) = connected().await;
        client.set_zero_linger().expect("set");
        drop(client);
        assert!(socket.view().arrived().expect("it is there").has_ended());
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_waited_for() {
        let (mut client, mut socket) = connected().await;
        let bytes = vec![7; 16 * 1024 * 1024];
        let mut writing = Box::pin(socket.write_all(&bytes));
        assert!(futures_util::poll!(&mut writing).is_pending());
        let mut read = vec![0; bytes.len()];
        let (written, got) = tokio::join!(writing, client.read_exact(&mut read));
        written.expect("written");
        got.expect("read");
        assert!(read == bytes);
    }
}
