//! Requests that change something: from the moment that their change may begin they go on to their end, with or without
//! their client, so that nothing is changed of which no record tells.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::budget::Share;
use crate::Runtime;

/// How many requests are at work on a server that must come to their end.
pub struct Unfinished(watch::Sender<usize>);

impl Default for Unfinished {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Unfinished {
    /// Waits until there are none.
    pub async fn ended(&self) {
        // The sender is here, so the channel is open.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }

    #[cfg(any(test, feature = "testing"))]
    pub fn count(&self) -> usize {
        *self.0.borrow()
    }
}

/// Counts one request until this is dropped.
struct Counted(Arc<Runtime>);

impl Counted {
    fn begin(app: &Arc<Runtime>) -> Self {
        app.unfinished.0.send_modify(|count| *count += 1);
        Self(Arc::clone(app))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.unfinished.0.send_modify(|count| *count -= 1);
    }
}

#[derive(Default)]
struct State {
    /// Set when the request must come to its end.
    required: OnceLock<Counted>,
    is_cut: AtomicBool,
}

/// Whether one request must come to its end, and whether its client has gone meanwhile; clones share it.
#[derive(Clone, Default)]
pub struct Finish(Arc<State>);

impl Finish {
    /// From here on the request must come to its end: it is allowed, and may change something.
    pub fn require(&self, app: &Arc<Runtime>) {
        self.0.required.get_or_init(|| Counted::begin(app));
    }

    fn is_required(&self) -> bool {
        self.0.required.get().is_some()
    }

    /// Whether the client has gone, so that nothing more of the body comes.
    pub fn is_cut(&self) -> bool {
        self.0.is_cut.load(Ordering::Acquire)
    }
}

type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A request at work on behalf of a connection. Dropped with it, or when the client takes the request back, the work goes
/// on in a task of its own if it must.
pub struct Finishing<T: Send + 'static> {
    /// The work, and the memory that the request is reckoned with.
    running: Option<(Running<T>, Share)>,
    finish: Finish,
}

impl<T: Send + 'static> Finishing<T> {
    /// The work of a request that knows itself by `finish`.
    pub const fn new(work: Running<T>, room: Share, finish: Finish) -> Self {
        Self { running: Some((work, room)), finish }
    }
}

impl<T: Send + 'static> Future for Finishing<T> {
    type Output = (T, Option<Share>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((work, _)) = &mut self.running else { return Poll::Pending };
        let Poll::Ready(done) = work.as_mut().poll(cx) else { return Poll::Pending };
        let room = self.running.take().map(|(_, room)| room);
        Poll::Ready((done, room))
    }
}

impl<T: Send + 'static> Drop for Finishing<T> {
    fn drop(&mut self) {
        // What has panicked cannot go on, and without a runtime nothing does.
        if std::thread::panicking() || !self.finish.is_required() {
            return;
        }
        let (Some((work, room)), Ok(runtime)) = (self.running.take(), Handle::try_current()) else { return };
        self.finish.0.is_cut.store(true, Ordering::Release);
        let finish = self.finish.clone();
        runtime.spawn(async move {
            let _held = (room, finish);
            work.await;
        });
    }
}
