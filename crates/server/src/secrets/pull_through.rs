//! What the pull through cache reads: the credential of an upstream registry in a secret.

use std::fmt;

use serde_json::Value;
use store::blob::KeyRing;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use zeroize::Zeroizing;

use super::errors::SecretsError;
use super::{constraints, versions};
use crate::app::App;

/// With what the cache logs in to an upstream registry.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamCredential {
    /// The user's name.
    pub username: String,
    /// The password or token. Wiped when dropped.
    pub access_token: Zeroizing<String>,
}

impl fmt::Debug for UpstreamCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamCredential")
            .field("username", &self.username)
            .field("access_token", &"[redacted]")
            .finish()
    }
}

/// Why a secret gives no credential.
#[derive(Debug, thiserror::Error)]
pub enum SecretProblem {
    /// The ARN names no secret of the registry's account and region, or the secret has no value.
    #[error("the secret does not exist")]
    NotFound,
    /// It is marked for deletion.
    #[error("the secret is marked for deletion")]
    Deleted,
    /// Its value is no JSON object.
    #[error("the secret's value is no JSON object")]
    NotJson,
    /// The object has no such member with a text that is not empty.
    #[error("the secret's value has no '{0}'")]
    MissingMember(&'static str),
    /// Storage failed, or what is stored is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SecretsError> for SecretProblem {
    fn from(error: SecretsError) -> Self {
        match error {
            SecretsError::Store(error) => Self::Store(error),
            _ => Self::NotFound,
        }
    }
}

/// Reads the credential in a secret of the registry's own account and region (replication-cache-templates.md 2: a JSON
/// object with `username` and `accessToken`). Whoever calls has decided that it may be read.
pub async fn read_for_pull_through(
    app: &App,
    registry: &RegistryId,
    arn: &str,
) -> Result<UpstreamCredential, SecretProblem> {
    let id = constraints::arn(arn).filter(|id| id.registry == *registry).ok_or(SecretProblem::NotFound)?;
    let key: KeyRing = app.key_ring.clone();
    let read = app.db.read(move |tx| {
        let secret = constraints::require(tx, &id)?;
        if secret.purge_at_ms.is_some() {
            return Err(SecretProblem::Deleted);
        }
        Ok(versions::read(tx, &key, &secret, None, None)?.1)
    });
    parse(read.await?.text().ok_or(SecretProblem::NotJson)?)
}

fn parse(text: &str) -> Result<UpstreamCredential, SecretProblem> {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else { return Err(SecretProblem::NotJson) };
    let member = |name| match members.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(SecretProblem::MissingMember(name)),
    };
    Ok(UpstreamCredential { username: member("username")?, access_token: Zeroizing::new(member("accessToken")?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_credential() {
        let credential = parse(r#"{"username": "u", "accessToken": "geheim", "more": 1}"#).expect("one");
        assert_eq!((credential.username.as_str(), credential.access_token.as_str()), ("u", "geheim"));
        assert!(!format!("{credential:?}").contains("geheim"));
        for (text, problem) in [
            ("geheim", "the secret's value is no JSON object"),
            ("[]", "the secret's value is no JSON object"),
            ("{}", "the secret's value has no 'username'"),
            (r#"{"username": "u"}"#, "the secret's value has no 'accessToken'"),
            (r#"{"username": "", "accessToken": "t"}"#, "the secret's value has no 'username'"),
            (r#"{"username": "u", "accessToken": 4711}"#, "the secret's value has no 'accessToken'"),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), problem);
        }
    }
}
