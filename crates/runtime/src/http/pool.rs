//! One pool of memory or disk that requests hold shares of, and who gives way when there is nothing left of it.
//!
//! A source may hold as much of a pool as it leaves free: one alone gets half, two a third each, and there is always
//! something left for whoever comes next. Where there is not, somebody may be holding it for nothing: then a source that
//! keeps the server waiting loses the connection whose client has been waited for longest.
//!
//! Which source that is depends on what is short. Who has used up his own share takes nothing from others: only what is of
//! his own source gives way. Where the pool itself is short, the source that holds most does, as long as that is no less
//! than the asking one would hold: nobody grows at the cost of who has less.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::measure::Counter;
use tokio::time::Instant;

use super::in_flight::InFlight;
use crate::source_network::network;

/// A body up to this length is short. Longer ones leave a part of their pool to the short: one in so many bytes.
pub(super) const SHORT_BYTES: u64 = 64 * 1024;
const SHORT_PART: u64 = 4;
/// A pool is short when there is less left of it than one in so many bytes, or less than whoever holds nothing yet would get
/// as much of as is asked for.
const SPARE_PART: u64 = 16;
/// When there was nobody to give way, nobody is looked for again for so long.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
const NOT_WAITED_FOR: u64 = u64::MAX;

/// There is nothing left to hold a body in.
#[derive(Debug, PartialEq, Eq)]
pub struct Exhausted;

/// A request that holds shares: where it comes from, and since when its client is waited for.
#[derive(Clone)]
pub struct Holder(Arc<HolderState>);

struct HolderState {
    source: IpAddr,
    connection: InFlight,
    /// Counted from the common beginning of connections.
    waits_since_ms: AtomicU64,
}

impl Holder {
    /// Of a request from that address over a connection.
    pub fn new(source: IpAddr, connection: &InFlight) -> Self {
        let (source, connection) = (network(source), connection.clone());
        Self(Arc::new(HolderState { source, connection, waits_since_ms: AtomicU64::new(NOT_WAITED_FOR) }))
    }

    /// Of a request that comes by no connection.
    #[cfg(any(test, feature = "testing"))]
    pub fn alone(source: impl Into<IpAddr>) -> Self {
        Self::new(source.into(), &InFlight::new(Instant::now()))
    }

    /// Whether its client is waited for, for more of its body or to take the answer, from now on.
    pub fn set_waits(&self, waits: bool) {
        let since_ms = &self.0.waits_since_ms;
        if waits {
            let now_ms = self.0.connection.now_ms();
            // One that is waited for already stays so since then.
            let _ = since_ms.compare_exchange(NOT_WAITED_FOR, now_ms, Ordering::AcqRel, Ordering::Acquire);
        } else {
            since_ms.store(NOT_WAITED_FOR, Ordering::Release);
        }
    }

    /// Since when its client is waited for, if that is long enough to be too long; counted as `InFlight` does.
    fn keeps_waiting(&self, now: Instant) -> Option<Duration> {
        let own = match self.0.waits_since_ms.load(Ordering::Acquire) {
            NOT_WAITED_FOR => None,
            since_ms => Some(Duration::from_millis(since_ms)),
        };
        let own = own.filter(|since| self.0.connection.is_too_long(*since, now));
        own.into_iter().chain(self.0.connection.keeps_waiting(now)).min()
    }
}

/// A pool.
pub(super) struct Pool {
    pub(super) limit: u64,
    /// What bodies may hold of it that are long.
    limit_of_long: u64,
    held: Mutex<Held>,
    pub(super) refused: Counter,
    pub(super) given_up: Counter,
}

#[derive(Default)]
struct Held {
    bytes: u64,
    next: u64,
    /// By the network that the requests come from.
    sources: HashMap<IpAddr, Source>,
    /// Of the sources that hold so much or more, nobody has to give way to others until then.
    nobody_until: Option<(Instant, u64)>,
}

/// What requests of one source hold.
#[derive(Default)]
struct Source {
    bytes: u64,
    holders: BTreeMap<u64, Holder>,
    /// None of them has to give way to another of them until then.
    nobody_until: Option<Instant>,
}

