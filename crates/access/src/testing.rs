//! What decides who may do what on a node without a server, for tests: two accounts, and identities that are put into the
//! tables.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;

use aws::{AccountId, Region, SecretAccessKey};
use runtime::clock::ManualClock;
use runtime::http::budget::Holder;
use runtime::http::hosts::Hosts;
use runtime::limits::Limits;
use runtime::metrics::Operation;
pub use runtime::testing::START_MS;
use runtime::testing::{TestRuntime, stored_objects};
use store::blob::{BlobStore, seal_small};
use store::tables::iam::access_keys::{self, AccessKey};
use store::tables::iam::entities::{self, Entity, EntityKind};
use store::tables::iam::oidc_providers::{self, OidcProvider};
use store::tables::iam::policies_of_entities::{self, InlinePolicy};
use store::tables::identity_version;

use crate::Access;
use crate::action_names::ActionNames;
use crate::audit::{Audit, AuditSettings};
use crate::auth::accounts::{Accounts, RootKey};
use crate::auth::caller::Caller;
use crate::auth::directory::{Identities, SECRET_PURPOSE};
use crate::auth::failures::Failures;
use crate::auth::keys;
use crate::auth::last_uses::LastUses;
use crate::auth::opened_tokens::OpenedTokens;
use crate::auth::repository_access::access_cache;
use crate::auth::signing_keys::SigningKeys;
use crate::kms::loaded::LoadedKeys;
use crate::nodes::Membership;
use crate::request::RequestContext;
use crate::web_identity::{Issuers, SourceConfig};

/// The account of most tests, and another one.
pub const ACCOUNT: &str = "123456789012";
pub const OTHER_ACCOUNT: &str = "210987654321";

/// What of a node may be otherwise than in most tests.
#[derive(Default)]
pub struct TestSetup {
    /// Whose tokens are believed.
    pub oidc: SourceConfig,
    /// What is counted.
    pub operations: Vec<Operation>,
    /// Its limits.
    pub limits: Limits,
    /// Where layers are stored, if not in files.
    pub blobs: Option<BlobStore>,
}

/// The node, and what tests need beside it.
pub struct TestAccess {
    /// The node.
    pub access: Arc<Access>,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Where what is stored lies.
    pub folder: tempfile::TempDir,
}

impl Deref for TestAccess {
    type Target = Arc<Access>;

    fn deref(&self) -> &Arc<Access> {
        &self.access
    }
}

fn account(id: &str) -> AccountId {
    id.parse().expect("an account id")
}

/// The access key of an account's root user.
pub fn root_key(account: &str) -> String {
    format!("AKIAROOT{account}")
}

impl TestAccess {
    /// One that counts no operations, where tokens of these issuers are believed.
    pub async fn new(oidc: SourceConfig) -> Self {
        Self::of(TestSetup { oidc, ..TestSetup::default() }).await
    }

    /// One that is set up so.
    pub async fn of(setup: TestSetup) -> Self {
        let TestSetup { oidc, operations, limits, blobs } = setup;
        let mut node = TestRuntime::of_operations(operations.iter().copied()).await;
        let runtime = Arc::get_mut(&mut node.runtime).expect("nobody else has it");
        runtime.limits = limits;
        if let Some(blobs) = blobs {
            runtime.blobs = blobs;
        }
        let TestRuntime { runtime, clock, root_keys, folder } = node;
        let root = |id: &str| RootKey {
            account: account(id),
            access_key_id: root_key(id).parse().expect("a key id"),
            secret: SecretAccessKey::new("root secret".to_owned()),
        };
        let regions: Vec<Region> =
            ["us-east-1", "cn-north-1", "eu-west-1"].map(|name| name.parse().expect("a region")).into();
        let access = Arc::new(Access {
            root_keys,
            kms_keys: LoadedKeys::default(),
            accounts: Accounts::new(vec![root(ACCOUNT), root(OTHER_ACCOUNT)], regions),
            hosts: Hosts { domains: Vec::new(), public_url: None, is_tls: false },
            membership: Membership::new(&runtime.db, "127.0.0.1:5000".to_owned(), START_MS),
            identities: Identities::default(),
            policies: Arc::default(),
            opened_tokens: OpenedTokens::default(),
            signing_keys: SigningKeys::default(),
            failures: Failures::new(60),
            last_uses: LastUses::default(),
            oidc_issuers: Issuers::new(oidc),
            audit: Audit::open(AuditSettings::default()).expect("no file"),
            repository_access: access_cache(),
            action_names: ActionNames::of(operations.into_iter()),
            runtime,
        });
        access.join_nodes().await.expect("readable");
        Self { access, clock, folder }
    }

    /// How many objects the blobs folder holds.
    pub fn stored_objects(&self) -> usize {
        stored_objects(self.folder.path())
    }

    /// As [`insert_user`].
    pub async fn user(&self, account_id: &str, name: &str, policy: Option<&str>) -> String {
        insert_user(&self.access, account_id, name, policy).await
    }

