//! DeleteUser, DeleteGroup and DeleteRole: only what nothing depends on can be deleted.

use std::marker::PhantomData;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use store::db::Tx;
use store::tables::iam::entities::{self, Entity, EntityKind};
use store::tables::iam::{access_keys, groups, policies_of_entities, robot_tokens};

use super::errors::{Dependent, IamError};
use super::kinds::{EntityName, EntityRef, Kind};
use super::operation::{Access, IamOperation};
use super::references;

/// Deletes a user, group or role that has no keys, policies, groups or members, with the robot tokens made by it.
pub struct DeleteEntity<K> {
    entity: EntityRef,
    kind: PhantomData<K>,
}

fn dependent(tx: &mut dyn Tx, entity: &Entity) -> Result<Option<Dependent>, IamError> {
    let is_member = match entity.kind {
        EntityKind::User => !groups::list_of_user(tx, &entity.id)?.is_empty(),
        EntityKind::Group => !groups::list_members(tx, &entity.id)?.is_empty(),
        EntityKind::Role => false,
    };
    let found = [
        (!policies_of_entities::list_attached(tx, &entity.id)?.is_empty(), Dependent::AttachedPolicies),
        (!policies_of_entities::list_inline(tx, &entity.id)?.is_empty(), Dependent::InlinePolicies),
        (!access_keys::list_of_user(tx, &entity.id)?.is_empty(), Dependent::AccessKeys),
        (is_member, Dependent::Membership),
    ];
    Ok(found.into_iter().find_map(|(is_there, dependent)| is_there.then_some(dependent)))
}

impl<K: Kind> IamOperation for DeleteEntity<K> {
    const ACTION: Action = K::DELETE;
    const ACCESS: Access = Access::Changes;
    type Input = EntityName;
    type Output = ();

    fn check(call: &Call<'_>, input: EntityName) -> Result<Self, IamError> {
        Ok(Self { entity: input.check::<K>(call)?, kind: PhantomData })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.entity.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let entity = self.entity.require_own(tx)?;
        if let Some(dependent) = dependent(tx, &entity)? {
            return Err(IamError::DeleteConflict(dependent));
        }
        entities::delete(tx, &entity.id)?;
        if entity.kind != EntityKind::Group {
            robot_tokens::delete_of_principal(tx, &entity.id)?;
            references::leave_id(tx, &entity)?;
        }
        Ok(())
    }
}
