//! ECR's API, as far as an import needs it: of the source, and of the target.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci::Digest;
use reqwest::Url;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::failure::Failure;
use super::login::Login;
use super::patience::Patience;
use super::pattern::is_wanted;
use super::registry::Registry;
use super::source::{ListedImage, Listing, Selection, companions};
use crate::client::Client;
use crate::error::Error;
use crate::options::Settings as Endpoint;

/// Entries of a page.
const PAGE: usize = 1_000;
/// More pages than any list has; ends what a faulty server would make endless.
const MAX_PAGES: usize = 100_000;
/// Tokens live 12 hours (reference/wire.md); a new one is had long before.
const PASSWORD_MS: i64 = 3 * 60 * 60 * 1_000;

/// Calls of ECR's API, tried again where that may help.
pub(super) struct EcrApi {
    client: Client,
    /// The registry's account, if it is not the caller's.
    account: Option<String>,
    patience: Patience,
    password: Mutex<Option<(String, i64)>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorization {
    authorization_data: Vec<AuthorizationData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationData {
    authorization_token: String,
    proxy_endpoint: String,
}

impl EcrApi {
    pub(super) fn new(
        endpoint: Endpoint,
        account: Option<String>,
        retries: u32,
        now_ms: fn() -> i64,
    ) -> Result<Self, Error> {
        let client = Client::new(endpoint, now_ms)?;
        Ok(Self { client, account, patience: Patience::new(retries), password: Mutex::new(None) })
    }

    /// Calls an operation, in the registry that this is about.
    pub(super) async fn call<T: DeserializeOwned>(&self, operation: &str, mut input: Value) -> Result<T, Failure> {
        if let Some(account) = &self.account {
            input["registryId"] = account.as_str().into();
        }
        self.call_as_is(operation, &input).await
    }

    async fn call_as_is<T: DeserializeOwned>(&self, operation: &str, input: &Value) -> Result<T, Failure> {
        let call = || async { Ok(self.client.ecr(operation, input).await?) };
        self.patience.run(call).await
    }

    /// All pages of a list, which answers hold as `list`.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        operation: &str,
        mut input: Value,
        list: &str,
    ) -> Result<Vec<T>, Failure> {
        let unreadable = |cause: String| Failure::Final(format!("the answer of {operation} cannot be read: {cause}"));
        input["maxResults"] = PAGE.into();
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let mut answer: Value = self.call(operation, input.clone()).await?;
            let entries = answer.get_mut(list).map_or(json!([]), Value::take);
            let entries: Vec<T> = serde_json::from_value(entries).map_err(|error| unreadable(error.to_string()))?;
            found.extend(entries);
            match answer.get_mut("nextToken").map(Value::take) {
                Some(Value::String(token)) => input["nextToken"] = token.into(),
                _ => return Ok(found),
            }
        }
        Err(unreadable("it does not end".to_owned()))
    }

    async fn authorization(&self) -> Result<AuthorizationData, Failure> {
        let input = match &self.account {
            Some(account) => json!({ "registryIds": [account] }),
            None => json!({}),
        };
        let answer: Authorization = self.call_as_is("GetAuthorizationToken", &input).await?;
        let data = answer.authorization_data.into_iter().next();
        data.ok_or_else(|| Failure::Final("GetAuthorizationToken gave no token".to_owned()))
    }

    /// The registry's password for the user `AWS`.
    pub(super) async fn password(&self) -> Result<String, Failure> {
        let now_ms = self.client.now_ms();
        let known = self.password.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((password, _)) = known.filter(|(_, until_ms)| *until_ms > now_ms) {
            return Ok(password);
        }
        let token = self.authorization().await?.authorization_token;
        let pair = STANDARD.decode(token).ok().and_then(|pair| String::from_utf8(pair).ok());
        let password = pair.as_deref().and_then(|pair| pair.split_once(':')).map(|(_, password)| password.to_owned());
        let password =
            password.ok_or_else(|| Failure::Final("GetAuthorizationToken gave what is no token".to_owned()))?;
        let mut known = self.password.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((password.clone(), now_ms.saturating_add(PASSWORD_MS)));
        Ok(password)
    }

