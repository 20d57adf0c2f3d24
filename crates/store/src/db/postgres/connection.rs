//! One PostgreSQL connection: how it is set up, its prepared statements, and a transaction on it.

use std::collections::HashMap;
use std::time::Duration;

use postgres::config::Host;
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Config, NoTls, Statement};

use super::Access;
use super::failure::Failure;
use super::value::values_of;
use crate::db::dialect::Dialect;
use crate::db::migrate::{Migration, MigrationLog, MigrationTx, apply_next};
use crate::db::row::{ColumnNames, Row};
use crate::db::transaction::{Tx, already_failed, check_parameters, check_texts};
use crate::db::value::Value;
use crate::error::{StoreError, StoreErrorKind};

/// At the start a connection is tried again so often, with so long a pause: half a minute in all.
const START_ATTEMPTS: u32 = 30;
const START_PAUSE: Duration = Duration::from_secs(1);

const DEFAULT_PORT: u16 = 5432;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long sent bytes may stay unacknowledged before the connection counts as lost.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Prepared statements kept per connection; more than the number of statements in `tables`.
const STATEMENT_CACHE: usize = 512;

/// Who migrates holds this advisory lock of the database: "wharf" in ASCII.
const MIGRATION_LOCK: i64 = 0x77_68_61_72_66;

/// A statement may take 30 seconds, a silent transaction ten: it is of a node that was stopped in the middle of it, and
/// holds locks that others wait for. A server set
/// to acknowledge before it has written would break Wharf's promise that what is acknowledged is durable.
const SESSION: &str = "SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '10s'; \
    SET client_min_messages = 'warning'; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Reads a connection URL and fills in what it leaves out.
