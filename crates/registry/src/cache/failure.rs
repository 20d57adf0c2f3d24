//! Why something that is cached from upstream cannot be had.

use std::fmt;

use oci::Digest;
use store::error::{StoreError, StoreErrorKind};
use store::tables::repositories::RepositoryRef;

use super::credentials::CredentialsError;
use super::upstream::UpstreamFailure;
use crate::images::errors::RegistryError;

/// One failure that everybody who waited for the same thing gets.
#[derive(Clone, Debug)]
pub enum CacheFailure {
    /// The upstream did not give it.
    Upstream(UpstreamFailure),
    /// The layer is still upstream, and no rule leads there any more.
    NoRule(RepositoryRef, Digest),
    /// The rule's secret cannot be logged in with; says why.
    Credentials(String),
    /// The registry refuses it; says why.
    Refused(String),
    /// Storage failed.
    Storage(StoreErrorKind, String),
}

impl fmt::Display for CacheFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(failure) => write!(f, "{failure}"),
            Self::NoRule(repository, digest) => write!(
                f,
                "Layer with digest '{digest}' of the repository with name '{}' is still in the upstream registry, and no pull through cache rule leads there any more",
                repository.name
            ),
            Self::Credentials(text) | Self::Refused(text) | Self::Storage(_, text) => f.write_str(text),
        }
    }
}

impl From<UpstreamFailure> for CacheFailure {
    fn from(failure: UpstreamFailure) -> Self {
        Self::Upstream(failure)
    }
}

impl From<CredentialsError> for CacheFailure {
    fn from(error: CredentialsError) -> Self {
        match error {
            CredentialsError::Store(error) => error.into(),
            CredentialsError::NotFound(_)
            | CredentialsError::NotAccessible(_)
            | CredentialsError::NotReadable(_)
            | CredentialsError::Unclear { .. }
            | CredentialsError::BoundElsewhere { .. } => Self::Credentials(error.to_string()),
        }
    }
}

impl From<StoreError> for CacheFailure {
    fn from(error: StoreError) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            text.push_str(": ");
            text.push_str(&source.to_string());
            cause = source.source();
        }
        Self::Storage(error.kind(), text)
    }
}

impl From<RegistryError> for CacheFailure {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Store(error) => error.into(),
            RegistryError::LayerDigestMismatch { claimed, actual } => {
                UpstreamFailure::Unusable(format!("a layer has the digest {actual} and not {claimed}")).into()
            }
            error => Self::Refused(error.to_string()),
        }
    }
}
