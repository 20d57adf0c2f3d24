//! Streams of HTTP/2 whose client does not take their answer: each is reset by itself, as the others of its connection
//! may be fine.
//!
//! hyper asks an answer's body for more only when the client's window has room. So the time from one piece to when the
//! next is asked for is the client's, and whoever drives the stream looks how long it is.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use super::budget::Holder;
use super::in_flight::{InFlight, Lag};
use super::pace::{Pace, PaceLimits};
use crate::Runtime;
use crate::metrics::ConnectionEnd;

/// What is known of one answer's client.
pub struct AnswerWatch {
    state: Mutex<State>,
}

struct State {
    pace: Pace,
    /// Bytes that the client is to take before more is asked for.
    offered: Option<usize>,
    /// Tells the connection's keeper while it does not take them.
    lag: Lag,
}

impl AnswerWatch {
    fn new(limits: PaceLimits, lag: Lag) -> Self {
        Self { state: Mutex::new(State { pace: Pace::new(limits), offered: None, lag }) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// More is asked for: what was there is taken.
    pub fn taken(&self) {
        let mut state = self.state();
        if let Some(bytes) = state.offered.take() {
            state.pace.moved(bytes);
            state.lag.set(false);
        }
    }

    /// There is a piece of so many bytes to take.
    pub fn offered(&self, bytes: usize) {
        self.state().offered = Some(bytes);
    }
}

/// Runs the streams of one connection.
#[derive(Clone)]
pub struct WatchedStreams {
    app: Arc<Runtime>,
    limits: PaceLimits,
    in_flight: InFlight,
    /// The watch of the stream that is about to be run: hyper calls the service and then the executor, one stream after
    /// the other.
    next: Arc<Mutex<Option<Arc<AnswerWatch>>>>,
}

impl WatchedStreams {
    /// Of a connection that begins.
    pub fn new(app: Arc<Runtime>, limits: PaceLimits, in_flight: InFlight) -> Self {
        Self { app, limits, in_flight, next: Arc::default() }
    }

    /// The watch of a stream whose request has come.
    pub fn begin(&self, holder: &Holder) -> Arc<AnswerWatch> {
        let watch = Arc::new(AnswerWatch::new(self.limits, self.in_flight.lag_of(holder)));
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&watch));
        watch
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for WatchedStreams {
    fn execute(&self, stream: F) {
        let Some(watch) = self.next.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            tokio::spawn(stream);
            return;
        };
        let app = Arc::clone(&self.app);
        tokio::spawn(async move {
            let mut stream = pin!(stream);
            poll_fn(|cx| {
                if stream.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                let mut state = watch.state();
                if state.offered.is_some() {
                    if state.pace.poll_overdue(cx).is_ready() {
                        app.metrics.connection_ends.note(ConnectionEnd::SlowReader);
                        return Poll::Ready(());
                    }
                    state.lag.set(true);
                }
                Poll::Pending
            })
            .await;
        });
    }
}
