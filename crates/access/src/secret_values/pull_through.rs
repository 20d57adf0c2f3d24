//! What the pull through cache reads: the credential of an upstream registry in a secret.

use std::fmt;

use runtime::boxed;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use store::blob::KeyRing;
use store::db::Tx;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::secrets::{Secret, SecretId};
use zeroize::Zeroizing;

use super::errors::SecretsError;
use super::{stored, versions};
use crate::Access;
use crate::action::Action;
use crate::auth::authorize::Need;

/// The member that says where a login may be sent.
const BINDING: &str = "registry";

/// With what the cache logs in to an upstream registry.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamCredential {
    /// The user's name.
    pub username: String,
    /// The password or token. Wiped when dropped.
    pub access_token: Zeroizing<String>,
    /// The registries and token servers that it may be sent to, as the secret names them in small letters; empty for all
    /// that rules name.
    pub registries: Vec<String>,
}

impl fmt::Debug for UpstreamCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamCredential")
            .field("username", &self.username)
            .field("access_token", &"[redacted]")
            .field("registries", &self.registries)
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
    /// What it is bound to is neither a host nor a list of hosts.
    #[error("the secret's value has a 'registry' that names no host")]
    NoRegistry,
    /// It has a member whose name is that of another one but for case: whoever wrote it meant to bind it.
    #[error("the secret's value has a '{0}', which must be written 'registry'")]
    Misspelled(String),
    /// It has a member twice, of which nobody can say which one counts.
    #[error("the secret's value has '{0}' more than once")]
    Twice(&'static str),
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

/// What it takes to read the value that is in force, as GetSecretValue has it: whoever gives a secret to a rule sends it
/// wherever the rule leads.
pub fn need_to_read(id: SecretId) -> Need {
    Need::on_secret(Action::SecretsManagerGetSecretValue, id).with("secretsmanager:VersionStage", [versions::CURRENT])
}

/// Which secret a rule means, and since when it has meant it.
#[derive(Clone, Debug)]
pub struct MeantSecret {
    /// Its ARN, of the rule's account and region. It may lack the six characters at its end.
    pub arn: String,
    /// When whoever gave it to the rule was asked whether it may be read.
    pub checked_at_ms: i64,
}

/// The secret of that ARN. One that has only the name is the one that was checked if it was there then: what is made later
/// under the name is somebody else's secret, which whoever made the rule may not be allowed to read.
fn find(tx: &mut dyn Tx, id: &SecretId, meant: &MeantSecret) -> Result<Secret, SecretProblem> {
    let secret = stored::require(tx, id)?;
    if secret.arn() != meant.arn && secret.created_at_ms > meant.checked_at_ms {
        return Err(SecretProblem::NotFound);
    }
    if secret.purge_at_ms.is_some() { Err(SecretProblem::Deleted) } else { Ok(secret) }
}

fn id_of(registry: &RegistryId, arn: &str) -> Result<SecretId, SecretProblem> {
    stored::arn(arn).filter(|id| id.registry == *registry).ok_or(SecretProblem::NotFound)
}

/// The whole ARN of the secret that a rule means.
#[boxed]
pub async fn arn_for_pull_through(
    app: &Access,
    registry: &RegistryId,
    meant: &MeantSecret,
) -> Result<String, SecretProblem> {
    let (id, meant) = (id_of(registry, &meant.arn)?, meant.clone());
    app.db.read_point(move |tx| Ok(find(tx, &id, &meant)?.arn())).await
}

/// Reads the credential in a secret of the registry's own account and region (reference/replication-cache-templates.md 2: a
/// JSON object with `username` and `accessToken`). Whoever calls has decided that it may be read.
#[boxed]
pub async fn read_for_pull_through(
    app: &Access,
    registry: &RegistryId,
    meant: &MeantSecret,
) -> Result<UpstreamCredential, SecretProblem> {
    let (id, meant) = (id_of(registry, &meant.arn)?, meant.clone());
    let key: KeyRing = app.key_ring.clone();
    let read = app.db.read(move |tx| {
        let secret = find(tx, &id, &meant)?;
        Ok::<_, SecretProblem>(versions::read(tx, &key, &secret, None, None)?.1)
    });
    parse(read.await?.text().ok_or(SecretProblem::NotJson)?)
}

/// The members of a JSON object as they are written, those of one name too.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

impl Members {
    /// The value of a member that there may be once.
    fn get(&self, name: &'static str) -> Result<Option<&Value>, SecretProblem> {
        let mut found = self.0.iter().filter(|(member, _)| member == name).map(|(_, value)| value);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(SecretProblem::Twice(name)),
            (value, None) => Ok(value),
        }
    }
}

