//! Registry authorization tokens: the opaque password that stands for a principal on `/v2/` for 12 hours.
//!
//! A token is sealed claims under the service key: it cannot be read, forged or changed, and needs no row. It names
//! the access key that asked for it, so it acts with the rights that the key has when it is used, and dies with it.
//!
//! Robot tokens live longer and have a row, which says whose rights they carry, what they are limited to, and whether
//! they still exist.

use std::sync::Arc;

use aws::sigv4::SigV4Error;
use aws::{AccountId, Region};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use iam::Principal;
use serde::{Deserialize, Serialize};
use store::blob::{open_small, root_key_of, seal_small};
use store::tables::iam::robot_tokens::RobotToken;
use store::tables::registry_id::RegistryId;

use super::caller::{Caller, Credentials};
use super::directory::Directory;
use super::keys;
use super::robot_scope;
use crate::Access;

const PURPOSE: &str = "registry authorization token";
const ROBOT_PURPOSE: &str = "robot token";
/// What passwords that are robot tokens begin with, so that people and secret scanners know one when they see it.
const ROBOT_PREFIX: &str = "wharf_";
/// The user name that ECR expects beside the token.
const USER: &str = "AWS";
/// Longest `Authorization` value that is looked at: a token that holds the longest session token fits.
pub const MAX_HEADER_BYTES: usize = 48 * 1024;

/// What a token says.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    #[serde(rename = "k")]
    access_key_id: String,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    session_token: Option<String>,
    #[serde(rename = "p")]
    principal_account: AccountId,
    #[serde(rename = "a")]
    registry_account: AccountId,
    #[serde(rename = "r")]
    region: Region,
    #[serde(rename = "e")]
    expires_at_ms: i64,
    /// Of a root user's key, whose secret can be changed under the same id: what tells that it still is the same secret.
    /// Tokens of before this was written have none.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    root_secret: Option<String>,
}

impl Claims {
    /// How long the texts in it are that may be long.
    pub(super) fn text_bytes(&self) -> usize {
        let session = self.session_token.as_ref().map_or(0, String::capacity);
        session + self.access_key_id.capacity() + self.root_secret.as_ref().map_or(0, String::capacity)
    }

    /// Those of a session whose token is so long.
    #[cfg(test)]
    pub(super) fn of_length(session_token: usize) -> Self {
        let account: AccountId = "123456789012".parse().expect("an account id");
        Self {
            access_key_id: String::new(),
            session_token: Some("t".repeat(session_token)),
            principal_account: account,
            registry_account: account,
            region: "us-east-1".parse().expect("a region"),
            expires_at_ms: 0,
            root_secret: None,
        }
    }
}

/// Why a token was refused.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenError {
    /// There is none, or nothing that looks like one.
    Missing,
    /// It is not one of ours, or not for this registry.
    Invalid,
    /// It was good once.
    Expired,
}

/// Who a token stands for, and the registry that it was made for.
#[derive(Debug)]
pub struct TokenHolder {
    /// The principal.
    pub caller: Caller,
    /// The registry that is meant where the host name does not say.
    pub registry: RegistryId,
}

/// Makes the `authorizationToken` of GetAuthorizationToken for a registry, and says until when (epoch ms) it is good.
pub fn issue(access: &Access, caller: &Caller, registry_account: AccountId) -> (String, i64) {
    let expires_at_ms = access.now_ms() + access.limits.token_lifetime_ms;
    let claims = Claims {
        access_key_id: caller.access_key_id.clone(),
        session_token: caller.session().map(|session| session.token.expose().to_owned()),
        principal_account: caller.account,
        registry_account,
        region: caller.region.clone(),
        expires_at_ms,
        root_secret: access.accounts.secret_fingerprint(&caller.access_key_id).map(str::to_owned),
    };
    let claims = serde_json::to_vec(&claims).expect("claims are plain text fields");
    let password = URL_SAFE_NO_PAD.encode(seal_small(&access.key_ring, PURPOSE, &[], &claims));
    (STANDARD.encode(format!("{USER}:{password}")), expires_at_ms)
}

/// Makes the password of a robot token from its id.
pub fn robot_password(access: &Access, id: &str) -> String {
    format!("{ROBOT_PREFIX}{}", URL_SAFE_NO_PAD.encode(seal_small(&access.key_ring, ROBOT_PURPOSE, &[], id.as_bytes())))
}

