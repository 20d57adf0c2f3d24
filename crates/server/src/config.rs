//! The configuration: one struct with its defaults; a file, then the environment, then flags.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};
use store::blob::ServiceKey;

use crate::app::Limits;
use crate::credentials;
use crate::http::hosts::PublicUrl;
use crate::http::tls::TlsSource;
use crate::sts::web_identity::SourceConfig;

/// A text that is never shown: neither by `Debug` nor when the configuration is printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[hidden]")
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[hidden]")
    }
}

/// Everything that can be configured. Every key has a default; an empty file is a whole configuration.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
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
    pub secret_access_key: Option<Hidden>,
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
    pub service_key: Option<Hidden>,
    /// TLS.
    #[serde(default)]
    pub tls: TlsConfig,
    /// Metadata.
    #[serde(default)]
    pub database: DatabaseConfig,
    /// OpenID Connect issuers whose tokens AssumeRoleWithWebIdentity takes.
    #[serde(default)]
    pub oidc: OidcConfig,
    /// Seconds that requests in flight may take after SIGTERM. Default: 30.
    pub shutdown_deadline_seconds: Option<u64>,
    /// Hours after which an upload that does not grow is abandoned. Default: 24.
    pub upload_expiry_hours: Option<u32>,
    /// Hours that a blob stays which no image names. Default: 24.
    pub blob_grace_hours: Option<u32>,
    /// Failed authentications of one source in a minute that are answered without delay. Default: 60.
    pub authentication_failures_per_minute: Option<u32>,
}

/// One of several accounts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// 12 digits.
    pub id: String,
    /// Its root access key.
    pub access_key_id: String,
    /// The secret of that key.
    pub secret_access_key: Hidden,
}

/// TLS.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
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
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://…`; without it metadata is in SQLite in the data folder.
    pub url: Option<Hidden>,
    /// Connections to PostgreSQL. Default: 16.
    pub pool_size: Option<usize>,
}

/// OpenID Connect. Which issuers an account trusts is said through IAM; here is how they are reached.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// Whether issuers may be in private networks and on this machine. Default: false, so that whoever may name an
    /// issuer cannot reach into the server's own network.
    #[serde(default)]
    pub allow_private_networks: bool,
    /// Issuers whose keys are in files, for networks that do not reach them.
    #[serde(default)]
    pub issuers: Vec<IssuerConfig>,
}

/// An issuer whose keys are in a file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Its URL, exactly as its tokens name it (`iss`).
    pub url: String,
    /// A JSON Web Key Set; read again every hour, and then nothing is fetched from the issuer.
    pub jwks_file: PathBuf,
}

/// Something in the configuration is wrong.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(pub String);

