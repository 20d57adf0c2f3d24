//! What carries a connection's requests: from an accepted socket to bytes of HTTP and the version that they are in.
//!
//! Under TLS the handshake says which version is spoken. In clear the first bytes do: those that HTTP/2 begins with are no
//! beginning of a request of HTTP/1.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::admission::ConnectionSlot;
use super::forwarded::Peer;
use super::lingering_close::LingeringClose;
use super::paced_stream::PacedStream;
use super::prepended::Prepended;
use super::proxy_protocol::{self, Parsed};
use super::socket::Socket;
use crate::Runtime;
use crate::metrics::ConnectionEnd;

/// RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A record of TLS that holds a part of a handshake begins with it, and nothing that HTTP begins with does.
const TLS_HANDSHAKE: u8 = 0x16;
const ALPN_HTTP_2: &[u8] = b"h2";
/// A peer that is silent for so long is asked whether it is there still, and then a few times more.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// The bytes of HTTP, whatever carries them.
pub enum Transport {
    /// As they are.
    Clear(Prepended<PacedStream<Socket>>),
    /// In TLS.
    Tls(Box<TlsStream<Prepended<PacedStream<Socket>>>>),
}

/// The version of HTTP that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.0 or 1.1.
    Http1,
    /// 2.
    Http2,
}

/// Sets what the kernel sees to.
pub fn set_options(stream: &TcpStream, app: &Runtime) {
    // Answers are small and must not wait for the peer's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    // What is sent and neither acknowledged nor taken for so long ends the connection, whatever Wharf waits for.
    let timeout_ms = u32::try_from(app.listener.pace.allowance.as_millis().saturating_mul(2)).unwrap_or(u32::MAX);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, timeout_ms);
    // A client may wait for an answer for as long as it likes, but it must be there.
    let _ = rustix::net::sockopt::set_socket_keepalive(stream, true);
    let _ = rustix::net::sockopt::set_tcp_keepidle(stream, PROBE_AFTER);
}

/// Finds out who is there and what they speak. None if the connection is over: whoever it was has been told.
pub async fn begin(
    app: &Arc<Runtime>,
    stream: Socket,
    mut peer: Peer,
    place: &mut ConnectionSlot,
    tls: Option<TlsAcceptor>,
) -> io::Result<Option<(Transport, Version, Peer)>> {
    let settings = &app.listener;
    let paced = PacedStream::new(stream, settings.pace.for_answers(), place.in_flight().lag(), Arc::clone(app));
    let mut stream = Prepended::new(paced);
    if settings.proxy_protocol && settings.trusted_proxies.contains(peer.ip) {
        match read_proxy_header(&mut stream).await? {
            None => {
                app.metrics.connection_ends.note(ConnectionEnd::BadProxyHeader);
                tracing::debug!(peer = %peer.ip, "a connection from a trusted proxy has no PROXY header");
                return Ok(None);
            }
            Some(header) => {
                peer = Peer { ip: header.source.unwrap_or(peer.ip), is_tls: header.is_tls };
                place.set_source(peer.ip);
            }
        }
    }
    if !stream.seen().is_empty() || stream.look(PREFACE.len()).await? {
        let is_handshake = stream.seen().first() == Some(&TLS_HANDSHAKE);
        if is_handshake != tls.is_some() {
            app.metrics.connection_ends.note(ConnectionEnd::WrongScheme);
            return tell_right_scheme(stream, tls.is_some()).await.map(|()| None);
        }
    }
    let Some(tls) = tls else {
        let version = version_in_clear(&mut stream).await?;
        return Ok(version.map(|version| (Transport::Clear(stream), version, peer)));
    };
    let stream = match tls.accept(stream).await {
        Ok(stream) => Box::new(stream),
        Err(error) => {
            app.metrics.failed_handshakes.increment();
            return Err(error);
        }
    };
    let is_http_2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP_2);
    let version = if is_http_2 { Version::Http2 } else { Version::Http1 };
    Ok(Some((Transport::Tls(stream), version, Peer { is_tls: true, ..peer })))
}

/// Takes a header of the PROXY protocol off the beginning; none if there is none.
async fn read_proxy_header<S: AsyncRead + Unpin>(
    stream: &mut Prepended<S>,
) -> io::Result<Option<proxy_protocol::Header>> {
    loop {
        match proxy_protocol::parse(stream.seen()) {
            Parsed::Wrong => return Ok(None),
            Parsed::Header(header) => {
                stream.take(header.length);
                return Ok(Some(header));
            }
            Parsed::Incomplete { needed_bytes } => {
                if !stream.look(needed_bytes).await? {
                    return Ok(None);
                }
            }
        }
    }
}

/// The version that the first bytes are in; none if there are none.
async fn version_in_clear<S: AsyncRead + Unpin>(stream: &mut Prepended<S>) -> io::Result<Option<Version>> {
    loop {
        let seen = stream.seen();
        let common = seen.len().min(PREFACE.len());
        if seen[..common] != PREFACE[..common] {
            return Ok(Some(Version::Http1));
        }
        if common == PREFACE.len() {
            return Ok(Some(Version::Http2));
        }
        let is_begun = common > 0;
        if !stream.look(PREFACE.len()).await? {
            return Ok(is_begun.then_some(Version::Http1));
        }
    }
}

/// Answers a client that came with the wrong scheme, in the one form that it may show to somebody.
async fn tell_right_scheme<S: AsyncRead + AsyncWrite + Unpin>(stream: S, is_https: bool) -> io::Result<()> {
    let text = if is_https {
        "This port speaks https, and the request was sent with http: use https:// in the URL.\n"
    } else {
        "This port speaks http, and the client began with TLS (https): use http:// in the URL, or start Wharf with a \
         certificate ([tls] in its configuration, or --tls self-signed).\n"
    };
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    let mut stream = LingeringClose::new(stream);
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
