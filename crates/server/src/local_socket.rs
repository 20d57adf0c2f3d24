//! The socket in the data folder, by which a command on this machine asks the running server for the root's keys: so no file
//! holds them, and whoever asks must be the user that the server runs as, or root.
//!
//! Who connects is answered at once and the connection ends; there is nothing to ask beside that.

use std::io::{ErrorKind, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use config::credentials::RootCredentials;
use runtime::shutdown::stopped;
use runtime::{files, network, tasks, timer};
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

pub use runtime::data_folder::LOCAL_SOCKET as FILE;
/// What the kernel takes as the path of a socket (`sun_path`), without the byte that ends it.
const MAX_PATH: usize = 107;
/// An answer must be written, and read, within this time.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Those who ask at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 8;
/// An answer is not longer.
const MAX_ANSWER: u64 = 1024 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Accounts(Vec<RootCredentials>),
    Refused(String),
}

/// Why a server did not tell the root's keys.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No server listens there.
    #[error("no server is running on the data folder {}", .0.display())]
    NotRunning(PathBuf),
    /// A server is there, or may be, and told nothing.
    #[error("{0}")]
    Failed(String),
}

/// Calls `with` with a path of the socket that is short enough. A path that is too long goes by the folder's descriptor.
fn at_socket<T>(data_dir: &Path, with: impl FnOnce(&Path) -> std::io::Result<T>) -> std::io::Result<T> {
    let path = data_dir.join(FILE);
    if path.as_os_str().len() <= MAX_PATH {
        return with(&path);
    }
    let folder = files::open(data_dir)?;
    with(&PathBuf::from(format!("/proc/self/fd/{}/{FILE}", folder.as_raw_fd())))
}

/// The server's end. The file goes when this is dropped.
pub struct LocalSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        let _ = files::remove_file(&self.path);
    }
}

impl LocalSocket {
    /// Listens in the data folder, whose lock the caller holds: a socket that is there is of a server that was killed.
    pub fn listen(data_dir: &Path) -> std::io::Result<Self> {
        let path = data_dir.join(FILE);
        match files::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = at_socket(data_dir, network::listen_at_path)?;
        // Until here the folder's mode and the look at who asks keep others out.
        files::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener: network::accept_in_tasks(listener)?, path })
    }

    /// Tells whoever may know it until `stop` turns true.
    pub async fn serve(self, accounts: Vec<RootCredentials>, mut stop: watch::Receiver<bool>) {
        let Ok(text) = serde_json::to_vec(&Answer::Accounts(accounts)) else { return };
        let answer = Arc::new(zeroize::Zeroizing::new(text));
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = stopped(&mut stop) => return,
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stopped(&mut stop) => return,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection at {}: {error}", self.path.display());
                    timer::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let answer = Arc::clone(&answer);
            tasks::spawn(async move {
                let _place = place;
                let sent = timer::timeout(TIMEOUT, send_answer(stream, &answer)).await;
                if let Ok(Err(error)) = sent {
                    tracing::debug!(%error, "a command was not told the root's keys: {error}");
                }
            });
        }
    }
}

