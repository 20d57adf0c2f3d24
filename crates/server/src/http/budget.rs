//! What all requests together may hold of memory and disk for bodies that are being received.
//!
//! Whoever sends a body may be anybody: the signature is at hand only when the last byte is. So what is held for bodies
//! comes out of three pools of fixed size: memory for requests that name no key of ours, memory for those that do, and disk
//! for what is long. A source may hold as much of a pool as it leaves free: one alone gets half, two a third each, and there
//! is always something left for whoever comes next.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::measure::Counter;

use crate::auth::failures::network;

const MIB: u64 = 1024 * 1024;
/// The part of the memory that is for requests without a key: one in so many bytes.
const STRANGERS_PART: u64 = 4;

/// How large the pools are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Memory, for all requests.
    pub memory_bytes: u64,
    /// Disk, for bodies that are long.
    pub disk_bytes: u64,
}

impl Default for BudgetLimits {
    fn default() -> Self {
        Self { memory_bytes: 64 * MIB, disk_bytes: 2048 * MIB }
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
}

/// There is nothing left to hold a body in.
#[derive(Debug, PartialEq, Eq)]
pub struct Exhausted;

/// The pools.
pub struct RequestBudget {
    strangers: Arc<Pool>,
    known: Arc<Pool>,
    disk: Arc<Pool>,
}

struct Pool {
    limit: u64,
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
    fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, held: Mutex::default(), refused: Counter::default() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, source: IpAddr, bytes: u64) -> Result<(), Exhausted> {
        let mut held = self.held();
        let by_source = held.by_source.get(&source).copied().unwrap_or(0);
        let free = self.limit.saturating_sub(held.bytes);
        if by_source.saturating_add(bytes) > free {
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
            strangers: Pool::new(strangers),
            known: Pool::new(limits.memory_bytes - strangers),
            disk: Pool::new(limits.disk_bytes),
        }
    }

    const fn pool(&self, kind: PoolKind) -> &Arc<Pool> {
        match kind {
            PoolKind::Strangers => &self.strangers,
            PoolKind::Known => &self.known,
            PoolKind::Disk => &self.disk,
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
            self.pool.take(self.source, bytes)?;
            self.bytes += bytes;
        }
        Ok(())
    }

    /// Holds so many bytes in all, if it held less.
    pub fn grow_to(&mut self, bytes: u64) -> Result<(), Exhausted> {
        self.grow(bytes.saturating_sub(self.bytes))
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
        let budget = RequestBudget::new(BudgetLimits { memory_bytes: 400, disk_bytes: 1000 });
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
        drop(first);
        assert_eq!(second.grow(75), Ok(()));
        drop(second);
        assert_eq!((budget.held_bytes(kind), budget.refused(kind)), (0, 3));
        assert!(budget.known.held().by_source.is_empty());
    }

    #[test]
    fn growing_up_to_a_length() {
        let budget = RequestBudget::new(BudgetLimits { memory_bytes: 400, disk_bytes: 0 });
        let mut share = budget.share(PoolKind::Known, source(1));
        for bytes in [10, 5, 10, 100] {
            assert_eq!(share.grow_to(bytes), Ok(()));
        }
        assert_eq!(budget.held_bytes(PoolKind::Known), 100);
        assert_eq!(share.grow_to(151), Err(Exhausted));
        assert_eq!(budget.share(PoolKind::Disk, source(1)).grow(1), Err(Exhausted));
    }
}
