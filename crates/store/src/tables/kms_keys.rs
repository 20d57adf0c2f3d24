//! KMS keys, and the versions of their material.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws::{AccountId, ArnError};
use uuid::Uuid;

use super::registry_id::RegistryId;
use super::{from_json, parse_column, to_json};
use crate::db::{Row, Tx};
use crate::error::{StoreError, StoreErrorKind};
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable_page;

stored_enum! {
    /// Who looks after a key (KMS: `KeyManager`).
    pub enum KeyManager {
        /// The server: the key behind an alias that begins with `alias/aws/`.
        Aws = "AWS",
        /// Whoever made it.
        Customer = "CUSTOMER",
    }
}

/// A key. Its row's key is 0 until it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKey {
    /// The row's key.
    pub id: i64,
    /// The id that clients see.
    pub key_id: Uuid,
    /// Its account and region.
    pub registry: RegistryId,
    /// Who looks after it.
    pub manager: KeyManager,
    /// What people say about it.
    pub description: String,
    /// Its policy, as given.
    pub policy: String,
    /// Its tags, in the order of their keys.
    pub tags: Vec<(String, String)>,
    /// Whether it may be used; also what it comes back to when its deletion is cancelled.
    pub is_enabled: bool,
    /// Creation time.
    pub created_at_ms: i64,
    /// When it goes for good, if it is to be deleted.
    pub delete_at_ms: Option<i64>,
    /// The days of waiting that were asked for then.
    pub deletion_window_days: Option<i64>,
    /// Its material is followed by new one after so many days, if it is.
    pub rotation_days: Option<i64>,
    /// When that is next.
    pub next_rotation_at_ms: Option<i64>,
    /// The version of the material that encrypts.
    pub current_version: u32,
}

impl KmsKey {
    /// What kind every key is (KMS: `KeySpec`); no column says so.
    pub const SPEC: &'static str = "SYMMETRIC_DEFAULT";
    /// What every key is for (KMS: `KeyUsage`).
    pub const USAGE: &'static str = "ENCRYPT_DECRYPT";
    /// Where every key's material is from (KMS: `Origin`).
    pub const ORIGIN: &'static str = "AWS_KMS";

    /// Its ARN.
    pub fn arn(&self) -> KmsKeyArn {
        KmsKeyArn(key_arn(&self.registry, &self.key_id.to_string()).into())
    }
}

/// The ARN of a key, never of an alias. The key need not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKeyArn(Arc<str>);

impl KmsKeyArn {
    /// As ECR's messages describe it; what a region can be called is narrower.
    pub const PATTERN: &str = r"arn:aws[a-z0-9-]*:kms:[a-z0-9-]+:[0-9]{12}:key\/[a-z0-9-]+";

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the key.
    pub fn key_id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// What it names; `None` if no region can be called what it says.
    pub fn key_ref(&self) -> Option<KeyRef> {
        let mut parts = self.0.splitn(6, ':').skip(3);
        let region = parts.next()?.parse().ok()?;
        let account = parts.next()?.parse().ok()?;
        Some(KeyRef { registry: RegistryId { account, region }, name: self.key_id().to_owned() })
    }
}

impl FromStr for KmsKeyArn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        let is_word = |text: &str| {
            let is_of_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !text.is_empty() && text.bytes().all(is_of_word)
        };
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or(ArnError);
        let is_key = next()? == "arn"
            && next()?.strip_prefix("aws").is_some_and(|rest| rest.is_empty() || is_word(rest))
            && next()? == "kms"
            && is_word(next()?)
            && next()?.parse::<AccountId>().is_ok()
            && next()?.strip_prefix("key/").is_some_and(is_word);
        if is_key { Ok(Self(text.into())) } else { Err(ArnError) }
    }
}

impl fmt::Display for KmsKeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ARN of a key.
pub fn key_arn(registry: &RegistryId, key_id: &str) -> String {
    let RegistryId { account, region } = registry;
    format!("arn:{}:kms:{region}:{account}:key/{key_id}", region.partition())
}

