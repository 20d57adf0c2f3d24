//! Ballast: space on the disk of the embedded database that is kept back. Where the disk is full, SQLite cannot write its
//! log, not even to delete; then what makes room gets this space, and it is made again when there is room.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::FallocateFlags;
use store::db::Reserve;
use store::error::{StoreError, StoreErrorKind};

/// The name of the file in the data folder.
pub const FILE: &str = "ballast";
/// Of a small disk a part is kept back, whatever is configured.
const PART_OF_DISK: u64 = 16;
/// With less than this a disk counts as full.
const FULL_BYTES: u64 = 1024 * 1024;
const ZEROS: usize = 64 * 1024;

/// Whether the space is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is.
    Kept,
    /// There was never room for it.
    Absent,
    /// It was given to what makes room: whatever else wants to write must wait until it is back.
    Spent,
}

/// The ballast of a data folder.
pub struct Ballast {
    path: PathBuf,
    bytes: u64,
    state: Mutex<State>,
}

impl Ballast {
    /// That of a data folder, made if there is room for it, and spent if the disk is so full that the database may not
    /// open. None if none is wanted.
    pub fn open(data_dir: &Path, bytes: u64) -> Option<Self> {
        let path = data_dir.join(FILE);
        if bytes == 0 {
            let _ = std::fs::remove_file(&path);
            return None;
        }
        let total = rustix::fs::statvfs(data_dir).map_or(u64::MAX, |disk| disk.f_blocks.saturating_mul(disk.f_frsize));
        let ballast = Self { path, bytes: bytes.min(total / PART_OF_DISK), state: Mutex::new(State::Absent) };
        if ballast.is_there() {
            ballast.set(State::Kept);
            if ballast.release() {
                tracing::warn!("the disk of {} is full: what was kept back for the start is used", data_dir.display());
            }
        } else {
            ballast.refill();
        }
        Some(ballast)
    }

    /// Makes it again if it is not there and there is room for twice as much; whether it is there.
    pub fn refill(&self) -> bool {
        let mut state = self.lock();
        if *state == State::Kept {
            return true;
        }
        if self.available().is_none_or(|available| available < 2 * self.bytes) {
            return false;
        }
        match self.make() {
            Ok(()) => {
                if *state == State::Spent {
                    tracing::info!("there is room again on the disk of {}", self.path.display());
                }
                *state = State::Kept;
                true
            }
            Err(error) => {
                tracing::warn!("{} cannot be made, which keeps space back: {error}", self.path.display());
                let _ = std::fs::remove_file(&self.path);
                false
            }
        }
    }

    /// Refuses what fills the disk, as long as the space is spent that was kept back for what makes room.
    pub fn require_room(&self) -> Result<(), StoreError> {
        if !self.is_spent() {
            return Ok(());
        }
        let text = format!("the disk is full: less than {} bytes are free", 2 * self.bytes);
        Err(StoreError::new(StoreErrorKind::Full, text))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.lock() = state;
    }

    fn is_there(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|file| file.len() >= self.bytes)
    }

    /// What is free on the disk, for whoever is not root.
    fn available(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.path.parent()?).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn make(&self) -> std::io::Result<()> {
        use std::io::Write as _;
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        if rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.bytes).is_err() {
            // Not every file system can do it by itself.
            let zeros = vec![0; ZEROS];
            let mut left = self.bytes;
            while left > 0 {
                let length = left.min(ZEROS as u64);
                file.write_all(&zeros[..length as usize])?;
                left -= length;
            }
        }
        file.sync_all()
    }
}

impl Reserve for Ballast {
    fn release(&self) -> bool {
        let mut state = self.lock();
        if *state != State::Kept || self.available().is_some_and(|available| available >= FULL_BYTES) {
            return false;
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::error!("the space that is kept back cannot be freed: {}: {error}", self.path.display());
            return false;
        }
        *state = State::Spent;
        tracing::error!(
            "the disk of {} is full: the {} bytes that were kept back are given to what makes room, and pushes are refused \
             until they can be kept back again",
            self.path.display(),
            self.bytes
        );
        true
    }

    fn is_spent(&self) -> bool {
        let is_spent = *self.lock() == State::Spent;
        is_spent && !self.refill()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_kept_back_and_not_given_while_there_is_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let ballast = Ballast::open(folder.path(), 1024 * 1024).expect("wanted");
        assert_eq!(std::fs::metadata(folder.path().join(FILE)).expect("made").len(), ballast.bytes);
        assert!(!ballast.release(), "the disk is not full");
        ballast.require_room().expect("there is room");
        let again = Ballast::open(folder.path(), 1024 * 1024).expect("wanted");
        assert_eq!(*again.lock(), State::Kept);
        assert!(Ballast::open(folder.path(), 0).is_none());
        assert!(!folder.path().join(FILE).exists(), "none is wanted any more");
    }

    #[test]
    fn what_was_spent_is_made_again_before_anything_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let ballast = Ballast::open(folder.path(), 1024 * 1024).expect("wanted");
        std::fs::remove_file(folder.path().join(FILE)).expect("removed");
        ballast.set(State::Spent);
        ballast.require_room().expect("there is room again");
        assert!(ballast.is_there());
    }
}
