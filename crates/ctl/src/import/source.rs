//! Where an import reads from, and what it finds there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use oci::{Algorithm, Digest, Manifest, ManifestError, ManifestKind, MediaType};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::ecr::{EcrRegistry, Settings};
use super::failure::Failure;
use super::folder::Folder;
use super::pattern::Pattern;
use super::registry::Registry;

/// Configs are small; larger ones are none that could say when an image was created.
const MAX_CONFIG_BYTES: usize = 4 << 20;

/// What of a source is wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    /// Repositories; all if there are none.
    pub(super) repositories: Vec<Pattern>,
    /// Tags; all if there are none.
    pub(super) tags: Vec<Pattern>,
    /// Images that are younger.
    pub(super) since_ms: Option<i64>,
    /// Images that have no tag and belong to none that has.
    pub(super) has_untagged: bool,
}

/// An image of a repository, as the source lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListedImage {
    pub(super) digest: Digest,
    pub(super) tags: Vec<String>,
    /// When it came there, if the source knows.
    pub(super) pushed_at_ms: Option<i64>,
}

/// What is wrong with something that was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// `:TAG`, `@DIGEST`, or nothing for the repository.
    pub(super) image: String,
    pub(super) reason: String,
}

/// What of a repository is wanted.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The images, in the order in which they should come to the target.
    pub(super) images: Vec<ListedImage>,
    pub(super) problems: Vec<Problem>,
    /// What is passed over without harm, for people.
    pub(super) notes: Vec<String>,
    /// What refers to each image, if the source tells when it lists.
    pub(super) referrers: Option<HashMap<Digest, Vec<Digest>>>,
}

/// A manifest whose bytes have the digest.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    pub(super) digest: Digest,
    pub(super) manifest: Manifest,
    pub(super) bytes: Bytes,
}

impl Fetched {
    /// Checks a manifest that should have the digest, and reads it.
    pub(super) fn check(
        bytes: Vec<u8>,
        declared: Option<MediaType>,
        expected: Option<Digest>,
    ) -> Result<Self, Failure> {
        let digest = match expected.map(|digest| digest.algorithm()) {
            Some(Algorithm::Sha512) => Digest::sha512_of(&bytes),
            Some(Algorithm::Sha256) | None => Digest::sha256_of(&bytes),
        };
        let manifest = match Manifest::parse(&bytes, declared.as_ref()) {
            Err(ManifestError::MediaTypeMissing) => Manifest::parse(&bytes, guessed(&bytes).as_ref()),
            result => result,
        };
        if let Ok(Manifest { kind: ManifestKind::SchemaV1 { .. }, .. }) = manifest {
            let text = "it is a Docker schema 1 manifest, which its registry signs anew: pull it and push it with a \
                        current client, and import again";
            return Err(Failure::Final(text.to_owned()));
        }
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(Failure::Final(format!("the source's manifest {expected} has the digest {digest}")));
        }
        let manifest = manifest
            .map_err(|error| Failure::Final(format!("the source's manifest {digest} cannot be used: {error}")))?;
        Ok(Self { digest, manifest, bytes: bytes.into() })
    }
}

/// The type of an OCI manifest that does not say it (OCI image specification: `mediaType` is optional).
fn guessed(bytes: &[u8]) -> Option<MediaType> {
    #[derive(Deserialize)]
    struct Members {
        manifests: Option<serde::de::IgnoredAny>,
        config: Option<serde::de::IgnoredAny>,
    }
    let members: Members = serde_json::from_slice(bytes).ok()?;
    let text = match (members.manifests, members.config) {
        (Some(_), None) => OCI_INDEX,
        (None, Some(_)) => OCI_MANIFEST,
        _ => return None,
    };
    text.parse().ok()
}

/// Tags that belong to images by their names: lists of referrers (`sha256-<hex>`), and signatures, attestations and
/// materials of cosign (`sha256-<hex>.sig`, …).
pub(super) fn companions<'d>(tags: &[String], digests: impl Iterator<Item = &'d Digest>) -> Vec<String> {
    let stems: HashSet<String> = digests.map(|digest| oci::referrers_tag(digest).as_str().to_owned()).collect();
    let is_one = |tag: &&String| stems.contains(tag.split('.').next().unwrap_or_default());
    tags.iter().filter(is_one).cloned().collect()
}

/// Where an import reads from.
pub(super) enum Source {
    Registry(Arc<Registry>),
    Ecr(Arc<EcrRegistry>),
    Folder(Arc<Folder>),
}

