//! Fetching an issuer's documents: bounded in time, size and redirects, and never from where it must not go.

use std::time::Duration;

use reqwest::{StatusCode, Url, header};
use runtime::boxed;
use runtime::outbound::{Networks, OutboundClient, Patience, cause_of, is_loopback};
use serde::Deserialize;

use super::keys::Keys;

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

/// Fetches documents.
pub struct Fetcher {
    client: OutboundClient,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Fetcher {
    /// `allow_private_networks` opens networks that are not the internet.
    pub fn new(allow_private_networks: bool) -> Self {
        let patience = Patience { connect: TIMEOUT, read: None, idle_connections: 0 };
        Self { client: OutboundClient::new(Networks::new(allow_private_networks), Vec::new(), patience) }
    }

    /// The keys of an issuer, by discovery (OpenID Connect Discovery 1.0, section 4).
    #[boxed]
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
        match runtime::timer::timeout(TIMEOUT, self.follow(url, allow_http)).await {
            Ok(result) => result.map_err(error),
            Err(_) => Err(error(format!("it took more than {} seconds", TIMEOUT.as_secs()))),
        }
    }

    async fn follow(&self, mut url: Url, allow_http: bool) -> Result<Vec<u8>, String> {
        for _ in 0..=MAX_REDIRECTS {
            check_scheme(&url, allow_http)?;
            let client = self.client.for_url(&url)?;
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
}

fn check_scheme(url: &Url, allow_http: bool) -> Result<(), String> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if allow_http && is_loopback(url) => Ok(()),
        _ => Err("it must be https".to_owned()),
    }
}

fn parse(url: &str) -> Result<Url, FetchError> {
    Url::parse(url).map_err(|_| FetchError::new(url, "it is no URL"))
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
