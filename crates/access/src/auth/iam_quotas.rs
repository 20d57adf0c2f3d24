//! How many users, groups, roles, managed policies and providers an account may have: every node holds all of them in
//! memory, and reads all of them again when one changes.

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