impl Pool {
    /// Of so many bytes, all of which one body may have.
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Self::with_limits(limit, limit)
    }

    /// One that leaves a part to what is short.
    pub(super) fn of_memory(limit: u64) -> Arc<Self> {
        Self::with_limits(limit, limit - limit / SHORT_PART)
    }

    fn with_limits(limit: u64, limit_of_long: u64) -> Arc<Self> {
        let (refused, given_up) = (Counter::default(), Counter::default());
        Arc::new(Self { limit, limit_of_long, held: Mutex::default(), refused, given_up })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that are held now.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held().bytes
    }

    /// A share that holds nothing yet.
    pub(super) fn share(self: &Arc<Self>, holder: &Holder) -> Share {
        Share { pool: Arc::clone(self), holder: holder.clone(), number: None, bytes: 0 }
    }

    /// Takes so many bytes out of as much of the pool as `limit`; gives the share's number. What time it is matters only where
    /// there is not so much.
    fn take(&self, share: &Share, bytes: u64, limit: u64, now: impl FnOnce() -> Instant) -> Result<u64, Exhausted> {
        let mut held = self.held();
        let ip = share.holder.0.source;
        let by_source = held.sources.get(&ip).map_or(0, |source| source.bytes);
        let (left, needed) = (limit.saturating_sub(held.bytes), by_source.saturating_add(bytes));
        if left.checked_sub(bytes).is_none_or(|left| needed > left) {
            let now = now();
            let is_pool_short = left < limit / SPARE_PART || left < bytes.saturating_mul(2);
            if is_pool_short && held.others_give_way(&share.holder, needed, now)
                || held.own_give_way(&share.holder, now)
            {
                self.given_up.increment();
            }
            drop(held);
            self.refused.increment();
            return Err(Exhausted);
        }
        held.bytes += bytes;
        let next = held.next;
        let source = held.sources.entry(ip).or_default();
        source.bytes += bytes;
        if let Some(number) = share.number {
            return Ok(number);
        }
        source.holders.insert(next, share.holder.clone());
        held.next += 1;
        Ok(next)
    }

    fn give_back(&self, share: &Share, bytes: u64, is_end: bool) {
        let mut held = self.held();
        held.bytes = held.bytes.saturating_sub(bytes);
        held.nobody_until = None;
        let Some(source) = held.sources.get_mut(&share.holder.0.source) else { return };
        source.bytes = source.bytes.saturating_sub(bytes);
        source.nobody_until = None;
        if let Some(number) = share.number.filter(|_| is_end) {
            source.holders.remove(&number);
        }
        if source.bytes == 0 && source.holders.is_empty() {
            held.sources.remove(&share.holder.0.source);
        }
    }
}

impl Held {
    /// Ends the connection that has kept the server waiting longest, of that other source which holds most and has any, if
    /// that is no less than what the asking one wants to hold; says whether there was one.
    fn others_give_way(&mut self, asking: &Holder, needed: u64, now: Instant) -> bool {
        if self.nobody_until.is_some_and(|(until, least)| now < until && least <= needed) {
            return false;
        }
        let others = self.sources.iter().filter(|(ip, source)| **ip != asking.0.source && source.bytes >= needed);
        let mut others: Vec<(Reverse<u64>, IpAddr)> = others.map(|(ip, source)| (Reverse(source.bytes), *ip)).collect();
        others.sort_unstable();
        for (_, ip) in others {
            if self.sources.get_mut(&ip).is_some_and(|source| source.give_way(asking, now)) {
                return true;
            }
        }
        self.nobody_until = Some((now + LOOK_AGAIN_AFTER, needed));
        false
    }

    /// The same of the asking source itself.
    fn own_give_way(&mut self, asking: &Holder, now: Instant) -> bool {
        let Some(source) = self.sources.get_mut(&asking.0.source) else { return false };
        if source.nobody_until.is_some_and(|until| now < until) {
            return false;
        }
        let has_given_way = source.give_way(asking, now);
        source.nobody_until = (!has_given_way).then(|| now + LOOK_AGAIN_AFTER);
        has_given_way
    }
}

impl Source {
    /// Ends the connection that has kept the server waiting longest; says whether there was one. That of whoever asks stays:
    /// it would not live to see what it asks for.
    fn give_way(&mut self, asking: &Holder, now: Instant) -> bool {
        let others = self.holders.iter().filter(|(_, holder)| !holder.0.connection.is(&asking.0.connection));
        let waiting = others.filter_map(|(number, holder)| Some((holder.keeps_waiting(now)?, *number)));
        // It holds what it has until its connection has ended, and is not looked at again.
        let Some(holder) = waiting.min().and_then(|(_, number)| self.holders.remove(&number)) else { return false };
        holder.0.connection.end();
        true
    }
}

/// What one request holds of a pool; given back when this is dropped.
pub struct Share {
    pool: Arc<Pool>,
    holder: Holder,
    /// Where it is among those of its source, once it holds something.
    number: Option<u64>,
    bytes: u64,
}