/// The ARN of an alias, whose name begins with `alias/`.
pub fn alias_arn(registry: &RegistryId, name: &str) -> String {
    let RegistryId { account, region } = registry;
    format!("arn:{}:kms:{region}:{account}:{name}", region.partition())
}

/// How a request names a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// The account and region in which it is looked for.
    pub registry: RegistryId,
    /// Its id, or an alias of it, which begins with `alias/`.
    pub name: String,
}

impl KeyRef {
    /// Whether it is named by an alias.
    pub fn is_alias(&self) -> bool {
        self.name.starts_with("alias/")
    }

    /// The ARN of what is named: the key or the alias.
    pub fn arn(&self) -> String {
        if self.is_alias() { alias_arn(&self.registry, &self.name) } else { key_arn(&self.registry, &self.name) }
    }
}

stored_enum! {
    /// Why new material follows on a key's old (KMS: `RotationType`).
    pub enum RotationType {
        /// Its time had come.
        Automatic = "AUTOMATIC",
        /// Somebody asked for it.
        OnDemand = "ON_DEMAND",
    }
}

/// A version of a key's material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its number, from 1.
    pub version: u32,
    /// The material, sealed.
    pub sealed: Vec<u8>,
    /// Creation time.
    pub created_at_ms: i64,
    /// Why it was made; none for the first.
    pub rotation_type: Option<RotationType>,
}

const COLUMNS: &str = "k.id, k.key_id, k.account_id, k.region, k.manager, k.description, k.policy, k.tags, k.is_enabled, \
                       k.created_at_ms, k.delete_at_ms, k.deletion_window_days, k.rotation_days, \
                       k.next_rotation_at_ms, k.current_version";

fn version_number(value: i64) -> Result<u32, StoreError> {
    u32::try_from(value)
        .map_err(|_| StoreError::new(StoreErrorKind::Corrupt, format!("version {value} of a KMS key is out of range")))
}

fn from_row(row: &Row) -> Result<KmsKey, StoreError> {
    Ok(KmsKey {
        id: row.int(0)?,
        key_id: parse_column(row.text(1)?, "kms_keys.key_id")?,
        registry: RegistryId {
            account: parse_column(row.text(2)?, "kms_keys.account_id")?,
            region: parse_column(row.text(3)?, "kms_keys.region")?,
        },
        manager: parse_column(row.text(4)?, "kms_keys.manager")?,
        description: row.text(5)?.to_owned(),
        policy: row.document(6).to_owned(),
        tags: from_json(row.text(7)?, "kms_keys.tags")?,
        is_enabled: row.bool(8)?,
        created_at_ms: row.int(9)?,
        delete_at_ms: row.opt_int(10)?,
        deletion_window_days: row.opt_int(11)?,
        rotation_days: row.opt_int(12)?,
        next_rotation_at_ms: row.opt_int(13)?,
        current_version: version_number(row.int(14)?)?,
    })
}

/// Adds a key with its first version, and gives the row's key.
pub fn insert(tx: &mut dyn Tx, new: &KmsKey, sealed: &[u8]) -> Result<i64, StoreError> {
    let rows = tx.query(
        "INSERT INTO kms_keys (key_id, account_id, region, manager, description, policy, tags, is_enabled, \
         created_at_ms, current_version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
        &[
            new.key_id.to_string().into(),
            new.registry.account.as_str().into(),
            new.registry.region.as_str().into(),
            new.manager.as_str().into(),
            new.description.as_str().into(),
            new.policy.as_str().into(),
            to_json(&new.tags).into(),
            new.is_enabled.into(),
            new.created_at_ms.into(),
            i64::from(new.current_version).into(),
        ],
    )?;
    let id = rows.first().map_or(Ok(0), |row| row.int(0))?;
    let version = KeyVersion {
        version: new.current_version,
        sealed: sealed.to_vec(),
        created_at_ms: new.created_at_ms,
        rotation_type: None,
    };
    insert_version(tx, id, &version)?;
    Ok(id)
}

