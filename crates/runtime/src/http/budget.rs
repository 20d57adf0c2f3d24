//! What all requests together may hold of memory and disk for bodies that are being received.
//!
//! Whoever sends a body may be anybody: the signature is at hand only when the last byte is. So what is held for bodies
//! comes out of pools of fixed size: memory for requests that name no key of ours, memory for those that do, and disk
//! for what is long; a fourth is for the buffers of the connections that they come by, and a fifth for answers that are long
//! (`held_answer`). What is long leaves a part of the memory to what is short, so that a few large manifests keep nobody
//! from signing in. Who gets how much, and who gives way, is in `pool`.

use std::sync::Arc;

use super::pool::Pool;
pub use super::pool::{Exhausted, Holder, Share};

const MIB: u64 = 1024 * 1024;
/// The part of the memory that is for requests without a key: one in so many bytes.
const STRANGERS_PART: u64 = 4;

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

/// The pools.
pub struct RequestBudget {
    strangers: Arc<Pool>,
    known: Arc<Pool>,
    disk: Arc<Pool>,
    buffers: Arc<Pool>,
    answers: Arc<Pool>,
}

impl RequestBudget {
    /// Pools of these sizes.
    pub fn new(limits: BudgetLimits) -> Self {
        let strangers = limits.memory_bytes / STRANGERS_PART;
        Self {
            strangers: Pool::of_memory(strangers),
            known: Pool::of_memory(limits.memory_bytes - strangers),
            disk: Pool::new(limits.disk_bytes),
            buffers: Pool::new(limits.buffer_bytes),
            answers: Pool::new(limits.answer_bytes),
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

    /// A share that holds nothing yet, of a request.
    pub fn share(&self, kind: PoolKind, holder: &Holder) -> Share {
        self.pool(kind).share(holder)
    }

    /// Bytes that are held now.
    pub fn held_bytes(&self, kind: PoolKind) -> u64 {
        self.pool(kind).held_bytes()
    }

    /// The pool's size.
    pub fn limit_bytes(&self, kind: PoolKind) -> u64 {
        self.pool(kind).limit
    }

    /// How often something was refused.
    pub fn refused(&self, kind: PoolKind) -> u64 {
        self.pool(kind).refused.get()
    }

    /// How many connections were ended for what their clients kept the server from giving back.
    pub fn given_up(&self, kind: PoolKind) -> u64 {
        self.pool(kind).given_up.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_apart() {
        let budget =
            RequestBudget::new(BudgetLimits { memory_bytes: 400, disk_bytes: 1000, buffer_bytes: 0, answer_bytes: 0 });
        let holder = Holder::alone([192, 0, 2, 1]);
        assert_eq!((budget.limit_bytes(PoolKind::Strangers), budget.limit_bytes(PoolKind::Known)), (100, 300));
        let mut known = budget.share(PoolKind::Known, &holder);
        assert_eq!(known.grow(150), Ok(()));
        assert_eq!(budget.share(PoolKind::Disk, &holder).grow(500), Ok(()));
        assert_eq!(budget.share(PoolKind::Disk, &holder).grow(501), Err(Exhausted));
        assert_eq!(budget.share(PoolKind::Buffers, &holder).grow(1), Err(Exhausted));
        assert_eq!((budget.refused(PoolKind::Disk), budget.refused(PoolKind::Known)), (1, 0));
        assert_eq!(budget.held_bytes(PoolKind::Known), 150);
    }
}