const DEFAULT_SHUTDOWN_DEADLINE_SECONDS: u64 = 30;
const DEFAULT_FAILURES_PER_MINUTE: u32 = 60;
const DEFAULT_POOL_SIZE: usize = 16;
const HOUR_MS: i64 = 60 * 60 * 1000;
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
            ("WHARF_PUBLIC_URL", &mut self.public_url),
        ];
        for (name, slot) in texts {
            if let Some(value) = get(name) {
                *slot = Some(value);
            }
        }
        let secrets = [
            ("WHARF_SECRET_ACCESS_KEY", &mut self.secret_access_key),
            ("WHARF_SERVICE_KEY", &mut self.service_key),
            ("WHARF_DATABASE_URL", &mut self.database.url),
        ];
        for (name, slot) in secrets {
            if let Some(value) = get(name) {
                *slot = Some(value.into());
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
        if let Some(value) = get("WHARF_AUTHENTICATION_FAILURES_PER_MINUTE") {
            let rule = || ConfigError(format!("WHARF_AUTHENTICATION_FAILURES_PER_MINUTE '{value}' is not a number"));
            self.authentication_failures_per_minute = Some(value.parse().map_err(|_| rule())?);
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

    /// Where TLS takes its certificate from, if it is spoken.
    pub(crate) fn tls_source(&self) -> Result<Option<TlsSource>, ConfigError> {
        match (&self.tls.certificate, &self.tls.key, self.tls.self_signed) {
            (None, None, false) => Ok(None),
            (None, None, true) => Ok(Some(TlsSource::SelfSigned)),
            (Some(certificate), Some(key), false) => {
                Ok(Some(TlsSource::Files { certificate: certificate.clone(), key: key.clone() }))
            }
            (Some(_), Some(_), true) => {
                Err(ConfigError("tls.self_signed cannot be combined with tls.certificate and tls.key".to_owned()))
            }
            _ => Err(ConfigError("tls.certificate and tls.key must be given together".to_owned())),
        }
    }

    /// The key that encrypts what is stored, if it is configured.
    pub(crate) fn service_key(&self) -> Result<Option<ServiceKey>, ConfigError> {
        self.service_key
            .as_ref()
            .map(|text| ServiceKey::from_hex(text.expose()))
            .transpose()
            .map_err(|error| ConfigError(format!("service_key: {error}")))
    }

    /// Where the keys of OpenID Connect issuers come from.
    pub(crate) fn oidc_sources(&self) -> Result<SourceConfig, ConfigError> {
        let mut files = HashMap::new();
        for issuer in &self.oidc.issuers {
            let url = &issuer.url;
            if !["https://", "http://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme)) {
                return Err(ConfigError(format!("oidc.issuers: '{url}' is not a URL")));
            }
            if files.insert(url.clone(), issuer.jwks_file.clone()).is_some() {
                return Err(ConfigError(format!("oidc.issuers: '{url}' is there twice")));
            }
        }
        Ok(SourceConfig { allow_private_networks: self.oidc.allow_private_networks, files })
    }

    /// Everything that is wrong and can be known without starting; nothing if the configuration is good.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut note = |result: Result<(), String>| problems.extend(result.err());
        note(self.regions().map(drop).map_err(|error| error.to_string()));
        note(self.public_url().map(drop).map_err(|error| error.to_string()));
        note(self.tls_source().map(drop).map_err(|error| error.to_string()));
        note(self.service_key().map(drop).map_err(|error| error.to_string()));
        note(credentials::check(self).map_err(|error| error.to_string()));
        note(self.oidc_sources().map(drop).map_err(|error| error.to_string()));
        let jwks_files = self.oidc.issuers.iter().map(|issuer| &issuer.jwks_file);
        for file in [&self.tls.certificate, &self.tls.key].into_iter().flatten().chain(jwks_files) {
            note(std::fs::File::open(file).map(drop).map_err(|error| format!("{}: {error}", file.display())));
        }
        problems
    }

    /// The configuration in force, with the defaults filled in and the secrets hidden, in the form of the file.
    pub fn in_force(&self) -> Result<String, ConfigError> {
        let limits = Limits::default();
        let mut config = self.clone();
        config.data_dir = Some(self.data_dir());
        config.listen = Some(self.listen());
        config.regions = self.regions()?.iter().map(ToString::to_string).collect();
        if config.accounts.is_empty() {
            config.account_id.get_or_insert_with(|| credentials::DEFAULT_ACCOUNT.to_owned());
        }
        config.shutdown_deadline_seconds.get_or_insert(DEFAULT_SHUTDOWN_DEADLINE_SECONDS);
        config.upload_expiry_hours.get_or_insert((limits.upload_expiry_ms / HOUR_MS) as u32);
        config.blob_grace_hours.get_or_insert((limits.blob_grace_ms / HOUR_MS) as u32);
        config.authentication_failures_per_minute = Some(self.authentication_failures_per_minute());
        if config.database.url.is_some() {
            config.database.pool_size.get_or_insert(DEFAULT_POOL_SIZE);
        }
        toml::to_string(&config).map_err(|error| ConfigError(error.to_string()))
    }

    /// Seconds that requests in flight may take after SIGTERM.
    pub(crate) fn shutdown_deadline_seconds(&self) -> u64 {
        self.shutdown_deadline_seconds.unwrap_or(DEFAULT_SHUTDOWN_DEADLINE_SECONDS)
    }

    /// Failed authentications of one source in a minute that are answered without delay.
    pub(crate) fn authentication_failures_per_minute(&self) -> u32 {
        self.authentication_failures_per_minute.unwrap_or(DEFAULT_FAILURES_PER_MINUTE)
    }

    /// Connections to PostgreSQL.
    pub(crate) fn pool_size(&self) -> usize {
        self.database.pool_size.unwrap_or(DEFAULT_POOL_SIZE)
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
        assert_eq!(config.oidc.issuers.len(), 1);
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
    fn what_is_in_force_shows_defaults_and_no_secret() {
        let environment = |name: &str| match name {
            "WHARF_ACCESS_KEY_ID" => Some("AKIAIOSFODNN7EXAMPLE".to_owned()),
            "WHARF_SECRET_ACCESS_KEY" | "WHARF_SERVICE_KEY" | "WHARF_DATABASE_URL" => Some("sesame".repeat(8)),
            _ => None,
        };
        let config = Config::load(None, environment).expect("valid");
        let text = config.in_force().expect("valid");
        for line in
            ["listen = \"127.0.0.1:5000\"", "account_id = \"123456789012\"", "blob_grace_hours = 24", "pool_size = 16"]
        {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        assert!(!text.contains("sesame") && !format!("{config:?}").contains("sesame"), "{text}");
        toml::from_str::<Config>(&text).expect("what is printed is a configuration");
    }

    #[test]
    fn all_problems_are_listed() {
        let text = "regions = [\"No\"]\npublic_url = \"x\"\nservice_key = \"1\"\naccess_key_id = \"a\"\n[tls]\nkey = \"/absent\"\n[[oidc.issuers]]\nurl = \"issuer\"\njwks_file = \"/nowhere\"";
        let problems = toml::from_str::<Config>(text).expect("well-formed").problems();
        for word in [
            "No",
            "public_url",
            "service_key",
            "secret_access_key",
            "tls.certificate",
            "/absent",
            "'issuer'",
            "/nowhere",
        ] {
            assert!(problems.iter().any(|problem| problem.contains(word)), "{word}: {problems:?}");
        }
        assert_eq!(Config::default().problems(), Vec::<String>::new());
    }

    #[test]
    fn unknown_keys_are_named() {
        let error = toml::from_str::<Config>("lisen = 1").expect_err("refused").to_string();
        assert!(error.contains("lisen") && error.contains("listen"), "{error}");
    }
}
