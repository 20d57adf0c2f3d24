//! `wharf import`: copies repositories from ECR, from any registry, or from a docker-registry's storage folder.
//!
//! It is a client of both sides. `source` says what every source can do; `repository` lists what is wanted, creates the repository
//! and ends with its settings; `copy` brings images, what indexes list first, with their layers and referrers; `upload` streams a
//! layer in parts from wherever the target says that it is. What the target shows is whole, so presence there ends all questions;
//! the state file only remembers which tags the import wrote and what indexes list.

mod aws_profile;
mod copy;
mod destination;
mod docker_config;
mod ecr;
mod failure;
mod folder;
mod http;
mod login;
mod patience;
mod pattern;
mod registry;
mod report;
mod repository;
mod run;
mod source;
mod state;
mod tally;
mod upload;

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use aws_client::is_loopback;
use clap::{Args, Subcommand};
use oci::RepositoryName;
use reqwest::Url;
use tokio::sync::mpsc;

use self::copy::{Import, Manner};
use self::destination::Destination;
use self::ecr::{EcrApi, EcrRegistry};
use self::failure::Failure;
use self::folder::Folder;
use self::login::{Login, Secret};
use self::pattern::Pattern;
use self::registry::Registry;
use self::source::{Selection, Source};
use self::state::State;
use self::tally::Tally;
use crate::Outcome;
use crate::error::Error;
use crate::given::{Given, OF_SOURCE_REGION, SOURCE_ENDPOINT};
use crate::number;
use crate::options::{self, Credentials, Options, Settings, Surroundings};
use crate::output::Output;
use crate::since::Since;

const MAX_PASSWORD_BYTES: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// From a registry that speaks the OCI distribution protocol.
    Registry {
        /// The registry: HOST, HOST:PORT or a URL. On loopback http is tried without being named.
        source: String,
        /// User name [default: $WHARF_SOURCE_USERNAME, else what docker is logged in with].
        #[arg(long)]
        username: Option<String>,
        /// Read the password from standard input [default: $WHARF_SOURCE_PASSWORD].
        #[arg(long, requires = "username")]
        password_stdin: bool,
        /// Speak http with a registry that is not on this machine: whoever is in between reads and changes everything.
        #[arg(long)]
        allow_http: bool,
        /// PEM file of the certificates to trust at the source.
        #[arg(long, value_name = "FILE")]
        source_ca_bundle: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// From Amazon ECR, with the settings of its repositories.
    Ecr {
        /// Region of the source [default: $AWS_REGION, $AWS_DEFAULT_REGION].
        #[arg(long, value_name = "REGION")]
        source_region: Option<String>,
        /// Account of the source [default: that of the credentials].
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<aws::AccountId>,
        /// Profile of ~/.aws with the source's access key [default: the environment's key, else $AWS_PROFILE].
        #[arg(long, value_name = "PROFILE")]
        source_profile: Option<String>,
        /// Endpoint of the source's API [default: that of ECR in its region].
        #[arg(long, value_name = "URL")]
        source_endpoint: Option<String>,
        /// PEM file of the certificates to trust at the source.
        #[arg(long, value_name = "FILE")]
        source_ca_bundle: Option<PathBuf>,
        /// Leave the settings of repositories as Wharf makes them: mutability, tags, policies.
        #[arg(long)]
        no_settings: bool,
        #[command(flatten)]
        common: Common,
    },
    /// From the storage folder of a docker-registry (distribution's file system driver).
    Folder {
        /// The folder that its configuration names as `rootdirectory`.
        folder: PathBuf,
        #[command(flatten)]
        common: Common,
    },
}

