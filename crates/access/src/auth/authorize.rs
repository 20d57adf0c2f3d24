//! The one place where it is decided whether a principal may do something.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aws::AccountId;
use iam::{Attached, Decision, Effect, Outcome, Policies, Policy, PolicyKind, Request, Source};
use oci::RepositoryName;
use runtime::boxed;
use serde_json::Value;
use store::db::Tx;
use store::error::StoreError;
use store::tables::deleted_repositories::DeletedRepository;
use store::tables::kms_grants::{self, GrantConstraints};
use store::tables::kms_keys::{self, KeyRef, KmsKey};
use store::tables::registry_id::RegistryId;
use store::tables::registry_kind::RegistryKind;
use store::tables::repositories::RepositoryRef;
use store::tables::secrets::{self, SecretId};
use store::tables::{kms_aliases, repository_policies, resource_tags};

use super::allowed::LoadedIdentity;
use super::caller::Caller;
use super::directory::{Directory, Identity, RegistryPolicy};
use super::grants::{self, GrantTerms};
use super::key_conditions::condition_keys;
use super::repository_access::RepositoryAccess;
use super::request_keys::RequestKeys;
use crate::action::Action;
use crate::request::RequestContext;

/// Grants of a key to one principal that a decision looks at.
const MAX_GRANTS: usize = 500;
/// Aliases of a key (KMS Developer Guide, "Quotas").
const MAX_ALIASES: usize = 50;
/// Actions that a registry policy of scope V1 governs (reference/access.md 4).
pub const V1_ACTIONS: [Action; 3] =
    [Action::EcrReplicateImage, Action::EcrBatchImportUpstreamImage, Action::EcrCreateRepository];

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
    /// Actions without a resource level (reference/access.md 1): `*` in the caller's account.
    Any,
}

/// The action of a permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NeededAction {
    /// One that an operation asks for.
    Of(Action),
    /// One that somebody wants explained: any text that a policy could name, whether anything here asks for it or not.
    Explained(String),
}

impl NeededAction {
    /// As policies name it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Of(action) => action.as_str(),
            Self::Explained(text) => text,
        }
    }

    /// The action that an operation asks for.
    pub const fn of_operation(&self) -> Option<Action> {
        match self {
            Self::Of(action) => Some(*action),
            Self::Explained(_) => None,
        }
    }
}

/// One permission that a request needs.
#[derive(Clone, Debug)]
pub struct Need {
    /// The IAM action.
    pub action: NeededAction,
    /// On what.
    pub resource: Resource,
    /// Condition keys that only this request has, such as `aws:TagKeys`.
    pub keys: Vec<(String, Vec<String>)>,
    /// The grant that the request makes, if it makes one.
    pub new_grant: Option<Box<GrantTerms>>,
}

impl Need {
    fn new(action: Action, resource: Resource) -> Self {
        Self { action: NeededAction::Of(action), resource, keys: Vec::new(), new_grant: None }
    }

    /// A permission on a repository, or with `*` on all repositories of a registry.
    pub fn on_repository(action: Action, registry: &RegistryId, name: &str) -> Self {
        Self::new(action, Resource::Repository { registry: registry.clone(), name: name.to_owned() })
    }

    /// A permission on a secret.
    pub fn on_secret(action: Action, id: SecretId) -> Self {
        Self::new(action, Resource::Secret(id))
    }

    /// A permission on a KMS key.
    pub fn on_key(action: Action, key: KeyRef) -> Self {
        Self::new(action, Resource::Key(key))
    }

    /// A permission on a resource of the caller's account.
    pub fn on(action: Action, arn: String) -> Self {
        Self::new(action, Resource::Own(arn))
    }

