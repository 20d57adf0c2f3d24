//! The errors of IAM, with their names and texts in one place (reference/around.md 1, 3).

use access::action::Action;
use aws::AwsError;
use http::StatusCode;
use iam::PolicyError;
use runtime::aws_error::{IntoAwsError, store_error};
use store::error::StoreError;
use store::tables::iam::entities::EntityKind;

/// What an operation answers with instead of its output.
#[derive(Debug)]
pub enum IamError {
    /// A member is missing or does not satisfy the model.
    Constraint {
        /// What was given; none where nothing was, or where it is too long to be shown.
        value: Option<String>,
        /// The member's path.
        member: String,
        /// The constraint.
        constraint: String,
    },
    /// A federated user calls.
    FederatedUser {
        /// Its ARN.
        arn: String,
        /// What it asks for.
        action: Action,
    },
    /// A role that only the service it is linked to may change.
    Protected(String),
    /// A role that no service is linked to.
    NotServiceLinked(String),
    /// There is no such deletion.
    NoSuchDeletion(String),
    /// Nobody in particular was named, and the caller is no user.
    UserNameNeeded,
    /// Members are well-formed, but make no sense.
    InvalidInput(String),
    /// A policy cannot be read, or names a principal that does not exist.
    MalformedPolicyDocument(String),
    /// No such user, group or role.
    NoSuchEntity(EntityKind, String),
    /// The entity has no inline policy of that name.
    NoSuchInlinePolicy(EntityKind, String),
    /// No such managed policy.
    NoSuchPolicy(String),
    /// No such managed policy to attach.
    NothingToAttach(String),
    /// No such version of a managed policy.
    NoSuchPolicyVersion {
        /// The policy.
        arn: String,
        /// `v7`.
        version: String,
    },
    /// No such access key.
    NoSuchAccessKey(String),
    /// Users have no passwords here.
    NoSuchLoginProfile(String),
    /// No such OpenID Connect provider.
    NoSuchProvider(String),
    /// The user is not in the group.
    NotInGroup {
        /// The user's name.
        user: String,
        /// The group's name.
        group: String,
    },
    /// The name of a user, group or role is taken.
    EntityExists(EntityKind, String),
    /// The name of a managed policy is taken.
    PolicyExists(String),
    /// There is a provider of that URL.
    ProviderExists(String),
    /// Something depends on what is to be deleted.
    DeleteConflict(Dependent),
    /// A quota is used up.
    Quota(&'static str, usize),
    /// The inline policies of an entity would become too long together.
    InlinePoliciesTooLong {
        /// The most non-whitespace characters.
        limit: usize,
        /// What the entity is.
        kind: EntityKind,
        /// Its name.
        name: String,
    },
    /// Five versions exist.
    TooManyPolicyVersions,
    /// Too many tags.
    TooManyTags,
    /// A policy of AWS's that only AWS's own roles have.
    PolicyNotAttachable,
    /// A policy of AWS's cannot be changed.
    AwsManaged(String),
    /// Storage failed.
    Store(StoreError),
}

/// What keeps something from being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependent {
    /// A user's access keys.
    AccessKeys,
    /// Managed policies of an entity.
    AttachedPolicies,
    /// Inline policies of an entity.
    InlinePolicies,
    /// A user's groups, or a group's users.
    Membership,
    /// A policy's entities.
    Entities,
    /// A policy's further versions.
    Versions,
    /// It is the version in force.
    DefaultVersion,
}

impl IamError {
    /// A member that does not satisfy the model.
    pub fn constraint(member: impl Into<String>, value: Option<&str>, constraint: impl Into<String>) -> Self {
        Self::Constraint { value: value.map(str::to_owned), member: member.into(), constraint: constraint.into() }
    }
}

impl From<StoreError> for IamError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PolicyError> for IamError {
    fn from(error: PolicyError) -> Self {
        Self::MalformedPolicyDocument(error.aws_message())
    }
}

impl IntoAwsError for IamError {
    fn into_aws_error(self, request_id: uuid::Uuid) -> AwsError {
        if let Self::Store(error) = &self {
            return store_error(request_id, error);
        }
        let (code, status) = self.code();
        AwsError::new(code, self.message()).with_status(status)
    }
}

