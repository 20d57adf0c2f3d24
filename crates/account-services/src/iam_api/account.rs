//! GetAccountSummary, ListAccountAliases and ListVirtualMFADevices: what is asked about an account as a whole.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Entry};
use aws::AccountId;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::{self, EntityKind};
use store::tables::iam::{oidc_providers, policies};

use super::authorization_details::GetAccountAuthorizationDetails;
use super::constraints::Check;
use super::errors::IamError;
use super::operation::{Access, Iam, IamOperation};
use super::paging::{PageInput, PageOutput};

/// Every operation on accounts.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<Iam<GetAccountAuthorizationDetails>>(),
    Entry::of::<Iam<GetAccountSummary>>(),
    Entry::of::<Iam<ListAccountAliases>>(),
    Entry::of::<Iam<ListVirtualMfaDevices>>(),
];

/// GetAccountSummary: counts and quotas.
pub struct GetAccountSummary(AccountId);

/// Nothing is asked for in particular.
#[derive(Deserialize)]
pub struct NoInput {}

/// A map, as the Query protocol writes it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Summary {
    summary_map: Map,
}

#[derive(Serialize)]
struct Map {
    entry: Vec<MapEntry>,
}

#[derive(Serialize)]
struct MapEntry {
    key: &'static str,
    value: i64,
}

impl IamOperation for GetAccountSummary {
    const ACTION: Action = Action::IamGetAccountSummary;
    const ACCESS: Access = Access::Reads;
    type Input = NoInput;
    type Output = Summary;

    fn check(call: &Call<'_>, _: NoInput) -> Result<Self, IamError> {
        Ok(Self(call.caller.account))
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    fn run(&self, app: &Registry, tx: &mut dyn Tx) -> Result<Summary, IamError> {
        let own = policies::list(tx, self.0, "/", "", usize::MAX)?;
        let mut versions = 0;
        for policy in &own {
            versions += policies::list_versions(tx, &policy.arn)?.len() as i64;
        }
        let quotas = &app.quotas.iam;
        let quota = |of: u64| i64::try_from(of).unwrap_or(i64::MAX);
        let counted = [
            ("Users", entities::count_of_kind(tx, self.0, EntityKind::User)?),
            ("Groups", entities::count_of_kind(tx, self.0, EntityKind::Group)?),
            ("Roles", entities::count_of_kind(tx, self.0, EntityKind::Role)?),
            ("Policies", own.len() as i64),
            ("PolicyVersionsInUse", versions),
            ("Providers", oidc_providers::list(tx, self.0)?.len() as i64),
            ("MFADevices", 0),
            ("MFADevicesInUse", 0),
            ("AccountMFAEnabled", 0),
            ("AccountAccessKeysPresent", 1),
            ("AccessKeysPerUserQuota", 2),
            ("AttachedPoliciesPerGroupQuota", 10),
            ("AttachedPoliciesPerRoleQuota", 10),
            ("AttachedPoliciesPerUserQuota", 10),
            ("GroupPolicySizeQuota", 5120),
            ("GroupsPerUserQuota", 10),
            ("GroupsQuota", quota(quotas.groups)),
            ("PoliciesQuota", quota(quotas.managed_policies)),
            ("RolesQuota", quota(quotas.roles)),
            ("UsersQuota", quota(quotas.users)),
            ("PolicySizeQuota", 6144),
            ("RolePolicySizeQuota", 10240),
            ("UserPolicySizeQuota", 2048),
            ("AssumeRolePolicySizeQuota", 4096),
            ("VersionsPerPolicyQuota", 5),
        ];
        let entry = counted.into_iter().map(|(key, value)| MapEntry { key, value }).collect();
        Ok(Summary { summary_map: Map { entry } })
    }
}

/// ListAccountAliases: always empty, as registries go by their account's id.
pub struct ListAccountAliases;

/// No aliases.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NoAliases {
    account_aliases: [(); 0],
    #[serde(flatten)]
    page: PageOutput,
}

impl IamOperation for ListAccountAliases {
    const ACTION: Action = Action::IamListAccountAliases;
    const ACCESS: Access = Access::Reads;
    type Input = PageInput;
    type Output = NoAliases;

    fn check(_: &Call<'_>, input: PageInput) -> Result<Self, IamError> {
        input.check().map(|_| Self)
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    fn run(&self, _: &Registry, _: &mut dyn Tx) -> Result<NoAliases, IamError> {
        Ok(NoAliases { account_aliases: [], page: PageOutput::default() })
    }
}

/// ListVirtualMFADevices: always empty.
pub struct ListVirtualMfaDevices;

/// Which devices are asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DevicesInput {
    assignment_status: Option<String>,
    #[serde(flatten)]
    page: PageInput,
}

/// No devices.
#[derive(Serialize)]
pub struct NoDevices {
    #[serde(rename = "VirtualMFADevices")]
    devices: [(); 0],
    #[serde(flatten)]
    page: PageOutput,
}

impl IamOperation for ListVirtualMfaDevices {
    const ACTION: Action = Action::IamListVirtualMFADevices;
    const ACCESS: Access = Access::Reads;
    type Input = DevicesInput;
    type Output = NoDevices;

    fn check(_: &Call<'_>, input: DevicesInput) -> Result<Self, IamError> {
        let status = input.assignment_status.as_deref().unwrap_or("Any");
        Check::one_of("assignmentStatus", status, &["Assigned", "Unassigned", "Any"], |name| name)?;
        input.page.check().map(|_| Self)
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    fn run(&self, _: &Registry, _: &mut dyn Tx) -> Result<NoDevices, IamError> {
        Ok(NoDevices { devices: [], page: PageOutput::default() })
    }
}
