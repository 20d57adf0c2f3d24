//! One connection, from its acceptance to its end: its requests, and the limits on the time that it takes.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::admission::ConnectionSlot;
use super::body::{HTTP_2_WINDOW, ResponseBody};
use super::budget::{Holder, PoolKind};
use super::connection_weight::{Http2Weight, MAX_STREAMS};
use super::finish::{Finish, Finishing};
use super::forwarded::Peer;
use super::handler::Handler;
use super::header_blocks::HeaderBlocks;
use super::in_flight::{Counted, Flushing, InFlight};
use super::lingering_close::LingeringClose;
use super::paced_body::PacedBody;
use super::probes::{HEALTH_PATH, READY_PATH};
use super::record::Metered;
use super::respond::{self, Answer};
use super::socket::{Socket, SocketView};
use super::stalled_streams::WatchedStreams;
use super::strict_lines::StrictLines;
use super::transport::{self, Transport, Version};
use crate::Runtime;
use crate::metrics::ConnectionEnd;
use crate::shutdown::stopped;

/// How often a connection is asked whether it may end, after the word to stop.
const IDLE_CHECK: Duration = Duration::from_millis(50);
/// A connection that has come to its end says so and closes within this time.
const CLOSING_TIME: Duration = Duration::from_secs(2);
/// A connection that there was no room for lasts so long.
const OVERFLOW_TIME: Duration = Duration::from_secs(5);
/// A connection's buffers for reading and writing, each: what a push or a pull costs for as long as it lasts. What is
/// read of a blob at a time fills the one for writing, so that no more of it waits there.
const MAX_BUFFER: usize = MAX_HEAD_BYTES;
/// Headers together may be so long; tokens are the longest.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Requests at a time on one connection of HTTP/2 that there was no room for.
const MAX_OVERFLOW_STREAMS: u32 = 4;
/// What a request is reckoned to need, with its head: until there is an answer, and over HTTP/2, where a connection has many,
/// until the client has taken it.
const REQUEST_BYTES: u64 = 64 * 1024;
/// What is left of that once there is an answer in memory, beside its bytes.
const STREAM_BYTES: u64 = 4 * 1024;
/// Streams that a client may reset before they are looked at, and that the server may reset for what is wrong with them:
/// past that the connection ends (CVE-2023-44487 and CVE-2025-8671).
const MAX_EARLY_RESETS: usize = 20;
const MAX_OWN_RESETS: usize = 256;
/// A client of HTTP/2 that is silent for so long is asked whether it is there still, and has so long to say so.
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection that was accepted.
pub struct Accepted {
    /// The node's runtime: the limits that it goes by, and what counts it.
    pub app: Arc<Runtime>,
    /// Answers its requests.
    pub handler: Arc<dyn Handler>,
    /// The connection itself.
    pub stream: TcpStream,
    /// The address at the other end.
    pub ip: IpAddr,
    /// Its place among the others.
    pub place: ConnectionSlot,
    /// Whether there was no room for it: then it may ask whether the server lives, and nothing else.
    pub is_overflow: bool,
    /// Makes it one of TLS.
    pub tls: Option<TlsAcceptor>,
    /// Turns true when the server stops.
    pub stop: watch::Receiver<bool>,
}

impl Accepted {
    /// Serves it to its end.
    pub async fn serve(self) {
        let _open = OpenConnection::begin(&self.app);
        let in_flight = self.place.in_flight().clone();
        let time = if self.is_overflow { OVERFLOW_TIME } else { Duration::MAX };
        tokio::select! {
            // One that is to end begins nothing more.
            biased;
            () = in_flight.ended() => {}
            // What it holds depends on how far it comes: most of it is not there for a connection that asks for nothing.
            _ = timeout(time, Box::pin(self.run())) => {}
        }
    }