fn insert_version(tx: &mut dyn Tx, id: i64, new: &KeyVersion) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO kms_key_versions (kms_key_id, version, sealed, created_at_ms, rotation_type) \
         VALUES ($1, $2, $3, $4, $5)",
        &[
            id.into(),
            i64::from(new.version).into(),
            new.sealed.as_slice().into(),
            new.created_at_ms.into(),
            new.rotation_type.map(RotationType::as_str).into(),
        ],
    )?;
    Ok(())
}

/// Stores what can change of a key but its material.
pub fn update(tx: &mut dyn Tx, key: &KmsKey) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE kms_keys SET description = $1, policy = $2, tags = $3, is_enabled = $4, delete_at_ms = $5, \
         deletion_window_days = $6, rotation_days = $7, next_rotation_at_ms = $8 WHERE id = $9",
        &[
            key.description.as_str().into(),
            key.policy.as_str().into(),
            to_json(&key.tags).into(),
            key.is_enabled.into(),
            key.delete_at_ms.into(),
            key.deletion_window_days.into(),
            key.rotation_days.into(),
            key.next_rotation_at_ms.into(),
            key.id.into(),
        ],
    )?;
    Ok(())
}

/// Gives a key new material, which encrypts from now on; `false` if it has been given some since `key` was read.
pub fn rotate(tx: &mut dyn Tx, key: &KmsKey, new: &KeyVersion) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE kms_keys SET current_version = $1 WHERE id = $2 AND current_version = $3",
        &[i64::from(new.version).into(), key.id.into(), i64::from(key.current_version).into()],
    )?;
    if changed == 1 {
        insert_version(tx, key.id, new)?;
    }
    Ok(changed == 1)
}

