//! Put, Get, List and Delete{User,Group,Role}Policy: the inline policies of an entity.

use std::marker::PhantomData;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::policies_of_entities::{self, InlinePolicy};

use super::constraints::{self, MAX_NAME};
use super::documents;
use super::errors::IamError;
use super::kinds::{EntityName, EntityRef, Kind};
use super::operation::{Access, IamOperation};
use super::paging::{Page, PageInput, PageOutput};

/// An entity's inline policy, as requests name it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    #[serde(flatten)]
    entity: EntityName,
    policy_name: Option<String>,
    policy_document: Option<String>,
}

fn policy_name(name: Option<String>) -> Result<String, IamError> {
    constraints::name("policyName", name, MAX_NAME)
}

/// Stores a policy, in place of one of that name.
pub struct PutPolicy<K> {
    entity: EntityRef,
    name: String,
    document: String,
    kind: PhantomData<K>,
}

impl<K: Kind> IamOperation for PutPolicy<K> {
    const ACTION: Action = K::PUT_POLICY;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let (entity, name) = (input.entity.check::<K>(call)?, policy_name(input.policy_name)?);
        let document = documents::identity(input.policy_document)?;
        Ok(Self { entity, name, document, kind: PhantomData })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.entity.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let entity = self.entity.require_own(tx)?;
        let others = policies_of_entities::list_inline(tx, &entity.id)?;
        let others = others.iter().filter(|policy| policy.name != self.name);
        let size = others.map(|policy| documents::size(&policy.document)).sum::<usize>();
        if size + documents::size(&self.document) > K::MAX_INLINE_POLICIES {
            let limit = K::MAX_INLINE_POLICIES;
            return Err(IamError::InlinePoliciesTooLong { limit, kind: entity.kind, name: entity.name });
        }
        let policy = InlinePolicy { entity_id: entity.id, name: self.name.clone(), document: self.document.clone() };
        Ok(policies_of_entities::upsert_inline(tx, &policy)?)
    }
}

/// Reads a policy.
pub struct GetPolicy<K> {
    entity: EntityRef,
    name: String,
    kind: PhantomData<K>,
}

/// A policy with its document.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(flatten)]
    entity: EntityName,
    policy_name: String,
    policy_document: String,
}

impl<K: Kind> IamOperation for GetPolicy<K> {
    const ACTION: Action = K::GET_POLICY;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let (entity, name) = (input.entity.check::<K>(call)?, policy_name(input.policy_name)?);
        Ok(Self { entity, name, kind: PhantomData })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.entity.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let entity = self.entity.require(tx)?;
        let found = policies_of_entities::list_inline(tx, &entity.id)?;
        let found = found.into_iter().find(|policy| policy.name == self.name);
        let found = found.ok_or_else(|| IamError::NoSuchInlinePolicy(entity.kind, self.name.clone()))?;
        let policy_document = documents::encoded(&found.document);
        Ok(Output { entity: EntityName::of(&entity), policy_name: found.name, policy_document })
    }
}

/// Lists the names of policies.
pub struct ListPolicies<K> {
    entity: EntityRef,
    page: Page,
    kind: PhantomData<K>,
}

/// What is asked for.
#[derive(Deserialize)]
pub struct ListInput {
    #[serde(flatten)]
    entity: EntityName,
    #[serde(flatten)]
    page: PageInput,
}

/// A page of names.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListOutput {
    policy_names: Vec<String>,
    #[serde(flatten)]
    page: PageOutput,
}

impl<K: Kind> IamOperation for ListPolicies<K> {
    const ACTION: Action = K::LIST_POLICIES;
    const ACCESS: Access = Access::Reads;
    type Input = ListInput;
    type Output = ListOutput;

    fn check(call: &Call<'_>, input: ListInput) -> Result<Self, IamError> {
        Ok(Self { entity: input.entity.check::<K>(call)?, page: input.page.check()?, kind: PhantomData })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.entity.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<ListOutput, IamError> {
        let entity = self.entity.require(tx)?;
        let names = policies_of_entities::list_inline(tx, &entity.id)?.into_iter().map(|policy| policy.name).collect();
        let (policy_names, page) = self.page.cut(names, Clone::clone);
        Ok(ListOutput { policy_names, page })
    }
}

/// Removes a policy.
pub struct DeletePolicy<K> {
    entity: EntityRef,
    name: String,
    kind: PhantomData<K>,
}

impl<K: Kind> IamOperation for DeletePolicy<K> {
    const ACTION: Action = K::DELETE_POLICY;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let (entity, name) = (input.entity.check::<K>(call)?, policy_name(input.policy_name)?);
        Ok(Self { entity, name, kind: PhantomData })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.entity.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let entity = self.entity.require_own(tx)?;
        if policies_of_entities::delete_inline(tx, &entity.id, &self.name)? {
            Ok(())
        } else {
            Err(IamError::NoSuchInlinePolicy(entity.kind, self.name.clone()))
        }
    }
}