    async fn run(mut self) {
        let first_head_by = Instant::now() + self.app.listener.head_timeout;
        transport::set_options(&self.stream, &self.app);
        let socket = Socket::new(self.stream);
        let socket_view = socket.view();
        let peer = Peer { ip: self.ip, is_tls: false };
        let is_tls = self.tls.is_some();
        let begun = tokio::select! {
            begun = timeout_at(
                first_head_by,
                transport::begin(&self.app, socket, peer, &mut self.place, self.tls),
            ) => begun,
            () = stopped(&mut self.stop) => return,
        };
        let (transport, version, peer) = match begun {
            Ok(Ok(Some(begun))) => begun,
            Ok(Ok(None)) => return,
            Ok(Err(error)) => {
                tracing::debug!(%error, "connection ended before its first request: {error}");
                return;
            }
            Err(_) => {
                self.app.metrics.connection_ends.note(ConnectionEnd::HeadTimeout);
                return;
            }
        };
        let pace = self.app.listener.pace.for_answers();
        let streams = WatchedStreams::new(Arc::clone(&self.app), pace, self.place.in_flight().clone());
        let weight = Http2Weight::new(Arc::clone(&self.app), self.place.weight(), is_tls);
        let connection = Connection {
            in_flight: self.place.in_flight().clone(),
            streams: (version == Version::Http2).then(|| streams.clone()),
            socket: socket_view,
            peer,
            is_overflow: self.is_overflow,
            handler: self.handler,
            app: self.app,
        };
        let timing = Timing::of(&connection, first_head_by);
        let result = match version {
            Version::Http1 => Box::pin(serve_http_1(transport, connection, timing, self.stop)).await,
            Version::Http2 => Box::pin(serve_http_2(transport, connection, streams, weight, timing, self.stop)).await,
        };
        if let Err(error) = result {
            tracing::debug!(%error, "connection ended: {error}");
        }
    }
}

/// What the requests of one connection have in common.
struct Connection {
    app: Arc<Runtime>,
    handler: Arc<dyn Handler>,
    socket: SocketView,
    peer: Peer,
    in_flight: InFlight,
    is_overflow: bool,
    streams: Option<WatchedStreams>,
}

type Sent = Counted<ResponseBody>;

fn service(
    connection: Connection,
) -> impl HttpService<Incoming, ResBody = Sent, Error = Infallible, Future: Send + 'static> {
    service_fn(move |request: hyper::Request<Incoming>| {
        let request_in_flight = connection.in_flight.begin();
        let (app, peer, is_overflow) = (Arc::clone(&connection.app), connection.peer, connection.is_overflow);
        let (mut head, incoming) = request.into_parts();
        let client = app.listener.trusted_proxies.client(peer, &mut head);
        let holder = Holder::new(client.ip, &connection.in_flight);
        let watch = connection.streams.as_ref().map(|streams| streams.begin(&holder));
        let (lag, socket) = (connection.in_flight.lag_of(&holder), connection.socket.clone());
        // Before anything is made for the request.
        let mut room = app.request_budget.share(PoolKind::Buffers, &holder);
        let is_http_2 = head.version == http::Version::HTTP_2;
        let has_room = room.grow(REQUEST_BYTES).is_ok();
        // Whoever asks whether the server lives or is ready is told, where the answer cannot wait for a window.
        let is_let_in = match head.uri.path() {
            HEALTH_PATH => has_room || !is_http_2,
            READY_PATH => (has_room || !is_http_2) && !is_overflow,
            _ => has_room && !is_overflow,
        };
        // What answering needs is much, and gone when the answer is there, however long the client takes to read it.
        let answered = if is_let_in {
            let body = PacedBody::new(incoming, app.listener.pace, lag, Arc::clone(&app)).on(socket);
            let (request, finish) = (http::Request::from_parts(head, body), Finish::default());
            let work = connection.handler.handle(client, holder.clone(), request, finish.clone());
            Ok(Finishing::new(work, room, finish))
        } else {
            Err(room)
        };
        async move {
            let mut metered = Metered::begin(&app);
            let (answer, room) = match answered {
                Ok(answered) => {
                    let ((answer, answered), room) = answered.await;
                    metered.set_answered(answered);
                    (answer, room)
                }
                Err(room) if is_http_2 && !is_overflow => (no_room_for_stream(), Some(room)),
                Err(room) => (no_room(&app), Some(room)),
            };
            // The one answer that a connection of HTTP/1 sends at a time is reckoned with the connection.
            let room = room.filter(|_| is_http_2).map(|mut room| {
                room.shrink_to(bytes_until_taken(answer.body()));
                room
            });
            Ok::<_, Infallible>(answer.map(|body| Counted {
                body,
                in_flight: request_in_flight,
                room,
                holder,
                metered,
                watch,
            }))
        }
    })
}

/// What an answer holds, beside what it has of the pool of answers, while it waits for its client on a stream.
fn bytes_until_taken(body: &ResponseBody) -> u64 {
    match body {
        ResponseBody::Full { bytes, .. } => {
            let length = bytes.as_ref().map_or(0, bytes::Bytes::len) as u64;
            (STREAM_BYTES + length).min(REQUEST_BYTES)
        }
        ResponseBody::Blob { .. } | ResponseBody::Coming { .. } => REQUEST_BYTES,
    }
}

