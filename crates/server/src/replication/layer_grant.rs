//! Paths at which another Wharf may put one layer: a sealed grant each, good for that layer until it expires.

use aws::AccountId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oci::Digest;
use serde::{Deserialize, Serialize};
use store::blob::{open_small, seal_small};
use store::tables::registry_id::RegistryId;

use super::receive::Arrival;
use crate::app::App;

/// What these paths begin with; what follows is the sealed grant.
pub const PATH_PREFIX: &str = "/replicated-layers/";
const PURPOSE: &str = "replicated layer";
/// Long enough for the layers of one image that are sent one after the other; an expired one is asked for anew.
const LIFETIME_MS: i64 = 12 * 60 * 60 * 1000;

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "s")]
    source: AccountId,
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
}

/// Makes the path at which a layer may be put.
pub fn issue(app: &App, arrival: &Arrival, digest: Digest) -> String {
    let claims = Claims {
        source: arrival.source,
        account: arrival.registry.account,
        region: arrival.registry.region.clone(),
        repository: arrival.repository.to_string(),
        digest,
        expires_at_ms: app.now_ms() + LIFETIME_MS,
    };
    let claims = serde_json::to_vec(&claims).expect("claims are plain text fields");
    format!("{PATH_PREFIX}{}", URL_SAFE_NO_PAD.encode(seal_small(&app.key_ring, PURPOSE, &[], &claims)))
}

/// Reads what follows [`PATH_PREFIX`] in a request's path; none if it is not ours, or no longer good.
pub fn verify(app: &App, sealed: &str) -> Option<(Arrival, Digest)> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let claims = open_small(&app.key_ring, PURPOSE, &[], &sealed).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let arrival = Arrival {
        source: claims.source,
        registry: RegistryId { account: claims.account, region: claims.region },
        repository: claims.repository.parse().ok()?,
    };
    (claims.expires_at_ms > app.now_ms()).then_some((arrival, claims.digest))
}
