//! Pages of lists: `MaxItems`, `Marker` and `IsTruncated`.

use api::paging::{self, List};
use aws::FormNumber;
use serde::{Deserialize, Serialize};

use super::constraints::Check;
use super::errors::IamError;

/// The members of an input that ask for a page.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PageInput {
    #[serde(default, deserialize_with = "aws::number_text")]
    max_items: Option<FormNumber>,
    marker: Option<String>,
}

/// The members of an output that say whether there is more.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PageOutput {
    is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
}

/// The part of a list that is asked for, after the key of the entry that the page before ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page(pub paging::Page<String>);

impl PageInput {
    /// Reads the members: 100 entries if nothing is said, 1 to 1,000 otherwise.
    pub fn check(self) -> Result<Page, IamError> {
        // Keys tell by themselves what a list is of.
        let any = List::Prefixed(String::new());
        Check::page(any, self.max_items, self.marker.as_deref(), 100, 1000).map(Page)
    }
}

impl Page {
    /// Cuts the page out of entries, which may reach beyond it on both sides, in the order of their keys. A page that
    /// was read up to here has one entry more than its limit if it is not the last.
    pub fn cut<T>(&self, mut entries: Vec<T>, key: impl Fn(&T) -> String) -> (Vec<T>, PageOutput) {
        entries.retain(|entry| key(entry) > self.0.after);
        entries.sort_by_cached_key(&key);
        let marker = self.0.cut(&mut entries, key);
        (entries, PageOutput { is_truncated: marker.is_some(), marker })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let names = || ["b", "d", "a", "c", "e"].map(str::to_owned).to_vec();
        let mut page = PageInput { max_items: Some(2.into()), marker: None }.check().expect("valid");
        let mut seen = Vec::new();
        loop {
            let (found, output) = page.cut(names(), Clone::clone);
            seen.push(found.join(""));
            if !output.is_truncated {
                assert_eq!(output.marker, None);
                break;
            }
            page = PageInput { max_items: Some(2.into()), marker: output.marker }.check().expect("valid");
        }
        assert_eq!(seen, ["ab", "cd", "e"]);
        assert!(PageInput { max_items: Some(0.into()), marker: None }.check().is_err());
        assert!(PageInput { max_items: Some(1001.into()), marker: None }.check().is_err());
        assert!(PageInput { max_items: None, marker: Some("?".to_owned()) }.check().is_err());
    }
}
