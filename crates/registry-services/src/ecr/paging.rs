//! Pages of lists: `maxResults` and the opaque `nextToken` (reference/wire.md 1, Pagination).

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oci::Digest;

use super::errors::EcrError;

/// The part of a list that is asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// The list.
    list: List,
    /// At most so many entries.
    pub limit: usize,
    /// Where the page before ended; empty texts for the first page.
    pub after: [String; 2],
}

/// What a token is a place in: an operation, and the members of its input that decide what is listed.
#[derive(Clone, Debug)]
pub struct List(Digest);

impl List {
    /// Of an operation's name and the members, as they were given.
    pub fn new(operation: &'static str, members: &[&dyn Debug]) -> Self {
        Self(Digest::sha256_of(format!("{operation}{members:?}").as_bytes()))
    }

    /// What binds a token to the list: long enough that no two lists are taken for each other by accident.
    fn mark(&self) -> String {
        self.0.hex().chars().take(16).collect()
    }
}

/// Reads `maxResults` and `nextToken`, which must have come from the same list.
pub fn page(
    list: List,
    max_results: Option<i64>,
    next_token: Option<&str>,
    default: usize,
    max: i64,
) -> Result<Page, EcrError> {
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
        Some(token) => decode(&list, token).ok_or_else(|| EcrError::parameter("nextToken", "Invalid nextToken"))?,
    };
    Ok(Page { list, limit, after })
}

fn decode(list: &List, token: &str) -> Option<[String; 2]> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let [mark, first, second]: [String; 3] = serde_json::from_slice(&bytes).ok()?;
    (mark == list.mark()).then_some([first, second])
}

impl Page {
    /// The `nextToken` for a page that goes on after this entry.
    pub fn token_after(&self, [first, second]: [&str; 2]) -> String {
        let token = [&self.list.mark(), first, second];
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
    }
}

/// Refuses paging members beside a list of names (reference/wire.md 1).
pub fn refuse_beside(list: &'static str, max_results: Option<i64>, next_token: Option<&str>) -> Result<(), EcrError> {
    for (member, is_given) in [("maxResults", max_results.is_some()), ("nextToken", next_token.is_some())] {
        if is_given {
            return Err(EcrError::parameter(member, format!("cannot be given together with '{list}'")));
        }
    }
    Ok(())
}
