//! Grants: who may do what with a KMS key beside what its policy says.

use super::{from_json, parse_column, to_json, words_from_json, words_to_json};
use crate::blob::EncryptionContext;
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable;
use crate::tables::readable::readable_page;
use crate::tables::registry_id::RegistryId;

stored_enum! {
    /// What a grant can allow on a symmetric key (KMS: `GrantOperation`; KMS Developer Guide, "Grant operations"), in the order
    /// in which messages list them.
    pub enum GrantOperation {
        /// Encrypting.
        Encrypt = "Encrypt",
        /// Decrypting.
        Decrypt = "Decrypt",
        /// Making a data key, in clear too.
        GenerateDataKey = "GenerateDataKey",
        /// Making a data key, encrypted only.
        GenerateDataKeyWithoutPlaintext = "GenerateDataKeyWithoutPlaintext",
        /// Decrypting what is encrypted with another key then.
        ReEncryptFrom = "ReEncryptFrom",
        /// Encrypting what another key had encrypted.
        ReEncryptTo = "ReEncryptTo",
        /// Granting on.
        CreateGrant = "CreateGrant",
        /// Retiring the grant itself.
        RetireGrant = "RetireGrant",
        /// Looking at the key.
        DescribeKey = "DescribeKey",
    }
}

/// The context that a request must have for a grant to count.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct GrantConstraints {
    /// These pairs, and perhaps others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<EncryptionContext>,
    /// Exactly these pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equals: Option<EncryptionContext>,
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsGrant {
    /// 64 hex digits.
    pub grant_id: String,
    /// The row of its key.
    pub kms_key_id: i64,
    /// Whom it allows something: an ARN, the name of a service, or the id of a principal that is gone.
    pub grantee: String,
    /// Who may retire it.
    pub retiring: Option<String>,
    /// The account that it was made from.
    pub issuing_account: String,
    /// Its name.
    pub name: Option<String>,
    /// What it allows.
    pub operations: Vec<GrantOperation>,
    /// For which requests.
    pub constraints: GrantConstraints,
    /// Creation time.
    pub created_at_ms: i64,
}

const COLUMNS: &str = "grant_id, kms_key_id, grantee, retiring, issuing_account, name, operations, encryption_context, \
                       created_at_ms";

fn from_row(row: &Row) -> Result<KmsGrant, StoreError> {
    Ok(KmsGrant {
        grant_id: parse_column(row.text(0)?, "kms_grants.grant_id")?,
        kms_key_id: row.int(1)?,
        grantee: row.text(2)?.to_owned(),
        retiring: row.opt_text(3)?.map(str::to_owned),
        issuing_account: row.text(4)?.to_owned(),
        name: row.opt_text(5)?.map(str::to_owned),
        operations: words_from_json(row, 6, "kms_grants", "kms_grants.operations")?,
        constraints: from_json(row.text(7)?, "kms_grants.encryption_context")?,
        created_at_ms: row.int(8)?,
    })
}

/// Adds a grant.
pub fn insert(tx: &mut dyn Tx, new: &KmsGrant) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO kms_grants (grant_id, kms_key_id, grantee, retiring, issuing_account, name, operations, \
         encryption_context, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            new.grant_id.as_str().into(),
            new.kms_key_id.into(),
            new.grantee.as_str().into(),
            new.retiring.as_deref().into(),
            new.issuing_account.as_str().into(),
            new.name.as_deref().into(),
            words_to_json(&new.operations, GrantOperation::as_str).into(),
            to_json(&new.constraints).into(),
            new.created_at_ms.into(),
        ],
    )?;
    Ok(())
}

/// The grant of that id.
pub fn find(tx: &mut dyn Tx, grant_id: &str) -> Result<Option<KmsGrant>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM kms_grants WHERE grant_id = $1"), &[grant_id.into()])?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// Up to `limit` grants of a key in the order of their ids, from the first after `after`; of one grantee, if one is given.
pub fn list(
    tx: &mut dyn Tx,
    kms_key_id: i64,
    grantee: Option<&str>,
    after: &str,
    limit: usize,
) -> Result<Vec<KmsGrant>, StoreError> {
    readable_page(
        tx,
        limit,
        "kms_grants",
        &format!(
            "SELECT {COLUMNS} FROM kms_grants WHERE kms_key_id = $1 AND grant_id > $2 AND grantee = COALESCE($3, grantee) \
             ORDER BY grant_id LIMIT $4"
        ),
        &[kms_key_id.into(), after.into(), grantee.into()],
        from_row,
    )
}

/// As [`list`], of those that `retiring` may retire, of every key of an account and region.
pub fn list_retirable(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    retiring: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<KmsGrant>, StoreError> {
    readable_page(
        tx,
        limit,
        "kms_grants",
        &format!(
            "SELECT {COLUMNS} FROM kms_grants WHERE retiring = $1 AND grant_id > $2 AND kms_key_id IN \
             (SELECT id FROM kms_keys WHERE account_id = $3 AND region = $4) ORDER BY grant_id LIMIT $5"
        ),
        &[retiring.into(), after.into(), registry.account.as_str().into(), registry.region.as_str().into()],
        from_row,
    )
}

/// The grants that were made under a name; ECR's carry the ARN of their repository.
pub fn list_named(tx: &mut dyn Tx, kms_key_id: i64, name: &str) -> Result<Vec<KmsGrant>, StoreError> {
    let rows = tx.query(
        &format!("SELECT {COLUMNS} FROM kms_grants WHERE kms_key_id = $1 AND name = $2 ORDER BY grant_id"),
        &[kms_key_id.into(), name.into()],
    )?;
    readable(&rows, "kms_grants", from_row)
}

/// Removes a grant; `false` if there is none of that id.
pub fn delete(tx: &mut dyn Tx, grant_id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM kms_grants WHERE grant_id = $1", &[grant_id.into()])? == 1)
}

/// Removes the grants that were made under a name, also what cannot be read of them.
pub fn delete_named(tx: &mut dyn Tx, kms_key_id: i64, name: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM kms_grants WHERE kms_key_id = $1 AND name = $2";
    tx.execute(sql, &[kms_key_id.into(), name.into()])?;
    Ok(())
}

/// Every ARN that a grant names as its grantee or as who may retire it, each once.
pub fn principals(tx: &mut dyn Tx) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT grantee FROM kms_grants WHERE grantee LIKE 'arn:%' \
         UNION SELECT retiring FROM kms_grants WHERE retiring LIKE 'arn:%'",
        &[],
    )?
    .iter()
    .map(|row| Ok(row.text(0)?.to_owned()))
    .collect()
}

/// Names another principal wherever grants name `principal`; whether any did.
pub fn replace_principal(tx: &mut dyn Tx, principal: &str, by: &str) -> Result<bool, StoreError> {
    let grantees =
        tx.execute("UPDATE kms_grants SET grantee = $1 WHERE grantee = $2", &[by.into(), principal.into()])?;
    let retiring =
        tx.execute("UPDATE kms_grants SET retiring = $1 WHERE retiring = $2", &[by.into(), principal.into()])?;
    Ok(grantees + retiring > 0)
}
