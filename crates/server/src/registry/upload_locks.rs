//! Who writes an upload on this node: the request that came last.
//!
//! A client whose connection broke comes again before the server has noticed. So a request that still receives bytes is
//! overtaken: it ends, and nothing of it is stored. One that has all its bytes is waited for, and the next one goes on
//! where it ended.
//!
//! A server under load may come to the broken request after the one that the client sent instead. So whoever waits for a
//! client has to see that this client is still there before it overtakes another one, and of each one that it overtakes:
//! then the other one was there before the client was seen, and so before whatever else the client sends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use uuid::Uuid;

use super::errors::RegistryError;

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
}

type Turn = Arc<watch::Sender<Stage>>;
type Turns = HashMap<Uuid, Turn>;

/// The uploads that requests of this node are writing.
#[derive(Clone, Default)]
pub struct UploadLocks(Arc<Mutex<Turns>>);

impl UploadLocks {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// is `seen`; else returns the one that it would take it from.
    pub(super) async fn acquire_from(&self, id: Uuid, seen: Option<&Receiver>) -> Result<UploadLock, Receiver> {
        loop {
            let is_seen = |turn: &Turn| seen.is_some_and(|seen| seen.is(turn));
            match self.try_acquire(id, is_seen) {
                Attempt::Acquired(lock) => return Ok(lock),
                Attempt::Refused(turn) => return Err(Receiver(Arc::downgrade(&turn))),
                Attempt::Busy(mut stages) => drop(stages.changed().await),
            }
        }
    }

    /// The right to write an upload that no request of this node is writing.
    pub(super) fn acquire_idle(&self, id: Uuid) -> Option<UploadLock> {
        match self.try_acquire(id, |_| false) {
            Attempt::Acquired(lock) => Some(lock),
            Attempt::Refused(_) | Attempt::Busy(_) => None,
        }
    }

    fn try_acquire(&self, id: Uuid, may_overtake: impl Fn(&Turn) -> bool) -> Attempt {
        let mut turns = self.turns();
        if let Some(turn) = turns.get(&id) {
            let stages = turn.subscribe();
            if may_overtake(turn) {
                if !replace(turn, &[Stage::Receiving], Stage::Overtaken) {
                    return Attempt::Busy(stages);
                }
            } else if *turn.borrow() == Stage::Receiving {
                return Attempt::Refused(Arc::clone(turn));
            } else {
                return Attempt::Busy(stages);
            }
        }
        let turn = Arc::new(watch::Sender::new(Stage::Opening));
        turns.insert(id, Arc::clone(&turn));
        Attempt::Acquired(UploadLock { locks: self.clone(), id, turn })
    }
}

/// What comes of asking for the right to write an upload.
enum Attempt {
    Acquired(UploadLock),
    /// It would be taken from this one, which receives.
    Refused(Turn),
    /// It is another one's, for as long as this does not change.
    Busy(watch::Receiver<Stage>),
}

/// A request that was receiving bytes of an upload.
pub struct Receiver(Weak<watch::Sender<Stage>>);

impl Receiver {
    fn is(&self, turn: &Turn) -> bool {
        // The memory of a request that has ended is kept as long as this, so that no other one is taken for it.
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(turn))
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
    turn: Turn,
}

impl UploadLock {
    /// Refuses if another request has come.
    pub fn check(&self) -> Result<(), RegistryError> {
        if *self.turn.borrow() == Stage::Overtaken { Err(RegistryError::UploadBusy) } else { Ok(()) }
    }

    /// From here on another one may come.
    pub fn begin_receiving(&self) {
        replace(&self.turn, &[Stage::Opening], Stage::Receiving);
    }

    /// From here on others wait; refuses if one has come.
    pub fn begin_storing(&self) -> Result<(), RegistryError> {
        replace(&self.turn, &[Stage::Opening, Stage::Receiving], Stage::Storing);
        self.check()
    }

    /// Returns when another request has come.
    pub async fn overtaken(&self) {
        // The sender is held here, so that nothing else ends this.
        let _ = self.turn.subscribe().wait_for(|stage| *stage == Stage::Overtaken).await;
    }
}

impl Drop for UploadLock {
    fn drop(&mut self) {
        let mut turns = self.locks.turns();
        if turns.get(&self.id).is_some_and(|turn| Arc::ptr_eq(turn, &self.turn)) {
            turns.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn receiving(locks: &UploadLocks, id: Uuid, seen: Option<&Receiver>) -> UploadLock {
        let lock = locks.acquire_from(id, seen).await.ok().expect("nobody else receives");
        lock.begin_receiving();
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
    async fn one_that_opens_or_stores_is_waited_for_by_all() {
        let (locks, id) = (UploadLocks::default(), Uuid::new_v4());
        let first = locks.acquire_from(id, None).await.ok().expect("nobody is there");
        let (mut next, mut unseen) = (Box::pin(locks.acquire(id)), Box::pin(locks.acquire_from(id, None)));
        assert!(futures_util::poll!(&mut next).is_pending() && futures_util::poll!(&mut unseen).is_pending());
        first.begin_receiving();
        assert!(unseen.await.is_err());
        first.begin_storing().expect("nobody has come");
        assert!(futures_util::poll!(&mut next).is_pending());
        drop(first);
        next.await.check().expect("nobody has come");
    }
}
