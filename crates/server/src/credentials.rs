//! Root credentials: made at the first start, kept in the data folder, shown by `wharf credentials`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aws::{AccountId, SecretAccessKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::auth::accounts::RootKey;
use crate::config::{Config, ConfigError, no_duplicates};
use crate::start::{StartError, replace_private, write_private};

const FILE: &str = "credentials.json";
/// The account of a server that is told nothing else.
pub(crate) const DEFAULT_ACCOUNT: &str = "123456789012";

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

/// What a server leaves in its data folder for `wharf credentials`, which may run without the server's configuration.
#[derive(Clone, Serialize, Deserialize)]
pub struct RunningServer {
    /// The base URL that clients use.
    pub url: String,
    /// The regions, the default first.
    pub regions: Vec<String>,
    /// The certificate that it made for itself, if it speaks TLS with that.
    pub certificate: Option<PathBuf>,
    /// The root keys, the default account's first.
    pub accounts: Vec<RootCredentials>,
}

const RUNNING_FILE: &str = "server.json";

impl RunningServer {
    /// Reads what the last server on the folder left.
    pub fn find(data_dir: &Path) -> Result<Option<Self>, StartError> {
        read(&data_dir.join(RUNNING_FILE))
    }

    /// Writes it, whole or not at all.
    pub(crate) fn write(&self, data_dir: &Path) -> Result<(), StartError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| StartError::Other(error.to_string()))?;
        replace_private(&data_dir.join(RUNNING_FILE), &text)
    }

    /// Removes what an earlier server left.
    pub(crate) fn forget(data_dir: &Path) {
        let _ = std::fs::remove_file(data_dir.join(RUNNING_FILE));
    }
}

const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The characters of secret access keys.
pub(crate) const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// An id of IAM's form: four letters that say what it is, and 16 that nobody can guess (around.md 3).
pub(crate) fn new_access_key_id(prefix: &str) -> String {
    format!("{prefix}{}", random_text(ID_ALPHABET, 16))
}

/// Random text of these characters, without a bias.
pub(crate) fn random_text(alphabet: &[u8], length: usize) -> String {
    let mut text = String::with_capacity(length);
    let fair = 256 - 256 % alphabet.len();
    while text.len() < length {
        let mut bytes = [0; 64];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has randomness");
        let fair_bytes = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        text.extend(fair_bytes.take(length - text.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    text
}

fn generate(account_id: String) -> RootCredentials {
    RootCredentials {
        account_id,
        access_key_id: new_access_key_id("AKIA"),
        secret_access_key: random_text(SECRET_ALPHABET, 40),
    }
}

/// The credentials of every account: from the configuration, else from the data folder.
pub fn find(config: &Config) -> Result<Option<Vec<RootCredentials>>, StartError> {
    if !config.accounts.is_empty() {
        let credentials = config.accounts.iter().map(|account| RootCredentials {
            account_id: account.id.clone(),
            access_key_id: account.access_key_id.clone(),
            secret_access_key: account.secret_access_key.expose().to_owned(),
        });
        return Ok(Some(credentials.collect()));
    }
    let account_id = || config.account_id.clone().unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
    match (&config.access_key_id, &config.secret_access_key) {
        (Some(access_key_id), Some(secret_access_key)) => Ok(Some(vec![RootCredentials {
            account_id: account_id(),
            access_key_id: access_key_id.clone(),
            secret_access_key: secret_access_key.expose().to_owned(),
        }])),
        (None, None) => {
            let stored = read::<RootCredentials>(&config.data_dir()?.join(FILE))?;
            let Some(stored) = stored else { return Ok(None) };
            match &config.account_id {
                Some(id) if *id != stored.account_id => Err(ConfigError(format!(
                    "account_id (or WHARF_ACCOUNT_ID) is {id}, but {} was set up for account {}: use that one, or \
                     another data folder",
                    config.data_dir()?.display(),
                    stored.account_id
                ))
                .into()),
                _ => Ok(Some(vec![stored])),
            }
        }
        _ => Err(ConfigError("access_key_id and secret_access_key must be given together".to_owned()).into()),
    }
}

/// As [`find`]; makes and stores a key where there is none.
pub(crate) fn find_or_create(config: &Config) -> Result<Vec<RootKey>, StartError> {
    let credentials = match find(config)? {
        Some(credentials) => credentials,
        None => {
            let made = generate(config.account_id.clone().unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned()));
            let text = serde_json::to_vec_pretty(&made).map_err(|error| StartError::Other(error.to_string()))?;
            let path = config.data_dir()?.join(FILE);
            write_private(&path, &text).map_err(|error| StartError::io(&path, error))?;
            vec![made]
        }
    };
    credentials.into_iter().map(|given| root_key(given).map_err(StartError::from)).collect()
}

/// What is wrong with the accounts and keys that are configured or stored.
pub(crate) fn problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    let mut note = |result: Result<(), ConfigError>| problems.extend(result.err().map(|error| error.0));
    if let Some(id) = &config.account_id {
        note(id.parse::<AccountId>().map(drop).map_err(|error| ConfigError(format!("account '{id}': {error}"))));
    }
    if !config.accounts.is_empty() {
        let single = [
            ("account_id", config.account_id.is_some()),
            ("access_key_id", config.access_key_id.is_some()),
            ("secret_access_key", config.secret_access_key.is_some()),
        ];
        for (key, _) in single.into_iter().filter(|(_, is_given)| *is_given) {
            note(Err(ConfigError(format!(
                "{key} and accounts cannot be given together: put that account into accounts, or leave accounts out"
            ))));
        }
    }
    note(no_duplicates("accounts.id", config.accounts.iter().map(|account| &account.id)));
    note(no_duplicates("accounts.access_key_id", config.accounts.iter().map(|account| &account.access_key_id)));
    match find(config) {
        Ok(found) => found.unwrap_or_default().into_iter().for_each(|given| note(root_key(given).map(drop))),
        Err(StartError::Config(error)) => note(Err(error)),
        Err(error) => problems.push(error.to_string()),
    }
    problems
}

fn root_key(given: RootCredentials) -> Result<RootKey, ConfigError> {
    let account: AccountId =
        given.account_id.parse().map_err(|error| ConfigError(format!("account '{}': {error}", given.account_id)))?;
    let access_key_id = given
        .access_key_id
        .parse()
        .map_err(|error| ConfigError(format!("access key id of account {account}: {error}")))?;
    if given.access_key_id.starts_with("ASIA") {
        return Err(ConfigError(format!(
            "access key id of account {account}: ASIA begins the keys of sessions; a root key begins with AKIA"
        )));
    }
    if given.secret_access_key.len() < 8 {
        return Err(ConfigError(format!("secret access key of account {account}: at least 8 characters are needed")));
    }
    Ok(RootKey { account, access_key_id, secret: SecretAccessKey::new(given.secret_access_key) })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StartError> {
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| StartError::Other(format!("{} cannot be read: {error}", path.display()))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(StartError::io(path, error)),
    }
}
