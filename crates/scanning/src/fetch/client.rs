//! Requests to the hosts of feeds, and to where they lead on.

use std::{net::IpAddr, sync::OnceLock, time::Duration};

use http::{HeaderMap, HeaderValue, header};
use reqwest::{Certificate, Response, Url, redirect};
use runtime::{
    network,
    outbound::{NetworkPattern, Networks, OutboundClient, Patience, cause_of},
};

use super::FetchError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence in the middle of an answer, and before it.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_REDIRECTS: usize = 5;

/// How feeds are fetched.
#[derive(Debug, Clone, Default)]
pub struct FetchSettings {
    /// What may be reached: publishers are on the internet.
    pub networks: Networks,
    /// Addresses that may be reached, wherever they are, at one port.
    pub(super) trusted: Vec<(IpAddr, u16)>,
    /// Certificates that are trusted beside those that the machine trusts.
    pub certificates: Vec<Certificate>,
    /// A proxy that all requests go through; it resolves names then.
    pub proxy: Option<Url>,
}

impl FetchSettings {
    /// Lets the host of a URL be reached wherever it is, at this port: whoever runs the server has named it. What is denied
    /// stays so.
    pub fn trust(&mut self, url: &str) {
        let Ok(url) = Url::parse(url) else { return };
        match place_of(&url) {
            Some(place) => self.trusted.push(place),
            None => {
                let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default());
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                self.networks.allow.extend(format!("{host}{port}").parse::<NetworkPattern>().ok());
            }
        }
    }
}

/// The address and the port of a URL whose host is an address.
fn place_of(url: &Url) -> Option<(IpAddr, u16)> {
    let address = url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    Some((address, url.port_or_known_default()?))
}

/// Makes requests.
pub(super) struct Client {
    direct: OutboundClient,
    /// For what is at trusted addresses.
    trusted: OutboundClient,
    settings: FetchSettings,
    /// Made at its first use.
    by_proxy: OnceLock<Result<reqwest::Client, String>>,
}

impl Client {
    pub(super) fn new(settings: FetchSettings) -> Self {
        let patience = Patience { connect: CONNECT_TIMEOUT, read: Some(READ_TIMEOUT), idle_connections: 1 };
        let client = |networks| OutboundClient::new(networks, settings.certificates.clone(), patience);
        let mut trusted = settings.networks.clone();
        let allowed = settings.trusted.iter().map(|(address, _)| NetworkPattern::of(*address));
        trusted.allow.extend(allowed);
        let (direct, trusted) = (client(settings.networks.clone()), client(trusted));
        Self { direct, trusted, settings, by_proxy: OnceLock::new() }
    }

    /// The answer to a request, and where it came from in the end. The headers go to each host on the way: none is secret.
    pub(super) async fn get(&self, mut url: Url, headers: HeaderMap) -> Result<(Response, Url), FetchError> {
        let not_allowed = |text: &str| FetchError::NotAllowed(text.to_owned());
        for _ in 0..=MAX_REDIRECTS {
            if !matches!(url.scheme(), "https" | "http") {
                return Err(not_allowed("it is neither at https nor at http"));
            }
            let client = self.client(&url).map_err(FetchError::NotAllowed)?;
            let request = client
                .get(url.clone())
                .headers(headers.clone())
                .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            let answer = request.send().await.map_err(|error| FetchError::Unavailable(cause_of(&error)))?;
            if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok((answer, url));
            }
            let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            let next = location.and_then(|location| url.join(location).ok());
            let next = next.ok_or_else(|| FetchError::Unusable("it is said to be at what is no URL".to_owned()))?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(not_allowed("it is said to be where https is not spoken"));
            }
            url = next;
        }
        Err(FetchError::Unusable(format!("it is said to be elsewhere more than {MAX_REDIRECTS} times")))
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, String> {
        let is_trusted = place_of(url).is_some_and(|place| self.settings.trusted.contains(&place));
        let client = if is_trusted { &self.trusted } else { &self.direct }.for_url(url)?;
        // What is denied, or an address, is decided here. What a name leads to only the proxy knows.
        let Some(proxy) = &self.settings.proxy else { return Ok(client) };
        self.by_proxy.get_or_init(|| self.build(proxy)).as_ref().map_err(Clone::clone)
    }

    fn build(&self, proxy: &Url) -> Result<reqwest::Client, String> {
        let proxy = reqwest::Proxy::all(proxy.clone()).map_err(|_| "the proxy cannot be used".to_owned())?;
        let mut builder = network::http_client()
            .no_proxy()
            .proxy(proxy)
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")));
        if !self.settings.certificates.is_empty() {
            builder = builder.tls_certs_merge(self.settings.certificates.clone());
        }
        builder.build().map_err(|_| "TLS cannot be set up".to_owned())
    }
}
