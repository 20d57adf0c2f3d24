//! Connections: accepting, TLS, HTTP/1.1 and 2, and ending gracefully.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::dispatch;
use super::linger::Lingering;
use crate::app::App;

/// Connections that one node holds at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// A head must be whole within this time; a connection may be idle for as long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// A TLS handshake must be done within this time.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Headers together may be so long; tokens are the longest.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Serves until `stop` turns true, then lets what is in flight finish for up to `deadline`.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
    deadline: Duration,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(256 * 1024);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(MAX_HEAD_BYTES as u32).max_concurrent_streams(256);
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
        tokio::spawn(async move {
            let _slot = slot;
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let app = Arc::clone(&app);
                async move { Ok::<_, Infallible>(dispatch::handle(app, peer.ip(), request).await) }
            });
            let result = match tls {
                None => watcher.watch(builder.serve_connection(TokioIo::new(Lingering::new(stream)), service)).await,
                Some(tls) => {
                    let Some(stream) = shake_hands(&tls, stream).await else { return };
                    watcher.watch(builder.serve_connection(TokioIo::new(Lingering::new(stream)), service)).await
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
