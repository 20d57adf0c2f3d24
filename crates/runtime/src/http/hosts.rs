//! Host names: which registry a name leads to, and which name leads a client back to a registry.

use std::borrow::Cow;

use aws::Region;
use store::tables::registry_id::RegistryId;

/// Names under which every server is asked, whatever is configured: those that AWS uses, for people who point DNS at
/// Wharf (reference/wire.md 2), and `localhost`.
const BUILT_IN_DOMAINS: [&str; 8] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "localhost",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];
/// The dual-stack domains of AWS's partitions: `ecr.REGION.<api>` is an API, and where `registry` is given
/// `ACCOUNT.dkr-ecr.REGION.<registry>` is a registry; elsewhere registries are under `classic` alone.
pub(super) const DUAL_STACK_DOMAINS: [DualStack; 7] = [
    DualStack { api: "api.aws", registry: Some("on.aws"), classic: "amazonaws.com" },
    DualStack {
        api: "api.amazonwebservices.com.cn",
        registry: Some("on.amazonwebservices.com.cn"),
        classic: "amazonaws.com.cn",
    },
    DualStack { api: "api.amazonwebservices.eu", registry: Some("on.amazonwebservices.eu"), classic: "amazonaws.eu" },
    DualStack { api: "api.aws.ic.gov", registry: None, classic: "c2s.ic.gov" },
    DualStack { api: "api.aws.scloud", registry: None, classic: "sc2s.sgov.gov" },
    DualStack { api: "api.cloud-aws.adc-e.uk", registry: None, classic: "cloud.adc-e.uk" },
    DualStack { api: "api.aws.hci.ic.gov", registry: None, classic: "csp.hci.ic.gov" },
];

