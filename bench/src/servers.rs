//! The servers that are compared: each is started on loopback with a fresh data folder, and ended with its row.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::http::{Connection, Target};
use crate::wharf;

const START_TIME: Duration = Duration::from_secs(30);
/// Begins the name of each server's folder; the bench's process id follows.
const FOLDER_PREFIX: &str = "wharf-bench-";
const START_POLL: Duration = Duration::from_millis(5);

/// A server program: `wharf`, `wharf-with-policies` or `docker-registry`, then optionally `:` and the path of the program to run.
#[derive(Clone)]
pub struct Program {
    pub kind: Kind,
    path: PathBuf,
    /// What the table calls it.
    pub label: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Wharf,
    /// Wharf with 1,000 policies, asked by a user instead of the root user.
    WharfWithPolicies,
    DockerRegistry,
}

impl Program {
    pub fn parse(text: &str) -> Result<Self> {
        let (name, path) = match text.split_once(':') {
            Some((name, path)) => (name, Some(PathBuf::from(path))),
            None => (text, None),
        };
        let (kind, usual_path) = match name {
            "wharf" => (Kind::Wharf, beside_this_program("wharf")?),
            "wharf-with-policies" => (Kind::WharfWithPolicies, beside_this_program("wharf")?),
            "docker-registry" => (Kind::DockerRegistry, PathBuf::from("docker-registry")),
            _ => bail!(
                "unknown server {name:?}: say wharf, wharf-with-policies or docker-registry, or one of them with :PATH"
            ),
        };
        Ok(Self { kind, path: path.unwrap_or(usual_path), label: text.to_owned() })
    }

