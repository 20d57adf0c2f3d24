//! What the cache logs in with at an upstream registry: a user name and a password, from Secrets Manager.

use std::fmt;

use store::error::StoreError;
use store::tables::registry_id::RegistryId;

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
            Self::Store(error) => write!(f, "{error}"),
        }
    }
}

/// The user name and password of a secret (replication-cache-templates.md 2: of the rule's own account and region).
pub async fn read(app: &App, registry: &RegistryId, arn: &str) -> Result<Credentials, CredentialsError> {
    let parsed: aws::Arn = arn.parse().map_err(|_| CredentialsError::NotFound(arn.to_owned()))?;
    if parsed.account() != registry.account.as_str() || parsed.region() != registry.region.as_str() {
        return Err(CredentialsError::NotAccessible(arn.to_owned()));
    }
    match secrets::read_for_pull_through(app, registry, arn).await {
        Ok(UpstreamCredential { username, access_token }) => {
            Ok(Credentials { username, access_token: (*access_token).clone() })
        }
        Err(SecretProblem::NotFound | SecretProblem::Deleted) => Err(CredentialsError::NotFound(arn.to_owned())),
        Err(SecretProblem::NotJson | SecretProblem::MissingMember(_)) => {
            Err(CredentialsError::NotReadable(arn.to_owned()))
        }
        Err(SecretProblem::Store(error)) => Err(CredentialsError::Store(error)),
    }
}
