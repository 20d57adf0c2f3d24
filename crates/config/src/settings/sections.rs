//! The sections of the configuration, as they are written.

use std::path::PathBuf;

use aws::SecretAccessKey;
use runtime::config_error::ConfigError;
use runtime::hidden::Hidden;
use runtime::limits::Limits;
use runtime::root_keys::{KmsEndpoint, KmsEndpointConfig};
use serde::{Deserialize, Serialize};

const KIB: u64 = 1024;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// One of several accounts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// 12 digits. Must be given, as what follows.
    #[serde(default)]
    pub id: String,
    /// Its root access key.
    #[serde(default)]
    pub access_key_id: String,
    /// The secret of that key.
    #[serde(default)]
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

/// A KMS, AWS's or another one, whose key wraps the root keys.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KmsEndpointSection {
    /// The key: id, ARN or alias. Without it no KMS is asked.
    pub key_id: Option<String>,
    /// Base URL. Default: AWS's KMS of the region.
    pub endpoint: Option<String>,
    /// Region that requests are signed for. Default: us-east-1.
    pub region: Option<String>,
    /// Access key. Default: the environment's `AWS_ACCESS_KEY_ID`, with its secret and session token.
    pub access_key_id: Option<String>,
    /// The secret of that key.
    pub secret_access_key: Option<Hidden>,
    /// Its session token, if it is temporary.
    pub session_token: Option<Hidden>,
    /// PEM file of who issued the KMS's certificate. Default: the machine's authorities.
    pub ca_file: Option<PathBuf>,
}

impl KmsEndpointSection {
    /// The KMS that the section `name` describes, if it does.
    pub fn endpoint(&self, name: &str) -> Result<Option<KmsEndpoint>, ConfigError> {
        let Some(key_id) = self.key_id.clone() else {
            let has_texts = [&self.endpoint, &self.region, &self.access_key_id].into_iter().any(Option::is_some);
            let has_secrets = self.secret_access_key.is_some() || self.session_token.is_some();
            if has_texts || has_secrets || self.ca_file.is_some() {
                return Err(ConfigError(format!("{name}.key_id: it says which key wraps, and is missing")));
            }
            return Ok(None);
        };
        let region = self.region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        let url = self.endpoint.clone().unwrap_or_else(|| format!("https://kms.{region}.amazonaws.com"));
        let url = reqwest::Url::parse(&url).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let url = url.ok_or_else(|| ConfigError(format!("{name}.endpoint: it must be a URL of http or https")))?;
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let given = |value: &Option<Hidden>| value.as_ref().map(|value| value.expose().to_owned());
        let (access_key_id, secret, session_token) = match &self.access_key_id {
            Some(id) => (Some(id.clone()), given(&self.secret_access_key), given(&self.session_token)),
            None => (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), variable("AWS_SESSION_TOKEN")),
        };
        let (Some(access_key_id), Some(secret)) = (access_key_id, secret) else {
            let hint = "give access_key_id and secret_access_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
            return Err(ConfigError(format!("{name}: it has no credentials: {hint}")));
        };
        let ca_pem = self.ca_file.as_ref().map(|path| {
            runtime::files::read(path)
                .map_err(|error| ConfigError(format!("{name}.ca_file {}: {error}", path.display())))
        });
        let config = KmsEndpointConfig {
            key_id,
            url,
            region,
            access_key_id,
            secret: SecretAccessKey::new(secret),
            session_token: session_token.map(SecretAccessKey::new),
            ca_pem: ca_pem.transpose()?,
        };
        let endpoint = KmsEndpoint::new(config).map_err(|error| ConfigError(format!("{name}: {error}")))?;
        Ok(Some(endpoint))
    }
}

/// Lifecycle policies.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LifecycleConfig {
    /// Hours from one run of a policy to the next. Default: 24, as on AWS.
    pub interval_hours: Option<u32>,
}

/// The background scrub, which reads every object again and again to find damage.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScrubConfig {
    /// KiB that it reads in a second, on one node of all; 0 for no scrub. Default: 8192.
    pub kib_per_second: Option<u32>,
    /// Hours from the beginning of one round to that of the next. Default: 720 (30 days).
    pub interval_hours: Option<u32>,
}

impl ScrubConfig {
    /// What it reads in a second; none if it does not run.
    pub fn bytes_per_second(&self) -> Option<u64> {
        let default = Limits::default().scrub_bytes_per_second;
        self.kib_per_second.map_or(default, |given| Some(u64::from(given) * KIB)).filter(|rate| *rate > 0)
    }

    /// From the beginning of one round to that of the next.
    pub fn interval_ms(&self) -> i64 {
        self.interval_hours.map_or(Limits::default().scrub_interval_ms, |hours| i64::from(hours) * HOUR_MS)
    }

    /// With the defaults filled in.
    pub(super) fn filled(&self) -> Self {
        Self {
            kib_per_second: Some((self.bytes_per_second().unwrap_or(0) / KIB) as u32),
            interval_hours: Some((self.interval_ms() / HOUR_MS) as u32),
        }
    }
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
    /// Its URL, exactly as its tokens name it (`iss`). Must be given, as what follows.
    #[serde(default)]
    pub url: String,
    /// A JSON Web Key Set; read again every hour, and then nothing is fetched from the issuer.
    #[serde(default)]
    pub jwks_file: PathBuf,
}

/// The transparent mirror: requests of containerd that name another registry (`?ns=`).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorConfig {
    /// Whether such requests need no token. Default: false.
    #[serde(default)]
    pub anonymous: bool,
    /// The account whose rules are used for requests without a token. Default: the first.
    pub account: Option<String>,
    /// The region of those rules. Default: the first.
    pub region: Option<String>,
    /// The registries that may be asked for without a token, such as `docker.io`. Empty: all that have a rule.
    #[serde(default)]
    pub registries: Vec<String>,
}
