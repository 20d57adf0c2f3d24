//! The certificate authority of a data folder, which signs the certificates of `--tls self-signed`.
//!
//! Clients are told once to trust it: it lasts ten years, and has a subject of its own, so that one bundle can hold several.
//! The server's certificates last a year and are never written down. The authority's key is sealed by the service key.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

use super::tls::{AUTHORITY_FILE, TlsError, authority_path, certified};
use crate::boxed;
use crate::private_files::replace_private;
use crate::random_text::random_text;
use crate::root_keys::{RootKeys, SealedSecret, WrappingKey};
use crate::start_error::StartError;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const AUTHORITY_DAYS: i64 = 3652;
/// With the day before it, less than the 398 days that browsers and Apple's clients take.
const CERTIFICATE_DAYS: i64 = 395;
/// Clients whose clocks are behind take a new certificate all the same.
const BEFORE_MS: i64 = DAY_MS;
/// So long before the authority's end its people are told.
const LAST_MS: i64 = 90 * DAY_MS;
/// What the key is sealed for.
const PURPOSE: &str = "certificate authority";

/// What the data folder keeps.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// The subject's common name.
    common_name: String,
    /// In PEM.
    certificate: String,
    not_after_ms: i64,
    /// PKCS #8.
    sealed_key: SealedSecret,
}

/// An authority that signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    not_after_ms: i64,
}

/// A certificate that the authority has signed, with its key.
pub struct Signed {
    pub key: CertifiedKey,
    /// Clients take it from here on.
    pub not_before_ms: i64,
    /// It is to be followed by another one from here on.
    pub renew_at_ms: i64,
}

