//! The server, its principals and its upstream, and what one sequence calls its repositories, layers and images.

use ecr_services::ecr;
use std::collections::HashMap;

use api::protocols::operation::Call;
use bytes::Bytes;
use http::{Method, header};
use oci::Digest;
use registry::cache::config::PullThroughCacheConfig;
use registry::cache::settings::CacheSettings;
use registry_services::admin_api;
use runtime::limits::Limits;
use serde_json::{Value, json};
use upkeep::background::work_off;

use super::super::test_app::{ACCOUNT, OTHER_ACCOUNT, TestApp, TestSetup, root_key};
use super::model::{BLOBS, IMAGES, Kind, Principal, RepositoryKey};
use super::upstream::Upstream;
use super::wire::{Reply, Request, Wire};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Longer than what the database keeps.
const LARGE_BYTES: usize = 5_000;
/// No token ends while a clock is moved by days again and again.
const LONG_MS: i64 = 100 * 365 * 24 * 60 * 60 * 1000;

pub fn account_id(account: usize) -> &'static str {
    [ACCOUNT, OTHER_ACCOUNT][account]
}

/// Where docker finds an account's registry.
pub fn host(account: usize) -> String {
    format!("{}.dkr.ecr.us-east-1.amazonaws.com", account_id(account))
}

/// The layers and images of one sequence: nobody else has the same.
pub struct Contents {
    sequence: String,
    pub blobs: Vec<(Digest, Vec<u8>)>,
    pub images: Vec<(Digest, String)>,
}

impl Contents {
    pub fn new(sequence: &str) -> Self {
        let blobs: Vec<(Digest, Vec<u8>)> = (0..BLOBS)
            .map(|blob| {
                let mut content = format!("layer {blob} of {sequence}").into_bytes();
                if blob + 1 == BLOBS {
                    content.resize(LARGE_BYTES, b'x');
                }
                (Digest::sha256_of(&content), content)
            })
            .collect();
        let images = IMAGES.map(|[config, layer]| {
            let named = |blob: usize, media_type: &str| {
                let (digest, content) = &blobs[blob];
                json!({"mediaType": media_type, "digest": digest, "size": content.len()})
            };
            let manifest = json!({
                "schemaVersion": 2, "mediaType": MANIFEST, "config": named(config, CONFIG),
                "layers": [named(layer, LAYER)],
            });
            let manifest = manifest.to_string();
            (Digest::sha256_of(manifest.as_bytes()), manifest)
        });
        Self { sequence: sequence.to_owned(), blobs, images: images.into() }
    }

    pub fn name(&self, kind: Kind) -> String {
        let folder = match kind {
            Kind::One => "one",
            Kind::Two => "two",
            Kind::Cache => "cache",
        };
        format!("{folder}/s{}", self.sequence)
    }

    /// All that the upstream has of it.
    pub fn upstream(&self, has: [bool; BLOBS]) -> Vec<(String, Bytes)> {
        let blobs = self.blobs.iter().zip(has).filter(|(_, has)| *has);
        let blobs = blobs.map(|((digest, content), _)| (digest.to_string(), Bytes::from(content.clone())));
        let images = self.images.iter().map(|(digest, manifest)| (digest.to_string(), Bytes::from(manifest.clone())));
        blobs.chain(images).collect()
    }
}

pub struct World {
    pub test: TestApp,
    pub upstream: Upstream,
    wire: Wire,
    tokens: HashMap<Principal, String>,
    /// Of the user.
    user_key: String,
    pub mounting: [bool; 2],
    /// How many it has been used for.
    pub sequences: usize,
}

