//! What all requests together may hold of memory and disk for bodies that are being received.
//!
//! Whoever sends a body may be anybody: the signature is at hand only when the last byte is. So what is held for bodies
//! comes out of pools of fixed size: memory for requests that name no key of ours, memory for those that do, and disk
//! for what is long; a fourth is for the buffers of the connections that they come by, and a fifth for answers that are long
//! (`held_answer`). A source may hold as much of a pool as it leaves free: one alone gets half, two a third each, and there
//! is always something left for whoever comes next. What is long leaves a part of the memory to what is short, so that a few
//! large manifests keep nobody from signing in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::measure::Counter;

use crate::auth::failures::network;

const MIB: u64 = 1024 * 1024;
/// The part of the memory that is for requests without a key: one in so many bytes.
const STRANGERS_PART: u64 = 4;
/// A body up to this length is short. Longer ones leave a part of their pool to the short: one in so many bytes.
const SHORT_BYTES: u64 = 64 * 1024;
const SHORT_PART: u64 = 4;

/// The part of the process's memory that is for buffers of connections: one in so many bytes.
const BUFFERS_PART: u64 = 4;
const MIN_BUFFERS: u64 = 64 * MIB;
/// The part that is for answers. The longest of them fits into half of the least, with what making it takes.
const ANSWERS_PART: u64 = 5;
const MIN_ANSWERS: u64 = 48 * MIB;

/// How large the pools are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Memory, for all requests.
    pub memory_bytes: u64,
    /// Disk, for bodies that are long.
    pub disk_bytes: u64,
    /// Memory for the buffers of connections whose requests have bodies.
    pub buffer_bytes: u64,
    /// Memory for answers that are long.
    pub answer_bytes: u64,
}

impl BudgetLimits {
    /// What buffers may hold in a process that may use so much memory.
    pub fn buffers_of(memory_limit: u64) -> u64 {
        (memory_limit / BUFFERS_PART).max(MIN_BUFFERS)
    }

    /// What answers may hold there.
    pub fn answers_of(memory_limit: u64) -> u64 {
        (memory_limit / ANSWERS_PART).max(MIN_ANSWERS)
    }
}

impl Default for BudgetLimits {
    fn default() -> Self {
        Self { memory_bytes: 64 * MIB, disk_bytes: 2048 * MIB, buffer_bytes: MIN_BUFFERS, answer_bytes: MIN_ANSWERS }
    }
}

/// Out of which pool a request's body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// Memory for requests that name no key of ours.
    Strangers,
    /// Memory for requests that name a key, or whose principal is known.
    Known,
    /// Disk.
    Disk,
    /// Memory of connections whose requests have bodies: what is read of them at a time.
    Buffers,
    /// Memory for answers that are long, until their clients have taken them.
    Answers,
}

/// There is nothing left to hold a body in.
#[derive(Debug, PartialEq, Eq)]
pub struct Exhausted;

/// The pools.
pub struct RequestBudget {
    strangers: Arc<Pool>,
    known: Arc<Pool>,
    disk: Arc<Pool>,
    buffers: Arc<Pool>,
    answers: Arc<Pool>,
}

struct Pool {
    limit: u64,
    /// What bodies may hold of it that are long.
    limit_of_long: u64,
    held: Mutex<Held>,
    refused: Counter,
}

#[derive(Default)]
struct Held {
    bytes: u64,
    /// By the network that the requests come from.
    by_source: HashMap<IpAddr, u64>,
}

impl Pool {
    fn new(limit: u64, limit_of_long: u64) -> Arc<Self> {
        Arc::new(Self { limit, limit_of_long, held: Mutex::default(), refused: Counter::default() })
    }

    fn of_memory(limit: u64) -> Arc<Self> {
        Self::new(limit, limit - limit / SHORT_PART)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so many bytes out of as much of the pool as `limit`.
    fn take(&self, source: IpAddr, bytes: u64, limit: u64) -> Result<(), Exhausted> {
        let mut held = self.held();
        let by_source = held.by_source.get(&source).copied().unwrap_or(0);
        let left = limit.saturating_sub(held.bytes).checked_sub(bytes);
        if left.is_none_or(|left| by_source.saturating_add(bytes) > left) {
            drop(held);
            self.refused.increment();
            return Err(Exhausted);
        }
        held.bytes += bytes;
        held.by_source.insert(source, by_source + bytes);
        Ok(())
    }

    fn give_back(&self, source: IpAddr, bytes: u64) {
        let mut held = self.held();
        held.bytes = held.bytes.saturating_sub(bytes);
        if let Some(by_source) = held.by_source.get_mut(&source) {
            *by_source = by_source.saturating_sub(bytes);
            if *by_source == 0 {
                held.by_source.remove(&source);
            }
        }
    }
}

impl RequestBudget {
    /// Pools of these sizes.
    pub fn new(limits: BudgetLimits) -> Self {
        let strangers = limits.memory_bytes / STRANGERS_PART;
        Self {
            strangers: Pool::of_memory(strangers),
            known: Pool::of_memory(limits.memory_bytes - strangers),
            disk: Pool::new(limits.disk_bytes, limits.disk_bytes),
            buffers: Pool::new(limits.buffer_bytes, limits.buffer_bytes),
            answers: Pool::new(limits.answer_bytes, limits.answer_bytes),
        }
    }

