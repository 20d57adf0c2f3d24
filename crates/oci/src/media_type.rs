//! Media types, and the ones that registries know.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Docker image manifest, version 2 schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The config of an image in a Docker manifest.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// The config of an image in an OCI manifest.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker schema 1, signed.
pub const DOCKER_V1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
/// Docker schema 1.
pub const DOCKER_V1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// ORAS artifact manifest.
pub const ORAS_ARTIFACT: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";
/// The artifact manifest of OCI 1.1's release candidates.
pub const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

/// A media type without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType(Arc<str>);

/// A text is no media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a media type")]
pub struct MediaTypeError;

impl MediaType {
    /// The type.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same type, as it is usually written.
    #[must_use]
    pub fn to_lowercase(&self) -> Self {
        Self(self.0.to_ascii_lowercase().into())
    }
}

impl FromStr for MediaType {
    type Err = MediaTypeError;

    fn from_str(text: &str) -> Result<Self, MediaTypeError> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        let (kind, subtype) = essence.split_once('/').ok_or(MediaTypeError)?;
        let is_token = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
        };
        if essence.len() <= 255 && is_token(kind) && is_token(subtype) {
            Ok(Self(essence.into()))
        } else {
            Err(MediaTypeError)
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        assert_eq!("application/json; charset=utf-8".parse::<MediaType>().expect("valid").as_str(), "application/json");
        let json = serde_json::to_string(&OCI_INDEX.parse::<MediaType>().expect("valid")).expect("JSON");
        assert_eq!(json, format!("{OCI_INDEX:?}"));
        for bad in ["", "json", "a/b/c", "a/", "/b", "a b/c", &format!("a/{}", "b".repeat(255))] {
            assert!(bad.parse::<MediaType>().is_err(), "{bad}");
        }
    }
}
