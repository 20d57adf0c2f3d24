//! The program: `wharf serve` runs a registry, `wharf credentials` shows how to use it.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use server::Server;
use server::clock::SystemClock;
use server::config::Config;
use server::credentials;

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
    /// Show the root credentials of a registry on this machine.
    Credentials(CredentialsArgs),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Check the configuration and print what is in force, with secrets hidden.
    Check(CommonArgs),
}

#[derive(Args)]
struct CommonArgs {
    /// Configuration file (see docs/wharf.example.toml).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for metadata, blobs, keys and credentials.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl CommonArgs {
    fn load(self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref(), |name| std::env::var(name).ok())?;
        config.data_dir = self.data_dir.or(config.data_dir);
        Ok(config)
    }
}

#[derive(Args)]
struct ServeArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Address and port to listen at; port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<std::net::SocketAddr>,
    /// Speak TLS with a certificate made by Wharf.
    #[arg(long, value_enum)]
    tls: Option<TlsMode>,
}

#[derive(Clone, Copy, ValueEnum)]
enum TlsMode {
    SelfSigned,
}

#[derive(Args)]
struct CredentialsArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// How to print them.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
    Env,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve(args) => serve(args),
        Command::Credentials(args) => show_credentials(args),
        Command::Config(ConfigCommand::Check(args)) => check_config(args),
    }
}

fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WHARF_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,wharf::access=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let mut config = args.common.load()?;
    config.listen = args.listen.or(config.listen);
    config.tls.self_signed |= args.tls.is_some();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(&config, Arc::new(SystemClock)).await?;
        print_welcome(&server, args_credentials(&config));
        wait_for_signal().await?;
        server.stop().await;
        anyhow::Ok(())
    })
}

/// How `wharf credentials` must be called to find this server's.
fn args_credentials(config: &Config) -> String {
    format!("wharf credentials --data-dir {} --output env", config.data_dir().display())
}

fn print_welcome(server: &Server, credentials: String) {
    let Server { address, url, data_dir, accounts, regions, .. } = server;
    let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
    println!("Wharf is listening at {url} ({address})");
    println!("  account      {}", accounts.join(", "));
    println!("  region       {}", regions.join(", "));
    println!("  data folder  {}", data_dir.display());
    println!("  credentials  {credentials}");
    println!();
    println!("Push an image, from another terminal:");
    println!("  eval \"$({credentials})\"");
    println!("  aws ecr create-repository --repository-name my-app");
    println!("  aws ecr get-login-password | docker login --username AWS --password-stdin {host}");
    println!("  docker tag my-app {host}/my-app:v1 && docker push {host}/my-app:v1");
}

async fn wait_for_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn check_config(args: CommonArgs) -> anyhow::Result<()> {
    let config = args.load()?;
    let problems = config.problems();
    if !problems.is_empty() {
        bail!("{} to correct:\n  {}", problems.len(), problems.join("\n  "));
    }
    print!("{}", config.in_force()?);
    Ok(())
}

fn show_credentials(args: CredentialsArgs) -> anyhow::Result<()> {
    let config = args.common.load()?;
    let Some(found) = credentials::find(&config)? else {
        bail!("{} holds no credentials: start the registry once with `wharf serve`", config.data_dir().display());
    };
    let region = config.regions()?.first().map(ToString::to_string).context("no region is configured")?;
    let endpoint = std::fs::read_to_string(config.data_dir().join("endpoint"))
        .map_or_else(|_| format!("http://localhost:{}", config.listen().port()), |text| text.trim().to_owned());
    match args.output {
        Output::Json => {
            let list: Vec<_> = found
                .iter()
                .map(|one| {
                    serde_json::json!({
                        "accountId": one.account_id,
                        "accessKeyId": one.access_key_id,
                        "secretAccessKey": one.secret_access_key,
                        "region": region,
                        "endpointUrl": endpoint,
                    })
                })
                .collect();
            println!("{}", serde_json::to_string_pretty(&list)?);
        }
        Output::Env => {
            let first = found.first().context("no account is configured")?;
            println!("export AWS_ACCESS_KEY_ID={}", first.access_key_id);
            println!("export AWS_SECRET_ACCESS_KEY={}", first.secret_access_key);
            println!("export AWS_REGION={region}");
            println!("export AWS_DEFAULT_REGION={region}");
            println!("export AWS_ENDPOINT_URL={endpoint}");
        }
        Output::Text => {
            for one in &found {
                println!("Account            {}", one.account_id);
                println!("Access key id      {}", one.access_key_id);
                println!("Secret access key  {}", one.secret_access_key);
                println!("Region             {region}");
                println!("Endpoint           {endpoint}");
            }
        }
    }
    Ok(())
}
