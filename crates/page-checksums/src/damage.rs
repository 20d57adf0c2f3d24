//! What was noticed of a database's pages while they were read: shared by all connections of this process to its file.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Pages that are remembered: enough to see what is going on, and a bound where a whole file is damaged.
const REMEMBERED: usize = 1_000;

/// Pages whose checksum did not fit.
#[derive(Debug, Default)]
pub struct PageDamage {
    pages: Mutex<Pages>,
    /// Whether `pages` has any, and any that nobody was told of: looked at with every page, without the lock.
    is_any: AtomicBool,
    is_any_new: AtomicBool,
    noticed: AtomicU64,
}

#[derive(Debug, Default)]
struct Pages {
    /// By number, whether it was written since.
    noticed: BTreeMap<u32, bool>,
    new: Vec<u32>,
}

impl PageDamage {
    /// The one of a file, by its full path as SQLite has it.
    pub(crate) fn of(path: &[u8]) -> Arc<Self> {
        static FILES: Mutex<BTreeMap<Vec<u8>, Weak<PageDamage>>> = Mutex::new(BTreeMap::new());
        let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = files.get(path).and_then(Weak::upgrade) {
            return known;
        }
        files.retain(|_, damage| damage.strong_count() > 0);
        let damage = Arc::new(Self::default());
        files.insert(path.to_vec(), Arc::downgrade(&damage));
        damage
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page was read that is not what was written.
    pub(crate) fn notice(&self, number: u32) {
        let mut pages = self.pages();
        match pages.noticed.get(&number) {
            Some(false) => return,
            None if pages.noticed.len() >= REMEMBERED => return,
            Some(true) | None => {}
        }
        pages.noticed.insert(number, false);
        pages.new.push(number);
        self.noticed.fetch_add(1, Ordering::Relaxed);
        self.is_any.store(true, Ordering::Release);
        self.is_any_new.store(true, Ordering::Release);
    }

    /// A page was written.
    pub(crate) fn written(&self, number: u32) {
        if self.is_any.load(Ordering::Acquire)
            && let Some(is_written) = self.pages().noticed.get_mut(&number)
        {
            *is_written = true;
        }
    }

    /// How often a page was noticed, since this process has the file open.
    pub fn noticed(&self) -> u64 {
        self.noticed.load(Ordering::Relaxed)
    }

    /// The pages that were noticed since the last call.
    pub fn take_new(&self) -> Vec<u32> {
        if !self.is_any_new.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut pages = self.pages();
        self.is_any_new.store(false, Ordering::Release);
        std::mem::take(&mut pages.new)
    }

    /// The pages that were noticed and have been written since: they fit, and what was wrong in them passes for right.
    pub fn written_since(&self) -> Vec<u32> {
        self.pages().noticed.iter().filter(|(_, is_written)| **is_written).map(|(number, _)| *number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_of_once_until_it_is_written() {
        let damage = PageDamage::default();
        damage.notice(7);
        damage.notice(7);
        assert_eq!(damage.take_new(), [7]);
        assert!(damage.take_new().is_empty());
        damage.written(7);
        damage.written(8);
        assert_eq!(damage.written_since(), [7]);
        damage.notice(7);
        assert_eq!((damage.take_new(), damage.written_since(), damage.noticed()), (vec![7], vec![], 2));
    }

    #[test]
    fn only_so_many_are_remembered() {
        let damage = PageDamage::default();
        for number in 1..=5_000 {
            damage.notice(number);
        }
        assert_eq!(damage.noticed(), REMEMBERED as u64);
        assert_eq!(damage.take_new().len(), REMEMBERED);
    }

    #[test]
    fn a_file_has_one() {
        let first = PageDamage::of(b"/one");
        first.notice(1);
        assert_eq!(PageDamage::of(b"/one").noticed(), 1);
        assert_eq!(PageDamage::of(b"/two").noticed(), 0);
        drop(first);
        assert_eq!(PageDamage::of(b"/one").noticed(), 0, "nobody has it open any more");
    }
}
