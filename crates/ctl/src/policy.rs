//! `wharf policy`.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::document::{self, Document};
use crate::dry_run::{self, Parts};
use crate::error::Error;
use crate::holder::{Holder, HolderArgs, Kind};
use crate::output::{Field, field, fields};
use crate::xml::Element;
use crate::{Session, date};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a policy, to be attached.
    Create {
        /// Name.
        name: String,
        /// The policy: a file, or - for standard input.
        #[arg(long, value_name = "FILE")]
        document: PathBuf,
        /// Path, which begins and ends with a slash.
        #[arg(long)]
        path: Option<String>,
        /// What it is for.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// List the account's policies.
    List {
        /// AWS's policies too.
        #[arg(long)]
        all: bool,
    },
    /// Show a policy and what it is attached to.
    Show {
        /// Name or ARN.
        policy: String,
    },
    /// Delete a policy.
    Delete {
        /// Name or ARN.
        policy: String,
        /// Detach it everywhere and remove its old versions first.
        #[arg(long)]
        force: bool,
        /// Check and show what would go, without doing it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Attach a policy to a user, role or group.
    Attach {
        /// Name or ARN, such as AmazonEC2ContainerRegistryReadOnly.
        policy: String,
        #[command(flatten)]
        to: HolderArgs,
    },
    /// Detach a policy from a user, role or group.
    Detach {
        /// Name or ARN.
        policy: String,
        #[command(flatten)]
        from: HolderArgs,
    },
    /// Write a policy into a user, role or group: an inline policy.
    Put {
        /// Name of the inline policy. One of that name is replaced.
        #[arg(long)]
        name: String,
        /// The policy: a file, or - for standard input.
        #[arg(long, value_name = "FILE")]
        document: PathBuf,
        #[command(flatten)]
        to: HolderArgs,
    },
    /// Remove an inline policy.
    Remove {
        /// Name of the inline policy.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        from: HolderArgs,
        /// Check and show what would go, without doing it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Take away the policy of a repository, registry or secret, or give a KMS key its first one back, while the server is
    /// stopped: for whoever has the data folder, and was locked out. Takes the server's configuration with --config or
    /// --data-dir.
    Reset {
        /// What has the policy.
        #[command(subcommand)]
        of: ResetOf,
    },
}

/// What has a policy that can be reset.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum ResetOf {
    /// The policy of a repository.
    Repository {
        /// Name or ARN.
        name: String,
        /// Account, if several have a repository of that name.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
    /// The policy of a registry.
    Registry {
        /// Account, if several have a registry policy.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
    /// The resource policy of a secret.
    Secret {
        /// Name.
        name: String,
        /// Account, if several have a secret of that name.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
    /// The policy of a KMS key.
    Key {
        /// Id, ARN, or an alias such as alias/app.
        key: String,
        /// Account, if several have a key of that alias.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    policy_name: String,
    policy_id: String,
    arn: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    default_version_id: String,
    attachment_count: u64,
    create_date: String,
    update_date: String,
}

impl Policy {
    fn read(element: &Element) -> Result<Self, String> {
        Ok(Self {
            policy_name: element.require("PolicyName")?,
            policy_id: element.require("PolicyId")?,
            arn: element.require("Arn")?,
            path: element.require("Path")?,
            description: element.text("Description").map(str::to_owned),
            default_version_id: element.require("DefaultVersionId")?,
            attachment_count: element.text("AttachmentCount").and_then(|count| count.parse().ok()).unwrap_or(0),
            create_date: element.text("CreateDate").unwrap_or_default().to_owned(),
            update_date: element.text("UpdateDate").unwrap_or_default().to_owned(),
        })
    }

    /// Whether it is AWS's own, which every account has.
    fn is_aws(&self) -> bool {
        self.arn.split(':').nth(4) == Some("aws")
    }

    fn fields(&self) -> Vec<Field> {
        let mut shown = vec![field("Policy", &self.policy_name), field("ARN", &self.arn), field("Id", &self.policy_id)];
        shown.extend(self.description.as_ref().map(|text| field("Description", text)));
        shown.push(field("Version", &self.default_version_id));
        shown.push(field("Created", date::of_iso8601(&self.create_date)));
        shown.push(field("Changed", date::of_iso8601(&self.update_date)));
        shown
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    #[serde(flatten)]
    policy: Policy,
    users: Vec<Holder>,
    roles: Vec<Holder>,
    groups: Vec<Holder>,
    document: Document,
}

async fn list(client: &Client, scope: &str) -> Result<Vec<Policy>, Error> {
    client.iam_list("ListPolicies", &[("Scope", scope)], "Policies", Policy::read).await
}

/// The ARN of a policy that is given by name or ARN. The account's own policies go before AWS's.
async fn arn(client: &Client, policy: &str) -> Result<String, Error> {
    if policy.starts_with("arn:") {
        return Ok(policy.to_owned());
    }
    let mut known = Vec::new();
    for scope in ["Local", "AWS"] {
        let mut policies = list(client, scope).await?;
        if let Some(at) = policies.iter().position(|found| found.policy_name == policy) {
            return Ok(policies.swap_remove(at).arn);
        }
        known.extend(policies);
    }
    let lower = policy.to_lowercase();
    let is_like = |name: &str| {
        let name = name.to_lowercase();
        name.contains(&lower) || lower.contains(&name)
    };
    let mut message = format!(
        "no policy is called {policy}: `wharf policy list --all` shows them, and `wharf role policy show ROLE {policy}` \
         (or user, or group) shows an inline one"
    );
    if let Some(like) = known.iter().find(|found| is_like(&found.policy_name)) {
        message = format!("{message}; did you mean {}?", like.policy_name);
    }
    Err(Error::Usage(message))
}

/// Those of a kind who have the policy attached.
async fn holders(client: &Client, policy_arn: &str, kind: Kind) -> Result<Vec<Holder>, Error> {
    let (list, name) = (format!("Policy{}s", kind.as_str()), format!("{}Name", kind.as_str()));
    let read = |entry: &Element| Ok(Holder::new(kind, &entry.require(&name)?));
    client.iam_list("ListEntitiesForPolicy", &[("PolicyArn", policy_arn)], &list, read).await
}

/// The versions of a policy that are not in force.
async fn old_versions(client: &Client, policy_arn: &str) -> Result<Vec<String>, Error> {
    let read = |version: &Element| {
        let is_default = version.text("IsDefaultVersion") == Some("true");
        Ok((version.require("VersionId")?, is_default))
    };
    let versions = client.iam_list("ListPolicyVersions", &[("PolicyArn", policy_arn)], "Versions", read).await?;
    Ok(versions.into_iter().filter(|(_, is_default)| !is_default).map(|(version, _)| version).collect())
}

async fn make_unused(client: &Client, policy_arn: &str) -> Result<(), Error> {
    for kind in [Kind::User, Kind::Role, Kind::Group] {
        for holder in holders(client, policy_arn, kind).await? {
            holder.detach(client, policy_arn).await?;
        }
    }
    for version in old_versions(client, policy_arn).await? {
        client.iam("DeletePolicyVersion", &[("PolicyArn", policy_arn), ("VersionId", &version)]).await?;
    }
    Ok(())
}

/// What deleting a policy would take along.
async fn uses(client: &Client, policy_arn: &str) -> Result<Vec<String>, Error> {
    let mut named = Vec::new();
    for kind in [Kind::User, Kind::Role, Kind::Group] {
        let holders = holders(client, policy_arn, kind).await?;
        named.extend(holders.iter().map(|holder| format!("attachment to {}", holder.shown())));
    }
    let versions = old_versions(client, policy_arn).await?;
    named.extend(versions.iter().map(|version| format!("version {version}")));
    Ok(named)
}

async fn show(client: &Client, policy: &str) -> Result<Whole, Error> {
    let policy_arn = arn(client, policy).await?;
    let named = [("PolicyArn", policy_arn.as_str())];
    let policy = client.iam_get("GetPolicy", &named, "Policy", Policy::read).await?;
    let users = holders(client, &policy_arn, Kind::User).await?;
    let roles = holders(client, &policy_arn, Kind::Role).await?;
    let groups = holders(client, &policy_arn, Kind::Group).await?;
    let version = [named[0], ("VersionId", policy.default_version_id.as_str())];
    let read = |found: &Element| found.require("Document").map(|text| Document::of_answer(&text));
    let document = client.iam_get("GetPolicyVersion", &version, "PolicyVersion", read).await?;
    Ok(Whole { policy, users, roles, groups, document })
}

/// What was done to whom, as JSON.
fn change_of(holder: &Holder, name: &str, value: &str) -> Value {
    let (holder_field, holder_name) = holder.json();
    let mut change = Map::new();
    change.insert(name.to_owned(), Value::from(value));
    change.insert(holder_field, Value::from(holder_name));
    Value::Object(change)
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        match self {
            Self::Create { name, document, path, description } => {
                let document = document::read(&document)?;
                let mut given = vec![("PolicyName", name.as_str()), ("PolicyDocument", document.as_str())];
                given.extend(path.as_deref().map(|path| ("Path", path)));
                given.extend(description.as_deref().map(|text| ("Description", text)));
                let policy = client.iam_get("CreatePolicy", &given, "Policy", Policy::read).await?;
                output.show(&policy, |policy| fields(&policy.fields()))
            }
            Self::List { all } => {
                let mut policies = list(client, "Local").await?;
                if all {
                    policies.extend(list(client, "AWS").await?);
                }
                let columns = ["NAME", "OWNER", "ATTACHED", "ARN"];
                let empty = "The account has no policies of its own; --all shows AWS's.";
                output.list(&policies, empty, &columns, |policy| {
                    let owner = if policy.is_aws() { "aws" } else { "account" };
                    let attached = policy.attachment_count.to_string();
                    vec![policy.policy_name.clone(), owner.to_owned(), attached, policy.arn.clone()]
                })
            }
            Self::Show { policy } => output.show(&show(client, &policy).await?, |whole| {
                let mut shown = whole.policy.fields();
                let holders = whole.users.iter().chain(&whole.roles).chain(&whole.groups);
                shown.push(("Attached to", holders.map(Holder::shown).collect()));
                format!("{}\n\nDocument:\n{}", fields(&shown), whole.document.text())
            }),
            Self::Delete { policy, force, dry_run: true } => {
                let policy_arn = arn(client, &policy).await?;
                let found = client.iam_get("GetPolicy", &[("PolicyArn", &policy_arn)], "Policy", Policy::read).await?;
                if found.is_aws() {
                    return Err(Error::Usage(format!("{policy_arn} is AWS's own and cannot be deleted")));
                }
                let named = uses(client, &policy_arn).await?;
                dry_run::render(output, &format!("policy {policy_arn}"), Parts { named, is_forced: force })
            }
            Self::Delete { policy, force, dry_run: false } => {
                let policy_arn = arn(client, &policy).await?;
                if force {
                    make_unused(client, &policy_arn).await?;
                }
                client.iam("DeletePolicy", &[("PolicyArn", &policy_arn)]).await?;
                output.show(&json!({ "policyArn": policy_arn }), |_| format!("Deleted policy {policy_arn}"))
            }
            Self::Attach { policy, to } => {
                let (policy_arn, holder) = (arn(client, &policy).await?, to.holder()?);
                holder.attach(client, &policy_arn).await?;
                let change = change_of(&holder, "policyArn", &policy_arn);
                output.show(&change, |_| format!("Attached {policy_arn} to {}", holder.shown()))
            }
            Self::Detach { policy, from } => {
                let (policy_arn, holder) = (arn(client, &policy).await?, from.holder()?);
                holder.detach(client, &policy_arn).await?;
                let change = change_of(&holder, "policyArn", &policy_arn);
                output.show(&change, |_| format!("Detached {policy_arn} from {}", holder.shown()))
            }
            Self::Put { name, document, to } => {
                let holder = to.holder()?;
                holder.put(client, &name, &document::read(&document)?).await?;
                let change = change_of(&holder, "policyName", &name);
                output.show(&change, |_| format!("Put inline policy {name} into {}", holder.shown()))
            }
            Self::Reset { .. } => {
                Err(Error::Usage("a policy is reset in the data folder of a server that is stopped".to_owned()))
            }
            Self::Remove { name, from, dry_run: true } => {
                let holder = from.holder()?;
                if !holder.policies(client).await?.inline_policies.contains(&name) {
                    return Err(Error::Usage(format!("{} has no inline policy {name}", holder.shown())));
                }
                dry_run::render_alone(output, &format!("inline policy {name} of {}", holder.shown()))
            }
            Self::Remove { name, from, dry_run: false } => {
                let holder = from.holder()?;
                holder.remove(client, &name).await?;
                let change = change_of(&holder, "policyName", &name);
                output.show(&change, |_| format!("Removed inline policy {name} from {}", holder.shown()))
            }
        }
    }
}
