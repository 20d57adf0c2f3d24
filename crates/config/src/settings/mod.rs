//! The configuration: one struct with its defaults; a file, then the environment, then flags.
//!
//! A `Draft` of the three finds all that is wrong at once: texts of faults name their keys, by which `setting_sources`
//! finds the line.

mod audit;
mod connections;
mod draft;
mod environment;
mod file_problems;
mod limits;
mod operations;
mod replication;
mod requests;
mod scanning;
mod secret_files;
mod sections;
mod service_links;
mod setting_sources;
mod storage;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use access::web_identity::{Keys, SourceConfig};
use account_services::iam_api::may_be_issuer;
use aws::AccountId;
use registry::advisory_settings::AdvisorySettings;
use registry::cache::config::PullThroughCacheConfig;
use registry::cache::mirror::MirrorSettings;
use registry::cache::settings::{CacheSettings, DEFAULT_CHECK_HOURS};
use registry::events::Events;
use registry::events::config::EventsConfig;
use registry::images::quotas::Quotas;
use registry::images::restore::MAX_RESTORE_WINDOW_DAYS;
use runtime::config_error::{ConfigError, no_duplicates, present};
use runtime::data_folder::DataFolder;
use runtime::hidden::Hidden;
use runtime::host_name::is_host_name;
use runtime::http::hosts::PublicUrl;
use runtime::http::machine::Means;
use runtime::http::tls::{self, TlsSource};
use runtime::limits::Limits;
use runtime::root_keys::{KmsEndpoint, WrappingKey};
use serde::{Deserialize, Serialize};
use store::blob::ServiceKey;
use store::tables::registry_id::RegistryId;

use crate::credentials::{DEFAULT_ACCOUNT, RootCredentials, RootKeySettings};

pub use audit::AuditConfig;
pub use connections::ConnectionsConfig;
pub use draft::{Arguments, Draft, Faults};
pub use limits::{QuotasConfig, RatesConfig, RatesPreset};
pub use operations::{LogConfig, LogFormat, MetricsConfig, TelemetryConfig};
pub use replication::{RemoteConfig, ReplicationConfig};
pub use requests::RequestsConfig;
pub use scanning::{AdvisoriesConfig, FeedConfig, ScanningConfig};
pub use secret_files::Exposures;
use secret_files::SecretFile;
pub use sections::{
    AccountConfig, DatabaseConfig, IssuerConfig, KmsEndpointSection, LifecycleConfig, MirrorConfig, OidcConfig,
    ScrubConfig, TlsConfig,
};

pub use storage::{ArchiveConfig, StorageConfig};

