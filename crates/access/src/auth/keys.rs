//! From an access key to who is behind it: root keys, users' keys and temporary ones.

use std::sync::Arc;

use aws::sigv4::SigV4Error;
use aws::{AccountId, Region, SecretAccessKey};
use iam::Principal;

use super::caller::{Caller, Credentials};
use super::session;
use crate::Access;

/// What an access key stands for now.
pub struct KeyHolder {
    /// The secret half.
    pub secret: SecretAccessKey,
    /// The account.
    pub account: AccountId,
    /// Who is behind it.
    pub credentials: Credentials,
    /// The principal that policies name.
    pub principal: Arc<Principal>,
    /// The identity version that it was looked up at.
    pub identity_version: i64,
}

impl KeyHolder {
    /// The caller that uses this key in a region.
    pub fn into_caller(self, region: Region, access_key_id: String) -> Caller {
        let Self { account, credentials, principal, identity_version, .. } = self;
        Caller { account, region, access_key_id, credentials, principal, scope: None, identity_version }
    }
}

/// Who is behind an access key, if it can be used now. Permanent keys come without a session token, temporary ones
/// with theirs.
pub fn find(app: &Access, access_key_id: &str, session_token: Option<&str>) -> Result<KeyHolder, SigV4Error> {
    let directory = app.identities.current();
    let identity_version = directory.version();
    if let Some(token) = session_token {
        let (session, secret) = session::open(app, &directory, access_key_id, token)?;
        let principal = session.principal();
        let account = session.claims.account;
        let credentials = Credentials::Session(Arc::new(session));
        return Ok(KeyHolder { secret, account, credentials, principal, identity_version });
    }
    if let Some(known) = app.accounts.find_key(access_key_id) {
        return Ok(KeyHolder {
            secret: known.key.secret.clone(),
            account: known.key.account,
            credentials: Credentials::Root,
            principal: Arc::clone(&known.principal),
            identity_version,
        });
    }
    let key = directory.key(access_key_id).filter(|key| key.is_active).ok_or(SigV4Error::UnrecognizedClient)?;
    Ok(KeyHolder {
        secret: key.secret.clone(),
        account: key.user.entity.account,
        credentials: Credentials::User(Arc::clone(&key.user)),
        principal: Arc::clone(&key.user.user_principal),
        identity_version,
    })
}
