//! The root credentials of a server on this machine: shown by `wharf credentials`, used by the commands that call it.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use server::config::Config;
use server::credentials::{self, RunningServer};

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
    /// The region, if there are several. Default: the server's first.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
    Env,
}

/// Where the server listens, or did when it last ran, or will.
fn endpoint(config: &Config) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(config.data_dir()?.join("endpoint"))
        .map_or_else(|_| format!("http://localhost:{}", config.listen().port()), |text| text.trim().to_owned()))
}

/// What the commands that call a server know of one on this machine.
pub fn local(options: &ctl::Options) -> Result<ctl::Local, String> {
    find_local(options).map_err(|error| format!("{error:#}"))
}

fn find_local(options: &ctl::Options) -> anyhow::Result<ctl::Local> {
    let config = CommonArgs { config: options.config.clone(), data_dir: options.data_dir.clone() }.load()?;
    let running = RunningServer::find(&config.data_dir()?)?;
    let region = match running.as_ref().and_then(|running| running.regions.first()) {
        Some(region) => Some(region.clone()),
        None => config.regions()?.first().map(ToString::to_string),
    };
    let root = match running {
        Some(running) => Some(running.accounts),
        None => credentials::find(&config)?,
    };
    let root = root.and_then(|found| found.into_iter().next());
    let made_certificate = config.data_dir()?.join("tls-certificate.pem");
    Ok(ctl::Local {
        data_dir: config.data_dir()?,
        endpoint: Some(endpoint(&config)?),
        region,
        root_key: root.map(|root| (root.access_key_id, ctl::SecretAccessKey::new(root.secret_access_key))),
        certificate: (config.tls.certificate.is_none() && made_certificate.exists()).then_some(made_certificate),
    })
}

/// What is shown, before one account and region are chosen: from the server that ran last on the folder, since only it
/// knows all its configuration; without one, from the configuration at hand.
fn find_server(config: &Config) -> anyhow::Result<RunningServer> {
    let data_dir = config.data_dir()?;
    if let Some(running) = RunningServer::find(&data_dir)? {
        return Ok(running);
    }
    let Some(accounts) = credentials::find(config)? else {
        bail!("{} holds no credentials: start the registry once with `wharf serve`", data_dir.display());
    };
    let regions = config.regions()?.iter().map(ToString::to_string).collect();
    let url = config.public_url.clone().map_or_else(|| endpoint(config), Ok)?;
    Ok(RunningServer { url, regions, certificate: None, accounts })
}

/// Shows the root credentials.
pub fn show(args: CredentialsArgs) -> anyhow::Result<()> {
    let RunningServer { url, regions, certificate, mut accounts } = find_server(&args.common.load()?)?;
    if let Some(id) = &args.account {
        let known = accounts.iter().map(|account| account.account_id.as_str()).collect::<Vec<_>>().join(", ");
        accounts.retain(|account| account.account_id == *id);
        if accounts.is_empty() {
            bail!("the server has no account {id}: there is {known}");
        }
    }
    let region = match &args.region {
        Some(region) if regions.contains(region) => region,
        Some(region) => bail!("the server has no region {region}: there is {}", regions.join(", ")),
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