    pub(super) fn forget_password(&self) {
        *self.password.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A registry of ECR as the source of an import.
pub(super) struct EcrRegistry {
    api: Arc<EcrApi>,
    pub(super) registry: Arc<Registry>,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    repository_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageDetail {
    image_digest: String,
    #[serde(default)]
    image_tags: Vec<String>,
    image_pushed_at: Option<f64>,
    image_status: Option<String>,
    subject_manifest_digest: Option<String>,
}

#[derive(Deserialize)]
struct Described {
    repositories: Vec<Value>,
}

/// What a repository of ECR is set to, as its operations give and take it.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// Members of CreateRepository.
    pub(super) creation: serde_json::Map<String, Value>,
    pub(super) repository_policy: Option<String>,
    pub(super) lifecycle_policy: Option<String>,
    /// What of it cannot be read.
    pub(super) problems: Vec<String>,
}

impl EcrRegistry {
    /// Asks the API where the registry is.
    pub(super) async fn open(
        api: EcrApi,
        trusted: &[PathBuf],
        retries: u32,
        now_ms: fn() -> i64,
    ) -> Result<Self, Failure> {
        let api = Arc::new(api);
        let endpoint = api.authorization().await?.proxy_endpoint;
        let base = Url::parse(&endpoint)
            .map_err(|_| Failure::Final(format!("the registry's endpoint '{endpoint}' is no URL")))?;
        let name = endpoint.trim_end_matches('/').to_owned();
        let name = match &api.account {
            Some(account) if !name.contains(account.as_str()) => format!("{name} (account {account})"),
            _ => name,
        };
        let registry = Registry::new(base, trusted, Login::Ecr(Arc::clone(&api)), retries, now_ms)?;
        Ok(Self { api, registry: Arc::new(registry), name })
    }

    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    pub(super) async fn repositories(&self) -> Result<Vec<String>, Failure> {
        let found: Vec<Named> = self.api.list("DescribeRepositories", json!({}), "repositories").await?;
        Ok(found.into_iter().map(|named| named.repository_name).collect())
    }

    /// What of a repository is wanted, in the order in which it was pushed: lifecycle policies count by that.
    pub(super) async fn list(&self, repository: &str, selection: &Selection) -> Result<Listing, Failure> {
        let input = json!({ "repositoryName": repository, "filter": { "imageStatus": "ANY" } });
        let details: Vec<ImageDetail> = self.api.list("DescribeImages", input, "imageDetails").await?;
        let mut listing = Listing::default();
        let mut referrers: HashMap<Digest, Vec<Digest>> = HashMap::new();
        let mut archived = 0;
        let mut images = Vec::new();
        for detail in details {
            let unreadable = || Failure::Final(format!("'{}' is no digest", detail.image_digest));
            let digest: Digest = detail.image_digest.parse().map_err(|_| unreadable())?;
            if detail.image_status.as_deref().is_some_and(|status| status != "ACTIVE") {
                archived += 1;
                continue;
            }
            let subject: Option<Digest> = detail.subject_manifest_digest.and_then(|subject| subject.parse().ok());
            if let Some(subject) = subject {
                referrers.entry(subject).or_default().push(digest);
            }
            let pushed_at_ms = detail.image_pushed_at.map(|seconds| (seconds * 1_000.0) as i64);
            images.push((ListedImage { digest, tags: detail.image_tags, pushed_at_ms }, subject.is_some()));
        }
        if archived > 0 {
            let notes = &mut listing.notes;
            notes.push(format!("{repository}: {archived} archived images cannot be read; restore them to import them"));
        }
        let mut selected = Vec::new();
        let mut others = Vec::new();
        for (image, _) in &images {
            let (selected_tags, other_tags): (Vec<&String>, Vec<&String>) =
                image.tags.iter().partition(|tag| is_wanted(&selection.tags, tag));
            selected.extend((!selected_tags.is_empty()).then_some(image.digest));
            others.extend(other_tags.into_iter().cloned());
        }
        let companions: HashSet<String> = companions(&others, selected.iter()).into_iter().collect();
        for (mut image, is_referrer) in images {
            if image.tags.is_empty() {
                // Referrers come with what they refer to.
                if selection.has_untagged && !is_referrer {
                    listing.images.push(image);
                }
                continue;
            }
            image.tags.retain(|tag| is_wanted(&selection.tags, tag) || companions.contains(tag));
            if !image.tags.is_empty() {
                listing.images.push(image);
            }
        }
        listing.images.sort_by_key(|image| (image.pushed_at_ms, image.digest));
        listing.referrers = Some(referrers);
        Ok(listing)
    }

    /// The settings of a repository.
    pub(super) async fn settings(&self, repository: &str) -> Result<Settings, Failure> {
        let input = json!({ "repositoryNames": [repository] });
        let described: Described = self.api.call("DescribeRepositories", input).await?;
        let found = described.repositories.into_iter().next().unwrap_or_default();
        let mut settings = Settings::default();
        let mut take = |name: &str| {
            if let Some(value) = found.get(name).filter(|value| value.as_array().is_none_or(|list| !list.is_empty())) {
                settings.creation.insert(name.to_owned(), value.clone());
            }
        };
        take("imageTagMutability");
        take("imageTagMutabilityExclusionFilters");
        take("imageScanningConfiguration");
        if let Some(arn) = found.get("repositoryArn").and_then(Value::as_str) {
            // The operation takes no registry.
            match self.api.call_as_is::<Value>("ListTagsForResource", &json!({ "resourceArn": arn })).await {
                Ok(mut answer) => {
                    if let Some(Value::Array(tags)) = answer.get_mut("tags").map(Value::take)
                        && !tags.is_empty()
                    {
                        settings.creation.insert("tags".to_owned(), tags.into());
                    }
                }
                Err(failure) => settings.problems.push(format!("its tags cannot be read: {failure}")),
            }
        }
        for (operation, member, what, place) in [
            ("GetRepositoryPolicy", "policyText", "its policy", &mut settings.repository_policy),
            ("GetLifecyclePolicy", "lifecyclePolicyText", "its lifecycle policy", &mut settings.lifecycle_policy),
        ] {
            match self.api.call::<Value>(operation, json!({ "repositoryName": repository })).await {
                Ok(answer) => *place = answer.get(member).and_then(Value::as_str).map(str::to_owned),
                Err(Failure::NotFound(_)) => {}
                Err(failure) => settings.problems.push(format!("{what} cannot be read: {failure}")),
            }
        }
        Ok(settings)
    }
}
