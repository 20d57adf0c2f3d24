//! Who may hold a connection: anybody, until there are as many as one node holds. Then the source that has most of them
//! gives up the one that has waited longest for its client, and whoever comes is let in.
//!
//! What connections hold of the memory is counted too, as `connection_weight` reckons it. When that is too much, the source
//! that holds most of it gives up those that hold most: such as wait for their clients, or, where a connection that is
//! there already has come to hold more and nobody waits, any.
//!
//! A source has no limit of its own, since a load balancer or a whole office behind one address is one source.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::in_flight::{InFlight, Waiting};
use crate::source_network::network;

/// Of the source that must give up connections, one in so many goes at once: looking for them costs time.
const SHARE_THAT_GOES: usize = 64;
/// When there was nothing to give up, it is not looked for again for so long.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// So many connections may be about to end, beyond those that may be held.
const MAX_ENDING: usize = 64;

/// Which connections may be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivesUp {
    /// Those that wait for their clients.
    Waiting,
    /// All: none is there for long.
    Any,
}

/// What connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many there may be.
    pub connections: usize,
    /// How much memory they may hold.
    pub bytes: u64,
}

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shortage {
    Places,
    /// Whether those go too that are at work.
    Memory {
        of_any: bool,
    },
}

/// The connections of one node, by where they come from.
pub struct Admission {
    limits: Limits,
    gives_up: GivesUp,
    began: Instant,
    held: Mutex<Held>,
    ended: Notify,
}

#[derive(Default)]
struct Held {
    open: usize,
    /// What the open ones hold.
    bytes: u64,
    ending: usize,
    next: u64,
    sources: HashMap<IpAddr, Source>,
    nothing_until: Option<Instant>,
}

/// The connections of one source.
#[derive(Default)]
struct Source {
    bytes: u64,
    connections: BTreeMap<u64, Member>,
}

struct Member {
    in_flight: InFlight,
    bytes: u64,
}

/// A connection's place, until this is dropped.
pub struct ConnectionSlot {
    admission: Arc<Admission>,
    source: IpAddr,
    number: u64,
    in_flight: InFlight,
}

/// Says what a connection holds, as that changes.
pub struct Weight {
    admission: Arc<Admission>,
    source: IpAddr,
    number: u64,
}

