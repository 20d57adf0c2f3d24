//! Storage opened by a command, without a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::settings::Config;
use runtime::ballast::Ballast;
use runtime::start_error::StartError;
use store::blob::{BlobScope, BlobStore, ObjectId, Tier};
use store::db::{Db, DbConfig, Row, schema};
use store::error::{StoreError, StoreErrorKind};
use store::tables::row_checks;

/// Objects that one look-up names.
pub const PAGE: usize = 1_000;

/// The database of a configuration. What makes room there has what is kept back for that.
pub async fn open_database(config: &Config, data_dir: &Path) -> Result<Db, StartError> {
    let database = match &config.database.url {
        Some(url) => DbConfig::Postgres { url: url.expose().to_owned(), pool_size: config.pool_size() },
        None => DbConfig::Sqlite { path: data_dir.join("wharf.db") },
    };
    // Before the database is opened, which takes space.
    let ballast =
        Ballast::open_existing(data_dir, if config.database.url.is_none() { config.ballast_bytes() } else { 0 });
    let db = open(database).await?;
    if let Some(ballast) = ballast {
        db.set_reserve(Arc::new(ballast));
    }
    Ok(db)
}

/// A database.
pub async fn open(database: DbConfig) -> Result<Db, StartError> {
    let opened = runtime::tasks::spawn_blocking(move || Db::open(&database)).await;
    Ok(opened.map_err(|error| StartError::Other(error.to_string()))??)
}

/// The data folder of a configuration, as an absolute path.
pub fn data_dir(config: &Config) -> Result<PathBuf, StartError> {
    std::path::absolute(config.data_dir()?).map_err(|error| StartError::Other(error.to_string()))
}

/// The stores of a configuration.
pub struct Stores {
    standard: BlobStore,
    archive: BlobStore,
}

impl Stores {
    /// Opens them.
    pub async fn open(config: &Config, data_dir: &Path) -> Result<Self, StoreError> {
        let (standard, archive) = config.open_stores(data_dir).await?;
        Ok(Self { standard, archive })
    }

    /// Opens them for reading; nothing is made.
    pub async fn find(config: &Config, data_dir: &Path) -> Result<Self, StoreError> {
        let (standard, archive) = config.find_stores(data_dir).await?;
        Ok(Self { standard, archive })
    }

    /// The store of a tier.
    pub const fn tier(&self, tier: Tier) -> &BlobStore {
        match tier {
            Tier::Standard => &self.standard,
            Tier::Archive => &self.archive,
        }
    }
}

/// An object that metadata names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The object.
    pub object: ObjectId,
    /// Where it is.
    pub tier: Tier,
    /// Where it is there; of no meaning for what is not finished.
    pub scope: BlobScope,
    /// Whether it is finished: the bytes of a blob never change, those of an upload do.
    pub is_finished: bool,
}

/// The names of all objects that are in use, page by page; not of small ones, which the database holds.
pub struct NamedObjects {
    /// Tables and columns that are left to be gone through.
    columns: Vec<(String, String)>,
    after: String,
}

impl NamedObjects {
    /// Of a database: of its blobs, and of its uploads, too, if those are wanted.
    pub async fn of(db: &Db, with_uploads: bool) -> Result<Self, StoreError> {
        let mut columns = row_checks::object_columns(&db.read(schema::read).await?);
        columns.retain(|(table, _)| table == "blobs" || (with_uploads && table != "removed_objects"));
        Ok(Self { columns, after: String::new() })
    }

    /// The next page; none after the last.
    pub async fn next(&mut self, db: &Db) -> Result<Option<Vec<Named>>, StoreError> {
        while let Some((table, column)) = self.columns.last().cloned() {
            let after = self.after.clone();
            let (is_finished, of_table) = (table == "blobs", table.clone());
            let rows = db
                .read(move |tx| {
                    let (place, stored) = if table == "blobs" {
                        let stored = "AND NOT EXISTS (SELECT 1 FROM small_blobs s WHERE s.blob_id = blobs.id)";
                        ("tier, region, encryption_scope", stored)
                    } else {
                        ("'STANDARD', '', ''", "")
                    };
                    let sql = format!(
                        "SELECT {column}, {place} FROM {table} WHERE {column} > $1 {stored} ORDER BY {column} LIMIT $2"
                    );
                    tx.query(&sql, &[after.as_str().into(), (PAGE as i64).into()])
                })
                .await?;
            let named = rows.iter().map(|row| named(row, &of_table, is_finished));
            let named = named.filter_map(Result::transpose).collect::<Result<Vec<_>, StoreError>>()?;
            let Some(last) = rows.iter().rev().find_map(|row| row.text(0).ok()) else {
                self.columns.pop();
                self.after = String::new();
                continue;
            };
            last.clone_into(&mut self.after);
            return Ok(Some(named));
        }
        Ok(None)
    }
}

/// The object that a row names. One of an upload that is not finished, or that is to be removed, is told of and left out if its
/// name is damaged: nothing that is stored needs it. One of a blob fails.
fn named(row: &Row, table: &str, is_finished: bool) -> Result<Option<Named>, StoreError> {
    let object = row.text(0).and_then(|name| {
        let wrong = |_| StoreError::new(StoreErrorKind::Corrupt, "a row names an object that has no object's name");
        name.parse().map_err(wrong)
    });
    match object {
        Ok(object) => {
            let tier = row.text(1)?.parse().unwrap_or(Tier::Standard);
            let scope = BlobScope { region: row.text(2)?.to_owned(), encryption: row.text(3)?.to_owned() };
            Ok(Some(Named { object, tier, scope, is_finished }))
        }
        Err(error) if is_finished => Err(error),
        Err(error) => {
            let shown = row.shown();
            tracing::error!(table, "a damaged row of table {table} is left out ({shown}): {error}");
            Ok(None)
        }
    }
}
