//! Retiring root keys: when one may go, and that it goes.

use runtime::boxed;
use store::db::Tx;
use store::error::StoreError;
use store::tables::iam::robot_tokens;
use store::tables::key_version;
use store::tables::root_keys::{self, StoredRootKey};

use crate::Access;

/// So long after another has taken over, nothing that a root key sealed for clients is valid any more: registry tokens
/// and sessions of roles live for 12 hours, those of users for 36.
pub const RETIRE_AFTER_MS: i64 = 48 * 60 * 60 * 1000;
/// How far the clocks of nodes may differ.
const CLOCKS_MS: i64 = 10 * 60 * 1000;

/// Why a root key stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotRetired {
    /// There is none of that number.
    NotFound,
    /// It is the newest.
    InUse,
    /// What it sealed was not all sealed anew, or that was not looked for late enough. Gives the earliest time.
    TooEarly(i64),
    /// So many robot tokens hold what it sealed.
    RobotTokens(i64),
}

/// Whether a root key of a database may go.
pub fn may_retire(
    tx: &mut dyn Tx,
    stored: &[StoredRootKey],
    number: u32,
    now_ms: i64,
) -> Result<Result<(), NotRetired>, StoreError> {
    let Some(key) = stored.iter().find(|key| key.number == number) else { return Ok(Err(NotRetired::NotFound)) };
    let Some(successor) = stored.iter().find(|key| key.number > number) else { return Ok(Err(NotRetired::InUse)) };
    let from_ms = successor.active_from_ms + RETIRE_AFTER_MS;
    if key.unused_since_ms.is_none_or(|since_ms| since_ms < from_ms) || now_ms < from_ms {
        return Ok(Err(NotRetired::TooEarly(from_ms)));
    }
    Ok(match robot_tokens::count_made_before(tx, successor.active_from_ms + CLOCKS_MS, now_ms)? {
        0 => Ok(()),
        tokens => Err(NotRetired::RobotTokens(tokens)),
    })
}

/// Removes a root key for good, if it may go.
#[boxed]
pub async fn retire(app: &Access, number: u32) -> Result<Result<(), NotRetired>, StoreError> {
    let now_ms = app.now_ms();
    let retired = app.db.write(move |tx| {
        let stored = root_keys::list(tx)?;
        let answer = may_retire(tx, &stored, number, now_ms)?;
        if answer.is_ok() {
            root_keys::delete(tx, number)?;
            key_version::increment(tx)?;
        }
        Ok::<_, StoreError>(answer)
    });
    let answer = retired.await?;
    app.publish_changes().await?;
    Ok(answer)
}