impl Admission {
    /// For no more connections than that.
    pub fn new(limits: Limits, gives_up: GivesUp) -> Arc<Self> {
        Arc::new(Self { limits, gives_up, began: Instant::now(), held: Mutex::default(), ended: Notify::new() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection that holds so much at first, and how many others gave up theirs for it; none if nobody
    /// could.
    pub fn admit(self: &Arc<Self>, source: IpAddr, bytes: u64) -> (Option<ConnectionSlot>, usize) {
        self.admit_at(source, bytes, Instant::now())
    }

    fn admit_at(self: &Arc<Self>, source: IpAddr, bytes: u64, now: Instant) -> (Option<ConnectionSlot>, usize) {
        let mut held = self.held();
        let mut given_up = 0;
        if held.open >= self.limits.connections {
            given_up = self.make_room(&mut held, Shortage::Places, now);
        }
        if held.bytes + bytes > self.limits.bytes {
            given_up += self.make_room(&mut held, Shortage::Memory { of_any: false }, now);
        }
        if held.open >= self.limits.connections || held.bytes + bytes > self.limits.bytes {
            return (None, given_up);
        }
        let (source, number) = (network(source), held.next);
        let in_flight = InFlight::new(self.began);
        held.next += 1;
        held.put(source, number, Member { in_flight: in_flight.clone(), bytes });
        drop(held);
        (Some(ConnectionSlot { admission: Arc::clone(self), source, number, in_flight }), given_up)
    }

    /// Ends connections as if there were no more room, because something else has run out; says how many.
    pub fn give_up_some(&self) -> usize {
        self.make_room(&mut self.held(), Shortage::Places, Instant::now())
    }

    /// Waits until most of those that were given up have ended: until then they still hold what there is little of.
    pub async fn settled(&self) {
        loop {
            let ended = self.ended.notified();
            if self.held().ending <= MAX_ENDING {
                return;
            }
            ended.await;
        }
    }

    /// Ends some connections of the source that has most of what there is too little of; says how many.
    fn make_room(&self, held: &mut Held, shortage: Shortage, now: Instant) -> usize {
        let of_any = shortage == Shortage::Memory { of_any: true };
        if !of_any && held.nothing_until.is_some_and(|until| now < until) {
            return 0;
        }
        let share = |source: &Source| match shortage {
            Shortage::Places => source.connections.len() as u64,
            Shortage::Memory { .. } => source.bytes,
        };
        let mut sources: Vec<(u64, IpAddr)> = held.sources.iter().map(|(ip, source)| (share(source), *ip)).collect();
        sources.sort_unstable_by(|one, other| other.cmp(one));
        // Those at work go only where nobody waits, of any source.
        for is_at_work in [false, true] {
            if is_at_work && !of_any {
                break;
            }
            for (_, ip) in &sources {
                let Some(source) = held.sources.get(ip) else { continue };
                let numbers = self.that_go(source, shortage, is_at_work, now);
                if numbers.is_empty() {
                    continue;
                }
                for number in &numbers {
                    if let Some(given_up) = held.take(*ip, *number) {
                        given_up.in_flight.end();
                        held.ending += 1;
                    }
                }
                return numbers.len();
            }
        }
        held.nothing_until = Some(now + LOOK_AGAIN_AFTER);
        0
    }

    /// Which of a source's connections go first: those that hold most, where that matters, and those that have waited longest.
    fn that_go(&self, source: &Source, shortage: Shortage, is_at_work: bool, now: Instant) -> Vec<u64> {
        let mut waiting: Vec<(Reverse<u64>, Duration, u64)> = source
            .connections
            .iter()
            .filter_map(|(number, of)| {
                let since = if is_at_work { Duration::ZERO } else { self.waits_since(&of.in_flight, now)? };
                Some((Reverse(if shortage == Shortage::Places { 0 } else { of.bytes }), since, *number))
            })
            .collect();
        waiting.sort_unstable();
        waiting.truncate((source.connections.len() / SHARE_THAT_GOES).max(1));
        waiting.into_iter().map(|(.., number)| number).collect()
    }

    /// Since when a connection waits for its client, if it may be given up for that.
    fn waits_since(&self, connection: &InFlight, now: Instant) -> Option<Duration> {
        match (connection.waiting(), self.gives_up) {
            (Some(Waiting::Idle(since)), _) => Some(since),
            (_, GivesUp::Any) => connection.keeps_waiting(now).or(Some(now - self.began)),
            (Some(Waiting::Lagging(_)) | None, GivesUp::Waiting) => connection.keeps_waiting(now),
        }
    }
}

impl ConnectionSlot {
    /// What is in flight on the connection.
    pub const fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// The connection comes from elsewhere, as a proxy has said.
    pub fn set_source(&mut self, source: IpAddr) {
        let mut held = self.admission.held();
        if let Some(member) = held.take(self.source, self.number) {
            self.source = network(source);
            held.put(self.source, self.number, member);
        }
    }

    /// For whoever learns what the connection holds; where it comes from is known by now.
    pub fn weight(&self) -> Weight {
        Weight { admission: Arc::clone(&self.admission), source: self.source, number: self.number }
    }
}

impl Weight {
    /// The connection holds so much by now. Says whether it may go on, and how many were given up, itself or others.
    pub fn set(&self, bytes: u64) -> (bool, usize) {
        let admission = &self.admission;
        let mut held = admission.held();
        let Some(mut member) = held.take(self.source, self.number) else { return (false, 0) };
        member.bytes = bytes;
        held.put(self.source, self.number, member);
        let mut given_up = 0;
        while held.bytes > admission.limits.bytes {
            let ended = admission.make_room(&mut held, Shortage::Memory { of_any: true }, Instant::now());
            if ended == 0 {
                break;
            }
            given_up += ended;
        }
        (held.has(self.source, self.number), given_up)
    }
}

impl Held {
    fn put(&mut self, source: IpAddr, number: u64, member: Member) {
        self.open += 1;
        self.bytes += member.bytes;
        let source = self.sources.entry(source).or_default();
        source.bytes += member.bytes;
        source.connections.insert(number, member);
    }

    /// Takes the connection out, if it is there still.
    fn take(&mut self, ip: IpAddr, number: u64) -> Option<Member> {
        let source = self.sources.get_mut(&ip)?;
        let member = source.connections.remove(&number)?;
        source.bytes -= member.bytes;
        if source.connections.is_empty() {
            self.sources.remove(&ip);
        }
        self.open -= 1;
        self.bytes -= member.bytes;
        Some(member)
    }

    fn has(&self, source: IpAddr, number: u64) -> bool {
        self.sources.get(&source).is_some_and(|source| source.connections.contains_key(&number))
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut held = self.admission.held();
        if held.take(self.source, self.number).is_none() {
            held.ending -= 1;
        }
        held.nothing_until = None;
        drop(held);
        self.admission.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::in_flight::LAG_GRACE;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn admission(connections: usize, gives_up: GivesUp) -> Arc<Admission> {
        Admission::new(Limits { connections, bytes: u64::MAX }, gives_up)
    }

    fn is_ended(place: &ConnectionSlot) -> bool {
        place.in_flight().is_ended()
    }

    #[test]
    fn the_greediest_source_gives_up_its_oldest_idle_connection() {
        let admission = admission(5, GivesUp::Waiting);
        let places: Vec<ConnectionSlot> =
            [2, 1, 1, 1, 2].iter().filter_map(|source| admission.admit(ip(*source), 1).0).collect();
        let request = places[1].in_flight().begin();
        let (newest, given_up) = admission.admit(ip(1), 1);
        assert!(given_up == 1 && newest.is_some());
        let ended: Vec<bool> = places.iter().map(is_ended).collect();
        assert_eq!(ended, [false, false, true, false, false], "the oldest is busy");
        drop((request, places, newest));
        let held = admission.held();
        assert_eq!((held.open, held.bytes, held.ending, held.sources.len()), (0, 0, 0, 0));
    }

    #[test]
    fn a_large_source_gives_up_several() {
        let admission = admission(1000, GivesUp::Waiting);
        let places: Vec<ConnectionSlot> = (0..1000).filter_map(|_| admission.admit(ip(1), 1).0).collect();
        let (place, given_up) = admission.admit(ip(2), 1);
        assert!(place.is_some() && given_up == 1000 / SHARE_THAT_GOES);
        assert_eq!(places.iter().filter(|place| is_ended(place)).count(), given_up);
        assert_eq!(admission.admit(ip(2), 1).1, 0, "there is room now");
    }

    #[test]
    fn busy_connections_stay_and_lagging_ones_go_after_a_while() {
        let admission = admission(2, GivesUp::Waiting);
        let places: Vec<ConnectionSlot> =
            [1, 2].iter().filter_map(|source| admission.admit(ip(*source), 1).0).collect();
        let _requests = [places[0].in_flight().begin(), places[1].in_flight().begin()];
        let mut lag = places[1].in_flight().lag();
        lag.set(true);
        let now = Instant::now();
        assert!(admission.admit_at(ip(3), 1, now).0.is_none());
        assert!(admission.admit_at(ip(3), 1, now + LOOK_AGAIN_AFTER + LAG_GRACE).0.is_some());
        assert!(is_ended(&places[1]) && !is_ended(&places[0]));
    }

    #[test]
    fn a_place_for_a_moment_is_given_up_in_any_state() {
        let admission = admission(1, GivesUp::Any);
        let first = admission.admit(ip(1), 1).0.expect("room");
        let _request = first.in_flight().begin();
        assert!(admission.admit(ip(2), 1).0.is_some() && is_ended(&first));
    }

    #[test]
    fn a_proxy_says_where_a_connection_comes_from() {
        let admission = admission(3, GivesUp::Waiting);
        let mut places: Vec<ConnectionSlot> = (0..3).filter_map(|_| admission.admit(ip(1), 1).0).collect();
        places[1].set_source(ip(2));
        places[2].set_source(ip(2));
        assert!(admission.admit(ip(3), 1).0.is_some());
        assert!(is_ended(&places[1]) && !is_ended(&places[0]));
        drop(places);
        assert_eq!(admission.held().open, 0);
    }

    #[test]
    fn whoever_holds_most_of_the_memory_gives_up_what_holds_most() {
        let admission = Admission::new(Limits { connections: 100, bytes: 100 }, GivesUp::Waiting);
        let places: Vec<ConnectionSlot> = [(1, 10), (1, 40), (1, 10), (2, 30)]
            .iter()
            .filter_map(|(last, bytes)| admission.admit(ip(*last), *bytes).0)
            .collect();
        assert_eq!(admission.held().bytes, 90);
        let (place, given_up) = admission.admit(ip(2), 20);
        assert!(place.is_some() && given_up == 1 && is_ended(&places[1]));
        assert_eq!(admission.held().bytes, 70);
        // One that is at work makes no room for whoever comes.
        let _requests: Vec<_> = [0, 2, 3].iter().map(|index| places[*index].in_flight().begin()).collect();
        let _last = place.as_ref().map(|place| place.in_flight().begin());
        let (none, given_up) = admission.admit(ip(3), 40);
        assert!(none.is_none() && given_up == 0);
    }

    #[test]
    fn one_that_grows_makes_others_end_or_itself() {
        let admission = Admission::new(Limits { connections: 100, bytes: 100 }, GivesUp::Waiting);
        let places: Vec<ConnectionSlot> = [(1, 30), (1, 30), (2, 20)]
            .iter()
            .filter_map(|(last, bytes)| admission.admit(ip(*last), *bytes).0)
            .collect();
        let _request = places[0].in_flight().begin();
        let weights: Vec<Weight> = places.iter().map(ConnectionSlot::weight).collect();
        assert_eq!(weights[2].set(40), (true, 0));
        assert_eq!(weights[2].set(45), (true, 1));
        assert!(is_ended(&places[1]) && !is_ended(&places[0]), "one that waits, of whoever holds most");
        let _another = places[2].in_flight().begin();
        assert_eq!(weights[0].set(55), (true, 0));
        assert_eq!(weights[0].set(56), (false, 1), "nobody waits");
        assert_eq!(weights[0].set(1), (false, 0));
        assert_eq!(admission.held().bytes, 45);
        drop((places, weights));
        let held = admission.held();
        assert_eq!((held.open, held.bytes, held.ending), (0, 0, 0));
    }
}
