//! Copies all tables of one database into another, of either kind, and compares two of them. What the tables are is
//! read from the databases, so a new table needs nothing here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::schema::{self, Column, ColumnType, Table};
use super::{Db, Dialect, Row, Tx, Value};
use crate::error::{StoreError, StoreErrorKind};

/// Rows that one transaction copies: fewer where a row may hold a manifest.
const ROWS: usize = 500;
const LARGE_ROWS: usize = 50;
/// Rows of one statement.
const STATEMENT_ROWS: usize = 50;

/// A table and what was found of it: how many rows, and a digest of all of them in the order of their keys.
pub type Fingerprints = BTreeMap<String, (u64, String)>;

/// The tables that are copied: all but those named.
async fn tables(db: &Db, without: &'static [&'static str]) -> Result<Vec<Table>, StoreError> {
    let mut tables = db.read(schema::read).await?;
    tables.retain(|table| !without.contains(&table.name.as_str()));
    match tables.iter().find(|table| table.primary_key.is_empty()) {
        Some(table) => {
            let context = format!("table {} has no primary key to go through it by", table.name);
            Err(StoreError::new(StoreErrorKind::Other, context))
        }
        None => Ok(tables),
    }
}

fn names<'t>(columns: impl Iterator<Item = &'t str>) -> String {
    columns.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

fn column_names(table: &Table) -> String {
    names(table.columns.iter().map(|column| column.name.as_str()))
}

fn key_names(table: &Table) -> String {
    names(table.primary_key.iter().map(String::as_str))
}

fn values_of(row: &Row, columns: &[Column]) -> Result<Vec<Value>, StoreError> {
    let value = |(at, column): (usize, &Column)| {
        Ok(match column.column_type {
            ColumnType::Int => row.opt_int(at)?.into(),
            ColumnType::Text => row.opt_text(at)?.into(),
            ColumnType::Blob => row.opt_blob(at)?.into(),
        })
    };
    columns.iter().enumerate().map(value).collect()
}

/// The rows of a table, page by page, in the order of its key.
struct Pages {
    table: Arc<Table>,
    after: Option<Vec<Value>>,
    rows: usize,
}

impl Pages {
    fn new(table: Arc<Table>) -> Self {
        let is_large = table.columns.iter().any(|column| column.column_type == ColumnType::Blob);
        Self { table, after: None, rows: if is_large { LARGE_ROWS } else { ROWS } }
    }

    /// The next rows; none after the last.
    async fn next(&mut self, db: &Db) -> Result<Vec<Vec<Value>>, StoreError> {
        let (table, after, limit) = (Arc::clone(&self.table), self.after.clone(), self.rows);
        let rows = db.read(move |tx| read_page(tx, &table, after.as_deref(), limit)).await?;
        if let Some(last) = rows.last() {
            let key = self.table.primary_key.iter().filter_map(|name| {
                let at = self.table.columns.iter().position(|column| column.name == *name)?;
                last.get(at).cloned()
            });
            self.after = Some(key.collect());
        }
        Ok(rows)
    }
}

fn read_page(
    tx: &mut dyn Tx,
    table: &Table,
    after: Option<&[Value]>,
    limit: usize,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let key = key_names(table);
    let columns = column_names(table);
    let mut params: Vec<Value> = after.unwrap_or_default().to_vec();
    let condition = if after.is_some() {
        let numbers: Vec<String> = (1..=params.len()).map(|number| format!("${number}")).collect();
        format!("WHERE ({key}) > ({})", numbers.join(", "))
    } else {
        String::new()
    };
    params.push((limit as i64).into());
    let sql = format!("SELECT {columns} FROM \"{}\" {condition} ORDER BY {key} LIMIT ${}", table.name, params.len());
    tx.query(&sql, &params)?.iter().map(|row| values_of(row, &table.columns)).collect()
}

/// Copies every row of every table but those of `without`, in place of what `target` has there. Both have the same
/// schema, and nobody writes to either. `progress` learns of each table, and of how many of its rows are copied.
pub async fn copy(
    source: &Db,
    target: &Db,
    without: &'static [&'static str],
    progress: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<(), StoreError> {
    let from = tables(source, without).await?;
    let to = tables(target, without).await?;
    check_alike(&from, &to)?;
    for table in to.iter().rev() {
        empty(target, &table.name).await?;
    }
    for table in &from {
        copy_table(source, target, table, progress).await?;
    }
    // Triggers of other tables may have written into one that was copied before: it is copied again as it was.
    let (ours, theirs) = (fingerprints(source, without).await?, fingerprints(target, without).await?);
    for table in from.iter().filter(|table| ours.get(&table.name) != theirs.get(&table.name)) {
        if from.iter().any(|other| other.references.iter().any(|reference| reference.table == table.name)) {
            let context = format!("table {} was not copied as it is, and others refer to it", table.name);
            return Err(StoreError::new(StoreErrorKind::Other, context));
        }
        empty(target, &table.name).await?;
        copy_table(source, target, table, progress).await?;
    }
    for table in from.iter().filter(|table| table.is_numbered) {
        copy_numbering(source, target, table).await?;
    }
    Ok(())
}

fn check_alike(from: &[Table], to: &[Table]) -> Result<(), StoreError> {
    let shape = |tables: &[Table]| -> BTreeMap<String, Vec<(String, ColumnType)>> {
        let columns = |table: &Table| {
            let mut columns: Vec<_> =
                table.columns.iter().map(|column| (column.name.clone(), column.column_type)).collect();
            columns.sort_by(|one, other| one.0.cmp(&other.0));
            columns
        };
        tables.iter().map(|table| (table.name.clone(), columns(table))).collect()
    };
    let (from, to) = (shape(from), shape(to));
    if from == to {
        return Ok(());
    }
    let differs = from.keys().chain(to.keys()).find(|name| from.get(*name) != to.get(*name));
    Err(StoreError::new(
        StoreErrorKind::Other,
        format!("the two databases do not have the same table {}", differs.map_or("", String::as_str)),
    ))
}

/// Removes all rows of a table.
async fn empty(db: &Db, table: &str) -> Result<(), StoreError> {
    let table = table.to_owned();
    db.write(move |tx| tx.execute(&format!("DELETE FROM \"{table}\""), &[]).map(drop)).await
}

async fn copy_table(
    source: &Db,
    target: &Db,
    table: &Table,
    progress: &mut (dyn FnMut(&str, u64) + Send),
) -> Result<(), StoreError> {
    let table = Arc::new(table.clone());
    let mut pages = Pages::new(Arc::clone(&table));
    let mut copied = 0;
    progress(&table.name, 0);
    loop {
        let rows = pages.next(source).await?;
        if rows.is_empty() {
            return Ok(());
        }
        copied += rows.len() as u64;
        let table = Arc::clone(&table);
        target.write(move |tx| rows.chunks(STATEMENT_ROWS).try_for_each(|rows| insert(tx, &table, rows))).await?;
        progress(&pages.table.name, copied);
    }
}

fn insert(tx: &mut dyn Tx, table: &Table, rows: &[Vec<Value>]) -> Result<(), StoreError> {
    let width = table.columns.len();
    let tuple = |row: usize| {
        let numbers: Vec<String> = (1..=width).map(|column| format!("${}", row * width + column)).collect();
        format!("({})", numbers.join(", "))
    };
    let tuples: Vec<String> = (0..rows.len()).map(tuple).collect();
    let sql = format!("INSERT INTO \"{}\" ({}) VALUES {}", table.name, column_names(table), tuples.join(", "));
    let params: Vec<Value> = rows.iter().flatten().cloned().collect();
    tx.execute(&sql, &params).map(drop)
}

/// Lets the target number new rows where the source would: numbers of rows that are gone are not used again.
async fn copy_numbering(source: &Db, target: &Db, table: &Table) -> Result<(), StoreError> {
    let (name, key) = (table.name.clone(), table.primary_key.join(""));
    let last = source.read({
        let (name, key) = (name.clone(), key.clone());
        move |tx| {
            let row = match tx.dialect() {
                Dialect::Sqlite => {
                    tx.query_opt("SELECT seq FROM sqlite_sequence WHERE name = $1", &[name.as_str().into()])?
                }
                Dialect::Postgres => tx.query_opt(
                    "SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence($1, $2) AS regclass))",
                    &[name.as_str().into(), key.as_str().into()],
                )?,
            };
            row.map_or(Ok(None), |row| row.opt_int(0))
        }
    });
    let Some(last) = last.await?.filter(|last| *last > 0) else { return Ok(()) };
    target
        .write(move |tx| match tx.dialect() {
            Dialect::Sqlite => {
                tx.execute("DELETE FROM sqlite_sequence WHERE name = $1", &[name.as_str().into()])?;
                tx.execute(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)",
                    &[name.as_str().into(), last.into()],
                )
                .map(drop)
            }
            Dialect::Postgres => tx
                .query(
                    "SELECT setval(CAST(pg_get_serial_sequence($1, $2) AS regclass), $3)",
                    &[name.as_str().into(), key.as_str().into(), last.into()],
                )
                .map(drop),
        })
        .await
}

