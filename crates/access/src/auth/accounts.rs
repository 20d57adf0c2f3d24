//! The accounts of this server, their regions and the access keys of their root users.

use std::collections::HashMap;
use std::sync::Arc;

use aws::{AccessKeyId, AccountId, Region, SecretAccessKey};
use iam::Principal;
use oci::Digest;

/// The root user's access key of one account.
#[derive(Clone, Debug)]
pub struct RootKey {
    /// The account.
    pub account: AccountId,
    /// The public half.
    pub access_key_id: AccessKeyId,
    /// The secret half, kept in clear in memory: verifying a signature needs it.
    pub secret: SecretAccessKey,
}

impl RootKey {
    /// What tells its secret from another one under the same id, and does not tell the secret: a digest.
    fn fingerprint(&self) -> String {
        // It stands in authorization tokens, which an update of the server must not make invalid.
        let named = format!("registry authorization token/{}/{}", self.access_key_id, self.secret.expose());
        Digest::sha256_of(named.as_bytes()).hex()
    }
}

/// A key, with what would be worked out for each request otherwise.
pub struct KnownKey {
    /// The key.
    pub key: RootKey,
    /// The root user as policies name it.
    pub principal: Arc<Principal>,
    fingerprint: String,
}

impl From<RootKey> for KnownKey {
    fn from(key: RootKey) -> Self {
        let principal = Arc::new(Principal::Root { account: key.account.to_string() });
        Self { fingerprint: key.fingerprint(), principal, key }
    }
}

/// All accounts. Every account exists in every region.
pub struct Accounts {
    keys: HashMap<String, KnownKey>,
    accounts: Vec<AccountId>,
    regions: Vec<Region>,
}

impl Accounts {
    /// From the configuration; the first region and the first account are the defaults.
    pub fn new(keys: Vec<RootKey>, regions: Vec<Region>) -> Self {
        let mut accounts = Vec::new();
        for key in &keys {
            if !accounts.contains(&key.account) {
                accounts.push(key.account);
            }
        }
        let known = |key: RootKey| (key.access_key_id.to_string(), key.into());
        Self { keys: keys.into_iter().map(known).collect(), accounts, regions }
    }

    /// The key of that id.
    pub fn find_key(&self, access_key_id: &str) -> Option<&KnownKey> {
        self.keys.get(access_key_id)
    }

    /// What tells the secret of the root user's key of that id from another one under the same id; none for other keys.
    pub fn secret_fingerprint(&self, access_key_id: &str) -> Option<&str> {
        self.keys.get(access_key_id).map(|known| known.fingerprint.as_str())
    }

    /// Whether the key of that id has the secret still whose fingerprint was noted; true if none was.
    pub fn has_secret_still(&self, access_key_id: &str, noted: Option<&str>) -> bool {
        noted.is_none_or(|noted| self.secret_fingerprint(access_key_id) == Some(noted))
    }

    /// Whether the region is served here.
    pub fn has_region(&self, region: &str) -> bool {
        self.regions.iter().any(|known| known.as_str() == region)
    }

    /// What somebody who asks for another region is told.
    pub fn why_not_served(&self, region: &str) -> String {
        let served: Vec<&str> = self.regions.iter().map(Region::as_str).collect();
        format!(
            "This server serves {}, not '{region}': set the client's region to that (AWS_REGION), or add this one to the server's (WHARF_REGIONS, or 'regions' in its configuration)",
            served.join(", ")
        )
    }

    /// The regions, the default first.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The accounts, the default first.
    pub fn ids(&self) -> &[AccountId] {
        &self.accounts
    }
}
