//! Attach, Detach and ListAttached{User,Group,Role}Policies: the managed policies of an entity.

use std::marker::PhantomData;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::policies_of_entities;

use super::constraints;
use super::errors::IamError;
use super::kinds::{EntityName, EntityRef, Kind};
use super::managed_policy::ManagedRef;
use super::operation::{Access, IamOperation};
use super::paging::{Page, PageInput, PageOutput};

/// The most managed policies of one entity.
const MAX_ATTACHED: usize = 10;

/// An entity and a managed policy.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    #[serde(flatten)]
    entity: EntityName,
    policy_arn: Option<String>,
}

/// Attaches a policy; one that is attached already is fine.
pub struct AttachPolicy<K> {
    entity: EntityRef,
    policy: ManagedRef,
    kind: PhantomData<K>,
}

impl<K: Kind> IamOperation for AttachPolicy<K> {
    const ACTION: Action = K::ATTACH_POLICY;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let policy = ManagedRef::new(call, "policyArn", input.policy_arn)?;
        Ok(Self { entity: input.entity.check::<K>(call)?, policy, kind: PhantomData })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.entity.need(call, Self::ACTION).with("iam:PolicyARN", [&self.policy.arn])]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let entity = self.entity.require_own(tx)?;
        self.policy.require_attachable(tx)?;
        policies_of_entities::attach(tx, &entity.id, &self.policy.arn)?;
        if policies_of_entities::list_attached(tx, &entity.id)?.len() > MAX_ATTACHED {
            return Err(IamError::Quota(K::POLICIES_QUOTA, MAX_ATTACHED));
        }
        Ok(())
    }
}

/// Detaches a policy.
pub struct DetachPolicy<K> {
    entity: EntityRef,
    policy: ManagedRef,
    kind: PhantomData<K>,
}

impl<K: Kind> IamOperation for DetachPolicy<K> {
    const ACTION: Action = K::DETACH_POLICY;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let policy = ManagedRef::new(call, "policyArn", input.policy_arn)?;
        Ok(Self { entity: input.entity.check::<K>(call)?, policy, kind: PhantomData })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.entity.need(call, Self::ACTION).with("iam:PolicyARN", [&self.policy.arn])]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let entity = self.entity.require_own(tx)?;
        if policies_of_entities::detach(tx, &entity.id, &self.policy.arn)? {
            Ok(())
        } else {
            Err(IamError::NoSuchPolicy(self.policy.arn.clone()))
        }
    }
}

/// Lists attached policies.
pub struct ListAttachedPolicies<K> {
    entity: EntityRef,
    path_prefix: String,
    page: Page,
    kind: PhantomData<K>,
}

/// What is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListInput {
    #[serde(flatten)]
    entity: EntityName,
    path_prefix: Option<String>,
    #[serde(flatten)]
    page: PageInput,
}

/// A page of policies.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListOutput {
    attached_policies: Vec<AttachedPolicy>,
    #[serde(flatten)]
    page: PageOutput,
}

/// `AttachedPolicy`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttachedPolicy {
    policy_name: String,
    policy_arn: String,
}

impl AttachedPolicy {
    /// The policy of that ARN.
    pub fn new(arn: String) -> Self {
        let policy_name = path_and_name(&arn).1.to_owned();
        Self { policy_name, policy_arn: arn }
    }
}

/// The path and name in a policy's ARN.
fn path_and_name(arn: &str) -> (&str, &str) {
    let resource = arn.splitn(6, ':').nth(5).and_then(|resource| resource.strip_prefix("policy")).unwrap_or_default();
    resource.split_at(resource.rfind('/').map_or(0, |slash| slash + 1))
}

impl<K: Kind> IamOperation for ListAttachedPolicies<K> {
    const ACTION: Action = K::LIST_ATTACHED_POLICIES;
    const ACCESS: Access = Access::Reads;
    type Input = ListInput;
    type Output = ListOutput;

    fn check(call: &Call<'_>, input: ListInput) -> Result<Self, IamError> {
        let path_prefix = constraints::path_prefix(input.path_prefix)?;
        Ok(Self { entity: input.entity.check::<K>(call)?, path_prefix, page: input.page.check()?, kind: PhantomData })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.entity.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<ListOutput, IamError> {
        let entity = self.entity.require(tx)?;
        let mut arns = policies_of_entities::list_attached(tx, &entity.id)?;
        arns.retain(|arn| path_and_name(arn).0.starts_with(&self.path_prefix));
        let (arns, page) = self.page.cut(arns, Clone::clone);
        let attached_policies = arns
            .into_iter()
            .map(|arn| AttachedPolicy { policy_name: path_and_name(&arn).1.to_owned(), policy_arn: arn })
            .collect();
        Ok(ListOutput { attached_policies, page })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names() {
        for (arn, path, name) in [
            ("arn:aws:iam::123456789012:policy/p", "/", "p"),
            ("arn:aws:iam::123456789012:policy/a/b/p", "/a/b/", "p"),
            ("arn:aws:iam::aws:policy/service-role/P", "/service-role/", "P"),
        ] {
            assert_eq!(path_and_name(arn), (path, name), "{arn}");
        }
    }
}
