//! Principals in what is stored: policies and grants name users and roles by their ARNs, but mean the entity that had the
//! ARN when they were stored (reference/access.md 4).

use std::collections::BTreeMap;

use runtime::random_text::new_access_key_id;
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::iam::entities::{self, Entity, EntityKind};
use store::tables::{
    creation_templates, deleted_repositories, key_version, kms_grants, kms_keys, registry_policies,
    repository_policies, secrets,
};

/// How the principals of one user or role are named from now on.
struct Renaming {
    arn: String,
    by: String,
    /// What the ARNs of a role's sessions begin with.
    sessions: Option<String>,
}

impl Renaming {
    /// Of what an entity's name meant, by an id.
    fn to_id(entity: &Entity, id: &str) -> Self {
        let sessions = format!("arn:aws:sts::{}:assumed-role/{}/", entity.account, entity.name);
        Self {
            arn: entity.arn(),
            by: id.to_owned(),
            sessions: Some(sessions).filter(|_| entity.kind == EntityKind::Role),
        }
    }

    /// The principal's new name, if it has one.
    fn new_name(&self, principal: &str) -> Option<String> {
        if principal == self.arn {
            return Some(self.by.clone());
        }
        let session = principal.strip_prefix(self.sessions.as_deref()?)?;
        Some(format!("{}:{session}", self.by))
    }

    /// What a text has one of that may hold the principal. JSON can spell an ARN with escapes, so texts with a backslash
    /// are read as well.
    fn parts(&self) -> impl Iterator<Item = &str> {
        [self.arn.as_str(), "\\"].into_iter().chain(self.sessions.as_deref())
    }

    /// The policy with the principal renamed; none if it does not name it.
    fn of_policy(&self, policy: &str) -> Result<Option<String>, StoreError> {
        if !self.parts().any(|part| policy.contains(part)) {
            return Ok(None);
        }
        let new = iam::replace_aws_principals(policy, |principal| self.new_name(principal)).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "a policy is not what was stored").with_source(error.to_string())
        })?;
        Ok(Some(new).filter(|new| new != policy))
    }
}

/// Follows a user that was renamed.
pub fn follow(tx: &mut dyn Tx, old_arn: &str, new_arn: &str) -> Result<(), StoreError> {
    let renaming = Renaming { arn: old_arn.to_owned(), by: new_arn.to_owned(), sessions: None };
    replace(tx, &renaming)
}

/// Names a user or role that is deleted by its unique id, and its sessions by that and their names, so that a later one
/// of the same name gets nothing.
pub fn leave_id(tx: &mut dyn Tx, deleted: &Entity) -> Result<(), StoreError> {
    replace(tx, &Renaming::to_id(deleted, &deleted.id))
}

/// Sees that the ARN of a new user or role, or of one that gets another name, means nobody yet. What keys, their grants,
/// secrets and templates named was not turned into ids once: of a principal that was deleted then, only the ARN is left,
/// which turns into an id that nobody has.
pub fn release(tx: &mut dyn Tx, new: &Entity) -> Result<(), StoreError> {
    let prefix = match new.kind {
        EntityKind::User => "AIDA",
        EntityKind::Role => "AROA",
        EntityKind::Group => return Ok(()),
    };
    replace_elsewhere(tx, &Renaming::to_id(new, &new_access_key_id(prefix)))
}

fn replace(tx: &mut dyn Tx, renaming: &Renaming) -> Result<(), StoreError> {
    let mut policies: BTreeMap<i64, String> = BTreeMap::new();
    for part in renaming.parts() {
        policies.extend(repository_policies::list_containing(tx, part)?);
    }
    for (repository, policy) in policies {
        if let Some(policy) = renaming.of_policy(&policy)? {
            repository_policies::set(tx, repository, Some(&policy))?;
        }
    }
    for mut of_deleted in deleted_repositories::list_policies(tx)? {
        if let Some(policy) = renaming.of_policy(&of_deleted.policy)? {
            of_deleted.policy = policy;
            deleted_repositories::set_policy(tx, &of_deleted)?;
        }
    }
    for (registry, policy) in registry_policies::list_all(tx)? {
        if let Some(policy) = renaming.of_policy(&policy)? {
            registry_policies::upsert(tx, &registry, &policy)?;
        }
    }
    for mut role in entities::list_all(tx)? {
        let Some(policy) = &role.trust_policy else { continue };
        if let Some(policy) = renaming.of_policy(policy)? {
            role.trust_policy = Some(policy);
            entities::update(tx, &role)?;
        }
    }
    replace_elsewhere(tx, renaming)
}

/// As [`replace`], in what is not the registry's or IAM's own.
fn replace_elsewhere(tx: &mut dyn Tx, renaming: &Renaming) -> Result<(), StoreError> {
    for mut template in creation_templates::list_policies(tx)? {
        if let Some(policy) = renaming.of_policy(&template.policy)? {
            template.policy = policy;
            creation_templates::set_policy(tx, &template)?;
        }
    }
    for (secret, policy) in secrets::list_policies(tx)? {
        if let Some(policy) = renaming.of_policy(&policy)? {
            secrets::set_policy(tx, secret, Some(&policy))?;
        }
    }
    let mut is_key_changed = false;
    for (key, policy) in kms_keys::list_policies(tx)? {
        if let Some(policy) = renaming.of_policy(&policy)? {
            kms_keys::set_policy(tx, key, &policy)?;
            is_key_changed = true;
        }
    }
    for principal in kms_grants::principals(tx)? {
        if let Some(name) = renaming.new_name(&principal) {
            is_key_changed |= kms_grants::replace_principal(tx, &principal, &name)?;
        }
    }
    if is_key_changed {
        // Nodes hold keys.
        key_version::increment(tx)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use store::db::{Db, DbConfig};
    use store::tables::registry_id::RegistryId;
    use store::tables::repositories::{self, EncryptionType, NewRepository, TagMutability};

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
                        encryption_type: EncryptionType::Aes256,
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
                let renaming = Renaming { arn: ALICE.to_owned(), by: "AIDA1".to_owned(), sessions: None };
                replace(tx, &renaming)?;
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