/// The key of that id, wherever it is.
pub fn find_by_key_id(tx: &mut dyn Tx, key_id: Uuid) -> Result<Option<KmsKey>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM kms_keys k WHERE k.key_id = $1"), &[key_id.to_string().into()])?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// The key of that row.
pub fn find_by_row(tx: &mut dyn Tx, id: i64) -> Result<Option<KmsKey>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM kms_keys k WHERE k.id = $1"), &[id.into()])?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// The key that a request names.
pub fn find(tx: &mut dyn Tx, key: &KeyRef) -> Result<Option<KmsKey>, StoreError> {
    let by_id = "FROM kms_keys k WHERE k.account_id = $1 AND k.region = $2 AND k.key_id = $3";
    let by_alias = "FROM kms_aliases a JOIN kms_keys k ON k.id = a.kms_key_id \
                    WHERE a.account_id = $1 AND a.region = $2 AND a.name = $3";
    let from = if key.is_alias() { by_alias } else { by_id };
    tx.query_opt(
        &format!("SELECT {COLUMNS} {from}"),
        &[key.registry.account.as_str().into(), key.registry.region.as_str().into(), key.name.as_str().into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// Up to `limit` keys of an account and region in the order of their ids, from the first after `after`.
pub fn list(tx: &mut dyn Tx, registry: &RegistryId, after: &str, limit: usize) -> Result<Vec<KmsKey>, StoreError> {
    readable_page(
        tx,
        limit,
        "kms_keys",
        &format!(
            "SELECT {COLUMNS} FROM kms_keys k WHERE k.account_id = $1 AND k.region = $2 AND k.key_id > $3 \
             ORDER BY k.key_id LIMIT $4"
        ),
        &[registry.account.as_str().into(), registry.region.as_str().into(), after.into()],
        from_row,
    )
}

/// The number and the sealed material of every version of a key: all that decrypting takes, whatever else of them cannot
/// be read.
pub fn materials(tx: &mut dyn Tx, id: i64) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
    tx.query("SELECT version, sealed FROM kms_key_versions WHERE kms_key_id = $1", &[id.into()])?
        .iter()
        .map(|row| Ok((version_number(row.int(0)?)?, row.blob(1)?.to_vec())))
        .collect()
}

/// Every version of a key, the first made first.
pub fn versions(tx: &mut dyn Tx, id: i64) -> Result<Vec<KeyVersion>, StoreError> {
    tx.query(
        "SELECT version, sealed, created_at_ms, rotation_type FROM kms_key_versions WHERE kms_key_id = $1 \
         ORDER BY version",
        &[id.into()],
    )?
    .iter()
    .map(|row| {
        Ok(KeyVersion {
            version: version_number(row.int(0)?)?,
            sealed: row.blob(1)?.to_vec(),
            created_at_ms: row.int(2)?,
            rotation_type: row
                .opt_text(3)?
                .map(|text| parse_column(text, "kms_key_versions.rotation_type"))
                .transpose()?,
        })
    })
    .collect()
}

/// Removes a key with its material, aliases and grants. What it encrypted can never be read again.
pub fn delete(tx: &mut dyn Tx, id: i64) -> Result<(), StoreError> {
    for table in ["kms_grants", "kms_aliases", "kms_key_versions"] {
        tx.execute(&format!("DELETE FROM {table} WHERE kms_key_id = $1"), &[id.into()])?;
    }
    tx.execute("DELETE FROM kms_keys WHERE id = $1", &[id.into()])?;
    Ok(())
}

/// Every key with its policy, as (row, policy).
pub fn list_policies(tx: &mut dyn Tx) -> Result<Vec<(i64, String)>, StoreError> {
    tx.query("SELECT id, policy FROM kms_keys", &[])?
        .iter()
        .map(|row| Ok((row.int(0)?, row.text(1)?.to_owned())))
        .collect()
}

/// Stores the policy of a key.
pub fn set_policy(tx: &mut dyn Tx, id: i64, policy: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE kms_keys SET policy = $1 WHERE id = $2", &[policy.into(), id.into()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_arn_of_a_key_names_a_key_alone() {
        for good in [
            "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-1",
        ] {
            let arn: KmsKeyArn = good.parse().expect("an ARN of a key");
            assert_eq!((arn.as_str(), arn.to_string().as_str()), (good, good));
            assert_eq!(Some(arn.key_id()), good.rsplit('/').next());
        }
        for bad in [
            "",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kms:us-east-1:123456789012:alias/a",
            "arn:aws:kms:us-east-1:123456789012:key/",
            "arn:aws:kms:us-east-1:123456789012:key/a/b",
            "arn:aws:kms:us-east-1:123456789012:key/a:b",
            "arn:aws:kms:us-east-1:12345678901:key/a",
            "arn:aws:kms::123456789012:key/a",
            "arn:aws:iam:us-east-1:123456789012:key/a",
            "arn:a:kms:us-east-1:123456789012:key/a",
            "Arn:aws:kms:us-east-1:123456789012:key/a",
        ] {
            assert_eq!(bad.parse::<KmsKeyArn>(), Err(ArnError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_arn_of_every_key_reads_back(key_id: u128, account in "[0-9]{12}", region in "[a-z][a-z0-9-]{0,31}") {
            let registry = RegistryId {
                account: account.parse().expect("an account"),
                region: region.parse().expect("a region"),
            };
            let text = key_arn(&registry, &Uuid::from_u128(key_id).to_string());
            let arn: KmsKeyArn = text.parse().expect("an ARN of a key");
            prop_assert_eq!(arn.as_str(), text.as_str());
            prop_assert_eq!(arn.key_id().parse(), Ok(Uuid::from_u128(key_id)));
            prop_assert_eq!(arn.key_ref().map(|key| (key.arn(), key.registry)), Some((text, registry)));
        }
    }
}