impl World {
    pub async fn new() -> Self {
        let upstream = Upstream::start().await;
        let endpoints =
            std::collections::BTreeMap::from([("quay.io".to_owned(), format!("http://{}", upstream.address))]);
        let cache = PullThroughCacheConfig { endpoints, ..PullThroughCacheConfig::default() };
        let cache = CacheSettings::read(&cache).expect("a good configuration");
        let limits = Limits { token_lifetime_ms: LONG_MS, ..Limits::default() };
        let test = TestApp::of(TestSetup { limits, ..TestSetup::default() }, cache).await;
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
            {"Effect": "Allow", "Action": ["ecr:*", "wharf:*"],
             "Resource": format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/one/*")}]});
        let user_key = test.user(ACCOUNT, "somebody", Some(&policy.to_string())).await;
        let wire = Wire::connect(&test.app).await;
        let mut world =
            Self { test, upstream, wire, tokens: HashMap::new(), user_key, mounting: [false; 2], sequences: 0 };
        for account in 0..2 {
            world.prepare_account(account).await;
        }
        for who in Principal::ALL {
            let answer = world.call(who, "GetAuthorizationToken", json!({})).await.expect("a token");
            let token = answer["authorizationData"][0]["authorizationToken"].as_str().expect("a token").to_owned();
            world.tokens.insert(who, format!("Basic {token}"));
        }
        world
    }

    async fn prepare_account(&mut self, account: usize) {
        let (who, other) = (Principal::Root(account), account_id(1 - account));
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{other}:root")},
            "Action": ["ecr:ReplicateImage", "ecr:CreateRepository"],
            "Resource": format!("arn:aws:ecr:us-east-1:{}:repository/*", account_id(account))}]});
        self.done(who, "PutRegistryPolicy", json!({"policyText": policy.to_string()})).await;
        let rule = json!({"ecrRepositoryPrefix": "cache", "upstreamRegistryUrl": "quay.io"});
        self.done(who, "CreatePullThroughCacheRule", rule).await;
        if account == 0 {
            let rules = json!({"rules": [{
                "destinations": [{"region": "us-east-1", "registryId": other}],
                "repositoryFilters": [{"filter": "one/", "filterType": "PREFIX_MATCH"}]}]});
            self.done(who, "PutReplicationConfiguration", json!({"replicationConfiguration": rules})).await;
        }
    }

    async fn done(&self, who: Principal, operation: &str, input: Value) {
        self.call(who, operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error}"));
    }

    pub async fn set_mounting(&mut self, account: usize, is_on: bool) {
        if self.mounting[account] != is_on {
            let value = if is_on { "ENABLED" } else { "DISABLED" };
            let input = json!({"name": "BLOB_MOUNTING", "value": value});
            self.done(Principal::Root(account), "PutAccountSetting", input).await;
            self.mounting[account] = is_on;
        }
    }

    /// Calls an operation of ECR's or of Wharf's own.
    pub async fn call(&self, who: Principal, operation: &str, input: Value) -> Result<Value, String> {
        let http = self.test.request();
        let services = [&ecr::SERVICE, &admin_api::SERVICE];
        let entry = services.iter().find_map(|service| service.entry(operation)).expect("an operation");
        let caller = match who {
            Principal::Root(account) => self.test.caller(&root_key(account_id(account))),
            Principal::User => self.test.caller(&self.user_key),
        };
        let answer = (entry.run)(&Call::new(&self.test.app, &http, caller), input.to_string().as_bytes()).await;
        answer
            .map(|bytes| serde_json::from_slice(&bytes).expect("JSON"))
            .map_err(|error| format!("{}: {}", error.code, error.message))
    }

    /// A request under `/v2/`, at the registry of an account.
    pub async fn v2(&mut self, who: Principal, account: usize, method: Method, path: String, body: &[u8]) -> Reply {
        let host = host(account);
        let request = Request {
            method,
            host: &host,
            path: format!("/v2/{path}"),
            authorization: self.tokens.get(&who).map(String::as_str),
            content_type: path.contains("/manifests/").then_some(MANIFEST),
            body: body.to_vec(),
        };
        self.wire.send(request).await
    }

    /// A request to a path that is its own password.
    pub async fn open(&mut self, method: Method, path: String, body: &[u8]) -> Reply {
        let request =
            Request { method, host: "localhost", path, authorization: None, content_type: None, body: body.to_vec() };
        self.wire.send(request).await
    }

    pub async fn settle(&self) {
        work_off(&self.test.app).await;
    }
}

/// The path of an upload that was begun, with its query if it has one.
pub fn location(reply: &Reply) -> Option<String> {
    let location = reply.headers.get(header::LOCATION)?.to_str().ok()?;
    location.strip_prefix("/v2/").map(str::to_owned)
}

/// The members that name a repository.
pub fn members(contents: &Contents, place: RepositoryKey) -> Value {
    json!({"registryId": account_id(place.account), "repositoryName": contents.name(place.kind)})
}
