//! Fetching an issuer's documents: bounded in time, size and redirects, and never from where it must not go.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, StatusCode, Url, header, redirect};
use serde::Deserialize;

use super::keys::Keys;
use super::networks::is_public;

const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest document.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
const MAX_REDIRECTS: usize = 3;

/// Why a document was not to be had: its URL, and a cause that names no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchError {
    url: String,
    cause: String,
}

impl FetchError {
    pub(super) fn new(url: &str, cause: impl Into<String>) -> Self {
        Self { url: url.to_owned(), cause: cause.into() }
    }
}

impl std::fmt::Display for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Couldn't read {}: {}", self.url, self.cause)
    }
}

/// The name leads to an address that is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("the host is in a private network")]
struct PrivateNetwork;

/// Resolves names; connections go to no address but those that were checked here.
struct CheckedResolver {
    allow_private_networks: bool,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private_networks = self.allow_private_networks;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|found| allow_private_networks || is_public(found.ip())).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(PrivateNetwork.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Fetches documents.
pub struct Fetcher {
    allow_private_networks: bool,
    /// Made at its first use: it reads all certificates that the machine trusts.
    client: OnceLock<Result<Client, String>>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    /// `allow_private_networks` opens networks that are not the internet.
    pub fn new(allow_private_networks: bool) -> Self {
        Self { allow_private_networks, client: OnceLock::new() }
    }

    /// The keys of an issuer, by discovery (OpenID Connect Discovery 1.0, section 4).
    pub async fn keys(&self, issuer: &str) -> Result<Keys, FetchError> {
        let discovery_url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let url = parse(&discovery_url)?;
        // Plain text is for issuers on this machine, in tests and development.
        let allow_http = url.scheme() == "http" && is_loopback(&url);
        let document = self.get(url, allow_http).await?;
        let discovery: Discovery = serde_json::from_slice(&document)
            .map_err(|_| FetchError::new(&discovery_url, "it is not an OpenID Connect configuration"))?;
        if discovery.issuer != issuer {
            return Err(FetchError::new(&discovery_url, "it is the configuration of another issuer"));
        }
        let document = self.get(parse(&discovery.jwks_uri)?, allow_http).await?;
        Keys::parse(&document).ok_or_else(|| FetchError::new(&discovery.jwks_uri, "it is not a set of keys"))
    }

    async fn get(&self, url: Url, allow_http: bool) -> Result<Vec<u8>, FetchError> {
        let first = url.to_string();
        let error = |cause: String| FetchError::new(&first, cause);
        match tokio::time::timeout(TIMEOUT, self.follow(url, allow_http)).await {
            Ok(result) => result.map_err(error),
            Err(_) => Err(error(format!("it took more than {} seconds", TIMEOUT.as_secs()))),
        }
    }

    async fn follow(&self, mut url: Url, allow_http: bool) -> Result<Vec<u8>, String> {
        let client = self.client.get_or_init(|| self.client()).as_ref().map_err(Clone::clone)?;
        for _ in 0..=MAX_REDIRECTS {
            self.check(&url, allow_http)?;
            let answer = client.get(url.clone()).send().await.map_err(|error| cause_of(&error))?;
            let status = answer.status();
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
                let location = location.ok_or("it was redirected to nowhere")?;
                url = url.join(location).map_err(|_| "it was redirected to what is no URL")?;
                continue;
            }
            if status != StatusCode::OK {
                return Err(format!("the answer was {}", status.as_u16()));
            }
            return read(answer).await;
        }
        Err(format!("it was redirected more than {MAX_REDIRECTS} times"))
    }

    fn client(&self) -> Result<Client, String> {
        let resolver = CheckedResolver { allow_private_networks: self.allow_private_networks };
        Client::builder()
            .dns_resolver(Arc::new(resolver))
            // A proxy would resolve names itself, unchecked.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(TIMEOUT)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                tracing::error!(%error, "no HTTP client for OpenID Connect issuers: {}", chain(&error));
                "the server trusts no certificates; it has none of any authority".to_owned()
            })
    }

    /// Refuses what the resolver does not get to see: schemes, credentials, and hosts that are addresses.
    fn check(&self, url: &Url, allow_http: bool) -> Result<(), String> {
        let is_allowed_scheme = match url.scheme() {
            "https" => true,
            "http" => allow_http && is_loopback(url),
            _ => false,
        };
        if !is_allowed_scheme {
            return Err("it must be https".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a user name or password".to_owned());
        }
        match address(url) {
            Some(address) if !self.allow_private_networks && !is_public(address) => Err(PrivateNetwork.to_string()),
            _ => Ok(()),
        }
    }
}

fn parse(url: &str) -> Result<Url, FetchError> {
    Url::parse(url).map_err(|_| FetchError::new(url, "it is no URL"))
}

/// The address that a URL has in place of a name.
fn address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_loopback(url: &Url) -> bool {
    url.host_str() == Some("localhost") || address(url).is_some_and(|address| address.is_loopback())
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, String> {
    let mut document = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| cause_of(&error))? {
        if document.len() + chunk.len() > MAX_DOCUMENT_BYTES {
            return Err(format!("it is longer than {MAX_DOCUMENT_BYTES} bytes"));
        }
        document.extend_from_slice(&chunk);
    }
    Ok(document)
}

/// In words of ours: those of the client name addresses.
fn cause_of(error: &reqwest::Error) -> String {
    tracing::debug!(%error, "an OpenID Connect issuer cannot be reached: {}", chain(error));
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<PrivateNetwork>() {
            return PrivateNetwork.to_string();
        }
        match error.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(_)) => {
                return "the certificate of the host is not trusted".to_owned();
            }
            Some(_) => return "the host does not speak TLS as we do".to_owned(),
            None => {}
        }
        cause = next_cause(error);
    }
    if error.is_timeout() {
        "the host does not answer".to_owned()
    } else if error.is_connect() {
        "the host cannot be reached".to_owned()
    } else {
        "the answer ended early".to_owned()
    }
}

/// An I/O error that wraps another error does not name that as its source, but only what is behind it.
fn next_cause<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e (dyn std::error::Error + 'static)> {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
