//! Root credentials: made at the first start, kept sealed in the data folder, shown by `wharf credentials`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use access::auth::accounts::RootKey;
use aws::{AccessKeyId, AccountId, SecretAccessKey};
use runtime::config_error::{ConfigError, no_duplicates, present};
use runtime::hidden::Hidden;
use runtime::private_files::replace_private;
use runtime::random_text::{SECRET_ALPHABET, new_access_key_id, random_text};
use runtime::root_keys::{SealedSecret, WrappingKey};
use runtime::start_error::StartError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const FILE: &str = "credentials.json";
/// The account of a server that is told nothing else.
pub const DEFAULT_ACCOUNT: &str = "123456789012";

/// The root access key of an account, in clear.
#[derive(Clone, Serialize, Deserialize)]
pub struct RootCredentials {
    /// The account.
    pub account_id: String,
    /// The key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
}

/// The root access key of an account, without its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RootAccessKey {
    /// The account.
    pub account_id: String,
    /// The key.
    pub access_key_id: String,
}

/// What a server leaves in its data folder for `wharf credentials`, which may run without the server's configuration. The
/// secrets are none of it: the server is asked for those (`local_socket`).
#[derive(Clone, Serialize, Deserialize)]
pub struct RunningServer {
    /// The process, as it is numbered where it runs.
    #[serde(default)]
    pub pid: u32,
    /// The base URL that clients use.
    pub url: String,
    /// The regions, the default first.
    pub regions: Vec<String>,
    /// The certificate that it made for itself, if it speaks TLS with that.
    pub certificate: Option<PathBuf>,
    /// The accounts, the default first.
    pub accounts: Vec<RootAccessKey>,
}

/// What the configuration says of the accounts and their root keys.
pub struct RootKeySettings {
    /// Several accounts, each with its root key.
    pub accounts: Vec<RootCredentials>,
    /// Or the one account.
    pub account_id: Option<String>,
    /// Its root key.
    pub access_key_id: Option<String>,
    /// The secret of that key.
    pub secret_access_key: Option<Hidden>,
}

/// A root key as the data folder keeps it.
#[derive(Serialize, Deserialize)]
pub struct StoredCredentials {
    account_id: String,
    access_key_id: String,
    /// In clear, as earlier versions wrote it; sealed at the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_access_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed_secret_access_key: Option<SealedSecret>,
}

/// What the secret is sealed for.
const PURPOSE: &str = "root access key";

impl StoredCredentials {
    fn context(&self) -> String {
        format!("{}/{}", self.account_id, self.access_key_id)
    }

    /// The credentials, and whether they must be stored anew: they lay there in clear, or a previous service key sealed
    /// them.
    pub async fn open(
        &self,
        path: &Path,
        wrapping_key: &WrappingKey,
        previous: &[WrappingKey],
        now_ms: i64,
    ) -> Result<(RootCredentials, bool), StartError> {
        let (secret_access_key, is_stale) = match (&self.sealed_secret_access_key, &self.secret_access_key) {
            (Some(sealed), _) => {
                let opened = sealed.open(wrapping_key, previous, PURPOSE, self.context().as_bytes(), now_ms).await?;
                let opened = opened.ok_or_else(|| {
                    StartError::Other(format!(
                        "the root key in {} was sealed with another service key than that in {}: give that one as \
                         WHARF_PREVIOUS_SERVICE_KEY, or remove the file, and a new root key is made",
                        path.display(),
                        wrapping_key.origin()
                    ))
                })?;
                let secret = String::from_utf8(opened.secret.to_vec());
                let secret = secret.map_err(|_| StartError::Other(format!("{} is damaged", path.display())))?;
                (secret, opened.by_previous)
            }
            (None, Some(secret)) => (secret.clone(), true),
            (None, None) => return Err(StartError::Other(format!("{} holds no secret", path.display()))),
        };
        let (account_id, access_key_id) = (self.account_id.clone(), self.access_key_id.clone());
        Ok((RootCredentials { account_id, access_key_id, secret_access_key }, is_stale))
    }

    /// Seals credentials and writes them, whole or not at all.
    async fn write(
        path: &Path,
        credentials: &RootCredentials,
        wrapping_key: &WrappingKey,
        now_ms: i64,
    ) -> Result<(), StartError> {
        let mut stored = Self {
            account_id: credentials.account_id.clone(),
            access_key_id: credentials.access_key_id.clone(),
            secret_access_key: None,
            sealed_secret_access_key: None,
        };
        let secret = credentials.secret_access_key.as_bytes();
        let sealed = SealedSecret::seal(wrapping_key, PURPOSE, stored.context().as_bytes(), secret, now_ms).await?;
        stored.sealed_secret_access_key = Some(sealed);
        let text = serde_json::to_vec_pretty(&stored).map_err(|error| StartError::Other(error.to_string()))?;
        replace_private(path, &text)
    }
}

