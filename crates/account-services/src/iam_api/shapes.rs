//! The shapes of users, groups, roles and managed policies in answers. Lists leave out what IAM leaves out there: tags
//! and boundaries.

use access::auth::aws_managed_policies::AwsManagedPolicy;
use api::grammar::Tag;
use serde::Serialize;
use store::tables::iam::entities::Entity;
use store::tables::iam::policies::{ManagedPolicy, PolicyVersion};
use store::tables::iam::policies_of_entities::InlinePolicy;

use super::documents::encoded;

/// When AWS made the first of its policies; theirs have no times here.
const AWS_MANAGED_MS: i64 = 1_423_248_000_000;

/// `AttachedPermissionsBoundary`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Boundary {
    permissions_boundary_type: &'static str,
    permissions_boundary_arn: String,
}

fn boundary(entity: &Entity) -> Option<Boundary> {
    let permissions_boundary_arn = entity.boundary_arn.clone()?;
    Some(Boundary { permissions_boundary_type: "PermissionsBoundaryPolicy", permissions_boundary_arn })
}

/// `User`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct User {
    path: String,
    user_name: String,
    user_id: String,
    arn: String,
    create_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<Boundary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

impl User {
    /// As lists have it.
    pub fn listed(user: &Entity) -> Self {
        Self {
            path: user.path.clone(),
            user_name: user.name.clone(),
            user_id: user.id.clone(),
            arn: user.arn(),
            create_date: aws::time::iso8601(user.created_at_ms),
            permissions_boundary: None,
            tags: Vec::new(),
        }
    }

    /// With everything.
    pub fn whole(user: &Entity) -> Self {
        Self { permissions_boundary: boundary(user), tags: Tag::list(&user.tags), ..Self::listed(user) }
    }

    /// The root user of an account, which has no row and was there from the beginning.
    pub fn root(account: aws::AccountId) -> Self {
        Self {
            path: "/".to_owned(),
            user_name: "root".to_owned(),
            user_id: account.to_string(),
            arn: format!("arn:aws:iam::{account}:root"),
            create_date: aws::time::iso8601(0),
            permissions_boundary: None,
            tags: Vec::new(),
        }
    }
}

/// `Group`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Group {
    path: String,
    group_name: String,
    group_id: String,
    arn: String,
    create_date: String,
}

impl Group {
    /// A group; lists leave out nothing.
    pub fn new(group: &Entity) -> Self {
        Self {
            path: group.path.clone(),
            group_name: group.name.clone(),
            group_id: group.id.clone(),
            arn: group.arn(),
            create_date: aws::time::iso8601(group.created_at_ms),
        }
    }
}

/// `RoleLastUsed`: empty, as uses of roles are not kept.
#[derive(Serialize)]
pub struct RoleLastUsed {}

/// `Role`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Role {
    path: String,
    role_name: String,
    role_id: String,
    arn: String,
    create_date: String,
    assume_role_policy_document: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_session_duration: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary: Option<Boundary>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_last_used: Option<RoleLastUsed>,
}

impl Role {
    /// As lists have it.
    pub fn listed(role: &Entity) -> Self {
        Self {
            path: role.path.clone(),
            role_name: role.name.clone(),
            role_id: role.id.clone(),
            arn: role.arn(),
            create_date: aws::time::iso8601(role.created_at_ms),
            assume_role_policy_document: encoded(role.trust_policy.as_deref().unwrap_or_default()),
            description: role.description.clone(),
            max_session_duration: Some(role.max_session_seconds),
            permissions_boundary: None,
            tags: Vec::new(),
            role_last_used: None,
        }
    }

    /// As the details of an account have it.
    pub fn detailed(role: &Entity) -> Self {
        Self { description: None, max_session_duration: None, ..Self::whole(role) }
    }

    /// With everything.
    pub fn whole(role: &Entity) -> Self {
        Self {
            permissions_boundary: boundary(role),
            tags: Tag::list(&role.tags),
            role_last_used: Some(RoleLastUsed {}),
            ..Self::listed(role)
        }
    }
}

