//! The HTTP client: addresses are checked when it connects, so that no name can lead it elsewhere afterwards.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, Url, redirect};

use super::networks::Networks;

/// The name leads to an address that is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("the host is in a private network")]
struct PrivateNetwork;

/// Resolves names; connections go to no address but those that were checked here.
struct CheckedResolver {
    networks: Arc<Networks>,
    is_trusted: bool,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (networks, is_trusted) = (Arc::clone(&self.networks), self.is_trusted);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|found| networks.allows(found.ip(), is_trusted)).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(PrivateNetwork.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// How long the client waits, and what it keeps.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next bytes of an answer; none for no limit.
    pub read: Option<Duration>,
    /// Idle connections that are kept for each host.
    pub idle_connections: usize,
}

/// Makes requests, and follows no redirect by itself.
pub struct OutboundClient {
    networks: Arc<Networks>,
    certificates: Vec<Certificate>,
    patience: Patience,
    /// Made at their first use, as they read all certificates that the machine trusts. The second is for hosts that are
    /// allowed by name.
    clients: [OnceLock<Result<Client, String>>; 2],
}

impl OutboundClient {
    /// `certificates` are trusted beside those that the machine trusts.
    pub fn new(networks: Networks, certificates: Vec<Certificate>, patience: Patience) -> Self {
        Self { networks: Arc::new(networks), certificates, patience, clients: Default::default() }
    }

    /// The client for a URL, or why it may not be reached. Schemes are the caller's to check.
    pub fn for_url(&self, url: &Url) -> Result<&Client, String> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a user name or password".to_owned());
        }
        let host = url.host_str().unwrap_or_default();
        let decided = self.networks.decides_host(host, url.port_or_known_default().unwrap_or_default());
        // The resolver does not get to see hosts that are addresses.
        let is_allowed = address(url).is_none_or(|address| self.networks.allows(address, decided == Some(true)));
        match decided {
            Some(false) => Err("the host is denied by the configuration".to_owned()),
            _ if !is_allowed => Err(PrivateNetwork.to_string()),
            Some(true) => self.client(true),
            None => self.client(false),
        }
    }

    fn client(&self, is_trusted: bool) -> Result<&Client, String> {
        self.clients[usize::from(is_trusted)].get_or_init(|| self.build(is_trusted)).as_ref().map_err(Clone::clone)
    }

    fn build(&self, is_trusted: bool) -> Result<Client, String> {
        let resolver = CheckedResolver { networks: Arc::clone(&self.networks), is_trusted };
        let mut builder = Client::builder()
            .dns_resolver(Arc::new(resolver))
            // A proxy would resolve names itself, unchecked.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(self.patience.connect)
            .pool_max_idle_per_host(self.patience.idle_connections)
            .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")));
        if let Some(read) = self.patience.read {
            builder = builder.read_timeout(read);
        }
        if !self.certificates.is_empty() {
            builder = builder.tls_certs_merge(self.certificates.clone());
        }
        builder.build().map_err(|error| {
            tracing::error!(%error, "no HTTP client: {}", chain(&error));
            "the server trusts no certificates; it has none of any authority".to_owned()
        })
    }
}

/// The address that a URL has in place of a name.
fn address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether a URL leads to this machine.
pub fn is_loopback(url: &Url) -> bool {
    url.host_str() == Some("localhost") || address(url).is_some_and(|address| address.is_loopback())
}

/// In words of ours: those of the client name addresses.
pub fn cause_of(error: &reqwest::Error) -> String {
    tracing::debug!(%error, "a host cannot be reached: {}", chain(error));
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