/// Opens a token as a request shows it, which is what follows the scheme in its `Authorization` header: user and password,
/// together in base64.
pub fn verify(access: &Access, shown: &str) -> Result<TokenHolder, TokenError> {
    let hash = match access.opened_tokens.find(&access.key_ring, shown) {
        Ok(claims) => return holder_of(access, &claims),
        Err(hash) => hash,
    };
    let decoded = STANDARD.decode(shown.trim()).map_err(|_| TokenError::Missing)?;
    let decoded = String::from_utf8(decoded).map_err(|_| TokenError::Invalid)?;
    let (user, password) = decoded.split_once(':').ok_or(TokenError::Missing)?;
    if user != USER {
        return Err(TokenError::Invalid);
    }
    match password.strip_prefix(ROBOT_PREFIX) {
        Some(sealed) => verify_robot(access, sealed),
        None => {
            let sealed = URL_SAFE_NO_PAD.decode(password).map_err(|_| TokenError::Invalid)?;
            let claims = open(access, PURPOSE, &sealed)?;
            let claims: Arc<Claims> = Arc::new(serde_json::from_slice(&claims).map_err(|_| TokenError::Invalid)?);
            if let Some(root_key) = root_key_of(&sealed) {
                access.opened_tokens.keep(hash, root_key, Arc::clone(&claims));
            }
            holder_of(access, &claims)
        }
    }
}

/// Whose token it was that has [expired](TokenError::Expired), as far as its key is still there.
pub fn expired_caller(access: &Access, header: &str) -> Option<Caller> {
    let (_, value) = header.split_once(' ')?;
    let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let sealed = URL_SAFE_NO_PAD.decode(decoded.split_once(':')?.1).ok()?;
    let claims: Claims = serde_json::from_slice(&open(access, PURPOSE, &sealed).ok()?).ok()?;
    let holder = keys::find(access, &claims.access_key_id, claims.session_token.as_deref()).ok()?;
    Some(holder.into_caller(claims.region, claims.access_key_id))
}

fn open(access: &Access, purpose: &'static str, sealed: &[u8]) -> Result<Vec<u8>, TokenError> {
    open_small(&access.key_ring, purpose, &[], sealed).map_err(|_| TokenError::Invalid)
}

/// Who a token stands for, if it is good now.
fn holder_of(access: &Access, claims: &Claims) -> Result<TokenHolder, TokenError> {
    if claims.expires_at_ms <= access.now_ms() {
        return Err(TokenError::Expired);
    }
    let holder = match keys::find(access, &claims.access_key_id, claims.session_token.as_deref()) {
        Ok(holder) => holder,
        Err(SigV4Error::ExpiredToken) => return Err(TokenError::Expired),
        Err(_) => return Err(TokenError::Invalid),
    };
    if holder.account != claims.principal_account || !access.accounts.has_region(claims.region.as_str()) {
        return Err(TokenError::Invalid);
    }
    // The token was for whoever knew the secret, and that is no longer the one that was given up.
    if !access.accounts.has_secret_still(&claims.access_key_id, claims.root_secret.as_deref()) {
        return Err(TokenError::Invalid);
    }
    Ok(TokenHolder {
        caller: holder.into_caller(claims.region.clone(), claims.access_key_id.clone()),
        registry: RegistryId { account: claims.registry_account, region: claims.region.clone() },
    })
}

fn verify_robot(access: &Access, sealed: &str) -> Result<TokenHolder, TokenError> {
    let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| TokenError::Invalid)?;
    let id = String::from_utf8(open(access, ROBOT_PURPOSE, &sealed)?).map_err(|_| TokenError::Invalid)?;
    let directory = access.identities.current();
    let token = directory.robot_token(&id).ok_or(TokenError::Invalid)?;
    if token.expires_at_ms <= access.now_ms() {
        return Err(TokenError::Expired);
    }
    let caller = robot(access, &directory, token).ok_or(TokenError::Invalid)?;
    access.last_uses.record_token(&id, access.now_ms());
    Ok(TokenHolder { caller, registry: token.registry.clone() })
}

/// Who acts with a robot token; none if nobody does any more.
pub fn robot(access: &Access, directory: &Directory, token: &RobotToken) -> Option<Caller> {
    let scope = robot_scope::policy(access, token).ok()?;
    let (credentials, principal) = robot_principal(directory, token)?;
    Some(Caller {
        account: token.registry.account,
        region: token.registry.region.clone(),
        access_key_id: token.id.clone(),
        credentials,
        principal,
        scope: Some(Arc::new(scope)),
        identity_version: directory.version(),
    })
}

/// Whose rights a robot token carries; none if the user is gone.
fn robot_principal(directory: &Directory, token: &RobotToken) -> Option<(Credentials, Arc<Principal>)> {
    let account = token.registry.account;
    if token.principal_id == account.as_str() {
        return Some((Credentials::Root, Arc::new(Principal::Root { account: account.to_string() })));
    }
    let user = directory.identity(&token.principal_id)?;
    Some((Credentials::User(Arc::clone(user)), Arc::clone(&user.user_principal)))
}
