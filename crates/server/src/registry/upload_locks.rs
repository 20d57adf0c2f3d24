//! Who writes an upload on this node: the request that came last.
//!
//! A client whose connection broke comes again before the server has noticed. So a request that still receives bytes is
//! overtaken: it ends, and nothing of it is stored. One that has all its bytes is waited for, and the next one goes on
//! where it ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use super::errors::RegistryError;

/// How far the request is that writes an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for its client.
    Receiving,
    /// It has all that it stores.
    Storing,
    /// Another one has come.
    Overtaken,
}

type Turns = HashMap<Uuid, Arc<watch::Sender<Stage>>>;

/// The uploads that requests of this node are writing.
#[derive(Clone, Default)]
pub struct UploadLocks(Arc<Mutex<Turns>>);

impl UploadLocks {
    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request writes the upload that waits for its client, so that another one would overtake it.
    pub(super) fn is_receiving(&self, id: Uuid) -> bool {
        self.turns().get(&id).is_some_and(|turn| *turn.borrow() == Stage::Receiving)
    }

    /// Gives a request the right to write an upload, and takes it from the one that has it.
    pub(super) async fn acquire(&self, id: Uuid, stage: Stage) -> UploadLock {
        loop {
            let mut storing = {
                let mut turns = self.turns();
                match turns.get(&id) {
                    Some(turn) if !replace(turn, Stage::Receiving, Stage::Overtaken) => turn.subscribe(),
                    _ => {
                        let turn = Arc::new(watch::Sender::new(stage));
                        turns.insert(id, Arc::clone(&turn));
                        return UploadLock { locks: self.clone(), id, overtaken: turn.subscribe(), turn };
                    }
                }
            };
            // Only its end ends this.
            let _ = storing.wait_for(|_| false).await;
        }
    }
}

/// Changes a stage if it is `from`; says whether it was.
fn replace(turn: &watch::Sender<Stage>, from: Stage, to: Stage) -> bool {
    turn.send_if_modified(|stage| {
        let is_so = *stage == from;
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
    turn: Arc<watch::Sender<Stage>>,
    overtaken: watch::Receiver<Stage>,
}

impl UploadLock {
    /// Refuses if another request has come.
    pub fn check(&self) -> Result<(), RegistryError> {
        if *self.turn.borrow() == Stage::Overtaken { Err(RegistryError::UploadBusy) } else { Ok(()) }
    }

    /// From here on others wait; refuses if one has come.
    pub fn begin_storing(&self) -> Result<(), RegistryError> {
        replace(&self.turn, Stage::Receiving, Stage::Storing);
        self.check()
    }

    /// Returns when another request has come.
    pub async fn overtaken(&mut self) {
        // The sender is held here, so that nothing else ends this.
        let _ = self.overtaken.wait_for(|stage| *stage == Stage::Overtaken).await;
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
