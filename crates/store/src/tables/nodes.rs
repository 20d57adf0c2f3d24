//! The nodes that share the database: which are alive, and by which versions of what they hold in memory each decides.

use super::{identity_version, key_version};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::readable::readable;

/// The versions of what nodes hold in memory and decide by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Of identities and policies; see [`identity_version`].
    pub identities: i64,
    /// Of root keys and KMS keys; see [`key_version::find`].
    pub keys: i64,
}

impl Versions {
    /// Whether nothing of these is older than of those.
    pub const fn include(self, others: Self) -> bool {
        self.identities >= others.identities && self.keys >= others.keys
    }
}

/// The versions in force.
pub fn versions(tx: &mut dyn Tx) -> Result<Versions, StoreError> {
    Ok(Versions { identities: identity_version::find(tx)?, keys: key_version::find(tx)? })
}

/// A node, as it last said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// A name that no other start of a server has.
    pub id: String,
    /// Where it listens.
    pub address: String,
    /// The program's version.
    pub version: String,
    /// When it started.
    pub started_at_ms: i64,
    /// When it last said something.
    pub seen_at_ms: i64,
    /// What it decides by.
    pub versions: Versions,
}

/// Says that a node is alive, and what it decides by.
pub fn report(tx: &mut dyn Tx, node: &Node) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO nodes (id, address, version, started_at_ms, seen_at_ms, identity_version, key_version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET seen_at_ms = excluded.seen_at_ms, \
         identity_version = excluded.identity_version, key_version = excluded.key_version",
        &[
            node.id.as_str().into(),
            node.address.as_str().into(),
            node.version.as_str().into(),
            node.started_at_ms.into(),
            node.seen_at_ms.into(),
            node.versions.identities.into(),
            node.versions.keys.into(),
        ],
    )?;
    Ok(())
}

/// Whether a node that was seen since `since_ms` still decides by something older than this.
pub fn is_any_behind(tx: &mut dyn Tx, versions: Versions, since_ms: i64) -> Result<bool, StoreError> {
    let behind = tx.query_opt(
        "SELECT 1 FROM nodes WHERE (identity_version < $1 OR key_version < $2) AND seen_at_ms >= $3 LIMIT 1",
        &[versions.identities.into(), versions.keys.into(), since_ms.into()],
    )?;
    Ok(behind.is_some())
}

/// Every node, the longest running first.
pub fn list(tx: &mut dyn Tx) -> Result<Vec<Node>, StoreError> {
    let sql = "SELECT id, address, version, started_at_ms, seen_at_ms, identity_version, key_version FROM nodes \
               ORDER BY started_at_ms, id";
    let rows = tx.query(sql, &[])?;
    readable(&rows, "nodes", from_row)
}

fn from_row(row: &Row) -> Result<Node, StoreError> {
    Ok(Node {
        id: row.text(0)?.to_owned(),
        address: row.text(1)?.to_owned(),
        version: row.text(2)?.to_owned(),
        started_at_ms: row.int(3)?,
        seen_at_ms: row.int(4)?,
        versions: Versions { identities: row.int(5)?, keys: row.int(6)? },
    })
}

/// Forgets a node that has ended.
pub fn delete(tx: &mut dyn Tx, id: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM nodes WHERE id = $1", &[id.into()])?;
    Ok(())
}

/// Forgets the nodes that have not been seen since `until_ms`.
pub fn forget_unseen(tx: &mut dyn Tx, until_ms: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM nodes WHERE seen_at_ms < $1", &[until_ms.into()])?;
    Ok(())
}