/// A stream without a body ends at once, whether the client's window is open or not.
fn no_room_for_stream() -> Answer {
    let mut answer = http::Response::new(ResponseBody::empty());
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// What a client may send again, as SDKs and docker do by themselves.
fn no_room(app: &Runtime) -> Answer {
    app.metrics.connection_ends.note(ConnectionEnd::Overflow);
    let text = "The server holds as many connections as it can, and all of them are at work. Try again.\n";
    let mut answer = respond::with_body(StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", text);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

async fn serve_http_1(
    transport: Transport,
    connection: Connection,
    timing: Timing,
    stop: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let lines = StrictLines::new(transport, Arc::clone(&connection.app));
    let stream = LingeringClose::new(Flushing::new(lines, connection.in_flight.clone()));
    let mut builder = http1::Builder::new();
    // The time that heads may take is looked after around it.
    builder.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(MAX_BUFFER);
    timing.keep(builder.serve_connection(TokioIo::new(stream), service(connection)), stop).await
}

async fn serve_http_2(
    transport: Transport,
    connection: Connection,
    streams: WatchedStreams,
    weight: Http2Weight,
    timing: Timing,
    stop: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let blocks = HeaderBlocks::new(transport, Arc::clone(&connection.app), weight);
    let stream = LingeringClose::new(Flushing::new(blocks, connection.in_flight.clone()));
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .initial_connection_window_size(HTTP_2_WINDOW)
        .initial_stream_window_size(HTTP_2_WINDOW)
        .max_concurrent_streams(if connection.is_overflow { MAX_OVERFLOW_STREAMS } else { MAX_STREAMS })
        .max_pending_accept_reset_streams(MAX_EARLY_RESETS)
        .max_local_error_reset_streams(MAX_OWN_RESETS)
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_TIMEOUT);
    timing.keep(builder.serve_connection(TokioIo::new(stream), service(connection)), stop).await
}

/// How long one connection may take for what.
struct Timing {
    app: Arc<Runtime>,
    in_flight: InFlight,
    first_head_by: Instant,
}

impl Timing {
    fn of(connection: &Connection, first_head_by: Instant) -> Self {
        Self { app: Arc::clone(&connection.app), in_flight: connection.in_flight.clone(), first_head_by }
    }

    /// Drives the connection to its end, which is also when it asks for nothing any more; after the word to stop, only for
    /// as long as a request is in flight on it whose client does not keep the server waiting.
    async fn keep<C>(self, connection: C, mut stop: watch::Receiver<bool>) -> hyper::Result<()>
    where
        C: GracefulConnection<Error = hyper::Error>,
    {
        let mut connection = std::pin::pin!(connection);
        let end = tokio::select! {
            result = connection.as_mut() => return result,
            end = self.expired() => Some(end),
            () = stopped(&mut stop) => None,
        };
        connection.as_mut().graceful_shutdown();
        // hyper by itself would go on waiting for the rest of a head. What ends by itself does so before the first look,
        // and an answer's last bytes are on their way then.
        let look_every = match end {
            Some(end) => {
                self.app.metrics.connection_ends.note(end);
                CLOSING_TIME
            }
            None => IDLE_CHECK,
        };
        loop {
            if let Ok(result) = timeout(look_every, connection.as_mut()).await {
                return result;
            }
            if self.in_flight.is_idle() || self.in_flight.keeps_waiting(Instant::now()).is_some() {
                return Ok(());
            }
        }
    }

    /// Waits until the client has asked for nothing for too long.
    async fn expired(&self) -> ConnectionEnd {
        let limit = self.app.listener.idle_timeout;
        loop {
            let now = Instant::now();
            // What is at work now may be idle soon after.
            let look_at_latest = now + limit;
            let (deadline, end) = match self.in_flight.idle_since() {
                _ if !self.in_flight.has_asked() => (self.first_head_by, ConnectionEnd::HeadTimeout),
                Some(since) => (since + limit, ConnectionEnd::Idle),
                None => (look_at_latest, ConnectionEnd::Idle),
            };
            if deadline <= now {
                return end;
            }
            sleep_until(deadline.min(look_at_latest)).await;
        }
    }
}

/// A connection that is open until this is dropped.
struct OpenConnection(Arc<Runtime>);

impl OpenConnection {
    fn begin(app: &Arc<Runtime>) -> Self {
        app.metrics.connections.increment();
        app.metrics.connections_open.rise();
        Self(Arc::clone(app))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.metrics.connections_open.fall();
    }
}
