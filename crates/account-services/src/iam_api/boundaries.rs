//! Put and Delete{User,Role}PermissionsBoundary: the policy that bounds what an entity may do.

use std::marker::PhantomData;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Deserialize;
use store::db::Tx;
use store::tables::iam::entities;

use super::errors::IamError;
use super::kinds::{Bounded, EntityName, EntityRef};
use super::managed_policy::ManagedRef;
use super::operation::{Access, IamOperation};

/// Sets the boundary.
pub struct PutBoundary<K> {
    entity: EntityRef,
    boundary: ManagedRef,
    kind: PhantomData<K>,
}

/// What is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    #[serde(flatten)]
    entity: EntityName,
    permissions_boundary: Option<String>,
}

/// The permission to have a boundary set: what the policy allows is about the boundary to come, not the one before.
pub fn with_boundary(mut need: Need, boundary: Option<&ManagedRef>) -> Need {
    if let Some(boundary) = boundary {
        need.keys.retain(|(key, _)| key != "iam:PermissionsBoundary");
        need = need.with("iam:PermissionsBoundary", [&boundary.arn]);
    }
    need
}

impl<K: Bounded> IamOperation for PutBoundary<K> {
    const ACTION: Action = K::PUT_BOUNDARY;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let boundary = ManagedRef::new(call, "permissionsBoundary", input.permissions_boundary)?;
        Ok(Self { entity: input.entity.check::<K>(call)?, boundary, kind: PhantomData })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![with_boundary(self.entity.need(call, Self::ACTION), Some(&self.boundary))]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut entity = self.entity.require_own(tx)?;
        self.boundary.require_attachable(tx)?;
        entity.boundary_arn = Some(self.boundary.arn.clone());
        entities::update(tx, &entity)?;
        Ok(())
    }
}

/// Takes the boundary away.
pub struct DeleteBoundary<K> {
    entity: EntityRef,
    kind: PhantomData<K>,
}

impl<K: Bounded> IamOperation for DeleteBoundary<K> {
    const ACTION: Action = K::DELETE_BOUNDARY;
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
        let mut entity = self.entity.require_own(tx)?;
        entity.boundary_arn = None;
        entities::update(tx, &entity)?;
        Ok(())
    }
}
