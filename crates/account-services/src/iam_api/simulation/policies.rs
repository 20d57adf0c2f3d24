//! The policies of a simulation, with the names under which its results tell them apart.

use access::auth::aws_managed_policies;
use aws::AccountId;
use iam::{Attached, Policy, PolicyError, PolicyKind};
use store::db::Tx;
use store::tables::iam::entities::{self, Entity, EntityKind};
use store::tables::iam::{groups, policies, policies_of_entities};

use crate::iam_api::constraints::{self, Check};
use crate::iam_api::errors::IamError;

/// A policy of a simulation.
pub struct Simulated {
    /// Its document.
    pub text: String,
    /// The policy; its name is what results call `SourcePolicyId`.
    pub attached: Attached,
    /// `SourcePolicyType`.
    pub source_type: &'static str,
}

impl Simulated {
    /// A policy read from its document.
    pub fn new(kind: PolicyKind, name: String, source_type: &'static str, text: String) -> Result<Self, PolicyError> {
        let policy = Policy::parse(kind, &text)?;
        Ok(Self { text, attached: Attached { name, policy }, source_type })
    }

    /// Policies given with a request, named after their places in the list.
    pub fn inputs(list: &'static str, texts: Option<Vec<String>>) -> Result<Vec<Self>, IamError> {
        let mut read = Vec::new();
        for (index, text) in texts.unwrap_or_default().into_iter().enumerate() {
            Check::length(list, &text, 1, 131_072)?;
            let name = format!("{list}.{}", index + 1);
            let policy = Self::new(PolicyKind::Identity, name, "none", text);
            read.push(policy.map_err(|error| IamError::InvalidInput(error.aws_message()))?);
        }
        Ok(read)
    }
}

/// The user, group or role whose policies are simulated.
pub struct PolicySource {
    account: AccountId,
    kind: EntityKind,
    name: String,
    arn: String,
}

impl PolicySource {
    /// The entity of an ARN, which must be of the account.
    pub fn new(account: AccountId, arn: Option<String>) -> Result<Self, IamError> {
        let arn = constraints::arn("policySourceArn", arn)?;
        let invalid = || IamError::InvalidInput(format!("Invalid Entity Arn: {arn}"));
        let parsed: aws::Arn = arn.parse().map_err(|_| invalid())?;
        let (kind, path_and_name) = parsed.resource().split_once('/').ok_or_else(invalid)?;
        let kind: EntityKind = kind.parse().map_err(|()| invalid())?;
        let name = path_and_name.rsplit('/').next().unwrap_or_default().to_owned();
        if parsed.account() != account.as_str() || name.is_empty() {
            return Err(invalid());
        }
        Ok(Self { account, kind, name, arn })
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The entity, which must exist.
    pub fn require(&self, tx: &mut dyn Tx) -> Result<Entity, IamError> {
        let found = entities::find(tx, self.account, self.kind, &self.name)?;
        let found = found.filter(|entity| entity.arn() == self.arn);
        found.ok_or_else(|| IamError::NoSuchEntity(self.kind, self.name.clone()))
    }
}

/// The policies that speak for an entity: its own and, of a user, those of its groups.
pub fn of_entity(tx: &mut dyn Tx, entity: &Entity) -> Result<Vec<Simulated>, IamError> {
    let mut owners = vec![entity.clone()];
    if entity.kind == EntityKind::User {
        owners.extend(groups::list_of_user(tx, &entity.id)?);
    }
    let mut found = Vec::new();
    for owner in owners {
        let kind = owner.kind.as_str();
        for inline in policies_of_entities::list_inline(tx, &owner.id)? {
            let name = format!("{kind}_{}_{}", owner.name, inline.name);
            found.push(Simulated::new(PolicyKind::Identity, name, kind, inline.document)?);
        }
        for arn in policies_of_entities::list_attached(tx, &owner.id)? {
            found.extend(managed_policy(tx, &arn)?);
        }
    }
    Ok(found)
}

/// The policy that bounds an entity, if one does.
pub fn boundary_of(tx: &mut dyn Tx, entity: &Entity) -> Result<Option<Simulated>, IamError> {
    match &entity.boundary_arn {
        Some(arn) => managed_policy(tx, arn),
        None => Ok(None),
    }
}

fn managed_policy(tx: &mut dyn Tx, arn: &str) -> Result<Option<Simulated>, IamError> {
    let (name, source_type, document) = if let Some(policy) = aws_managed_policies::find(arn) {
        (policy.name.to_owned(), "aws-managed", policy.document())
    } else {
        let Some(policy) = policies::find(tx, arn)? else { return Ok(None) };
        let Some(version) = policies::find_version(tx, arn, policy.default_version)? else { return Ok(None) };
        (policy.name, "user-managed", version.document)
    };
    Ok(Some(Simulated::new(PolicyKind::Identity, name, source_type, document)?))
}
