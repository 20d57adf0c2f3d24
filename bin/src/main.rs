//! The program: `wharf serve` runs a registry, `wharf credentials` shows how to use it, the other commands call it.

mod arguments;
#[cfg(test)]
mod arguments_tests;
mod credentials;
mod log_lines;
mod maintenance;
mod memory;
mod offline;
mod operations;
mod policies;
mod shell;

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use config::settings::{self, Arguments, Config, Draft, LogConfig, LogFormat};
use runtime::clock::SystemClock;
use server::Server;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::log_lines::LogLines;

#[derive(Parser)]
#[command(name = "wharf", version, about = "Amazon ECR that you run yourself")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the registry.
    Serve(ServeArgs),
    /// Show the root credentials of a registry on this machine, which its running server tells its own user and root.
    Credentials(credentials::CredentialsArgs),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Copy all that is in the data folder, database and objects, while the server runs.
    Backup(maintenance::BackupArgs),
    /// Put a backup into an empty data folder, and check it.
    Restore(maintenance::RestoreArgs),
    /// Move everything to another database and store.
    Migrate(maintenance::MigrateArgs),
    /// Write every row of the database, one line of JSON each.
    Dump(maintenance::DumpArgs),
    /// List the operations of each API that this version has, as a table in Markdown.
    Operations,
    #[command(flatten)]
    Ctl(Box<ctl::Command>),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Check the configuration: print what is in force, with secrets hidden, or everything that is wrong, by line.
    Check(ServeArgs),
}

#[derive(Args)]
struct CommonArgs {
    /// Configuration file (docs/wharf.example.toml has every key); the environment and options go before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for metadata, blobs, keys and credentials [default: $WHARF_DATA_DIR, else ~/.local/share/wharf].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl CommonArgs {
    /// The configuration as these, the file and the environment give it.
    fn draft(self, arguments: Arguments) -> Draft {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            // A value that is no text is none of a service's address.
            Some((name.into_string().ok()?, value.into_string().unwrap_or_default()))
        });
        let arguments = Arguments { data_dir: self.data_dir, ..arguments };
        Draft::read(self.config.as_deref(), |name| std::env::var(name).ok(), variables, arguments)
    }

    /// For commands that need little of it: what they do not need may be wrong.
    fn load(self) -> anyhow::Result<Config> {
        Ok(self.draft(Arguments::default()).config()?)
    }
}

#[derive(Args)]
struct ServeArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Address and port to listen at; port 0 takes a free one [default: $WHARF_LISTEN, else 127.0.0.1:5000].
    #[arg(long, value_name = "ADDR", value_parser = settings::parse_listen)]
    listen: Option<std::net::SocketAddr>,
    /// Speak TLS with a certificate made by Wharf; clients trust tls-certificate.pem of the data folder.
    #[arg(long, value_enum, value_name = "MODE")]
    tls: Option<TlsMode>,
}