/// What every import takes.
#[derive(Args, Debug)]
pub struct Common {
    /// Only these repositories of the source: names, or patterns such as team/* [default: all].
    #[arg(long = "repository", value_name = "PATTERN")]
    repositories: Vec<Pattern>,
    /// Only images with these tags: names, or patterns such as v1.* [default: all].
    #[arg(long, value_name = "PATTERN")]
    tags: Vec<Pattern>,
    /// Only images since then: 2h or 3d (ago), 2026-11-21, or 2026-11-21T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Images without a tag too, where the source can list them (ECR and folders).
    #[arg(long)]
    untagged: bool,
    /// Put before the names of repositories: `imported` makes imported/team/app of team/app.
    #[arg(long)]
    prefix: Option<String>,
    /// Leave out what refers to images: signatures, attestations, materials.
    #[arg(long)]
    no_referrers: bool,
    /// Move tags that the target has and no import put there. Immutable tags are never moved.
    #[arg(long)]
    overwrite_tags: bool,
    /// Images, and repositories, at a time.
    #[arg(long, value_name = "N", default_value_t = 4, allow_negative_numbers = true, value_parser = number::within(1_u16..=256))]
    parallel: u16,
    /// Layers at a time.
    #[arg(long, value_name = "N", default_value_t = 8, allow_negative_numbers = true, value_parser = number::within(1_u16..=256))]
    parallel_layers: u16,
    /// Attempts after the first of what fails in passing.
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true, value_parser = number::at_least(0_u32))]
    retries: u32,
    /// Where to remember what was done [default: a file for each source and target in ~/.local/state/wharf].
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Say what would be copied, without doing it.
    #[arg(long)]
    dry_run: bool,
    /// Profile of ~/.aws with the target's access key [default: as every command, or the data folder's root key when the
    /// environment's key is the source's].
    #[arg(long, value_name = "PROFILE")]
    target_profile: Option<String>,
}

impl Command {
    pub(crate) async fn run(
        self,
        options: &Options,
        surroundings: &Surroundings<'_>,
        now_ms: fn() -> i64,
        output: &mut Output<'_>,
    ) -> Result<Outcome, Error> {
        let variable = |name: &str| (surroundings.variable)(name).filter(|value| !value.is_empty());
        let has_settings = !matches!(&self, Self::Ecr { no_settings: true, .. });
        let is_environment_the_sources = matches!(&self, Self::Ecr { source_profile: None, .. });
        let common = match &self {
            Self::Registry { common, .. } | Self::Ecr { common, .. } | Self::Folder { common, .. } => common,
        };
        if let Some(prefix) = &common.prefix {
            let name: Result<RepositoryName, _> = format!("{}/x", prefix.trim_end_matches('/')).parse();
            name.map_err(|error| Error::Usage(format!("--prefix '{prefix}': {error}")))?;
        }
        let target = target(options, surroundings, common.target_profile.as_deref(), is_environment_the_sources);
        let target = match (target, &self) {
            (Ok(target), _) => target,
            // Whoever sets up an import is told at once of both keys that it needs.
            (Err(error), Self::Ecr { source_profile, .. }) => {
                let source = ecr_credentials(&variable, source_profile.clone()).err();
                return Err(match source {
                    Some(source) => Error::Usage(format!("{error}\n{source}")),
                    None => error,
                });
            }
            (Err(error), _) => return Err(error),
        };
        let selection = Selection {
            repositories: common.repositories.clone(),
            tags: common.tags.clone(),
            since_ms: common.since.map(|since| (since.epoch_seconds(now_ms()) * 1_000.0) as i64),
            has_untagged: common.untagged,
        };
        let manner = Manner {
            prefix: common.prefix.clone(),
            is_dry_run: common.dry_run,
            has_referrers: !common.no_referrers,
            has_settings,
            overwrites_tags: common.overwrite_tags,
            images_at_once: usize::from(common.parallel),
            blobs_at_once: usize::from(common.parallel_layers),
        };
        let (retries, state_path) = (common.retries, common.state.clone());
        let source = self.source(&variable, now_ms).await?;
        let (base, trusted) = (target.endpoint.value.clone(), target.trusted.clone());
        let target_name = format!("{} in {}", base.as_str().trim_end_matches('/'), target.region.value);
        let api = Arc::new(EcrApi::new(target, None, retries, now_ms)?);
        let destination = Destination::new(api, base, &trusted, retries, now_ms)?;
        let path = match state_path {
            Some(path) => path,
            None => state::default_path(&variable, &source.name(), &target_name)?,
        };
        let state = State::open(&path, &source.name(), &target_name, manner.is_dry_run)?;
        let (names, missing) =
            source.repositories(&selection.repositories).await.map_err(|failure| of_source(&source, failure))?;
        let (lines, received) = mpsc::unbounded_channel();
        let tally = Tally::new(lines);
        for name in missing {
            let is_pattern = name.contains('*');
            let reason =
                if is_pattern { "no repository of the source fits" } else { "the source has no such repository" };
            tally.fail(&name, "", reason);
        }
        let import = Arc::new(Import::new(source, destination, selection, manner, state, tally));
        let facts = (target_name, path.display().to_string());
        run::run(import, names, received, facts, output).await
    }