/// Everything that can be configured. Every key has a default; an empty file is a whole configuration.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where metadata (SQLite), blobs, keys and credentials are. Default: `wharf` in the user's data folder.
    pub data_dir: Option<PathBuf>,
    /// Address and port to listen at. Default: `127.0.0.1:5000`; port 0 takes a free one.
    #[serde(default, deserialize_with = "read_listen")]
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
    /// Addresses and networks of proxies that may say for whom they ask.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// Whether these begin each connection with a header of the PROXY protocol. Default: false.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// 64 hex digits. Default: made at the first start, in the data folder.
    pub service_key: Option<Hidden>,
    /// What `service_key` was before, or what the file in the data folder held: what it wrapped is wrapped anew.
    pub previous_service_key: Option<Hidden>,
    /// A KMS whose key stands in for the service key.
    #[serde(default)]
    pub service_key_kms: KmsEndpointSection,
    /// The KMS whose key stood in for the service key before.
    #[serde(default)]
    pub previous_service_key_kms: KmsEndpointSection,
    /// Days after which a root key is followed by a new one. Default: never by itself.
    pub root_key_rotation_days: Option<u32>,
    /// TLS.
    #[serde(default)]
    pub tls: TlsConfig,
    /// How long connections may take, and how many there may be.
    #[serde(default)]
    pub connections: ConnectionsConfig,
    /// Metadata.
    #[serde(default)]
    pub database: DatabaseConfig,
    /// Blobs.
    #[serde(default)]
    pub storage: StorageConfig,
    /// The store of archived layers.
    #[serde(default)]
    pub archive: ArchiveConfig,
    /// How much of everything a registry may have.
    #[serde(default)]
    pub quotas: QuotasConfig,
    /// What requests may hold while they are being received.
    #[serde(default)]
    pub requests: RequestsConfig,
    /// How many requests a registry takes in a second.
    #[serde(default)]
    pub rates: RatesConfig,
    /// Records of who did what.
    #[serde(default)]
    pub audit: AuditConfig,
    /// OpenID Connect issuers whose tokens AssumeRoleWithWebIdentity takes.
    #[serde(default)]
    pub oidc: OidcConfig,
    /// Where events go.
    #[serde(default)]
    pub events: EventsConfig,
    /// Lifecycle policies.
    #[serde(default)]
    pub lifecycle: LifecycleConfig,
    /// Where the pull through cache may go.
    #[serde(default)]
    pub pull_through_cache: PullThroughCacheConfig,
    /// The transparent mirror.
    #[serde(default)]
    pub mirror: MirrorConfig,
    /// Replication.
    #[serde(default)]
    pub replication: ReplicationConfig,
    /// Prometheus metrics.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// Traces for a collector.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// The log.
    #[serde(default)]
    pub log: LogConfig,
    /// The background scrub.
    #[serde(default)]
    pub scrub: ScrubConfig,
    /// Scans of images.
    #[serde(default)]
    pub scanning: ScanningConfig,
    /// Where advisories come from.
    #[serde(default)]
    pub advisories: AdvisoriesConfig,
    /// Seconds that requests in flight may take after SIGTERM. Default: 30.
    pub shutdown_deadline_seconds: Option<u64>,
    /// Hours after which an upload that does not grow is abandoned. Default: 24.
    pub upload_expiry_hours: Option<u32>,
    /// Hours that a blob stays which no image names. Default: 24.
    pub blob_grace_hours: Option<u32>,
    /// MiB of the disk of the embedded database that are kept back for what makes room when it is full; 0 for none.
    /// Default: 64, and at most a sixteenth of the disk.
    pub ballast_mib: Option<u32>,
    /// Days that deleted images can be restored, where their repository says nothing; 0 for not at all. Default: 7.
    pub restore_window_days: Option<u32>,
    /// Failed authentications of one source in a minute that are answered without delay. Default: 60.
    pub authentication_failures_per_minute: Option<u32>,
    /// The files that hold secrets and that the environment names.
    #[serde(skip)]
    pub secret_files: Vec<SecretFile>,
}

const DEFAULT_SHUTDOWN_DEADLINE_SECONDS: u64 = 30;
const DEFAULT_BALLAST_MIB: u32 = 64;
const DEFAULT_FAILURES_PER_MINUTE: u32 = 60;
const DEFAULT_POOL_SIZE: usize = 16;
const HOUR_MS: i64 = 60 * 60 * 1000;
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5000);

/// Reads `ADDRESS:PORT` or `NAME:PORT`; of a name's addresses an IPv4 one goes first, as docker expects of localhost.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let found: Vec<SocketAddr> =
        runtime::network::addresses(text).map_err(|error| not_a_listener(text, &error))?.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
    first.copied().ok_or_else(|| format!("'{text}' has no address"))
}

fn not_a_listener(text: &str, error: &std::io::Error) -> String {
    // As other servers take it; what they make of it differs.
    match text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        Ok(port) => format!("'{text}' has no address: write 127.0.0.1:{port} or 0.0.0.0:{port}"),
        Err(_) => format!("'{text}' is not ADDRESS:PORT ({error})"),
    }
}

fn read_listen<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_listen(&text).map(Some).map_err(serde::de::Error::custom)
}

impl Config {
    /// Reads the file, if there is one, and then what the environment says.
    pub fn load(file: Option<&Path>, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let draft = Draft::read(file, environment, std::iter::empty(), Arguments::default());
        draft.config().map_err(|faults| ConfigError(faults.lines().join("\n")))
    }

