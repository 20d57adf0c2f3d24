//! The registry that an import writes to: ECR's API for repositories, the registry protocol for their content.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use oci::{Digest, RepositoryName};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ecr::{EcrApi, Settings};
use super::failure::Failure;
use super::http::{new_client, refusal};
use super::login::{Doorman, Login};
use super::patience::Patience;
use super::source::Fetched;
use crate::error::Error;

/// For what has no long body.
const SHORT_TIMEOUT: Duration = Duration::from_secs(120);

/// The target of an import.
pub(super) struct Destination {
    api: Arc<EcrApi>,
    http: Client,
    base: Url,
    doorman: Doorman,
    pub(super) patience: Patience,
    /// Uploads that the target waits for.
    pub(super) open_uploads: Mutex<HashSet<Url>>,
}

/// What the target has of a repository.
#[derive(Debug, Default)]
pub(super) struct Present {
    pub(super) images: HashSet<Digest>,
    pub(super) tags: HashMap<String, Digest>,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageId {
    image_digest: Digest,
    image_tag: Option<String>,
}

impl Destination {
    pub(super) fn new(
        api: Arc<EcrApi>,
        base: Url,
        trusted: &[PathBuf],
        retries: u32,
        now_ms: fn() -> i64,
    ) -> Result<Self, Error> {
        // Without a limit for silence: nothing comes while a part is sent.
        let http = new_client(&base, trusted, None)?;
        let doorman = Doorman::new(Login::Ecr(Arc::clone(&api)), base.scheme() == "http", now_ms);
        Ok(Self { api, http, base, doorman, patience: Patience::new(retries), open_uploads: Mutex::default() })
    }

    // --- Repositories -----------------------------------------------------------------------------------------------

    /// Whether a repository is there.
    pub(super) async fn has_repository(&self, name: &RepositoryName) -> Result<bool, Failure> {
        let input = json!({ "repositoryNames": [name.as_str()] });
        match self.api.call::<Value>("DescribeRepositories", input).await {
            Ok(_) => Ok(true),
            Err(Failure::NotFound(_)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Creates a repository with these settings.
    pub(super) async fn create_repository(
        &self,
        name: &RepositoryName,
        settings: Option<&Settings>,
    ) -> Result<(), Failure> {
        let mut input = Value::Object(settings.map(|settings| settings.creation.clone()).unwrap_or_default());
        input["repositoryName"] = name.as_str().into();
        match self.api.call::<Value>("CreateRepository", input).await {
            // It exists if an attempt before this one made it, and its answer was lost.
            Ok(_) | Err(Failure::Exists(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Gives a repository the policy of the source, unless it has one.
    pub(super) async fn put_policy(&self, name: &RepositoryName, kind: PolicyKind, text: &str) -> Result<(), Failure> {
        let (get, put, member) = match kind {
            PolicyKind::Repository => ("GetRepositoryPolicy", "SetRepositoryPolicy", "policyText"),
            PolicyKind::Lifecycle => ("GetLifecyclePolicy", "PutLifecyclePolicy", "lifecyclePolicyText"),
        };
        match self.api.call::<Value>(get, json!({ "repositoryName": name.as_str() })).await {
            Ok(_) => Ok(()),
            Err(Failure::NotFound(_)) => {
                let input = json!({ "repositoryName": name.as_str(), member: text });
                self.api.call::<Value>(put, input).await.map(drop)
            }
            Err(failure) => Err(failure),
        }
    }

    /// What a repository has.
    pub(super) async fn present(&self, name: &RepositoryName) -> Result<Present, Failure> {
        let input = json!({ "repositoryName": name.as_str(), "filter": { "imageStatus": "ANY" } });
        let ids: Vec<ImageId> = self.api.list("ListImages", input, "imageIds").await?;
        let mut present = Present::default();
        for id in ids {
            present.images.insert(id.image_digest);
            if let Some(tag) = id.image_tag {
                present.tags.insert(tag, id.image_digest);
            }
        }
        Ok(present)
    }

    // --- Images -----------------------------------------------------------------------------------------------------

    pub(super) fn url(&self, path: &str) -> Result<Url, Failure> {
        self.base.join(path).map_err(|_| Failure::Final(format!("'{path}' makes no URL")))
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &[(HeaderName, String)],
        body: Option<reqwest::Body>,
    ) -> Result<Response, Failure> {
        let mut request = self.http.request(method, url.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = self.doorman.known("").await? {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer =
            request.send().await.map_err(|error| Failure::unreachable(self.base.as_str(), &self.base, &error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let failure = refusal("the target", answer).await;
        if status == StatusCode::UNAUTHORIZED {
            // The token has ended; the API says it if the key has as well.
            self.doorman.forget("");
            return Err(Failure::passing(failure.to_string()));
        }
        Err(failure)
    }

    pub(super) async fn send_short(
        &self,
        method: Method,
        url: &Url,
        headers: &[(HeaderName, String)],
        body: Option<Bytes>,
    ) -> Result<Response, Failure> {
        let sent = self.send(method, url, headers, body.map(reqwest::Body::from));
        let late = |_| Err(Failure::passing(format!("{} did not answer in time", self.base)));
        tokio::time::timeout(SHORT_TIMEOUT, sent).await.unwrap_or_else(late)
    }

    /// Whether a repository has a blob.
    pub(super) async fn has_blob(&self, name: &RepositoryName, digest: Digest) -> Result<bool, Failure> {
        let url = self.url(&format!("/v2/{name}/blobs/{digest}"))?;
        let asked = || self.send_short(Method::HEAD, &url, &[], None);
        match self.patience.run(asked).await {
            Ok(_) => Ok(true),
            Err(Failure::NotFound(_)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Stores a manifest, under a tag or by its digest alone.
    pub(super) async fn put_manifest(
        &self,
        name: &RepositoryName,
        tag: Option<&str>,
        image: &Fetched,
    ) -> Result<(), Failure> {
        let reference = tag.map_or_else(|| image.digest.to_string(), str::to_owned);
        let url = self.url(&format!("/v2/{name}/manifests/{reference}"))?;
        let headers = [(CONTENT_TYPE, image.manifest.media_type.to_string())];
        let put = || self.send_short(Method::PUT, &url, &headers, Some(image.bytes.clone()));
        self.patience.run(put).await.map(drop)
    }
}

/// The two policies of a repository.
#[derive(Clone, Copy, Debug)]
pub(super) enum PolicyKind {
    Repository,
    Lifecycle,
}
