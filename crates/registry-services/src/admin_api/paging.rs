//! Pages of lists: `maxResults`, and a `nextToken` that holds the place where the page before ended.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::errors::WharfError;

const DEFAULT_RESULTS: usize = 100;
const MAX_RESULTS: i64 = 1_000;

/// Reads `maxResults`.
pub fn limit(max_results: Option<i64>) -> Result<usize, WharfError> {
    match max_results {
        None => Ok(DEFAULT_RESULTS),
        Some(given) if (1..=MAX_RESULTS).contains(&given) => Ok(given as usize),
        Some(_) => Err(WharfError::validation("maxResults", format!("must be 1 to {MAX_RESULTS}"))),
    }
}

/// Reads `nextToken`; the first page has the default place. A place grants nothing, whoever made it up: it only says
/// where a list goes on that the caller may see.
pub fn place<P: DeserializeOwned + Default>(next_token: Option<&str>) -> Result<P, WharfError> {
    let Some(token) = next_token else { return Ok(P::default()) };
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| WharfError::validation("nextToken", "must be one that this operation answered"))
}

/// The `nextToken` of a list that goes on after this place.
pub fn token<P: Serialize>(place: &P) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}
