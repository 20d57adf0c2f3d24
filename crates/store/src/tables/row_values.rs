//! Every value of every row of a table, whatever the table, for the check that each can be read and is of its kind.

use super::repositories::count;
use crate::db::schema::{ColumnType, Table};
use crate::db::{Row, Tx, Value};
use crate::error::StoreError;

/// Rows are asked for in pages that grow so far where no key of a page can be read.
const MAX_PAGE: usize = 1 << 20;

/// The columns of a table in the order in which [`page`] reads them: the key's first, which name a row to people.
pub fn columns(table: &Table) -> Vec<(String, ColumnType)> {
    let is_key = |name: &String| table.primary_key.contains(name);
    let (mut key, rest): (Vec<_>, Vec<_>) = table.columns.iter().partition(|column| is_key(&column.name));
    key.sort_by_key(|column| table.primary_key.iter().position(|name| *name == column.name));
    key.into_iter().chain(rest).map(|column| (column.name.clone(), column.column_type)).collect()
}

/// Rows of a table, and the key to go on after.
pub struct ValuePage {
    /// Their columns are those of [`columns`]; in the place of bytes is how many there are.
    pub rows: Vec<Row>,
    /// None if these were the last.
    pub next: Option<Vec<Value>>,
}

/// About `limit` rows in the order of their keys, from the first after `after`.
pub fn page(tx: &mut dyn Tx, table: &Table, after: Option<&[Value]>, limit: usize) -> Result<ValuePage, StoreError> {
    let columns = columns(table);
    let shown: Vec<String> = columns
        .iter()
        .map(|(name, column_type)| match column_type {
            ColumnType::Blob => format!("CAST(length(\"{name}\") AS BIGINT) AS \"{name}\""),
            ColumnType::Int | ColumnType::Text => format!("\"{name}\""),
        })
        .collect();
    let key = table.primary_key.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let after = after.unwrap_or_default();
    let condition = match after.len() {
        0 => String::new(),
        length => {
            let numbers: Vec<String> = (1..=length).map(|number| format!("${number}")).collect();
            format!("WHERE ({key}) > ({})", numbers.join(", "))
        }
    };
    let sql = format!(
        "SELECT {} FROM \"{}\" {condition} ORDER BY {key} LIMIT ${}",
        shown.join(", "),
        table.name,
        after.len() + 1
    );
    let mut asked = limit;
    loop {
        let params: Vec<Value> = after.iter().cloned().chain([count(asked)]).collect();
        let mut rows = tx.query(&sql, &params)?;
        if rows.len() < asked {
            return Ok(ValuePage { rows, next: None });
        }
        let key_of = |row: &Row| -> Option<Vec<Value>> {
            let of_type = |(at, (_, column_type)): (usize, &(String, ColumnType))| match column_type {
                ColumnType::Int => row.int(at).ok().map(Value::from),
                ColumnType::Text => row.text(at).ok().map(Value::from),
                ColumnType::Blob => None,
            };
            columns.iter().take(table.primary_key.len()).enumerate().map(of_type).collect()
        };
        let last = rows.iter().enumerate().rev().find_map(|(at, row)| Some((at, key_of(row)?)));
        if let Some((at, key)) = last {
            rows.truncate(at + 1);
            return Ok(ValuePage { rows, next: Some(key) });
        }
        if asked >= MAX_PAGE {
            return Ok(ValuePage { rows, next: None });
        }
        asked *= 4;
    }
}
