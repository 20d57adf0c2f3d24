//! What may lie in a data folder: what Wharf makes there, what people and file systems put beside it, and what the
//! configuration names. Everything else is somebody else's.

use std::path::{Path, PathBuf};

use super::place::DATABASE;
use super::{backup, ballast};
use crate::config::Config;
use crate::http::tls;
use crate::local_socket;

/// What the file system or its quotas make at the root of a disk.
const OF_DISKS: [&str; 3] = ["lost+found", "aquota.user", "aquota.group"];
/// What people keep beside a registry: configuration, certificates and their keys, variables, logs and records.
const BESIDE: [&str; 9] = ["toml", "pem", "crt", "cer", "key", "env", "log", "jsonl", "pid"];

/// A data folder, and what the configuration has in it.
#[derive(Clone, Debug, Default)]
pub struct DataFolder {
    path: PathBuf,
    named: Vec<PathBuf>,
}

/// Whether Wharf makes something of this name.
fn is_own(name: &str) -> bool {
    let name = name.strip_suffix(".new").unwrap_or(name);
    let made = ["lock", "blobs", "archive", "spool", "server.json", "endpoint", ballast::FILE, local_socket::FILE];
    // Beside the database are its log and what it is converted into.
    name.starts_with(DATABASE) || made.contains(&name) || backup::SECRETS.contains(&name) || name == tls::AUTHORITY_FILE
}

/// Whether something of this name may lie beside a registry.
fn is_expected(name: &str) -> bool {
    // Hidden ones are a file system's or a volume's own (`.snapshot`, `.nfs…`, `..data`).
    if name.starts_with('.') || OF_DISKS.contains(&name) || is_own(name) {
        return true;
    }
    // Logs and records that are full go on as `audit.jsonl.1`.
    let kind = name.trim_end_matches(|character: char| character.is_ascii_digit() || character == '.');
    kind.rsplit_once('.').is_some_and(|(_, extension)| BESIDE.contains(&extension))
}

impl DataFolder {
    /// The data folder of a configuration.
    pub fn of(config: &Config, data_dir: &Path) -> Self {
        let files = [&config.tls.certificate, &config.tls.key, &config.audit.file, &config.archive.dir];
        let files = files.into_iter().filter_map(Option::as_ref);
        let event_file = config.events.file.as_ref().map(|file| &file.path);
        let secrets = config.secret_files.iter().map(|file| &file.path);
        let keys = config.oidc.issuers.iter().map(|issuer| &issuer.jwks_file);
        let events = config.events.files().map(|(_, file)| file);
        let named = files.chain(event_file).chain(secrets).chain(keys).chain(events);
        Self { path: data_dir.to_owned(), named: named.filter_map(|path| std::path::absolute(path).ok()).collect() }
    }

    /// What is in it and is neither Wharf's nor anything that may lie beside it, in order. A folder that cannot be read
    /// has nothing.
    pub fn foreign(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.path) else { return Vec::new() };
        let is_foreign = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Also the files that are begun when a named one is full.
            let is_named = |named: &PathBuf| {
                named.starts_with(path)
                    || named.parent() == Some(&self.path)
                        && named.file_name().is_some_and(|own| name.starts_with(&*own.to_string_lossy()))
            };
            !is_expected(&name) && !self.named.iter().any(is_named)
        };
        let mut foreign: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_foreign).collect();
        foreign.sort();
        foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_lie_there() {
        for name in [
            "wharf.db",
            "wharf.db-wal",
            "wharf.db.new",
            "service.key",
            "service.key.new",
            "credentials.json",
            "ballast",
            "tls-authority.json",
            "tls-certificate.pem",
            "lost+found",
            ".snapshot",
            ".nfs0000",
            "..data",
            "wharf.toml",
            "registry.crt",
            "wharf.log",
            "audit.jsonl.12",
            "secrets.env",
        ] {
            assert!(is_expected(name), "{name}");
        }
        for name in ["thesis.odt", "src", "Makefile", "junk3", "data.json", "key", "photo.1"] {
            assert!(!is_expected(name), "{name}");
        }
    }

    #[test]
    fn what_the_configuration_names_is_no_strangers() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        for name in ["records", "records.1", "certificates", "notes.txt"] {
            std::fs::write(path.join(name), "x").expect("written");
        }
        let mut config = Config::default();
        assert_eq!(DataFolder::of(&config, path).foreign().len(), 4);
        config.audit.file = Some(path.join("records"));
        config.tls.certificate = Some(path.join("certificates/chain"));
        assert_eq!(DataFolder::of(&config, path).foreign(), [path.join("notes.txt")]);
        assert!(DataFolder::of(&config, &path.join("none")).foreign().is_empty());
    }
}
