//! The section of the configuration about replication: what is added to ECR's rules, and which other Wharfs there are.

use std::path::PathBuf;

use aws::{AccessKeyId, SecretAccessKey};
use oci::TagFilter;
use registry::replication::remote::{self, check_certificates};
use registry::replication::rules::Extensions;
use reqwest::Url;
use runtime::config_error::{ConfigError, present};
use runtime::hidden::Hidden;
use serde::{Deserialize, Serialize};

use super::Config;

/// Replication. What is replicated where is said with PutReplicationConfiguration.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicationConfig {
    /// Whether destinations lose images that are deleted here, whatever the rules say. Default: false.
    #[serde(default)]
    pub deletes: bool,
    /// Whether destinations lose tags that images lose here, whatever the rules say. Default: false.
    #[serde(default)]
    pub tag_removals: bool,
    /// Only images with such a tag are replicated, such as `v*`. Default: all.
    #[serde(default)]
    pub tag_filters: Vec<String>,
    /// Other Wharfs.
    #[serde(default)]
    pub remotes: Vec<RemoteConfig>,
}

/// Another Wharf that serves a region.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteConfig {
    /// The region that leads there. Must be given.
    #[serde(default)]
    pub region: String,
    /// The accounts that lead there. Default: all.
    #[serde(default)]
    pub registry_ids: Vec<String>,
    /// Its base URL. Must be given, as what follows.
    #[serde(default)]
    pub endpoint: String,
    /// An access key of the destination's account there.
    #[serde(default)]
    pub access_key_id: String,
    /// The secret of that key.
    #[serde(default)]
    pub secret_access_key: Hidden,
    /// PEM file of the certificates that its own is checked against. Default: those that the machine trusts.
    pub ca_file: Option<PathBuf>,
}

/// What is wrong with another Wharf.
fn wrong(what: String) -> ConfigError {
    ConfigError(format!("replication.remotes: {what}"))
}

impl RemoteConfig {
    fn region(&self) -> Result<aws::Region, ConfigError> {
        present("replication.remotes.region", &self.region)?;
        self.region.parse().map_err(|error| wrong(format!("region '{}': {error}", self.region)))
    }

    fn base_url(&self) -> Result<Url, ConfigError> {
        present("replication.remotes.endpoint", &self.endpoint)?;
        let is_base = |url: &Url| {
            matches!(url.scheme(), "https" | "http") && url.has_host() && url.path() == "/" && url.query().is_none()
        };
        let endpoint = Url::parse(&self.endpoint).ok().filter(is_base).ok_or_else(|| {
            wrong(format!("endpoint '{}' is not a base URL such as https://registry.example.com", self.endpoint))
        })?;
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(wrong("endpoint has a user name or a password: give access_key_id instead".to_owned()));
        }
        Ok(endpoint)
    }

    fn key(&self) -> Result<AccessKeyId, ConfigError> {
        present("replication.remotes.access_key_id", &self.access_key_id)?;
        let key: AccessKeyId = self
            .access_key_id
            .parse()
            .map_err(|error| wrong(format!("access_key_id '{}': {error}", self.access_key_id)))?;
        if !key.as_str().starts_with("AKIA") {
            return Err(wrong(format!("access_key_id '{key}' is temporary: a key of a user is needed")));
        }
        Ok(key)
    }

    fn certificates(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let Some(path) = &self.ca_file else { return Ok(None) };
        let fail = |cause: String| wrong(format!("ca_file '{}': {cause}", path.display()));
        let pem = runtime::files::read(path).map_err(|error| fail(error.to_string()))?;
        check_certificates(&pem).map_err(fail)?;
        Ok(Some(pem))
    }

    fn check(&self) -> Result<remote::RemoteConfig, ConfigError> {
        let region = self.region();
        let account = |id: &String| id.parse().map_err(|error| wrong(format!("registry_ids: '{id}': {error}")));
        let accounts = ConfigError::gather(self.registry_ids.iter().map(account));
        let (endpoint, key, ca_pem) = (self.base_url(), self.key(), self.certificates());
        let secret = present("replication.remotes.secret_access_key", self.secret_access_key.expose());
        let wrong = [
            region.as_ref().err(),
            accounts.as_ref().err(),
            endpoint.as_ref().err(),
            key.as_ref().err(),
            secret.as_ref().err(),
            ca_pem.as_ref().err(),
        ];
        ConfigError::all(wrong.into_iter().flatten().cloned())?;
        let (region, accounts, endpoint, key, ca_pem) = (region?, accounts?, endpoint?, key?, ca_pem?);
        let secret = SecretAccessKey::new(self.secret_access_key.expose().to_owned());
        Ok(remote::RemoteConfig { region, accounts, endpoint, access_key_id: key.to_string(), secret, ca_pem })
    }
}

impl Config {
    /// What is added to the rules of replication.
    pub fn replication_extensions(&self) -> Result<Extensions, ConfigError> {
        let read = |filter: &String| {
            let wrong = |error| ConfigError(format!("replication.tag_filters: '{filter}' {error}"));
            filter.parse::<TagFilter>().map(drop).map_err(wrong)
        };
        ConfigError::gather(self.replication.tag_filters.iter().map(read))?;
        let ReplicationConfig { deletes, tag_removals, tag_filters, .. } = &self.replication;
        Ok(Extensions { deletes: *deletes, tag_removals: *tag_removals, tag_filters: tag_filters.clone() })
    }

    /// The other Wharfs that images are replicated to.
    pub fn replication_remotes(&self) -> Result<Vec<remote::RemoteConfig>, ConfigError> {
        ConfigError::gather(self.replication.remotes.iter().map(RemoteConfig::check))
    }
}
