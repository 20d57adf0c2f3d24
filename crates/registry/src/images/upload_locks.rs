//! Who writes an upload on this node: the request that came last.
//!
//! A client whose connection broke comes again before the server has noticed. So a request that still receives bytes is
//! overtaken: it ends, and nothing of it is stored. One that has all its bytes is waited for, and the next one goes on
//! where it ended.
//!
//! A server under load may come to the broken request after the one that the client sent instead. So whoever waits for a
//! client overtakes another one only when nothing has come for that for a while, and has to see then that its own client is
//! still there: the other one was there before the client was seen, and so before whatever else the client sends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use runtime::boxed;
use runtime::timer::{self, Instant, timeout_at};
use store::blob::Fence;
use tokio::sync::watch;
use uuid::Uuid;

use super::errors::RegistryError;

/// A request that got bytes within this time has its client. What a busy kernel holds back of an end is known by then.
const QUIET: Duration = Duration::from_millis(200);

/// How far the request is that writes an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It takes the upload from whoever had it. The next one does so after it.
    Opening,
    /// It waits for its client.
    Receiving,
    /// It has all that it stores.
    Storing,
    /// Another one has come.
    Overtaken,
    /// It has ended.
    Ended,
}

/// One request's turn.
struct Turn {
    stage: watch::Sender<Stage>,
    /// What keeps it from the object, and when bytes came last.
    receiving: Mutex<Receiving>,
}

struct Receiving {
    fence: Option<Fence>,
    at: Instant,
}

impl Turn {
    fn receiving(&self) -> MutexGuard<'_, Receiving> {
        self.receiving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_receiving(&self) -> bool {
        *self.stage.borrow() == Stage::Receiving
    }

    /// Ends its receiving; says whether it was.
    fn overtake(&self) -> bool {
        let is_overtaken = replace(&self.stage, &[Stage::Receiving], Stage::Overtaken);
        if is_overtaken && let Some(fence) = self.receiving().fence.take() {
            fence.close();
        }
        is_overtaken
    }
}

type Turns = HashMap<Uuid, Arc<Turn>>;

/// The uploads that requests of this node are writing.
#[derive(Clone, Default)]
pub struct UploadLocks(Arc<Mutex<Turns>>);

impl UploadLocks {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a request the right to write an upload that nobody writes.
    pub(super) fn acquire_free(&self, id: Uuid) -> Option<UploadLock> {
        match self.try_acquire(id, |_| false) {
            Attempt::Acquired(lock) => Some(lock),
            Attempt::Refused(_) | Attempt::Busy(_) => None,
        }
    }

    /// Gives a request the right to write an upload, and takes it from the one that has it.
    pub(super) async fn acquire(&self, id: Uuid) -> UploadLock {
        loop {
            match self.try_acquire(id, |_| true) {
                Attempt::Acquired(lock) => return lock,
                // Nobody is refused here.
                Attempt::Refused(_) => {}
                // An error is its end.
                Attempt::Busy(mut stages) => drop(stages.changed().await),
            }
        }
    }

    /// Gives a request the right to receive bytes of an upload, and takes it from the one that receives them now only if that
    /// is `seen`, and has got nothing since; else returns the one that it would take it from.
    pub(super) async fn acquire_from(&self, id: Uuid, seen: Option<&Receiver>) -> Result<UploadLock, Receiver> {
        loop {
            let is_seen = |turn: &Arc<Turn>| seen.is_some_and(|seen| seen.is_still(turn));
            match self.try_acquire(id, is_seen) {
                Attempt::Acquired(lock) => return Ok(lock),
                Attempt::Refused(turn) => {
                    return Err(Receiver { at: turn.receiving().at, turn: Arc::downgrade(&turn) });
                }
                Attempt::Busy(mut stages) => drop(stages.changed().await),
            }
        }
    }

    fn try_acquire(&self, id: Uuid, may_overtake: impl Fn(&Arc<Turn>) -> bool) -> Attempt {
        let mut turns = self.turns();
        if let Some(turn) = turns.get(&id) {
            let stages = turn.stage.subscribe();
            if may_overtake(turn) {
                if !turn.overtake() {
                    return Attempt::Busy(stages);
                }
            } else if turn.is_receiving() {
                return Attempt::Refused(Arc::clone(turn));
            } else {
                return Attempt::Busy(stages);
            }
        }
        let receiving = Mutex::new(Receiving { fence: None, at: timer::now() });
        let turn = Arc::new(Turn { stage: watch::Sender::new(Stage::Opening), receiving });
        turns.insert(id, Arc::clone(&turn));
        Attempt::Acquired(UploadLock { locks: self.clone(), id, turn })
    }
}

/// What comes of asking for the right to write an upload.
enum Attempt {
    Acquired(UploadLock),
    /// It would be taken from this one, which receives.
    Refused(Arc<Turn>),
    /// It is another one's, for as long as this does not change.
    Busy(watch::Receiver<Stage>),
}

/// A request that was receiving bytes of an upload.
pub struct Receiver {
    /// Its memory is kept as long as this, so that no other one is taken for it.
    turn: Weak<Turn>,
    at: Instant,
}

impl Receiver {
    fn is_still(&self, turn: &Arc<Turn>) -> bool {
        std::ptr::eq(self.turn.as_ptr(), Arc::as_ptr(turn)) && self.at == turn.receiving().at
    }

