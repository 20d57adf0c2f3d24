//! Values on their way to and from PostgreSQL's binary format.

use std::error::Error;

use bytes::BytesMut;
use postgres::types::{IsNull, ToSql, Type, WrongType, to_sql_checked};

use crate::db::row::{Cell, ColumnNames};
use crate::db::value::Value;
use crate::error::{StoreError, StoreErrorKind};

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) if *ty == Type::INT8 => value.to_sql(ty, out),
            Self::Int(value) if *ty == Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
            Self::Int(value) if *ty == Type::BOOL && matches!(value, 0 | 1) => (*value == 1).to_sql(ty, out),
            Self::Text(value) if <&str as ToSql>::accepts(ty) => value.to_sql(ty, out),
            Self::Blob(value) if *ty == Type::BYTEA => value.to_sql(ty, out),
            Self::Int(_) | Self::Text(_) | Self::Blob(_) => Err(Box::new(WrongType::new::<Self>(ty.clone()))),
        }
    }

    /// All types, so that NULL fits each; `to_sql` looks closer.
    fn accepts(_ty: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Reads all columns of a row.
pub(super) fn values_of(row: &postgres::Row, names: &ColumnNames) -> Result<Vec<Cell>, StoreError> {
    (0..row.len())
        .map(|index| {
            value_of(row, index).map_err(|problem| {
                let name = names.get(index);
                StoreError::new(StoreErrorKind::Other, format!("column {index} ({name}) cannot be read"))
                    .with_source(problem)
            })
        })
        .collect()
}

/// A column; an error is one of the statement, not of what is stored.
fn value_of(row: &postgres::Row, index: usize) -> Result<Cell, String> {
    let ty = row.columns()[index].type_();
    Ok(match *ty {
        Type::INT8 => cell(row.try_get::<_, Option<i64>>(index)),
        Type::INT4 => cell(row.try_get::<_, Option<i32>>(index).map(|value| value.map(i64::from))),
        Type::INT2 => cell(row.try_get::<_, Option<i16>>(index).map(|value| value.map(i64::from))),
        Type::BOOL => cell(row.try_get::<_, Option<bool>>(index)),
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::UNKNOWN => cell(row.try_get::<_, Option<&str>>(index)),
        Type::BYTEA => cell(row.try_get::<_, Option<&[u8]>>(index)),
        _ => return Err(format!("its type {ty} is not one that both databases share: CAST it")),
    })
}

fn cell<T: Into<Value>>(value: Result<Option<T>, postgres::Error>) -> Cell {
    value.map(Into::into).map_err(|_| "what is no value of its type")
}
