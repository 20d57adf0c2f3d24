//! Reading the images that refer to an image, without more of their annotations in memory than one page can hold.

use oci::Digest;
use runtime::http::held_answer::AnswerShare;
use store::db::Tx;
use store::tables::images::{self, Referrer};

use super::errors::RegistryError;

/// A page ends at so many bytes: clients refuse an index over 4 MiB, and a page of the API is as long.
const MAX_PAGE_BYTES: usize = oci::MAX_MANIFEST_BYTES;
/// Rows that are read at once, if they are not longer together than `STEP_BYTES`. Each can have 4 MiB of annotations.
const STEP: usize = 8;
const STEP_BYTES: u64 = 256 * 1024;

/// A part of a list of referrers.
#[derive(Debug, Default)]
pub struct ReferrersPage {
    /// The referrers.
    pub referrers: Vec<Referrer>,
    /// Where the next page goes on; none after the last.
    pub next: Option<Digest>,
}

/// A referrer's length in an answer: annotations as JSON writes them, and under 1 KiB for the rest.
fn answer_bytes(referrer: &Referrer) -> usize {
    serde_json::to_vec(&referrer.annotations).map_or(0, |json| json.len()) + 1024
}

/// What is held of a row for a manifest of so many bytes: it is there twice while it becomes an answer.
fn held(manifest_bytes: u64) -> u64 {
    2 * manifest_bytes.min(oci::MAX_MANIFEST_BYTES as u64)
}

/// How many rows of these lengths are read at once: one at least.
fn step(lengths: &[u64]) -> usize {
    let mut bytes = 0;
    let fitting = lengths.iter().take_while(|length| {
        bytes += **length;
        bytes <= STEP_BYTES
    });
    fitting.count().max(1).min(lengths.len())
}

/// Up to `limit` referrers of `subject` for which `fits` holds, after the digest `after`. There is always one, if there is
/// any more, however long it is.
pub fn page(
    tx: &mut dyn Tx,
    repository_id: i64,
    subject: &Digest,
    after: &str,
    limit: usize,
    fits: impl Fn(&Referrer) -> bool,
    share: &mut AnswerShare,
) -> Result<ReferrersPage, RegistryError> {
    let mut page = ReferrersPage::default();
    let mut after = after.to_owned();
    let mut last_taken = None;
    let mut bytes = 0;
    loop {
        let lengths = images::referrer_lengths(tx, repository_id, subject, &after, STEP)?;
        let lengths: Vec<u64> = lengths.into_iter().map(held).collect();
        let step = step(&lengths);
        share.add(lengths[..step].iter().sum())?;
        let batch = images::referrers(tx, repository_id, subject, &after, step)?;
        let is_end = step == lengths.len() && step < STEP;
        for referrer in batch {
            after = referrer.digest.to_string();
            if !fits(&referrer) {
                share.subtract(held(referrer.manifest_bytes));
                continue;
            }
            bytes += answer_bytes(&referrer);
            if page.referrers.len() == limit || (bytes > MAX_PAGE_BYTES && !page.referrers.is_empty()) {
                page.next = last_taken;
                return Ok(page);
            }
            last_taken = Some(referrer.digest);
            page.referrers.push(referrer);
        }
        if is_end {
            return Ok(page);
        }
    }
}
