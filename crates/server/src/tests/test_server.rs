//! A server for one test.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::sync::Arc;

use access::auth::caller::Caller;
use access::auth::keys;
use access::request::RequestContext;
use aws::AccountId;
use config::settings::Config;
use registry::Registry;
use runtime::clock::ManualClock;

use super::test_app::{START_MS, insert_user, request_from};
use crate::Server;

/// A running server; stopped with [`stop`](Self::stop).
pub struct TestServer {
    server: Server,
    _folder: tempfile::TempDir,
}

impl Deref for TestServer {
    type Target = Arc<Registry>;

    fn deref(&self) -> &Arc<Registry> {
        &self.server.app
    }
}

impl TestServer {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config {
            data_dir: Some(folder.path().to_owned()),
            listen: Some("127.0.0.1:0".parse().expect("an address")),
            ballast_mib: Some(0),
            ..Config::default()
        };
        let server = Server::start(&config, Arc::new(ManualClock::new(START_MS))).await.expect("starts");
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

    /// A user with one key and, if one is given, one inline policy.
    pub async fn user(&self, name: &str, policy: Option<&str>) -> Caller {
        let key_id = insert_user(self, self.account().as_str(), name, policy).await;
        let region = self.accounts.regions()[0].clone();
        keys::find(self, &key_id, None).expect("the key is good").into_caller(region, key_id)
    }

    /// A request's head, as if it had come over the network.
    pub fn request(&self) -> RequestContext {
        request_from(&self.access, Ipv4Addr::LOCALHOST.into())
    }
}
