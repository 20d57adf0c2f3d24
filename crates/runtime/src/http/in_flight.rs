//! What is in flight on one connection: requests whose answers are not sent to the end, and bytes not flushed; and since
//! when its peer is waited for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::budget::{Holder, Share};
use super::held_answer::{SHORT_BYTES, keeping};
use super::layered::{Layer, Layered};
use super::record::Metered;
use super::stalled_streams::AnswerWatch;

/// A client that lags behind in the middle of a request is spared for so long where connections must end.
pub const LAG_GRACE: Duration = Duration::from_secs(5);

struct State {
    /// What times are counted from.
    began: Instant,
    requests: AtomicUsize,
    /// Last pieces of answers that HTTP still has, the requests of which have ended.
    tails: AtomicUsize,
    has_asked: AtomicBool,
    has_unflushed: AtomicBool,
    /// Since when there are no requests.
    idle_since_ms: AtomicU64,
    /// Bodies and streams whose peer lags behind.
    lags: AtomicUsize,
    /// When anything on the connection last moved: a peer fell behind or caught up, or a request ended. If the peer lags
    /// behind in all of it, it has since then, and not since it did in one of them first.
    moved_ms: AtomicU64,
    must_end: Notify,
}

/// The connection's count; clones share it.
#[derive(Clone)]
pub struct InFlight(Arc<State>);

/// A request that is in flight until this is dropped.
pub struct RequestInFlight(Arc<State>);

/// The last piece of a request's answer, which is in flight until this is dropped.
struct Tail(Arc<State>);

/// Since when a connection waits for its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// For the next request.
    Idle(Duration),
    /// For more of a request, or for the peer to read.
    Lagging(Duration),
}

impl InFlight {
    /// Of a connection that begins now. Times are counted from `began`, so those of several connections compare.
    pub fn new(began: Instant) -> Self {
        let state = State {
            began,
            requests: AtomicUsize::new(0),
            tails: AtomicUsize::new(0),
            has_asked: AtomicBool::new(false),
            has_unflushed: AtomicBool::new(false),
            idle_since_ms: AtomicU64::new(0),
            lags: AtomicUsize::new(0),
            moved_ms: AtomicU64::new(0),
            must_end: Notify::new(),
        };
        state.idle_since_ms.store(state.now_ms(), Ordering::Release);
        Self(Arc::new(state))
    }

    /// Whether both are of one connection.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Counts a request.
    pub fn begin(&self) -> RequestInFlight {
        self.0.has_asked.store(true, Ordering::Release);
        self.0.requests.fetch_add(1, Ordering::AcqRel);
        RequestInFlight(Arc::clone(&self.0))
    }

    /// Whether nothing is in flight.
    pub fn is_idle(&self) -> bool {
        let State { requests, tails, has_unflushed, .. } = &*self.0;
        let [requests, tails] = [requests, tails].map(|count| count.load(Ordering::Acquire));
        requests + tails == 0 && !has_unflushed.load(Ordering::Acquire)
    }

    /// Whether a request has ever come.
    pub fn has_asked(&self) -> bool {
        self.0.has_asked.load(Ordering::Acquire)
    }

    /// Since when the peer is waited for, if it is; counted from the common beginning.
    pub fn waiting(&self) -> Option<Waiting> {
        let since = |time: &AtomicU64| Duration::from_millis(time.load(Ordering::Acquire));
        let requests = self.0.requests.load(Ordering::Acquire);
        if requests == 0 && self.0.tails.load(Ordering::Acquire) == 0 {
            return Some(Waiting::Idle(since(&self.0.idle_since_ms)));
        }
        let lags = self.0.lags.load(Ordering::Acquire);
        (lags >= requests).then(|| Waiting::Lagging(since(&self.0.moved_ms)))
    }

    /// Since when the peer lags behind in all that is in flight, if it has for too long.
    pub fn keeps_waiting(&self, now: Instant) -> Option<Duration> {
        match self.waiting() {
            Some(Waiting::Lagging(since)) if self.is_too_long(since, now) => Some(since),
            Some(Waiting::Idle(_) | Waiting::Lagging(_)) | None => None,
        }
    }