impl ServeArgs {
    /// The configuration, if nothing is wrong that can be known without starting.
    fn load(self) -> anyhow::Result<Config> {
        let arguments = Arguments { data_dir: None, listen: self.listen, has_self_signed_tls: self.tls.is_some() };
        let log = |config: &Config| log_filter(&config.log).err().map(|error| format!("{error:#}"));
        Ok(self.common.draft(arguments).checked(|config| log(config).into_iter().collect())?)
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum TlsMode {
    SelfSigned,
}

fn main() -> ExitCode {
    // What reads a layer is this program too, and sets up nothing of it: no configuration, no log, no thread.
    if std::env::args_os().nth(1).is_some_and(|command| command == scan_worker::COMMAND) {
        return scan_worker::child_main();
    }
    memory::keep_private();
    let cli = match arguments::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    run(cli.command).unwrap_or_else(|error| ended(&error, 1))
}

/// Tells an error, and ends so.
fn ended(error: &anyhow::Error, code: u8) -> ExitCode {
    // The causes alone: a backtrace, as RUST_BACKTRACE asks for, would bury them.
    shell::complain(error);
    ExitCode::from(code)
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve(args)?,
        Command::Credentials(args) => credentials::show(args)?,
        Command::Config(ConfigCommand::Check(args)) => check_config(args)?,
        Command::Backup(args) => return maintenance::run_backup(args),
        Command::Restore(args) => return maintenance::run_restore(args),
        Command::Migrate(args) => return maintenance::run_migrate(args),
        Command::Dump(args) => return maintenance::run_dump(args),
        Command::Operations => shell::print(&operations::table())?,
        Command::Ctl(command) => match *command {
            // One is that something is wrong with what is stored.
            ctl::Command::Fsck(fsck) if fsck.arguments.offline => {
                return Ok(offline::check(fsck).unwrap_or_else(|error| ended(&error, 2)));
            }
            ctl::Command::Policy(ctl::Noun { command: ctl::PolicyCommand::Reset { of }, options }) => {
                return Ok(policies::reset(of, &options).map_or_else(|error| ended(&error, 2), |()| ExitCode::SUCCESS));
            }
            command => return Ok(ctl::main(command, &credentials::local, &credentials::root_key)),
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// Parts that say more than anybody needs.
const QUIET: &str = "postgres::config=warn,h2=error";

/// What is logged. The PostgreSQL client tells its whole configuration at info, which only debugging needs, and HTTP/2 warns of
/// each connection that it ends for what its client does, by which anybody could fill the log.
fn log_filter(log: &LogConfig) -> anyhow::Result<EnvFilter> {
    let text = std::env::var("WHARF_LOG").unwrap_or_default();
    if text.is_empty() {
        let access = if log.access { "info" } else { "warn" };
        return Ok(EnvFilter::new(format!("info,wharf::access={access},{QUIET}")));
    }
    for part in text.split(',').map(str::trim) {
        let is_bare = !part.contains(['=', '[', ':']);
        if is_bare && part.parse::<LevelFilter>().is_err() {
            bail!(
                "WHARF_LOG: '{part}' is no level: off, error, warn, info, debug or trace, or TARGET=LEVEL, is needed"
            );
        }
    }
    let is_verbose = ["debug", "trace", "postgres", "h2"].iter().any(|word| text.contains(word));
    let quiet = if is_verbose { String::new() } else { format!("{QUIET},") };
    // Before what the variable says, which wins where it says something about it.
    let access = if log.access { "wharf::access=info," } else { "" };
    EnvFilter::builder().parse(format!("{quiet}{access}{text}")).map_err(|error| {
        // Its causes say what it says itself.
        anyhow!("WHARF_LOG: '{text}' is no log filter ({error}): write such as info or info,wharf=debug")
    })
}

/// Writes the log to standard error from now on.
fn begin_log(log: &LogConfig) -> anyhow::Result<()> {
    let (format, has_colours) = (log.format.unwrap_or_default(), std::io::stderr().is_terminal());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(log_filter(log)?)
        // A log that nobody reads any more must not end the server.
        .log_internal_errors(false)
        .with_writer(move || LogLines::new(std::io::stderr(), format, has_colours));
    match format {
        LogFormat::Text => subscriber.with_ansi(has_colours).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).init(),
    }
    Ok(())
}

fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let config = args.load()?;
    begin_log(&config.log)?;
    // Whatever the server or SQLite makes is its owner's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Whoever reaches the server may end it at once, and it must end well.
        let mut signals = EndSignals::listen()?;
        let server = tokio::select! {
            started = Server::start(&config, Arc::new(SystemClock)) => started?,
            () = signals.wait() => return Ok(()),
        };
        shell::print(&welcome(&server)?)?;
        signals.wait().await;
        server.stop().await;
        anyhow::Ok(())
    })
}

/// What the server is, and what to type next. Everything can be pasted as it stands.
fn welcome(server: &Server) -> Result<String, std::fmt::Error> {
    let Server { address, public_url: url, data_dir, accounts, regions, certificate, is_new, .. } = server;
    let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
    let credentials =
        format!("{} credentials --data-dir {} --output env", shell::this_program(), shell::quoted_path(data_dir));
    let mut text = String::new();
    writeln!(text, "Wharf is listening at {url} ({address})")?;
    let several = if accounts.len() == 1 { "account " } else { "accounts" };
    writeln!(text, "  {several}     {}", accounts.join(", "))?;
    let several = if regions.len() == 1 { "region " } else { "regions" };
    writeln!(text, "  {several}      {}", regions.join(", "))?;
    writeln!(text, "  data folder  {}", data_dir.display())?;
    if *is_new {
        writeln!(text, "  registry     new: there was none here, and this start has made it")?;
    }
    writeln!(text, "  credentials  {credentials}")?;
    if let Some(certificate) = certificate {
        let trusted = format!("/etc/docker/certs.d/{host}");
        writeln!(text, "  certificate  {}", certificate.display())?;
        writeln!(text)?;
        writeln!(text, "Docker trusts the certificate after this, which localhost does not need:")?;
        let certificate = shell::quoted_path(certificate);
        writeln!(text, "  sudo mkdir -p {trusted} && sudo cp {certificate} {trusted}/ca.crt")?;
    }
    writeln!(text)?;
    writeln!(text, "Push an image, from another terminal:")?;
    writeln!(text, "  eval \"$({credentials})\"")?;
    writeln!(text, "  aws ecr create-repository --repository-name my-app")?;
    writeln!(text, "  aws ecr get-login-password | docker login --username AWS --password-stdin {host}")?;
    // An image of one file that every machine has: it needs no network, and none that is there already.
    writeln!(text, "  tar -cf - -C /etc hosts | docker import - {host}/my-app:v1")?;
    writeln!(text, "  docker push {host}/my-app:v1")?;
    Ok(text)
}

/// The signals that end the server.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn check_config(args: ServeArgs) -> anyhow::Result<()> {
    shell::print(&args.load()?.in_force()?)
}
