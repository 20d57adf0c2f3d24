//! Requests to upstream registries: logging in, redirects, limits, and what went wrong in the cache's own terms.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, StatusCode, header};
use oci::{Challenge, Digest, MAX_MANIFEST_BYTES, MediaType, Reference, RepositoryName};
use reqwest::{Response, Url};
use runtime::boxed;
use runtime::outbound::{OutboundClient, Patience, cause_of};
use serde::Deserialize;

use super::credentials::Credentials;
use super::settings::CacheSettings;
use super::upstream_registry::UpstreamUrl;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest silence in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// For everything but blobs, from the first connection to the last byte.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// For an upstream to begin to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: usize = 5;
const MAX_TOKEN_ANSWER_BYTES: usize = 256 * 1024;
/// Logins that are remembered; when there are more, all are forgotten.
const MAX_LOGINS: usize = 4096;
/// A token without a life span lives so long (OCI distribution, token authentication).
const DEFAULT_TOKEN_SECONDS: i64 = 60;
const MAX_TOKEN_SECONDS: i64 = 60 * 60;
const ACCEPTED_MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.cncf.oras.artifact.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.5, */*;q=0.1";

/// Why an upstream does not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// It has no such thing.
    NotFound,
    /// It does not let us in; says with which status.
    AccessDenied(String),
    /// We ask it too often.
    TooManyRequests,
    /// It cannot be reached, or does not do its work; says how.
    Unavailable(String),
    /// What it gives cannot be taken: another digest, too long, no manifest; says what.
    Unusable(String),
}

impl fmt::Display for UpstreamFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("The upstream registry has no such image"),
            Self::AccessDenied(status) => write!(f, "The upstream registry denied access: {status}"),
            Self::TooManyRequests => f.write_str("The upstream registry answered: 429 Too Many Requests"),
            Self::Unavailable(cause) => write!(f, "The upstream registry is not available: {cause}"),
            Self::Unusable(cause) => write!(f, "What the upstream registry sent cannot be used: {cause}"),
        }
    }
}

/// A repository of an upstream registry, and what to log in with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamRepository {
    /// Where the registry is reached.
    pub endpoint: UpstreamUrl,
    /// The repository's name there.
    pub name: RepositoryName,
    /// What to log in with.
    pub credentials: Option<Credentials>,
}

/// A manifest as it came, checked against the digests that were named.
#[derive(Clone, Debug)]
pub struct UpstreamManifest {
    /// Its digest.
    pub digest: Digest,
    /// The type that the upstream declares.
    pub media_type: Option<MediaType>,
    /// Its bytes.
    pub bytes: bytes::Bytes,
}

/// What a request is authorized with, until then.
#[derive(Clone)]
struct Login {
    authorization: HeaderValue,
    until_ms: i64,
}

/// Makes requests to upstream registries.
pub struct UpstreamClient {
    http: OutboundClient,
    allow_http: bool,
    logins: Mutex<HashMap<UpstreamRepository, Login>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<i64>,
}

impl UpstreamClient {
    /// Within the networks of the configuration.
    pub fn new(settings: &CacheSettings) -> Self {
        let patience = Patience { connect: CONNECT_TIMEOUT, read: Some(READ_TIMEOUT), idle_connections: 8 };
        Self {
            http: OutboundClient::new(settings.networks.clone(), settings.certificates.clone(), patience),
            allow_http: settings.allow_http,
            logins: Mutex::default(),
        }
    }

    /// The digest that a tag has upstream; none if the upstream does not say it.
    pub async fn tag_digest(
        &self,
        repository: &UpstreamRepository,
        reference: &Reference,
        now_ms: i64,
    ) -> Result<Option<Digest>, UpstreamFailure> {
        let path = format!("manifests/{}", reference_text(reference));
        let request = Request { method: Method::HEAD, path, accept: ACCEPTED_MANIFESTS };
        let answer = within(DOCUMENT_TIMEOUT, self.send(repository, &request, now_ms)).await?;
        named_digest(&answer)
    }

    /// A manifest, of the digest that was asked for.
    #[boxed]
    pub async fn manifest(
        &self,
        repository: &UpstreamRepository,
        reference: &Reference,
        now_ms: i64,
    ) -> Result<UpstreamManifest, UpstreamFailure> {
        let path = format!("manifests/{}", reference_text(reference));
        let request = Request { method: Method::GET, path, accept: ACCEPTED_MANIFESTS };
        let fetched = async {
            let answer = self.send(repository, &request, now_ms).await?;
            let named = named_digest(&answer)?;
            let media_type = answer
                .headers()
                .get(header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.parse().ok());
            Ok((named, media_type, read(answer, MAX_MANIFEST_BYTES).await?))
        };
        let (named, media_type, bytes) = within(DOCUMENT_TIMEOUT, fetched).await?;
        let expected = match reference {
            Reference::Digest(digest) => Some(*digest),
            Reference::Tag(_) => named,
        };
        let digest = match expected.map(|digest| digest.algorithm()) {
            Some(oci::Algorithm::Sha512) => Digest::sha512_of(&bytes),
            Some(oci::Algorithm::Sha256) | None => Digest::sha256_of(&bytes),
        };
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(UpstreamFailure::Unusable(format!("a manifest has the digest {digest} and not {expected}")));
        }
        Ok(UpstreamManifest { digest, media_type, bytes: bytes.into() })
    }

    /// The answer that a blob comes in.
    #[boxed]
    pub async fn blob(
        &self,
        repository: &UpstreamRepository,
        digest: &Digest,
        now_ms: i64,
    ) -> Result<Response, UpstreamFailure> {
        let request = Request { method: Method::GET, path: format!("blobs/{digest}"), accept: "*/*" };
        within(ANSWER_TIMEOUT, self.send(repository, &request, now_ms)).await
    }

    /// A page of the index of what refers to an image (OCI distribution, "Listing Referrers").
    #[boxed]
    pub async fn referrers(
        &self,
        repository: &UpstreamRepository,
        subject: &Digest,
        now_ms: i64,
    ) -> Result<Vec<u8>, UpstreamFailure> {
        const INDEX: &str = "application/vnd.oci.image.index.v1+json";
        let request = Request { method: Method::GET, path: format!("referrers/{subject}"), accept: INDEX };
        let fetched = async { read(self.send(repository, &request, now_ms).await?, MAX_MANIFEST_BYTES).await };
        within(DOCUMENT_TIMEOUT, fetched).await
    }

    /// Whether the upstream lets us in at all.
    #[boxed]
    pub async fn log_in(&self, repository: &UpstreamRepository, now_ms: i64) -> Result<(), UpstreamFailure> {
        let base = format!("{}/v2/", repository.endpoint);
        let url = Url::parse(&base).map_err(|_| UpstreamFailure::Unavailable("it has no URL".to_owned()))?;
        within(DOCUMENT_TIMEOUT, self.send_to(repository, url, &Method::GET, "*/*", now_ms)).await.map(drop)
    }

    async fn send(
        &self,
        repository: &UpstreamRepository,
        request: &Request,
        now_ms: i64,
    ) -> Result<Response, UpstreamFailure> {
        let url = format!("{}/v2/{}/{}", repository.endpoint, repository.name, request.path);
        let url = Url::parse(&url).map_err(|_| UpstreamFailure::Unavailable("it has no URL".to_owned()))?;
        self.send_to(repository, url, &request.method, request.accept, now_ms).await
    }

    /// Sends a request with what is known to open the door, and once more with what the upstream then asks for.
    async fn send_to(
        &self,
        repository: &UpstreamRepository,
        url: Url,
        method: &Method,
        accept: &'static str,
        now_ms: i64,
    ) -> Result<Response, UpstreamFailure> {
        let known = self.known_login(repository, now_ms);
        let answer = self.follow(method, url.clone(), known, accept).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return judge(answer);
        }
        let values = answer.headers().get_all(header::WWW_AUTHENTICATE);
        let challenge = Challenge::choose(values.iter().filter_map(|value| value.to_str().ok()));
        let login = match challenge {
            Some(challenge) => self.answer_challenge(repository, challenge, now_ms).await?,
            None => None,
        };
        let Some(login) = login else { return judge(answer) };
        let answer = self.follow(method, url, Some(login.authorization.clone()), accept).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.forget_login(repository);
        } else {
            self.remember_login(repository, login);
        }
        judge(answer)
    }

    /// What answers a challenge; none if there is nothing to answer with.
    async fn answer_challenge(
        &self,
        repository: &UpstreamRepository,
        challenge: Challenge,
        now_ms: i64,
    ) -> Result<Option<Login>, UpstreamFailure> {
        let Challenge::Bearer { realm, service, scope } = challenge else {
            let login = repository.credentials.as_ref().and_then(basic);
            return Ok(login.map(|authorization| Login { authorization, until_ms: i64::MAX }));
        };
        let unavailable = |cause: &str| UpstreamFailure::Unavailable(format!("its token server {cause}"));
        let mut url = Url::parse(&realm).map_err(|_| unavailable("has no URL"))?;
        if url.scheme() != "https" && !(url.scheme() == "http" && (self.allow_http || repository.endpoint.is_plain())) {
            return Err(unavailable("must be reached with https"));
        }
        let authorization = match &repository.credentials {
            Some(credentials) => {
                require_trusted(&repository.endpoint, credentials, &url)?;
                basic(credentials)
            }
            None => None,
        };
        url.query_pairs_mut()
            .extend_pairs(service.map(|service| ("service", service)))
            .append_pair("scope", &scope.unwrap_or_else(|| format!("repository:{}:pull", repository.name)));
        let answer = match judge(self.follow(&Method::GET, url, authorization, "application/json").await?) {
            Err(UpstreamFailure::NotFound) => return Err(unavailable("answered 404 Not Found")),
            answer => answer?,
        };
        let body = read(answer, MAX_TOKEN_ANSWER_BYTES).await?;
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| unavailable("gave no token"))?;
        let token = answer.token.or(answer.access_token).ok_or_else(|| unavailable("gave no token"))?;
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| unavailable("gave what is no token"))?;
        authorization.set_sensitive(true);
        let seconds = answer.expires_in.unwrap_or(DEFAULT_TOKEN_SECONDS).clamp(0, MAX_TOKEN_SECONDS);
        // Renewed before it ends, so that none ends on its way.
        Ok(Some(Login { authorization, until_ms: now_ms + seconds * 900 }))
    }

    /// Sends a request and follows where it is redirected. What it is authorized with goes to no other host.
    async fn follow(
        &self,
        method: &Method,
        mut url: Url,
        authorization: Option<HeaderValue>,
        accept: &'static str,
    ) -> Result<Response, UpstreamFailure> {
        let unavailable = |cause: String| UpstreamFailure::Unavailable(cause);
        let origin = url.origin();
        for _ in 0..=MAX_REDIRECTS {
            let client = self.http.for_url(&url).map_err(unavailable)?;
            let mut request = client.request(method.clone(), url.clone()).header(header::ACCEPT, accept);
            if let Some(authorization) = authorization.as_ref().filter(|_| url.origin() == origin) {
                request = request.header(header::AUTHORIZATION, authorization.clone());
            }
            let answer = request.send().await.map_err(|error| unavailable(cause_of(&error)))?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            let location = location.ok_or_else(|| unavailable("it redirected to nowhere".to_owned()))?;
            let next = url.join(location).map_err(|_| unavailable("it redirected to what is no URL".to_owned()))?;
            let is_allowed = match next.scheme() {
                "https" => true,
                "http" => self.allow_http || (url.scheme() == "http" && next.origin() == origin),
                _ => false,
            };
            if !is_allowed {
                return Err(unavailable("it redirected to where https is not spoken".to_owned()));
            }
            url = next;
        }
        Err(unavailable(format!("it redirected more than {MAX_REDIRECTS} times")))
    }

    fn known_login(&self, repository: &UpstreamRepository, now_ms: i64) -> Option<HeaderValue> {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let login = logins.get(repository).filter(|login| login.until_ms > now_ms)?;
        Some(login.authorization.clone())
    }

    fn remember_login(&self, repository: &UpstreamRepository, login: Login) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        if logins.len() >= MAX_LOGINS {
            logins.clear();
        }
        logins.insert(repository.clone(), login);
    }

    fn forget_login(&self, repository: &UpstreamRepository) {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).remove(repository);
    }
}