    /// A permission that no resource belongs to.
    pub fn anywhere(action: Action) -> Self {
        Self::new(action, Resource::Any)
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

    /// With what a grant that the request makes allows.
    #[must_use]
    pub fn making(mut self, terms: GrantTerms) -> Self {
        self = self.with("kms:GrantOperations", terms.operations.iter().map(|operation| operation.as_str()));
        let GrantConstraints { subset, equals } = &terms.constraints;
        let kinds =
            [subset.as_ref().map(|_| "EncryptionContextSubset"), equals.as_ref().map(|_| "EncryptionContextEquals")];
        if kinds.iter().any(Option::is_some) {
            self = self.with("kms:GrantConstraintType", kinds.into_iter().flatten());
        }
        let pairs: BTreeMap<&String, &String> = subset.iter().chain(equals).flatten().collect();
        for (name, value) in &pairs {
            self = self.with(format!("kms:EncryptionContext:{name}"), [value.as_str()]);
        }
        if !pairs.is_empty() {
            self = self.with("kms:EncryptionContextKeys", pairs.into_keys());
        }
        self.new_grant = Some(Box::new(terms));
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
    /// It is not allowed; with ECR's text (reference/access.md 5).
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
#[boxed]
pub async fn authorize(http: &RequestContext, caller: &Caller, need: &Need) -> Result<(), Refusal> {
    let directory = http.app.identities.current();
    let rules = ResourceRules::of(http, need).await?;
    let resource = &rules.arn;
    let allowed = http.app.identities.allowed();
    let decides_alone = identity_alone(&directory, caller, need, &rules).zip(need.action.of_operation());
    if decides_alone.is_some_and(|(identity, action)| allowed.contains(identity, action, resource)) {
        return Ok(());
    }
    let mut decision = decide_by(http, &directory, caller, need, &rules).await?;
    if decision.outcome == Outcome::ImplicitDeny
        && let Some(with_grants) = rules.with_grants(http, caller, need).await?
    {
        decision = decide_by(http, &directory, caller, need, &with_grants).await?;
    }
    let is_allowed = match caller.anonymous() {
        // Nobody has policies: what such a pull may do is fixed, and a policy can only take it away.
        Some(pull) => decision.outcome != Outcome::ExplicitDeny && pull.may(need),
        None => decision.is_allowed(),
    };
    if is_allowed {
        if let Some((identity, action)) = decides_alone {
            allowed.insert(identity, action, resource);
        }
        return Ok(());
    }
    Err(refusal(http, caller, need, decision).await?)
}

/// Refuses if a policy denies the caller the permission, which it need not have otherwise.
#[boxed]
pub async fn require_not_denied(http: &RequestContext, caller: &Caller, need: &Need) -> Result<(), Refusal> {
    let rules = ResourceRules::of(http, need).await?;
    require_no_denial(http, caller, need, &rules).await
}

/// As [`require_not_denied`], if the repository were guarded as one was that is deleted.
#[boxed]
pub async fn require_not_denied_by(
    http: &RequestContext,
    caller: &Caller,
    need: &Need,
    guard: &DeletedRepository,
) -> Result<(), Refusal> {
    let arn = arn(need);
    let policy = read_policy(http, PolicyKind::Repository, guard.policy.as_deref(), need.owner(caller), &arn);
    let rules = ResourceRules { policy, tags: guard.resource_tags.clone(), ..ResourceRules::absent(need) };
    require_no_denial(http, caller, need, &rules).await
}

async fn require_no_denial(
    http: &RequestContext,
    caller: &Caller,
    need: &Need,
    rules: &ResourceRules,
) -> Result<(), Refusal> {
    let decision = decide_by(http, &http.app.identities.current(), caller, need, rules).await?;
    match decision.outcome {
        Outcome::ExplicitDeny => Err(refusal(http, caller, need, decision).await?),
        Outcome::Allowed | Outcome::ImplicitDeny => Ok(()),
    }
}

/// What who is refused is told: the resource as the request names it. Whoever is of another account, and not let in by any
/// policy of the owner's, is told the same whether it is there or not, whatever its policies deny, and whatever its tags and
/// aliases are, which policies of the caller's own could ask about.
async fn refusal(
    http: &RequestContext,
    caller: &Caller,
    need: &Need,
    mut decision: Decision,
) -> Result<Refusal, StoreError> {
    let (action, resource) = (need.action.as_str(), asked(need));
    tracing::debug!(request_id = %http.request_id, principal = %caller.arn(), %action, %resource, deciding = ?decision.deciding(), "denied");
    let is_let_in = decision.matched.iter().any(|matched| {
        matched.effect == Effect::Allow && matches!(matched.source, Source::Repository | Source::Registry)
    });
    if need.owner(caller) != caller.account && !is_let_in {
        decision = decide_with(http, caller, need, &ResourceRules::absent(need), None).await?;
    }
    let because = decision.because(action);
    Ok(Refusal::Denied(format!(
        "User: {} is not authorized to perform: {action} on resource: {resource}{because}",
        caller.arn()
    )))
}

/// Whether the caller has the permission, where doing without is no failure.
pub async fn is_allowed(http: &RequestContext, caller: &Caller, need: &Need) -> Result<bool, StoreError> {
    match authorize(http, caller, need).await {
        Ok(()) => Ok(true),
        Err(Refusal::Denied(_)) => Ok(false),
        Err(Refusal::Store(error)) => Err(error),
    }
}

/// As [`authorize`] for a key, where something beside the key's policy names `principals`, who need nothing else: they
/// are refused by a Deny, or by what limits the caller. The users and roles of an account that is named need what their
/// account says.
#[boxed]
pub async fn authorize_named(
    http: &RequestContext,
    caller: &Caller,
    need: &Need,
    principals: &[&str],
) -> Result<(), Refusal> {
    let directory = http.app.identities.current();
    let rules = ResourceRules::of(http, need).await?;
    let decision = decide_by(http, &directory, caller, need, &rules).await?;
    if decision.is_allowed() {
        return Ok(());
    }
    // Services are named without an ARN, and nobody is one here.
    let named = principals.iter().filter(|principal| principal.starts_with("arn:"));
    let statements: Vec<Value> = named.map(|principal| grants::statement(principal, need.action.as_str())).collect();
    if decision.outcome == Outcome::ImplicitDeny && !statements.is_empty() {
        let policy = serde_json::json!({ "Statement": statements }).to_string();
        let policy = grants::policy(&rules.arn, &policy)?;
        let rules = ResourceRules { policy: Some(policy), is_enough: true, ..rules.clone() };
        if decide_by(http, &directory, caller, need, &rules).await?.is_allowed() {
            return Ok(());
        }
    }
    Err(refusal(http, caller, need, decision).await?)
}

/// The resource as a message to who is refused names it: as the request does.
fn asked(need: &Need) -> Cow<'_, str> {
    match &need.resource {
        Resource::Secret(id) if !id.is_arn => Cow::Borrowed(&id.text),
        _ => Cow::Owned(arn(need)),
    }
}

/// The resource as policies name it, by what the request says of it.
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
#[boxed]
pub async fn decide(
    http: &RequestContext,
    directory: &Directory,
    caller: &Caller,
    need: &Need,
) -> Result<Decision, StoreError> {
    let rules = ResourceRules::of(http, need).await?;
    decide_by(http, directory, caller, need, &rules).await
}

/// Whether the caller would have the permission if the repository or key had this policy in place of its own. What the
/// root user may do in spite of policies does not count.
#[boxed]
pub async fn would_allow(
    http: &RequestContext,
    caller: &Caller,
    need: &Need,
    policy: Policy,
) -> Result<bool, StoreError> {
    let rules = ResourceRules { policy: Some(policy), is_as_written: true, ..ResourceRules::of(http, need).await? };
    Ok(decide_by(http, &http.app.identities.current(), caller, need, &rules).await?.is_allowed())
}

/// As [`would_allow`], if the registry had this policy, and that governed the action.
#[boxed]
pub async fn registry_would_allow(
    http: &RequestContext,
    caller: &Caller,
    need: &Need,
    policy: Policy,
) -> Result<bool, StoreError> {
    let rules = ResourceRules { is_as_written: true, ..ResourceRules::of(http, need).await? };
    let registry = Attached { name: "registry policy".to_owned(), policy };
    Ok(decide_with(http, caller, need, &rules, Some(&registry)).await?.is_allowed())
}

/// Whether any policy in force for a need looks at the tag of the image that it is about.
#[boxed]
pub async fn reads_image_tag(http: &RequestContext, caller: &Caller, need: &Need) -> Result<bool, StoreError> {
    let directory = http.app.identities.current();
    let rules = ResourceRules::of(http, need).await?;
    let of_identity = caller.identity().into_iter().flat_map(Identity::in_force);
    let of_session = caller.session().into_iter().flat_map(|session| &session.policies);
    let of_registry = registry_policy(&directory, caller, need).map(|registry| &registry.policy);
    let attached = of_identity.chain(of_session).chain(caller.scope.as_deref()).chain(of_registry);
    let mut policies = attached.map(|attached| &attached.policy).chain(&rules.policy);
    Ok(policies.any(|policy| policy.keys().any(|key| key == "ecr:imagetag")))
}

/// What would deny it if condition keys that have no value had one.
#[boxed]
pub async fn open_denies(
    http: &RequestContext,
    directory: &Directory,
    caller: &Caller,
    need: &Need,
) -> Result<Vec<iam::OpenDeny>, StoreError> {
    let rules = ResourceRules::of(http, need).await?;
    let registry = registry_policy(directory, caller, need).map(|registry| &registry.policy);
    weigh(http, caller, need, &rules, registry, iam::open_denies).await
}

async fn decide_by(
    http: &RequestContext,
    directory: &Directory,
    caller: &Caller,
    need: &Need,
    rules: &ResourceRules,
) -> Result<Decision, StoreError> {
    let registry = registry_policy(directory, caller, need).map(|registry| &registry.policy);
    decide_with(http, caller, need, rules, registry).await
}

async fn decide_with(
    http: &RequestContext,
    caller: &Caller,
    need: &Need,
    rules: &ResourceRules,
    registry: Option<&Attached>,
) -> Result<Decision, StoreError> {
    let decide = if rules.is_as_written { iam::decide_as_written } else { iam::decide };
    weigh(http, caller, need, rules, registry, decide).await
}

/// Puts together the request and the policies in force for it, and judges it by them.
async fn weigh<T>(
    http: &RequestContext,
    caller: &Caller,
    need: &Need,
    rules: &ResourceRules,
    registry: Option<&Attached>,
    judge: fn(&Request<'_>, &Policies<'_>) -> T,
) -> Result<T, StoreError> {
    let owner = need.owner(caller);
    let identity = caller.identity();
    let session = caller.session().filter(|session| session.is_limited());
    let session: Vec<&[Attached]> = session.map(|session| session.policies.as_slice()).into_iter().collect();
    let resource_policy =
        rules.policy.as_ref().map(|policy| Attached { name: rules.arn.clone(), policy: policy.clone() });
    let groups = identity.map_or_else(Vec::new, Identity::groups);
    let policies = Policies {
        identity: identity.map_or(&[], |identity| &identity.policies),
        groups: &groups,
        boundary: identity.and_then(|identity| identity.boundary.as_ref()),
        session: &session,
        scope: caller.scope.as_deref(),
        repository: resource_policy.as_ref(),
        registry,
    };
    let mut keys = RequestKeys::new(http, Some(caller), &need.keys, owner);
    keys.resource_tags.clone_from(&rules.tags);
    if let Some(id) = rules.repository_id
        && names_resource_tag(&policies)
    {
        keys.resource_tags = http.app.db.read_point(move |tx| resource_tags::list(tx, id)).await?;
    }
    keys.of_resource.clone_from(&rules.of_resource);
    if let Some(key) = &rules.key
        && read_keys(&policies).any(|name| name == "kms:resourcealiases")
    {
        let (registry, id) = (key.registry.clone(), key.id);
        let read = move |tx: &mut dyn Tx| kms_aliases::list(tx, &registry, Some(id), "", MAX_ALIASES);
        let aliases = http.app.db.read_point(read).await?;
        keys.of_resource.push(("kms:resourcealiases", aliases.into_iter().map(|alias| alias.name).collect()));
    }
    let context = keys.context(read_keys(&policies));
    let request = Request {
        principal: &caller.principal,
        action: need.action.as_str(),
        resource: &rules.arn,
        resource_account: if rules.is_enough { caller.account.as_str() } else { owner.as_str() },
        context: &context,
    };
    Ok(judge(&request, &policies))
}

/// The policy of the registry that a need is about, if it has a say.
fn registry_policy<'a>(directory: &'a Directory, caller: &Caller, need: &Need) -> Option<&'a RegistryPolicy> {
    let policy = match &need.resource {
        Resource::Repository { registry, .. } => directory.registry_policy(registry),
        Resource::Any if RegistryKind::Private(&caller.region).has_action(need.action.as_str()) => {
            directory.registry_policy(&RegistryId { account: caller.account, region: caller.region.clone() })
        }
        Resource::Secret(_) | Resource::Key(_) | Resource::Own(_) | Resource::Any => None,
    };
    let is_of_v1 = || V1_ACTIONS.iter().any(|action| action.as_str() == need.action.as_str());
    policy.filter(|policy| policy.governs_all || is_of_v1())
}

