//! Identities as a node holds them in memory: users, roles, access keys, registry policies and robot tokens, with
//! their policies ready for decisions.
//!
//! The database is the truth. A change of it moves the identity version, by which nodes know that they must load
//! it anew; see [`nodes`](crate::nodes).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use aws::{AccountId, SecretAccessKey};
use iam::{Attached, Policy, PolicyKind, Principal};
use store::blob::{KeyRing, open_small};
use store::db::{Db, Tx};
use store::error::StoreError;
use store::tables::account_settings::{self, AccountSetting};
use store::tables::iam::entities::{self, Entity, EntityKind};
use store::tables::iam::oidc_providers::{self, OidcProvider};
use store::tables::iam::robot_tokens::{self, RobotToken};
use store::tables::iam::{access_keys, groups, policies, policies_of_entities};
use store::tables::registry_id::RegistryId;
use store::tables::{identity_version, pull_time_exclusions, registry_policies};

use super::allowed::{Allowed, LoadedIdentity};
use super::aws_managed_policies;
use super::caller::Caller;
use super::policy_cache::PolicyCache;
use super::stand_in;

/// What the secrets of access keys are sealed for.
pub const SECRET_PURPOSE: &str = "access key secret";

/// A user or a role, and what it may do.
#[derive(Debug)]
pub struct Identity {
    /// What is stored of it.
    pub entity: Entity,
    /// Its ARN.
    pub arn: String,
    /// The user as a principal; of a role its sessions are principals.
    pub user_principal: Arc<Principal>,
    /// Its own policies.
    pub policies: Vec<Attached>,
    /// Those of its groups, which all members share.
    pub group_policies: Vec<Arc<[Attached]>>,
    /// Its permissions boundary.
    pub boundary: Option<Attached>,
    /// Who may assume the role.
    pub trust: Option<Attached>,
    /// What it is known as to [`Allowed`]; none if its policies have conditions, so that requests differ.
    pub loaded: Option<LoadedIdentity>,
}

impl Identity {
    /// The policies of its groups, as decisions take them.
    pub fn groups(&self) -> Vec<&[Attached]> {
        self.group_policies.iter().map(|policies| &**policies).collect()
    }

    /// Every policy that says what it may do: its own, those of its groups, and its boundary.
    pub fn in_force(&self) -> impl Iterator<Item = &Attached> {
        let of_groups = self.group_policies.iter().flat_map(|policies| policies.iter());
        self.policies.iter().chain(of_groups).chain(&self.boundary)
    }
}

/// A user's access key, ready to verify signatures.
#[derive(Debug)]
pub struct UserKey {
    /// The user.
    pub user: Arc<Identity>,
    /// The secret.
    pub secret: SecretAccessKey,
    /// Whether it may be used.
    pub is_active: bool,
}

/// The policy of a registry, and what it governs.
#[derive(Debug)]
pub struct RegistryPolicy {
    /// The policy.
    pub policy: Attached,
    /// Whether it governs every action (scope V2), not only three (reference/access.md 4).
    pub governs_all: bool,
}

/// Everything, at one version.
#[derive(Debug, Default)]
pub struct Directory {
    version: Option<i64>,
    identities: HashMap<String, Arc<Identity>>,
    ids_by_arn: HashMap<String, String>,
    arns: HashMap<(AccountId, EntityKind, String), String>,
    keys: HashMap<String, Arc<UserKey>>,
    providers: HashMap<String, Arc<OidcProvider>>,
    registry_policies: HashMap<RegistryId, RegistryPolicy>,
    robot_tokens: HashMap<String, Arc<RobotToken>>,
    managed_policies: HashMap<String, Policy>,
    pull_time_exclusions: HashMap<RegistryId, HashSet<String>>,
}

impl Directory {
    /// The identity version that it was loaded at; 0 before it was.
    pub fn version(&self) -> i64 {
        self.version.unwrap_or(0)
    }

    /// The user or role of that id.
    pub fn identity(&self, id: &str) -> Option<&Arc<Identity>> {
        self.identities.get(id)
    }

    /// The user or role of that ARN.
    pub fn identity_by_arn(&self, arn: &str) -> Option<&Arc<Identity>> {
        self.ids_by_arn.get(arn).and_then(|id| self.identities.get(id))
    }

    /// The ARN of the user, group or role of that account and name, whatever its path and the name's case.
    pub fn entity_arn(&self, account: AccountId, kind: EntityKind, name: &str) -> Option<&str> {
        self.arns.get(&(account, kind, name.to_ascii_lowercase())).map(String::as_str)
    }

    /// The role of that account and name, whatever its path.
    pub fn role(&self, account: AccountId, name: &str) -> Option<&Arc<Identity>> {
        self.entity_arn(account, EntityKind::Role, name).and_then(|arn| self.identity_by_arn(arn))
    }

    /// The user's access key of that id.
    pub fn key(&self, id: &str) -> Option<&Arc<UserKey>> {
        self.keys.get(id)
    }

