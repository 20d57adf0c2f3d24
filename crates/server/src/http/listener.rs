//! Connections: accepting, TLS, HTTP/1.1 and 2, and ending gracefully.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::body::HTTP_2_WINDOW;
use super::dispatch;
use super::in_flight::{Counted, Flushing, InFlight};
use super::linger::Lingering;
use super::record::Metered;
use crate::app::App;

/// Connections that one node holds at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// Connections that the kernel keeps until they are accepted, as far as its own limit (`net.core.somaxconn`) lets it.
/// A client that comes when the queue is full knocks again after a second, and then after ever longer times.
const MAX_UNACCEPTED: u32 = 4096;
/// A head must be whole within this time; a connection may be idle for as long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// How often a connection is asked whether it may end, after the word to stop.
const IDLE_CHECK: Duration = Duration::from_millis(50);
/// A TLS handshake must be done within this time.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection's buffers for reading and writing, each: what a push or a pull costs for as long as it lasts. What is
/// read of a blob at a time fills the one for writing, so that no more of it waits there.
const MAX_BUFFER: usize = MAX_HEAD_BYTES;
/// Headers together may be so long; tokens are the longest.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Listens for connections at an address. Fails as binding to it does.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_UNACCEPTED)
}

/// Serves until `stop` turns true, then lets what is in flight finish for up to `deadline`.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
    deadline: Duration,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_BUFFER);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(MAX_HEAD_BYTES as u32).max_concurrent_streams(256);
    builder.http2().initial_connection_window_size(HTTP_2_WINDOW).initial_stream_window_size(HTTP_2_WINDOW);
    let builder = Arc::new(builder);
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let slot = tokio::select! {
            slot = Arc::clone(&slots).acquire_owned() => slot,
            () = stopped(&mut stop) => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or the peer is gone already: neither ends the server.
                tracing::warn!(%error, "could not accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        // Answers are small and must not wait for the peer's acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let (app, tls, builder, watcher) = (Arc::clone(&app), tls.clone(), Arc::clone(&builder), graceful.watcher());
        let mut stop = stop.clone();
        let open = OpenConnection::begin(&app);
        tokio::spawn(async move {
            let (_slot, open) = (slot, open);
            let in_flight = InFlight::default();
            let counted = in_flight.clone();
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let (app, request_in_flight) = (Arc::clone(&app), counted.begin());
                async move {
                    let mut metered = Metered::begin(&app);
                    let (answer, answered) = dispatch::handle(app, peer.ip(), request).await;
                    metered.set_answered(answered);
                    Ok::<_, Infallible>(answer.map(|body| Counted { body, _in_flight: request_in_flight, metered }))
                }
            });
            let result = match tls {
                None => {
                    let stream = Lingering::new(Flushing::new(stream, in_flight.clone()));
                    let served = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
                    until_idle(served, in_flight, &mut stop).await
                }
                Some(tls) => {
                    let Some(stream) = shake_hands(&tls, stream).await else {
                        open.note_failed_handshake();
                        return;
                    };
                    let stream = Lingering::new(Flushing::new(stream, in_flight.clone()));
                    let served = watcher.watch(builder.serve_connection(TokioIo::new(stream), service));
                    until_idle(served, in_flight, &mut stop).await
                }
            };
            if let Err(error) = result {
                tracing::debug!(%error, "connection ended: {error}");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(deadline, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still in flight after {} s were cut off", deadline.as_secs());
    }
}

/// A connection that is open until this is dropped.
struct OpenConnection(Arc<App>);

impl OpenConnection {
    fn begin(app: &Arc<App>) -> Self {
        app.metrics.connections.increment();
        app.metrics.connections_open.rise();
        Self(Arc::clone(app))
    }

    fn note_failed_handshake(&self) {
        self.0.metrics.failed_handshakes.increment();
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.metrics.connections_open.fall();
    }
}

/// Serves the connection to its end; after the word to stop, only for as long as a request is in flight on it. hyper by
/// itself would go on waiting for the rest of a head.
async fn until_idle<E>(
    served: impl Future<Output = Result<(), E>>,
    in_flight: InFlight,
    stop: &mut watch::Receiver<bool>,
) -> Result<(), E> {
    let idle = async {
        stopped(stop).await;
        loop {
            // So that what ends by itself does so, and an answer's last bytes are on their way.
            tokio::time::sleep(IDLE_CHECK).await;
            if in_flight.is_idle() {
                return;
            }
        }
    };
    tokio::select! {
        result = served => result,
        () = idle => Ok(()),
    }
}

/// Waits for the word to stop, without holding on to the channel's lock meanwhile.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn shake_hands(tls: &TlsAcceptor, stream: TcpStream) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake failed: {error}");
            None
        }
        Err(_) => None,
    }
}