/// Of every table but those of `without`, how many rows it has, and a digest of them that is the same in either kind of
/// database.
pub async fn fingerprints(db: &Db, without: &'static [&'static str]) -> Result<Fingerprints, StoreError> {
    let mut found = Fingerprints::new();
    for table in tables(db, without).await? {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut count = 0;
        each_row(db, &table, &mut |columns, row| {
            count += 1;
            for (column, value) in columns.iter().zip(row) {
                absorb(&mut context, &column.name);
                match value {
                    Value::Null => context.update(b"N"),
                    Value::Int(number) => {
                        context.update(b"I");
                        context.update(&number.to_be_bytes());
                    }
                    Value::Text(text) => {
                        context.update(b"T");
                        absorb(&mut context, text);
                    }
                    Value::Blob(bytes) => {
                        context.update(b"B");
                        context.update(&(bytes.len() as u64).to_be_bytes());
                        context.update(bytes);
                    }
                }
            }
        })
        .await?;
        found.insert(table.name, (count, hexadecimal(context.finish().as_ref())));
    }
    Ok(found)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
    }
    text
}

fn absorb(context: &mut digest::Context, text: &str) {
    context.update(&(text.len() as u64).to_be_bytes());
    context.update(text.as_bytes());
}

/// Hands over every row of a table in the order of its key, its columns in the order of their names.
async fn each_row(
    db: &Db,
    table: &Table,
    take: &mut (dyn FnMut(&[Column], &[Value]) + Send),
) -> Result<(), StoreError> {
    let mut sorted = table.clone();
    // Columns that were added later may stand elsewhere in the other database.
    sorted.columns.sort_by(|one, other| one.name.cmp(&other.name));
    let sorted = Arc::new(sorted);
    let mut pages = Pages::new(Arc::clone(&sorted));
    loop {
        let rows = pages.next(db).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            take(&sorted.columns, row);
        }
    }
}

/// Every row of every table but those of `without`, as one line of JSON each: `{"table": …, "row": {…}}`. Bytes are
/// written in hexadecimal digits.
pub async fn dump(
    db: &Db,
    without: &'static [&'static str],
    write: &mut (dyn FnMut(String) -> Result<(), StoreError> + Send),
) -> Result<(), StoreError> {
    for table in tables(db, without).await? {
        let mut failed = Ok(());
        let name = table.name.clone();
        each_row(db, &table, &mut |columns, row| {
            if failed.is_err() {
                return;
            }
            let members = columns.iter().zip(row).map(|(column, value)| {
                let value = match value {
                    Value::Null => serde_json::Value::Null,
                    Value::Int(number) => (*number).into(),
                    Value::Text(text) => text.as_str().into(),
                    Value::Blob(bytes) => hexadecimal(bytes).into(),
                };
                (column.name.clone(), value)
            });
            let row: serde_json::Map<String, serde_json::Value> = members.collect();
            failed = write(serde_json::json!({ "table": name, "row": row }).to_string());
        })
        .await?;
        failed?;
    }
    Ok(())
}