    /// The data folder as this node knows it: where it is, and which of its files the configuration names.
    pub fn data_folder(&self, data_dir: &Path) -> DataFolder {
        let files = [&self.tls.certificate, &self.tls.key, &self.audit.file, &self.archive.dir];
        let files = files.into_iter().filter_map(Option::as_ref);
        let event_file = self.events.file.as_ref().map(|file| &file.path);
        let secrets = self.secret_files.iter().map(|file| &file.path);
        let keys = self.oidc.issuers.iter().map(|issuer| &issuer.jwks_file);
        let events = self.events.files().map(|(_, file)| file);
        let named = files.chain(event_file).chain(secrets).chain(keys).chain(events);
        DataFolder::new(data_dir, named.map(PathBuf::from))
    }

    /// The data folder in force.
    pub fn data_dir(&self) -> Result<PathBuf, ConfigError> {
        if let Some(folder) = &self.data_dir {
            return Ok(folder.clone());
        }
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        variable("XDG_DATA_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
            .map(|base| base.join("wharf"))
            .ok_or_else(|| {
                ConfigError("HOME is not set: name the data folder with --data-dir or WHARF_DATA_DIR".to_owned())
            })
    }

    /// The address in force.
    pub fn listen(&self) -> SocketAddr {
        self.listen.unwrap_or(DEFAULT_LISTEN)
    }

    /// The regions in force, the default first.
    pub fn regions(&self) -> Result<Vec<aws::Region>, ConfigError> {
        let default = [String::from("us-east-1")];
        let names = if self.regions.is_empty() { &default[..] } else { &self.regions };
        let read = |name: &String| name.parse().map_err(|error| ConfigError(format!("regions: '{name}': {error}")));
        ConfigError::gather(names.iter().map(read))
    }

    /// The accounts and their root keys, as far as they are given.
    pub fn root_key_settings(&self) -> RootKeySettings {
        let accounts = self.accounts.iter().map(|account| RootCredentials {
            account_id: account.id.clone(),
            access_key_id: account.access_key_id.clone(),
            secret_access_key: account.secret_access_key.expose().to_owned(),
        });
        RootKeySettings {
            accounts: accounts.collect(),
            account_id: self.account_id.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
        }
    }

    /// Where TLS takes its certificate from, if it is spoken.
    pub fn tls_source(&self) -> Result<Option<TlsSource>, ConfigError> {
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
    pub fn service_key(&self) -> Result<Option<ServiceKey>, ConfigError> {
        self.service_key
            .as_ref()
            .map(|text| ServiceKey::from_hex(text.expose()))
            .transpose()
            .map_err(|error| ConfigError(format!("service_key: {error}")))
    }

    /// The KMS whose key stands in for the service key, if one does.
    pub fn service_key_endpoint(&self) -> Result<Option<KmsEndpoint>, ConfigError> {
        let endpoint = self.service_key_kms.endpoint("service_key_kms")?;
        if endpoint.is_some() && self.service_key.is_some() {
            let hint = "give one of them, and what was in force before as previous_service_key";
            return Err(ConfigError(format!("service_key and service_key_kms cannot both be given: {hint}")));
        }
        Ok(endpoint)
    }

    /// What was the service key before, if that is configured.
    pub fn previous_service_keys(&self) -> Result<Vec<WrappingKey>, ConfigError> {
        let mut previous = Vec::new();
        if let Some(text) = &self.previous_service_key {
            let key = ServiceKey::from_hex(text.expose());
            previous.push(WrappingKey::Configured(
                key.map_err(|error| ConfigError(format!("previous_service_key: {error}")))?,
            ));
        }
        let endpoint = self.previous_service_key_kms.endpoint("previous_service_key_kms")?;
        previous.extend(endpoint.map(|endpoint| WrappingKey::Kms(Box::new(endpoint))));
        Ok(previous)
    }

    /// Where the keys of OpenID Connect issuers come from.
    pub fn oidc_sources(&self) -> Result<SourceConfig, ConfigError> {
        let (mut files, mut wrong) = (HashMap::new(), Vec::new());
        for issuer in &self.oidc.issuers {
            let url = &issuer.url;
            wrong.extend(present("oidc.issuers.jwks_file", &issuer.jwks_file.to_string_lossy()).err());
            if let Err(missing) = present("oidc.issuers.url", url) {
                wrong.push(missing);
                continue;
            }
            let is_url =
                ["https://", "http://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
            if !is_url {
                wrong.push(ConfigError(format!("oidc.issuers: '{url}' is not a URL")));
            } else if !may_be_issuer(url) {
                let rule = "https is needed of an issuer that is not on this machine, or no provider can be made of it";
                wrong.push(ConfigError(format!("oidc.issuers: '{url}': {rule}")));
            }
            if files.insert(url.clone(), issuer.jwks_file.clone()).is_some() {
                wrong.push(ConfigError(format!("oidc.issuers: '{url}' is there twice")));
            }
        }
        ConfigError::all(wrong)?;
        Ok(SourceConfig { allow_private_networks: self.oidc.allow_private_networks, files })
    }

    /// The quotas in force: with ECR's rates also its quota of scans.
    pub fn quotas_in_force(&self) -> Result<Quotas, ConfigError> {
        let quotas = self.quotas.quotas()?;
        Ok(Quotas { one_scan_a_day: self.rates.preset == RatesPreset::Ecr, ..quotas })
    }

    /// Where the pull through cache may go.
    pub fn cache_settings(&self) -> Result<CacheSettings, ConfigError> {
        CacheSettings::read(&self.pull_through_cache)
    }

    /// Who may use the transparent mirror without a token.
    pub fn mirror_settings(&self) -> Result<MirrorSettings, ConfigError> {
        let config = &self.mirror;
        let registries = config.registries.iter().map(|registry| registry.to_ascii_lowercase()).collect();
        let default = self.account_id.as_deref().unwrap_or(DEFAULT_ACCOUNT);
        let accounts: Vec<&str> = match self.accounts.as_slice() {
            [] => vec![default],
            several => several.iter().map(|account| account.id.as_str()).collect(),
        };
        let regions = self.regions()?;
        let wrong = |key: &str, text: &str| ConfigError(format!("mirror.{key}: '{text}' is none of this server's"));
        let account = config.account.as_deref().unwrap_or(accounts[0]);
        let known = accounts.contains(&account).then(|| account.parse::<AccountId>().ok()).flatten();
        let region = match &config.region {
            None => Ok(regions[0].clone()),
            Some(name) => {
                let found = regions.iter().find(|region| region.as_str() == name);
                found.cloned().ok_or_else(|| wrong("region", name))
            }
        };
        // The default account is looked at where it is given.
        let account = match (known, &config.account) {
            (Some(account), _) => Ok(Some(account)),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(wrong("account", account)),
        };
        ConfigError::all([account.as_ref().err(), region.as_ref().err()].into_iter().flatten().cloned())?;
        let registry = account?.zip(region.ok()).map(|(account, region)| RegistryId { account, region });
        Ok(MirrorSettings { anonymous: registry.filter(|_| config.anonymous), registries })
    }

    /// Everything that is wrong and can be known without starting; nothing if the configuration is good.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut note = |result: Result<(), ConfigError>| problems.extend(result.err().map(|error| error.0));
        note(self.data_dir().and_then(|folder| {
            if runtime::files::exists(&folder) && !runtime::files::is_dir(&folder) {
                let hint = "name a folder with --data-dir or WHARF_DATA_DIR";
                return Err(ConfigError(format!("data_dir: {} is a file: {hint}", folder.display())));
            }
            Ok(())
        }));
        for problem in self.storage_problems() {
            note(Err(problem));
        }
        note(self.regions().map(drop));
        note(no_duplicates("regions", self.regions.iter()));
        note(self.public_url().map(drop));
        for domain in self.domains.iter().filter(|domain| !is_host_name(domain)) {
            note(Err(ConfigError(format!("domains: '{domain}' is not a host name such as registry.example.com"))));
        }
        note(self.tls_source().map(drop));
        note(self.listener_settings(Means::UNLIMITED).map(drop));
        note(self.connections.settings(Means::UNLIMITED).map(drop));
        note(self.service_key().map(drop));
        note(self.previous_service_keys().map(drop));
        note(self.service_key_endpoint().map(drop));
        if self.root_key_rotation_days == Some(0) {
            note(Err(ConfigError("root_key_rotation_days: at least 1 is needed".to_owned())));
        }
        note(self.oidc_sources().map(drop));
        note(self.quotas.quotas().map(drop));
        note(self.requests.budget().map(drop));
        note(self.audit.settings().map(drop));
        note(Events::new(&self.events).map(drop));
        note(self.cache_settings().map(drop));
        note(self.mirror_settings().map(drop));
        note(self.replication_extensions().map(drop));
        note(self.replication_remotes().map(drop));
        note(self.metrics.settings().map(drop));
        note(self.telemetry.settings().map(drop));
        note(self.scanning.confinement().map(drop));
        note(self.scanning.advisories(Vec::new()).map(drop));
        note(self.advisories.feeds().map(drop));
        for (key, hours) in
            [("upload_expiry_hours", self.upload_expiry_hours), ("blob_grace_hours", self.blob_grace_hours)]
        {
            if hours == Some(0) {
                note(Err(ConfigError(format!("{key}: at least 1 is needed, as pushes take their time"))));
            }
        }
        if self.restore_window_days.is_some_and(|days| i64::from(days) > MAX_RESTORE_WINDOW_DAYS) {
            let rule = format!("at most {MAX_RESTORE_WINDOW_DAYS} (ten years) can be kept");
            note(Err(ConfigError(format!("restore_window_days: {rule}"))));
        }
        if self.lifecycle.interval_hours == Some(0) {
            note(Err(ConfigError("lifecycle.interval_hours: at least 1 is needed".to_owned())));
        }
        if self.scrub.interval_hours == Some(0) {
            note(Err(ConfigError("scrub.interval_hours: at least 1 is needed".to_owned())));
        }
        if self.database.pool_size == Some(0) {
            note(Err(ConfigError("database.pool_size: at least 1 is needed".to_owned())));
        }
        if let Some(url) = &self.database.url {
            note(check_database_url(url.expose()));
        }
        let data_dir = self.data_dir().ok();
        problems.extend(self.root_key_settings().problems(data_dir.as_deref()));
        if let Some(folder) = &data_dir {
            problems.extend(self.exposures(folder).refused);
        }
        let mut note = |result: Result<(), String>| problems.extend(result.err());
        let can_open = |key: &str, file: &PathBuf| {
            runtime::files::open(file).map(drop).map_err(|error| format!("{key}: '{}': {error}", file.display()))
        };
        for issuer in self.oidc.issuers.iter().filter(|issuer| !issuer.jwks_file.as_os_str().is_empty()) {
            note(
                check_key_set(&issuer.jwks_file)
                    .map_err(|error| format!("oidc.issuers.jwks_file: '{}': {error}", issuer.jwks_file.display())),
            );
        }
        for (key, file) in self.events.files() {
            note(can_open(key, file));
        }
        let files: Vec<(&str, &PathBuf)> = [("tls.certificate", &self.tls.certificate), ("tls.key", &self.tls.key)]
            .into_iter()
            .filter_map(|(key, file)| Some((key, file.as_ref()?)))
            .collect();
        match files[..] {
            [(key, certificate), (_, key_file)] if files.iter().all(|(key, file)| can_open(key, file).is_ok()) => {
                let read = tls::read_pair(certificate, key_file);
                note(read.map(drop).map_err(|error| format!("{key}: {error}")));
            }
            _ => files.into_iter().for_each(|(key, file)| note(can_open(key, file))),
        }
        let mut problems: Vec<String> = problems.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
        // One that two settings share is said once.
        let mut seen = HashSet::new();
        problems.retain(|problem| seen.insert(problem.clone()));
        problems
    }

    /// How much of the disk of the embedded database is kept back.
    pub fn ballast_bytes(&self) -> u64 {
        u64::from(self.ballast_mib.unwrap_or(DEFAULT_BALLAST_MIB)) * 1024 * 1024
    }

    /// The configuration in force, with the defaults filled in and the secrets hidden, in the form of the file.
    pub fn in_force(&self) -> Result<String, ConfigError> {
        let limits = Limits::default();
        let mut config = self.clone();
        config.data_dir = Some(self.data_dir()?);
        config.archive.dir = self.archive_dir(&self.data_dir()?);
        config.listen = Some(self.listen());
        config.regions = self.regions()?.iter().map(ToString::to_string).collect();
        if config.accounts.is_empty() {
            config.account_id.get_or_insert_with(|| DEFAULT_ACCOUNT.to_owned());
        }
        config.shutdown_deadline_seconds.get_or_insert(DEFAULT_SHUTDOWN_DEADLINE_SECONDS);
        config.upload_expiry_hours.get_or_insert((limits.upload_expiry_ms / HOUR_MS) as u32);
        config.blob_grace_hours.get_or_insert((limits.blob_grace_ms / HOUR_MS) as u32);
        config.ballast_mib.get_or_insert(DEFAULT_BALLAST_MIB);
        config.restore_window_days.get_or_insert(limits.restore_window_days as u32);
        config.lifecycle.interval_hours.get_or_insert((limits.lifecycle_interval_ms / HOUR_MS) as u32);
        config.authentication_failures_per_minute = Some(self.authentication_failures_per_minute());
        config.quotas = self.quotas.filled()?;
        config.requests = self.requests.filled()?;
        config.audit = self.audit.filled();
        config.connections = self.connections.filled();
        config.metrics = self.metrics.filled();
        config.telemetry = self.telemetry.filled();
        config.storage.object_grace_seconds = Some(self.object_grace_seconds());
        config.log.format.get_or_insert_default();
        config.scrub = self.scrub.filled();
        config.scanning = self.scanning.filled();
        config.pull_through_cache.check_hours.get_or_insert(DEFAULT_CHECK_HOURS);
        if config.database.url.is_some() {
            config.database.pool_size.get_or_insert(DEFAULT_POOL_SIZE);
        }
        toml::to_string(&config).map_err(|error| ConfigError(error.to_string()))
    }

    /// Where advisories come from.
    pub fn advisory_settings(&self) -> Result<AdvisorySettings, ConfigError> {
        self.scanning.advisories(self.advisories.feeds()?)
    }

    /// Seconds that requests in flight may take after SIGTERM.
    pub fn shutdown_deadline_seconds(&self) -> u64 {
        self.shutdown_deadline_seconds.unwrap_or(DEFAULT_SHUTDOWN_DEADLINE_SECONDS)
    }

    /// Failed authentications of one source in a minute that are answered without delay.
    pub fn authentication_failures_per_minute(&self) -> u32 {
        self.authentication_failures_per_minute.unwrap_or(DEFAULT_FAILURES_PER_MINUTE)
    }

    /// Connections to PostgreSQL.
    pub fn pool_size(&self) -> usize {
        self.database.pool_size.unwrap_or(DEFAULT_POOL_SIZE)
    }

    /// The base URL, checked.
    pub fn public_url(&self) -> Result<Option<PublicUrl>, ConfigError> {
        self.public_url
            .as_deref()
            .map(|text| text.parse().map_err(|error| ConfigError(format!("public_url '{text}': {error}"))))
            .transpose()
    }
}

/// Whether a file holds keys by which tokens can be checked.
fn check_key_set(file: &Path) -> Result<(), String> {
    let text = runtime::files::read(file).map_err(|error| error.to_string())?;
    match Keys::parse(&text) {
        None => Err("it is no JSON Web Key Set, which looks like {\"keys\": [{\"kid\": …}]}".to_owned()),
        Some(keys) if keys.is_empty() => {
            Err("it holds no key that can be used: those of RSA, P-256 and P-384 with a kid are".to_owned())
        }
        Some(_) => Ok(()),
    }
}

fn check_database_url(url: &str) -> Result<(), ConfigError> {
    // Never shown itself: it may hold a password.
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(ConfigError("database.url: a URL such as postgres://user@host/database is needed".to_owned()));
    }
    store::db::check_postgres_url(url).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        ConfigError(format!("database.url: {error}{cause}"))
    })
}

#[cfg(test)]
mod tests;
