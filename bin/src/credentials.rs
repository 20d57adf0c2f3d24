//! The root credentials of a server on this machine: shown by `wharf credentials`, used by the commands that call it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, ValueEnum};
use config::credentials::{RootCredentials, RunningServer};
use config::settings::Config;
use server::local_socket::{self, AskError};
use server::maintenance::root_credentials;

use crate::{CommonArgs, shell};

#[derive(Args)]
pub struct CredentialsArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// How to print them.
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// The account, if there are several; `--output env` takes the first one by default.
    #[arg(long, value_name = "ID")]
    account: Option<String>,
    /// The region, if there are several [default: the server's first].
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
    Env,
}

/// Where the server listens, or did when it last ran.
fn last_endpoint(config: &Config) -> anyhow::Result<Option<String>> {
    let text = std::fs::read_to_string(config.data_dir()?.join("endpoint"));
    Ok(text.ok().map(|text| text.trim().to_owned()))
}

/// Where it will listen, if it never did.
fn coming_endpoint(config: &Config) -> String {
    format!("http://localhost:{}", config.listen().port())
}

fn load(options: &ctl::Options) -> anyhow::Result<Config> {
    CommonArgs { config: options.config.clone(), data_dir: options.data_dir.clone() }.load()
}

/// What the commands that call a server know of one on this machine.
pub fn local(options: &ctl::Options) -> Result<ctl::Local, String> {
    find_local(options).map_err(|error| format!("{error:#}"))
}

fn find_local(options: &ctl::Options) -> anyhow::Result<ctl::Local> {
    let config = load(options)?;
    let running = RunningServer::find(&config.data_dir()?)?;
    let region = match running.as_ref().and_then(|running| running.regions.first()) {
        Some(region) => Some(region.clone()),
        None => config.regions()?.first().map(ToString::to_string),
    };
    let made_certificate = config.data_dir()?.join("tls-certificate.pem");
    // The default address is no better guess than that of any other server.
    let coming = || {
        (config.listen.is_some() && made_certificate.parent().is_some_and(Path::is_dir))
            .then(|| coming_endpoint(&config))
    };
    Ok(ctl::Local {
        data_dir: config.data_dir()?,
        endpoint: last_endpoint(&config)?.or_else(coming),
        region,
        certificate: (config.tls.certificate.is_none() && made_certificate.exists()).then_some(made_certificate),
    })
}

/// The root key of the first account of a server on this machine.
pub fn root_key(options: &ctl::Options) -> Result<Option<(String, ctl::SecretAccessKey)>, String> {
    let find = || anyhow::Ok(find_root(&load(options)?)?.accounts.into_iter().next());
    let root = find().map_err(|error| format!("{error:#}"))?;
    Ok(root.map(|root| (root.access_key_id, ctl::SecretAccessKey::new(root.secret_access_key))))
}

/// The root credentials, and whether a server runs that told them.
struct Root {
    accounts: Vec<RootCredentials>,
    is_running: bool,
}

/// Asks the server that runs on the data folder, since only it knows all its configuration; without one, looks at the
/// configuration at hand and at what the folder keeps. Empty if there is nothing.
fn find_root(config: &Config) -> anyhow::Result<Root> {
    let data_dir = config.data_dir()?;
    let not_running = match local_socket::ask(&data_dir) {
        Ok(accounts) => return Ok(Root { accounts, is_running: true }),
        Err(error @ AskError::NotRunning(_)) => error,
        Err(error) => return Err(error.into()),
    };
    // On a thread of its own, as the commands that ask have a runtime already.
    let found = std::thread::scope(|scope| {
        let finding = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            anyhow::Ok(runtime.block_on(root_credentials::find(config))?)
        });
        finding.join().unwrap_or_else(|_| Err(anyhow!("the root key could not be looked for")))
    });
    match found.with_context(|| not_running.to_string())? {
        Some(accounts) => Ok(Root { accounts, is_running: false }),
        // A server was here, and had its keys from its own configuration.
        None if RunningServer::find(&data_dir)?.is_some() => {
            bail!(
                "{not_running}, and its root keys are not kept there: start it, or give the configuration that it runs with"
            )
        }
        None => Ok(Root { accounts: Vec::new(), is_running: false }),
    }
}

