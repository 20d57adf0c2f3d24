//! What is kept of the layers that were analysed, for each account that has them, sealed.

use aws::AccountId;

use super::repositories::count;
use super::sealed_documents::{self, ListedDocument, SealedDocument};
use crate::db::Tx;
use crate::error::StoreError;

/// A layer of an account that was analysed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalysedLayer {
    /// The blob.
    pub blob_id: i64,
    /// The revision of the analysis.
    pub revision: i64,
    /// Whether all of it could be read.
    pub is_whole: bool,
    /// When.
    pub analysed_at_ms: i64,
}

/// What of an account's blobs was analysed, by whichever revision.
pub fn find_analysed(tx: &mut dyn Tx, account: &AccountId, blob_id: i64) -> Result<Option<AnalysedLayer>, StoreError> {
    let sql = "SELECT revision, is_whole, analysed_at_ms FROM layer_facts WHERE account_id = $1 AND blob_id = $2";
    let row = tx.query_opt(sql, &[account.as_str().into(), blob_id.into()])?;
    row.map(|row| {
        Ok(AnalysedLayer { blob_id, revision: row.int(0)?, is_whole: row.bool(1)?, analysed_at_ms: row.int(2)? })
    })
    .transpose()
}

/// The facts of a layer, sealed.
pub fn find(tx: &mut dyn Tx, account: &AccountId, blob_id: i64) -> Result<Option<SealedDocument>, StoreError> {
    let sql = "SELECT object_id, data_key, sealed FROM layer_facts WHERE account_id = $1 AND blob_id = $2";
    let Some(row) = tx.query_opt(sql, &[account.as_str().into(), blob_id.into()])? else { return Ok(None) };
    SealedDocument::from_row(&row, 0, "layer_facts.object_id")
}

/// Stores the facts of a layer, in place of those before; `false` if the blob is gone.
pub fn upsert(
    tx: &mut dyn Tx,
    account: &AccountId,
    layer: &AnalysedLayer,
    document: &SealedDocument,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "INSERT INTO layer_facts (account_id, blob_id, revision, is_whole, object_id, data_key, sealed, \
         analysed_at_ms) SELECT $1, id, $2, $3, $4, $5, $6, $7 FROM blobs WHERE id = $8 \
         ON CONFLICT (account_id, blob_id) DO UPDATE SET revision = excluded.revision, is_whole = excluded.is_whole, \
         object_id = excluded.object_id, data_key = excluded.data_key, sealed = excluded.sealed, \
         analysed_at_ms = excluded.analysed_at_ms",
        &[
            account.as_str().into(),
            layer.revision.into(),
            layer.is_whole.into(),
            document.object.to_string().into(),
            document.data_key.as_slice().into(),
            document.sealed.as_slice().into(),
            layer.analysed_at_ms.into(),
            layer.blob_id.into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Notes that the facts of a layer are as another revision would find them; `false` if there are none.
pub fn set_revision(tx: &mut dyn Tx, account: &AccountId, blob_id: i64, revision: i64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE layer_facts SET revision = $1 WHERE account_id = $2 AND blob_id = $3",
        &[revision.into(), account.as_str().into(), blob_id.into()],
    )?;
    Ok(changed == 1)
}

/// Removes the facts of a layer, which cannot be read any more.
pub fn delete(tx: &mut dyn Tx, account: &AccountId, blob_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM layer_facts WHERE account_id = $1 AND blob_id = $2",
        &[account.as_str().into(), blob_id.into()],
    )?;
    Ok(())
}

/// Up to `limit` facts after a row, each with the digest of its layer.
pub fn list(tx: &mut dyn Tx, after_id: i64, limit: usize) -> Result<Vec<ListedDocument>, StoreError> {
    let rows = tx.query(
        "SELECT f.id, b.digest, f.object_id, f.data_key, f.sealed FROM layer_facts f JOIN blobs b ON b.id = f.blob_id \
         WHERE f.id > $1 ORDER BY f.id LIMIT $2",
        &[after_id.into(), count(limit)],
    )?;
    sealed_documents::list(&rows, "layer_facts", "layer_facts.object_id")
}

/// Where a search for facts that nobody needs is.
pub struct Searched {
    /// The last row that was looked at; none at the end.
    pub last_id: Option<i64>,
    /// How many were removed.
    pub removed: usize,
}

/// Removes, among up to `limit` rows after one, the facts of layers that no repository of their account has any more.
pub fn delete_unneeded(tx: &mut dyn Tx, after_id: i64, limit: usize) -> Result<Searched, StoreError> {
    let rows = tx.query(
        "SELECT f.id, (SELECT COUNT(*) FROM repository_blobs b JOIN repositories r \
         ON r.id = b.repository_id WHERE b.blob_id = f.blob_id AND r.account_id = f.account_id) \
         FROM layer_facts f WHERE f.id > $1 ORDER BY f.id LIMIT $2",
        &[after_id.into(), count(limit)],
    )?;
    let mut searched = Searched { last_id: None, removed: 0 };
    for row in &rows {
        let id = row.int(0)?;
        searched.last_id = Some(id);
        if row.int(1)? == 0 {
            tx.execute("DELETE FROM layer_facts WHERE id = $1", &[id.into()])?;
            searched.removed += 1;
        }
    }
    if rows.len() < limit {
        searched.last_id = None;
    }
    Ok(searched)
}
