//! Files that hold secrets: which there are, and who else may read them.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Config;

/// A file that the configuration names and that holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// The variable or key that names it.
    pub named_by: String,
    pub path: PathBuf,
}

/// What is wrong with the modes of files that hold secrets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exposures {
    /// The server does not start with these.
    pub refused: Vec<String>,
    /// These are told at the start.
    pub warnings: Vec<String>,
}

/// Who may read a file beside its owner.
fn readers(path: &Path) -> Option<(&'static str, u32)> {
    let mode = runtime::files::metadata(path).ok()?.mode() & 0o777;
    match mode {
        _ if mode & 0o007 != 0 => Some(("every user of this machine", mode)),
        _ if mode & 0o070 != 0 => Some(("its group", mode)),
        _ => None,
    }
}

impl Config {
    /// Whether files that hold secrets are open to others than their owner. Everybody's service key is no secret, and is
    /// refused; all else is told, as much of it is mounted by programs that know no better.
    pub fn exposures(&self, data_dir: &Path) -> Exposures {
        let mut found = Exposures::default();
        let service_key = SecretFile { named_by: "the data folder".to_owned(), path: data_dir.join("service.key") };
        let is_used = self.service_key.is_none() && self.service_key_kms.key_id.is_none();
        let named_keys = self.secret_files.iter().filter(|file| file.named_by == "WHARF_SERVICE_KEY_FILE");
        for file in named_keys.chain(is_used.then_some(&service_key)) {
            let Some((who, mode)) = readers(&file.path) else { continue };
            let shown = file.path.display();
            let by = if file.named_by.starts_with("WHARF_") { format!("{}: ", file.named_by) } else { String::new() };
            let mut text = format!(
                "{by}{who} may read the service key in {shown} (mode {mode:04o}), and with it all that is stored: "
            );
            // Writing cannot fail: it is a text.
            let _ = write!(
                text,
                "run `chmod 600 {shown}` (where Kubernetes mounts it, set defaultMode: 0440 and an fsGroup; where docker \
                 does, mode: 0400 and the uid), and if somebody else may have read it, change the key (docs/encryption.md)"
            );
            if mode & 0o007 != 0 { &mut found.refused } else { &mut found.warnings }.push(text);
        }
        for file in self.other_secret_files() {
            if let Some((who, mode)) = readers(&file.path) {
                found.warnings.push(format!(
                    "{who} may read {} (mode {mode:04o}), which {} names and which holds a secret: run `chmod 600 {}`",
                    file.path.display(),
                    file.named_by,
                    file.path.display()
                ));
            }
        }
        found
    }

    fn other_secret_files(&self) -> Vec<SecretFile> {
        let named = |named_by: &str, path: &PathBuf| SecretFile { named_by: named_by.to_owned(), path: path.clone() };
        let mut files: Vec<SecretFile> =
            self.secret_files.iter().filter(|file| file.named_by != "WHARF_SERVICE_KEY_FILE").cloned().collect();
        files.extend(self.tls.key.iter().map(|path| named("tls.key", path)));
        let nats = self.events.nats.iter().filter_map(|sink| sink.credentials.as_ref());
        files.extend(nats.map(|path| named("events.nats.credentials", path)));
        files
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_service_key_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("service.key");
        std::fs::write(&path, "0".repeat(64)).expect("written");
        let other = folder.path().join("token");
        std::fs::write(&other, "sesame").expect("written");
        let mut config = Config {
            secret_files: vec![SecretFile { named_by: "WHARF_METRICS_TOKEN_FILE".to_owned(), path: other.clone() }],
            ..Config::default()
        };
        for (mode, refused, warnings) in [(0o600, 0, 0), (0o400, 0, 0), (0o440, 0, 2), (0o644, 1, 1), (0o604, 1, 1)] {
            for path in [&path, &other] {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("changed");
            }
            let found = config.exposures(folder.path());
            assert_eq!((found.refused.len(), found.warnings.len()), (refused, warnings), "{mode:o}: {found:?}");
            assert!(!format!("{found:?}").contains("sesame"));
        }
        config.service_key = Some("0".repeat(64).into());
        assert!(config.exposures(folder.path()).refused.is_empty(), "the file is not used");
        config.secret_files = vec![SecretFile { named_by: "WHARF_SERVICE_KEY_FILE".to_owned(), path }];
        assert_eq!(config.exposures(folder.path()).refused.len(), 1);
    }
}