    const fn pool(&self, kind: PoolKind) -> &Arc<Pool> {
        match kind {
            PoolKind::Strangers => &self.strangers,
            PoolKind::Known => &self.known,
            PoolKind::Disk => &self.disk,
            PoolKind::Buffers => &self.buffers,
            PoolKind::Answers => &self.answers,
        }
    }

    /// A share that holds nothing yet, for a request from that address.
    pub fn share(&self, kind: PoolKind, source: IpAddr) -> Share {
        Share { pool: Arc::clone(self.pool(kind)), source: network(source), bytes: 0 }
    }

    /// Bytes that are held now.
    pub fn held_bytes(&self, kind: PoolKind) -> u64 {
        self.pool(kind).held().bytes
    }

    /// The pool's size.
    pub fn limit_bytes(&self, kind: PoolKind) -> u64 {
        self.pool(kind).limit
    }

    /// How often something was refused.
    pub fn refused(&self, kind: PoolKind) -> u64 {
        self.pool(kind).refused.get()
    }
}

/// What one request holds of a pool; given back when this is dropped.
pub struct Share {
    pool: Arc<Pool>,
    source: IpAddr,
    bytes: u64,
}

impl Share {
    /// Holds so many bytes more.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Exhausted> {
        if bytes > 0 {
            let is_short = self.bytes.saturating_add(bytes) <= SHORT_BYTES;
            self.pool.take(self.source, bytes, if is_short { self.pool.limit } else { self.pool.limit_of_long })?;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Holds so many bytes in all, if it held less.
    pub fn grow_to(&mut self, bytes: u64) -> Result<(), Exhausted> {
        self.grow(bytes.saturating_sub(self.bytes))
    }

    /// Gives back what it holds beyond so many bytes.
    pub fn shrink_to(&mut self, bytes: u64) {
        let spare = self.bytes.saturating_sub(bytes);
        if spare > 0 {
            self.pool.give_back(self.source, spare);
            self.bytes -= spare;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.pool.give_back(self.source, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn a_source_holds_as_much_as_it_leaves() {
        let budget =
            RequestBudget::new(BudgetLimits { memory_bytes: 400, disk_bytes: 1000, buffer_bytes: 0, answer_bytes: 0 });
        let kind = PoolKind::Known;
        assert_eq!((budget.limit_bytes(PoolKind::Strangers), budget.limit_bytes(kind)), (100, 300));
        let mut first = budget.share(kind, source(1));
        assert_eq!(first.grow(150), Ok(()));
        assert_eq!(first.grow(1), Err(Exhausted));
        assert_eq!(budget.share(kind, source(1)).grow(1), Err(Exhausted));
        let mut second = budget.share(kind, source(2));
        assert_eq!(second.grow(75), Ok(()));
        assert_eq!(second.grow(1), Err(Exhausted));
        assert_eq!(budget.share(kind, source(3)).grow(37), Ok(()));
        assert_eq!(budget.held_bytes(kind), 225);
        // Another pool is another pool.
        assert_eq!(budget.share(PoolKind::Disk, source(1)).grow(500), Ok(()));
        assert_eq!(budget.share(PoolKind::Disk, source(1)).grow(501), Err(Exhausted));
        drop(first);
        assert_eq!(second.grow(75), Ok(()));
        drop(second);
        assert_eq!((budget.held_bytes(kind), budget.refused(kind)), (0, 3));
        assert!(budget.known.held().by_source.is_empty());
    }

    #[test]
    fn what_is_long_leaves_room_for_what_is_short() {
        let budget = RequestBudget::new(BudgetLimits {
            memory_bytes: 64 * MIB,
            disk_bytes: 0,
            buffer_bytes: 0,
            answer_bytes: 0,
        });
        let mut long = budget.share(PoolKind::Known, source(1));
        assert_eq!(long.grow(18 * MIB), Ok(()));
        assert_eq!(long.grow(1), Err(Exhausted));
        let mut short: Vec<Share> = (0..96).map(|_| budget.share(PoolKind::Known, source(1))).collect();
        assert!(short.iter_mut().all(|short| short.grow(SHORT_BYTES) == Ok(())));
        assert_eq!(short[0].grow(1), Err(Exhausted));
        assert_eq!(budget.share(PoolKind::Known, source(1)).grow(1), Err(Exhausted));
    }

    #[test]
    fn growing_up_to_a_length() {
        let budget =
            RequestBudget::new(BudgetLimits { memory_bytes: 400, disk_bytes: 0, buffer_bytes: 0, answer_bytes: 0 });
        let mut share = budget.share(PoolKind::Known, source(1));
        for bytes in [10, 5, 10, 100] {
            assert_eq!(share.grow_to(bytes), Ok(()));
        }
        assert_eq!(budget.held_bytes(PoolKind::Known), 100);
        assert_eq!(share.grow_to(151), Err(Exhausted));
        for (to, held) in [(200, 100), (60, 60), (60, 60), (0, 0)] {
            share.shrink_to(to);
            assert_eq!(budget.held_bytes(PoolKind::Known), held);
        }
        assert_eq!(budget.share(PoolKind::Disk, source(1)).grow(1), Err(Exhausted));
    }
}