struct Request {
    method: Method,
    path: String,
    accept: &'static str,
}

fn reference_text(reference: &Reference) -> String {
    match reference {
        Reference::Tag(tag) => tag.to_string(),
        Reference::Digest(digest) => digest.to_string(),
    }
}

/// Refuses to send a login to a token server that the upstream names: one that is not reached with https though the upstream
/// is, or, where the secret is bound, one that is neither the upstream itself nor what it is bound to.
fn require_trusted(endpoint: &UpstreamUrl, credentials: &Credentials, realm: &Url) -> Result<(), UpstreamFailure> {
    let denied = |text: String| Err(UpstreamFailure::AccessDenied(text));
    // As the host and port that it is, whatever its path.
    let Ok(place) = realm.origin().ascii_serialization().parse::<UpstreamUrl>() else {
        return Err(UpstreamFailure::Unavailable("its token server has no URL".to_owned()));
    };
    if place.is_plain() && !endpoint.is_plain() && !place.is_loopback() {
        return denied(format!("the login is not sent to its token server {place}, which is not reached with https"));
    }
    let bound_to = &credentials.bound_to;
    let is_trusted = bound_to.is_empty()
        || place.is_same_place(endpoint)
        || bound_to.iter().any(|bound| bound.allows(&place) || bound.has_token_server(&place));
    if is_trusted {
        return Ok(());
    }
    denied(format!("the member registry of the secret's value does not name its token server {place}"))
}

fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    let pair = format!("{}:{}", credentials.username, credentials.access_token);
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, UpstreamFailure>>,
) -> Result<T, UpstreamFailure> {
    runtime::timer::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(UpstreamFailure::Unavailable(format!("it took more than {} seconds to answer", limit.as_secs())))
    })
}

/// Takes an answer for what it says.
fn judge(answer: Response) -> Result<Response, UpstreamFailure> {
    let status = answer.status();
    match status {
        StatusCode::OK => Ok(answer),
        StatusCode::NOT_FOUND => Err(UpstreamFailure::NotFound),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(UpstreamFailure::AccessDenied(status.to_string())),
        StatusCode::TOO_MANY_REQUESTS => Err(UpstreamFailure::TooManyRequests),
        _ => Err(UpstreamFailure::Unavailable(format!("it answered {status}"))),
    }
}

/// The digest that an answer names.
fn named_digest(answer: &Response) -> Result<Option<Digest>, UpstreamFailure> {
    let Some(value) = answer.headers().get("docker-content-digest") else { return Ok(None) };
    let digest = value.to_str().ok().and_then(|text| text.parse().ok());
    digest.map(Some).ok_or_else(|| UpstreamFailure::Unusable("it names what is no digest".to_owned()))
}

/// A whole body, if it is at most `limit` bytes long.
async fn read(mut answer: Response, limit: usize) -> Result<Vec<u8>, UpstreamFailure> {
    let too_long = || UpstreamFailure::Unusable(format!("an answer is longer than {limit} bytes"));
    if answer.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| UpstreamFailure::Unavailable(cause_of(&error)))? {
        if body.len() + chunk.len() > limit {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
