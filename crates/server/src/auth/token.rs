//! Registry authorization tokens: the opaque password that stands for a principal on `/v2/` for 12 hours.
//!
//! A token is sealed claims under the service key: it cannot be read, forged or changed, and needs no row. It names
//! the access key that asked for it, so it dies with the key.

use aws::{AccountId, Region};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use store::blob::{open_small, seal_small};
use store::tables::registry_id::RegistryId;

use super::caller::Caller;
use crate::app::App;

const PURPOSE: &str = "registry authorization token";
/// The user name that ECR expects beside the token.
const USER: &str = "AWS";
/// Longest `Authorization` value that is looked at; ours are well under 1 KiB.
const MAX_HEADER_BYTES: usize = 16 * 1024;

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "k")]
    access_key_id: String,
    #[serde(rename = "p")]
    principal_account: AccountId,
    #[serde(rename = "a")]
    registry_account: AccountId,
    #[serde(rename = "r")]
    region: Region,
    #[serde(rename = "e")]
    expires_at_ms: i64,
}

/// Why a token was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenError {
    /// There is none, or nothing that looks like one.
    Missing,
    /// It is not one of ours, or not for this registry.
    Invalid,
    /// It was good once.
    Expired,
}

/// Who a token stands for, and the registry that it was made for.
#[derive(Debug)]
pub struct Bearer {
    /// The principal.
    pub caller: Caller,
    /// The registry that is meant where the host name does not say.
    pub registry: RegistryId,
}

/// Makes the `authorizationToken` of GetAuthorizationToken for a registry, and says until when (epoch ms) it is good.
pub fn issue(app: &App, caller: &Caller, registry_account: AccountId) -> (String, i64) {
    let expires_at_ms = app.now_ms() + app.limits.token_lifetime_ms;
    let claims = Claims {
        access_key_id: caller.access_key_id.clone(),
        principal_account: caller.account,
        registry_account,
        region: caller.region.clone(),
        expires_at_ms,
    };
    let claims = serde_json::to_vec(&claims).expect("claims are plain text fields");
    let password = URL_SAFE_NO_PAD.encode(seal_small(&app.service_key, PURPOSE, &[], &claims));
    (STANDARD.encode(format!("{USER}:{password}")), expires_at_ms)
}

/// Reads the `Authorization` header of a `/v2/` request.
pub fn verify(app: &App, header: Option<&str>) -> Result<Bearer, TokenError> {
    let header = header.filter(|value| value.len() <= MAX_HEADER_BYTES).ok_or(TokenError::Missing)?;
    let (scheme, value) = header.split_once(' ').ok_or(TokenError::Missing)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(TokenError::Missing);
    }
    let decoded = STANDARD.decode(value.trim()).map_err(|_| TokenError::Missing)?;
    let decoded = String::from_utf8(decoded).map_err(|_| TokenError::Invalid)?;
    let (user, password) = decoded.split_once(':').ok_or(TokenError::Missing)?;
    if user != USER {
        return Err(TokenError::Invalid);
    }
    let sealed = URL_SAFE_NO_PAD.decode(password).map_err(|_| TokenError::Invalid)?;
    let claims = open_small(&app.service_key, PURPOSE, &[], &sealed).map_err(|_| TokenError::Invalid)?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| TokenError::Invalid)?;
    if claims.expires_at_ms <= app.now_ms() {
        return Err(TokenError::Expired);
    }
    let key = app.accounts.find_key(&claims.access_key_id).ok_or(TokenError::Invalid)?;
    if key.account != claims.principal_account || !app.accounts.has_region(claims.region.as_str()) {
        return Err(TokenError::Invalid);
    }
    Ok(Bearer {
        caller: Caller {
            account: claims.principal_account,
            region: claims.region.clone(),
            access_key_id: claims.access_key_id,
        },
        registry: RegistryId { account: claims.registry_account, region: claims.region },
    })
}
