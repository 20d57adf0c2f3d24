//! Presigned layer URLs (ECR: GetDownloadUrlForLayer): good for one blob of one repository until they expire.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};
use store::blob::{open_small, seal_small};
use store::tables::registry_id::RegistryId;

use crate::Access;

/// The path that these URLs begin with; what follows is the sealed grant.
pub const PATH_PREFIX: &str = "/layers/";
const PURPOSE: &str = "layer download url";

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "a")]
    account: aws::AccountId,
    #[serde(rename = "r")]
    region: aws::Region,
    #[serde(rename = "n")]
    repository: String,
    #[serde(rename = "d")]
    digest: Digest,
    #[serde(rename = "e")]
    expires_at_ms: i64,
}

/// What a URL lets its holder read.
#[derive(Debug)]
pub struct Grant {
    /// The registry.
    pub registry: RegistryId,
    /// The repository.
    pub repository: RepositoryName,
    /// The blob.
    pub digest: Digest,
}

/// Why a URL was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum GrantError {
    /// Not one of ours, or changed.
    Invalid,
    /// Too late.
    Expired,
}

/// Makes the path of a URL for a grant.
pub fn issue(app: &Access, grant: &Grant) -> String {
    let claims = Claims {
        account: grant.registry.account,
        region: grant.registry.region.clone(),
        repository: grant.repository.to_string(),
        digest: grant.digest,
        expires_at_ms: app.now_ms() + app.limits.download_url_lifetime_ms,
    };
    let claims = serde_json::to_vec(&claims).expect("claims are plain text fields");
    format!("{PATH_PREFIX}{}", URL_SAFE_NO_PAD.encode(seal_small(&app.key_ring, PURPOSE, &[], &claims)))
}

/// A path without the grant that may be in it, which is its own password.
pub fn without_grant(path: &str) -> &str {
    if path.starts_with(PATH_PREFIX) { PATH_PREFIX } else { path }
}

/// Reads what follows [`PATH_PREFIX`] in a request's path.
pub fn verify(app: &Access, sealed: &str) -> Result<Grant, GrantError> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| GrantError::Invalid)?;
    let claims = open_small(&app.key_ring, PURPOSE, &[], &sealed).map_err(|_| GrantError::Invalid)?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| GrantError::Invalid)?;
    if claims.expires_at_ms <= app.now_ms() {
        return Err(GrantError::Expired);
    }
    Ok(Grant {
        registry: RegistryId { account: claims.account, region: claims.region },
        repository: claims.repository.parse().map_err(|_| GrantError::Invalid)?,
        digest: claims.digest,
    })
}
