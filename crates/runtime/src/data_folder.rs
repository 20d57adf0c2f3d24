//! What may lie in a data folder: what Wharf makes there, what people and file systems put beside it, and what the
//! configuration names. Everything else is somebody else's.

use std::path::{Path, PathBuf};

use crate::ballast;
use crate::http::tls;

/// The name of the embedded database.
pub const DATABASE: &str = "wharf.db";
/// The name of the socket by which commands on this machine learn the root's keys.
pub const LOCAL_SOCKET: &str = "wharf.sock";
/// Files that let whoever has them read all that is stored, act as root, and be taken for the server.
pub const SECRETS: [&str; 3] = ["service.key", "credentials.json", tls::AUTHORITY_FILE];

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
    let made = ["lock", "blobs", "archive", "spool", "server.json", "endpoint", ballast::FILE, LOCAL_SOCKET];
    // Beside the database are its log and what it is converted into.
    name.starts_with(DATABASE) || made.contains(&name) || SECRETS.contains(&name)
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
    /// At this path, with what the configuration names of files and folders.
    pub fn new(path: &Path, named: impl IntoIterator<Item = PathBuf>) -> Self {
        let named = named.into_iter().filter_map(|path| std::path::absolute(path).ok()).collect();
        Self { path: path.to_owned(), named }
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
        assert_eq!(DataFolder::new(path, []).foreign().len(), 4);
        let named = [path.join("records"), path.join("certificates/chain")];
        assert_eq!(DataFolder::new(path, named).foreign(), [path.join("notes.txt")]);
        assert!(DataFolder::new(&path.join("none"), []).foreign().is_empty());
    }
}