    /// Whether a client that is waited for since then has been for so long that connections like it may have to end.
    pub fn is_too_long(&self, since: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.0.began) >= since + LAG_GRACE
    }

    /// The moment since which nothing is asked for, if that is so. For the last of an answer nobody waits longer than for the
    /// next request.
    pub fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.0.requests.load(Ordering::Acquire) == 0;
        is_idle.then(|| self.0.began + Duration::from_millis(self.0.idle_since_ms.load(Ordering::Acquire)))
    }

    /// Ends the connection.
    pub fn end(&self) {
        self.0.must_end.notify_one();
    }

    /// Waits until the connection must end.
    pub async fn ended(&self) {
        self.0.must_end.notified().await;
    }

    /// Whether the word to end has come.
    #[cfg(any(test, feature = "testing"))]
    pub fn is_ended(&self) -> bool {
        let mut ended = std::pin::pin!(self.ended());
        ended.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    /// Something whose peer may lag behind.
    pub fn lag(&self) -> Lag {
        Lag { state: Arc::clone(&self.0), is_on: false, holder: None }
    }

    /// The same of one request, which is to know whether its client is waited for.
    pub fn lag_of(&self, holder: &Holder) -> Lag {
        Lag { state: Arc::clone(&self.0), is_on: false, holder: Some(holder.clone()) }
    }

    /// Milliseconds since the common beginning.
    pub fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }
}

impl State {
    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn moved(&self, now_ms: u64) {
        self.moved_ms.fetch_max(now_ms, Ordering::AcqRel);
    }
}

impl RequestInFlight {
    /// Its answer's last piece is handed to HTTP.
    fn tail(&self) -> Tail {
        self.0.tails.fetch_add(1, Ordering::AcqRel);
        Tail(Arc::clone(&self.0))
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.0.moved(self.0.now_ms());
        self.0.tails.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        let now_ms = self.0.now_ms();
        self.0.moved(now_ms);
        if self.0.requests.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle_since_ms.store(now_ms, Ordering::Release);
        }
    }
}

/// Whether the peer of one body or stream lags behind.
pub struct Lag {
    state: Arc<State>,
    is_on: bool,
    holder: Option<Holder>,
}

impl Lag {
    /// It does, or no longer.
    pub fn set(&mut self, is_on: bool) {
        if is_on != self.is_on {
            self.turn(is_on, self.state.now_ms());
        }
    }

    fn turn(&mut self, is_on: bool, now_ms: u64) {
        self.is_on = is_on;
        if let Some(holder) = &self.holder {
            holder.set_waits(is_on);
        }
        self.state.moved(now_ms);
        if is_on {
            self.state.lags.fetch_add(1, Ordering::AcqRel);
        } else {
            self.state.lags.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.set(false);
    }
}

/// A body whose request is in flight until it is sent.
pub struct Counted<B: Body> {
    /// The body itself.
    pub body: B,
    /// Dropped with it.
    pub in_flight: RequestInFlight,
    /// What it holds of the memory for connections, on a stream of HTTP/2.
    pub room: Option<Share>,
    /// The request.
    pub holder: Holder,
    /// Counts what is sent.
    pub metered: Metered,
    /// Told of what the client takes, on a stream of HTTP/2.
    pub watch: Option<Arc<AnswerWatch>>,
}

impl<B: Body> Drop for Counted<B> {
    fn drop(&mut self) {
        self.metered.end(self.body.is_end_stream());
        if let Some(watch) = &self.watch {
            watch.taken();
        }
        // All of it waits in HTTP now, or in the kernel, which does not tell when the client has taken the last of it.
        if self.body.is_end_stream() {
            self.holder.set_waits(true);
        }
    }
}

impl<B: Body<Data = Bytes> + Default + Unpin + Send + 'static> Counted<B> {
    /// The last bytes wait in HTTP until the client takes them, when nobody asks for more: what the answer holds goes with
    /// them, and the connection is not idle until then.
    fn last(&mut self, data: Bytes) -> Bytes {
        if self.room.is_none() && data.len() as u64 <= SHORT_BYTES {
            return data;
        }
        keeping(data, (self.room.take(), std::mem::take(&mut self.body), self.in_flight.tail()))
    }
}