/// The caller's user or role, if its own policies alone decide, so that what is decided holds as long as they do.
fn identity_alone(
    directory: &Directory,
    caller: &Caller,
    need: &Need,
    rules: &ResourceRules,
) -> Option<LoadedIdentity> {
    let is_alone = need.owner(caller) == caller.account
        && rules.policy.is_none()
        && registry_policy(directory, caller, need).is_none()
        && caller.scope.is_none()
        && caller.session().is_none_or(|session| !session.is_limited());
    caller.identity().filter(|_| is_alone).and_then(|identity| identity.loaded)
}

/// What a repository, a secret or a key contributes to decisions about it.
#[derive(Clone)]
struct ResourceRules {
    /// As policies name it.
    arn: String,
    repository_id: Option<i64>,
    policy: Option<Policy>,
    /// The key, if it is one.
    key: Option<KmsKey>,
    /// The tags of a secret or key. Those of a repository are read when a policy asks for them.
    tags: Vec<(String, String)>,
    /// Condition keys that say what the resource is.
    of_resource: Vec<(&'static str, Vec<String>)>,
    /// Whether what the policy allows needs no other, even of principals of other accounts.
    is_enough: bool,
    /// Whether the root user is held to what the policies say of everybody.
    is_as_written: bool,
}

impl ResourceRules {
    /// Of what is not there.
    fn absent(need: &Need) -> Self {
        Self {
            arn: arn(need),
            repository_id: None,
            policy: None,
            key: None,
            tags: Vec::new(),
            is_enough: false,
            is_as_written: false,
            of_resource: Vec::new(),
        }
    }