    /// The OpenID Connect provider of that ARN.
    pub fn provider(&self, arn: &str) -> Option<&Arc<OidcProvider>> {
        self.providers.get(arn)
    }

    /// The policy of a registry.
    pub fn registry_policy(&self, registry: &RegistryId) -> Option<&RegistryPolicy> {
        self.registry_policies.get(registry)
    }

    /// The robot token of that id.
    pub fn robot_token(&self, id: &str) -> Option<&Arc<RobotToken>> {
        self.robot_tokens.get(id)
    }

    /// Whether a pull of the caller's counts for the last pull time of a registry's images
    /// (reference/repositories-images.md 5): a role stands for all of its sessions.
    pub fn counts_pulls_of(&self, registry: &RegistryId, caller: &Caller) -> bool {
        let Some(excluded) = self.pull_time_exclusions.get(registry) else { return true };
        match &*caller.principal {
            Principal::User { arn, .. } | Principal::AssumedRole { role_arn: arn, .. } => !excluded.contains(arn),
            Principal::Root { .. }
            | Principal::FederatedUser { .. }
            | Principal::WebIdentity { .. }
            | Principal::Service { .. }
            | Principal::Anonymous => true,
        }
    }

    /// The managed policy of that ARN, as it is in force: AWS's, or a customer's.
    pub fn managed_policy(&self, arn: &str) -> Option<&Policy> {
        self.managed_policies.get(arn)
    }
}

/// The directory in force.
#[derive(Default)]
pub struct Identities {
    current: RwLock<Arc<Directory>>,
    allowed: Arc<Allowed>,
}

impl Identities {
    /// What is in force now.
    pub fn current(&self) -> Arc<Directory> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What those in force were found to be allowed.
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Takes over what has changed in the database, if anything has.
    pub async fn refresh(&self, db: &Db, key: &KeyRing, cache: &Arc<PolicyCache>) -> Result<(), StoreError> {
        let version = db.read_point(identity_version::find).await?;
        if self.current().version == Some(version) {
            return Ok(());
        }
        let (key, reading, allowed) = (key.clone(), Arc::clone(cache), Arc::clone(&self.allowed));
        let loaded = db.read(move |tx| load(tx, &key, &reading, &allowed)).await?;
        let before = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            // Two loads may run at once; the later state wins.
            if loaded.version <= current.version {
                return Ok(());
            }
            std::mem::replace(&mut *current, Arc::new(loaded))
        };
        // Requests that still run may hold it; then the next refresh forgets what they held.
        drop(before);
        cache.forget_what_left();
        self.allowed.forget();
        Ok(())
    }
}

fn load(tx: &mut dyn Tx, key: &KeyRing, cache: &PolicyCache, allowed: &Allowed) -> Result<Directory, StoreError> {
    let mut directory = Directory { version: Some(identity_version::find(tx)?), ..Directory::default() };
    let documents = policies::list_all_in_force(tx)?;
    let aws_managed = aws_managed_policies::POLICIES.iter().map(|policy| (policy.arn(), policy.document()));
    for (arn, document) in aws_managed.chain(documents) {
        let policy = identity_policy(cache, &document, &|| format!("the managed policy {arn}"));
        directory.managed_policies.insert(arn, policy);
    }
    load_identities(tx, cache, allowed, &mut directory)?;
    for stored in access_keys::list_all(tx)? {
        let Some(user) = directory.identities.get(&stored.user_id) else { continue };
        let opened = open_small(key, SECRET_PURPOSE, stored.id.as_bytes(), &stored.sealed_secret);
        let Some(secret) = opened.ok().and_then(|secret| String::from_utf8(secret).ok()) else {
            let what = format!("the secret of access key {} of {}", stored.id, user.arn);
            cache.log_damage(&what, "", "it does not open, and nobody is let in by that key");
            continue;
        };
        let loaded =
            UserKey { user: Arc::clone(user), secret: SecretAccessKey::new(secret), is_active: stored.is_active };
        directory.keys.insert(stored.id, Arc::new(loaded));
    }
    for provider in oidc_providers::list_all(tx)? {
        directory.providers.insert(provider.arn.clone(), Arc::new(provider));
    }
    for token in robot_tokens::list_all(tx)? {
        directory.robot_tokens.insert(token.id.clone(), Arc::new(token));
    }
    for (registry, arn) in pull_time_exclusions::list_all(tx)? {
        // Principals are known by the ARNs of the first partition, whatever region they are seen in.
        let arn = arn.as_str().splitn(3, ':').nth(2).map_or_else(|| arn.to_string(), |rest| format!("arn:aws:{rest}"));
        directory.pull_time_exclusions.entry(registry).or_default().insert(arn);
    }
    let setting = AccountSetting::RegistryPolicyScope;
    for (registry, document) in registry_policies::list_all(tx)? {
        let name = format!("registry policy of {registry}");
        let policy = stored(cache, PolicyKind::Registry, &document, registry.account, &|| format!("the {name}"));
        let scope = account_settings::find(tx, &registry, setting)?;
        // What cannot be read governs as much as it can.
        let governs_all = scope.as_deref().unwrap_or(setting.values()[0]) != "V1";
        let policy = RegistryPolicy { policy: Attached { name, policy }, governs_all };
        directory.registry_policies.insert(registry, policy);
    }
    Ok(directory)
}

