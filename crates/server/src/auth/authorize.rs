//! The one place where it is decided whether a principal may do something.

use std::borrow::Cow;

use aws::AccountId;
use iam::{Attached, Decision, Outcome, Policies, Policy, PolicyKind, Principal, Request};
use oci::RepositoryName;
use serde_json::{Value, json};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::kms_grants::{self, GrantConstraints, KmsGrant};
use store::tables::kms_keys::{self, KeyRef, KmsKey};
use store::tables::registry_id::RegistryId;
use store::tables::secrets::{self, SecretId};
use store::tables::{repository_policies, resource_tags};

use super::allowed::Allowed;
use super::caller::Caller;
use super::directory::{Directory, RegistryPolicy};
use super::request_keys::RequestKeys;
use crate::http::request::RequestContext;
use crate::registry::errors::RepositoryRef;
use crate::registry::kept::RepositoryAccess;

/// Grants of a key to one principal that a decision looks at.
const MAX_GRANTS: usize = 500;
/// Actions that a registry policy of scope V1 governs (access.md 4).
pub const V1_ACTIONS: [&str; 3] = ["ecr:ReplicateImage", "ecr:BatchImportUpstreamImage", "ecr:CreateRepository"];

/// What a decision is about.
#[derive(Clone, Debug)]
pub enum Resource {
    /// A repository, which need not exist; `*` as name stands for all of the registry.
    Repository {
        /// Its registry.
        registry: RegistryId,
        /// Its name.
        name: String,
    },
    /// A secret, which need not exist.
    Secret(SecretId),
    /// A KMS key, which need not exist.
    Key(KeyRef),
    /// Anything else of the caller's account that has an ARN.
    Own(String),
    /// Actions without a resource level (access.md 1): `*` in the caller's account.
    Any,
}

/// One permission that a request needs.
#[derive(Clone, Debug)]
pub struct Need {
    /// The IAM action.
    pub action: Cow<'static, str>,
    /// On what.
    pub resource: Resource,
    /// Condition keys that only this request has, such as `aws:TagKeys`.
    pub keys: Vec<(String, Vec<String>)>,
}

impl Need {
    /// A permission on a repository, or with `*` on all repositories of a registry.
    pub fn on_repository(action: &'static str, registry: &RegistryId, name: &str) -> Self {
        let resource = Resource::Repository { registry: registry.clone(), name: name.to_owned() };
        Self { action: action.into(), resource, keys: Vec::new() }
    }

    /// A permission on a secret.
    pub fn on_secret(action: &'static str, id: SecretId) -> Self {
        Self { action: action.into(), resource: Resource::Secret(id), keys: Vec::new() }
    }

    /// A permission on a KMS key.
    pub fn on_key(action: &'static str, key: KeyRef) -> Self {
        Self { action: action.into(), resource: Resource::Key(key), keys: Vec::new() }
    }

    /// A permission on a resource of the caller's account.
    pub fn on(action: &'static str, arn: String) -> Self {
        Self { action: action.into(), resource: Resource::Own(arn), keys: Vec::new() }
    }

    /// A permission that no resource belongs to.
    pub fn anywhere(action: &'static str) -> Self {
        Self { action: action.into(), resource: Resource::Any, keys: Vec::new() }
    }

    /// The repository that it is about; none for all of a registry.
    pub fn repository_name(&self) -> Option<&str> {
        match &self.resource {
            Resource::Repository { name, .. } if name != "*" => Some(name),
            Resource::Repository { .. } | Resource::Secret(_) | Resource::Key(_) | Resource::Own(_) | Resource::Any => {
                None
            }
        }
    }

    /// The account that owns the resource, when `caller` asks for it.
    pub fn owner(&self, caller: &Caller) -> AccountId {
        match &self.resource {
            Resource::Repository { registry, .. } => registry.account,
            Resource::Secret(id) => id.registry.account,
            Resource::Key(key) => key.registry.account,
            Resource::Own(_) | Resource::Any => caller.account,
        }
    }

    /// With a condition key that only this request has.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.keys.push((key.into(), values.into_iter().map(Into::into).collect()));
        self
    }

    /// With the image tag that the request names, for `ecr:ImageTag` (an extension of Wharf's).
    #[must_use]
    pub fn with_image_tag(self, tag: Option<&str>) -> Self {
        match tag {
            Some(tag) => self.with("ecr:ImageTag", [tag]),
            None => self,
        }
    }

    /// With the resource tags that the request would set.
    #[must_use]
    pub fn with_request_tags(mut self, tags: &[(String, String)]) -> Self {
        if tags.is_empty() {
            return self;
        }
        for (key, value) in tags {
            self = self.with(format!("aws:RequestTag/{key}"), [value]);
        }
        self.with("aws:TagKeys", tags.iter().map(|(key, _)| key))
    }
}