/// What could have been named.
fn there_are(known: &[String]) -> String {
    format!("there {} {}", if known.len() == 1 { "is" } else { "are" }, known.join(", "))
}

/// Shows the root credentials.
pub fn show(args: CredentialsArgs) -> anyhow::Result<()> {
    let config = args.common.load()?;
    let data_dir = config.data_dir()?;
    let Root { mut accounts, is_running } = find_root(&config)?;
    if accounts.is_empty() && !data_dir.exists() {
        bail!(
            "{} is not there, so it holds no registry: name its data folder with --data-dir or WHARF_DATA_DIR (`wharf \
             serve` makes a new one)",
            data_dir.display()
        );
    }
    if accounts.is_empty() {
        bail!("{} holds no credentials: start the registry once with `wharf serve`", data_dir.display());
    }
    if !is_running {
        eprintln!("note: no server is running on the data folder {}", data_dir.display());
    }
    let (url, regions, certificate) = match RunningServer::find(&data_dir)? {
        Some(RunningServer { url, regions, certificate, .. }) => (url, regions, certificate),
        None => {
            let known = config.public_url.clone().map_or_else(|| last_endpoint(&config), |url| Ok(Some(url)))?;
            let url = known.unwrap_or_else(|| coming_endpoint(&config));
            (url, config.regions()?.iter().map(ToString::to_string).collect(), None)
        }
    };
    if let Some(id) = &args.account {
        let known: Vec<String> = accounts.iter().map(|account| account.account_id.clone()).collect();
        accounts.retain(|account| account.account_id == *id);
        if accounts.is_empty() {
            bail!("the server has no account {id}: {}", there_are(&known));
        }
    }
    let region = match &args.region {
        Some(region) if regions.contains(region) => region,
        Some(region) => bail!("the server has no region {region}: {}", there_are(&regions)),
        None => regions.first().context("no region is configured")?,
    };
    let mut text = String::new();
    match args.output {
        Output::Json => {
            let list: Vec<_> = accounts
                .iter()
                .map(|one| {
                    serde_json::json!({
                        "accountId": one.account_id,
                        "accessKeyId": one.access_key_id,
                        "secretAccessKey": one.secret_access_key,
                        "region": region,
                        "endpointUrl": url,
                        "certificate": certificate,
                    })
                })
                .collect();
            writeln!(text, "{}", serde_json::to_string_pretty(&list)?)?;
        }
        Output::Env => {
            let first = accounts.first().context("no account is configured")?;
            let certificate = certificate.map(|path| path.display().to_string());
            let variables = [
                ("AWS_ACCESS_KEY_ID", Some(&first.access_key_id)),
                ("AWS_SECRET_ACCESS_KEY", Some(&first.secret_access_key)),
                ("AWS_REGION", Some(region)),
                ("AWS_DEFAULT_REGION", Some(region)),
                ("AWS_ENDPOINT_URL", Some(&url)),
                ("AWS_CA_BUNDLE", certificate.as_ref()),
            ];
            for (name, value) in variables.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                writeln!(text, "export {name}={}", shell::quoted(value))?;
            }
            // Of another session: with it, the key above would not be taken.
            writeln!(text, "unset AWS_SESSION_TOKEN")?;
        }
        Output::Text => {
            for one in &accounts {
                writeln!(text, "Account            {}", one.account_id)?;
                writeln!(text, "Access key id      {}", one.access_key_id)?;
                writeln!(text, "Secret access key  {}", one.secret_access_key)?;
                writeln!(text, "Region             {region}")?;
                writeln!(text, "Endpoint           {url}")?;
                if let Some(certificate) = &certificate {
                    writeln!(text, "Certificate        {}", certificate.display())?;
                }
            }
        }
    }
    shell::print(&text)
}
