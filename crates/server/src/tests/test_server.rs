//! A server for one test.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;

use aws::AccountId;
use store::tables::iam::access_keys::{self, AccessKey};
use store::tables::iam::entities::{self, Entity, EntityKind};
use store::tables::iam::policies_of_entities::{self, InlinePolicy};
use store::tables::identity_version;

use crate::Server;
use crate::app::App;
use crate::auth::caller::Caller;
use crate::auth::directory::SECRET_PURPOSE;
use crate::auth::keys;
use crate::clock::ManualClock;
use crate::config::Config;
use crate::http::request::RequestContext;

/// The time at which the clock stands.
const NOW_MS: i64 = 1_795_000_000_000;

/// A running server; stopped with [`stop`](Self::stop).
pub struct TestServer {
    server: Server,
    _folder: tempfile::TempDir,
}

impl Deref for TestServer {
    type Target = Arc<App>;

    fn deref(&self) -> &Arc<App> {
        &self.server.app
    }
}

impl TestServer {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config {
            data_dir: Some(folder.path().to_owned()),
            listen: Some("127.0.0.1:0".parse().expect("an address")),
            ..Config::default()
        };
        let server = Server::start(&config, Arc::new(ManualClock::new(NOW_MS))).await.expect("starts");
        Self { server, _folder: folder }
    }

    pub async fn stop(self) {
        self.server.stop().await;
    }

    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    pub fn account(&self) -> AccountId {
        self.accounts.ids()[0]
    }

    /// A user with one key and, if one is given, one inline policy; the key's id is its name in upper case.
    pub async fn user(&self, name: &str, policy: Option<&str>) -> Caller {
        let key_id = format!("AKIA{:0>16}", name.to_uppercase());
        let entity = Entity {
            id: format!("AIDA{:0>17}", name.to_uppercase()),
            account: self.account(),
            kind: EntityKind::User,
            name: name.to_owned(),
            path: "/".to_owned(),
            created_at_ms: NOW_MS,
            boundary_arn: None,
            tags: Vec::new(),
            description: None,
            trust_policy: None,
            max_session_seconds: 0,
        };
        let key = AccessKey {
            id: key_id.clone(),
            user_id: entity.id.clone(),
            sealed_secret: store::blob::seal_small(&self.service_key, SECRET_PURPOSE, key_id.as_bytes(), b"secret"),
            is_active: true,
            created_at_ms: NOW_MS,
            last_used: None,
        };
        let policy = policy.map(|document| InlinePolicy {
            entity_id: entity.id.clone(),
            name: "inline".to_owned(),
            document: document.to_owned(),
        });
        self.db
            .write(move |tx| {
                assert!(entities::insert(tx, &entity)?, "the name is free");
                access_keys::insert(tx, &key)?;
                if let Some(policy) = &policy {
                    policies_of_entities::upsert_inline(tx, policy)?;
                }
                identity_version::increment(tx)
            })
            .await
            .expect("stored");
        self.refresh_identities().await.expect("reloaded");
        let region = self.accounts.regions()[0].clone();
        keys::find(self, &key_id, None).expect("the key is good").into_caller(region, key_id)
    }

    /// A request's head, as if it had come over the network.
    pub fn request(&self) -> RequestContext {
        RequestContext {
            app: Arc::clone(self),
            request_id: uuid::Uuid::new_v4(),
            method: http::Method::POST,
            path: "/".to_owned(),
            query: String::new(),
            headers: http::HeaderMap::new(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            authority: "localhost".to_owned(),
        }
    }
}
