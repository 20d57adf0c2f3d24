//! Refuses what an account has too many of ([`IamQuotas`]).

use access::auth::iam_quotas::IamQuotas;
use aws::AccountId;
use store::db::Tx;
use store::tables::iam::entities::{self, EntityKind};
use store::tables::iam::{oidc_providers, policies};

use super::errors::IamError;

/// Refuses a user, group or role that was inserted if the account has too many with it. As with repositories, it is
/// asked in the transaction that inserts.
pub fn require_room_for_entity(
    quotas: &IamQuotas,
    tx: &mut dyn Tx,
    account: AccountId,
    kind: EntityKind,
) -> Result<(), IamError> {
    let (name, quota) = match kind {
        EntityKind::User => ("UsersPerAccount", quotas.users),
        EntityKind::Group => ("GroupsPerAccount", quotas.groups),
        EntityKind::Role => ("RolesPerAccount", quotas.roles),
    };
    require(name, quota, entities::count_of_kind(tx, account, kind)?)
}

/// The same of a managed policy.
pub fn require_room_for_policy(quotas: &IamQuotas, tx: &mut dyn Tx, account: AccountId) -> Result<(), IamError> {
    require("PoliciesPerAccount", quotas.managed_policies, policies::count_of_account(tx, account)?)
}

/// The same of a provider.
pub fn require_room_for_provider(quotas: &IamQuotas, tx: &mut dyn Tx, account: AccountId) -> Result<(), IamError> {
    let count = oidc_providers::list(tx, account)?.len();
    require("OpenIdConnectProvidersPerAccount", quotas.oidc_providers, i64::try_from(count).unwrap_or(i64::MAX))
}

fn require(name: &'static str, quota: u64, count: i64) -> Result<(), IamError> {
    if u64::try_from(count).is_ok_and(|count| count > quota) {
        return Err(IamError::Quota(name, usize::try_from(quota).unwrap_or(usize::MAX)));
    }
    Ok(())
}