    async fn source(self, variable: &dyn Fn(&str) -> Option<String>, now_ms: fn() -> i64) -> Result<Source, Error> {
        match self {
            Self::Registry { source, username, password_stdin, allow_http, source_ca_bundle, common } => {
                let base = registry_url(&source, allow_http)?;
                let secret = registry_secret(variable, &base, username, password_stdin)?;
                let trusted: Vec<PathBuf> = source_ca_bundle.into_iter().collect();
                let registry = Registry::new(base, &trusted, Login::User(secret), common.retries, now_ms)?;
                Ok(Source::Registry(Arc::new(registry)))
            }
            Self::Ecr { source_region, account, source_profile, source_endpoint, source_ca_bundle, common, .. } => {
                let by_variable = |name: &str| Some((variable(name)?, name.to_owned()));
                let region = source_region
                    .map(|region| (region, "--source-region".to_owned()))
                    .or_else(|| by_variable("AWS_REGION"))
                    .or_else(|| by_variable("AWS_DEFAULT_REGION"));
                let (region, named_by) = region.ok_or_else(|| {
                    Error::Usage("name the source's region with --source-region, or set AWS_REGION".to_owned())
                })?;
                let parsed: aws::Region = region.parse().map_err(|error| {
                    Error::Usage(format!("the source's region '{region}', from {named_by}: {error}"))
                })?;
                let endpoint = match source_endpoint {
                    Some(endpoint) => {
                        Given { value: options::parse_endpoint(&endpoint)?, by: SOURCE_ENDPOINT.to_owned() }
                    }
                    None => {
                        let suffix = if parsed.partition() == aws::Partition::AwsCn { ".cn" } else { "" };
                        let url = options::parse_endpoint(&format!("https://api.ecr.{region}.amazonaws.com{suffix}"))?;
                        Given { value: url, by: OF_SOURCE_REGION.to_owned() }
                    }
                };
                let credentials = ecr_credentials(variable, source_profile)?;
                let trusted: Vec<PathBuf> = source_ca_bundle.into_iter().collect();
                let region = Given { value: region, by: named_by };
                let settings = Settings { endpoint, region, credentials, trusted: trusted.clone() };
                let account = account.map(|account| account.as_str().to_owned());
                let api = EcrApi::new(settings, account, common.retries, now_ms)?;
                let opened = EcrRegistry::open(api, &trusted, common.retries, now_ms).await;
                let opened = opened.map_err(|failure| Error::Usage(format!("the source: {failure}")))?;
                Ok(Source::Ecr(Arc::new(opened)))
            }
            Self::Folder { folder, .. } => Ok(Source::Folder(Arc::new(Folder::open(&folder)?))),
        }
    }
}

fn of_source(source: &Source, failure: Failure) -> Error {
    let hint = match (source, &failure) {
        (Source::Registry(_), Failure::NotFound(_)) => "; a registry without a catalog needs --repository",
        (Source::Registry(_), Failure::Final(text))
            if !text.contains("cannot be used") && !text.contains(registry::ABOUT_LOGIN) =>
        {
            "; a registry without a catalog needs --repository"
        }
        _ => "",
    };
    Error::Usage(format!("the repositories of {} cannot be listed: {failure}{hint}", source.name()))
}

/// The target and its access key.
fn target(
    options: &Options,
    surroundings: &Surroundings<'_>,
    profile: Option<&str>,
    is_environment_the_sources: bool,
) -> Result<Settings, Error> {
    let without_key = |name: &str| {
        let is_key = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].contains(&name);
        (surroundings.variable)(name).filter(|_| !is_key)
    };
    let credentials = match profile {
        None => None,
        Some(profile) => {
            let found = aws_profile::find(surroundings.variable, profile)?;
            Some(found.ok_or_else(|| {
                Error::Usage(format!(
                    "there is no profile {profile}, which --target-profile names as the one with the target's key"
                ))
            })?)
        }
    };
    if !is_environment_the_sources {
        return options::resolve_with(options, surroundings, credentials, &|nowhere| {
            Error::Usage(format!(
                "there are no credentials for the target: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name the data \
                 folder of a server on this machine with --data-dir, or a profile with --target-profile ({nowhere})"
            ))
        });
    }
    options::resolve_with(options, &Surroundings { variable: &without_key, ..*surroundings }, credentials, &|nowhere| {
        Error::Usage(format!(
            "there are no credentials for the target: name the data folder of a server on this machine with --data-dir, or \
             a profile of ~/.aws that has the target's key with --target-profile ({nowhere}; AWS_ACCESS_KEY_ID is the \
             source's here, unless --source-profile names another)"
        ))
    })
}

