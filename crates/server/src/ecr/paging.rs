//! Pages of lists: `maxResults` and the opaque `nextToken` (wire.md 1, Pagination).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::errors::EcrError;

/// The part of a list that is asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// At most so many entries.
    pub limit: usize,
    /// Where the page before ended; empty texts for the first page.
    pub after: [String; 2],
}

/// Reads `maxResults` and `nextToken`.
pub fn page(max_results: Option<i64>, next_token: Option<&str>, default: usize, max: i64) -> Result<Page, EcrError> {
    let limit = match max_results {
        None => default,
        Some(given) if (1..=max).contains(&given) => given as usize,
        Some(given) => {
            let bound = if given < 1 {
                "greater than or equal to 1".to_owned()
            } else {
                format!("less than or equal to {max}")
            };
            return Err(EcrError::parameter("maxResults", format!("Member must have value {bound}")));
        }
    };
    let after = match next_token {
        None => Default::default(),
        Some(token) => decode(token).ok_or_else(|| EcrError::parameter("nextToken", "Invalid nextToken"))?,
    };
    Ok(Page { limit, after })
}

fn decode(token: &str) -> Option<[String; 2]> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The `nextToken` for a page that goes on after this entry.
pub fn token(after: [&str; 2]) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&after).unwrap_or_default())
}

/// Refuses paging members beside a list of names (wire.md 1).
pub fn refuse_beside(list: &'static str, max_results: Option<i64>, next_token: Option<&str>) -> Result<(), EcrError> {
    for (member, is_given) in [("maxResults", max_results.is_some()), ("nextToken", next_token.is_some())] {
        if is_given {
            return Err(EcrError::parameter(member, format!("cannot be given together with '{list}'")));
        }
    }
    Ok(())
}