impl<B: Body<Data = Bytes> + Default + Unpin + Send + 'static> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let counted = self.get_mut();
        if let Some(watch) = &counted.watch {
            watch.taken();
        }
        let frame = Pin::new(&mut counted.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(data) = frame.data_ref()
        {
            counted.metered.add(data.len() as u64);
            if let Some(watch) = &counted.watch {
                watch.offered(data.len());
            }
        }
        if !counted.body.is_end_stream() {
            return frame;
        }
        frame.map_ok(|frame| frame.map_data(|data| counted.last(data)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes what is written and not flushed.
pub type Flushing<S> = Layered<S, FlushNotes>;

/// Notes what is written and not flushed on one connection.
pub struct FlushNotes(InFlight);

impl<S> Layered<S, FlushNotes> {
    /// Wraps a stream.
    pub const fn new(stream: S, in_flight: InFlight) -> Self {
        Self { stream, layer: FlushNotes(in_flight) }
    }
}

impl FlushNotes {
    fn note(&self, has_unflushed: bool) {
        self.0.0.has_unflushed.store(has_unflushed, Ordering::Release);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Layer<S> for FlushNotes {
    fn written(&mut self, _cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.note(true);
        written
    }

    fn poll_flush(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(stream).poll_flush(cx);
        if flushed.is_ready() {
            self.note(false);
        }
        flushed
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::body::ResponseBody;
    use crate::http::budget::PoolKind;
    use crate::testing::TestRuntime;

    /// Two streams whose pieces come in turn, so that one of them is always waited for.
    #[test]
    fn a_peer_lags_since_the_last_of_its_streams_moved() {
        let in_flight = InFlight::new(Instant::now());
        let _requests = [in_flight.begin(), in_flight.begin()];
        let mut lags = [in_flight.lag(), in_flight.lag()];
        lags[0].turn(true, 0);
        assert_eq!(in_flight.waiting(), None, "the other is being served");
        lags[1].turn(true, 0);
        for piece in 1..=100 {
            let lag = &mut lags[piece % 2];
            let now_ms = piece as u64 * 100;
            lag.turn(false, now_ms);
            assert_eq!(in_flight.waiting(), None);
            lag.turn(true, now_ms);
            assert_eq!(in_flight.waiting(), Some(Waiting::Lagging(Duration::from_millis(now_ms))));
        }
    }

    #[test]
    fn a_peer_lags_since_the_last_of_what_it_does_not_lag_in() {
        let in_flight = InFlight::new(Instant::now() - Duration::from_secs(60));
        let (_stalled, served) = (in_flight.begin(), in_flight.begin());
        let mut lag = in_flight.lag();
        lag.turn(true, 0);
        drop(served);
        assert_eq!(in_flight.keeps_waiting(Instant::now()), None);
        assert!(in_flight.keeps_waiting(Instant::now() + LAG_GRACE).is_some());
    }

    #[test]
    fn a_connection_is_not_idle_before_the_last_of_its_answers_is_taken() {
        let in_flight = InFlight::new(Instant::now());
        let request = in_flight.begin();
        let tail = request.tail();
        assert_eq!(in_flight.waiting(), None);
        drop(request);
        assert!(!in_flight.is_idle() && in_flight.idle_since().is_some());
        assert!(matches!(in_flight.waiting(), Some(Waiting::Lagging(_))));
        let now = Instant::now();
        assert!(in_flight.keeps_waiting(now).is_none() && in_flight.keeps_waiting(now + LAG_GRACE).is_some());
        drop(tail);
        assert!(in_flight.is_idle());
        assert!(matches!(in_flight.waiting(), Some(Waiting::Idle(_))));
    }

    /// A body of one short piece, as on a stream of HTTP/2: HTTP has the piece when the body is gone.
    #[tokio::test]
    async fn the_last_piece_of_an_answer_is_in_flight_itself() {
        let in_flight = InFlight::new(Instant::now());
        let holder = Holder::new([192, 0, 2, 1].into(), &in_flight);
        let app = TestRuntime::new().await;
        let counted = Counted {
            body: ResponseBody::from(Bytes::from_static(b"the last")),
            in_flight: in_flight.begin(),
            room: Some(app.request_budget.share(PoolKind::Buffers, &holder)),
            holder,
            metered: Metered::begin(&app.runtime),
            watch: None,
        };
        let piece = counted.collect().await.expect("a body").to_bytes();
        assert!(!in_flight.is_idle());
        drop(piece);
        assert!(in_flight.is_idle());
    }
}
