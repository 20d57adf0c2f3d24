//! What the cache logs in with at an upstream registry: a user name and a password, from Secrets Manager.

use std::fmt;

use access::secret_values::{self, MeantSecret, SecretProblem, UpstreamCredential};
use runtime::boxed;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::secrets::SecretId;

use super::bound::Bound;
use super::upstream_registry::UpstreamUrl;
use crate::Registry;

/// A user name and a password. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// `username` of the secret.
    pub username: String,
    /// `accessToken` of the secret.
    pub access_token: String,
    /// Where they may be sent; everywhere that the rule leads if it is empty.
    pub bound_to: Vec<Bound>,
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
    /// What it is bound to cannot be told.
    Unclear {
        /// The secret.
        arn: String,
        /// Why, in words that follow those.
        why: String,
    },
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
            Self::Unclear { arn, why } => write!(f, "The secret '{arn}' cannot be used: {why}"),
            Self::BoundElsewhere { arn, registries, upstream } => write!(
                f,
                "The secret '{arn}' cannot be used for {upstream}: the member registry of its value binds it to {}",
                registries.join(", ")
            ),
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}

/// The user name and password of a secret (reference/replication-cache-templates.md 2: of the rule's own account and
/// region), if they may be sent to that upstream.
#[boxed]
pub async fn read(
    app: &Registry,
    registry: &RegistryId,
    meant: &MeantSecret,
    upstream: &UpstreamUrl,
) -> Result<Credentials, CredentialsError> {
    let arn = &meant.arn;
    require_accessible(registry, arn)?;
    let read = secret_values::read_for_pull_through(app, registry, meant).await;
    let UpstreamCredential { username, access_token, registries } =
        read.map_err(|problem| problem_with(arn, problem))?;
    let bound_to: Vec<Bound> = registries.iter().map(|text| Bound(text.clone())).collect();
    if bound_to.is_empty() || bound_to.iter().any(|bound| bound.allows(upstream)) {
        return Ok(Credentials { username, access_token: (*access_token).clone(), bound_to });
    }
    // What makes the difference is said: the scheme only where that is it.
    let upstream = if upstream.is_plain() { upstream.to_string() } else { upstream.authority().to_owned() };
    Err(CredentialsError::BoundElsewhere { arn: arn.clone(), registries, upstream })
}

fn require_accessible(registry: &RegistryId, arn: &str) -> Result<(), CredentialsError> {
    match secret_of(registry, arn) {
        Some(_) => Ok(()),
        None if arn.parse::<aws::Arn>().is_ok() => Err(CredentialsError::NotAccessible(arn.to_owned())),
        None => Err(CredentialsError::NotFound(arn.to_owned())),
    }
}

fn problem_with(arn: &str, problem: SecretProblem) -> CredentialsError {
    match problem {
        SecretProblem::NotFound | SecretProblem::Deleted => CredentialsError::NotFound(arn.to_owned()),
        SecretProblem::NotJson | SecretProblem::MissingMember(_) => CredentialsError::NotReadable(arn.to_owned()),
        SecretProblem::NoRegistry | SecretProblem::Misspelled(_) | SecretProblem::Twice(_) => {
            CredentialsError::Unclear { arn: arn.to_owned(), why: problem.to_string() }
        }
        SecretProblem::Store(error) => CredentialsError::Store(error),
    }
}

/// The whole ARN of the secret that a rule means, so that the rule never means another.
#[boxed]
pub async fn pin(app: &Registry, registry: &RegistryId, meant: &MeantSecret) -> Result<String, CredentialsError> {
    require_accessible(registry, &meant.arn)?;
    let pinned = secret_values::arn_for_pull_through(app, registry, meant).await;
    pinned.map_err(|problem| problem_with(&meant.arn, problem))
}

/// Whether a rule may be given a secret. One that holds no login yet is fine: it is often made first and filled by hand
/// later (terraform-provider-aws, `pull_through_cache_rule_test.go`). The rule is not valid until then.
#[boxed]
pub async fn check(
    app: &Registry,
    registry: &RegistryId,
    meant: &MeantSecret,
    upstream: &UpstreamUrl,
) -> Result<(), CredentialsError> {
    match read(app, registry, meant, upstream).await {
        Ok(_) | Err(CredentialsError::NotReadable(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The secret of that ARN, if it is one of the registry's account and region.
pub fn secret_of(registry: &RegistryId, arn: &str) -> Option<SecretId> {
    secret_values::arn(arn).filter(|id| id.registry == *registry)
}
