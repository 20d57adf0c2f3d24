//! The load: connections that repeat one request, or one push, until the time is over.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;

use crate::http::{Connection, Target};
use crate::push::Push;

/// One request, prepared, and what its answer must be like.
pub struct Exchange {
    pub request: Vec<u8>,
    /// The `Content-Length` of the answer, in bytes.
    pub length: u64,
    /// How much longer or shorter it may be: a list of images shows when each was pulled last.
    pub slack: u64,
    /// Whether those bytes follow: not for HEAD.
    pub has_body: bool,
}

/// What each connection does over and over.
pub enum Work {
    /// The same request.
    Repeat(Exchange),
    /// These requests, one after the other, whichever connection's turn it is.
    InTurn(Vec<Exchange>, AtomicUsize),
    /// All of these requests, which together are one operation.
    Whole(Vec<Exchange>),
    Push(Box<Push>),
}

/// What one run of a load did.
pub struct Load {
    pub operations: u64,
    /// From the common start to the end of the last operation.
    pub seconds: f64,
    /// How long each operation took, ascending.
    pub latencies_us: Vec<u32>,
}

impl Load {
    /// So many percent of the operations took at most so many microseconds.
    pub fn percentile_us(&self, percent: usize) -> u32 {
        self.latencies_us[(self.latencies_us.len() - 1) * percent / 100]
    }
}

impl Exchange {
    /// Sends the request, and checks and drops the answer.
    pub async fn once(&self, connection: &mut Connection) -> Result<()> {
        connection.send(&self.request).await?;
        let answer = connection.expect(200).await?;
        if answer.length.abs_diff(self.length) > self.slack {
            bail!("{} bytes where {} were expected", answer.length, self.length);
        }
        if self.has_body { connection.discard(answer.length).await } else { Ok(()) }
    }
}

impl Work {
    /// Takes each of `exchanges` as an operation of its own, in turn.
    pub fn in_turn(exchanges: Vec<Exchange>) -> Self {
        Self::InTurn(exchanges, AtomicUsize::new(0))
    }

    async fn once(&self, connection: &mut Connection) -> Result<()> {
        match self {
            Work::Repeat(exchange) => exchange.once(connection).await,
            Work::InTurn(exchanges, next) => {
                let number = next.fetch_add(1, Ordering::Relaxed);
                exchanges[number % exchanges.len()].once(connection).await
            }
            Work::Whole(exchanges) => {
                for exchange in exchanges {
                    exchange.once(connection).await?;
                }
                Ok(())
            }
            Work::Push(push) => push.once(connection).await.map(drop),
        }
    }
}

/// Runs `work` on `connections` for `time`, spread over `threads`. Operations in flight at the end are finished and
/// counted, at least one for each connection. The first failure ends the run.
pub fn run(target: &Target, work: &Arc<Work>, connections: usize, threads: usize, time: Duration) -> Result<Load> {
    let threads = threads.clamp(1, connections);
    let connected = Barrier::new(threads);
    let parts = thread::scope(|scope| {
        let connected = &connected;
        let handles: Vec<_> = (0..threads)
            .map(|index| {
                let share = connections / threads + usize::from(index < connections % threads);
                scope.spawn(move || run_part(target, work, share, connected, time))
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().expect("a load thread does not panic")).collect::<Vec<_>>()
    });

    let mut latencies_us = Vec::new();
    let (mut start, mut end) = (None::<Instant>, None::<Instant>);
    for part in parts {
        let part = part?;
        latencies_us.extend(part.latencies_us);
        start = Some(start.map_or(part.start, |known| known.min(part.start)));
        end = Some(end.map_or(part.end, |known| known.max(part.end)));
    }
    latencies_us.sort_unstable();
    let (start, end) = start.zip(end).context("no load thread ran")?;
    Ok(Load { operations: latencies_us.len() as u64, seconds: (end - start).as_secs_f64(), latencies_us })
}

/// What one thread did.
struct Part {
    start: Instant,
    end: Instant,
    latencies_us: Vec<u32>,
}

fn run_part(target: &Target, work: &Arc<Work>, share: usize, connected: &Barrier, time: Duration) -> Result<Part> {
    let opened = open_all(target, share);
    // A thread that failed comes to the barrier too: the others wait for it there.
    connected.wait();
    let (runtime, connections) = opened?;
    let start = Instant::now();
    let deadline = start + time;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for mut connection in connections {
            let work = Arc::clone(work);
            tasks.spawn(async move {
                let mut latencies_us = Vec::new();
                let mut begun = Instant::now();
                loop {
                    work.once(&mut connection).await?;
                    let done = Instant::now();
                    latencies_us.push(u32::try_from((done - begun).as_micros()).unwrap_or(u32::MAX));
                    if done >= deadline {
                        return anyhow::Ok((done, latencies_us));
                    }
                    begun = done;
                }
            });
        }
        let mut part = Part { start, end: start, latencies_us: Vec::new() };
        while let Some(finished) = tasks.join_next().await {
            let (done, latencies_us) = finished.context("a connection's task")??;
            part.end = part.end.max(done);
            part.latencies_us.extend(latencies_us);
        }
        Ok(part)
    })
}

fn open_all(target: &Target, count: usize) -> Result<(tokio::runtime::Runtime, Vec<Connection>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let connections = runtime.block_on(async {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Connection::open(target).await?);
        }
        anyhow::Ok(connections)
    })?;
    Ok((runtime, connections))
}
