//! Which upstream registries a rule may name, and how they are known (reference/replication-cache-templates.md 2, the
//! table).

use std::fmt;
use std::net::IpAddr;

use store::tables::pull_through_cache_rules::UpstreamKind;

/// The kind of the registry at a host, if ECR knows it.
pub fn kind_of_host(host: &str) -> Option<UpstreamKind> {
    match host {
        "public.ecr.aws" => Some(UpstreamKind::EcrPublic),
        "registry.k8s.io" => Some(UpstreamKind::K8s),
        "quay.io" => Some(UpstreamKind::Quay),
        "registry-1.docker.io" => Some(UpstreamKind::DockerHub),
        "ghcr.io" => Some(UpstreamKind::GithubContainerRegistry),
        "registry.gitlab.com" => Some(UpstreamKind::GitlabContainerRegistry),
        "cgr.dev" => Some(UpstreamKind::Chainguard),
        _ if host.strip_suffix(".azurecr.io").is_some_and(is_azure_name) => Some(UpstreamKind::AzureContainerRegistry),
        _ if is_ecr_host(host) => Some(UpstreamKind::Ecr),
        _ => None,
    }
}

fn is_azure_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `<account>.dkr.ecr.<region>.amazonaws.com`, with `.cn` in China.
fn is_ecr_host(host: &str) -> bool {
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let Some((account, region)) =
        host.strip_suffix(".amazonaws.com").and_then(|registry| registry.split_once(".dkr.ecr."))
    else {
        return false;
    };
    account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) && region.parse::<aws::Region>().is_ok()
}

/// Where an upstream registry is reached: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamUrl {
    is_plain: bool,
    authority: String,
}

/// A text is no upstream's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not HOST[:PORT] or https://HOST[:PORT]")]
pub struct UpstreamUrlError;

impl UpstreamUrl {
    /// The host in lower case, with the port if one is named.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is reached without TLS.
    pub const fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The host, with brackets if it is an IPv6 address, and the port.
    pub fn host_and_port(&self) -> (&str, u16) {
        let default = if self.is_plain { 80 } else { 443 };
        match self.authority.rsplit_once(':') {
            Some((host, port)) if !self.authority.ends_with(']') => (host, port.parse().unwrap_or(default)),
            _ => (&self.authority, default),
        }
    }

    /// Whether both are reached at the same port of the same host, with the same scheme.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.is_plain == other.is_plain && self.host_and_port() == other.host_and_port()
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        let (host, _) = self.host_and_port();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The account of ECR's registry there, if it is one.
    pub fn ecr_account(&self) -> Option<&str> {
        let authority = Some(self.authority.as_str()).filter(|host| self.is_bare_host() && is_ecr_host(host));
        authority.and_then(|host| host.split('.').next())
    }

    /// Whether the URL names a host alone, as those of ECR's own list do.
    pub fn is_bare_host(&self) -> bool {
        !self.is_plain && !self.authority.contains(':')
    }
}

impl std::str::FromStr for UpstreamUrl {
    type Err = UpstreamUrlError;

    fn from_str(text: &str) -> Result<Self, UpstreamUrlError> {
        let (is_plain, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => (false, text),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        let parsed: http::uri::Authority = authority.parse().map_err(|_| UpstreamUrlError)?;
        let is_whole = !authority.contains('@') && parsed.as_str().len() == authority.len() && authority.len() <= 255;
        let has_good_port = match authority.rsplit_once(':') {
            Some((_, port)) if !authority.ends_with(']') => port.parse::<u16>().is_ok_and(|port| port > 0),
            _ => true,
        };
        let host = parsed.host();
        let is_host = host.starts_with('[') || runtime::host_name::is_host_name(host);
        if is_whole && has_good_port && is_host { Ok(Self { is_plain, authority }) } else { Err(UpstreamUrlError) }
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_plain { "http" } else { "https" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_ecrs_list() {
        for (host, kind) in [
            ("public.ecr.aws", Some(UpstreamKind::EcrPublic)),
            ("registry-1.docker.io", Some(UpstreamKind::DockerHub)),
            ("my-registry.azurecr.io", Some(UpstreamKind::AzureContainerRegistry)),
            ("azurecr.io", None),
            ("a.b.azurecr.io", None),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", Some(UpstreamKind::Ecr)),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", Some(UpstreamKind::Ecr)),
            ("12345678901.dkr.ecr.eu-west-1.amazonaws.com", None),
            ("docker.io", None),
            ("quay.io.example.com", None),
        ] {
            assert_eq!(kind_of_host(host), kind, "{host}");
        }
    }

    #[test]
    fn urls() {
        for (text, expected) in [
            ("quay.io", Some("https://quay.io")),
            ("Quay.IO", Some("https://quay.io")),
            ("https://registry.example.com:5000/", Some("https://registry.example.com:5000")),
            ("http://127.0.0.1:5000", Some("http://127.0.0.1:5000")),
            ("[::1]:5000", Some("https://[::1]:5000")),
            ("[::1]", Some("https://[::1]")),
            ("", None),
            ("ftp://quay.io", None),
            ("quay.io/v2", None),
            ("https://quay.io//", None),
            ("user@quay.io", None),
            ("quay.io:0", None),
            ("quay.io:99999", None),
            ("quay.io:", None),
            ("quay .io", None),
            ("quay.io?x", None),
            ("-a.io", None),
        ] {
            assert_eq!(text.parse::<UpstreamUrl>().ok().map(|url| url.to_string()).as_deref(), expected, "{text}");
        }
    }
}
