//! GetAccountAuthorizationDetails: every user, group, role and managed policy of an account with all that they allow, page
//! by page.

use std::collections::HashMap;

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::aws_managed_policies;
use api::protocols::operation::Call;
use aws::AccountId;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::{self, Entity, EntityKind};
use store::tables::iam::{groups, policies, policies_of_entities};

use super::attached_policies::AttachedPolicy;
use super::constraints::{self, Check};
use super::errors::IamError;
use super::managed_policy::Managed;
use super::operation::{Access, IamOperation};
use super::paging::{Page, PageInput, PageOutput};
use super::policies::all_uses;
use super::shapes::{Group, InlineDetail, Policy, PolicyUses, Role, User, Version};

/// What can be asked for (model: `EntityType`), in the order of the pages.
const FILTERS: [&str; 5] = ["User", "Group", "Role", "LocalManagedPolicy", "AWSManagedPolicy"];

/// Describes the users, groups, roles and managed policies of an account with their documents, page by page.
pub struct GetAccountAuthorizationDetails {
    account: AccountId,
    filters: Vec<&'static str>,
    page: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    #[serde(default, deserialize_with = "constraints::list")]
    filter: Option<Vec<String>>,
    #[serde(flatten)]
    page: PageInput,
}

/// `UserDetail`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserDetail {
    #[serde(flatten)]
    user: User,
    user_policy_list: Vec<InlineDetail>,
    group_list: Vec<String>,
    attached_managed_policies: Vec<AttachedPolicy>,
}

/// `GroupDetail`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupDetail {
    #[serde(flatten)]
    group: Group,
    group_policy_list: Vec<InlineDetail>,
    attached_managed_policies: Vec<AttachedPolicy>,
}

/// `RoleDetail`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RoleDetail {
    #[serde(flatten)]
    role: Role,
    instance_profile_list: [(); 0],
    role_policy_list: Vec<InlineDetail>,
    attached_managed_policies: Vec<AttachedPolicy>,
}

/// `ManagedPolicyDetail`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDetail {
    #[serde(flatten)]
    policy: Policy,
    policy_version_list: Vec<Version>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    user_detail_list: Vec<UserDetail>,
    group_detail_list: Vec<GroupDetail>,
    role_detail_list: Vec<RoleDetail>,
    policies: Vec<PolicyDetail>,
    #[serde(flatten)]
    page: PageOutput,
}

/// Something that has details.
enum Subject {
    Entity(Entity),
    Policy(Managed),
}

impl Subject {
    /// What pages are ordered by.
    fn key(&self) -> String {
        match self {
            Self::Entity(entity) => {
                let place = match entity.kind {
                    EntityKind::User => 0,
                    EntityKind::Group => 1,
                    EntityKind::Role => 2,
                };
                format!("{place} {} {}", entity.name.to_ascii_lowercase(), entity.id)
            }
            Self::Policy(Managed::Customer(policy)) => format!("3 {}", policy.arn),
            Self::Policy(Managed::Aws(policy)) => format!("4 {}", policy.arn()),
        }
    }
}

impl GetAccountAuthorizationDetails {
    fn wants(&self, filter: &str) -> bool {
        self.filters.is_empty() || self.filters.contains(&filter)
    }

    fn subjects(&self, tx: &mut dyn Tx, uses: &HashMap<String, PolicyUses>) -> Result<Vec<Subject>, IamError> {
        let mut found = Vec::new();
        for entity in entities::list_all(tx)? {
            let filter = match entity.kind {
                EntityKind::User => "User",
                EntityKind::Group => "Group",
                EntityKind::Role => "Role",
            };
            if entity.account == self.account && self.wants(filter) {
                found.push(Subject::Entity(entity));
            }
        }
        if self.wants("LocalManagedPolicy") {
            let own = policies::list(tx, self.account, "/", "", usize::MAX)?;
            found.extend(own.into_iter().map(|policy| Subject::Policy(Managed::Customer(policy))));
        }
        if self.wants("AWSManagedPolicy") {
            // As IAM does, those that are in use.
            let in_force = aws_managed_policies::POLICIES.iter().filter(|policy| uses.contains_key(&policy.arn()));
            found.extend(in_force.map(|policy| Subject::Policy(Managed::Aws(policy))));
        }
        Ok(found)
    }
}

fn inline(tx: &mut dyn Tx, entity: &Entity) -> Result<Vec<InlineDetail>, IamError> {
    Ok(policies_of_entities::list_inline(tx, &entity.id)?.iter().map(InlineDetail::new).collect())
}

fn attached(tx: &mut dyn Tx, entity: &Entity) -> Result<Vec<AttachedPolicy>, IamError> {
    Ok(policies_of_entities::list_attached(tx, &entity.id)?.into_iter().map(AttachedPolicy::new).collect())
}

impl Output {
    fn add_entity(&mut self, tx: &mut dyn Tx, entity: &Entity) -> Result<(), IamError> {
        let (inline, attached_managed_policies) = (inline(tx, entity)?, attached(tx, entity)?);
        match entity.kind {
            EntityKind::User => {
                let group_list = groups::list_of_user(tx, &entity.id)?.into_iter().map(|group| group.name).collect();
                let user = User::whole(entity);
                let detail = UserDetail { user, user_policy_list: inline, group_list, attached_managed_policies };
                self.user_detail_list.push(detail);
            }
            EntityKind::Group => {
                let group = Group::new(entity);
                self.group_detail_list.push(GroupDetail {
                    group,
                    group_policy_list: inline,
                    attached_managed_policies,
                });
            }
            EntityKind::Role => {
                let role = Role::detailed(entity);
                self.role_detail_list.push(RoleDetail {
                    role,
                    instance_profile_list: [],
                    role_policy_list: inline,
                    attached_managed_policies,
                });
            }
        }
        Ok(())
    }

    fn add_policy(&mut self, tx: &mut dyn Tx, policy: &Managed, uses: PolicyUses) -> Result<(), IamError> {
        let detail = match policy {
            Managed::Customer(policy) => {
                let versions = policies::list_versions(tx, &policy.arn)?;
                PolicyDetail {
                    policy: Policy::detailed(policy, uses),
                    policy_version_list: versions.iter().map(|version| Version::whole(policy, version)).collect(),
                }
            }
            Managed::Aws(policy) => PolicyDetail {
                policy: Policy::aws_managed(policy, uses),
                policy_version_list: vec![Version::aws_managed(policy, Some(policy.document()))],
            },
        };
        self.policies.push(detail);
        Ok(())
    }
}

impl IamOperation for GetAccountAuthorizationDetails {
    const ACTION: Action = Action::IamGetAccountAuthorizationDetails;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let filters = input.filter.unwrap_or_default();
        let filters = filters
            .iter()
            .map(|filter| Check::one_of("filter", filter, &FILTERS, |name| name))
            .collect::<Result<_, _>>()?;
        Ok(Self { account: call.caller.account, filters, page: input.page.check()? })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let uses = all_uses(tx, self.account)?;
        let (found, page) = self.page.cut(self.subjects(tx, &uses)?, Subject::key);
        let mut output = Output { page, ..Output::default() };
        for subject in &found {
            match subject {
                Subject::Entity(entity) => output.add_entity(tx, entity)?,
                Subject::Policy(policy) => {
                    let arn = match policy {
                        Managed::Customer(policy) => policy.arn.clone(),
                        Managed::Aws(policy) => policy.arn(),
                    };
                    output.add_policy(tx, policy, uses.get(&arn).copied().unwrap_or_default())?;
                }
            }
        }
        Ok(output)
    }
}