const RUNNING_FILE: &str = "server.json";

impl RunningServer {
    /// Reads what the last server on the folder left.
    pub fn find(data_dir: &Path) -> Result<Option<Self>, StartError> {
        read(&data_dir.join(RUNNING_FILE))
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, data_dir: &Path) -> Result<(), StartError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| StartError::Other(error.to_string()))?;
        replace_private(&data_dir.join(RUNNING_FILE), &text)
    }

    /// Removes what an earlier server left.
    pub fn forget(data_dir: &Path) {
        let _ = runtime::files::remove_file(data_dir.join(RUNNING_FILE));
    }
}

fn generate(account_id: String) -> RootCredentials {
    RootCredentials {
        account_id,
        access_key_id: new_access_key_id("AKIA"),
        secret_access_key: random_text(SECRET_ALPHABET, 40),
    }
}

impl RootKeySettings {
    /// The credentials of every account that the configuration gives; none if it gives none.
    pub fn configured(&self) -> Result<Option<Vec<RootCredentials>>, ConfigError> {
        let found = self.given()?;
        let accounts = found.iter().flatten().filter(|_| !self.accounts.is_empty());
        ConfigError::all(accounts.flat_map(|one| missing(one, "accounts.")))?;
        Ok(found)
    }

    /// What the configuration gives, also where parts of it are missing.
    fn given(&self) -> Result<Option<Vec<RootCredentials>>, ConfigError> {
        if !self.accounts.is_empty() {
            return Ok(Some(self.accounts.clone()));
        }
        match (&self.access_key_id, &self.secret_access_key) {
            (Some(access_key_id), Some(secret_access_key)) => Ok(Some(vec![RootCredentials {
                account_id: self.account_id(),
                access_key_id: access_key_id.clone(),
                secret_access_key: secret_access_key.expose().to_owned(),
            }])),
            (None, None) => Ok(None),
            _ => Err(ConfigError("access_key_id and secret_access_key must be given together".to_owned())),
        }
    }

    fn account_id(&self) -> String {
        self.account_id.clone().unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned())
    }

    /// The key that the data folder keeps, sealed; none if none was made there.
    pub fn stored(&self, data_dir: &Path) -> Result<Option<(PathBuf, StoredCredentials)>, StartError> {
        let path = data_dir.join(FILE);
        let Some(stored) = read::<StoredCredentials>(&path)? else { return Ok(None) };
        match &self.account_id {
            Some(id) if *id != stored.account_id => Err(ConfigError(format!(
                "account_id (or WHARF_ACCOUNT_ID) is {id}, but {} was set up for account {}: use that one, or \
                 another data folder",
                data_dir.display(),
                stored.account_id
            ))
            .into()),
            _ => Ok(Some((path, stored))),
        }
    }

    /// What is wrong with the accounts and keys that are configured, or else stored in the data folder.
    pub fn problems(&self, data_dir: Option<&Path>) -> Vec<String> {
        let mut problems = Vec::new();
        let mut note = |result: Result<(), ConfigError>| problems.extend(result.err().map(|error| error.0));
        if let Some(id) = &self.account_id {
            note(id.parse::<AccountId>().map(drop).map_err(|error| ConfigError(format!("account_id '{id}': {error}"))));
        }
        if !self.accounts.is_empty() {
            let single = [
                ("account_id", self.account_id.is_some()),
                ("access_key_id", self.access_key_id.is_some()),
                ("secret_access_key", self.secret_access_key.is_some()),
            ];
            for (key, _) in single.into_iter().filter(|(_, is_given)| *is_given) {
                note(Err(ConfigError(format!(
                    "{key} and accounts cannot be given together: put that account into accounts, or leave accounts out"
                ))));
            }
        }
        note(no_duplicates("accounts.id", self.accounts.iter().map(|account| &account.account_id)));
        note(no_duplicates("accounts.access_key_id", self.accounts.iter().map(|account| &account.access_key_id)));
        match self.given() {
            Ok(Some(found)) => {
                let section = if self.accounts.is_empty() { "" } else { "accounts." };
                for given in found {
                    missing(&given, section).for_each(|missing| note(Err(missing)));
                    wrong(&given, section).for_each(|wrong| note(Err(wrong)));
                }
            }
            Err(error) => note(Err(error)),
            Ok(None) => match data_dir.map(|folder| self.stored(folder)) {
                None | Some(Ok(_)) => {}
                Some(Err(StartError::Config(error))) => note(Err(error)),
                Some(Err(error)) => problems.push(error.to_string()),
            },
        }
        problems
    }
}

