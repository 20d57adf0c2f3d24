//! ListEntitiesForPolicy: who has a managed policy, or is bounded by it.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use aws::AccountId;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::{self, Entity, EntityKind};

use super::{attached_to, usage_filter};
use crate::iam_api::constraints::{self, Check};
use crate::iam_api::errors::IamError;
use crate::iam_api::managed_policy::ManagedRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::paging::{Page, PageInput, PageOutput};

/// Lists the users, groups and roles that have a managed policy attached, or as their boundary.
pub struct ListEntitiesForPolicy {
    account: AccountId,
    policy: ManagedRef,
    filter: Option<&'static str>,
    usage: Option<&'static str>,
    path_prefix: String,
    page: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    policy_arn: Option<String>,
    entity_filter: Option<String>,
    path_prefix: Option<String>,
    policy_usage_filter: Option<String>,
    #[serde(flatten)]
    page: PageInput,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    policy_groups: Vec<PolicyGroup>,
    policy_users: Vec<PolicyUser>,
    policy_roles: Vec<PolicyRole>,
    #[serde(flatten)]
    page: PageOutput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyGroup {
    group_name: String,
    group_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyUser {
    user_name: String,
    user_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyRole {
    role_name: String,
    role_id: String,
}

impl ListEntitiesForPolicy {
    fn wants(&self, entity: &Entity) -> bool {
        let is_of_kind = match self.filter {
            None => true,
            Some("User") => entity.kind == EntityKind::User,
            Some("Group") => entity.kind == EntityKind::Group,
            Some("Role") => entity.kind == EntityKind::Role,
            // The other values of the model's enumeration are no entities.
            Some(_) => false,
        };
        is_of_kind && entity.path.starts_with(&self.path_prefix)
    }
}

impl IamOperation for ListEntitiesForPolicy {
    const ACTION: Action = Action::IamListEntitiesForPolicy;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        const FILTERS: [&str; 5] = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];
        let filter = input.entity_filter;
        Ok(Self {
            account: call.caller.account,
            policy: ManagedRef::new(call, "policyArn", input.policy_arn)?,
            filter: filter.map(|filter| Check::one_of("entityFilter", &filter, &FILTERS, |name| name)).transpose()?,
            usage: usage_filter(input.policy_usage_filter)?,
            path_prefix: constraints::path_prefix(input.path_prefix)?,
            page: input.page.check()?,
        })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.policy.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        self.policy.require(tx)?;
        let mut found = Vec::new();
        if self.usage != Some("PermissionsBoundary") {
            found.extend(attached_to(tx, self.account, &self.policy.arn)?);
        }
        if self.usage != Some("PermissionsPolicy") {
            found.extend(entities::list_bounded_by(tx, self.account, &self.policy.arn)?);
        }
        found.retain(|entity| self.wants(entity));
        found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        let key = |entity: &Entity| format!("{} {}", entity.kind.as_str(), entity.name.to_ascii_lowercase());
        let (found, page) = self.page.cut(found, key);
        let mut output = Output { page, ..Output::default() };
        for Entity { kind, name, id, .. } in found {
            match kind {
                EntityKind::Group => output.policy_groups.push(PolicyGroup { group_name: name, group_id: id }),
                EntityKind::User => output.policy_users.push(PolicyUser { user_name: name, user_id: id }),
                EntityKind::Role => output.policy_roles.push(PolicyRole { role_name: name, role_id: id }),
            }
        }
        Ok(output)
    }
}
