//! The answer to a referrers request: an image index of descriptors (OCI distribution, "Listing Referrers").

use std::collections::BTreeMap;

use serde::Serialize;

use crate::digest::Digest;
use crate::media_type::{MediaType, OCI_INDEX};
use crate::tag::Tag;

/// One image that refers to the subject.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReferrerEntry {
    /// Media type of its manifest.
    pub media_type: MediaType,
    /// Digest of its manifest.
    pub digest: Digest,
    /// Length of its manifest in bytes.
    pub size: u64,
    /// Its artifact type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The annotations of its manifest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    schema_version: u8,
    media_type: &'static str,
    manifests: &'a [ReferrerEntry],
}

/// The index as JSON.
pub fn referrers_index(entries: &[ReferrerEntry]) -> Vec<u8> {
    serde_json::to_vec(&Index { schema_version: 2, media_type: OCI_INDEX, manifests: entries })
        .expect("texts and numbers can be written as JSON")
}

/// The tag under which registries without a referrers API keep the list of an image's referrers (OCI distribution,
/// "Referrers Tag Schema").
pub fn referrers_tag(subject: &Digest) -> Tag {
    let text: String = format!("{}-{}", subject.algorithm().as_str(), subject.hex()).chars().take(128).collect();
    text.parse().expect("an algorithm's name, a dash and hex make a tag")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_referrers() {
        let short = Digest::sha256_of(b"");
        assert_eq!(referrers_tag(&short).as_str(), format!("sha256-{}", short.hex()));
        // A tag has at most 128 characters, so a longer digest is cut.
        let long = Digest::sha512_of(b"");
        assert_eq!(referrers_tag(&long).as_str(), &format!("sha512-{}", long.hex())[..128]);
    }
}