    async fn of(http: &RequestContext, need: &Need) -> Result<Self, StoreError> {
        let mut rules = Self::absent(need);
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
        let access = match app.repository_access.find(&app.db, &place) {
            Ok(access) => access,
            Err(mark) => {
                let asked = place.clone();
                let read = move |tx: &mut dyn Tx| repository_policies::find_access(tx, &asked);
                let Some(found) = app.repository_access.read(&app.db, read).await? else { return Ok(()) };
                let text = found.policy.as_deref();
                let policy = read_policy(http, PolicyKind::Repository, text, registry.account, &self.arn);
                let policy_bytes = text.map_or(0, str::len);
                let access = RepositoryAccess { repository_id: found.repository_id, policy, policy_bytes };
                app.repository_access.insert(mark, place, &access);
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
        self.arn = found.arn().to_string();
        let account = found.registry.account;
        self.policy = read_policy(http, PolicyKind::Key, Some(&found.policy), account, &self.arn);
        self.tags.clone_from(&found.tags);
        self.of_resource = condition_keys();
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
        let (id, names) = (key.id, grants::grantee_names(caller));
        let read = http.app.db.read(move |tx| {
            let mut found = Vec::new();
            for name in &names {
                found.extend(kms_grants::list(tx, id, Some(name), "", MAX_GRANTS)?);
            }
            Ok::<_, StoreError>(found)
        });
        let found = read.await?;
        let grantees = found.iter().filter(|grant| grants::covers(grant, need)).map(|grant| grant.grantee.as_str());
        let statements: Vec<Value> = grantees.map(|grantee| grants::statement(grantee, need.action.as_str())).collect();
        if statements.is_empty() {
            return Ok(None);
        }
        // By a policy that is damaged nothing is granted.
        if http.app.policies.of_resource(PolicyKind::Key, &key.policy).is_err() {
            return Ok(None);
        }
        let Some(policy) = grants::extended(&key.policy, &statements) else { return Ok(None) };
        let policy = grants::policy(&self.arn, &policy)?;
        Ok(Some(Self { policy: Some(policy), ..self.clone() }))
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
    let policies = &http.app.policies;
    text.map(|text| {
        let read = policies.of_resource(kind, text);
        policies.or_stand_in(read, (kind, text), account, &|| format!("the policy of {arn}"))
    })
}

/// Every condition key that the policies read, in lower case; some more than once.
pub(super) fn read_keys<'a>(policies: &Policies<'a>) -> impl Iterator<Item = &'a str> {
    let single = [policies.boundary, policies.scope, policies.repository, policies.registry];
    policies
        .of_identity()
        .chain(single.into_iter().flatten())
        .flat_map(|attached| attached.policy.keys())
        .chain(policies.session.iter().copied().flatten().flat_map(|attached| attached.policy.keys()))
}

fn names_resource_tag(policies: &Policies<'_>) -> bool {
    read_keys(policies).any(|key| key.starts_with("aws:resourcetag/") || key.starts_with("ecr:resourcetag/"))
}
