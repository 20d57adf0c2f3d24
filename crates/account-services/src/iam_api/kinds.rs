//! What users, groups and roles have in common: operations on their policies, names and boundaries are written once,
//! for each [`Kind`].

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::caller::Credentials;
use api::protocols::operation::Call;
use aws::AccountId;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::{self, Entity, EntityKind};

use super::constraints;
use super::errors::IamError;
use super::roles::service_linked_roles::is_service_linked;

/// A kind of entity, with the actions of the operations that all kinds share.
pub trait Kind: Send + Sync + 'static {
    /// Which one it is.
    const KIND: EntityKind;
    /// The most non-whitespace characters of all inline policies together.
    const MAX_INLINE_POLICIES: usize;
    /// The name of the quota on attached policies.
    const POLICIES_QUOTA: &'static str;
    /// The action that deletes one, and so on.
    const DELETE: Action;
    const PUT_POLICY: Action;
    const GET_POLICY: Action;
    const LIST_POLICIES: Action;
    const DELETE_POLICY: Action;
    const ATTACH_POLICY: Action;
    const DETACH_POLICY: Action;
    const LIST_ATTACHED_POLICIES: Action;
}

/// A kind that can have a permissions boundary: users and roles.
pub trait Bounded: Kind {
    /// The action that sets the boundary, and so on.
    const PUT_BOUNDARY: Action;
    const DELETE_BOUNDARY: Action;
}

/// A kind that can be renamed: users and groups.
pub trait Renamed: Kind {
    /// The action.
    const UPDATE: Action;
    /// The longest new name.
    const MAX_NAME: usize;
}

/// Users.
pub struct User;
/// Groups.
pub struct Group;
/// Roles.
pub struct Role;

macro_rules! kind {
    ($kind:ident, $word:literal, $max_inline_policies:literal { $($constant:ident: $action:ident,)+ }) => {
        impl Kind for $kind {
            const KIND: EntityKind = EntityKind::$kind;
            const MAX_INLINE_POLICIES: usize = $max_inline_policies;
            const POLICIES_QUOTA: &'static str = concat!("PoliciesPer", $word);
            $(const $constant: Action = Action::$action;)+
        }
    };
}

kind!(User, "User", 2048 {
    DELETE: IamDeleteUser,
    PUT_POLICY: IamPutUserPolicy,
    GET_POLICY: IamGetUserPolicy,
    LIST_POLICIES: IamListUserPolicies,
    DELETE_POLICY: IamDeleteUserPolicy,
    ATTACH_POLICY: IamAttachUserPolicy,
    DETACH_POLICY: IamDetachUserPolicy,
    LIST_ATTACHED_POLICIES: IamListAttachedUserPolicies,
});
kind!(Group, "Group", 5120 {
    DELETE: IamDeleteGroup,
    PUT_POLICY: IamPutGroupPolicy,
    GET_POLICY: IamGetGroupPolicy,
    LIST_POLICIES: IamListGroupPolicies,
    DELETE_POLICY: IamDeleteGroupPolicy,
    ATTACH_POLICY: IamAttachGroupPolicy,
    DETACH_POLICY: IamDetachGroupPolicy,
    LIST_ATTACHED_POLICIES: IamListAttachedGroupPolicies,
});
kind!(Role, "Role", 10240 {
    DELETE: IamDeleteRole,
    PUT_POLICY: IamPutRolePolicy,
    GET_POLICY: IamGetRolePolicy,
    LIST_POLICIES: IamListRolePolicies,
    DELETE_POLICY: IamDeleteRolePolicy,
    ATTACH_POLICY: IamAttachRolePolicy,
    DETACH_POLICY: IamDetachRolePolicy,
    LIST_ATTACHED_POLICIES: IamListAttachedRolePolicies,
});

impl Bounded for User {
    const PUT_BOUNDARY: Action = Action::IamPutUserPermissionsBoundary;
    const DELETE_BOUNDARY: Action = Action::IamDeleteUserPermissionsBoundary;
}

impl Bounded for Role {
    const PUT_BOUNDARY: Action = Action::IamPutRolePermissionsBoundary;
    const DELETE_BOUNDARY: Action = Action::IamDeleteRolePermissionsBoundary;
}

impl Renamed for User {
    const UPDATE: Action = Action::IamUpdateUser;
    const MAX_NAME: usize = constraints::MAX_USER_OR_ROLE_NAME;
}

