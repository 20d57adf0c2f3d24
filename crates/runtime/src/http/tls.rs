//! TLS: certificate files, and what a server speaks with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::start_error::StartError;

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// PEM files: the chain, and its key.
    Files {
        /// The certificate chain.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// Certificates of an authority that Wharf makes and keeps in its data folder, for clients that are told to trust it.
    SelfSigned,
}

/// Why TLS cannot start.
#[derive(Debug, thiserror::Error)]
#[error("TLS: {context}{}", .source.as_ref().map(|source| format!(": {source}")).unwrap_or_default())]
pub struct TlsError {
    context: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TlsError {
    pub(super) fn new(context: String, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { context, source: Some(source.into()) }
    }
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        Self::Other(error.to_string())
    }
}

/// What the data folder keeps of the authority: its certificate, and its key, sealed.
pub const AUTHORITY_FILE: &str = "tls-authority.json";

/// The authority's certificate, which clients are told to trust.
pub fn authority_path(data_dir: &Path) -> PathBuf {
    data_dir.join("tls-certificate.pem")
}

/// Takes connections with whatever certificate is in force when they begin.
pub(super) fn acceptor(certificate: Arc<dyn ResolvesServerCert>) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::new("it cannot be set up".to_owned(), error))?
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A certificate and its key, as connections use them.
pub(super) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider())
}

/// Reads a certificate chain and its key, and whether they fit together.
pub fn read_pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = read_chain(certificate)?;
    let private_key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| TlsError::new(format!("cannot read a private key from {}", key.display()), error))?;
    certified(chain, private_key).map_err(|error| {
        TlsError::new(format!("{} and {} do not fit together", certificate.display(), key.display()), error)
    })
}

fn read_chain(certificate: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let context = || format!("cannot read certificates from {}", certificate.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| TlsError::new(context(), error))?;
    if chain.is_empty() {
        return Err(TlsError::new(context(), "no PEM section with a certificate is in it"));
    }
    // What follows the first one may be anything; the first is what clients check.
    if let Some(first) = chain.first() {
        rustls::server::ParsedCertificate::try_from(first).map_err(|error| TlsError::new(context(), error))?;
    }
    Ok(chain)
}