impl Source {
    /// As messages and the state file name it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Registry(registry) => registry.name(),
            Self::Ecr(ecr) => ecr.name(),
            Self::Folder(folder) => folder.name(),
        }
    }

    /// The names of the wanted repositories, and names and patterns that were asked for and fit none.
    pub(super) async fn repositories(&self, patterns: &[Pattern]) -> Result<(Vec<String>, Vec<String>), Failure> {
        let exact: Vec<&str> = patterns.iter().filter_map(Pattern::exact).collect();
        if let Self::Registry(_) = self
            && !exact.is_empty()
            && exact.len() == patterns.len()
        {
            // Many registries have no catalog, and who names the repositories needs none.
            return Ok((exact.into_iter().map(str::to_owned).collect(), Vec::new()));
        }
        let mut names = match self {
            Self::Registry(registry) => registry.repositories().await?,
            Self::Ecr(ecr) => ecr.repositories().await?,
            Self::Folder(folder) => folder.repositories().await?,
        };
        names.sort_unstable();
        names.dedup();
        let missing = patterns.iter().filter(|pattern| !names.iter().any(|name| pattern.matches(name)));
        let missing = missing.map(ToString::to_string).collect();
        names.retain(|name| super::pattern::is_wanted(patterns, name));
        Ok((names, missing))
    }

    /// What of a repository is wanted.
    pub(super) async fn list(&self, repository: &str, selection: &Selection) -> Result<Listing, Failure> {
        match self {
            Self::Registry(registry) => registry.list(repository, selection).await,
            Self::Ecr(ecr) => ecr.list(repository, selection).await,
            Self::Folder(folder) => folder.list(repository, selection).await,
        }
    }

    /// A manifest.
    pub(super) async fn manifest(&self, repository: &str, digest: Digest) -> Result<Fetched, Failure> {
        match self {
            Self::Registry(registry) => registry.manifest(repository, &digest.to_string()).await,
            Self::Ecr(ecr) => ecr.registry.manifest(repository, &digest.to_string()).await,
            Self::Folder(folder) => folder.manifest(repository, digest).await,
        }
    }

    /// Sends a blob's bytes from `offset` on, until all are sent or nobody takes them.
    pub(super) async fn feed(
        &self,
        repository: &str,
        blob: (Digest, u64),
        offset: u64,
        to: mpsc::Sender<Bytes>,
    ) -> Result<(), Failure> {
        match self {
            Self::Registry(registry) => registry.feed(repository, blob, offset, &to).await,
            Self::Ecr(ecr) => ecr.registry.feed(repository, blob, offset, &to).await,
            Self::Folder(folder) => folder.feed(blob, offset, &to).await,
        }
    }

    /// What refers to an image.
    pub(super) async fn referrers(
        &self,
        repository: &str,
        listing: &Listing,
        subject: Digest,
    ) -> Result<Vec<Digest>, Failure> {
        match (&listing.referrers, self) {
            (Some(known), _) => Ok(known.get(&subject).cloned().unwrap_or_default()),
            (None, Self::Registry(registry)) => registry.referrers(repository, subject).await,
            (None, Self::Ecr(_) | Self::Folder(_)) => Ok(Vec::new()),
        }
    }

    /// When an image was created, as its config says; the latest of an index. None if nothing says it.
    pub(super) async fn created_at_ms(&self, repository: &str, digest: Digest) -> Result<Option<i64>, Failure> {
        #[derive(Deserialize)]
        struct Config {
            created: Option<String>,
        }
        let mut latest = None;
        let mut left = vec![digest];
        while let Some(digest) = left.pop() {
            let fetched = self.manifest(repository, digest).await?;
            left.extend(fetched.manifest.children().iter().map(|child| child.digest));
            let ManifestKind::Image { config, .. } = &fetched.manifest.kind else { continue };
            let bytes = match self {
                Self::Registry(registry) => registry.blob(repository, config.digest, MAX_CONFIG_BYTES).await?,
                // They know when an image came.
                Self::Ecr(_) | Self::Folder(_) => return Ok(None),
            };
            let created = serde_json::from_slice(&bytes).ok().and_then(|config: Config| config.created?.parse().ok());
            latest = latest.max(created.map(Timestamp::as_millisecond));
        }
        Ok(latest)
    }

    /// The settings of a repository, from a source that has any.
    pub(super) async fn settings(&self, repository: &str) -> Result<Option<Settings>, Failure> {
        match self {
            Self::Ecr(ecr) => ecr.settings(repository).await.map(Some),
            Self::Registry(_) | Self::Folder(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_checked() {
        let config = Digest::sha256_of(b"{}");
        let untyped =
            format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"{config}","size":2}},"layers":[]}}"#);
        let digest = Digest::sha256_of(untyped.as_bytes());
        let read = |text: &str, wanted| Fetched::check(text.as_bytes().to_vec(), None, wanted);
        let fetched = read(&untyped, Some(digest)).expect("a manifest without its type");
        assert_eq!(fetched.manifest.media_type.as_str(), "application/vnd.oci.image.manifest.v1+json");
        assert!(read(&untyped, Some(config)).expect_err("another digest").to_string().contains("has the digest"));
        assert!(read("{}", None).expect_err("nothing").to_string().contains("cannot be used"));
        let schema1 = r#"{"schemaVersion":1,"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws","fsLayers":[]}"#;
        // Its digest is that of what is signed, and not of the bytes.
        assert!(read(schema1, Some(config)).expect_err("signed").to_string().contains("schema 1"));
    }

    #[test]
    fn tags_that_belong_to_images() {
        let digest = Digest::sha256_of(b"");
        let stem = format!("sha256-{}", digest.hex());
        let tags = [stem.clone(), format!("{stem}.sig"), "sha256-00.sig".to_owned(), "v1".to_owned()];
        assert_eq!(companions(&tags, [digest].iter()), tags[..2]);
    }
}
