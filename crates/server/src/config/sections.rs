//! The sections of the configuration, as they are written.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Hidden;

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

/// Where the layers of archived images are.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveConfig {
    /// A folder, such as one on a cheaper disk. Default: `archive` in the data folder.
    pub dir: Option<PathBuf>,
}

/// Lifecycle policies.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LifecycleConfig {
    /// Hours from one run of a policy to the next. Default: 24, as on AWS.
    pub interval_hours: Option<u32>,
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