pub(super) struct DualStack {
    pub(super) api: &'static str,
    pub(super) registry: Option<&'static str>,
    classic: &'static str,
}

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
        if !is_address && !crate::host_name::is_host_name(host) {
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

/// A host as it is compared. Clients mostly send it in lower case already.
fn lower_case(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// The labels of a host before its domain.
fn labels_before<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    host.strip_suffix(domain)?.strip_suffix('.')
}

/// Account and region of `<account>.dkr<separator>ecr[-fips].<region>`.
fn parse_registry_labels(labels: &str, separator: char) -> Option<(&str, &str)> {
    let (account, rest) = labels.split_once('.')?;
    let (service, region) = rest.strip_prefix("dkr")?.strip_prefix(separator)?.split_once('.')?;
    (matches!(service, "ecr" | "ecr-fips") && !region.contains('.')).then_some((account, region))
}

impl Hosts {
    /// The domains that are not AWS's for dual stack.
    pub(super) fn classic_domains(&self) -> impl Iterator<Item = &str> {
        self.domains.iter().map(String::as_str).chain(BUILT_IN_DOMAINS)
    }

    /// The registry that a `Host` header names; none when the name says nothing of it, as `localhost:5000`.
    pub fn registry_of(&self, authority: &str) -> Option<RegistryId> {
        let host = lower_case(split_port(authority).0);
        let classic = self.classic_domains().map(|domain| (domain, '.'));
        let dual_stack = DUAL_STACK_DOMAINS.iter().filter_map(|domain| domain.registry).map(|domain| (domain, '-'));
        let (account, region) = classic
            .chain(dual_stack)
            .find_map(|(domain, separator)| parse_registry_labels(labels_before(&host, domain)?, separator))?;
        Some(RegistryId { account: account.parse().ok()?, region: region.parse().ok()? })
    }

    /// The scheme of URLs for a client that came by TLS, or did not.
    pub fn scheme(&self, is_secure: bool) -> &str {
        match &self.public_url {
            Some(url) => &url.scheme,
            None if is_secure => "https",
            None => "http",
        }
    }

    /// Whether clients come by TLS as far as the configuration says: to this server, or to what stands before it.
    pub fn is_secure(&self) -> bool {
        self.is_tls || self.public_url.as_ref().is_some_and(|url| url.scheme == "https")
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
        let host = lower_case(host);
        let under = |domain: &str| labels_before(&host, domain).is_some();
        let (account, region) = (registry.account, &registry.region);
        let named = self
            .classic_domains()
            .find(|domain| under(domain) || self.domains.iter().any(|known| known == domain && *known == host));
        if let Some(domain) = named {
            return format!("{account}.dkr.ecr.{region}.{domain}{port}");
        }
        match DUAL_STACK_DOMAINS.iter().find(|domain| under(domain.api) || domain.registry.is_some_and(under)) {
            Some(DualStack { registry: Some(domain), .. }) => format!("{account}.dkr-ecr.{region}.{domain}{port}"),
            Some(DualStack { registry: None, classic, .. }) => format!("{account}.dkr.ecr.{region}.{classic}{port}"),
            None => used.to_owned(),
        }
    }

    /// The region that an API host names, as `api.ecr.us-east-1.amazonaws.com` does.
    pub fn api_region_of(&self, authority: &str) -> Option<Region> {
        let host = lower_case(split_port(authority).0);
        let mut domains = self.classic_domains().chain(DUAL_STACK_DOMAINS.iter().map(|domain| domain.api));
        domains.find_map(|domain| {
            let labels = labels_before(&host, domain)?;
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
            ("123456789012.dkr-ecr-fips.us-east-1.on.aws", Some("123456789012/us-east-1")),
            ("123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn:443", Some("123456789012/cn-north-1")),
            ("123456789012.dkr-ecr.eusc-de-east-1.on.amazonwebservices.eu", Some("123456789012/eusc-de-east-1")),
            ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", Some("123456789012/eusc-de-east-1")),
            ("123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", Some("123456789012/us-iso-east-1")),
            ("123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", Some("123456789012/us-isob-east-1")),
            ("123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", Some("123456789012/eu-isoe-west-1")),
            ("123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov", Some("123456789012/us-isof-south-1")),
            ("123456789012.dkr.ecr.eu-west-1.on.aws", None),
            ("123456789012.dkr-ecr.eu-west-1.amazonaws.com", None),
            ("123456789012.dkr-ecr.eu-west-1.api.aws", None),
            ("ecr.us-east-1.api.aws", None),
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
            ("ecr.eu-west-1.api.aws", "123456789012.dkr-ecr.eu-west-1.on.aws"),
            ("ECR-fips.eu-west-1.API.aws:8443", "123456789012.dkr-ecr.eu-west-1.on.aws:8443"),
            ("sts.eu-west-1.api.aws", "123456789012.dkr-ecr.eu-west-1.on.aws"),
            ("210987654321.dkr-ecr.us-east-1.on.aws", "123456789012.dkr-ecr.eu-west-1.on.aws"),
            (
                "ecr.cn-north-1.api.amazonwebservices.com.cn",
                "123456789012.dkr-ecr.eu-west-1.on.amazonwebservices.com.cn",
            ),
            ("ecr.eusc-de-east-1.api.amazonwebservices.eu", "123456789012.dkr-ecr.eu-west-1.on.amazonwebservices.eu"),
            ("ecr.us-iso-east-1.api.aws.ic.gov", "123456789012.dkr.ecr.eu-west-1.c2s.ic.gov"),
            ("ecr.us-isob-east-1.api.aws.scloud", "123456789012.dkr.ecr.eu-west-1.sc2s.sgov.gov"),
            ("ecr.eu-isoe-west-1.api.cloud-aws.adc-e.uk", "123456789012.dkr.ecr.eu-west-1.cloud.adc-e.uk"),
            ("ecr.us-isof-south-1.api.aws.hci.ic.gov", "123456789012.dkr.ecr.eu-west-1.csp.hci.ic.gov"),
            ("example-api.aws", "example-api.aws"),
        ] {
            assert_eq!(hosts().registry_authority(used, &registry), expected, "{used}");
        }
    }

    /// Every form that the endpoint rules of AWS's SDKs have for ECR, over all partitions.
    #[test]
    fn api_regions() {
        for (classic, dual_stack, region) in [
            ("amazonaws.com", "api.aws", "eu-west-1"),
            ("amazonaws.com", "api.aws", "us-gov-west-1"),
            ("amazonaws.com.cn", "api.amazonwebservices.com.cn", "cn-north-1"),
            ("amazonaws.eu", "api.amazonwebservices.eu", "eusc-de-east-1"),
            ("c2s.ic.gov", "api.aws.ic.gov", "us-iso-east-1"),
            ("sc2s.sgov.gov", "api.aws.scloud", "us-isob-east-1"),
            ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", "eu-isoe-west-1"),
            ("csp.hci.ic.gov", "api.aws.hci.ic.gov", "us-isof-south-1"),
        ] {
            for fips in ["", "-fips"] {
                for name in [
                    format!("api.ecr{fips}.{region}.{classic}"),
                    format!("ecr{fips}.{region}.{classic}"),
                    format!("ecr{fips}.{region}.{dual_stack}:443"),
                    format!("api.ecr{fips}.{region}.{dual_stack}"),
                ] {
                    let found = hosts().api_region_of(&name).map(|region| region.to_string());
                    assert_eq!(found.as_deref(), Some(region), "{name}");
                    let registry = hosts().registry_of(&format!("123456789012.dkr.ecr.{region}.localhost"));
                    let registry = registry.expect("a registry");
                    let used = hosts().registry_authority(&name, &registry);
                    assert_eq!(hosts().registry_of(&used), Some(registry), "{name}: {used}");
                }
            }
        }
        for name in ["localhost:5000", "sts.us-east-1.api.aws", "ecr.us-east-1.on.aws", "ecr.a.b.api.aws"] {
            assert_eq!(hosts().api_region_of(name), None, "{name}");
        }
    }
}
