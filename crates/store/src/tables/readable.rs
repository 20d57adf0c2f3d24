//! Lists of which one row may be damaged: that one is told of and left out, and keeps nobody from the others.
//!
//! Where leaving a row out would allow what it forbids (a protection, a tag that a policy asks for), the list fails
//! instead, as everything does that reads one row alone.

use super::repositories::count;
use crate::db::{Row, Tx, Value};
use crate::error::{StoreError, StoreErrorKind};

/// The rows that can be read, of the table `table`.
pub(crate) fn readable<T>(
    rows: &[Row],
    table: &str,
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        match read(row) {
            Ok(value) => found.push(value),
            Err(error) if error.kind() == StoreErrorKind::Corrupt => log_left_out(row, table, &error),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// As [`readable`], of a list that is asked for in pages: up to `limit` rows that can be read. `sql` ends with a LIMIT, whose
/// parameter comes after `params`: it asks for more rows if some cannot be read, so that a page that is short is the last.
pub(crate) fn readable_page<T>(
    tx: &mut dyn Tx,
    limit: usize,
    table: &str,
    sql: &str,
    params: &[Value],
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut asked = limit;
    loop {
        let params: Vec<Value> = params.iter().cloned().chain([count(asked)]).collect();
        let rows = tx.query(sql, &params)?;
        let found = readable(&rows, table, &read)?;
        if rows.len() < asked || found.len() >= limit {
            return Ok(found.into_iter().take(limit).collect());
        }
        asked = limit + (asked - found.len());
    }
}

/// Logs that a row is left out, by its name and with the reason.
pub(crate) fn log_left_out(row: &Row, table: &str, error: &StoreError) {
    log_damage(row, table, "row", "left out", error);
}

/// Logs that a row is used without one of its values, by the row's name and with the reason.
pub(crate) fn log_not_shown(row: &Row, table: &str, error: &StoreError) {
    log_damage(row, table, "value", "not shown", error);
}

fn log_damage(row: &Row, table: &str, what: &str, outcome: &str, error: &StoreError) {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    tracing::error!(
        table,
        "a damaged {what} of table {table} is {outcome} ({}): {error}{cause}; `wharf fsck` tells what to do",
        row.shown()
    );
}
