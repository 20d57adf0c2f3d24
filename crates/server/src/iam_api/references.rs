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

#[cfg(test)]
mod tests {
    use store::db::{Db, DbConfig};
    use store::tables::iam::entities::{Entity, EntityKind};
    use store::tables::registry_id::RegistryId;
    use store::tables::repositories::{self, NewRepository, TagMutability};

    use super::*;

    const ALICE: &str = "arn:aws:iam::123456789012:user/alice";

    fn policy(principal: &str) -> String {
        format!(r#"{{"Statement":{{"Effect":"Allow","Principal":{{"AWS":["{principal}"]}},"Action":"ecr:*"}}}}"#)
    }

    #[tokio::test]
    async fn every_policy_that_names_the_principal_is_rewritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&DbConfig::Sqlite { path: folder.path().join("wharf.db") }).expect("a database");
        let registry = RegistryId {
            account: "123456789012".parse().expect("an account"),
            region: "us-east-1".parse().expect("a region"),
        };
        let policies = db
            .write(move |tx| {
                // Bob's ARN begins with Alice's, and JSON can write a slash in two ways.
                for (name, principal) in [
                    ("named", ALICE.to_owned()),
                    ("escaped", ALICE.replace('/', r"\/")),
                    ("another", format!("{ALICE}bob")),
                ] {
                    let new = NewRepository {
                        registry: registry.clone(),
                        name: name.parse().expect("a name"),
                        created_at_ms: 0,
                        tag_mutability: TagMutability::Mutable,
                        tag_mutability_filters: Vec::new(),
                        scan_on_push: false,
                        encryption_type: "AES256".to_owned(),
                        kms_key: None,
                    };
                    let id = repositories::insert(tx, &new)?.expect("a new name").id;
                    repository_policies::set(tx, id, Some(&policy(&principal)))?;
                }
                registry_policies::upsert(tx, &registry, &policy(ALICE))?;
                let role = Entity {
                    id: "AROA1".to_owned(),
                    account: registry.account,
                    kind: EntityKind::Role,
                    name: "role".to_owned(),
                    path: "/".to_owned(),
                    created_at_ms: 0,
                    boundary_arn: None,
                    tags: Vec::new(),
                    description: None,
                    trust_policy: Some(policy(ALICE)),
                    max_session_seconds: 3600,
                };
                entities::insert(tx, &role)?;
                replace(tx, ALICE, "AIDA1")?;
                let mut found: Vec<String> =
                    repository_policies::list_containing(tx, "")?.into_iter().map(|(_, policy)| policy).collect();
                found.extend(registry_policies::find(tx, &registry)?);
                found.extend(entities::find_by_id(tx, "AROA1")?.and_then(|role| role.trust_policy));
                Ok::<_, StoreError>(found)
            })
            .await
            .expect("a transaction");
        let rewritten = policy("AIDA1");
        let another = policy(&format!("{ALICE}bob"));
        assert_eq!(policies, [rewritten.clone(), rewritten.clone(), another, rewritten.clone(), rewritten]);
    }
}
