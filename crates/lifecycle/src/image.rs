//! An image as evaluation sees it, and how old it is.

use crate::{Count, StorageClass};

/// A day: "older than N days" is N times 24 hours (reference/lifecycle.md 3).
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a rule can look at. Images in other states than ACTIVE and ARCHIVED are not given.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// Identifies the image among those given.
    pub digest: &'a str,
    pub tags: Vec<&'a str>,
    /// When the digest was first pushed.
    pub pushed_at_ms: i64,
    /// The last pull that was recorded.
    pub last_pulled_at_ms: Option<i64>,
    /// When the image was last restored from the archive.
    pub last_activated_at_ms: Option<i64>,
    /// When the image was last archived.
    pub last_archived_at_ms: Option<i64>,
    pub storage_class: StorageClass,
    /// Digests of the lists in the repository that name the image.
    pub parents: Vec<&'a str>,
    /// The subject, if it is a referrer whose subject is in the repository.
    pub subject: Option<&'a str>,
}

impl Image<'_> {
    /// When the image counts as pushed: its restore, if there ever was one (reference/lifecycle.md 3, step 2).
    pub fn effective_pushed_at_ms(&self) -> i64 {
        self.last_activated_at_ms.unwrap_or(self.pushed_at_ms)
    }

    /// When the image counts as pulled: a restore since the last pull, or the push of one never pulled, stand in for it
    /// (reference/lifecycle.md 3, step 2).
    fn effective_pulled_at_ms(&self) -> i64 {
        self.last_pulled_at_ms.max(self.last_activated_at_ms).unwrap_or(self.pushed_at_ms)
    }

    /// Whether a rule marks the image, the `rank`-th youngest (from 1) of those that it matches.
    pub(crate) fn is_marked(&self, count: Count, rank: i64, now_ms: i64) -> bool {
        match count {
            Count::MoreThan { keep } => rank > keep,
            Count::SincePushed { days } => is_older(self.effective_pushed_at_ms(), days, now_ms),
            Count::SincePulled { days } => is_older(self.effective_pulled_at_ms(), days, now_ms),
            Count::SinceTransitioned { days } => {
                self.last_archived_at_ms.is_some_and(|archived_at_ms| is_older(archived_at_ms, days, now_ms))
            }
        }
    }
}

fn is_older(time_ms: i64, days: i64, now_ms: i64) -> bool {
    now_ms.saturating_sub(time_ms) > days.saturating_mul(DAY_MS)
}
