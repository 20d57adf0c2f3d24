//! Who may hold a connection: anybody, until there are as many as one node holds. Then the source that has most of them
//! gives up the one that has waited longest for its client, and whoever comes is let in.
//!
//! A source has no limit of its own, since a load balancer or a whole office behind one address is one source.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::in_flight::{InFlight, Waiting};
use crate::auth::failures::network;

/// A client that lags behind in the middle of a request is spared for so long.
const LAG_GRACE: Duration = Duration::from_secs(5);
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

/// The connections of one node, by where they come from.
pub struct Admission {
    max: usize,
    gives_up: GivesUp,
    began: Instant,
    held: Mutex<Held>,
    ended: Notify,
}

#[derive(Default)]
struct Held {
    open: usize,
    ending: usize,
    next: u64,
    sources: HashMap<IpAddr, BTreeMap<u64, InFlight>>,
    nothing_until: Option<Instant>,
}

/// A connection's place, until this is dropped.
pub struct Place {
    admission: Arc<Admission>,
    source: IpAddr,
    number: u64,
    in_flight: InFlight,
}

impl Admission {
    /// For at most `max` connections.
    pub fn new(max: usize, gives_up: GivesUp) -> Arc<Self> {
        Arc::new(Self { max, gives_up, began: Instant::now(), held: Mutex::default(), ended: Notify::new() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection, and how many others gave up theirs for it; none if nobody could.
    pub fn admit(self: &Arc<Self>, source: IpAddr) -> (Option<Place>, usize) {
        self.admit_at(source, Instant::now())
    }

    fn admit_at(self: &Arc<Self>, source: IpAddr, now: Instant) -> (Option<Place>, usize) {
        let mut held = self.held();
        let mut given_up = 0;
        if held.open >= self.max {
            given_up = self.make_room(&mut held, now);
            if held.open >= self.max {
                return (None, given_up);
            }
        }
        let (source, number) = (network(source), held.next);
        let in_flight = InFlight::new(self.began);
        held.open += 1;
        held.next += 1;
        held.sources.entry(source).or_default().insert(number, in_flight.clone());
        drop(held);
        (Some(Place { admission: Arc::clone(self), source, number, in_flight }), given_up)
    }

    /// Ends connections as if there were no more room, because something else has run out; says how many.
    pub fn give_up_some(&self) -> usize {
        self.make_room(&mut self.held(), Instant::now())
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

    fn make_room(&self, held: &mut Held, now: Instant) -> usize {
        if held.nothing_until.is_some_and(|until| now < until) {
            return 0;
        }
        let mut sources: Vec<(usize, IpAddr)> = held.sources.iter().map(|(ip, held)| (held.len(), *ip)).collect();
        sources.sort_unstable_by(|one, other| other.cmp(one));
        for (count, source) in sources {
            let Some(connections) = held.sources.get_mut(&source) else { continue };
            let mut waiting: Vec<(Duration, u64)> =
                connections.iter().filter_map(|(number, of)| Some((self.waits_since(of, now)?, *number))).collect();
            let go = waiting.len().min((count / SHARE_THAT_GOES).max(1));
            if go == 0 {
                continue;
            }
            waiting.sort_unstable();
            for (_, number) in &waiting[..go] {
                if let Some(given_up) = connections.remove(number) {
                    given_up.end();
                }
            }
            if connections.is_empty() {
                held.sources.remove(&source);
            }
            held.open -= go;
            held.ending += go;
            return go;
        }
        held.nothing_until = Some(now + LOOK_AGAIN_AFTER);
        0
    }

    /// Since when a connection waits for its client, if it may be given up for that.
    fn waits_since(&self, connection: &InFlight, now: Instant) -> Option<Duration> {
        match (connection.waiting(), self.gives_up) {
            (Some(Waiting::Idle(since)), _) => Some(since),
            (Some(Waiting::Lagging(since)), _) if now - self.began >= since + LAG_GRACE => Some(since),
            (_, GivesUp::Any) => Some(now - self.began),
            (Some(Waiting::Lagging(_)) | None, GivesUp::Waiting) => None,
        }
    }
}

impl Place {
    /// What is in flight on the connection.
    pub const fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// The connection comes from elsewhere, as a proxy has said.
    pub fn set_source(&mut self, source: IpAddr) {
        let mut held = self.admission.held();
        if held.take(self.source, self.number) {
            self.source = network(source);
            held.sources.entry(self.source).or_default().insert(self.number, self.in_flight.clone());
        }
    }
}

impl Held {
    /// Whether the connection was there still.
    fn take(&mut self, source: IpAddr, number: u64) -> bool {
        let Some(connections) = self.sources.get_mut(&source) else { return false };
        let was_there = connections.remove(&number).is_some();
        if connections.is_empty() {
            self.sources.remove(&source);
        }
        was_there
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.admission.held();
        if held.take(self.source, self.number) {
            held.open -= 1;
        } else {
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

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn is_ended(place: &Place) -> bool {
        let mut ended = std::pin::pin!(place.in_flight().ended());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        ended.as_mut().poll(&mut cx).is_ready()
    }

    #[test]
    fn the_greediest_source_gives_up_its_oldest_idle_connection() {
        let admission = Admission::new(5, GivesUp::Waiting);
        let places: Vec<Place> = [2, 1, 1, 1, 2].iter().filter_map(|source| admission.admit(ip(*source)).0).collect();
        let request = places[1].in_flight().begin();
        let (newest, given_up) = admission.admit(ip(1));
        assert!(given_up == 1 && newest.is_some());
        let ended: Vec<bool> = places.iter().map(is_ended).collect();
        assert_eq!(ended, [false, false, true, false, false], "the oldest is busy");
        drop((request, places, newest));
        let held = admission.held();
        assert_eq!((held.open, held.ending, held.sources.len()), (0, 0, 0));
    }

    #[test]
    fn a_large_source_gives_up_several() {
        let admission = Admission::new(1000, GivesUp::Waiting);
        let places: Vec<Place> = (0..1000).filter_map(|_| admission.admit(ip(1)).0).collect();
        let (place, given_up) = admission.admit(ip(2));
        assert!(place.is_some() && given_up == 1000 / SHARE_THAT_GOES);
        assert_eq!(places.iter().filter(|place| is_ended(place)).count(), given_up);
        assert_eq!(admission.admit(ip(2)).1, 0, "there is room now");
    }

    #[test]
    fn busy_connections_stay_and_lagging_ones_go_after_a_while() {
        let admission = Admission::new(2, GivesUp::Waiting);
        let places: Vec<Place> = [1, 2].iter().filter_map(|source| admission.admit(ip(*source)).0).collect();
        let _requests = [places[0].in_flight().begin(), places[1].in_flight().begin()];
        let mut lag = places[1].in_flight().lag();
        lag.set(true);
        let now = Instant::now();
        assert!(admission.admit_at(ip(3), now).0.is_none());
        assert!(admission.admit_at(ip(3), now + LOOK_AGAIN_AFTER + LAG_GRACE).0.is_some());
        assert!(is_ended(&places[1]) && !is_ended(&places[0]));
    }

    #[test]
    fn a_place_for_a_moment_is_given_up_in_any_state() {
        let admission = Admission::new(1, GivesUp::Any);
        let first = admission.admit(ip(1)).0.expect("room");
        let _request = first.in_flight().begin();
        assert!(admission.admit(ip(2)).0.is_some() && is_ended(&first));
    }

    #[test]
    fn a_proxy_says_where_a_connection_comes_from() {
        let admission = Admission::new(3, GivesUp::Waiting);
        let mut places: Vec<Place> = (0..3).filter_map(|_| admission.admit(ip(1)).0).collect();
        places[1].set_source(ip(2));
        places[2].set_source(ip(2));
        assert!(admission.admit(ip(3)).0.is_some());
        assert!(is_ended(&places[1]) && !is_ended(&places[0]));
        drop(places);
        assert_eq!(admission.held().open, 0);
    }
}