impl Share {
    /// Holds so many bytes more.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Exhausted> {
        self.grow_at(bytes, Instant::now)
    }

    fn grow_at(&mut self, bytes: u64, now: impl FnOnce() -> Instant) -> Result<(), Exhausted> {
        if bytes > 0 {
            let is_short = self.bytes.saturating_add(bytes) <= SHORT_BYTES;
            let limit = if is_short { self.pool.limit } else { self.pool.limit_of_long };
            self.number = Some(self.pool.take(self, bytes, limit, now)?);
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
            self.pool.give_back(self, spare, false);
            self.bytes -= spare;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.number.is_some() {
            self.pool.give_back(self, self.bytes, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::in_flight::LAG_GRACE;

    fn share(pool: &Arc<Pool>, last: u8) -> Share {
        pool.share(&Holder::alone([192, 0, 2, last]))
    }

    #[test]
    fn a_source_holds_as_much_as_it_leaves() {
        let pool = Pool::new(300);
        let mut first = share(&pool, 1);
        assert_eq!(first.grow(150), Ok(()));
        assert_eq!(first.grow(1), Err(Exhausted));
        assert_eq!(share(&pool, 1).grow(1), Err(Exhausted));
        let mut second = share(&pool, 2);
        assert_eq!(second.grow(75), Ok(()));
        assert_eq!(second.grow(1), Err(Exhausted));
        assert_eq!(share(&pool, 3).grow(37), Ok(()));
        assert_eq!(pool.held_bytes(), 225);
        drop(first);
        assert_eq!(second.grow(75), Ok(()));
        drop(second);
        assert_eq!((pool.held_bytes(), pool.refused.get(), pool.given_up.get()), (0, 3, 0));
        assert!(pool.held().sources.is_empty());
    }

    #[test]
    fn what_is_long_leaves_room_for_what_is_short() {
        let pool = Pool::of_memory(768 * SHORT_BYTES);
        let mut long = share(&pool, 1);
        assert_eq!(long.grow(288 * SHORT_BYTES), Ok(()));
        assert_eq!(long.grow(1), Err(Exhausted));
        let mut short: Vec<Share> = (0..96).map(|_| share(&pool, 1)).collect();
        assert!(short.iter_mut().all(|short| short.grow(SHORT_BYTES) == Ok(())));
        assert_eq!(short[0].grow(1), Err(Exhausted));
        assert_eq!(share(&pool, 1).grow(1), Err(Exhausted));
    }

    #[test]
    fn growing_up_to_a_length() {
        let pool = Pool::of_memory(300);
        let mut one = share(&pool, 1);
        for bytes in [10, 5, 10, 100] {
            assert_eq!(one.grow_to(bytes), Ok(()));
        }
        assert_eq!(pool.held_bytes(), 100);
        assert_eq!(one.grow_to(151), Err(Exhausted));
        for (to, held) in [(200, 100), (60, 60), (60, 60), (0, 0)] {
            one.shrink_to(to);
            assert_eq!(pool.held_bytes(), held);
        }
        drop(one);
        assert!(pool.held().sources.is_empty());
    }

    /// One source after the other takes what is left, until nobody who comes gets anything.
    #[test]
    fn whoever_keeps_the_server_waiting_gives_way() {
        let pool = Pool::new(1000);
        let began = Instant::now();
        let mut held = Vec::new();
        for source in 1..=20 {
            let connection = InFlight::new(began);
            let holder = Holder::new(IpAddr::from([192, 0, 2, source]), &connection);
            let mut share = pool.share(&holder);
            while share.grow(1).is_ok() {}
            holder.set_waits(true);
            held.push((share, connection, holder));
        }
        let mut next = share(&pool, 99);
        let mut grow = |seconds: u64| next.grow_at(1, || began + Duration::from_secs(seconds));
        assert_eq!(grow(4), Err(Exhausted));
        assert!(held.iter().all(|(_, connection, _)| !connection.is_ended()), "they may take a while");
        assert_eq!(grow(6), Err(Exhausted));
        let ended: Vec<usize> = (0..20).filter(|index| held[*index].1.is_ended()).collect();
        assert_eq!((ended, pool.given_up.get()), (vec![0], 1), "the greediest");
        held.remove(0);
        assert_eq!(grow(6), Ok(()));
    }

    #[test]
    fn only_clients_that_are_waited_for_give_way() {
        let pool = Pool::new(8);
        let began = Instant::now();
        let (at_work, slow) = (InFlight::new(began), InFlight::new(began));
        let holders = [&at_work, &slow, &slow].map(|of| Holder::new(IpAddr::from([192, 0, 2, 1]), of));
        let mut shares = holders.each_ref().map(|holder| pool.share(holder));
        for share in &mut shares {
            assert_eq!(share.grow(1), Ok(()));
        }
        assert_eq!(shares[0].grow(1), Ok(()));
        let later = |seconds: u64| began + Duration::from_secs(seconds);
        let mut next = share(&pool, 1);
        assert_eq!(next.grow_at(1, || later(3600)), Err(Exhausted), "the server itself is slow");
        holders[1].set_waits(true);
        holders[1].set_waits(false);
        assert_eq!(next.grow_at(1, || later(3601)), Err(Exhausted), "the client has taken it meanwhile");
        assert!(!at_work.is_ended() && !slow.is_ended());
        holders[2].set_waits(true);
        assert_eq!(next.grow_at(1, || later(3602)), Err(Exhausted));
        assert!(!at_work.is_ended() && slow.is_ended());
        assert_eq!(next.grow_at(1, || later(3603)), Err(Exhausted));
        assert_eq!(pool.given_up.get(), 1, "it is ending already");
        holders[0].set_waits(true);
        assert_eq!(shares[0].grow_at(1, || later(7203)), Err(Exhausted));
        assert!(!at_work.is_ended(), "nobody makes room for himself by being ended");
    }

    /// Takes so many bytes for a source, whose connection keeps the server waiting from now on.
    fn stalled(pool: &Arc<Pool>, last: u8, bytes: u64) -> (Share, InFlight) {
        let connection = InFlight::new(Instant::now());
        let holder = Holder::new(IpAddr::from([192, 0, 2, last]), &connection);
        let mut share = pool.share(&holder);
        assert_eq!(share.grow(bytes), Ok(()));
        holder.set_waits(true);
        (share, connection)
    }

    #[test]
    fn a_share_that_is_used_up_costs_others_nothing() {
        let pool = Pool::new(1000);
        let others = [stalled(&pool, 1, 300), stalled(&pool, 2, 10)];
        let (_own, own) = stalled(&pool, 3, 300);
        let mut asking = share(&pool, 3);
        let later = Instant::now() + Duration::from_secs(3600);
        assert_eq!(asking.grow_at(100, || later), Err(Exhausted), "there are 390 left");
        assert!(others.iter().all(|(_, connection)| !connection.is_ended()));
        assert!(own.is_ended(), "it has a share with whoever asks");
        assert_eq!(pool.given_up.get(), 1);
    }

    #[test]
    fn nobody_gives_way_to_who_would_hold_more() {
        let pool = Pool::new(1000);
        let mut first = share(&pool, 1);
        assert_eq!(first.grow(500), Ok(()));
        let [greedy, modest, small] = [(2, 240), (3, 120), (4, 60)].map(|(last, bytes)| stalled(&pool, last, bytes));
        let later = Instant::now() + Duration::from_secs(3600);
        assert_eq!(first.grow_at(41, || later), Err(Exhausted), "the pool is short, and it holds half of it");
        assert_eq!(pool.given_up.get(), 0);
        // That there was nobody for it says nothing of others.
        assert_eq!(share(&pool, 5).grow_at(60, || later), Err(Exhausted));
        assert!(greedy.1.is_ended());
        assert_eq!(share(&pool, 5).grow_at(121, || later), Err(Exhausted));
        assert!(!modest.1.is_ended());
        assert_eq!(share(&pool, 5).grow_at(60, || later), Err(Exhausted));
        assert!(modest.1.is_ended());
        assert_eq!(share(&pool, 5).grow_at(61, || later), Err(Exhausted));
        assert!(!small.1.is_ended());
        assert_eq!(share(&pool, 5).grow_at(60, || later), Err(Exhausted));
        assert!(small.1.is_ended());
    }

    #[test]
    fn whoever_comes_gets_a_part_however_many_hold_the_rest() {
        let pool = Pool::new(1600);
        let mut others = Vec::new();
        for source in 1..=20 {
            while share(&pool, source).grow(5).is_ok() {
                others.push(stalled(&pool, source, 5));
            }
        }
        let later = Instant::now() + Duration::from_secs(3600);
        let mut mine = Vec::new();
        loop {
            let mut next = share(&pool, 99);
            if next.grow_at(5, || later).is_ok() {
                mine.push(next);
                continue;
            }
            let before = others.len();
            others.retain(|(_, connection)| !connection.is_ended());
            if others.len() == before {
                break;
            }
        }
        assert!(mine.len() as u64 * 5 >= 1600 / SPARE_PART - 10, "{} of 5", mine.len());
        assert!(others.len() * 5 > 1400, "nor does anybody lose more than that: {}", others.len());
    }

    #[test]
    fn a_connection_that_lags_gives_way_with_all_it_holds() {
        let pool = Pool::new(2);
        let connection = InFlight::new(Instant::now());
        let _request = connection.begin();
        let mut lag = connection.lag();
        let mut first = pool.share(&Holder::new(IpAddr::from([192, 0, 2, 1]), &connection));
        assert_eq!(first.grow(1), Ok(()));
        lag.set(true);
        let later = Instant::now() + LAG_GRACE + Duration::from_secs(1);
        assert_eq!(share(&pool, 2).grow_at(1, || later), Err(Exhausted));
        assert!(connection.is_ended());
    }
}
