//! What runs beside its caller: tasks, work that blocks, threads. The one place where the crates above start any, so that a
//! simulation can run them in an order of its own.

use std::thread::Builder;

use store::error::{StoreError, StoreErrorKind};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

/// Starts a task.
#[track_caller]
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(work)
}

/// Starts a task that ends with the others of its set, at the latest when that is dropped.
#[track_caller]
pub fn spawn_in<F>(set: &mut JoinSet<F::Output>, work: F) -> AbortHandle
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    set.spawn(work)
}

/// Does what waits for a disk or computes for long, where no other task waits behind it.
#[track_caller]
pub fn spawn_blocking<T, F>(work: F) -> JoinHandle<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    tokio::task::spawn_blocking(work)
}

/// As [`spawn_blocking`], for what fails as the store does: work that panics "ended early", as `what` did.
#[track_caller]
pub fn blocking<T, F>(what: &'static str, work: F) -> impl Future<Output = Result<T, StoreError>> + use<T, F>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let working = spawn_blocking(work);
    async move {
        let ended_early =
            |error| StoreError::new(StoreErrorKind::Other, format!("{what} ended early")).with_source(error);
        working.await.map_err(ended_early)
    }
}

/// Starts a thread, for work that outlasts many tasks or has no runtime of tasks around it.
pub fn spawn_thread<T, F>(name: &str, work: F) -> std::io::Result<std::thread::JoinHandle<T>>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    Builder::new().name(name.to_owned()).spawn(work)
}
