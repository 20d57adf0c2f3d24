//! Every difference between the two databases' SQL that callers may need.

/// Which database runs the statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Embedded, one process.
    Sqlite,
    /// A server shared by many nodes.
    Postgres,
}

impl Dialect {
    /// The end of a `SELECT` that is about to change its rows: keeps others out of them, and passes over those that others
    /// hold, so that workers share out a queue. SQLite needs nothing, it has one writer at a time.
    pub const fn lock_free_rows(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Asks for the clock of the database server as it stands when the statement runs.
    pub(super) const fn server_time_ms(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"),
        }
    }

    /// An expression for the database's own clock in epoch milliseconds, constant within a transaction.
    /// For book-keeping of the engine only: rules take their time as a parameter.
    pub(super) const fn now_ms(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::Postgres => "CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)",
        }
    }
}
