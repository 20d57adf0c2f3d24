//! The transaction as callers see it, and a caller's closure as the engines run it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::dialect::Dialect;
use super::row::Row;
use super::value::Value;
use crate::error::{StoreError, StoreErrorKind};

/// A transaction in progress.
///
/// Statements are the same text on both databases. Parameters are `$1` to `$n`; their first uses must ascend, because
/// SQLite numbers them so. A statement that fails ends the transaction, as PostgreSQL does: every later statement fails
/// too and nothing is kept, even if the closure returns `Ok`. Ask (`ON CONFLICT ... DO NOTHING`, a query) rather than
/// try.
pub trait Tx {
    /// Runs a statement that returns no rows and says how many rows it inserted, changed or deleted.
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64, StoreError>;

    /// Runs a statement that returns rows. All are held in memory, so give it a `LIMIT` where the table may be large.
    fn query(&mut self, sql: &str, params: &[Value]) -> Result<Vec<Row>, StoreError>;

    /// Runs a statement that returns at most one row; more than one is an error.
    fn query_opt(&mut self, sql: &str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        let mut rows = self.query(sql, params)?;
        if rows.len() > 1 {
            let count = rows.len();
            return Err(StoreError::new(
                StoreErrorKind::Other,
                format!("at most one row was expected and {count} came from: {sql}"),
            ));
        }
        Ok(rows.pop())
    }

    /// Which database this is, for the few statements that must differ (see [`Dialect`]).
    fn dialect(&self) -> Dialect;
}

/// Checks that `sql` uses `$1` to `$count` and that their first uses ascend: SQLite takes `$3` for a name and numbers
/// names in the order of first use, so a descending statement would silently mix its parameters up.
pub fn check_parameters(sql: &str, count: usize) -> Result<(), String> {
    let mut highest = 0;
    // Every second piece lies between single quotes; a doubled quote inside yields an empty piece and changes nothing.
    for outside in sql.split('\'').step_by(2) {
        for after_dollar in outside.split('$').skip(1) {
            let digits = after_dollar.bytes().take_while(u8::is_ascii_digit).count();
            match after_dollar[..digits].parse::<usize>() {
                Ok(number) if (1..=highest).contains(&number) => {}
                Ok(number) if number == highest + 1 => highest = number,
                Ok(number) => {
                    return Err(format!("${number} is used where ${} is due in: {sql}", highest + 1));
                }
                Err(_) => return Err(format!("a $ without a number in: {sql}")),
            }
        }
    }
    if highest == count { Ok(()) } else { Err(format!("{count} parameters are given for {highest} in: {sql}")) }
}

/// Refuses texts that PostgreSQL cannot hold, on both databases: SQLite would keep them until somebody migrates.
pub(super) fn check_texts(sql: &str, params: &[Value]) -> Result<(), StoreError> {
    for (at, value) in params.iter().enumerate() {
        if let Value::Text(text) = value
            && text.contains('\0')
        {
            let context = format!("parameter {} holds a NUL character, in: {sql}", at + 1);
            return Err(StoreError::new(StoreErrorKind::InvalidText, context));
        }
    }
    Ok(())
}

/// A caller's closure on its way through an engine. It may be run again as long as it has not been answered.
pub(super) trait Job: Send {
    /// Whether the caller has gone away.
    fn is_abandoned(&self) -> bool;

    /// Whether it may have the space that is kept back.
    fn may_spend(&self) -> bool;

    /// Runs the closure and keeps its result; says whether the closure wants its changes kept.
    fn run(&mut self, tx: &mut dyn Tx) -> bool;

    /// Replaces the result.
    fn fail(&mut self, error: StoreError);

    /// Hands the result to the caller.
    fn answer(self: Box<Self>);
}

/// The closure, its latest result and the way back to the caller.
pub(super) struct Call<T, E, F> {
    closure: F,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
    may_spend: bool,
}

impl<T, E, F> Call<T, E, F> {
    pub(super) fn new(closure: F, may_spend: bool) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (caller, answer) = oneshot::channel();
        (Self { closure, result: None, caller, may_spend }, answer)
    }
}

impl<T, E, F> Job for Call<T, E, F>
where
    F: Fn(&mut dyn Tx) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.caller.is_closed()
    }

    fn may_spend(&self) -> bool {
        self.may_spend
    }

    fn run(&mut self, tx: &mut dyn Tx) -> bool {
        let result = run_caught(&self.closure, tx);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn fail(&mut self, error: StoreError) {
        self.result = Some(Err(error.into()));
    }

    fn answer(self: Box<Self>) {
        if let Some(result) = self.result {
            // A caller that has gone away wants no answer.
            let _ = self.caller.send(result);
        }
    }
}

/// Runs a closure; a panic in it becomes an error, so that it cannot end the thread that serves everybody.
pub(super) fn run_caught<T, E, F>(closure: &F, tx: &mut dyn Tx) -> Result<T, E>
where
    F: Fn(&mut dyn Tx) -> Result<T, E>,
    E: From<StoreError>,
{
    catch_unwind(AssertUnwindSafe(|| closure(tx))).unwrap_or_else(|panic| {
        let message = panic_message(&*panic);
        Err(StoreError::new(StoreErrorKind::Other, format!("a transaction panicked: {message}")).into())
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    if let Some(message) = panic.downcast_ref::<&str>() {
        message
    } else if let Some(message) = panic.downcast_ref::<String>() {
        message
    } else {
        "no message"
    }
}

/// The error for a statement after a failed one.
pub(super) fn already_failed() -> StoreError {
    StoreError::new(StoreErrorKind::Other, "an earlier statement of this transaction failed")
}

/// The error for a closure that returned `Ok` although a statement had failed.
pub(super) fn failure_ignored(cause: &StoreError) -> StoreError {
    StoreError::new(StoreErrorKind::Other, "a transaction went on after a failed statement")
        .with_source(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_numbers_are_checked() {
        let cases = [
            ("none", "SELECT 1", 0, true),
            ("ascending", "SELECT a FROM t WHERE b = $1 AND c = $2", 2, true),
            ("used again", "UPDATE t SET a = $1, b = $2 WHERE a <> $1 AND c = $3", 3, true),
            ("two digits", "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", 10, true),
            ("dollar in a text", "SELECT '$9', 'it''s $8' FROM t WHERE a = $1", 1, true),
            ("descending", "SELECT a FROM t WHERE b = $2 AND c = $1", 2, false),
            ("gap", "SELECT a FROM t WHERE b = $1 AND c = $3", 3, false),
            ("zero", "SELECT $0", 1, false),
            ("too few given", "SELECT $1, $2", 1, false),
            ("too many given", "SELECT $1", 2, false),
            ("no number", "SELECT $a", 1, false),
            ("huge number", "SELECT $99999999999999999999999", 1, false),
        ];
        for (name, sql, count, good) in cases {
            assert_eq!(check_parameters(sql, count).is_ok(), good, "{name}");
        }
    }
}
