//! The keys of all issuers: fetched when they are needed, kept for a while, and fetched by one request at a time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use runtime::boxed;

use super::fetch::{FetchError, Fetcher, MAX_DOCUMENT_BYTES};
use super::keys::Keys;

/// Keys are taken as they are for so long.
const FRESH_MS: i64 = 60 * 60 * 1000;
/// Keys of an issuer that cannot be reached are good for so long.
const STALE_MS: i64 = 24 * 60 * 60 * 1000;
/// A token that names an unknown key makes us look again, but not more often than this.
const REFETCH_MS: i64 = 60 * 1000;
/// An issuer that could not be reached is left alone for so long.
const RETRY_MS: i64 = 10 * 1000;
/// More issuers than the providers of a few accounts; bounds what is held.
const MAX_ISSUERS: usize = 1024;

/// Where keys come from, as configured.
#[derive(Clone, Debug, Default)]
pub struct SourceConfig {
    /// Whether issuers may be in networks that are not the internet.
    pub allow_private_networks: bool,
    /// Issuers, by their URLs, whose keys are in a file.
    pub files: HashMap<String, PathBuf>,
}

/// Every issuer that was asked for.
pub struct Issuers {
    fetcher: Fetcher,
    files: HashMap<String, PathBuf>,
    known: Mutex<HashMap<String, Arc<Issuer>>>,
}

#[derive(Default)]
struct Issuer {
    held: RwLock<Option<Held>>,
    /// Whoever fetches holds this.
    attempt: tokio::sync::Mutex<Attempt>,
}

#[derive(Clone)]
struct Held {
    keys: Arc<Keys>,
    fetched_at_ms: i64,
}

#[derive(Default)]
struct Attempt {
    at_ms: Option<i64>,
    error: Option<FetchError>,
}

impl Issuer {
    /// The keys, if they are younger than that.
    fn held(&self, now_ms: i64, max_age_ms: i64) -> Option<Arc<Keys>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let held = held.as_ref().filter(|held| now_ms.abs_diff(held.fetched_at_ms) < max_age_ms.unsigned_abs());
        held.map(|held| Arc::clone(&held.keys))
    }
}

impl Issuers {
    /// None is asked for yet.
    pub fn new(config: SourceConfig) -> Self {
        let fetcher = Fetcher::new(config.allow_private_networks);
        Self { fetcher, files: config.files, known: Mutex::default() }
    }

    /// The keys of an issuer, with the one of that name if it can be had.
    #[boxed]
    pub async fn keys(&self, url: &str, key_id: &str, now_ms: i64) -> Result<Arc<Keys>, FetchError> {
        let issuer = self.issuer(url);
        let fitting = || issuer.held(now_ms, FRESH_MS).filter(|keys| keys.has(key_id));
        if let Some(keys) = fitting() {
            return Ok(keys);
        }
        let mut attempt = issuer.attempt.lock().await;
        // Whoever was before us may have fetched them.
        if let Some(keys) = fitting() {
            return Ok(keys);
        }
        let pause_ms = if issuer.held(now_ms, FRESH_MS).is_some() { REFETCH_MS } else { RETRY_MS };
        if attempt.at_ms.is_none_or(|at_ms| now_ms.abs_diff(at_ms) >= pause_ms.unsigned_abs()) {
            let fetched = self.fetch(url).await;
            attempt.at_ms = Some(now_ms);
            attempt.error = match fetched {
                Ok(keys) => {
                    let held = Held { keys: Arc::new(keys), fetched_at_ms: now_ms };
                    *issuer.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
                    None
                }
                Err(error) => {
                    tracing::warn!(issuer = url, %error, "the keys of {url} cannot be renewed: {error}");
                    Some(error)
                }
            };
        }
        let held = issuer.held(now_ms, STALE_MS);
        match (held, &attempt.error) {
            (Some(keys), Some(_)) if keys.has(key_id) => Ok(keys),
            (_, Some(error)) => Err(error.clone()),
            (Some(keys), None) => Ok(keys),
            (None, None) => Err(FetchError::new(url, "its keys are too old")),
        }
    }

    fn issuer(&self, url: &str) -> Arc<Issuer> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(issuer) = known.get(url) {
            return Arc::clone(issuer);
        }
        if known.len() >= MAX_ISSUERS {
            // Those in use come back at the price of one fetch.
            known.clear();
        }
        let issuer = Arc::<Issuer>::default();
        known.insert(url.to_owned(), Arc::clone(&issuer));
        issuer
    }

    async fn fetch(&self, url: &str) -> Result<Keys, FetchError> {
        match self.files.get(url) {
            Some(path) => read(url, path).await,
            None => self.fetcher.keys(url).await,
        }
    }
}

/// The keys of an issuer that is configured with a file. Clients do not learn where the file is.
async fn read(url: &str, path: &Path) -> Result<Keys, FetchError> {
    let failed = |cause: &str| FetchError::new(url, format!("its jwks_file {cause}"));
    let file = path.to_owned();
    let read = runtime::tasks::spawn_blocking(move || {
        use std::io::Read as _;
        let mut document = Vec::new();
        let limit = MAX_DOCUMENT_BYTES as u64 + 1;
        runtime::files::open(file)?.take(limit).read_to_end(&mut document).map(|_| document)
    });
    let document = match read.await {
        Ok(Ok(document)) => document,
        Ok(Err(error)) => {
            tracing::warn!(%error, "{}: {error}", path.display());
            return Err(failed("cannot be read"));
        }
        Err(_) => return Err(failed("cannot be read")),
    };
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(failed("is too long"));
    }
    Keys::parse(&document).ok_or_else(|| failed("is not a set of keys"))
}
