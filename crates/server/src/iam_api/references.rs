//! Principals in stored policies: a policy names users and roles by their ARNs, but means the entity that had the ARN
//! when the policy was stored (access.md 4).

use std::collections::BTreeMap;

use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::iam::entities;
use store::tables::{registry_policies, repository_policies};

/// Replaces a principal's ARN in every policy that names it: by the new ARN of a user that was renamed, or by the unique
/// id of a user or role that is deleted, so that a later one of the same name gets nothing.
pub fn replace(tx: &mut dyn Tx, arn: &str, by: &str) -> Result<(), StoreError> {
    // JSON can spell an ARN with escapes, so texts with a backslash are read as well.
    let mut policies: BTreeMap<i64, String> = repository_policies::list_containing(tx, arn)?.into_iter().collect();
    policies.extend(repository_policies::list_containing(tx, "\\")?);
    for (repository, policy) in policies {
        if let Some(policy) = replaced(&policy, arn, by)? {
            repository_policies::set(tx, repository, Some(&policy))?;
        }
    }
    for (registry, policy) in registry_policies::list_all(tx)? {
        if let Some(policy) = replaced(&policy, arn, by)? {
            registry_policies::upsert(tx, &registry, &policy)?;
        }
    }
    for mut role in entities::list_all(tx)? {
        let Some(policy) = &role.trust_policy else { continue };
        if let Some(policy) = replaced(policy, arn, by)? {
            role.trust_policy = Some(policy);
            entities::update(tx, &role)?;
        }
    }
    Ok(())
}

/// The policy with the principal replaced; none if it does not name it.
fn replaced(policy: &str, arn: &str, by: &str) -> Result<Option<String>, StoreError> {
    if !policy.contains(arn) && !policy.contains('\\') {
        return Ok(None);
    }
    let new = iam::replace_aws_principals(policy, |principal| (principal == arn).then(|| by.to_owned()));
    let new = new.map_err(|error| {
        StoreError::new(StoreErrorKind::Corrupt, "a policy is not what was stored").with_source(error.to_string())
    })?;
    Ok(Some(new).filter(|new| new != policy))
}
