//! Paths at which another Wharf may put one layer: a sealed grant each, good for that layer until it expires, and no longer
//! than the key that asked for it.

use aws::AccountId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oci::Digest;
use serde::{Deserialize, Serialize};
use store::blob::{open_small, seal_small};
use store::tables::registry_id::RegistryId;

use super::arrival::{Arrival, Origin};
use crate::Access;
use crate::auth::caller::Caller;
use crate::auth::keys;

/// What these paths begin with; what follows is the sealed grant.
pub const PATH_PREFIX: &str = "/replicated-layers/";
const PURPOSE: &str = "replicated layer";
/// Long enough for the layers of one image that are sent one after the other; an expired one is asked for anew.
const LIFETIME_MS: i64 = 12 * 60 * 60 * 1000;

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "s")]
    source: AccountId,
    #[serde(rename = "sr", default, skip_serializing_if = "Option::is_none")]
    source_region: Option<aws::Region>,
    #[serde(rename = "a")]
    account: AccountId,
    #[serde(rename = "r")]
    region: aws::Region,
    #[serde(rename = "n")]
    repository: String,
    #[serde(rename = "d")]
    digest: Digest,
    #[serde(rename = "e")]
    expires_at_ms: i64,
    #[serde(rename = "k")]
    access_key_id: String,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    session_token: Option<String>,
    #[serde(rename = "p")]
    principal_account: AccountId,
    /// Of a root user's key, whose secret can be changed under the same id: what tells that it still is the same secret.
    /// Paths of before this was written have none.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    root_secret: Option<String>,
}

/// What a path lets its holder do, as long as `caller` may.
#[derive(Debug)]
pub struct LayerGrant {
    /// Where the layer goes.
    pub arrival: Arrival,
    /// The layer.
    pub digest: Digest,
    /// Who asked for the path, with the rights of now.
    pub caller: Caller,
}

/// Makes the path at which a layer may be put for `caller`.
pub fn issue(app: &Access, caller: &Caller, arrival: &Arrival, digest: Digest) -> String {
    let claims = Claims {
        source: arrival.origin.account(),
        source_region: arrival.origin.region().cloned(),
        account: arrival.registry.account,
        region: arrival.registry.region.clone(),
        repository: arrival.repository.to_string(),
        digest,
        expires_at_ms: app.now_ms() + LIFETIME_MS,
        access_key_id: caller.access_key_id.clone(),
        session_token: caller.session().map(|session| session.token.expose().to_owned()),
        principal_account: caller.account,
        root_secret: app.accounts.secret_fingerprint(&caller.access_key_id).map(str::to_owned),
    };
    let claims = serde_json::to_vec(&claims).expect("claims are plain text fields");
    format!("{PATH_PREFIX}{}", URL_SAFE_NO_PAD.encode(seal_small(&app.key_ring, PURPOSE, &[], &claims)))
}

/// Reads what follows [`PATH_PREFIX`] in a request's path; none if it is not ours, or no longer good: it has expired, or the
/// key that asked for it is gone, or has another secret.
pub fn verify(app: &Access, sealed: &str) -> Option<LayerGrant> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let claims = open_small(&app.key_ring, PURPOSE, &[], &sealed).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    if claims.expires_at_ms <= app.now_ms() {
        return None;
    }
    let holder = keys::find(app, &claims.access_key_id, claims.session_token.as_deref()).ok()?;
    if holder.account != claims.principal_account {
        return None;
    }
    // The path was for whoever knew the secret, and that is no longer the one that was given up.
    if !app.accounts.has_secret_still(&claims.access_key_id, claims.root_secret.as_deref()) {
        return None;
    }
    Some(LayerGrant {
        caller: holder.into_caller(claims.region.clone(), claims.access_key_id),
        arrival: Arrival {
            origin: Origin::Elsewhere(claims.source, claims.source_region),
            registry: RegistryId { account: claims.account, region: claims.region },
            repository: claims.repository.parse().ok()?,
        },
        digest: claims.digest,
    })
}
