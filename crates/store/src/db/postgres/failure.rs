//! What a failure of the PostgreSQL client or server means for the transaction and for the caller.

use std::error::Error as _;

use postgres::error::SqlState;

use crate::error::{StoreError, StoreErrorKind};

/// What to do about a failed transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Another transaction interfered: run it again, as often as is reasonable.
    RunAgain,
    /// Run it again once: a constraint may have been broken by a transaction that this one could not see.
    RunAgainOnce,
    /// The connection is gone, or its prepared statements are: run it again once on another.
    Reconnect,
    /// Nothing.
    None,
}

/// A failure and what to do about it.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) remedy: Remedy,
    /// Whether the connection can go on after a rollback.
    pub(super) is_connection_usable: bool,
    pub(super) error: StoreError,
}

impl Failure {
    pub(super) fn new(context: String, error: postgres::Error) -> Self {
        let (remedy, kind) = match error.code() {
            Some(state) => judge(state.code()),
            None if is_lost(&error) => (Remedy::Reconnect, StoreErrorKind::Unavailable),
            None => (Remedy::None, StoreErrorKind::Other),
        };
        // After a failure on this side, the two ends may not agree on where they are.
        let is_connection_usable = error.code().is_some() && remedy != Remedy::Reconnect;
        let failed = StoreError::new(kind, context);
        let error = match error.as_db_error() {
            // Neither `postgres::Error` nor its cause shows the code.
            Some(said) => {
                failed.with_source(format!("{}: {} ({})", said.severity(), said.message(), said.code().code()))
            }
            None => failed.with_source(error),
        };
        Self { remedy, is_connection_usable, error }
    }

    /// A result that cannot be used.
    pub(super) fn in_result(error: StoreError) -> Self {
        Self { remedy: Remedy::None, is_connection_usable: true, error }
    }
}

fn is_lost(error: &postgres::Error) -> bool {
    error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// Sorts the codes of PostgreSQL's appendix A.
fn judge(code: &str) -> (Remedy, StoreErrorKind) {
    let class = code.get(..2).unwrap_or_default();
    if code == SqlState::T_R_SERIALIZATION_FAILURE.code() || code == SqlState::T_R_DEADLOCK_DETECTED.code() {
        (Remedy::RunAgain, StoreErrorKind::Busy)
    } else if code == SqlState::DISK_FULL.code() {
        (Remedy::None, StoreErrorKind::Full)
    } else if code == SqlState::QUERY_CANCELED.code() || code == SqlState::LOCK_NOT_AVAILABLE.code() {
        // A cancelled statement is one that ran into `statement_timeout`.
        (Remedy::None, StoreErrorKind::Busy)
    } else if code == SqlState::ADMIN_SHUTDOWN.code()
        || code == SqlState::CRASH_SHUTDOWN.code()
        || code == SqlState::CANNOT_CONNECT_NOW.code()
        || code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT.code()
        || class == "08"
    {
        (Remedy::Reconnect, StoreErrorKind::Unavailable)
    } else if code == SqlState::FEATURE_NOT_SUPPORTED.code() || code == SqlState::INVALID_SQL_STATEMENT_NAME.code() {
        // "Cached plan must not change result type" after another node migrated, and a statement that a connection
        // pooler in between has dropped.
        (Remedy::Reconnect, StoreErrorKind::Other)
    } else if class == "23" {
        // PostgreSQL's manual, 13.5: concurrent serializable transactions can break a constraint even where each
        // has checked before; on a second run the check sees what the other one did.
        (Remedy::RunAgainOnce, StoreErrorKind::Conflict)
    } else if class == "53" || class == "58" || code == SqlState::READ_ONLY_SQL_TRANSACTION.code() {
        // Out of memory, of connections, or an I/O error of the server; or it is a standby, which takes no writes.
        (Remedy::None, StoreErrorKind::Unavailable)
    } else if class == "XX" {
        (Remedy::None, StoreErrorKind::Corrupt)
    } else {
        (Remedy::None, StoreErrorKind::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted() {
        let cases = [
            ("serialization failure", "40001", Remedy::RunAgain, StoreErrorKind::Busy),
            ("deadlock", "40P01", Remedy::RunAgain, StoreErrorKind::Busy),
            ("unique violation", "23505", Remedy::RunAgainOnce, StoreErrorKind::Conflict),
            ("foreign key violation", "23503", Remedy::RunAgainOnce, StoreErrorKind::Conflict),
            ("disk full", "53100", Remedy::None, StoreErrorKind::Full),
            ("too many connections", "53300", Remedy::None, StoreErrorKind::Unavailable),
            ("statement timeout", "57014", Remedy::None, StoreErrorKind::Busy),
            ("lock timeout", "55P03", Remedy::None, StoreErrorKind::Busy),
            ("shutdown", "57P01", Remedy::Reconnect, StoreErrorKind::Unavailable),
            ("starting up", "57P03", Remedy::Reconnect, StoreErrorKind::Unavailable),
            ("connection exception", "08006", Remedy::Reconnect, StoreErrorKind::Unavailable),
            ("stale plan", "0A000", Remedy::Reconnect, StoreErrorKind::Other),
            ("dropped statement", "26000", Remedy::Reconnect, StoreErrorKind::Other),
            ("server I/O", "58030", Remedy::None, StoreErrorKind::Unavailable),
            ("damaged index", "XX002", Remedy::None, StoreErrorKind::Corrupt),
            ("syntax error", "42601", Remedy::None, StoreErrorKind::Other),
            ("read-only transaction", "25006", Remedy::None, StoreErrorKind::Unavailable),
            ("no code", "", Remedy::None, StoreErrorKind::Other),
        ];
        for (name, code, remedy, kind) in cases {
            assert_eq!(judge(code), (remedy, kind), "{name}");
        }
    }
}