impl Renamed for Group {
    const UPDATE: Action = Action::IamUpdateGroup;
    const MAX_NAME: usize = constraints::MAX_NAME;
}

/// The member that names an entity: `UserName`, `GroupName` or `RoleName`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EntityName {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_name: Option<String>,
}

impl EntityName {
    /// The member of an answer.
    pub fn of(entity: &Entity) -> Self {
        let name = Some(entity.name.clone());
        match entity.kind {
            EntityKind::User => Self { user_name: name, ..Self::default() },
            EntityKind::Group => Self { group_name: name, ..Self::default() },
            EntityKind::Role => Self { role_name: name, ..Self::default() },
        }
    }

    /// The entity that a request is about.
    pub fn check<K: Kind>(self, call: &Call<'_>) -> Result<EntityRef, IamError> {
        match K::KIND {
            EntityKind::User => EntityRef::new(call, K::KIND, self.user_name),
            EntityKind::Group => EntityRef::new(call, K::KIND, self.group_name),
            EntityKind::Role => EntityRef::new(call, K::KIND, self.role_name),
        }
    }
}

/// A user, group or role of the caller's account, which need not exist.
#[derive(Clone, Debug)]
pub struct EntityRef {
    /// The account.
    pub account: AccountId,
    /// What it is.
    pub kind: EntityKind,
    /// Its name, in any case.
    pub name: String,
}

/// The member that names an entity of a kind, as messages spell it.
const fn name_member(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::User => "userName",
        EntityKind::Group => "groupName",
        EntityKind::Role => "roleName",
    }
}

impl EntityRef {
    /// The entity of that name.
    pub fn new(call: &Call<'_>, kind: EntityKind, name: Option<String>) -> Result<Self, IamError> {
        let name = constraints::name(name_member(kind), name, constraints::MAX_NAME)?;
        Ok(Self { account: call.caller.account, kind, name })
    }

    /// The user of that name; without one the caller, who must be a user then.
    pub fn user_or_caller(call: &Call<'_>, name: Option<String>) -> Result<Self, IamError> {
        if name.is_some() {
            return Self::new(call, EntityKind::User, name);
        }
        match caller_user(call) {
            Some(user) => Ok(Self { account: user.account, kind: EntityKind::User, name: user.name }),
            None => Err(IamError::UserNameNeeded),
        }
    }

    /// The entity, which must exist.
    pub fn require(&self, tx: &mut dyn Tx) -> Result<Entity, IamError> {
        entities::find(tx, self.account, self.kind, &self.name)?
            .ok_or_else(|| IamError::NoSuchEntity(self.kind, self.name.clone()))
    }

    /// The entity, which must exist, and be its account's to change.
    pub fn require_own(&self, tx: &mut dyn Tx) -> Result<Entity, IamError> {
        let entity = self.require(tx)?;
        if is_service_linked(&entity) { Err(IamError::Protected(entity.name)) } else { Ok(entity) }
    }

    /// A permission on the entity, with the condition keys that come from what it is: its tags and boundary. One that
    /// does not exist is taken to be at `/`.
    pub fn need(&self, call: &Call<'_>, action: Action) -> Need {
        let directory = call.app.identities.current();
        let arn = directory.entity_arn(self.account, self.kind, &self.name).map(str::to_owned);
        let arn = arn.unwrap_or_else(|| format!("arn:aws:iam::{}:{}/{}", self.account, self.kind.as_str(), self.name));
        let mut need = Need::on(action, arn.clone());
        if let Some(identity) = directory.identity_by_arn(&arn) {
            for (key, value) in &identity.entity.tags {
                need = need.with(format!("aws:ResourceTag/{key}"), [value]);
                need = need.with(format!("iam:ResourceTag/{key}"), [value]);
            }
            if let Some(boundary) = &identity.entity.boundary_arn {
                need = need.with("iam:PermissionsBoundary", [boundary]);
            }
        }
        need
    }
}

/// The user that calls, with keys of its own or temporary ones.
fn caller_user(call: &Call<'_>) -> Option<Entity> {
    if let Credentials::Session(session) = &call.caller.credentials
        && session.claims.name.is_some()
    {
        return None;
    }
    call.caller.identity().map(|identity| identity.entity.clone()).filter(|entity| entity.kind == EntityKind::User)
}