fn load_identities(
    tx: &mut dyn Tx,
    cache: &PolicyCache,
    allowed: &Allowed,
    directory: &mut Directory,
) -> Result<(), StoreError> {
    let mut attached: HashMap<String, Vec<Attached>> = HashMap::new();
    for inline in policies_of_entities::list_all_inline(tx)? {
        let what = || format!("the inline policy {} of {}", inline.name, inline.entity_id);
        let policy = identity_policy(cache, &inline.document, &what);
        attached.entry(inline.entity_id).or_default().push(Attached { name: inline.name, policy });
    }
    for (entity_id, arn) in policies_of_entities::list_all_attached(tx)? {
        let known = directory.managed_policies.get(&arn).cloned();
        let policy =
            known.unwrap_or_else(|| missing(cache, &format!("a policy that is attached to {entity_id}"), &arn));
        attached.entry(entity_id).or_default().push(Attached { name: arn, policy });
    }
    let mut groups_of: HashMap<String, Vec<String>> = HashMap::new();
    for (group_id, user_id) in groups::list_all(tx)? {
        groups_of.entry(user_id).or_default().push(group_id);
    }
    let entities = entities::list_all(tx)?;
    let mut groups: HashMap<&str, Arc<[Attached]>> = HashMap::new();
    for group in entities.iter().filter(|entity| entity.kind == EntityKind::Group) {
        groups.insert(&group.id, attached.remove(&group.id).unwrap_or_default().into());
    }
    // A damaged group has its policies still.
    for group in groups_of.values().flatten() {
        if !groups.contains_key(group.as_str())
            && let Some(policies) = attached.remove(group)
        {
            groups.insert(group, policies.into());
        }
    }
    for entity in &entities {
        let key = (entity.account, entity.kind, entity.name.to_ascii_lowercase());
        directory.arns.insert(key, entity.arn());
        if entity.kind == EntityKind::Group {
            continue;
        }
        let mut policies = attached.remove(&entity.id).unwrap_or_default();
        let mut group_policies = Vec::new();
        let arn = entity.arn();
        for group in groups_of.get(&entity.id).into_iter().flatten() {
            match groups.get(group.as_str()) {
                Some(shared) => group_policies.push(Arc::clone(shared)),
                // One that is not there may have had any.
                None => {
                    let policy = missing(cache, &format!("a group of {arn}"), group);
                    policies.push(Attached { name: group.clone(), policy });
                }
            }
        }
        let boundary = entity.boundary_arn.as_ref().map(|boundary| {
            let known = directory.managed_policies.get(boundary).cloned();
            let policy = known.unwrap_or_else(|| missing(cache, &format!("the boundary of {arn}"), boundary));
            Attached { name: boundary.clone(), policy }
        });
        let trust = entity.trust_policy.as_ref().map(|document| {
            let what = || format!("the trust policy of {arn}");
            Attached { name: arn.clone(), policy: stored(cache, PolicyKind::Trust, document, entity.account, &what) }
        });
        directory.ids_by_arn.insert(arn.clone(), entity.id.clone());
        let user_principal =
            Principal::User { account: entity.account.to_string(), arn: arn.clone(), unique_id: entity.id.clone() };
        let mut identity = Identity {
            entity: entity.clone(),
            arn,
            user_principal: Arc::new(user_principal),
            policies,
            group_policies,
            boundary,
            trust,
            loaded: None,
        };
        let has_conditions = identity.in_force().any(|attached| attached.policy.keys().next().is_some());
        identity.loaded = (!has_conditions).then(|| allowed.add_identity());
        directory.identities.insert(entity.id.clone(), Arc::new(identity));
    }
    Ok(())
}

/// A policy of a role or registry as it was stored, or what stands in for it.
fn stored(
    cache: &PolicyCache,
    kind: PolicyKind,
    document: &str,
    account: AccountId,
    what: &dyn Fn() -> String,
) -> Policy {
    cache.or_stand_in(cache.in_force(kind, document), (kind, document), account, what)
}

/// A policy of identities as it was stored. By one that is damaged nothing is allowed, to nobody who has it.
fn identity_policy(cache: &PolicyCache, document: &str, what: &dyn Fn() -> String) -> Policy {
    cache.in_force(PolicyKind::Identity, document).unwrap_or_else(|error| {
        cache.log_damage(&what(), document, &error.to_string());
        stand_in::identity()
    })
}

/// What is in force in the place of a policy that is not there.
fn missing(cache: &PolicyCache, what: &str, name: &str) -> Policy {
    cache.log_damage(what, name, &format!("there is no {name}"));
    stand_in::identity()
}
