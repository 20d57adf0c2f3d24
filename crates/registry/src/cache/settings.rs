//! How the pull through cache is configured, read and checked.

use std::collections::HashMap;

use reqwest::Certificate;
use runtime::config_error::ConfigError;
use runtime::outbound::{NetworkPattern, Networks};

use super::config::PullThroughCacheConfig;
use super::upstream_registry::UpstreamUrl;

/// reference/replication-cache-templates.md 2, 'Pull flow': a tag is compared with the upstream's after 24 hours.
pub const DEFAULT_CHECK_HOURS: u32 = 24;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct CacheSettings {
    /// Whether rules may name any upstream.
    pub allow_any_upstream: bool,
    /// Whether upstreams may be reached without TLS.
    pub allow_http: bool,
    /// A cached tag is taken as it is for so long.
    pub check_ms: i64,
    /// What may be reached.
    pub networks: Networks,
    /// Certificates that upstreams may have beside those that the machine trusts.
    pub certificates: Vec<Certificate>,
    endpoints: HashMap<String, UpstreamUrl>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            allow_any_upstream: false,
            allow_http: false,
            check_ms: i64::from(DEFAULT_CHECK_HOURS) * HOUR_MS,
            networks: Networks::default(),
            certificates: Vec::new(),
            endpoints: HashMap::new(),
        }
    }
}

impl CacheSettings {
    /// Reads the section; the file of certificates too.
    pub fn read(config: &PullThroughCacheConfig) -> Result<Self, ConfigError> {
        let wrong = |key: &str, text: &str, why: &dyn std::fmt::Display| {
            ConfigError(format!("pull_through_cache.{key}: '{text}': {why}"))
        };
        let places = |key: &str, texts: &[String]| {
            ConfigError::gather(
                texts.iter().map(|text| text.parse::<NetworkPattern>().map_err(|error| wrong(key, text, &error))),
            )
        };
        let mut networks = Networks {
            allow_private: config.allow_private_networks,
            allow: places("allow", &config.allow)?,
            deny: places("deny", &config.deny)?,
        };
        if config.check_hours == Some(0) {
            return Err(ConfigError("pull_through_cache.check_hours: at least 1 is needed".to_owned()));
        }
        let certificates = match &config.ca_file {
            None => Vec::new(),
            Some(path) => {
                let path_text = path.display().to_string();
                let pem = runtime::files::read(path).map_err(|error| wrong("ca_file", &path_text, &error))?;
                let found = Certificate::from_pem_bundle(&pem).map_err(|error| wrong("ca_file", &path_text, &error))?;
                if found.is_empty() {
                    return Err(wrong("ca_file", &path_text, &"it holds no certificate"));
                }
                found
            }
        };
        // Last, as what stands above tells its faults one after the other.
        let read = |(upstream, url): (&String, &String)| {
            let key: UpstreamUrl = upstream.parse().map_err(|error| wrong("endpoints", upstream, &error))?;
            let is_host = url.contains(['.', ':']) || url == "localhost";
            if !is_host {
                return Err(wrong("endpoints", url, &format!("it is no URL such as https://{url}")));
            }
            let url: UpstreamUrl = url.parse().map_err(|error| wrong("endpoints", url, &error))?;
            Ok((key, url))
        };
        let mut endpoints = HashMap::new();
        for (key, url) in ConfigError::gather(config.endpoints.iter().map(read))? {
            // Whoever runs the server says so, which opens that port of that host and nothing else.
            let (host, port) = url.host_and_port();
            networks.allow.push(NetworkPattern::Host { name: host.to_owned(), port: Some(port) });
            endpoints.insert(registry_host(key.authority()).to_owned(), url);
        }
        Ok(Self {
            allow_any_upstream: config.allow_any_upstream,
            allow_http: config.allow_http,
            check_ms: i64::from(config.check_hours.unwrap_or(DEFAULT_CHECK_HOURS)) * HOUR_MS,
            networks,
            certificates,
            endpoints,
        })
    }

    /// Where an upstream is reached.
    pub fn endpoint<'s>(&'s self, upstream: &'s UpstreamUrl) -> &'s UpstreamUrl {
        self.endpoints.get(registry_host(upstream.authority())).unwrap_or(upstream)
    }

    /// Whether the configuration says where an upstream is reached.
    pub fn has_endpoint(&self, upstream_url: &str) -> bool {
        upstream_url
            .parse::<UpstreamUrl>()
            .is_ok_and(|upstream| self.endpoints.contains_key(registry_host(upstream.authority())))
    }
}

/// The host that serves a registry: Docker Hub has another than its images' names say.
pub fn registry_host(registry: &str) -> &str {
    match registry {
        "docker.io" | "index.docker.io" => "registry-1.docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_found_by_the_registrys_host() {
        let config = PullThroughCacheConfig {
            endpoints: [("docker.io", "http://127.0.0.1:5001"), ("quay.io", "mirror.internal")]
                .map(|(upstream, url)| (upstream.to_owned(), url.to_owned()))
                .into(),
            ..PullThroughCacheConfig::default()
        };
        let settings = CacheSettings::read(&config).expect("good");
        let endpoint = |upstream: &str| settings.endpoint(&upstream.parse().expect("a URL")).to_string();
        assert_eq!(endpoint("registry-1.docker.io"), "http://127.0.0.1:5001");
        assert_eq!(endpoint("quay.io"), "https://mirror.internal");
        assert_eq!(endpoint("ghcr.io"), "https://ghcr.io");
        assert!(settings.has_endpoint("registry-1.docker.io") && !settings.has_endpoint("ghcr.io"));
        assert_eq!(settings.networks.decides_host("127.0.0.1", 5001), Some(true));
        assert_eq!(settings.networks.decides_host("127.0.0.1", 5002), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let read = |config| CacheSettings::read(&config).expect_err("wrong").0;
        let default = PullThroughCacheConfig::default;
        let text = read(PullThroughCacheConfig { allow: vec!["10.0.0.0/99".to_owned()], ..default() });
        assert!(text.contains("allow") && text.contains("10.0.0.0/99"), "{text}");
        let text = read(PullThroughCacheConfig { check_hours: Some(0), ..default() });
        assert!(text.contains("check_hours"), "{text}");
        let endpoints = [("quay.io".to_owned(), "ftp://x".to_owned())].into();
        let text = read(PullThroughCacheConfig { endpoints, ..default() });
        assert!(text.contains("endpoints") && text.contains("ftp://x"), "{text}");
        let text = read(PullThroughCacheConfig { ca_file: Some("/nowhere".into()), ..default() });
        assert!(text.contains("ca_file") && text.contains("/nowhere"), "{text}");
    }
}
