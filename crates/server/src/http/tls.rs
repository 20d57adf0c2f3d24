//! TLS: certificates from files or made by ourselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio_rustls::TlsAcceptor;

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
    /// A certificate that Wharf makes once and keeps in its data folder, for clients that are told to trust it.
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
    fn new(context: String, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { context, source: Some(source.into()) }
    }
}

/// Files of the self-signed certificate in the data folder.
pub fn self_signed_paths(data_dir: &Path) -> (PathBuf, PathBuf) {
    (data_dir.join("tls-certificate.pem"), data_dir.join("tls-key.pem"))
}

/// Makes the acceptor. `names` are the host names and addresses that a self-signed certificate is good for.
pub fn acceptor(source: &TlsSource, data_dir: &Path, names: &[String]) -> Result<TlsAcceptor, TlsError> {
    let (certificate, key) = match source {
        TlsSource::Files { certificate, key } => (certificate.clone(), key.clone()),
        TlsSource::SelfSigned => {
            let (certificate, key) = self_signed_paths(data_dir);
            if !certificate.exists() || !key.exists() {
                make_self_signed(&certificate, &key, names)?;
            } else if let Some(name) = name_it_lacks(&certificate, names)? {
                tracing::warn!(
                    name,
                    "the self-signed certificate {} is not good for {name}: made a new one, which clients must be told \
                     to trust",
                    certificate.display()
                );
                make_self_signed(&certificate, &key, names)?;
            }
            (certificate, key)
        }
    };
    Ok(TlsAcceptor::from(Arc::new(server_config(&certificate, &key)?)))
}

/// Reads a certificate chain and its key, and whether they fit together.
pub fn server_config(certificate: &Path, key: &Path) -> Result<rustls::ServerConfig, TlsError> {
    let chain = read_chain(certificate)?;
    let private_key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| TlsError::new(format!("cannot read a private key from {}", key.display()), error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private_key))
        .map_err(|error| {
            TlsError::new(format!("{} and {} do not fit together", certificate.display(), key.display()), error)
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn read_chain(certificate: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let context = || format!("cannot read certificates from {}", certificate.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| TlsError::new(context(), error))?;
    if chain.is_empty() {
        return Err(TlsError::new(context(), "no PEM section with a certificate is in it"));
    }
    Ok(chain)
}

/// A name that the certificate in the file is not good for.
fn name_it_lacks<'n>(certificate: &Path, names: &'n [String]) -> Result<Option<&'n str>, TlsError> {
    let chain = read_chain(certificate)?;
    let Some(parsed) = chain.first().and_then(|first| ParsedCertificate::try_from(first).ok()) else {
        return Ok(names.first().map(String::as_str));
    };
    let is_named = |name: &str| ServerName::try_from(name).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok());
    Ok(names.iter().map(String::as_str).find(|name| !is_named(name)))
}

fn make_self_signed(certificate: &Path, key: &Path, names: &[String]) -> Result<(), TlsError> {
    let made = rcgen::generate_simple_self_signed(names.to_vec())
        .map_err(|error| TlsError::new("cannot make a self-signed certificate".to_owned(), error))?;
    for (path, text) in [(key, made.signing_key.serialize_pem()), (certificate, made.cert.pem())] {
        crate::start::write_private(path, text.as_bytes())
            .map_err(|error| TlsError::new(format!("cannot write {}", path.display()), error))?;
    }
    Ok(())
}
