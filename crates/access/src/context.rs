//! What decides on a node who may do what: accounts, identities, keys and policies, on the ground of the [`Runtime`].

use std::ops::Deref;
use std::sync::Arc;

use runtime::Runtime;
use runtime::boxed;
use runtime::http::hosts::Hosts;
use runtime::root_keys::RootKeys;
use store::error::StoreError;

use crate::action_names::ActionNames;
use crate::audit::Audit;
use crate::auth::accounts::Accounts;
use crate::auth::directory::Identities;
use crate::auth::failures::Failures;
use crate::auth::last_uses::LastUses;
use crate::auth::opened_tokens::OpenedTokens;
use crate::auth::policy_cache::PolicyCache;
use crate::auth::repository_access::AccessCache;
use crate::auth::signing_keys::SigningKeys;
use crate::kms::loaded::LoadedKeys;
use crate::nodes::Membership;
use crate::web_identity::Issuers;

/// A node's accounts, identities and keys, and its records of who did what.
pub struct Access {
    /// What it stands on.
    pub runtime: Arc<Runtime>,
    /// Where the keys in the ring come from.
    pub root_keys: RootKeys,
    /// KMS keys that this node has unwrapped.
    pub kms_keys: LoadedKeys,
    /// Accounts, regions and root access keys.
    pub accounts: Accounts,
    /// Which names lead to which registry.
    pub hosts: Hosts,
    /// This node among those that share the database.
    pub membership: Membership,
    /// Users, roles, keys and policies as this node knows them.
    pub identities: Identities,
    /// Policies that were read already.
    pub policies: Arc<PolicyCache>,
    /// Registry tokens that were opened lately.
    pub opened_tokens: OpenedTokens,
    /// Signing keys that were derived lately.
    pub signing_keys: SigningKeys,
    /// Who has failed to authenticate lately.
    pub failures: Failures,
    /// Uses of keys and tokens that are not stored yet.
    pub last_uses: LastUses,
    /// The keys of OpenID Connect issuers.
    pub oidc_issuers: Issuers,
    /// Records of who did what.
    pub audit: Audit,
    /// What decides about repositories, as it was read of the database and still holds.
    pub repository_access: AccessCache,
    /// The actions that policies may allow.
    pub action_names: ActionNames,
}

impl Deref for Access {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        &self.runtime
    }
}

impl Access {
    /// Takes over what has changed of root keys and KMS keys; gives the version that this node has of them then.
    #[boxed]
    pub async fn refresh_keys(&self) -> Result<i64, StoreError> {
        let version = self.root_keys.refresh(&self.db, &self.key_ring, self.now_ms()).await?;
        self.kms_keys.forget_before(version);
        Ok(version)
    }

    /// Loads what has changed of users, roles, keys and policies.
    #[boxed]
    pub async fn load_identities(&self) -> Result<(), StoreError> {
        self.identities.refresh(&self.db, &self.key_ring, &self.policies).await
    }
}