    /// The version that the program itself tells, which also shows that it can be run.
    pub fn version(&self) -> Result<String> {
        let output = Command::new(&self.path).arg("--version").output().with_context(|| match self.kind {
            Kind::Wharf | Kind::WharfWithPolicies => format!("cannot run {}", self.path.display()),
            Kind::DockerRegistry => {
                format!("cannot run {} (on Debian: apt install docker-registry)", self.path.display())
            }
        })?;
        ensure!(output.status.success(), "{} --version: {}", self.path.display(), output.status);
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// `wharf` is built into the same folder as the bench.
fn beside_this_program(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe().context("where this program is")?.with_file_name(name))
}

/// A server that runs until it is dropped; its data folder goes with it.
pub struct Server {
    child: Child,
    pub target: Target,
    _folder: TempDir,
}

impl Server {
    /// Starts `program` in a new folder under `base` and waits until it answers and has the repository of the rows.
    pub async fn start(program: &Program, base: &Path) -> Result<Self> {
        let folder = TempDir::with_prefix_in(format!("{FOLDER_PREFIX}{}-", process::id()), base)
            .context("a folder for the server")?;
        let log = folder.path().join("log");
        let started = match program.kind {
            Kind::Wharf | Kind::WharfWithPolicies => start_wharf(program, folder.path(), &log).await,
            Kind::DockerRegistry => start_docker_registry(program, folder.path(), &log).await,
        };
        let (child, target) = started.with_context(|| format!("start {}{}", program.label, last_lines(&log)))?;
        Ok(Self { child, target, _folder: folder })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Removes what an interrupted bench left in `base`: folders named after a process that is no more.
pub fn remove_leftovers(base: &Path) -> Result<()> {
    for entry in fs::read_dir(base).with_context(|| format!("list {}", base.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let pid = name.strip_prefix(FOLDER_PREFIX).and_then(|rest| rest.split_once('-')).map(|(pid, _)| pid);
        let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new("/proc").join(pid.to_string()).exists() {
            fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Ends a server at once; its data folder is about to be removed, so there is nothing to finish.
fn end(child: &mut Child) {
    // Both fail only when the process is already gone, which is what is wanted.
    drop(child.kill());
    drop(child.wait());
}

async fn start_wharf(program: &Program, folder: &Path, log: &Path) -> Result<(Child, Target)> {
    let data = folder.join("data");
    let arguments =
        ["serve".as_ref(), "--listen".as_ref(), "127.0.0.1:0".as_ref(), "--data-dir".as_ref(), data.as_os_str()];
    let credentials =
        [("WHARF_ACCESS_KEY_ID", wharf::ACCESS_KEY_ID), ("WHARF_SECRET_ACCESS_KEY", wharf::SECRET_ACCESS_KEY)];
    let endpoint = data.join("endpoint");
    spawn(program, &arguments, &credentials, log, async || {
        let Ok(url) = fs::read_to_string(&endpoint) else {
            return Ok(None);
        };
        if url.is_empty() {
            return Ok(None);
        }
        let target = Target::parse(&url)?;
        match program.kind {
            Kind::WharfWithPolicies => wharf::log_in_with_policies(target).await,
            Kind::Wharf | Kind::DockerRegistry => wharf::log_in(target).await,
        }
        .map(Some)
    })
    .await
}

async fn start_docker_registry(program: &Program, folder: &Path, log: &Path) -> Result<(Child, Target)> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).context("a free port")?;
    let data = folder.join("data");
    // Debian's own configuration, with logs and authentication off: all that is left out here is in its favour.
    let config = serde_json::json!({
        "version": "0.1",
        "log": { "level": "error", "accesslog": { "disabled": true } },
        "storage": {
            "cache": { "blobdescriptor": "inmemory" },
            "filesystem": { "rootdirectory": data },
            "delete": { "enabled": true },
        },
        "http": { "addr": address.to_string() },
        "health": { "storagedriver": { "enabled": true, "interval": "10s", "threshold": 3 } },
    });
    // YAML reads JSON.
    let config_file = folder.join("config.yml");
    fs::write(&config_file, config.to_string()).context("write config.yml")?;
    let target = Target::parse(&format!("http://{address}"))?;
    spawn(program, &["serve".as_ref(), config_file.as_os_str()], &[], log, async || {
        let Ok(mut connection) = Connection::open(&target).await else {
            return Ok(None);
        };
        connection.send(&target.head("GET", "/v2/", &[])).await?;
        connection.expect(200).await?;
        Ok(Some(target.clone()))
    })
    .await
}

/// Starts the program and asks `ready` again and again until it returns a target; the environment is only what is given.
async fn spawn(
    program: &Program,
    arguments: &[&OsStr],
    environment: &[(&str, &str)],
    log: &Path,
    ready: impl AsyncFn() -> Result<Option<Target>>,
) -> Result<(Child, Target)> {
    let log_file = File::create(log).context("the server's log file")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    // setpriv runs the program in its own place, and sees to it that it never outlives the bench, whatever ends that.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(&program.path)
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(log_file.try_clone().context("the server's log file")?)
        .stderr(log_file)
        .spawn()
        .with_context(|| format!("run {}", program.path.display()))?;
    let outcome = wait_until_ready(&mut child, ready).await;
    if outcome.is_err() {
        end(&mut child);
    }
    Ok((child, outcome?))
}

async fn wait_until_ready(child: &mut Child, ready: impl AsyncFn() -> Result<Option<Target>>) -> Result<Target> {
    let begun = Instant::now();
    loop {
        if let Some(target) = ready().await? {
            return Ok(target);
        }
        if let Some(status) = child.try_wait()? {
            bail!("it ended at once: {status}");
        }
        ensure!(begun.elapsed() < START_TIME, "it did not answer within {} s", START_TIME.as_secs());
        thread::sleep(START_POLL);
    }
}

/// The end of a server's log, to go with an error.
fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(10)..];
    if last.is_empty() { String::new() } else { format!("; its log ends with:\n{}", last.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_with_or_without_a_path() {
        let wharf = Program::parse("wharf").unwrap();
        assert_eq!((wharf.kind, wharf.path.file_name()), (Kind::Wharf, Some(OsStr::new("wharf"))));
        let other = Program::parse("wharf:/opt/wharf-old").unwrap();
        assert_eq!((other.kind, other.path), (Kind::Wharf, PathBuf::from("/opt/wharf-old")));
        let peer = Program::parse("docker-registry").unwrap();
        assert_eq!((peer.kind, peer.path), (Kind::DockerRegistry, PathBuf::from("docker-registry")));
        assert!(Program::parse("nginx").is_err());
    }
}
