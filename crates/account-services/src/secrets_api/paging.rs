//! Pages of lists: `MaxResults` and the opaque `NextToken`.

use access::secret_values::errors::SecretsError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The part of a list that is asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// At most so many entries.
    pub limit: usize,
    /// Where the page before ended: a value, and a row's key.
    pub after: Option<(String, i64)>,
    list: String,
}

/// Reads the members. A token is good for the list that it came from: the operation and what it was asked for.
pub fn page(list: String, max_results: Option<i64>, next_token: Option<&str>, max: i64) -> Result<Page, SecretsError> {
    let limit = max_results.unwrap_or(max);
    if !(1..=max).contains(&limit) {
        return Err(SecretsError::parameter(format!("MaxResults must be 1 to {max}.")));
    }
    let after = match next_token {
        None => None,
        Some(token) => Some(read(&list, token).ok_or(SecretsError::InvalidNextToken)?),
    };
    Ok(Page { limit: usize::try_from(limit).unwrap_or(1), after, list })
}

fn mark(list: &str) -> String {
    oci::Digest::sha256_of(list.as_bytes()).hex().chars().take(16).collect()
}

fn read(list: &str, token: &str) -> Option<(String, i64)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (of, value, id): (String, String, i64) = serde_json::from_slice(&bytes).ok()?;
    (of == mark(list)).then_some((value, id))
}

impl Page {
    /// The token of a page that goes on after a place.
    pub fn token_after(&self, (value, id): &(String, i64)) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(mark(&self.list), value, id)).unwrap_or_default())
    }
}
