//! What answers hold of memory from before they are made until their clients have taken them.
//!
//! A short answer is reckoned with its request, and with the connection that it goes by. A longer one takes room of the
//! pool of answers, which goes with its last bytes: HTTP keeps those for as long as the client does not read.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::budget::{Exhausted, Holder, PoolKind, RequestBudget, Share};

/// Answers up to this length are short.
pub const SHORT_BYTES: u64 = 32 * 1024;

/// Who reads an answer of which others may read the same bytes.
#[derive(Clone)]
pub struct Reader {
    /// What it holds, it holds as this.
    pub holder: Holder,
    /// The network that it comes from; those of one have the room in common.
    pub source: IpAddr,
}

/// The room of one answer that is being made. As long as it is short, nothing is taken.
pub struct AnswerShare {
    share: Share,
    bytes: u64,
}

impl AnswerShare {
    /// Of an answer of which nothing is made yet.
    pub fn new(budget: &RequestBudget, holder: &Holder) -> Self {
        Self { share: budget.share(PoolKind::Answers, holder), bytes: 0 }
    }

    /// Room for so many bytes more.
    pub fn add(&mut self, bytes: u64) -> Result<(), Exhausted> {
        self.bytes += bytes;
        if self.bytes <= SHORT_BYTES { Ok(()) } else { self.share.grow_to(self.bytes) }
    }

    /// So many bytes less: they are not going to be in it.
    pub fn subtract(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.share.shrink_to(if self.bytes <= SHORT_BYTES { 0 } else { self.bytes });
    }

    /// The room of what has turned out to be so long; none if that is short.
    pub fn settle(mut self, length: u64) -> Result<Option<Arc<Share>>, Exhausted> {
        if length <= SHORT_BYTES {
            return Ok(None);
        }
        self.share.grow_to(length)?;
        self.share.shrink_to(length);
        Ok(Some(Arc::new(self.share)))
    }
}

/// The same bytes, which keep something for as long as any of them is held.
pub fn keeping<T: Send + 'static>(bytes: Bytes, kept: T) -> Bytes {
    Bytes::from_owner(Keeping { bytes, _kept: kept })
}

struct Keeping<T> {
    bytes: Bytes,
    _kept: T,
}

impl<T> AsRef<[u8]> for Keeping<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::budget::BudgetLimits;

    fn budget(answer_bytes: u64) -> RequestBudget {
        RequestBudget::new(BudgetLimits { answer_bytes, ..BudgetLimits::default() })
    }

    fn share(budget: &RequestBudget) -> AnswerShare {
        AnswerShare::new(budget, &Holder::alone([192, 0, 2, 1]))
    }

    #[test]
    fn short_answers_take_nothing() {
        let none = budget(0);
        let mut short = share(&none);
        assert_eq!(short.add(SHORT_BYTES), Ok(()));
        assert!(matches!(short.settle(SHORT_BYTES), Ok(None)));
        assert_eq!(share(&none).add(SHORT_BYTES + 1), Err(Exhausted));
        assert!(share(&none).settle(SHORT_BYTES + 1).is_err());
    }

    #[test]
    fn an_answer_holds_its_length_until_its_bytes_are_gone() {
        let budget = budget(8 * SHORT_BYTES);
        let held = || budget.held_bytes(PoolKind::Answers);
        let mut long = share(&budget);
        assert_eq!(long.add(SHORT_BYTES), Ok(()));
        assert_eq!(held(), 0);
        assert_eq!(long.add(2 * SHORT_BYTES), Ok(()));
        assert_eq!(held(), 3 * SHORT_BYTES);
        long.subtract(2 * SHORT_BYTES);
        assert_eq!(held(), 0);
        assert_eq!(long.add(2 * SHORT_BYTES), Ok(()));
        let room = long.settle(2 * SHORT_BYTES).expect("room");
        assert_eq!(held(), 2 * SHORT_BYTES);
        let mut bytes = keeping(Bytes::from_static(b"the last"), room);
        assert_eq!(bytes.split_to(4), "the ");
        let rest = bytes.slice(..1);
        drop(bytes);
        assert_eq!(held(), 2 * SHORT_BYTES);
        drop(rest);
        assert_eq!(held(), 0);
    }
}
