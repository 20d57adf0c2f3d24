//! Host names: which registry a name leads to, and which name leads a client back to a registry.

use aws::Region;
use store::tables::registry_id::RegistryId;

/// Names under which every server is asked, whatever is configured: those that AWS uses, for people who point DNS at
/// Wharf (wire.md 2), and `localhost`.
const BUILT_IN_DOMAINS: [&str; 3] = [AWS_DOMAIN, "amazonaws.com.cn", "localhost"];
pub(super) const AWS_DOMAIN: &str = "amazonaws.com";
pub(super) const DUAL_STACK_DOMAIN: &str = "on.aws";

/// The names that this server goes by.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// Domains for `ACCOUNT.dkr.ecr.REGION.<domain>`.
    pub domains: Vec<String>,
    /// The base URL that clients reach the server at, if it is not the one they happen to use.
    pub public_url: Option<PublicUrl>,
    /// Whether this server itself speaks TLS.
    pub is_tls: bool,
}

/// A configured base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// `http` or `https`.
    pub scheme: String,
    /// Host, with the port if it is not the scheme's own.
    pub authority: String,
}

impl std::str::FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or("a URL such as https://registry.example.com is needed")?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if !matches!(scheme, "http" | "https") {
            return Err("the URL must begin with http:// or https://");
        }
        if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
            return Err("the URL must be a host, and a port if need be, without a path");
        }
        let (host, port) = split_port(authority);
        if !port.is_empty() && port[1..].parse::<u16>().map_or(true, |port| port == 0) {
            return Err("the port of the URL must be a number from 1 to 65535");
        }
        let is_address = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        if !is_address && !crate::config::is_host_name(host) {
            return Err("the host of the URL must be a host name or an address, IPv6 in brackets");
        }
        Ok(Self { scheme: scheme.to_owned(), authority: authority.to_owned() })
    }
}

/// Splits `host[:port]`; an IPv6 address keeps its brackets.
pub(super) fn split_port(authority: &str) -> (&str, &str) {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => authority.split_at(colon),
        _ => (authority, ""),
    }
}

/// `<account>.dkr.ecr[-fips].<region>.<domain>`, or with dashes under `on.aws`.
fn parse_registry_host<'a>(host: &'a str, domain: &str) -> Option<(&'a str, &'a str)> {
    let labels = host.strip_suffix(domain)?.strip_suffix('.')?;
    let (account, rest) = labels.split_once('.')?;
    let rest = if domain == DUAL_STACK_DOMAIN { rest } else { rest.strip_prefix("dkr.")? };
    let (service, region) = rest.split_once('.')?;
    let is_registry = if domain == DUAL_STACK_DOMAIN {
        matches!(service, "dkr-ecr" | "dkr-ecr-fips")
    } else {
        matches!(service, "ecr" | "ecr-fips")
    };
    (is_registry && !region.contains('.')).then_some((account, region))
}

impl Hosts {
    pub(super) fn all_domains(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(String::as_str).chain(BUILT_IN_DOMAINS).chain([DUAL_STACK_DOMAIN])
    }

    /// The registry that a `Host` header names; none when the name says nothing of it, as `localhost:5000`.
    pub fn registry_of(&self, authority: &str) -> Option<RegistryId> {
        let host = split_port(authority).0.to_ascii_lowercase();
        let (account, region) = self.all_domains().find_map(|domain| parse_registry_host(&host, domain))?;
        Some(RegistryId { account: account.parse().ok()?, region: region.parse().ok()? })
    }

    /// The scheme that clients use.
    pub fn scheme(&self) -> &str {
        match &self.public_url {
            Some(url) => &url.scheme,
            None if self.is_tls => "https",
            None => "http",
        }
    }

    /// The authority (`host[:port]`) at which docker reaches a registry, given the one that the client used.
    ///
    /// A client that came by an AWS-like name, or a server with a configured domain, gets the registry's own name;
    /// any other gets back what it used itself, since that is known to work.
    pub fn registry_authority(&self, used: &str, registry: &RegistryId) -> String {
        if let Some(url) = &self.public_url {
            return url.authority.clone();
        }
        let (host, port) = split_port(used);
        let host = host.to_ascii_lowercase();
        let under = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
        let named = self
            .domains
            .iter()
            .map(String::as_str)
            .chain(BUILT_IN_DOMAINS)
            .find(|domain| under(domain) || self.domains.iter().any(|known| known == domain && *known == host));
        match named {
            Some(domain) => format!("{}.dkr.ecr.{}.{domain}{port}", registry.account, registry.region),
            None => used.to_owned(),
        }
    }

    /// The region that an API host names, as `api.ecr.us-east-1.amazonaws.com` does.
    pub fn api_region_of(&self, authority: &str) -> Option<Region> {
        let host = split_port(authority).0.to_ascii_lowercase();
        self.all_domains().find_map(|domain| {
            let labels = host.strip_suffix(domain)?.strip_suffix('.')?;
            let rest = labels.strip_prefix("api.").unwrap_or(labels);
            let (service, region) = rest.split_once('.')?;
            matches!(service, "ecr" | "ecr-fips").then(|| region.parse().ok())?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        Hosts { domains: vec!["ecr.example.org".to_owned()], public_url: None, is_tls: false }
    }

    #[test]
    fn registry_names() {
        for (name, expected) in [
            ("123456789012.dkr.ecr.us-east-1.amazonaws.com", Some("123456789012/us-east-1")),
            ("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com:443", Some("123456789012/us-east-1")),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", Some("123456789012/cn-north-1")),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", Some("123456789012/eu-west-1")),
            ("123456789012.dkr.ecr.eu-west-1.ecr.example.org:5000", Some("123456789012/eu-west-1")),
            ("123456789012.dkr.ecr.eu-west-1.localhost:5000", Some("123456789012/eu-west-1")),
            ("123456789012.DKR.ecr.EU-west-1.localhost", Some("123456789012/eu-west-1")),
            ("localhost:5000", None),
            ("[::1]:5000", None),
            ("1234.dkr.ecr.eu-west-1.localhost", None),
            ("123456789012.dkr.ecr.a.b.localhost", None),
            ("123456789012.dkr.ecr.eu-west-1.example.net", None),
        ] {
            let found = hosts().registry_of(name).map(|registry| registry.to_string());
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn authorities_lead_back() {
        let registry = hosts().registry_of("123456789012.dkr.ecr.eu-west-1.localhost").expect("a registry");
        for (used, expected) in [
            ("localhost:5000", "localhost:5000"),
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("[::1]:5000", "[::1]:5000"),
            ("api.ecr.eu-west-1.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com"),
            ("ecr.example.org:8443", "123456789012.dkr.ecr.eu-west-1.ecr.example.org:8443"),
            ("api.ecr.example.org", "123456789012.dkr.ecr.eu-west-1.ecr.example.org"),
        ] {
            assert_eq!(hosts().registry_authority(used, &registry), expected, "{used}");
        }
    }

    #[test]
    fn api_regions() {
        assert_eq!(
            hosts().api_region_of("api.ecr.eu-west-1.amazonaws.com").map(|r| r.to_string()).as_deref(),
            Some("eu-west-1")
        );
        assert_eq!(hosts().api_region_of("localhost:5000"), None);
    }
}
