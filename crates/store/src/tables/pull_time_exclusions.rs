//! Principals whose pulls leave the last pull time of a registry's images as it is (ECR: pull time update exclusions).

use std::fmt;
use std::str::FromStr;

use super::parse_column;
use super::registry_id::RegistryId;
use crate::db::Tx;
use crate::error::StoreError;
use crate::tables::readable::readable;
use crate::tables::readable::readable_page;

/// The ARN of a user or a role, as ECR's API has it (`PrincipalArn`); neither needs to exist.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct PrincipalArn(String);

impl PrincipalArn {
    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PrincipalArn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let arn: aws::Arn = text.parse().map_err(drop)?;
        let is_partition = |text: &str| {
            text.strip_prefix("aws").is_some_and(|rest| {
                rest.is_empty()
                    || rest.strip_prefix('-').is_some_and(|words| {
                        words
                            .split('-')
                            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
                    })
            })
        };
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
        };
        let name = arn.resource().strip_prefix("user/").or_else(|| arn.resource().strip_prefix("role/"));
        let is_good = is_partition(arn.partition())
            && arn.service() == "iam"
            && arn.region().is_empty()
            && arn.account().parse::<aws::AccountId>().is_ok()
            && name.is_some_and(|name| name.split('/').all(is_name));
        if is_good { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

impl fmt::Display for PrincipalArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds a principal; `false` if it is there.
pub fn insert(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    principal: &PrincipalArn,
    created_at_ms: i64,
) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO pull_time_exclusions (account_id, region, principal_arn, created_at_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account_id, region, principal_arn) DO NOTHING",
        &[
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            principal.as_str().into(),
            created_at_ms.into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Removes a principal; `false` if it was not there.
pub fn delete(tx: &mut dyn Tx, registry: &RegistryId, principal: &PrincipalArn) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM pull_time_exclusions WHERE account_id = $1 AND region = $2 AND principal_arn = $3",
        &[registry.account.as_str().into(), registry.region.as_str().into(), principal.as_str().into()],
    )?;
    Ok(deleted == 1)
}

/// Up to `limit` principals of a registry in the order of their ARNs, from the first after `after`.
pub fn list(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    after: &str,
    limit: usize,
) -> Result<Vec<PrincipalArn>, StoreError> {
    readable_page(
        tx,
        limit,
        "pull_time_exclusions",
        "SELECT principal_arn FROM pull_time_exclusions WHERE account_id = $1 AND region = $2 AND principal_arn > $3 \
         ORDER BY principal_arn LIMIT $4",
        &[registry.account.as_str().into(), registry.region.as_str().into(), after.into()],
        |row| parse_column(row.text(0)?, "pull_time_exclusions.principal_arn"),
    )
}

/// Every principal of every registry, for the copy that nodes hold in memory.
pub fn list_all(tx: &mut dyn Tx) -> Result<Vec<(RegistryId, PrincipalArn)>, StoreError> {
    let rows = tx.query("SELECT account_id, region, principal_arn FROM pull_time_exclusions", &[])?;
    readable(&rows, "pull_time_exclusions", |row| {
        let registry = RegistryId {
            account: parse_column(row.text(0)?, "pull_time_exclusions.account_id")?,
            region: parse_column(row.text(1)?, "pull_time_exclusions.region")?,
        };
        Ok((registry, parse_column(row.text(2)?, "pull_time_exclusions.principal_arn")?))
    })
}
