//! OpenID Connect providers whose tokens can be exchanged for a role's keys.

use aws::AccountId;

use super::{from_json, to_json};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::parse_column;
use crate::tables::readable::readable;

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProvider {
    /// `arn:aws:iam::ACCOUNT:oidc-provider/<url>`.
    pub arn: String,
    /// Its account.
    pub account: AccountId,
    /// The issuer's URL without its scheme.
    pub url: String,
    /// Audiences that tokens may name.
    pub client_ids: Vec<String>,
    /// SHA-1 thumbprints of certificates; kept as given.
    pub thumbprints: Vec<String>,
    /// Its tags, in the order of their keys.
    pub tags: Vec<(String, String)>,
    /// Creation time.
    pub created_at_ms: i64,
}

const COLUMNS: &str = "arn, account_id, url, client_ids, thumbprints, tags, created_at_ms";

fn from_row(row: &Row) -> Result<OidcProvider, StoreError> {
    Ok(OidcProvider {
        arn: row.text(0)?.to_owned(),
        account: parse_column(row.text(1)?, "iam_oidc_providers.account_id")?,
        url: row.text(2)?.to_owned(),
        client_ids: from_json(row.text(3)?, "iam_oidc_providers.client_ids")?,
        thumbprints: from_json(row.text(4)?, "iam_oidc_providers.thumbprints")?,
        tags: from_json(row.text(5)?, "iam_oidc_providers.tags")?,
        created_at_ms: row.int(6)?,
    })
}

/// Adds a provider; `false` if its ARN is taken.
pub fn insert(tx: &mut dyn Tx, new: &OidcProvider) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO iam_oidc_providers (arn, account_id, url, client_ids, thumbprints, tags, created_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (arn) DO NOTHING",
        &[
            new.arn.as_str().into(),
            new.account.as_str().into(),
            new.url.as_str().into(),
            to_json(&new.client_ids).into(),
            to_json(&new.thumbprints).into(),
            to_json(&new.tags).into(),
            new.created_at_ms.into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Stores audiences, thumbprints and tags, as changed.
pub fn update(tx: &mut dyn Tx, provider: &OidcProvider) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE iam_oidc_providers SET client_ids = $1, thumbprints = $2, tags = $3 WHERE arn = $4",
        &[
            to_json(&provider.client_ids).into(),
            to_json(&provider.thumbprints).into(),
            to_json(&provider.tags).into(),
            provider.arn.as_str().into(),
        ],
    )?;
    Ok(())
}

/// The provider of that ARN.
pub fn find(tx: &mut dyn Tx, arn: &str) -> Result<Option<OidcProvider>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM iam_oidc_providers WHERE arn = $1"), &[arn.into()])?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// The providers of an account, in the order of their ARNs.
pub fn list(tx: &mut dyn Tx, account: AccountId) -> Result<Vec<OidcProvider>, StoreError> {
    let rows = tx.query(
        &format!("SELECT {COLUMNS} FROM iam_oidc_providers WHERE account_id = $1 ORDER BY arn"),
        &[account.as_str().into()],
    )?;
    readable(&rows, "iam_oidc_providers", from_row)
}

/// Every provider, for the copy that nodes hold in memory.
pub fn list_all(tx: &mut dyn Tx) -> Result<Vec<OidcProvider>, StoreError> {
    let rows = tx.query(&format!("SELECT {COLUMNS} FROM iam_oidc_providers"), &[])?;
    readable(&rows, "iam_oidc_providers", from_row)
}

/// Removes a provider; `false` if there is none of that ARN.
pub fn delete(tx: &mut dyn Tx, arn: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM iam_oidc_providers WHERE arn = $1", &[arn.into()])? == 1)
}
