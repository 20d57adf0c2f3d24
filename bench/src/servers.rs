//! Servers that are measured: each is started on loopback with a fresh data folder, and ended with its row.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::cluster::Cluster;
use crate::http::{Connection, Target};
use crate::programs::{Kind, Program};
use crate::{docker_registry, prepare, wharf};

const START_TIME: Duration = Duration::from_secs(30);
/// Begins the name of each server's folder; the bench's process id follows.
const FOLDER_PREFIX: &str = "wharf-bench-";
/// Short, because how long a start takes is measured too.
const START_POLL: Duration = Duration::from_micros(200);

/// What opens `/metrics` of a server that scans.
pub const METRICS_TOKEN: &str = "bench-metrics-0000";

/// What a server is started with.
#[derive(Clone, Copy)]
pub enum Setting<'a> {
    /// Plain HTTP, and files.
    Plain,
    /// TLS, and files.
    Tls,
    /// Plain HTTP, and files; a Wharf that fetches no advisories, and tells of itself to who has [`METRICS_TOKEN`].
    Scanning,
    /// Plain HTTP; Wharf with PostgreSQL and a bucket, docker-registry with a bucket.
    Cluster(&'a Cluster),
}

/// A server that runs until it is dropped; its data folder goes with it.
pub struct Server {
    process: Process,
    pub target: Target,
    folder: TempDir,
}

/// A server that was ended, and whose data is still there.
pub struct Stopped {
    folder: TempDir,
    authorization: Option<String>,
}

/// Ended when it is dropped.
struct Process(Child);

impl Server {
    /// Starts `program` in a new folder under `base` and waits until it answers and has the repository of the rows.
    pub async fn start(program: &Program, setting: Setting<'_>, base: &Path) -> Result<Self> {
        let folder = new_folder(base)?;
        let started = match program.kind {
            Kind::Wharf | Kind::WharfWithPolicies => start_wharf(program, setting, folder.path()).await,
            Kind::DockerRegistry => start_docker_registry(program, setting, folder.path()).await,
            Kind::BareHyper => start_bare_hyper(program, folder.path()).await,
        };
        let (process, target) =
            started.with_context(|| format!("start {}{}", program.label, last_lines(&log_file(folder.path()))))?;
        Ok(Self { process, target, folder })
    }

    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Ends the server as an operator does, and waits for its end.
    pub fn stop(mut self) -> Result<Stopped> {
        let child = &mut self.process.0;
        let pid = Pid::from_child(child);
        kill_process(pid, Signal::TERM).context("end the server")?;
        let status = child.wait().context("wait for the server's end")?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(Stopped { folder: self.folder, authorization: self.target.authorization })
    }
}

impl Stopped {
    /// The database of a Wharf.
    pub fn database(&self) -> PathBuf {
        data_dir(self.folder.path()).join("wharf.db")
    }

    /// Starts a Wharf with this data, and tells how long it took until it had answered a request.
    pub async fn start_wharf(self, program: &Program) -> Result<(Server, Duration)> {
        let folder = self.folder.path();
        let endpoint = data_dir(folder).join("endpoint");
        if endpoint.exists() {
            fs::remove_file(&endpoint).context("remove the last start's endpoint")?;
        }
        let begun = Instant::now();
        let (process, target) = spawn(program, &wharf_arguments(folder), &[], folder, async || {
            let Some(url) = read_endpoint(&endpoint) else {
                return Ok(None);
            };
            let mut target = Target::parse(&url)?;
            target.authorization.clone_from(&self.authorization);
            ask_version(&target).await.map(|()| Some(target))
        })
        .await
        .with_context(|| format!("start {} again{}", program.label, last_lines(&log_file(folder))))?;
        let took = begun.elapsed();
        Ok((Server { process, target, folder: self.folder }, took))
    }
}

