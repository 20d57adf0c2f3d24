//! A server without a listener for tests: storage in a folder of its own, a clock that stands still, and identities
//! that are put into the tables.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use aws::{AccountId, Region, SecretAccessKey};
use store::blob::{BlobStore, ServiceKey, seal_small};
use store::db::{Db, DbConfig};
use store::tables::iam::access_keys::{self, AccessKey};
use store::tables::iam::entities::{self, Entity, EntityKind};
use store::tables::iam::oidc_providers::{self, OidcProvider};
use store::tables::iam::policies_of_entities::{self, InlinePolicy};
use store::tables::identity_version;

use crate::action_names::ActionNames;
use crate::app::{App, Limits};
use crate::auth::accounts::{Accounts, RootKey};
use crate::auth::caller::Caller;
use crate::auth::directory::{Identities, SECRET_PURPOSE};
use crate::auth::failures::Failures;
use crate::auth::keys;
use crate::auth::last_uses::LastUses;
use crate::clock::ManualClock;
use crate::dispatch;
use crate::http::budget::{BudgetLimits, Holder, RequestBudget};
use crate::http::hosts::Hosts;
use crate::http::request::RequestContext;
use crate::metrics::Metrics;
use crate::metrics::settings::MetricsSettings;
use crate::nodes::Membership;
use crate::readiness::Readiness;
use crate::root_keys::{Outer, RootKeys};
use crate::services::SERVICES;
use crate::sts::web_identity::{Issuers, SourceConfig};

/// 2026-01-01T00:00:00Z.
pub const START_MS: i64 = 1_767_225_600_000;
/// The account of most tests, and another one.
pub const ACCOUNT: &str = "123456789012";
pub const OTHER_ACCOUNT: &str = "210987654321";

/// The server, and what tests need beside it.
pub struct TestApp {
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    folder: tempfile::TempDir,
}

fn account(id: &str) -> AccountId {
    id.parse().expect("an account id")
}

/// The access key of an account's root user.
pub fn root_key(account: &str) -> String {
    format!("AKIAROOT{account}")
}

