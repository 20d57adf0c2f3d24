//! Managed policies: customers', with up to five versions each, and AWS's, which can only be read and attached.

mod create_policy;
mod create_policy_version;
mod delete_policy;
mod get_policy;
mod list_entities_for_policy;
mod list_policies;
mod tags;
mod versions;

use std::collections::HashMap;

use api::protocols::operation::Entry;
use aws::AccountId;
use store::db::Tx;
use store::tables::iam::entities::{self, Entity};
use store::tables::iam::policies_of_entities;

use self::tags::TaggedPolicy;
use super::constraints::Check;
use super::errors::IamError;
use super::operation::Iam;
use super::shapes::PolicyUses;
use super::tags::{ListTags, TagResource, UntagResource};

/// Every operation of managed policies.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<Iam<create_policy::CreatePolicy>>(),
    Entry::of::<Iam<create_policy_version::CreatePolicyVersion>>(),
    Entry::of::<Iam<delete_policy::DeletePolicy>>(),
    Entry::of::<Iam<get_policy::GetPolicy>>(),
    Entry::of::<Iam<list_entities_for_policy::ListEntitiesForPolicy>>(),
    Entry::of::<Iam<list_policies::ListPolicies>>(),
    Entry::of::<Iam<versions::DeletePolicyVersion>>(),
    Entry::of::<Iam<versions::GetPolicyVersion>>(),
    Entry::of::<Iam<versions::ListPolicyVersions>>(),
    Entry::of::<Iam<versions::SetDefaultPolicyVersion>>(),
    Entry::of::<Iam<ListTags<TaggedPolicy>>>(),
    Entry::of::<Iam<TagResource<TaggedPolicy>>>(),
    Entry::of::<Iam<UntagResource<TaggedPolicy>>>(),
];

/// Versions of one policy.
const MAX_VERSIONS: usize = 5;

/// The users, groups and roles of an account that have a policy.
fn attached_to(tx: &mut dyn Tx, account: AccountId, arn: &str) -> Result<Vec<Entity>, IamError> {
    let mut found = Vec::new();
    for id in policies_of_entities::list_entities_of(tx, arn)? {
        found.extend(entities::find_by_id(tx, &id)?.filter(|entity| entity.account == account));
    }
    Ok(found)
}

/// How often each policy is used in an account.
pub fn all_uses(tx: &mut dyn Tx, account: AccountId) -> Result<HashMap<String, PolicyUses>, IamError> {
    let mut uses: HashMap<String, PolicyUses> = HashMap::new();
    for (arn, count) in policies_of_entities::count_attachments(tx, account)? {
        uses.entry(arn).or_default().attachments = count as usize;
    }
    for (arn, count) in entities::count_bounded(tx, account)? {
        uses.entry(arn).or_default().boundaries = count as usize;
    }
    Ok(uses)
}

/// How often one policy is used in an account.
fn uses(tx: &mut dyn Tx, account: AccountId, arn: &str) -> Result<PolicyUses, IamError> {
    Ok(all_uses(tx, account)?.remove(arn).unwrap_or_default())
}

/// `PolicyUsageFilter`: which uses count.
fn usage_filter(filter: Option<String>) -> Result<Option<&'static str>, IamError> {
    const FILTERS: [&str; 2] = ["PermissionsPolicy", "PermissionsBoundary"];
    filter.map(|filter| Check::one_of("policyUsageFilter", &filter, &FILTERS, |name| name)).transpose()
}
