//! Ballast: space on the disk of the embedded database that is kept back. Where the disk is full, SQLite cannot write its
//! log, not even to delete; then what makes room gets this space, part by part, and it is made again when there is room.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::FallocateFlags;
use store::db::Reserve;
use store::error::{StoreError, StoreErrorKind};

use crate::full_disk::{self, FULL_BYTES};

/// The name of the file in the data folder.
pub const FILE: &str = "ballast";
/// Of a small disk a part is kept back, whatever is configured.
const PART_OF_DISK: u64 = 16;
/// It is given away in so many parts: what another program takes of one leaves the others for what makes room next. The last
/// one is for a start.
const PARTS: u64 = 8;
const MIN_PART_BYTES: u64 = 128 * 1024;
const ZEROS: usize = 64 * 1024;

/// Whether the space is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is.
    Kept,
    /// There was never room for all of it.
    Absent,
    /// It was given, or a part of it, to what makes room: whatever else wants to write must wait until it is back.
    Spent,
}

/// The ballast of a data folder.
pub struct Ballast {
    path: PathBuf,
    bytes: u64,
    /// Whether a command has it that does nothing but what it was asked for: that need not wait for room.
    is_for_command: bool,
    state: Mutex<State>,
}

impl Ballast {
    /// That of a data folder, made if there is room for it, and a part of it spent if the disk is so full that the database
    /// may not open. None if none is wanted.
    pub fn open(data_dir: &Path, bytes: u64) -> Option<Self> {
        let ballast = Self::of(data_dir, bytes)?;
        if ballast.release_down_to(0) {
            tracing::warn!("the disk of {} is full: what was kept back for the start is used", data_dir.display());
        } else {
            ballast.refill();
        }
        Some(ballast)
    }

    /// As [`open`](Self::open), for a command beside a server or in its place, which makes none. None if none is there.
    pub fn open_existing(data_dir: &Path, bytes: u64) -> Option<Self> {
        if !data_dir.join(FILE).exists() {
            return None;
        }
        let ballast = Self { is_for_command: true, ..Self::of(data_dir, bytes)? };
        ballast.release_down_to(0);
        Some(ballast)
    }

    fn of(data_dir: &Path, bytes: u64) -> Option<Self> {
        let path = data_dir.join(FILE);
        if bytes == 0 {
            let _ = std::fs::remove_file(&path);
            return None;
        }
        let total = rustix::fs::statvfs(data_dir).map_or(u64::MAX, |disk| disk.f_blocks.saturating_mul(disk.f_frsize));
        let bytes = bytes.min(total / PART_OF_DISK);
        let ballast = Self { path, bytes, is_for_command: false, state: Mutex::new(State::Absent) };
        if ballast.kept_bytes() >= ballast.bytes {
            *ballast.lock() = State::Kept;
        }
        Some(ballast)
    }

    /// Gives a part of it away if the disk is full and more than `least` bytes are left; whether it did.
    fn release_down_to(&self, least: u64) -> bool {
        let mut state = self.lock();
        let (kept_bytes, part_bytes) = (self.kept_bytes(), self.part_bytes());
        if kept_bytes <= least || self.free_bytes().is_some_and(|free| free >= part_bytes.min(FULL_BYTES)) {
            return false;
        }
        let left = kept_bytes.saturating_sub(part_bytes).max(least);
        if let Err(error) = self.shorten(left) {
            tracing::error!("the space that is kept back cannot be freed: {}: {error}", self.path.display());
            return false;
        }
        *state = State::Spent;
        tracing::error!(
            "the disk of {} is full: of {kept_bytes} bytes that are kept back {} are given to what makes room, and pushes \
             are refused until all can be kept back again",
            self.path.display(),
            kept_bytes - self.kept_bytes()
        );
        true
    }

    /// Makes all of it again if it is not there and there is room for twice as much; whether it is there. Where there is
    /// less, at least the part for the next start.
    pub fn refill(&self) -> bool {
        let mut state = self.lock();
        let kept_bytes = self.kept_bytes();
        if kept_bytes >= self.bytes {
            *state = State::Kept;
            return true;
        }
        let room = self.free_bytes().map_or(0, |free| free.saturating_add(kept_bytes));
        if room < 2 * self.bytes {
            if kept_bytes < self.part_bytes() && room >= 4 * self.part_bytes() && self.make(self.part_bytes()).is_err()
            {
                let _ = self.shorten(kept_bytes);
            }
            return false;
        }
        match self.make(self.bytes) {
            Ok(()) => {
                if *state == State::Spent {
                    tracing::info!("there is room again on the disk of {}", self.path.display());
                }
                *state = State::Kept;
                true
            }
            Err(error) => {
                tracing::warn!("{} cannot be made, which keeps space back: {error}", self.path.display());
                let _ = self.shorten(kept_bytes);
                false
            }
        }
    }

    /// Refuses what fills the disk, as long as space is spent that was kept back for what makes room.
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

    /// What is left of it. The file tells, as a command may have taken a part too.
    fn kept_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    fn part_bytes(&self) -> u64 {
        (self.bytes / PARTS).max(MIN_PART_BYTES).min(self.bytes / 2)
    }

    fn free_bytes(&self) -> Option<u64> {
        full_disk::free_bytes(self.path.parent()?)
    }

    /// Leaves so much of it.
    fn shorten(&self, bytes: u64) -> std::io::Result<()> {
        if bytes > 0 {
            let shortened =
                std::fs::OpenOptions::new().write(true).open(&self.path).and_then(|file| file.set_len(bytes));
            if shortened.is_ok() {
                return Ok(());
            }
            // A full file system may have no room to note that a file is shorter.
        }
        std::fs::remove_file(&self.path)
    }

    /// Makes the file so long.
    fn make(&self, bytes: u64) -> std::io::Result<()> {
        use std::io::Write as _;
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        if rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes).is_err() {
            // Not every file system can do it by itself.
            let zeros = vec![0; ZEROS];
            let mut left = bytes;
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
        self.release_down_to(self.part_bytes())
    }

    fn is_spent(&self) -> bool {
        let is_spent = !self.is_for_command && *self.lock() == State::Spent;
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
        *ballast.lock() = State::Spent;
        ballast.require_room().expect("there is room again");
        assert_eq!(ballast.kept_bytes(), ballast.bytes);
    }

    #[test]
    fn what_a_command_took_is_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let ballast = Ballast::open(folder.path(), 8 * FULL_BYTES).expect("wanted");
        ballast.shorten(3 * FULL_BYTES).expect("shortened");
        assert_eq!(ballast.kept_bytes(), 3 * FULL_BYTES);
        assert!(ballast.refill());
        assert_eq!(ballast.kept_bytes(), 8 * FULL_BYTES);
        ballast.shorten(0).expect("removed");
        assert!(Ballast::open_existing(folder.path(), 8 * FULL_BYTES).is_none());
        assert!(!folder.path().join(FILE).exists(), "a command makes none");
    }
}