/// Whether this user may have the root's keys: who could read them from the server's memory and files anyway.
fn may_ask(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

async fn send_answer(stream: UnixStream, answer: &[u8]) -> std::io::Result<()> {
    let user = stream.peer_cred()?.uid();
    if may_ask(user) {
        return write_all(&stream, answer).await;
    }
    tracing::warn!(user, "user {user} of this machine asked for the root's keys, and was refused");
    let why = "ask as the user that the server runs as, or as root";
    write_all(&stream, &serde_json::to_vec(&Answer::Refused(why.to_owned()))?).await
}

async fn write_all(stream: &UnixStream, mut rest: &[u8]) -> std::io::Result<()> {
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Asks the server that runs on a data folder for the root's keys, the default account's first. Ends in good time whatever
/// is at the other end.
pub fn ask(data_dir: &Path) -> Result<Vec<RootCredentials>, AskError> {
    let (sender, receiver) = mpsc::channel();
    let folder = data_dir.to_owned();
    // Connecting blocks while the queue of whoever listens is full.
    let asking = tasks::spawn_thread("local socket", move || {
        // Nobody waits any more if it came too late.
        let _ = sender.send(connect_and_read(&folder));
    });
    let path = data_dir.join(FILE);
    let failed = |cause: String| AskError::Failed(format!("the server at {} {cause}", path.display()));
    asking.map_err(|error| failed(format!("cannot be asked: {error}")))?;
    let text = match receiver.recv_timeout(TIMEOUT) {
        Err(_) => return Err(failed(format!("did not answer within {} s", TIMEOUT.as_secs()))),
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            return Err(match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::ConnectionRefused => {
                    AskError::NotRunning(data_dir.to_owned())
                }
                ErrorKind::PermissionDenied => {
                    failed("may be asked by the user that it runs as, and by root alone".to_owned())
                }
                _ => failed(format!("cannot be asked: {error}")),
            });
        }
    };
    match serde_json::from_slice(&text) {
        Ok(Answer::Accounts(accounts)) => Ok(accounts),
        Ok(Answer::Refused(why)) => Err(failed(format!("does not tell the root's keys: {why}"))),
        Err(_) => Err(failed("gave an answer that cannot be read: is it of another version?".to_owned())),
    }
}

fn connect_and_read(data_dir: &Path) -> std::io::Result<Vec<u8>> {
    let stream = at_socket(data_dir, network::connect_to_path)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut text = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Vec<RootCredentials> {
        vec![RootCredentials {
            account_id: "123456789012".to_owned(),
            access_key_id: "AKIAEXAMPLE000000000".to_owned(),
            secret_access_key: "sesame".to_owned(),
        }]
    }

    async fn told(folder: &Path) -> Result<Vec<RootCredentials>, AskError> {
        let folder = folder.to_owned();
        tokio::task::spawn_blocking(move || ask(&folder)).await.expect("ends")
    }

    #[tokio::test]
    async fn commands_of_this_user_are_told_however_long_the_path_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("deep/".repeat(40));
        for place in [folder.path(), &deep] {
            std::fs::create_dir_all(place).expect("made");
            assert!(matches!(told(place).await, Err(AskError::NotRunning(_))));
            // As a server leaves it that was killed.
            drop(at_socket(place, network::listen_at_path).expect("bound"));
            assert!(matches!(told(place).await, Err(AskError::NotRunning(_))));
            let socket = LocalSocket::listen(place).expect("listens");
            assert_eq!(std::fs::metadata(place.join(FILE)).expect("there").permissions().mode() & 0o777, 0o600);
            let (stop, stopped) = watch::channel(false);
            let serving = tokio::spawn(socket.serve(credentials(), stopped));
            // Those who connect and read nothing hold up nobody.
            let idle: Vec<_> =
                (0..MAX_CONNECTIONS).map(|_| at_socket(place, network::connect_to_path).expect("connects")).collect();
            let found = told(place).await.expect("told");
            assert_eq!((found.len(), found[0].secret_access_key.as_str()), (1, "sesame"));
            drop(idle);
            stop.send_replace(true);
            serving.await.expect("ends");
            assert!(!place.join(FILE).exists(), "nothing is left");
        }
    }

    #[tokio::test]
    async fn what_answers_nonsense_or_nothing_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = at_socket(folder.path(), network::listen_at_path).expect("bound");
        let answering = tokio::task::spawn_blocking(move || {
            use std::io::Write as _;
            for text in ["{", r#"{"refused": "no"}"#] {
                listener.accept().expect("asked").0.write_all(text.as_bytes()).expect("written");
            }
        });
        let said = told(folder.path()).await.err().expect("refused").to_string();
        assert!(said.contains("another version"), "{said}");
        let said = told(folder.path()).await.err().expect("refused").to_string();
        assert!(said.ends_with("does not tell the root's keys: no"), "{said}");
        answering.await.expect("ends");
    }

    #[test]
    fn others_may_not_ask() {
        let own = rustix::process::geteuid().as_raw();
        assert!(may_ask(0) && may_ask(own) && !may_ask(own + 1));
    }
}
