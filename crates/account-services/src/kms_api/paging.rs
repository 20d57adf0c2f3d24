//! Pages of lists: `Limit` and the opaque `Marker`.

use access::kms::KmsError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The part of a list that is asked for.
#[derive(Clone, Debug)]
pub struct Page {
    /// At most so many entries.
    pub limit: usize,
    /// Where the page before ended; empty for the first.
    pub after: String,
    list: &'static str,
}

impl Page {
    /// Reads the members. A marker is good for the list that it came from.
    pub fn new(list: &'static str, limit: Option<i64>, marker: Option<&str>, default: usize) -> Result<Self, KmsError> {
        let limit = match limit {
            None => default,
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=1_000).contains(limit))
                .ok_or_else(|| KmsError::validation("Limit must be 1 to 1000"))?,
        };
        let after = match marker {
            None => String::new(),
            Some(marker) => read(list, marker).ok_or(KmsError::InvalidMarker)?,
        };
        Ok(Self { limit, after, list })
    }

    /// Cuts what was read, one more than asked for, to the page; gives the marker of the next, if there is one.
    pub fn cut<T>(&self, found: &mut Vec<T>, place: impl Fn(&T) -> String) -> Option<String> {
        if found.len() <= self.limit {
            return None;
        }
        found.truncate(self.limit);
        let last = found.last().map(place)?;
        Some(URL_SAFE_NO_PAD.encode(format!("{}:{last}", self.list)))
    }
}

fn read(list: &str, marker: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(marker).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (of, place) = text.split_once(':')?;
    (of == list && !place.contains('\0')).then(|| place.to_owned())
}