/// How often a policy is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicyUses {
    /// By users, groups and roles that it is attached to.
    pub attachments: usize,
    /// As a boundary.
    pub boundaries: usize,
}

/// `Policy`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    policy_name: String,
    policy_id: String,
    arn: String,
    path: String,
    default_version_id: String,
    attachment_count: usize,
    permissions_boundary_usage_count: usize,
    is_attachable: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    create_date: String,
    update_date: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

impl Policy {
    /// As lists have a customer's policy.
    pub fn listed(policy: &ManagedPolicy, uses: PolicyUses) -> Self {
        Self {
            policy_name: policy.name.clone(),
            policy_id: policy.id.clone(),
            arn: policy.arn.clone(),
            path: policy.path.clone(),
            default_version_id: version_id(policy.default_version),
            attachment_count: uses.attachments,
            permissions_boundary_usage_count: uses.boundaries,
            is_attachable: true,
            description: String::new(),
            create_date: aws::time::iso8601(policy.created_at_ms),
            update_date: aws::time::iso8601(policy.updated_at_ms),
            tags: Vec::new(),
        }
    }

    /// As the details of an account have it: with everything but tags.
    pub fn detailed(policy: &ManagedPolicy, uses: PolicyUses) -> Self {
        Self { description: policy.description.clone(), ..Self::listed(policy, uses) }
    }

    /// A customer's policy with everything.
    pub fn whole(policy: &ManagedPolicy, uses: PolicyUses) -> Self {
        Self { description: policy.description.clone(), tags: Tag::list(&policy.tags), ..Self::listed(policy, uses) }
    }

    /// A policy of AWS's.
    pub fn aws_managed(policy: &AwsManagedPolicy, uses: PolicyUses) -> Self {
        Self {
            policy_name: policy.name.to_owned(),
            policy_id: policy.id.to_owned(),
            arn: policy.arn(),
            path: policy.path.to_owned(),
            default_version_id: version_id(policy.version),
            attachment_count: uses.attachments,
            permissions_boundary_usage_count: uses.boundaries,
            is_attachable: true,
            description: String::new(),
            create_date: aws::time::iso8601(AWS_MANAGED_MS),
            update_date: aws::time::iso8601(AWS_MANAGED_MS),
            tags: Vec::new(),
        }
    }
}

/// A version's number as the API has it.
pub fn version_id(version: i64) -> String {
    format!("v{version}")
}

/// `PolicyDetail`: an inline policy.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InlineDetail {
    policy_name: String,
    policy_document: String,
}

impl InlineDetail {
    /// Of a stored policy.
    pub fn new(policy: &InlinePolicy) -> Self {
        Self { policy_name: policy.name.clone(), policy_document: encoded(&policy.document) }
    }
}

/// `PolicyVersion`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Version {
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    version_id: String,
    is_default_version: bool,
    create_date: String,
}

impl Version {
    /// As lists have a version of a customer's policy.
    pub fn listed(policy: &ManagedPolicy, version: &PolicyVersion) -> Self {
        Self {
            document: None,
            version_id: version_id(version.version),
            is_default_version: version.version == policy.default_version,
            create_date: aws::time::iso8601(version.created_at_ms),
        }
    }

    /// A version of a customer's policy with its document.
    pub fn whole(policy: &ManagedPolicy, version: &PolicyVersion) -> Self {
        Self { document: Some(encoded(&version.document)), ..Self::listed(policy, version) }
    }

    /// The one version of a policy of AWS's.
    pub fn aws_managed(policy: &AwsManagedPolicy, document: Option<String>) -> Self {
        Self {
            document: document.map(|document| encoded(&document)),
            version_id: version_id(policy.version),
            is_default_version: true,
            create_date: aws::time::iso8601(AWS_MANAGED_MS),
        }
    }
}
