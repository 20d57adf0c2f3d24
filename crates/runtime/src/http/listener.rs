//! The listener: takes connections, as many as one node may hold, and ends them gracefully.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::admission::{Admission, GivesUp, Limits};
use super::connection::Accepted;
use super::connection_weight::first_bytes;
use super::handler::Handler;
use crate::Runtime;
use crate::boxed;
use crate::metrics::ConnectionEnd;
use crate::shutdown::stopped;

/// Connections that the kernel keeps until they are accepted, as far as its own limit (`net.core.somaxconn`) lets it.
/// A client that comes when the queue is full knocks again after a second, and then after ever longer times.
const MAX_UNACCEPTED: u32 = 4096;
/// Connections that may ask whether the server lives when there is room for no other.
const MAX_OVERFLOW: usize = 64;
/// When no connection can be accepted, the next attempt is made after so long.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Listens for connections at an address. Fails as binding to it does.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(MAX_UNACCEPTED)
}

/// Serves until `stop` turns true with the answers of `handler`, then lets what is in flight finish for up to `deadline`.
#[boxed]
pub async fn serve(
    app: Arc<Runtime>,
    handler: Arc<dyn Handler>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
    deadline: Duration,
) {
    let limits = Limits { connections: app.listener.max_connections, bytes: app.listener.connection_bytes };
    let admission = Admission::new(limits, GivesUp::Waiting);
    // As many as these are hold little.
    let overflow = Admission::new(Limits { connections: MAX_OVERFLOW, bytes: u64::MAX }, GivesUp::Any);
    let bytes = first_bytes(tls.is_some());
    // Closed when the last connection has let go of its end.
    let (open, mut all_ended) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // The peer is gone already, or something has run out: neither ends the server.
                let given_up = if has_run_out(&error) { admission.give_up_some() } else { 0 };
                app.metrics.connection_ends.add(ConnectionEnd::GivenUp, given_up as u64);
                tracing::warn!(%error, given_up, "could not accept a connection: {error}");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                continue;
            }
        };
        let ip = peer.ip().to_canonical();
        let (place, given_up) = admission.admit(ip, bytes);
        app.metrics.connection_ends.add(ConnectionEnd::GivenUp, given_up as u64);
        let is_overflow = place.is_none();
        let Some(place) = place.or_else(|| overflow.admit(ip, bytes).0) else { continue };
        let connection = Accepted {
            app: Arc::clone(&app),
            handler: Arc::clone(&handler),
            stream,
            ip,
            place,
            is_overflow,
            tls: tls.clone(),
            stop: stop.clone(),
        };
        let open = open.clone();
        tokio::spawn(async move {
            connection.serve().await;
            drop(open);
        });
        if given_up > 0 {
            admission.settled().await;
        }
    }
    drop((listener, open));
    let in_flight = app.metrics.requests_in_flight.get();
    if in_flight > 0 {
        tracing::info!(
            in_flight,
            "stopping: waiting up to {} s for requests in flight ({in_flight}); new ones are refused",
            deadline.as_secs()
        );
    } else {
        tracing::info!("stopping: no request is in flight");
    }
    let ended = async {
        all_ended.recv().await;
        // Of some the clients are gone.
        app.unfinished.ended().await;
    };
    if tokio::time::timeout(deadline, ended).await.is_err() {
        tracing::warn!("requests still in flight after {} s were cut off", deadline.as_secs());
    }
}

/// Whether there are no files or no memory left for a connection, and one fewer of them helps.
fn has_run_out(error: &std::io::Error) -> bool {
    let known = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| known.contains(&errno))
}