impl Drop for Process {
    /// At once: the data folder is about to be removed, so there is nothing to finish.
    fn drop(&mut self) {
        // Both fail only when the process is already gone, which is what is wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A new folder under `base`, which [`remove_leftovers`] finds should the bench be interrupted.
pub fn new_folder(base: &Path) -> Result<TempDir> {
    let prefix = format!("{FOLDER_PREFIX}{}-", process::id());
    TempDir::with_prefix_in(prefix, base).with_context(|| format!("a folder in {}", base.display()))
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

fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn wharf_arguments(folder: &Path) -> Vec<String> {
    let data_dir = data_dir(folder).display().to_string();
    ["serve", "--listen", "127.0.0.1:0", "--data-dir", &data_dir].map(str::to_owned).into()
}

/// The URL that a Wharf leaves in its data folder once it listens.
fn read_endpoint(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok().filter(|url| !url.is_empty())
}

async fn ask_version(target: &Target) -> Result<()> {
    let mut connection = Connection::open(target).await?;
    connection.send(&target.head("GET", "/v2/", &[])).await?;
    connection.expect(200).await.map(drop)
}

async fn start_wharf(program: &Program, setting: Setting<'_>, folder: &Path) -> Result<(Process, Target)> {
    let certificate = certificate(setting, folder)?;
    let mut variables = Vec::new();
    if let Some(certificate) = &certificate {
        variables.push(("WHARF_TLS_CERTIFICATE", certificate.certificate.display().to_string()));
        variables.push(("WHARF_TLS_KEY", certificate.key.display().to_string()));
    }
    match setting {
        Setting::Plain | Setting::Tls => {}
        Setting::Scanning => variables.extend(
            [
                ("WHARF_SCANNING_OFFLINE", "true"),
                ("WHARF_METRICS_ON_MAIN_LISTENER", "true"),
                ("WHARF_METRICS_TOKEN", METRICS_TOKEN),
            ]
            .map(|(name, value)| (name, value.to_owned())),
        ),
        Setting::Cluster(cluster) => variables.extend(cluster.wharf_variables().await?),
    }
    let endpoint = data_dir(folder).join("endpoint");
    spawn(program, &wharf_arguments(folder), &variables, folder, async || {
        let Some(url) = read_endpoint(&endpoint) else {
            return Ok(None);
        };
        let target = match &certificate {
            Some(certificate) => Target::parse_https(&url, certificate.client.clone())?,
            None => Target::parse(&url)?,
        };
        match program.kind {
            Kind::WharfWithPolicies => wharf::log_in_with_policies(target).await,
            Kind::Wharf | Kind::DockerRegistry | Kind::BareHyper => wharf::log_in(target).await,
        }
        .map(Some)
    })
    .await
}

async fn start_docker_registry(program: &Program, setting: Setting<'_>, folder: &Path) -> Result<(Process, Target)> {
    let certificate = certificate(setting, folder)?;
    let bucket = match setting {
        Setting::Cluster(cluster) => Some(cluster.new_bucket().await?),
        Setting::Plain | Setting::Tls | Setting::Scanning => None,
    };
    let (config, address) = docker_registry::configure(&data_dir(folder), certificate.as_ref(), bucket)?;
    let config_file = folder.join("config.yml");
    fs::write(&config_file, config).context("write config.yml")?;
    let target = match &certificate {
        Some(certificate) => Target::parse_https(&format!("https://{address}"), certificate.client.clone())?,
        None => Target::parse(&format!("http://{address}"))?,
    };
    let arguments = ["serve".to_owned(), config_file.display().to_string()];
    spawn(program, &arguments, &[], folder, async || {
        if Connection::open(&target).await.is_err() {
            return Ok(None);
        }
        ask_version(&target).await.map(|()| Some(target.clone()))
    })
    .await
}

async fn start_bare_hyper(program: &Program, folder: &Path) -> Result<(Process, Target)> {
    let arguments = ["--bare-hyper".to_owned(), prepare::manifest_length().to_string()];
    spawn(program, &arguments, &[], folder, async || {
        let printed = fs::read_to_string(log_file(folder)).context("what bare hyper prints")?;
        if printed.ends_with('\n') { Target::parse(&printed).map(Some) } else { Ok(None) }
    })
    .await
}

fn certificate(setting: Setting<'_>, folder: &Path) -> Result<Option<Certificate>> {
    match setting {
        Setting::Tls => Certificate::make(folder).map(Some),
        Setting::Plain | Setting::Scanning | Setting::Cluster(_) => Ok(None),
    }
}

/// Starts the program and asks `ready` again and again until it returns a target; the environment is only what is given,
/// with the root key of a Wharf.
async fn spawn(
    program: &Program,
    arguments: &[String],
    variables: &[(&str, String)],
    folder: &Path,
    ready: impl AsyncFn() -> Result<Option<Target>>,
) -> Result<(Process, Target)> {
    let log_file = File::create(log_file(folder)).context("the server's log file")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    // setpriv runs the program in its own place, and sees to it that it never outlives the bench, whatever ends that.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(&program.path)
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log_file.try_clone().context("the server's log file")?)
        .stderr(log_file);
    if program.kind.is_wharf() {
        command.env("WHARF_ACCESS_KEY_ID", wharf::ACCESS_KEY_ID);
        command.env("WHARF_SECRET_ACCESS_KEY", wharf::SECRET_ACCESS_KEY);
    }
    let mut process = Process(command.spawn().with_context(|| format!("run {}", program.path.display()))?);
    let target = wait_until_ready(&mut process.0, ready).await?;
    Ok((process, target))
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