/// Why a request does not go on.
#[derive(Debug)]
pub enum Refusal {
    /// It is not allowed; with ECR's text (access.md 5).
    Denied(String),
    /// What decides could not be read.
    Store(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Refuses unless the caller has the permission.
pub async fn authorize(http: &RequestContext, caller: &Caller, need: &Need) -> Result<(), Refusal> {
    let directory = http.app.identities.current();
    let rules = ResourceRules::of(http, need).await?;
    let (action, resource) = (&need.action, &rules.arn);
    let kept = kept_decisions(&directory, caller, need, &rules);
    if kept.is_some_and(|kept| kept.contains(action, resource)) {
        return Ok(());
    }
    let mut decision = decide_by(http, &directory, caller, need, &rules).await?;
    if decision.outcome == Outcome::ImplicitDeny
        && let Some(with_grants) = rules.with_grants(http, caller, need).await?
    {
        decision = decide_by(http, &directory, caller, need, &with_grants).await?;
    }
    if decision.is_allowed() {
        if let Some(kept) = kept {
            kept.insert(action, resource);
        }
        return Ok(());
    }
    let because = decision.because(action);
    tracing::debug!(request_id = %http.request_id, principal = %caller.arn(), %action, %resource, deciding = ?decision.deciding(), "denied");
    Err(Refusal::Denied(format!(
        "User: {} is not authorized to perform: {action} on resource: {resource}{because}",
        caller.arn()
    )))
}

/// The resource as policies and messages name it, by what the request says of it.
pub fn arn(need: &Need) -> String {
    match &need.resource {
        // Nobody knows the six characters of a secret that is not there; a policy names them with six question marks.
        Resource::Secret(id) if id.is_arn => secrets::arn(&id.registry, &id.text),
        Resource::Secret(id) => secrets::arn(&id.registry, &format!("{}-??????", id.text)),
        Resource::Key(key) => key.arn(),
        Resource::Any => "*".to_owned(),
        Resource::Own(arn) => arn.clone(),
        Resource::Repository { registry, name } => registry.repository_arn(name),
    }
}

/// Decides, and says why.
pub async fn decide(
    http: &RequestContext,
    directory: &Directory,
    caller: &Caller,
    need: &Need,
) -> Result<Decision, StoreError> {
    let rules = ResourceRules::of(http, need).await?;
    decide_by(http, directory, caller, need, &rules).await
}

/// Whether the caller would have the permission if the repository had this policy in place of its own.
pub async fn would_allow(
    http: &RequestContext,
    caller: &Caller,
    need: &Need,
    policy: Policy,
) -> Result<bool, StoreError> {
    let rules = ResourceRules { policy: Some(policy), ..ResourceRules::of(http, need).await? };
    Ok(decide_by(http, &http.app.identities.current(), caller, need, &rules).await?.is_allowed())
}

async fn decide_by(
    http: &RequestContext,
    directory: &Directory,
    caller: &Caller,
    need: &Need,
    rules: &ResourceRules,
) -> Result<Decision, StoreError> {
    let owner = need.owner(caller);
    let identity = caller.identity();
    let session = caller.session().filter(|session| !session.policies.is_empty());
    let session: Vec<&[Attached]> = session.map(|session| session.policies.as_slice()).into_iter().collect();
    let registry_policy = registry_policy(directory, caller, need);
    let resource_policy =
        rules.policy.as_ref().map(|policy| Attached { name: rules.arn.clone(), policy: policy.clone() });
    let policies = Policies {
        identity: identity.map_or(&[], |identity| &identity.policies),
        boundary: identity.and_then(|identity| identity.boundary.as_ref()),
        session: &session,
        scope: caller.scope.as_deref(),
        repository: resource_policy.as_ref(),
        registry: registry_policy.map(|registry| &registry.policy),
    };
    let mut keys = RequestKeys::new(http, Some(caller), &need.keys, owner);
    keys.resource_tags.clone_from(&rules.tags);
    if let Some(id) = rules.repository_id
        && names_resource_tag(&policies)
    {
        keys.resource_tags = http.app.db.read_point(move |tx| resource_tags::list(tx, id)).await?;
    }
    let context = keys.context(read_keys(&policies));
    let request = Request {
        principal: &caller.principal,
        action: &need.action,
        resource: &rules.arn,
        resource_account: owner.as_str(),
        context: &context,
    };
    Ok(iam::decide(&request, &policies))
}

/// The policy of the registry that a need is about, if it has a say.
fn registry_policy<'a>(directory: &'a Directory, caller: &Caller, need: &Need) -> Option<&'a RegistryPolicy> {
    let policy = match &need.resource {
        Resource::Repository { registry, .. } => directory.registry_policy(registry),
        Resource::Any if need.action.starts_with("ecr:") => {
            directory.registry_policy(&RegistryId { account: caller.account, region: caller.region.clone() })
        }
        Resource::Secret(_) | Resource::Key(_) | Resource::Own(_) | Resource::Any => None,
    };
    policy.filter(|policy| policy.governs_all || V1_ACTIONS.contains(&&*need.action))
}