fn day_of(ms: i64) -> Result<jiff::civil::Date, TlsError> {
    let time =
        jiff::Timestamp::from_millisecond(ms).map_err(|error| TlsError::new("the clock is wrong".to_owned(), error))?;
    Ok(time.to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// Sets from when until when it is good. It begins and ends at midnight; tells both.
fn set_validity(params: &mut CertificateParams, now_ms: i64, until_ms: i64) -> Result<(i64, i64), TlsError> {
    let midnight = |ms: i64| ms - ms.rem_euclid(DAY_MS);
    let (from_ms, until_ms) = (midnight(now_ms - BEFORE_MS), midnight(until_ms));
    let date = |ms| {
        let day = day_of(ms)?;
        Ok::<_, TlsError>(rcgen::date_time_ymd(day.year().into(), day.month().unsigned_abs(), day.day().unsigned_abs()))
    };
    params.not_before = date(from_ms)?;
    params.not_after = date(until_ms)?;
    Ok((from_ms, until_ms))
}

/// What all that signs with the authority's name must say of it in the same way.
fn authority_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, "Wharf");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn cannot_make(error: rcgen::Error) -> TlsError {
    TlsError::new("cannot make a certificate".to_owned(), error)
}

impl Authority {
    /// Takes the authority of a data folder, or makes one: in a new folder, in one of an earlier version, and when the old
    /// one is at its end.
    #[boxed]
    pub async fn open_or_make(data_dir: &Path, keys: &RootKeys, now_ms: i64) -> Result<Self, StartError> {
        let file = data_dir.join(AUTHORITY_FILE);
        let certificate = authority_path(data_dir);
        let stored = match std::fs::read(&file) {
            Ok(text) => Some(serde_json::from_slice::<Stored>(&text).map_err(|error| {
                StartError::Other(format!(
                    "{} cannot be read: {error}: put it back from a backup, or remove it, and a new certificate authority \
                     is made, which clients must be told to trust",
                    file.display()
                ))
            })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(StartError::io(&file, error)),
        };
        if let Some(stored) = stored {
            if stored.not_after_ms > now_ms + BEFORE_MS {
                let authority = Self::open(&stored, &file, keys, now_ms).await?;
                if stored.not_after_ms - now_ms < LAST_MS {
                    tracing::warn!(
                        "the certificate authority {} ends on {}: remove {} before that to have a new one made at the next \
                         start, and tell clients to trust it",
                        certificate.display(),
                        day_of(stored.not_after_ms)?,
                        file.display()
                    );
                }
                // A copy for clients, which somebody may have moved away.
                if std::fs::read_to_string(&certificate).ok().as_ref() != Some(&stored.certificate) {
                    replace_private(&certificate, stored.certificate.as_bytes())?;
                }
                return Ok(authority);
            }
            tracing::warn!("the certificate authority {} is at its end", certificate.display());
        }
        let was_there = certificate.exists();
        let (authority, stored) = Self::make(keys.wrapping_key(), now_ms).await?;
        let text = serde_json::to_vec_pretty(&stored).map_err(|error| StartError::Other(error.to_string()))?;
        replace_private(&file, &text)?;
        replace_private(&certificate, stored.certificate.as_bytes())?;
        if was_there {
            tracing::warn!(
                "{} is the certificate of a new authority of this data folder now, in place of the one that was there: \
                 clients must be told to trust it, once for {} years",
                certificate.display(),
                AUTHORITY_DAYS / 365
            );
        }
        // The key of the certificate that earlier versions made.
        match std::fs::remove_file(data_dir.join("tls-key.pem")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, "{}: {error}", data_dir.join("tls-key.pem").display());
            }
            _ => {}
        }
        Ok(authority)
    }

    async fn open(stored: &Stored, file: &Path, keys: &RootKeys, now_ms: i64) -> Result<Self, StartError> {
        let context = stored.certificate.as_bytes();
        let opened = stored.sealed_key.open(keys.wrapping_key(), keys.previous(), PURPOSE, context, now_ms).await?;
        let opened = opened.ok_or_else(|| {
            StartError::Other(format!(
                "the key in {} was sealed with another service key than that in {}: give that one as \
                 WHARF_PREVIOUS_SERVICE_KEY, or remove the file, and a new certificate authority is made, which clients \
                 must be told to trust",
                file.display(),
                keys.wrapping_key().origin()
            ))
        })?;
        if opened.by_previous {
            let sealed_key = SealedSecret::seal(keys.wrapping_key(), PURPOSE, context, &opened.secret, now_ms).await?;
            let anew = Stored {
                common_name: stored.common_name.clone(),
                certificate: stored.certificate.clone(),
                not_after_ms: stored.not_after_ms,
                sealed_key,
            };
            let text = serde_json::to_vec_pretty(&anew).map_err(|error| StartError::Other(error.to_string()))?;
            replace_private(file, &text)?;
        }
        let key = KeyPair::try_from(opened.secret.as_slice()).map_err(cannot_make)?;
        Ok(Self { issuer: Issuer::new(authority_params(&stored.common_name), key), not_after_ms: stored.not_after_ms })
    }

    async fn make(wrapping_key: &WrappingKey, now_ms: i64) -> Result<(Self, Stored), StartError> {
        // Two authorities of one subject in a bundle, and OpenSSL looks at the first alone.
        let common_name = format!("Wharf certificate authority {}", random_text(b"0123456789abcdef", 16));
        let mut params = authority_params(&common_name);
        let (_, not_after_ms) = set_validity(&mut params, now_ms, now_ms + AUTHORITY_DAYS * DAY_MS)?;
        let key = KeyPair::generate().map_err(cannot_make)?;
        let certificate = params.self_signed(&key).map_err(cannot_make)?.pem();
        let context = certificate.as_bytes();
        let sealed_key = SealedSecret::seal(wrapping_key, PURPOSE, context, key.serialized_der(), now_ms).await?;
        let stored = Stored { common_name, certificate, not_after_ms, sealed_key };
        Ok((Self { issuer: Issuer::new(params, key), not_after_ms }, stored))
    }

    /// Signs a certificate that is good for these host names and addresses.
    pub fn sign(&self, names: &[String], now_ms: i64) -> Result<Signed, TlsError> {
        let mut params = CertificateParams::new(names.to_vec()).map_err(cannot_make)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Wharf");
        params.distinguished_name.push(DnType::CommonName, "Wharf");
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let until_ms = (now_ms + CERTIFICATE_DAYS * DAY_MS).min(self.not_after_ms);
        let (not_before_ms, not_after_ms) = set_validity(&mut params, now_ms, until_ms)?;
        let key = KeyPair::generate().map_err(cannot_make)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(cannot_make)?;
        let private_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = certified(vec![certificate.der().clone()], private_key)
            .map_err(|error| TlsError::new("cannot use the certificate that was made".to_owned(), error))?;
        // At two thirds of its life, and not again and again at the authority's end.
        let renew_at_ms = (not_before_ms + (not_after_ms - not_before_ms) * 2 / 3).max(now_ms + DAY_MS / 24);
        Ok(Signed { key, not_before_ms, renew_at_ms })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use store::blob::ServiceKey;

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn wrapping_key() -> WrappingKey {
        WrappingKey::Configured(ServiceKey::from_hex(&"1".repeat(64)).expect("a key"))
    }

    /// Whether a client that trusts the PEM text takes the certificate for the name at the time.
    fn is_taken(bundle: &str, signed: &Signed, name: &str, at_ms: i64) -> bool {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(certificate.expect("a certificate")).expect("an authority");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .expect("a verifier");
        let (leaf, name) = (&signed.key.cert[0], ServerName::try_from(name.to_owned()).expect("a name"));
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_millis(at_ms.unsigned_abs()));
        verifier.verify_server_cert(leaf, &[], &name, &[], at).is_ok()
    }

    #[tokio::test]
    async fn a_bundle_of_two_authorities_reaches_both() {
        let (one, first) = Authority::make(&wrapping_key(), NOW_MS).await.expect("made");
        let (two, second) = Authority::make(&wrapping_key(), NOW_MS).await.expect("made");
        let bundle = format!("{}{}", first.certificate, second.certificate);
        let names = ["localhost", "127.0.0.1", "::1", "*.dkr.ecr.us-east-1.example.com"].map(ToOwned::to_owned);
        for (authority, other) in [(&one, &second), (&two, &first)] {
            let signed = authority.sign(&names, NOW_MS).expect("signed");
            for name in ["localhost", "127.0.0.1", "::1", "123456789012.dkr.ecr.us-east-1.example.com"] {
                assert!(is_taken(&bundle, &signed, name, NOW_MS), "{name}");
                assert!(!is_taken(&other.certificate, &signed, name, NOW_MS), "{name}");
            }
            assert!(!is_taken(&bundle, &signed, "example.com", NOW_MS));
        }
    }

    #[tokio::test]
    async fn a_certificate_is_followed_before_it_ends() {
        let (authority, stored) = Authority::make(&wrapping_key(), NOW_MS).await.expect("made");
        let names = ["localhost".to_owned()];
        let mut now_ms = NOW_MS;
        let mut count = 0;
        // To the last day of the authority.
        while now_ms < stored.not_after_ms - DAY_MS {
            let signed = authority.sign(&names, now_ms).expect("signed");
            assert!(signed.renew_at_ms > now_ms, "it is not renewed at once");
            for at_ms in [now_ms - DAY_MS, now_ms, signed.renew_at_ms.min(stored.not_after_ms - 1)] {
                assert!(is_taken(&stored.certificate, &signed, "localhost", at_ms), "at {at_ms}, made at {now_ms}");
            }
            assert!(!is_taken(&stored.certificate, &signed, "localhost", now_ms + 397 * DAY_MS));
            now_ms = signed.renew_at_ms.max(now_ms + 30 * DAY_MS);
            count += 1;
        }
        assert!(count > 10, "{count}");
    }
}
