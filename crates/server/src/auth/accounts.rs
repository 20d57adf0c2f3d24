//! The accounts of this server, their regions and the access keys of their root users.

use std::collections::HashMap;

use aws::{AccessKeyId, AccountId, Region, SecretAccessKey};

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

/// All accounts. Every account exists in every region.
pub struct Accounts {
    keys: HashMap<String, RootKey>,
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
        Self { keys: keys.into_iter().map(|key| (key.access_key_id.to_string(), key)).collect(), accounts, regions }
    }

    /// The key of that id.
    pub fn find_key(&self, access_key_id: &str) -> Option<&RootKey> {
        self.keys.get(access_key_id)
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