    /// Waits until it has got nothing for a while, or does not receive any more.
    #[boxed]
    pub async fn quiet(&mut self) {
        loop {
            let Some(turn) = self.turn.upgrade() else { return };
            let mut stages = turn.stage.subscribe();
            if !turn.is_receiving() {
                return;
            }
            self.at = turn.receiving().at;
            drop(turn);
            if timer::since(self.at) >= QUIET || timeout_at(self.at + QUIET, stages.changed()).await.is_ok() {
                return;
            }
        }
    }
}

/// Changes a stage if it is one of `from`; says whether it was.
fn replace(turn: &watch::Sender<Stage>, from: &[Stage], to: Stage) -> bool {
    turn.send_if_modified(|stage| {
        let is_so = from.contains(stage);
        if is_so {
            *stage = to;
        }
        is_so
    })
}

/// The right to write an upload, until it is dropped or another request comes.
pub(super) struct UploadLock {
    locks: UploadLocks,
    id: Uuid,
    turn: Arc<Turn>,
}

impl UploadLock {
    /// Refuses if another request has come.
    pub fn check(&self) -> Result<(), RegistryError> {
        if *self.turn.stage.borrow() == Stage::Overtaken { Err(RegistryError::UploadBusy) } else { Ok(()) }
    }

    /// From here on another one may come, which closes the fence: nothing that this one has begun to write gets past it then.
    pub fn begin_receiving(&self, fence: Option<Fence>) {
        *self.turn.receiving() = Receiving { fence, at: timer::now() };
        replace(&self.turn.stage, &[Stage::Opening], Stage::Receiving);
    }

    /// Notes that bytes have come.
    pub fn note_received(&self) {
        self.turn.receiving().at = timer::now();
    }

    /// From here on others wait; refuses if one has come.
    pub fn begin_storing(&self) -> Result<(), RegistryError> {
        replace(&self.turn.stage, &[Stage::Opening, Stage::Receiving], Stage::Storing);
        self.check()
    }

    /// Returns when another request has come.
    pub fn overtaken(&self) -> impl Future<Output = ()> + use<> {
        let mut stages = self.turn.stage.subscribe();
        async move {
            // An error is this one's own end, after which nobody asks.
            let _ = stages.wait_for(|stage| *stage == Stage::Overtaken).await;
        }
    }
}

impl Drop for UploadLock {
    fn drop(&mut self) {
        let mut turns = self.locks.turns();
        if turns.get(&self.id).is_some_and(|turn| Arc::ptr_eq(turn, &self.turn)) {
            turns.remove(&self.id);
        }
        drop(turns);
        self.turn.stage.send_replace(Stage::Ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn receiving(locks: &UploadLocks, id: Uuid, seen: Option<&Receiver>) -> UploadLock {
        let lock = locks.acquire_from(id, seen).await.ok().expect("nobody else receives");
        lock.begin_receiving(None);
        lock
    }

    async fn refused(locks: &UploadLocks, id: Uuid, seen: Option<&Receiver>) -> Receiver {
        match locks.acquire_from(id, seen).await {
            Ok(_) => panic!("it overtakes one that it has not seen"),
            Err(receiver) => receiver,
        }
    }

    #[tokio::test]
    async fn only_who_was_seen_is_overtaken() {
        let (locks, id) = (UploadLocks::default(), Uuid::new_v4());
        let first = receiving(&locks, id, None).await;
        let seen_first = refused(&locks, id, None).await;
        let second = receiving(&locks, id, Some(&seen_first)).await;
        assert!(first.check().is_err() && second.check().is_ok());
        first.overtaken().await;
        let seen_second = refused(&locks, id, Some(&seen_first)).await;
        drop((first, second));
        let third = receiving(&locks, id, None).await;
        refused(&locks, id, Some(&seen_second)).await;
        assert!(third.check().is_ok());
    }

    #[tokio::test]
    async fn one_that_gets_bytes_is_not_overtaken() {
        let (locks, id) = (UploadLocks::default(), Uuid::new_v4());
        let first = receiving(&locks, id, None).await;
        let mut seen = refused(&locks, id, None).await;
        let before = Instant::now();
        while Instant::now() == before {}
        first.note_received();
        refused(&locks, id, Some(&seen)).await;
        seen.quiet().await;
        assert!(seen.at.elapsed() >= QUIET);
        let second = receiving(&locks, id, Some(&seen)).await;
        assert!(first.check().is_err());
        let mut seen = refused(&locks, id, None).await;
        drop(second);
        // Its end is quiet enough.
        assert!(futures_util::poll!(Box::pin(seen.quiet())).is_ready());
    }

    #[tokio::test]
    async fn one_that_opens_or_stores_is_waited_for_by_all() {
        let (locks, id) = (UploadLocks::default(), Uuid::new_v4());
        let first = locks.acquire_free(id).expect("nobody is there");
        assert!(locks.acquire_free(id).is_none());
        let (mut next, mut unseen) = (Box::pin(locks.acquire(id)), Box::pin(locks.acquire_from(id, None)));
        assert!(futures_util::poll!(&mut next).is_pending() && futures_util::poll!(&mut unseen).is_pending());
        first.begin_receiving(None);
        assert!(unseen.await.is_err());
        first.begin_storing().expect("nobody has come");
        assert!(futures_util::poll!(&mut next).is_pending());
        drop(first);
        next.await.check().expect("nobody has come");
    }

    #[tokio::test]
    async fn who_is_overtaken_is_fenced_off_before_the_next_one_begins() {
        let (locks, id, fence) = (UploadLocks::default(), Uuid::new_v4(), Fence::default());
        let first = locks.acquire(id).await;
        first.begin_receiving(Some(fence.clone()));
        assert!(!fence.is_closed());
        let _second = locks.acquire(id).await;
        assert!(fence.is_closed());
    }
}
