//! The load: connections that repeat one request, or one push, until the time is over.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;

use crate::http::{Connection, Target};
use crate::payload::{Blob, Payload};

/// Up to this size, a blob leaves in one write with the head of its request.
const ONE_WRITE_BYTES: u64 = 64 * 1024;

/// What each connection does over and over.
pub enum Work {
    /// The same GET, whose answer has a body of `length` bytes.
    Get {
        request: Vec<u8>,
        length: u64,
    },
    Push(Box<Push>),
}

/// Pushes of distinct blobs: POST starts an upload, one PUT with the digest brings all bytes.
pub struct Push {
    target: Target,
    start: Vec<u8>,
    payload: Payload,
}

/// What one run of a load did.
pub struct Load {
    pub operations: u64,
    /// From the common start to the end of the last operation.
    pub seconds: f64,
    /// How long each operation took, ascending.
    pub latencies_us: Vec<u32>,
}

impl Work {
    async fn once(&self, connection: &mut Connection) -> Result<()> {
        match self {
            Work::Get { request, length } => {
                connection.send(request).await?;
                let answer = connection.expect(200).await?;
                if answer.length != *length {
                    bail!("{} bytes where {length} were expected", answer.length);
                }
                connection.discard(answer.length).await
            }
            Work::Push(push) => push.once(connection).await.map(drop),
        }
    }
}

impl Push {
    /// Pushes of blobs of `size` bytes to `repository`.
    pub fn new(target: &Target, repository: &str, size: u64) -> Result<Self> {
        let start = target.head("POST", &format!("/v2/{repository}/blobs/uploads/"), &["Content-Length: 0"]);
        Ok(Self { target: target.clone(), start, payload: Payload::new(size)? })
    }

    /// Pushes a blob never seen before.
    pub async fn once(&self, connection: &mut Connection) -> Result<Blob> {
        let blob = self.payload.distinct();
        connection.send(&self.start).await?;
        let answer = connection.expect(202).await?;
        connection.discard(answer.length).await?;
        let location = answer.location.context("an upload without a Location")?;

        let path = finishing_path(&location, &blob.digest)?;
        let size = self.payload.size;
        let headers = ["Content-Type: application/octet-stream", &format!("Content-Length: {size}")];
        let mut head = self.target.head("PUT", &path, &headers);
        if size <= ONE_WRITE_BYTES {
            self.payload.bytes(&blob).for_each(|piece| head.extend_from_slice(piece));
            connection.send(&head).await?;
        } else {
            connection.send(&head).await?;
            if let Err(error) = self.send_body(connection, &blob).await {
                // A server that refuses the body says why before it closes, and that is the better error.
                connection.expect(201).await?;
                return Err(error);
            }
        }
        let answer = connection.expect(201).await?;
        connection.discard(answer.length).await?;
        Ok(blob)
    }

    async fn send_body(&self, connection: &mut Connection, blob: &Blob) -> Result<()> {
        for piece in self.payload.bytes(blob) {
            connection.send(piece).await?;
        }
        Ok(())
    }
}

/// The path that ends an upload, from the `Location` (a URL or a path, with a query or without) that began it.
fn finishing_path(location: &str, digest: &str) -> Result<String> {
    let path = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map(|at| &rest[at..]),
        None => location.starts_with('/').then_some(location),
    };
    let path = path.with_context(|| format!("a Location without a path: {location:?}"))?;
    let separator = if path.contains('?') { '&' } else { '?' };
    Ok(format!("{path}{separator}digest={digest}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_end_where_their_location_says() {
        let rows = [
            ("a path", "/v2/a/blobs/uploads/1", Some("/v2/a/blobs/uploads/1?digest=sha256:0")),
            ("a path with a query", "/v2/a?_state=x", Some("/v2/a?_state=x&digest=sha256:0")),
            ("a URL", "http://127.0.0.1:5000/v2/a", Some("/v2/a?digest=sha256:0")),
            ("a URL without a path", "http://127.0.0.1:5000", None),
            ("a relative path", "uploads/1", None),
        ];
        for (name, location, expected) in rows {
            assert_eq!(finishing_path(location, "sha256:0").ok().as_deref(), expected, "{name}");
        }
    }
}
