//! The configuration: one struct with its defaults; a file, then the environment, then flags.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::http::hosts::PublicUrl;

/// Everything that can be configured. Every key has a default; an empty file is a whole configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where metadata (SQLite), blobs, keys and credentials are. Default: `wharf` in the user's data folder.
    pub data_dir: Option<PathBuf>,
    /// Address and port to listen at. Default: `127.0.0.1:5000`; port 0 takes a free one.
    pub listen: Option<SocketAddr>,
    /// The account, if there is one. Default: 123456789012.
    pub account_id: Option<String>,
    /// Its root access key; made at the first start if it is not given.
    pub access_key_id: Option<String>,
    /// The secret of that key.
    pub secret_access_key: Option<String>,
    /// Several accounts instead of the one above.
    #[serde(default)]
    pub accounts: Vec<AccountConfig>,
    /// Regions that are served, the default first. Default: us-east-1.
    #[serde(default)]
    pub regions: Vec<String>,
    /// Domains for names such as `ACCOUNT.dkr.ecr.REGION.<domain>`.
    #[serde(default)]
    pub domains: Vec<String>,
    /// The base URL at which clients reach the server, if it is not the one they use.
    pub public_url: Option<String>,
    /// 64 hex digits. Default: made at the first start, in the data folder.
    pub service_key: Option<String>,
    /// TLS.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Metadata.
    #[serde(default)]
    pub database: DatabaseConfig,
    /// Seconds that requests in flight may take after SIGTERM. Default: 30.
    pub shutdown_deadline_seconds: Option<u64>,
    /// Hours after which an upload that does not grow is abandoned. Default: 24.
    pub upload_expiry_hours: Option<u32>,
    /// Hours that a blob stays which no image names. Default: 24.
    pub blob_grace_hours: Option<u32>,
}

/// One of several accounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// 12 digits.
    pub id: String,
    /// Its root access key.
    pub access_key_id: String,
    /// The secret of that key.
    pub secret_access_key: String,
}

/// TLS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file of the certificate chain.
    pub certificate: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
    /// Make a certificate and keep it in the data folder.
    #[serde(default)]
    pub self_signed: bool,
}

/// Metadata.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://…`; without it metadata is in SQLite in the data folder.
    pub url: Option<String>,
    /// Connections to PostgreSQL. Default: 16.
    pub pool_size: Option<usize>,
}

/// Something in the configuration is wrong.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(pub String);

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5000);

impl Config {
    /// Reads the file, if there is one, and then what the environment says.
    pub fn load(file: Option<&Path>, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = match file {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError(format!("cannot read {}: {error}", path.display())))?;
                toml::from_str(&text).map_err(|error| ConfigError(format!("{}: {error}", path.display())))?
            }
        };
        config.apply_environment(environment)?;
        Ok(config)
    }

    fn apply_environment(&mut self, environment: impl Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
        let get = |name: &str| environment(name).filter(|value| !value.is_empty());
        let list = |text: String| text.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>();
        let texts = [
            ("WHARF_ACCOUNT_ID", &mut self.account_id),
            ("WHARF_ACCESS_KEY_ID", &mut self.access_key_id),
            ("WHARF_SECRET_ACCESS_KEY", &mut self.secret_access_key),
            ("WHARF_PUBLIC_URL", &mut self.public_url),
            ("WHARF_SERVICE_KEY", &mut self.service_key),
            ("WHARF_DATABASE_URL", &mut self.database.url),
        ];
        for (name, slot) in texts {
            if let Some(value) = get(name) {
                *slot = Some(value);
            }
        }
        let paths = [
            ("WHARF_DATA_DIR", &mut self.data_dir),
            ("WHARF_TLS_CERTIFICATE", &mut self.tls.certificate),
            ("WHARF_TLS_KEY", &mut self.tls.key),
        ];
        for (name, slot) in paths {
            if let Some(value) = get(name) {
                *slot = Some(value.into());
            }
        }
        if let Some(value) = get("WHARF_LISTEN") {
            let address =
                value.parse().map_err(|_| ConfigError(format!("WHARF_LISTEN '{value}' is not ADDRESS:PORT")))?;
            self.listen = Some(address);
        }
        if let Some(value) = get("WHARF_REGION").or_else(|| get("WHARF_REGIONS")) {
            self.regions = list(value);
        }
        if let Some(value) = get("WHARF_DOMAINS") {
            self.domains = list(value);
        }
        Ok(())
    }

    /// The data folder in force.
    pub fn data_dir(&self) -> PathBuf {
        if let Some(folder) = &self.data_dir {
            return folder.clone();
        }
        let base = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
        base.unwrap_or_default().join("wharf")
    }

    /// The address in force.
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or(DEFAULT_LISTEN)
    }

    /// The regions in force, the default first.
    pub fn regions(&self) -> Result<Vec<aws::Region>, ConfigError> {
        let default = [String::from("us-east-1")];
        let names = if self.regions.is_empty() { &default[..] } else { &self.regions };
        names
            .iter()
            .map(|name| name.parse().map_err(|error| ConfigError(format!("region '{name}': {error}"))))
            .collect()
    }

    /// The base URL, checked.
    pub(crate) fn public_url(&self) -> Result<Option<PublicUrl>, ConfigError> {
        self.public_url
            .as_deref()
            .map(|text| text.parse().map_err(|error| ConfigError(format!("public_url '{text}': {error}"))))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_names_every_key() {
        let example = include_str!("../../../docs/wharf.example.toml");
        let config: Config = toml::from_str(example).expect("the example is valid");
        assert_eq!(config.listen(), DEFAULT_LISTEN);
        assert_eq!(config.accounts.len(), 1);
        assert!(config.database.url.is_some() && config.service_key.is_some() && config.public_url.is_some());
    }

    #[test]
    fn the_environment_goes_before_the_file() {
        let environment = |name: &str| match name {
            "WHARF_REGION" => Some("eu-west-1, us-east-1".to_owned()),
            "WHARF_LISTEN" => Some("127.0.0.1:0".to_owned()),
            _ => None,
        };
        let config = Config::load(None, environment).expect("valid");
        assert_eq!(config.regions().expect("valid").len(), 2);
        assert_eq!(config.listen().port(), 0);
    }

    #[test]
    fn unknown_keys_are_named() {
        let error = toml::from_str::<Config>("lisen = 1").expect_err("refused").to_string();
        assert!(error.contains("lisen") && error.contains("listen"), "{error}");
    }
}
