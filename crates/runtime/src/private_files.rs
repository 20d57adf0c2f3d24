//! Files that only their owner may read.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::start_error::StartError;

/// Writes a file that only its owner may read, durably.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn replace_private(path: &Path, content: &[u8]) -> Result<(), StartError> {
    let new = path.with_added_extension("new");
    write_private(&new, content).and_then(|()| std::fs::rename(&new, path)).map_err(|error| StartError::io(path, error))
}
