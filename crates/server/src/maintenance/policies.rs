//! Resets the policy of a repository, a registry, a secret or a KMS key in the database of a server that is stopped: for
//! the owner of the data folder, whom no policy can refuse.

use std::path::Path;

use access::kms;
use config::settings::Config;
use runtime::data_folder::DATABASE;
use runtime::full_disk;
use runtime::start_error::StartError;
use store::db::{Tx, snapshot};
use store::error::StoreError;
use store::tables::resource_policies::{self as rows, Holder};
use store::tables::{identity_version, key_version, kms_keys, registry_policies, repository_policies, secrets};

use super::place::require_registry;
use super::storage::{data_dir, open_database};
use crate::data_dir::lock_data_dir;

/// What has the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyOf {
    /// A repository, by its name.
    Repository(String),
    /// A registry.
    Registry,
    /// A secret, by its name.
    Secret(String),
    /// A KMS key, by its id or an alias.
    Key(String),
}

/// Which policy is to be reset.
#[derive(Clone, Debug)]
pub struct PolicyToReset {
    /// What has it.
    pub of: PolicyOf,
    /// Its account, where several have one of that name.
    pub account: Option<String>,
    /// Its region, where it is in several.
    pub region: Option<String>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The ARN of what had the policy.
    pub arn: String,
    /// The policy that it had.
    pub old_policy: String,
    /// The policy that it has now, if it must have one.
    pub new_policy: Option<String>,
}

impl PolicyOf {
    fn find(&self, tx: &mut dyn Tx) -> Result<Vec<Holder>, StoreError> {
        match self {
            Self::Repository(name) => rows::repositories(tx, name),
            Self::Registry => rows::registries(tx),
            Self::Secret(name) => rows::secrets(tx, name),
            Self::Key(name) => rows::keys(tx, name),
        }
    }

    fn arn(&self, holder: &Holder) -> String {
        let registry = &holder.registry;
        match self {
            Self::Repository(name) => registry.repository_arn(name),
            Self::Registry => registry.repository_arn("*").replace("repository/*", "registry"),
            Self::Secret(name) => secrets::arn(registry, &format!("{name}-{}", holder.suffix)),
            Self::Key(_) => kms_keys::key_arn(registry, &holder.suffix),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Repository(name) => format!("repository called {name}"),
            Self::Registry => "registry with a policy".to_owned(),
            Self::Secret(name) => format!("secret called {name}"),
            Self::Key(name) => format!("KMS key of the id or alias {name}"),
        }
    }

    /// Stores what takes the policy's place: nothing, or for a key the policy that it would have been made with.
    fn reset(&self, tx: &mut dyn Tx, holder: &Holder) -> Result<Option<String>, StoreError> {
        match self {
            Self::Repository(_) => repository_policies::set(tx, holder.id, None)?,
            Self::Registry => {
                registry_policies::delete(tx, &holder.registry)?;
                identity_version::increment(tx)?;
            }
            Self::Secret(_) => secrets::set_policy(tx, holder.id, None)?,
            Self::Key(_) => {
                let policy = kms::default_policy(&holder.registry);
                kms_keys::set_policy(tx, holder.id, &policy)?;
                key_version::increment(tx)?;
                return Ok(Some(policy));
            }
        }
        Ok(None)
    }
}

/// The name in an ARN, or what is not one.
fn name_of(text: &str, parts: &str) -> String {
    let resource = text.strip_prefix("arn:").and_then(|rest| rest.splitn(5, ':').nth(4));
    resource.map_or(text, |resource| resource.strip_prefix(parts).unwrap_or(resource)).to_owned()
}

impl PolicyToReset {
    /// With the name alone where an ARN names a repository or a key.
    fn simplified(mut self) -> Self {
        self.of = match self.of {
            PolicyOf::Repository(text) => PolicyOf::Repository(name_of(&text, "repository/")),
            PolicyOf::Key(text) => PolicyOf::Key(name_of(&text, "key/")),
            other => other,
        };
        self
    }

    /// The one that is meant, of those that there are.
    fn choose(&self, found: Vec<Holder>) -> Result<Holder, String> {
        let is_meant = |holder: &Holder| {
            self.account.as_ref().is_none_or(|account| holder.registry.account.as_str() == account)
                && self.region.as_ref().is_none_or(|region| holder.registry.region.as_str() == region)
        };
        let mut meant: Vec<Holder> = found.into_iter().filter(is_meant).collect();
        if meant.len() > 1 {
            let arns: Vec<String> = meant.iter().map(|holder| self.of.arn(holder)).collect();
            return Err(format!("say which with --account and --region: {}", arns.join(", ")));
        }
        meant.pop().ok_or_else(|| {
            let place = match (&self.account, &self.region) {
                (None, None) => String::new(),
                (Some(account), None) => format!(" in account {account}"),
                (None, Some(region)) => format!(" in {region}"),
                (Some(account), Some(region)) => format!(" in account {account} and {region}"),
            };
            format!("there is no {}{place}", self.of.describe())
        })
    }
}

/// Resets a policy; says what it was.
pub async fn reset(config: &Config, which: PolicyToReset) -> Result<Reset, StartError> {
    let data_dir = data_dir(config)?;
    let done = reset_in(config, &data_dir, which).await;
    done.map_err(|error| full_disk::explain(error, &[&data_dir], full_disk::IN_PLACE))
}

async fn reset_in(config: &Config, data_dir: &Path, which: PolicyToReset) -> Result<Reset, StartError> {
    require_registry(config, data_dir)?;
    if config.database.url.is_none() {
        snapshot::check_schema(&data_dir.join(DATABASE))?;
    }
    let _lock = lock_data_dir(data_dir)?;
    let db = open_database(config, data_dir).await?;
    let which = which.simplified();
    // Who is locked out cannot make room either.
    let done = db.make_room(move |tx| {
        let found = which.of.find(tx)?;
        let holder = match which.choose(found) {
            Ok(holder) => holder,
            Err(problem) => return Ok(Err(problem)),
        };
        let arn = which.of.arn(&holder);
        let Some(old_policy) = holder.policy.clone() else { return Ok(Err(format!("{arn} has no policy"))) };
        let new_policy = which.of.reset(tx, &holder)?;
        Ok::<_, StoreError>(Ok(Reset { arn, old_policy, new_policy }))
    });
    done.await?.map_err(StartError::Other)
}
