//! The certificate that connections are answered with, and how another one takes its place while the server runs: when its
//! files have changed, or before one that the data folder's authority has signed comes to its end.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

use super::certificate_authority::{Authority, Signed};
use super::tls::{TlsError, acceptor, read_pair};
use crate::boxed;
use crate::clock::Clock;
use crate::shutdown::stopped;

/// How often is looked whether another certificate is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The certificate in force.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Current {
    fn replace(&self, key: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }
}

/// What tells that a file is another one than before: device, inode, length and time of change. A link counts as what it
/// leads to, which is what changes where Kubernetes mounts a secret.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

enum Source {
    Files { certificate: PathBuf, key: PathBuf, seen: (Stamp, Stamp) },
    Authority { authority: Box<Authority>, names: Vec<String>, not_before_ms: i64, renew_at_ms: i64 },
}

/// A server's certificate.
pub struct Certificates {
    current: Arc<Current>,
    source: Source,
}

impl Certificates {
    /// The certificate and key of these files.
    pub fn of_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        // Before they are read: what changes meanwhile is read again.
        let seen = (stamp(certificate), stamp(key));
        let current = Arc::new(Current(RwLock::new(Arc::new(read_pair(certificate, key)?))));
        Ok(Self { current, source: Source::Files { certificate: certificate.to_owned(), key: key.to_owned(), seen } })
    }

    /// Certificates of an authority, good for these host names and addresses.
    pub fn of_authority(authority: Authority, names: Vec<String>, now_ms: i64) -> Result<Self, TlsError> {
        let Signed { key, not_before_ms, renew_at_ms } = authority.sign(&names, now_ms)?;
        let source = Source::Authority { authority: Box::new(authority), names, not_before_ms, renew_at_ms };
        Ok(Self { current: Arc::new(Current(RwLock::new(Arc::new(key)))), source })
    }

    /// What takes connections with it.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        acceptor(Arc::<Current>::clone(&self.current))
    }

    /// Puts other certificates in force when they are due, until `stop` turns true.
    #[boxed]
    pub async fn renew(mut self, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                _ = look.tick() => {}
            }
            let now_ms = clock.now_ms();
            let looking = tokio::task::spawn_blocking(move || {
                self.renew_if_due(now_ms);
                self
            });
            match looking.await {
                Ok(looked) => self = looked,
                Err(error) => {
                    tracing::error!(%error, "the certificate will not be renewed any more: {error}");
                    return;
                }
            }
        }
    }

    fn renew_if_due(&mut self, now_ms: i64) {
        match &mut self.source {
            Source::Files { certificate, key, seen } => {
                let found = (stamp(certificate), stamp(key));
                if found == *seen {
                    return;
                }
                *seen = found;
                match read_pair(certificate, key) {
                    Ok(pair) => {
                        self.current.replace(pair);
                        tracing::info!("the certificate in {} has changed, and is in force", certificate.display());
                    }
                    // Of two files one changes first.
                    Err(error) => tracing::error!(
                        %error,
                        "the certificate that was in {} stays in force, as the files have changed and cannot be used: {error}",
                        certificate.display()
                    ),
                }
            }
            Source::Authority { authority, names, not_before_ms, renew_at_ms } => {
                // Before it begins is when the clock was set back.
                if now_ms >= *not_before_ms && now_ms < *renew_at_ms {
                    return;
                }
                match authority.sign(names, now_ms) {
                    Ok(signed) => {
                        self.current.replace(signed.key);
                        (*not_before_ms, *renew_at_ms) = (signed.not_before_ms, signed.renew_at_ms);
                        tracing::info!("a new certificate is in force, signed by the data folder's authority");
                    }
                    Err(error) => tracing::error!(%error, "the certificate could not be renewed: {error}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;

    use super::*;

    fn write_pair(folder: &Path, name: &str) -> Vec<u8> {
        let made = generate_simple_self_signed([name.to_owned()]).expect("made");
        // As cert-manager and its like do: a new file takes the place of the old one.
        for (file, text) in [("certificate.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())] {
            std::fs::write(folder.join("new"), text).expect("written");
            std::fs::rename(folder.join("new"), folder.join(file)).expect("renamed");
        }
        made.cert.der().to_vec()
    }

    fn in_force(certificates: &Certificates) -> Vec<u8> {
        certificates.current.0.read().expect("whole").cert[0].to_vec()
    }

    #[test]
    fn changed_files_take_over_and_bad_ones_do_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
        let first = write_pair(folder.path(), "first");
        let mut certificates = Certificates::of_files(&certificate, &key).expect("read");
        assert_eq!(in_force(&certificates), first);
        certificates.renew_if_due(0);
        assert_eq!(in_force(&certificates), first);
        let second = write_pair(folder.path(), "second");
        certificates.renew_if_due(0);
        assert_eq!(in_force(&certificates), second);
        let old_key = std::fs::read(&key).expect("read");
        let third = write_pair(folder.path(), "third");
        let new_key = std::fs::read(&key).expect("read");
        std::fs::write(&key, &old_key).expect("written");
        certificates.renew_if_due(0);
        assert_eq!(in_force(&certificates), second, "the key does not fit");
        std::fs::remove_file(&key).expect("removed");
        certificates.renew_if_due(0);
        assert_eq!(in_force(&certificates), second, "there is no key");
        std::fs::write(&key, &new_key).expect("written");
        certificates.renew_if_due(0);
        assert_eq!(in_force(&certificates), third);
        std::fs::write(&certificate, "no certificate").expect("written");
        certificates.renew_if_due(0);
        assert_eq!(in_force(&certificates), third);
    }
}