/// What was decided already for the caller's user or role, if its own policies alone decide.
fn kept_decisions<'a>(
    directory: &Directory,
    caller: &'a Caller,
    need: &Need,
    rules: &ResourceRules,
) -> Option<&'a Allowed> {
    let is_alone = need.owner(caller) == caller.account
        && rules.policy.is_none()
        && registry_policy(directory, caller, need).is_none()
        && caller.scope.is_none()
        && caller.session().is_none_or(|session| session.policies.is_empty());
    caller.identity().filter(|_| is_alone).and_then(|identity| identity.allowed.as_ref())
}

/// The names by which grants of KMS keys can be made to a caller.
pub fn grantee_names(caller: &Caller) -> Vec<String> {
    let mut names = vec![caller.principal.arn().into_owned()];
    if let Principal::AssumedRole { role_arn, .. } = &*caller.principal {
        names.push(role_arn.clone());
    }
    names.push(format!("arn:aws:iam::{}:root", caller.account));
    names.dedup();
    names
}

/// A grant in the words of a key policy.
fn statement_of(grant: &KmsGrant, action: &str) -> Value {
    let mut equal = serde_json::Map::new();
    let GrantConstraints { subset, equals } = &grant.constraints;
    for (name, value) in subset.iter().chain(equals).flatten() {
        equal.insert(format!("kms:EncryptionContext:{name}"), value.as_str().into());
    }
    let mut condition = serde_json::Map::new();
    if !equal.is_empty() {
        condition.insert("StringEquals".to_owned(), equal.into());
    }
    match equals {
        Some(pairs) if pairs.is_empty() => {
            condition.insert("Null".to_owned(), json!({ "kms:EncryptionContextKeys": "true" }));
        }
        Some(pairs) => {
            let names: Vec<&String> = pairs.keys().collect();
            condition.insert("ForAllValues:StringEquals".to_owned(), json!({ "kms:EncryptionContextKeys": names }));
        }
        None => {}
    }
    let mut statement = json!({
        "Effect": "Allow", "Principal": {"AWS": grant.grantee}, "Action": action, "Resource": "*",
    });
    if !condition.is_empty() {
        statement["Condition"] = condition.into();
    }
    statement
}

/// What a repository, a secret or a key contributes to decisions about it.
struct ResourceRules {
    /// As policies and messages name it.
    arn: String,
    repository_id: Option<i64>,
    policy: Option<Policy>,
    /// The key, if it is one.
    key: Option<KmsKey>,
    /// The tags of a secret or key. Those of a repository are read when a policy asks for them.
    tags: Vec<(String, String)>,
}

impl ResourceRules {
    async fn of(http: &RequestContext, need: &Need) -> Result<Self, StoreError> {
        let mut rules = Self { arn: arn(need), repository_id: None, policy: None, key: None, tags: Vec::new() };
        match &need.resource {
            Resource::Repository { registry, name } => rules.add_repository(http, registry, name).await?,
            Resource::Secret(id) => rules.add_secret(http, id).await?,
            Resource::Key(key) => rules.add_key(http, key).await?,
            Resource::Own(_) | Resource::Any => {}
        }
        Ok(rules)
    }

    async fn add_repository(
        &mut self,
        http: &RequestContext,
        registry: &RegistryId,
        name: &str,
    ) -> Result<(), StoreError> {
        let Ok(name) = name.parse::<RepositoryName>() else { return Ok(()) };
        let place = RepositoryRef { registry: registry.clone(), name };
        let app = &http.app;
        let access = match app.kept.access.find(&app.db, &place) {
            Ok(kept) => kept,
            Err(mark) => {
                let asked = place.clone();
                let read = move |tx: &mut dyn Tx| repository_policies::find_access(tx, &asked.registry, &asked.name);
                let Some(found) = app.kept.access.read(&app.db, read).await? else { return Ok(()) };
                let text = found.policy.as_deref();
                let policy = read_policy(http, PolicyKind::Repository, text, registry.account, &self.arn);
                let policy_bytes = text.map_or(0, str::len);
                let access = RepositoryAccess { repository_id: found.repository_id, policy, policy_bytes };
                app.kept.access.keep(mark, place, &access);
                access
            }
        };
        self.policy = access.policy;
        self.repository_id = Some(access.repository_id);
        Ok(())
    }

