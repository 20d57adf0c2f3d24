//! The root credentials of a server on this machine: shown by `wharf credentials`, used by the commands that call it.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use server::config::Config;
use server::credentials;

use crate::CommonArgs;

#[derive(Args)]
pub struct CredentialsArgs {
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

/// Where the server listens, or did when it last ran, or will.
fn endpoint(config: &Config) -> anyhow::Result<String> {
    Ok(std::fs::read_to_string(config.data_dir()?.join("endpoint")).map_or_else(
        |_| format!("http://localhost:{}", config.listen().port()),
        |text| text.trim().to_owned(),
    ))
}

/// What the commands that call a server know of one on this machine.
pub fn local(options: &ctl::Options) -> Result<ctl::Local, String> {
    find_local(options).map_err(|error| format!("{error:#}"))
}

fn find_local(options: &ctl::Options) -> anyhow::Result<ctl::Local> {
    let config = CommonArgs { config: options.config.clone(), data_dir: options.data_dir.clone() }.load()?;
    let root = credentials::find(&config)?.and_then(|found| found.into_iter().next());
    let made_certificate = config.data_dir()?.join("tls-certificate.pem");
    Ok(ctl::Local {
        data_dir: config.data_dir()?,
        endpoint: Some(endpoint(&config)?),
        region: config.regions()?.first().map(ToString::to_string),
        root_key: root.map(|root| (root.access_key_id, ctl::SecretAccessKey::new(root.secret_access_key))),
        certificate: (config.tls.certificate.is_none() && made_certificate.exists()).then_some(made_certificate),
    })
}

/// Shows the root credentials.
pub fn show(args: CredentialsArgs) -> anyhow::Result<()> {
    let config = args.common.load()?;
    let Some(found) = credentials::find(&config)? else {
        bail!("{} holds no credentials: start the registry once with `wharf serve`", config.data_dir()?.display());
    };
    let region = config.regions()?.first().map(ToString::to_string).context("no region is configured")?;
    let endpoint = endpoint(&config)?;
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