    /// A role.
    pub async fn role(&self, role: Entity, policy: Option<&str>) {
        insert(&self.access, role, policy, None).await;
    }

    /// Puts another policy in place of the only one.
    pub async fn set_policy(&self, entity_id: &str, document: &str) {
        let policy =
            InlinePolicy { entity_id: entity_id.to_owned(), name: "inline".to_owned(), document: document.to_owned() };
        let written = self.access.db.write(move |tx| {
            policies_of_entities::upsert_inline(tx, &policy)?;
            identity_version::increment(tx)
        });
        written.await.expect("stored");
        self.access.load_identities().await.expect("readable");
    }

    /// An OpenID Connect provider.
    pub async fn provider(&self, url: &str, client_ids: &[&str]) {
        let provider = OidcProvider {
            arn: format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{url}"),
            account: account(ACCOUNT),
            url: url.to_owned(),
            client_ids: client_ids.iter().map(|id| (*id).to_owned()).collect(),
            thumbprints: Vec::new(),
            tags: Vec::new(),
            created_at_ms: START_MS,
        };
        let written = self.access.db.write(move |tx| {
            assert!(oidc_providers::insert(tx, &provider)?);
            identity_version::increment(tx)
        });
        written.await.expect("stored");
        self.access.load_identities().await.expect("readable");
    }

    /// Who uses a permanent key.
    pub fn caller(&self, access_key_id: &str) -> Caller {
        let holder = keys::find(&self.access, access_key_id, None).expect("a key");
        holder.into_caller("us-east-1".parse().expect("a region"), access_key_id.to_owned())
    }

    /// The registry of the account's first region.
    pub fn registry(&self) -> store::tables::registry_id::RegistryId {
        let region = self.access.accounts.regions()[0].clone();
        store::tables::registry_id::RegistryId { account: account(ACCOUNT), region }
    }

    /// A request with no headers.
    pub fn request(&self) -> RequestContext {
        request_from(&self.access, Ipv4Addr::new(203, 0, 113, 9).into())
    }
}

/// A request with no headers that comes from `source_ip`.
pub fn request_from(access: &Arc<Access>, source_ip: IpAddr) -> RequestContext {
    RequestContext {
        app: Arc::clone(access),
        request_id: runtime::random::uuid(),
        method: http::Method::POST,
        path: "/".to_owned(),
        query: String::new(),
        headers: http::HeaderMap::new(),
        source_ip,
        holder: Holder::alone(source_ip),
        is_secure: false,
        authority: "localhost".to_owned(),
        notes: runtime::http::record::Notes::default(),
        large_member: std::sync::OnceLock::new(),
        answer_share: std::sync::OnceLock::new(),
        finish: runtime::http::finish::Finish::default(),
    }
}

/// A user with one access key, whose id this returns, and one policy.
pub async fn insert_user(access: &Access, account_id: &str, name: &str, policy: Option<&str>) -> String {
    let entity = entity(account_id, EntityKind::User, "/", name);
    let id = format!("AKIA{:0>16}", name.to_uppercase());
    let key = AccessKey {
        id: id.clone(),
        user_id: entity.id.clone(),
        sealed_secret: seal_small(&access.key_ring, SECRET_PURPOSE, id.as_bytes(), b"user secret"),
        is_active: true,
        created_at_ms: START_MS,
        last_used: None,
    };
    insert(access, entity, policy, Some(key)).await;
    id
}

async fn insert(access: &Access, entity: Entity, policy: Option<&str>, key: Option<AccessKey>) {
    let inline = policy.map(|document| InlinePolicy {
        entity_id: entity.id.clone(),
        name: "inline".to_owned(),
        document: document.to_owned(),
    });
    let written = access.db.write(move |tx| {
        assert!(entities::insert(tx, &entity)?, "the name is free");
        if let Some(policy) = &inline {
            policies_of_entities::upsert_inline(tx, policy)?;
        }
        if let Some(key) = &key {
            access_keys::insert(tx, key)?;
        }
        identity_version::increment(tx)
    });
    written.await.expect("stored");
    access.load_identities().await.expect("readable");
}

/// A user or role; the id is made of account and name.
pub fn entity(account_id: &str, kind: EntityKind, path: &str, name: &str) -> Entity {
    let prefix = if kind == EntityKind::Role { "AROA" } else { "AIDA" };
    Entity {
        id: format!("{prefix}{}{}", name.to_uppercase(), &account_id[..4]),
        account: account(account_id),
        kind,
        name: name.to_owned(),
        path: path.to_owned(),
        created_at_ms: START_MS,
        boundary_arn: None,
        tags: Vec::new(),
        description: None,
        trust_policy: None,
        max_session_seconds: 0,
    }
}

/// A role that may be assumed for up to two hours.
pub fn role(name: &str, trust_policy: &str) -> Entity {
    let mut role = entity(ACCOUNT, EntityKind::Role, "/", name);
    role.trust_policy = Some(trust_policy.to_owned());
    role.max_session_seconds = 7200;
    role
}