    /// A secret that is there says more of its ARN than the request.
    async fn add_secret(&mut self, http: &RequestContext, id: &SecretId) -> Result<(), StoreError> {
        let id = id.clone();
        let Some(found) = http.app.db.read_point(move |tx| secrets::find(tx, &id)).await? else { return Ok(()) };
        self.arn = found.arn();
        self.policy = read_policy(http, PolicyKind::Secret, found.policy.as_deref(), found.registry.account, &self.arn);
        self.tags = found.tags;
        Ok(())
    }

    /// A key that is there has an ARN, whatever alias the request names it by.
    async fn add_key(&mut self, http: &RequestContext, key: &KeyRef) -> Result<(), StoreError> {
        let key = key.clone();
        let Some(found) = http.app.db.read_point(move |tx| kms_keys::find(tx, &key)).await? else { return Ok(()) };
        self.arn = found.arn();
        let account = found.registry.account;
        self.policy = read_policy(http, PolicyKind::Key, Some(&found.policy), account, &self.arn);
        self.tags.clone_from(&found.tags);
        self.key = Some(found);
        Ok(())
    }

    /// The same rules with a key's grants to the caller as further statements of its policy; none if there are none.
    async fn with_grants(
        &self,
        http: &RequestContext,
        caller: &Caller,
        need: &Need,
    ) -> Result<Option<Self>, StoreError> {
        let Some(key) = &self.key else { return Ok(None) };
        let Some(operation) = need.action.strip_prefix("kms:") else { return Ok(None) };
        let (id, names) = (key.id, grantee_names(caller));
        let read = http.app.db.read(move |tx| {
            let mut found = Vec::new();
            for name in &names {
                found.extend(kms_grants::list(tx, id, Some(name), "", MAX_GRANTS)?);
            }
            Ok::<_, StoreError>(found)
        });
        let mut statements: Vec<Value> = Vec::new();
        for grant in read.await?.iter().filter(|grant| grant.operations.iter().any(|name| name == operation)) {
            statements.push(statement_of(grant, &need.action));
        }
        if statements.is_empty() {
            return Ok(None);
        }
        // By a policy that is damaged nothing is granted.
        if http.app.policies.read(PolicyKind::Key, &key.policy).is_err() {
            return Ok(None);
        }
        let mut policy: Value = serde_json::from_str(&key.policy).unwrap_or_default();
        match policy.get_mut("Statement") {
            Some(Value::Array(own)) => own.extend(statements),
            Some(own) => {
                statements.push(own.take());
                *own = Value::Array(statements);
            }
            None => return Ok(None),
        }
        let policy = Policy::parse(PolicyKind::Key, &policy.to_string()).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, format!("the grants of {} are not what was stored", key.arn()))
                .with_source(error.to_string())
        })?;
        let (arn, tags) = (self.arn.clone(), self.tags.clone());
        Ok(Some(Self { repository_id: None, key: None, arn, policy: Some(policy), tags }))
    }
}

/// A resource's policy as it was stored, or what [stands in](super::stand_in) for it if it is damaged.
fn read_policy(
    http: &RequestContext,
    kind: PolicyKind,
    text: Option<&str>,
    account: AccountId,
    arn: &str,
) -> Option<Policy> {
    text.map(|text| http.app.policies.stored(kind, text, account, &|| format!("the policy of {arn}")))
}

/// Every condition key that the policies read, in lower case; some more than once.
pub(super) fn read_keys<'a>(policies: &Policies<'a>) -> impl Iterator<Item = &'a str> {
    let single = [policies.boundary, policies.scope, policies.repository, policies.registry];
    policies
        .identity
        .iter()
        .chain(single.into_iter().flatten())
        .flat_map(|attached| attached.policy.keys())
        .chain(policies.session.iter().copied().flatten().flat_map(|attached| attached.policy.keys()))
}

fn names_resource_tag(policies: &Policies<'_>) -> bool {
    read_keys(policies).any(|key| key.starts_with("aws:resourcetag/") || key.starts_with("ecr:resourcetag/"))
}