impl IamError {
    fn code(&self) -> (&'static str, StatusCode) {
        match self {
            Self::Constraint { .. } | Self::UserNameNeeded => ("ValidationError", StatusCode::BAD_REQUEST),
            Self::FederatedUser { .. } => ("AccessDenied", StatusCode::FORBIDDEN),
            Self::Protected(_) => ("UnmodifiableEntity", StatusCode::BAD_REQUEST),
            Self::InvalidInput(_) | Self::AwsManaged(_) => ("InvalidInput", StatusCode::BAD_REQUEST),
            Self::MalformedPolicyDocument(_) => ("MalformedPolicyDocument", StatusCode::BAD_REQUEST),
            Self::PolicyNotAttachable => ("PolicyNotAttachable", StatusCode::BAD_REQUEST),
            Self::NoSuchEntity(..)
            | Self::NoSuchInlinePolicy(..)
            | Self::NoSuchPolicy(_)
            | Self::NothingToAttach(_)
            | Self::NoSuchPolicyVersion { .. }
            | Self::NoSuchAccessKey(_)
            | Self::NoSuchLoginProfile(_)
            | Self::NoSuchProvider(_)
            | Self::NoSuchDeletion(_)
            | Self::NotServiceLinked(_)
            | Self::NotInGroup { .. } => ("NoSuchEntity", StatusCode::NOT_FOUND),
            Self::EntityExists(..) | Self::PolicyExists(_) | Self::ProviderExists(_) => {
                ("EntityAlreadyExists", StatusCode::CONFLICT)
            }
            Self::DeleteConflict(_) => ("DeleteConflict", StatusCode::CONFLICT),
            Self::Quota(..) | Self::InlinePoliciesTooLong { .. } | Self::TooManyPolicyVersions | Self::TooManyTags => {
                ("LimitExceeded", StatusCode::CONFLICT)
            }
            Self::Store(_) => ("ServiceFailure", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Constraint { value, member, constraint } => {
                let value = value.as_ref().map(|value| format!(" '{value}'")).unwrap_or_default();
                format!(
                    "1 validation error detected: Value{value} at '{member}' failed to satisfy constraint: {constraint}"
                )
            }
            Self::FederatedUser { arn, action } => {
                format!("User: {arn} is not authorized to perform: {action} because federated users cannot call IAM")
            }
            Self::Protected(name) => format!(
                "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
            ),
            Self::NotServiceLinked(name) => format!("The role {name} is not linked to a service."),
            Self::NoSuchDeletion(id) => format!("Deletion task {id} cannot be found."),
            Self::UserNameNeeded => "Must specify userName when calling with non-User credentials".to_owned(),
            Self::InvalidInput(message) | Self::MalformedPolicyDocument(message) => message.clone(),
            Self::NoSuchEntity(kind, name) => format!("The {} with name {name} cannot be found.", kind.as_str()),
            Self::NoSuchInlinePolicy(kind, name) => {
                format!("The {} policy with name {name} cannot be found.", kind.as_str())
            }
            Self::NoSuchPolicy(arn) => format!("Policy {arn} was not found."),
            Self::NothingToAttach(arn) => format!("Policy {arn} does not exist or is not attachable."),
            Self::NoSuchPolicyVersion { arn, version } => {
                format!("Policy {arn} version {version} does not exist or is not attachable.")
            }
            Self::NoSuchAccessKey(id) => format!("The Access Key with id {id} cannot be found."),
            Self::NoSuchLoginProfile(user) => format!("Login Profile for User {user} cannot be found."),
            Self::NoSuchProvider(arn) => format!("OpenIDConnect Provider not found for arn {arn}"),
            Self::NotInGroup { user, group } => format!("User {user} not in group {group}"),
            Self::EntityExists(kind, name) => {
                let kind = match kind {
                    EntityKind::User => "User",
                    EntityKind::Group => "Group",
                    EntityKind::Role => "Role",
                };
                format!("{kind} with name {name} already exists.")
            }
            Self::PolicyExists(name) => {
                format!("A policy called {name} already exists. Duplicate names are not allowed.")
            }
            Self::ProviderExists(url) => format!("Provider with url {url} already exists."),
            Self::DeleteConflict(dependent) => dependent.message().to_owned(),
            Self::Quota(quota, limit) => format!("Cannot exceed quota for {quota}: {limit}"),
            Self::InlinePoliciesTooLong { limit, kind, name } => {
                format!("Maximum policy size of {limit} bytes exceeded for {} {name}", kind.as_str())
            }
            Self::TooManyPolicyVersions => {
                "A managed policy can have up to 5 versions. Before you create a new version, you must delete an \
                 existing version."
                    .to_owned()
            }
            Self::TooManyTags => "The number of tags has reached the maximum limit.".to_owned(),
            Self::PolicyNotAttachable => "Cannot attach a Service Role Policy to a Customer Role.".to_owned(),
            Self::AwsManaged(arn) => format!("Policy {arn} is managed by AWS and cannot be changed."),
            Self::Store(error) => error.to_string(),
        }
    }
}

impl Dependent {
    fn message(self) -> &'static str {
        match self {
            Self::AccessKeys => "Cannot delete entity, must delete access keys first.",
            Self::AttachedPolicies => "Cannot delete entity, must detach all policies first.",
            Self::InlinePolicies => "Cannot delete entity, must delete policies first.",
            Self::Membership => "Cannot delete entity, must remove users from group first.",
            Self::Entities => "Cannot delete a policy attached to entities.",
            Self::Versions => {
                "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                 versions. The default version is deleted with the policy."
            }
            Self::DefaultVersion => "Cannot delete the default version of a policy.",
        }
    }
}
