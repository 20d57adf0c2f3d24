//! What the cache logs in with at an upstream registry: a user name and a password, from Secrets Manager.

use std::fmt;

use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::secrets::SecretId;

use super::settings::registry_host;
use super::upstream_registry::UpstreamUrl;
use crate::app::App;
use crate::secrets::{self, SecretProblem, UpstreamCredential};

/// A user name and a password. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// `username` of the secret.
    pub username: String,
    /// `accessToken` of the secret.
    pub access_token: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why a secret cannot be logged in with. Each holds the secret's ARN.
#[derive(Debug)]
pub enum CredentialsError {
    /// There is none.
    NotFound(String),
    /// It is in another account or region.
    NotAccessible(String),
    /// It holds no user name and token.
    NotReadable(String),
    /// It is bound to registries, and the upstream is none of them.
    BoundElsewhere {
        /// The secret.
        arn: String,
        /// What it is bound to.
        registries: Vec<String>,
        /// The upstream.
        upstream: String,
    },
    /// Storage failed.
    Store(StoreError),
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(arn) => {
                write!(f, "The ARN of the secret specified in the pull through cache rule was not found: '{arn}'")
            }
            Self::NotAccessible(arn) => write!(
                f,
                "The secret '{arn}' cannot be used: it must be in the account and region of the pull through cache rule"
            ),
            Self::NotReadable(arn) => write!(
                f,
                "The secret '{arn}' cannot be used: its value must be a JSON object with the members username and accessToken"
            ),
            Self::BoundElsewhere { arn, registries, upstream } => write!(
                f,
                "The secret '{arn}' cannot be used for {upstream}: the member registry of its value binds it to {}",
                registries.join(", ")
            ),
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}

/// The user name and password of a secret (replication-cache-templates.md 2: of the rule's own account and region), if they
/// may be sent to that upstream.
pub async fn read(
    app: &App,
    registry: &RegistryId,
    arn: &str,
    upstream: &UpstreamUrl,
) -> Result<Credentials, CredentialsError> {
    if secret_of(registry, arn).is_none() {
        return Err(match arn.parse::<aws::Arn>() {
            Ok(_) => CredentialsError::NotAccessible(arn.to_owned()),
            Err(_) => CredentialsError::NotFound(arn.to_owned()),
        });
    }
    match secrets::read_for_pull_through(app, registry, arn).await {
        Ok(UpstreamCredential { username, access_token, registries }) => {
            let host = registry_host(upstream.authority());
            if registries.is_empty() || registries.iter().any(|bound| registry_host(bound) == host) {
                return Ok(Credentials { username, access_token: (*access_token).clone() });
            }
            let (arn, upstream) = (arn.to_owned(), upstream.authority().to_owned());
            Err(CredentialsError::BoundElsewhere { arn, registries, upstream })
        }
        Err(SecretProblem::NotFound | SecretProblem::Deleted) => Err(CredentialsError::NotFound(arn.to_owned())),
        Err(SecretProblem::NotJson | SecretProblem::MissingMember(_) | SecretProblem::NoRegistry) => {
            Err(CredentialsError::NotReadable(arn.to_owned()))
        }
        Err(SecretProblem::Store(error)) => Err(CredentialsError::Store(error)),
    }
}

/// Whether a rule may be given a secret. One that holds no login yet is fine: it is often made first and filled by hand later
/// (terraform-provider-aws, `pull_through_cache_rule_test.go`). The rule is not valid until then.
pub async fn check(
    app: &App,
    registry: &RegistryId,
    arn: &str,
    upstream: &UpstreamUrl,
) -> Result<(), CredentialsError> {
    match read(app, registry, arn, upstream).await {
        Ok(_) | Err(CredentialsError::NotReadable(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The secret of that ARN, if it is one of the registry's account and region.
pub fn secret_of(registry: &RegistryId, arn: &str) -> Option<SecretId> {
    secrets::arn(arn).filter(|id| id.registry == *registry)
}