impl TestApp {
    pub async fn new(oidc: SourceConfig) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = DbConfig::Sqlite { path: folder.path().join("wharf.db") };
        let root = |id: &str| RootKey {
            account: account(id),
            access_key_id: root_key(id).parse().expect("a key id"),
            secret: SecretAccessKey::new("root secret".to_owned()),
        };
        let regions: Vec<Region> =
            ["us-east-1", "cn-north-1", "eu-west-1"].map(|name| name.parse().expect("a region")).into();
        let clock = Arc::new(ManualClock::new(START_MS));
        let audit = crate::config::AuditConfig::default().settings().expect("good defaults");
        let db = tokio::task::spawn_blocking(move || Db::open(&database)).await.expect("runs").expect("a database");
        let outer = Outer::Configured(ServiceKey::from_hex(&"5a".repeat(32)).expect("a key"));
        let (root_keys, key_ring) = RootKeys::open(&db, outer, Vec::new(), START_MS).await.expect("made");
        let events = Arc::default();
        let membership = Membership::new(&db, "127.0.0.1:5000".to_owned(), START_MS);
        let blobs = BlobStore::open(&folder.path().join("blobs")).expect("a folder");
        let archive = BlobStore::open(&folder.path().join("archive")).expect("a folder");
        let readiness = Readiness::new(db.clone(), [blobs.clone(), archive.clone()], membership.node_id());
        let app = Arc::new(App {
            membership,
            db,
            data_folder: crate::care::data_folder::DataFolder::default(),
            ballast: None,
            blobs,
            archive,
            key_ring,
            root_keys,
            kms_keys: crate::kms::loaded::LoadedKeys::default(),
            clock: clock.clone(),
            accounts: Accounts::new(vec![root(ACCOUNT), root(OTHER_ACCOUNT)], regions),
            hosts: Hosts { domains: Vec::new(), public_url: None, is_tls: false },
            identities: Identities::default(),
            policies: Arc::default(),
            opened_tokens: crate::auth::opened_tokens::OpenedTokens::default(),
            signing_keys: crate::auth::signing_keys::SigningKeys::default(),
            failures: Failures::new(60),
            last_uses: LastUses::default(),
            oidc_issuers: Issuers::new(oidc),
            limits: Limits::default(),
            listener: crate::http::listener_settings::ListenerSettings::default(),
            request_budget: RequestBudget::new(BudgetLimits::default()),
            spool_folder: crate::http::spool::make_folder(folder.path()).expect("a folder"),
            quotas: crate::registry::quotas::Quotas::default(),
            rates: crate::rates::Rates::new(crate::rates::PerSecond::default()),
            audit: crate::audit::Audit::open(audit).expect("no file"),
            upload_locks: crate::registry::uploads::UploadLocks::default(),
            repository_access: crate::auth::repository_access::kept_access(),
            kept: crate::registry::kept::KeptReads::default(),
            shared_manifests: crate::registry::shared_manifests::SharedManifests::default(),
            pull_times: crate::registry::pull_times::PullTimes::default(),
            cache: crate::cache::Cache::new(
                crate::cache::settings::CacheSettings::default(),
                crate::cache::mirror::MirrorSettings::default(),
            ),
            wake_jobs: Arc::default(),
            followers: Arc::new(crate::followers::all(&events)),
            events,
            replication: crate::replication::remote::Remotes::default(),
            action_names: ActionNames::of(SERVICES.operations()),
            metrics: Metrics::new(MetricsSettings::default(), dispatch::operations()),
            telemetry: Arc::default(),
            readiness,
            unfinished: crate::http::finish::Unfinished::default(),
        });
        app.join_nodes().await.expect("readable");
        Self { app, clock, folder }
    }

    /// Whose keys come from files, by the URLs of the issuers.
    pub async fn with_files(files: HashMap<String, std::path::PathBuf>) -> Self {
        Self::new(SourceConfig { allow_private_networks: false, files }).await
    }

    /// How many objects the blobs folder holds.
    pub fn stored_objects(&self) -> usize {
        let mut waiting = vec![self.folder.path().join("blobs/objects")];
        let mut count = 0;
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let entry = entry.expect("an entry");
                if entry.file_type().expect("a type").is_dir() {
                    waiting.push(entry.path());
                } else {
                    count += 1;
                }
            }
        }
        count
    }

    /// As [`insert_user`].
    pub async fn user(&self, account_id: &str, name: &str, policy: Option<&str>) -> String {
        insert_user(&self.app, account_id, name, policy).await
    }

    /// A role.
    pub async fn role(&self, role: Entity, policy: Option<&str>) {
        insert(&self.app, role, policy, None).await;
    }

    /// Puts another policy in place of the only one.
    pub async fn set_policy(&self, entity_id: &str, document: &str) {
        let policy =
            InlinePolicy { entity_id: entity_id.to_owned(), name: "inline".to_owned(), document: document.to_owned() };
        let written = self.app.db.write(move |tx| {
            policies_of_entities::upsert_inline(tx, &policy)?;
            identity_version::increment(tx)
        });
        written.await.expect("stored");
        self.app.load_identities().await.expect("readable");
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
        let written = self.app.db.write(move |tx| {
            assert!(oidc_providers::insert(tx, &provider)?);
            identity_version::increment(tx)
        });
        written.await.expect("stored");
        self.app.load_identities().await.expect("readable");
    }

    /// Who uses a permanent key.
    pub fn caller(&self, access_key_id: &str) -> Caller {
        let holder = keys::find(&self.app, access_key_id, None).expect("a key");
        holder.into_caller("us-east-1".parse().expect("a region"), access_key_id.to_owned())
    }

    /// The registry of the account's first region.
    pub fn registry(&self) -> store::tables::registry_id::RegistryId {
        let region = self.app.accounts.regions()[0].clone();
        store::tables::registry_id::RegistryId { account: account(ACCOUNT), region }
    }

    /// A request with no headers.
    pub fn request(&self) -> RequestContext {
        RequestContext {
            app: Arc::clone(&self.app),
            request_id: uuid::Uuid::nil(),
            method: http::Method::POST,
            path: "/".to_owned(),
            query: String::new(),
            headers: http::HeaderMap::new(),
            source_ip: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
            holder: Holder::alone([203, 0, 113, 9]),
            is_secure: false,
            authority: "localhost".to_owned(),
            notes: crate::http::record::Notes::default(),
            large_member: std::sync::OnceLock::new(),
            answer_share: std::sync::OnceLock::new(),
            finish: crate::http::finish::Finish::default(),
        }
    }
}

/// A user with one access key, whose id this returns, and one policy.
pub async fn insert_user(app: &App, account_id: &str, name: &str, policy: Option<&str>) -> String {
    let entity = entity(account_id, EntityKind::User, "/", name);
    let id = format!("AKIA{:0>16}", name.to_uppercase());
    let key = AccessKey {
        id: id.clone(),
        user_id: entity.id.clone(),
        sealed_secret: seal_small(&app.key_ring, SECRET_PURPOSE, id.as_bytes(), b"user secret"),
        is_active: true,
        created_at_ms: START_MS,
        last_used: None,
    };
    insert(app, entity, policy, Some(key)).await;
    id
}

async fn insert(app: &App, entity: Entity, policy: Option<&str>, key: Option<AccessKey>) {
    let inline = policy.map(|document| InlinePolicy {
        entity_id: entity.id.clone(),
        name: "inline".to_owned(),
        document: document.to_owned(),
    });
    let written = app.db.write(move |tx| {
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
    app.load_identities().await.expect("readable");
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