/// For whom a root key is made where none is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Making {
    /// A new registry.
    First,
    /// One that had another key before, or whose other nodes have theirs.
    Anew,
    /// A check, which leaves nothing in the folder: the file that is missing may still be put back.
    ForNow,
}

/// The credentials of every account: from the configuration, else from the data folder; makes a key where there is none,
/// and stores it.
pub async fn find_or_create(
    settings: &RootKeySettings,
    data_dir: &Path,
    wrapping_key: &WrappingKey,
    previous: &[WrappingKey],
    now_ms: i64,
    making: Making,
) -> Result<Vec<RootCredentials>, StartError> {
    if let Some(configured) = settings.configured()? {
        return Ok(configured);
    }
    let (path, credentials, is_stale) = match settings.stored(data_dir)? {
        Some((path, stored)) => {
            let (credentials, is_stale) = stored.open(&path, wrapping_key, previous, now_ms).await?;
            (path, credentials, is_stale)
        }
        None => {
            let (path, made) = (data_dir.join(FILE), generate(settings.account_id()));
            if making == Making::Anew {
                tracing::warn!(
                    "{} is missing, so the root user of account {} has a new access key, {}: to keep the one before, stop \
                     the server, put the file back, from a backup or from where it was, and start again",
                    path.display(),
                    made.account_id,
                    made.access_key_id
                );
            }
            (path, made, making != Making::ForNow)
        }
    };
    if is_stale {
        StoredCredentials::write(&path, &credentials, wrapping_key, now_ms).await?;
    }
    Ok(vec![credentials])
}

/// As the server decides by them.
pub fn root_keys(credentials: &[RootCredentials]) -> Result<Vec<RootKey>, ConfigError> {
    credentials.iter().cloned().map(root_key).collect()
}

/// The key of an account's id in a section: in none, or in `accounts.`.
fn id_key(section: &str) -> &str {
    if section.is_empty() { "account_id" } else { "accounts.id" }
}

/// What credentials lack that are given in a section.
fn missing(given: &RootCredentials, section: &str) -> impl Iterator<Item = ConfigError> {
    let needed = [
        (id_key(section).to_owned(), &given.account_id),
        (format!("{section}access_key_id"), &given.access_key_id),
        (format!("{section}secret_access_key"), &given.secret_access_key),
    ];
    needed.into_iter().filter_map(|(key, value)| present(&key, value).err())
}

/// What is wrong with credentials that are given in a section; nothing is said of what they lack.
fn wrong(given: &RootCredentials, section: &str) -> impl Iterator<Item = ConfigError> {
    let RootCredentials { account_id, access_key_id, secret_access_key } = given;
    let of = |key: &str| match account_id.as_str() {
        "" => format!("{section}{key}"),
        id => format!("{section}{key} of account '{id}'"),
    };
    let account =
        account_id.parse::<AccountId>().err().map(|error| format!("{} '{account_id}': {error}", id_key(section)));
    let key = match access_key_id.parse::<AccessKeyId>() {
        Err(error) => Some(format!("{}: {error}", of("access_key_id"))),
        Ok(_) if access_key_id.starts_with("ASIA") => {
            Some(format!("{}: ASIA begins the keys of sessions; a root key begins with AKIA", of("access_key_id")))
        }
        Ok(_) => None,
    };
    let secret =
        (secret_access_key.len() < 8).then(|| format!("{}: at least 8 characters are needed", of("secret_access_key")));
    [(account_id, account), (access_key_id, key), (secret_access_key, secret)]
        .into_iter()
        .filter(|(value, _)| !value.is_empty())
        .filter_map(|(_, wrong)| wrong.map(ConfigError))
}

fn root_key(given: RootCredentials) -> Result<RootKey, ConfigError> {
    ConfigError::all(missing(&given, "").chain(wrong(&given, "")))?;
    let unreadable = |error: aws::IdentityError| ConfigError(error.to_string());
    Ok(RootKey {
        account: given.account_id.parse().map_err(unreadable)?,
        access_key_id: given.access_key_id.parse().map_err(unreadable)?,
        secret: SecretAccessKey::new(given.secret_access_key),
    })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StartError> {
    match runtime::files::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| StartError::Other(format!("{} cannot be read: {error}", path.display()))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(StartError::io(path, error)),
    }
}
