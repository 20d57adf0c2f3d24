//! What tables have in common whose rows are each for one prefix of a registry's repository names: creation templates
//! and pull through cache rules. They have the columns `account_id`, `region` and `prefix_key`, unique together.

use oci::RepositoryPrefix;

use super::registry_id::RegistryId;
use super::repositories::RepositoryRef;
use crate::db::{Row, Tx, Value};
use crate::error::StoreError;
use crate::tables::readable::readable_page;

/// Such a table, with the columns that are read of it.
pub(super) struct PrefixTable {
    pub(super) name: &'static str,
    pub(super) columns: &'static str,
}

impl PrefixTable {
    fn select(&self, registry: &RegistryId, and: &str, more: impl IntoIterator<Item = Value>) -> (String, Vec<Value>) {
        let Self { name, columns } = self;
        let sql = format!("SELECT {columns} FROM {name} WHERE account_id = $1 AND region = $2 AND {and}");
        let own = [registry.account.as_str().into(), registry.region.as_str().into()];
        (sql, own.into_iter().chain(more).collect())
    }

    /// The row for a prefix.
    pub(super) fn find(
        &self,
        tx: &mut dyn Tx,
        registry: &RegistryId,
        prefix: &RepositoryPrefix,
    ) -> Result<Option<Row>, StoreError> {
        let (sql, values) = self.select(registry, "prefix_key = $3", [prefix.key().into()]);
        tx.query_opt(&sql, &values)
    }

    /// The rows that cover a name, the longest prefix first, and `ROOT` last (reference/replication-cache-templates.md 2
    /// and 3).
    pub(super) fn covering(&self, tx: &mut dyn Tx, repository: &RepositoryRef) -> Result<Vec<Row>, StoreError> {
        let RepositoryRef { registry, name } = repository;
        // `ROOT` is no longer than some prefixes, so its being last is not left to its length.
        let (sql, values) = self.select(
            registry,
            "(prefix_key = 'ROOT' OR substr($3, 1, length(prefix_key) + 1) = prefix_key || '/') \
             ORDER BY CASE WHEN prefix_key = 'ROOT' THEN 0 ELSE length(prefix_key) END DESC",
            [name.as_str().into()],
        );
        tx.query(&sql, &values)
    }

    /// Up to `limit` rows in the order of their prefixes' keys, from the first after `after` (an empty text: the first).
    pub(super) fn list<T>(
        &self,
        tx: &mut dyn Tx,
        registry: &RegistryId,
        after: &str,
        limit: usize,
        read: impl Fn(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let (sql, values) = self.select(registry, "prefix_key > $3 ORDER BY prefix_key LIMIT $4", [after.into()]);
        readable_page(tx, limit, self.name, &sql, &values, read)
    }

    /// How many rows a registry has.
    pub(super) fn count(&self, tx: &mut dyn Tx, registry: &RegistryId) -> Result<i64, StoreError> {
        let row = tx.query_opt(
            &format!("SELECT count(*) FROM {} WHERE account_id = $1 AND region = $2", self.name),
            &[registry.account.as_str().into(), registry.region.as_str().into()],
        )?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// Removes the row for a prefix; `false` if there is none.
    pub(super) fn delete(
        &self,
        tx: &mut dyn Tx,
        registry: &RegistryId,
        prefix: &RepositoryPrefix,
    ) -> Result<bool, StoreError> {
        let deleted = tx.execute(
            &format!("DELETE FROM {} WHERE account_id = $1 AND region = $2 AND prefix_key = $3", self.name),
            &[registry.account.as_str().into(), registry.region.as_str().into(), prefix.key().into()],
        )?;
        Ok(deleted == 1)
    }
}