fn parse(text: &str) -> Result<UpstreamCredential, SecretProblem> {
    let Ok(members) = serde_json::from_str::<Members>(text) else { return Err(SecretProblem::NotJson) };
    // Any other spelling would leave the login unbound, and nobody would notice.
    let misspelled = members.0.iter().find(|(name, _)| name != BINDING && name.trim().eq_ignore_ascii_case(BINDING));
    if let Some((name, _)) = misspelled {
        return Err(SecretProblem::Misspelled(name.clone()));
    }
    let registries = match members.get(BINDING)? {
        None => Vec::new(),
        Some(one @ Value::String(_)) => hosts(std::slice::from_ref(one))?,
        Some(Value::Array(several)) => hosts(several)?,
        Some(_) => return Err(SecretProblem::NoRegistry),
    };
    let member = |name| match members.get(name)? {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        _ => Err(SecretProblem::MissingMember(name)),
    };
    let (username, access_token) = (member("username")?, Zeroizing::new(member("accessToken")?));
    Ok(UpstreamCredential { username, access_token, registries })
}

/// The hosts that a secret is bound to: at least one, so that an empty list does not mean all.
fn hosts(values: &[Value]) -> Result<Vec<String>, SecretProblem> {
    let host = |value: &Value| value.as_str().filter(|host| !host.is_empty()).map(str::to_ascii_lowercase);
    let hosts: Option<Vec<String>> = values.iter().map(host).collect();
    hosts.filter(|hosts| !hosts.is_empty()).ok_or(SecretProblem::NoRegistry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_REGISTRY: &str = "the secret's value has a 'registry' that names no host";

    #[test]
    fn what_is_a_credential() {
        let credential = parse(r#"{"username": "u", "accessToken": "geheim", "more": 1}"#).expect("one");
        assert_eq!((credential.username.as_str(), credential.access_token.as_str()), ("u", "geheim"));
        assert!(!format!("{credential:?}").contains("geheim"));
        for (bound, hosts) in
            [(r#""Quay.io""#, vec!["quay.io"]), (r#"["a.io", "b.io:5000"]"#, vec!["a.io", "b.io:5000"])]
        {
            let text = format!(r#"{{"username": "u", "accessToken": "t", "registry": {bound}}}"#);
            assert_eq!(parse(&text).expect(bound).registries, hosts);
        }
        for (text, problem) in [
            ("geheim", "the secret's value is no JSON object"),
            ("[]", "the secret's value is no JSON object"),
            ("{}", "the secret's value has no 'username'"),
            (r#"{"username": "u"}"#, "the secret's value has no 'accessToken'"),
            (r#"{"username": "", "accessToken": "t"}"#, "the secret's value has no 'username'"),
            (r#"{"username": "u", "accessToken": 4711}"#, "the secret's value has no 'accessToken'"),
            (r#"{"username": "u", "accessToken": "t", "registry": []}"#, NO_REGISTRY),
            (r#"{"username": "u", "accessToken": "t", "registry": ""}"#, NO_REGISTRY),
            (r#"{"username": "u", "accessToken": "t", "registry": ["a.io", 1]}"#, NO_REGISTRY),
            (r#"{"username": "u", "accessToken": "t", "registry": null}"#, NO_REGISTRY),
            (
                r#"{"username": "u", "accessToken": "t", "Registry": "a.io"}"#,
                "the secret's value has a 'Registry', which must be written 'registry'",
            ),
            (
                r#"{"username": "u", "accessToken": "t", "registry": "a.io", "REGISTRY ": "b.io"}"#,
                "the secret's value has a 'REGISTRY ', which must be written 'registry'",
            ),
            (
                r#"{"username": "u", "accessToken": "t", "registry": "a.io", "regist\u0072y": "b.io"}"#,
                "the secret's value has 'registry' more than once",
            ),
            (
                r#"{"username": "u", "accessToken": "t", "accessToken": "s"}"#,
                "the secret's value has 'accessToken' more than once",
            ),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), problem);
        }
    }
}
