//! How many users, groups, roles, managed policies and providers an account may have: every node holds all of them in
//! memory, and reads all of them again when one changes.

use aws::AccountId;
use store::db::Tx;
use store::tables::iam::entities::{self, EntityKind};
use store::tables::iam::{oidc_providers, policies};

use super::errors::IamError;

/// What one account may have. The defaults are IAM's (IAM User Guide, "IAM and AWS STS quotas").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IamQuotas {
    /// Users.
    pub users: u64,
    /// Groups.
    pub groups: u64,
    /// Roles.
    pub roles: u64,
    /// Managed policies of its own.
    pub managed_policies: u64,
    /// OpenID Connect providers.
    pub oidc_providers: u64,
}

impl Default for IamQuotas {
    fn default() -> Self {
        Self { users: 5_000, groups: 300, roles: 1_000, managed_policies: 1_500, oidc_providers: 100 }
    }
}

impl IamQuotas {
    /// Refuses a user, group or role that was inserted if the account has too many with it. As with repositories, it is
    /// asked in the transaction that inserts.
    pub fn require_room_for_entity(
        &self,
        tx: &mut dyn Tx,
        account: AccountId,
        kind: EntityKind,
    ) -> Result<(), IamError> {
        let (name, quota) = match kind {
            EntityKind::User => ("UsersPerAccount", self.users),
            EntityKind::Group => ("GroupsPerAccount", self.groups),
            EntityKind::Role => ("RolesPerAccount", self.roles),
        };
        require(name, quota, entities::count_of_kind(tx, account, kind)?)
    }

    /// The same of a managed policy.
    pub fn require_room_for_policy(&self, tx: &mut dyn Tx, account: AccountId) -> Result<(), IamError> {
        require("PoliciesPerAccount", self.managed_policies, policies::count_of_account(tx, account)?)
    }

    /// The same of a provider.
    pub fn require_room_for_provider(&self, tx: &mut dyn Tx, account: AccountId) -> Result<(), IamError> {
        let count = oidc_providers::list(tx, account)?.len();
        require("OpenIdConnectProvidersPerAccount", self.oidc_providers, i64::try_from(count).unwrap_or(i64::MAX))
    }
}

fn require(name: &'static str, quota: u64, count: i64) -> Result<(), IamError> {
    if u64::try_from(count).is_ok_and(|count| count > quota) {
        return Err(IamError::Quota(name, usize::try_from(quota).unwrap_or(usize::MAX)));
    }
    Ok(())
}