/// The source's access key: that of a profile, else the environment's, else that of the usual profile.
fn ecr_credentials(variable: &dyn Fn(&str) -> Option<String>, profile: Option<String>) -> Result<Credentials, Error> {
    let is_named = profile.is_some();
    let of_source = |error: Error| Error::Usage(format!("the source's key: {error}"));
    if !is_named && let Some(credentials) = options::from_environment(variable).map_err(of_source)? {
        return Ok(credentials);
    }
    let profile = profile.or_else(|| variable("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned());
    aws_profile::find(variable, &profile).map_err(of_source)?.ok_or_else(|| {
        Error::Usage(format!(
            "there are no credentials for the source: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile \
             of ~/.aws with --source-profile (there is no profile {profile})"
        ))
    })
}

/// Where a registry is that people name as docker does.
fn registry_url(text: &str, allow_http: bool) -> Result<Url, Error> {
    let wrong = |cause: &str| Error::Usage(format!("the source '{text}': {cause}"));
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&with_scheme).map_err(|_| wrong("write HOST, HOST:PORT or a URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        // The text is not repeated: it holds a password.
        return Err(Error::Usage("the source has a user name in it: give --username and a password".to_owned()));
    }
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("write HOST, HOST:PORT or a URL"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("nothing may follow the host and port; name repositories with --repository"));
    }
    let is_local = is_loopback(&url);
    if url.scheme() == "http" && !is_local && !allow_http {
        return Err(wrong("http is spoken only with this machine, unless --allow-http is given"));
    }
    if !text.contains("://") && (is_local || allow_http) {
        return Url::parse(&format!("http://{text}")).map_err(|_| wrong("write HOST, HOST:PORT or a URL"));
    }
    // Docker Hub is called by its name, and is at another.
    if matches!(url.host_str(), Some("docker.io" | "index.docker.io" | "hub.docker.com")) {
        return Url::parse("https://registry-1.docker.io").map_err(|_| wrong("it has no URL"));
    }
    Ok(url)
}

fn registry_secret(
    variable: &dyn Fn(&str) -> Option<String>,
    base: &Url,
    username: Option<String>,
    password_stdin: bool,
) -> Result<Option<Secret>, Error> {
    let host = base.host_str().unwrap_or_default();
    let host = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let Some(user) = username.or_else(|| variable("WHARF_SOURCE_USERNAME")) else {
        return match docker_config::path(variable) {
            Some(path) => docker_config::find(&path, &host),
            None => Ok(None),
        };
    };
    let password = if password_stdin {
        let mut text = String::new();
        std::io::stdin().take(MAX_PASSWORD_BYTES).read_to_string(&mut text)?;
        Some(text.trim_end_matches(['\r', '\n']).to_owned())
    } else {
        variable("WHARF_SOURCE_PASSWORD")
    };
    let password = password.ok_or_else(|| {
        Error::Usage(format!("the password of {user} is missing: give --password-stdin or WHARF_SOURCE_PASSWORD"))
    })?;
    Ok(Some(Secret::Password { user, password }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        for (text, allow_http, url) in [
            ("localhost:5000", false, "http://localhost:5000/"),
            ("127.0.0.1:5000", false, "http://127.0.0.1:5000/"),
            ("https://localhost:5000", false, "https://localhost:5000/"),
            ("registry.example", false, "https://registry.example/"),
            ("registry.example:5000", true, "http://registry.example:5000/"),
            ("docker.io", false, "https://registry-1.docker.io/"),
        ] {
            assert_eq!(registry_url(text, allow_http).expect(text).as_str(), url, "{text}");
        }
        for (text, cause) in [
            ("http://registry.example", "--allow-http"),
            ("registry.example/team/app", "--repository"),
            ("ftp://registry.example", "write HOST"),
            ("https://u:hidden@registry.example", "--username"),
            ("", "write HOST"),
        ] {
            let message = registry_url(text, false).expect_err(text).to_string();
            assert!(message.contains(cause) && !message.contains("hidden"), "{text}: {message}");
        }
    }
}
