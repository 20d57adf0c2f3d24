//! What a command is about: `REPO`, `REPO:TAG` or `REPO@DIGEST`.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

/// A repository, or one image of it. The server judges whether the parts are well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The repository.
    pub(crate) repository: String,
    /// What of it.
    pub(crate) part: Part,
}

/// What of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    Tag(String),
    Digest(String),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (repository, part) = match (text.split_once('@'), text.split_once(':')) {
            (Some((repository, digest)), _) => (repository, Part::Digest(digest.to_owned())),
            (None, Some((repository, tag))) => (repository, Part::Tag(tag.to_owned())),
            (None, None) => (text, Part::All),
        };
        let is_empty = matches!(&part, Part::Tag(text) | Part::Digest(text) if text.is_empty());
        if repository.is_empty() || is_empty || repository.contains(':') {
            return Err("write REPO, REPO:TAG or REPO@DIGEST, without the registry's host".to_owned());
        }
        Ok(Self { repository: repository.to_owned(), part })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            Part::All => f.write_str(&self.repository),
            Part::Tag(tag) => write!(f, "{}:{tag}", self.repository),
            Part::Digest(digest) => write!(f, "{}@{digest}", self.repository),
        }
    }
}

impl Target {
    /// The image that it names, as an operation takes it; none for the whole repository.
    pub(crate) fn image_id(&self) -> Option<Value> {
        match &self.part {
            Part::All => None,
            Part::Tag(tag) => Some(json!({ "imageTag": tag })),
            Part::Digest(digest) => Some(json!({ "imageDigest": digest })),
        }
    }

    /// The one image that it names, as an operation takes it: the tag `latest` of a repository alone, as when it is pulled.
    pub(crate) fn one_image(&self) -> Value {
        self.image_id().unwrap_or_else(|| json!({ "imageTag": "latest" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        let digest = "sha256:abc";
        for (text, part) in [
            ("team/app", Part::All),
            ("team/app:release-*", Part::Tag("release-*".to_owned())),
            ("team/app@sha256:abc", Part::Digest(digest.to_owned())),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!((target.repository.as_str(), &target.part), ("team/app", &part), "{text}");
            assert_eq!(target.to_string(), text);
        }
        let one = |text: &str| text.parse::<Target>().expect(text).one_image();
        assert_eq!((one("app"), one("app:v1")), (json!({ "imageTag": "latest" }), json!({ "imageTag": "v1" })));
        for text in ["", ":tag", "@sha256:abc", "app:", "app@", "localhost:5000/app@sha256:abc"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
