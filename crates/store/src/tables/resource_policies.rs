//! Resource policies as the owner of the machine looks for them: by the name of what they are of, in every account and
//! region.

use super::parse_column;
use super::registry_id::RegistryId;
use crate::db::{Tx, Value};
use crate::error::StoreError;

/// Something that can have a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The row of what has the policy; 0 for a registry.
    pub id: i64,
    /// Its account and region.
    pub registry: RegistryId,
    /// What follows its name in its ARN: the six characters of a secret, the id of a key.
    pub suffix: String,
    /// Its policy, as given, if it has one.
    pub policy: Option<String>,
}

fn holders(tx: &mut dyn Tx, sql: &str, params: &[Value]) -> Result<Vec<Holder>, StoreError> {
    tx.query(sql, params)?
        .iter()
        .map(|row| {
            Ok(Holder {
                id: row.int(0)?,
                registry: RegistryId {
                    account: parse_column(row.text(1)?, "account_id")?,
                    region: parse_column(row.text(2)?, "region")?,
                },
                suffix: row.text(3)?.to_owned(),
                policy: row.opt_text(4)?.map(str::to_owned),
            })
        })
        .collect()
}

/// The repositories of that name.
pub fn repositories(tx: &mut dyn Tx, name: &str) -> Result<Vec<Holder>, StoreError> {
    let sql = "SELECT id, account_id, region, '', policy FROM repositories WHERE name = $1 ORDER BY account_id, region";
    holders(tx, sql, &[name.into()])
}

/// The registries that have a policy.
pub fn registries(tx: &mut dyn Tx) -> Result<Vec<Holder>, StoreError> {
    let sql =
        "SELECT CAST(0 AS BIGINT), account_id, region, '', document FROM registry_policies ORDER BY account_id, region";
    holders(tx, sql, &[])
}

/// The secrets of that name.
pub fn secrets(tx: &mut dyn Tx, name: &str) -> Result<Vec<Holder>, StoreError> {
    let sql = "SELECT id, account_id, region, suffix, policy FROM secrets WHERE name = $1 ORDER BY account_id, region";
    holders(tx, sql, &[name.into()])
}

/// The KMS keys of that id, or of that alias, which begins with `alias/`.
pub fn keys(tx: &mut dyn Tx, name: &str) -> Result<Vec<Holder>, StoreError> {
    let sql = "SELECT k.id, k.account_id, k.region, k.key_id, k.policy FROM kms_keys k WHERE k.key_id = $1 \
               OR EXISTS (SELECT 1 FROM kms_aliases a WHERE a.kms_key_id = k.id AND a.name = $1) \
               ORDER BY k.account_id, k.region";
    holders(tx, sql, &[name.into()])
}
