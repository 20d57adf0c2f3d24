//! What the schema of an open database is: its tables, columns and references, read from the database itself, so that
//! whoever copies or checks all tables needs no list of them.

use super::dialect::Dialect;
use super::row::Row;
use super::transaction::Tx;
use crate::error::{StoreError, StoreErrorKind};

/// The table that says which migrations were applied.
pub const MIGRATIONS_TABLE: &str = "schema_migrations";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Integers.
    Int,
    /// Texts.
    Text,
    /// Bytes.
    Blob,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub column_type: ColumnType,
}

/// A reference from columns of one table to columns of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table that they refer to.
    pub table: String,
    /// The columns there, in the same order.
    pub referenced: Vec<String>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// The columns of its primary key, in their order.
    pub primary_key: Vec<String>,
    /// What it refers to.
    pub references: Vec<Reference>,
    /// Whether the database itself numbers its rows, in the column that is the primary key.
    pub is_numbered: bool,
}

impl Table {
    /// Whether the table has the column.
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|known| known.name == column)
    }
}

/// All tables of the schema but the one of migrations, those that others refer to before these.
pub fn read(tx: &mut dyn Tx) -> Result<Vec<Table>, StoreError> {
    let mut tables = match tx.dialect() {
        Dialect::Sqlite => read_sqlite(tx)?,
        Dialect::Postgres => read_postgres(tx)?,
    };
    tables.retain(|table| table.name != MIGRATIONS_TABLE);
    let mut sorted: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let is_ready = |table: &Table| {
            table.references.iter().all(|reference| {
                reference.table == table.name || sorted.iter().any(|known| known.name == reference.table)
            })
        };
        let (ready, waiting): (Vec<_>, Vec<_>) = tables.into_iter().partition(is_ready);
        if ready.is_empty() {
            let names: Vec<&str> = waiting.iter().map(|table| table.name.as_str()).collect();
            let context = format!("these tables refer to each other in a circle: {}", names.join(", "));
            return Err(StoreError::new(StoreErrorKind::Other, context));
        }
        sorted.extend(ready);
        tables = waiting;
    }
    Ok(sorted)
}

fn column_type(name: &str, table: &str) -> Result<ColumnType, StoreError> {
    match name.to_ascii_lowercase().as_str() {
        "integer" | "bigint" => Ok(ColumnType::Int),
        "text" => Ok(ColumnType::Text),
        "blob" | "bytea" => Ok(ColumnType::Blob),
        other => {
            let context = format!("a column of table {table} has the type {other}, which not every database has");
            Err(StoreError::new(StoreErrorKind::Other, context))
        }
    }
}

/// Columns as both databases tell of them: name, type, and the place in the primary key or 0.
fn columns_of(rows: &[Row], table: &str) -> Result<(Vec<Column>, Vec<String>), StoreError> {
    let mut columns = Vec::new();
    let mut key = Vec::new();
    for row in rows {
        let name = row.text(0)?.to_owned();
        if row.int(2)? > 0 {
            key.push((row.int(2)?, name.clone()));
        }
        columns.push(Column { column_type: column_type(row.text(1)?, table)?, name });
    }
    key.sort();
    Ok((columns, key.into_iter().map(|(_, name)| name).collect()))
}

/// References as both databases tell of them: an id per reference, the table, the column here and the one there.
fn references_of(rows: &[Row]) -> Result<Vec<Reference>, StoreError> {
    let mut references: Vec<(i64, Reference)> = Vec::new();
    for row in rows {
        let (id, here, there) = (row.int(0)?, row.text(2)?.to_owned(), row.text(3)?.to_owned());
        match references.last_mut().filter(|(known, _)| *known == id) {
            Some((_, reference)) => {
                reference.columns.push(here);
                reference.referenced.push(there);
            }
            None => {
                let table = row.text(1)?.to_owned();
                references.push((id, Reference { columns: vec![here], table, referenced: vec![there] }));
            }
        }
    }
    Ok(references.into_iter().map(|(_, reference)| reference).collect())
}

fn read_sqlite(tx: &mut dyn Tx) -> Result<Vec<Table>, StoreError> {
    let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut tables = Vec::new();
    for row in tx.query(sql, &[])? {
        let name = row.text(0)?.to_owned();
        let rows = tx.query("SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid", &[row.text(0)?.into()])?;
        let (columns, primary_key) = columns_of(&rows, &name)?;
        let rows = tx.query(
            "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list($1) ORDER BY id, seq",
            &[row.text(0)?.into()],
        )?;
        let references = references_of(&rows)?;
        let is_numbered = row.text(1)?.contains("AUTOINCREMENT");
        tables.push(Table { name, columns, primary_key, references, is_numbered });
    }
    Ok(tables)
}

fn read_postgres(tx: &mut dyn Tx) -> Result<Vec<Table>, StoreError> {
    let sql = "SELECT CAST(c.relname AS TEXT), EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid \
               AND a.attidentity <> '') FROM pg_class c WHERE c.relkind = 'r' \
               AND c.relnamespace = CAST(current_schema() AS regnamespace) ORDER BY c.relname";
    let mut tables = Vec::new();
    for row in tx.query(sql, &[])? {
        let name = row.text(0)?.to_owned();
        let rows = tx.query(
            "SELECT CAST(a.attname AS TEXT), format_type(a.atttypid, NULL), \
             CAST(COALESCE(array_position(CAST(i.indkey AS INT2[]), a.attnum), -1) + 1 AS BIGINT) \
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
             WHERE c.relname = $1 AND c.relnamespace = CAST(current_schema() AS regnamespace) ORDER BY a.attnum",
            &[name.as_str().into()],
        )?;
        let (columns, primary_key) = columns_of(&rows, &name)?;
        let rows = tx.query(
            "SELECT CAST(k.oid AS BIGINT), CAST(f.relname AS TEXT), CAST(a.attname AS TEXT), CAST(b.attname AS TEXT) \
             FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid \
             CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY AS u (here, there, position) \
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.here \
             JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.there \
             WHERE k.contype = 'f' AND c.relname = $1 \
             AND c.relnamespace = CAST(current_schema() AS regnamespace) ORDER BY k.oid, u.position",
            &[name.as_str().into()],
        )?;
        let references = references_of(&rows)?;
        tables.push(Table { name, columns, primary_key, references, is_numbered: row.bool(1)? });
    }
    Ok(tables)
}
