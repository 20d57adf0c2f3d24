//! The data folder: making it, keeping others out of it, and that one server at a time works in it.
//!
//! A running server leaves `endpoint` and `server.json` there, from which commands know where it is, and listens at `wharf.sock`
//! (`local_socket`), by which they learn the root's keys: those are in no file in clear.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use config::credentials::RunningServer;
use runtime::files;
use runtime::http::tls;
use runtime::start_error::StartError;

/// Makes the data folder, or takes one that is there away from everyone but its owner. One that other programs use too
/// keeps its mode; there the files themselves are private.
pub(crate) fn open_data_dir(data_dir: &Path) -> Result<(), StartError> {
    let fail = |error| StartError::io(data_dir, error);
    files::create_private_dir(data_dir).map_err(|error| {
        StartError::Other(format!(
            "cannot make the data folder {}: {error}: name another one with --data-dir or WHARF_DATA_DIR",
            data_dir.display()
        ))
    })?;
    let metadata = files::metadata(data_dir).map_err(fail)?;
    let is_owner = |metadata: &std::fs::Metadata| metadata.uid() == rustix::process::geteuid().as_raw();
    if metadata.mode() & 0o077 != 0 {
        let is_ours = files::exists(data_dir.join("lock")) || files::read_dir(data_dir).map_err(fail)?.next().is_none();
        if is_ours && is_owner(&metadata) {
            files::set_permissions(data_dir, Permissions::from_mode(0o700)).map_err(fail)?;
        } else {
            tracing::warn!(
                "other users of this machine may look into the data folder {}: `chmod 700` it if it is Wharf's alone",
                data_dir.display()
            );
        }
    }
    let private = ["wharf.db", "wharf.db-wal", "wharf.db-shm", "lock", "blobs", "archive", "spool"];
    for name in private.into_iter().chain(["credentials.json", "server.json", tls::AUTHORITY_FILE]) {
        let path = data_dir.join(name);
        let Ok(metadata) = files::metadata(&path) else { continue };
        if metadata.mode() & 0o077 != 0 && is_owner(&metadata) {
            let mode = metadata.mode() & 0o700;
            files::set_permissions(&path, Permissions::from_mode(mode))
                .map_err(|error| StartError::io(&path, error))?;
        }
    }
    Ok(())
}

/// That a server holds the data folder, which one, and how to end it.
fn in_use(data_dir: &Path) -> String {
    let problem = format!("another server is using the data folder {}", data_dir.display());
    match RunningServer::find(data_dir) {
        Ok(Some(RunningServer { pid, url, .. })) if pid > 0 => format!(
            "{problem}: it is process {pid} and serves {url}. Stop it first (`kill {pid}`, or the way it was started: \
             `systemctl stop wharf`, `docker stop`, a Deployment of no replicas)"
        ),
        _ => format!("{problem}, or another command is at work on it: stop it, or wait until it has ended"),
    }
}

/// Keeps a second server out of the data folder for as long as the file stays open.
pub(crate) fn lock_data_dir(data_dir: &Path) -> Result<std::fs::File, StartError> {
    let path = data_dir.join("lock");
    let file = files::create(&path).map_err(|error| StartError::io(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::Other(in_use(data_dir))),
        Err(std::fs::TryLockError::Error(error)) => Err(StartError::io(&path, error)),
    }
}
