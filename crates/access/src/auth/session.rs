//! Temporary access keys: the session token that comes with them holds, sealed, everything that they stand for.
//!
//! So they need no row, work on every node, and end by themselves; they stop at once when the role or user is gone.

use std::sync::Arc;

use aws::sigv4::SigV4Error;
use aws::{AccountId, SecretAccessKey, SessionToken};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use iam::{Attached, FederatingUser, Principal};
use runtime::random_text::{SECRET_ALPHABET, new_access_key_id, random_text};
use serde::{Deserialize, Serialize};
use store::blob::{open_small, seal_small};

use super::directory::{Directory, Identity};
use crate::Access;

const PURPOSE: &str = "session token";
/// Longest session token that is looked at; the longest session policies and tags stay well under it.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// What temporary keys are made for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewSession {
    /// The id of the role or user; the account's for the root user.
    #[serde(rename = "i")]
    pub identity_id: String,
    /// The account.
    #[serde(rename = "a")]
    pub account: AccountId,
    /// The name that whoever assumed the role gave the session; none for keys of GetSessionToken.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is a federated user's of that name, and not a role's.
    #[serde(rename = "u", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_federated: bool,
    /// When the keys were made.
    #[serde(rename = "t")]
    pub issued_at_ms: i64,
    /// When they end.
    #[serde(rename = "e")]
    pub expires_at_ms: i64,
    /// A policy that narrows what they may do.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Managed policies that do the same, by their ARNs.
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub policy_arns: Vec<String>,
    /// Session tags.
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
    /// The keys of those tags that a session of a role assumed with these keys has too.
    #[serde(rename = "x", default, skip_serializing_if = "Vec::is_empty")]
    pub transitive_tag_keys: Vec<String>,
    /// Who is behind the session, as whoever began the chain of roles said; it stays for the whole chain.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// Condition keys that the web identity brought along, such as `<issuer>:sub`; a key with several values is here
    /// several times.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub web_identity: Vec<(String, String)>,
    /// The ARN of the web identity's provider.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub web_identity_provider: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "s")]
    secret: String,
    #[serde(flatten)]
    session: NewSession,
}

/// Temporary keys, as their holder gets them.
pub struct TemporaryKeys {
    /// `ASIA…`.
    pub access_key_id: String,
    /// The secret.
    pub secret: SecretAccessKey,
    /// The session token.
    pub session_token: String,
}

/// A session in force.
#[derive(Debug)]
pub struct Session {
    /// What the keys were made for.
    pub claims: NewSession,
    /// The role or user; none for the root user.
    pub identity: Option<Arc<Identity>>,
    /// The policies that narrow it; it may do what any of them allows.
    pub policies: Vec<Attached>,
    /// The session token, for registry tokens made with these keys.
    pub token: SessionToken,
}

impl Session {
    /// STS's `UserId`: of a role's session `AROA…:name`, of a federated user the account's id and its name.
    pub fn user_id(&self) -> String {
        match &self.claims.name {
            Some(name) if self.claims.is_federated => federated_user_id(self.claims.account, name),
            Some(name) => format!("{}:{name}", self.claims.identity_id),
            None => self.claims.identity_id.clone(),
        }
    }

    /// Whether its own policies limit what it may do: without any, a federated user may do nothing.
    pub fn is_limited(&self) -> bool {
        self.claims.is_federated || !self.policies.is_empty()
    }

    /// The principal that policies name.
    pub fn principal(&self) -> Arc<Principal> {
        let account = || self.claims.account.to_string();
        Arc::new(match (&self.identity, &self.claims.name) {
            (user, Some(name)) if self.claims.is_federated => Principal::FederatedUser {
                account: account(),
                arn: federated_user_arn(self.claims.account, name),
                user: user
                    .as_ref()
                    .map(|user| FederatingUser { arn: user.arn.clone(), unique_id: user.entity.id.clone() }),
            },
            (None, _) => Principal::Root { account: account() },
            (Some(user), None) => return Arc::clone(&user.user_principal),
            (Some(role), Some(name)) => Principal::AssumedRole {
                account: account(),
                role_arn: role.arn.clone(),
                role_unique_id: role.entity.id.clone(),
                session_arn: assumed_role_arn(role, name),
            },
        })
    }
}

/// The ARN of a role's session. A role's path is no part of it (reference/access.md 5).
pub fn assumed_role_arn(role: &Identity, session_name: &str) -> String {
    format!("arn:aws:sts::{}:assumed-role/{}/{session_name}", role.entity.account, role.entity.name)
}

/// The ARN of a federated user.
pub fn federated_user_arn(account: AccountId, name: &str) -> String {
    format!("arn:aws:sts::{account}:federated-user/{name}")
}

/// The id of a federated user.
pub fn federated_user_id(account: AccountId, name: &str) -> String {
    format!("{account}:{name}")
}

/// Makes temporary keys.
pub fn issue(app: &Access, session: NewSession) -> TemporaryKeys {
    let access_key_id = new_access_key_id("ASIA");
    let secret = random_text(SECRET_ALPHABET, 40);
    let claims = Claims { secret: secret.clone(), session };
    let claims = serde_json::to_vec(&claims).expect("claims are plain text fields");
    let sealed = seal_small(&app.key_ring, PURPOSE, access_key_id.as_bytes(), &claims);
    TemporaryKeys { access_key_id, secret: SecretAccessKey::new(secret), session_token: STANDARD.encode(sealed) }
}

/// Opens the session token that came with an access key, and says what it stands for now.
pub fn open(
    app: &Access,
    directory: &Directory,
    access_key_id: &str,
    token: &str,
) -> Result<(Session, SecretAccessKey), SigV4Error> {
    let invalid = || SigV4Error::UnrecognizedClient;
    if token.len() > MAX_TOKEN_BYTES {
        return Err(invalid());
    }
    let sealed = STANDARD.decode(token).map_err(|_| invalid())?;
    let claims = open_small(&app.key_ring, PURPOSE, access_key_id.as_bytes(), &sealed).map_err(|_| invalid())?;
    let Claims { secret, session: claims } = serde_json::from_slice(&claims).map_err(|_| invalid())?;
    if claims.expires_at_ms <= app.now_ms() {
        return Err(SigV4Error::ExpiredToken);
    }
    Ok((in_force(app, directory, claims, SessionToken::new(token.to_owned()))?, SecretAccessKey::new(secret)))
}

/// What a session that was opened before stands for now. That it has come to its end meanwhile is no change.
pub fn renew(app: &Access, directory: &Directory, session: &Session) -> Result<Session, SigV4Error> {
    in_force(app, directory, session.claims.clone(), SessionToken::new(session.token.expose().to_owned()))
}

fn in_force(
    app: &Access,
    directory: &Directory,
    claims: NewSession,
    token: SessionToken,
) -> Result<Session, SigV4Error> {
    let invalid = || SigV4Error::UnrecognizedClient;
    let identity = directory.identity(&claims.identity_id).map(Arc::clone);
    if identity.is_none() && claims.identity_id != claims.account.as_str() {
        return Err(invalid());
    }
    let mut policies = Vec::with_capacity(claims.policy_arns.len() + 1);
    if let Some(text) = &claims.policy {
        let policy = app.policies.of_session(text).map_err(|_| invalid())?;
        policies.push(Attached { name: "session policy".to_owned(), policy });
    }
    for arn in &claims.policy_arns {
        // A policy that is gone allows nothing.
        let Some(policy) = directory.managed_policy(arn) else { return Err(invalid()) };
        policies.push(Attached { name: arn.clone(), policy: policy.clone() });
    }
    Ok(Session { claims, identity, policies, token })
}