pub(super) fn configure(url: &str) -> Result<Config, StoreError> {
    let mut config: Config = url.parse().map_err(|error: postgres::Error| {
        StoreError::new(StoreErrorKind::Other, "read the PostgreSQL connection URL").with_source(error)
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("wharf");
    }
    Ok(config)
}

/// The hosts and ports of the servers, for messages.
fn servers(config: &Config) -> String {
    let ports = config.get_ports();
    let mut names = Vec::new();
    for (number, host) in config.get_hosts().iter().enumerate() {
        let host = match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        let port = ports.get(number).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        names.push(format!("{host}:{port}"));
    }
    names.join(", ")
}

/// A connection with the statements that it has prepared.
pub(super) struct Connection {
    client: Client,
    statements: HashMap<String, Prepared>,
    has_locks: bool,
}

#[derive(Clone)]
struct Prepared {
    statement: Statement,
    names: ColumnNames,
}

impl Connection {
    /// As [`open`](Self::open), but waits for a server that is not there yet: both may start at the same time.
    pub(super) fn open_patiently(config: &Config) -> Result<Self, StoreError> {
        let mut attempts_left = START_ATTEMPTS;
        loop {
            let error = match Self::open(config) {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<postgres::Error>());
            // A server that answers and refuses will not change its mind, unless it is only starting.
            let may_come =
                cause.is_some_and(|cause| cause.code().is_none_or(|code| *code == SqlState::CANNOT_CONNECT_NOW));
            if !may_come || attempts_left == 0 {
                return Err(error);
            }
            if attempts_left == START_ATTEMPTS {
                let cause = cause.map(ToString::to_string).unwrap_or_default();
                tracing::warn!("could not {error} ({cause}): trying again for {START_ATTEMPTS} s");
            }
            attempts_left -= 1;
            std::thread::sleep(START_PAUSE);
        }
    }

    pub(super) fn open(config: &Config) -> Result<Self, StoreError> {
        let connect = || {
            let mut client = config.connect(NoTls)?;
            client.batch_execute(SESSION)?;
            Ok(client)
        };
        let client = connect().map_err(|error: postgres::Error| {
            let context = format!("connect to PostgreSQL at {}", servers(config));
            StoreError::new(StoreErrorKind::Unavailable, context).with_source(error)
        })?;
        Ok(Self { client, statements: HashMap::new(), has_locks: false })
    }

    /// Applies what is missing of `migrations`, while nobody else does.
    pub(super) fn migrate(&mut self, migrations: &[Migration]) -> Result<(), StoreError> {
        let lock = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; \
             SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
        );
        let mut log = MigrationLog::default();
        loop {
            self.run(&lock).map_err(|failure| failure.error)?;
            let applied = apply_next(&mut PostgresTx::new(self), migrations, &mut log)?;
            self.run("COMMIT").map_err(|failure| failure.error)?;
            if !applied {
                return Ok(());
            }
        }
    }

    pub(super) fn begin(&mut self, access: Access) -> Result<(), Failure> {
        self.run(match access {
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write => "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE",
        })
    }

    /// Waits for an advisory lock, and keeps it from before a transaction's beginning, so that the transaction sees what
    /// the one before has done, until [`unlock`](Self::unlock) or a [`commit`](Self::commit). Who waits for too long goes
    /// on without: locks spare collisions, and correctness does not rest on them.
    pub(super) fn lock(&mut self, lock: i64) -> Result<(), Failure> {
        let wait = format!("BEGIN; SET LOCAL lock_timeout = '10s'; SELECT pg_advisory_lock({lock}); COMMIT");
        match self.run(&wait) {
            Ok(()) => self.has_locks = true,
            Err(failure) if failure.is_connection_usable => self.roll_back()?,
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Gives up all locks.
    pub(super) fn unlock(&mut self) -> Result<(), Failure> {
        if self.has_locks {
            self.run("SELECT pg_advisory_unlock_all()")?;
            self.has_locks = false;
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<(), Failure> {
        if !self.has_locks {
            return self.run("COMMIT");
        }
        // In one message. If the commit fails, the rest is not run, and another attempt still has the locks.
        self.run("COMMIT; SELECT pg_advisory_unlock_all()")?;
        self.has_locks = false;
        Ok(())
    }

    pub(super) fn roll_back(&mut self) -> Result<(), Failure> {
        self.run("ROLLBACK")
    }

    fn run(&mut self, sql: &str) -> Result<(), Failure> {
        self.client.batch_execute(sql).map_err(|error| Failure::new(format!("run {sql}"), error))
    }

    fn prepare(&mut self, sql: &str) -> Result<Prepared, postgres::Error> {
        if let Some(prepared) = self.statements.get(sql) {
            return Ok(prepared.clone());
        }
        let statement = self.client.prepare(sql)?;
        let names = ColumnNames::new(statement.columns().iter().map(postgres::Column::name));
        let prepared = Prepared { statement, names };
        if self.statements.len() >= STATEMENT_CACHE {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }
}

/// Statements on a connection that is inside a transaction.
pub(super) struct PostgresTx<'c> {
    connection: &'c mut Connection,
    failure: Option<Failure>,
}

impl<'c> PostgresTx<'c> {
    pub(super) fn new(connection: &'c mut Connection) -> Self {
        Self { connection, failure: None }
    }

    /// The first failure of a statement, which the closure's own error hides.
    pub(super) fn into_failure(self) -> Option<Failure> {
        self.failure
    }

    fn statement<T>(
        &mut self,
        sql: &str,
        params: &[Value],
        work: impl FnOnce(&mut Client, &Statement, &[&(dyn ToSql + Sync)]) -> Result<T, postgres::Error>,
    ) -> Result<(T, ColumnNames), StoreError> {
        debug_assert_eq!(check_parameters(sql, params.len()), Ok(()));
        if self.failure.is_some() {
            return Err(already_failed());
        }
        check_texts(sql, params).map_err(|error| self.note(Failure::in_result(error)))?;
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|value| value as _).collect();
        let result = self.connection.prepare(sql).and_then(|prepared| {
            let done = work(&mut self.connection.client, &prepared.statement, &params)?;
            Ok((done, prepared.names))
        });
        result.map_err(|error| self.note(Failure::new(format!("run {sql}"), error)))
    }

    /// Remembers a failure and makes the error that the closure sees.
    fn note(&mut self, failure: Failure) -> StoreError {
        let error = failure.error.repeated();
        self.failure = Some(failure);
        error
    }
}

impl Tx for PostgresTx<'_> {
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, StoreError> {
        let (changed, _) =
            self.statement(sql, params, |client, statement, params| client.execute(statement, params))?;
        Ok(changed)
    }

    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let (rows, names) = self.statement(sql, params, |client, statement, params| client.query(statement, params))?;
        let read = |row| Ok(Row::new(values_of(row, &names)?, names.clone()));
        let result: Result<_, StoreError> = rows.iter().map(read).collect();
        result.map_err(|error| self.note(Failure::in_result(error)))
    }

    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }
}

impl MigrationTx for PostgresTx<'_> {
    fn run_script(&mut self, sql: &str) -> Result<(), StoreError> {
        let done = self.connection.client.batch_execute(sql);
        done.map_err(|error| self.note(Failure::new("run a migration's script".to_owned(), error)))
    }
}
