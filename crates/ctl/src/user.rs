//! `wharf user`.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::access_key::{self, AccessKey};
use crate::client::Client;
use crate::date;
use crate::dry_run::{self, Parts};
use crate::error::Error;
use crate::held_policy;
use crate::holder::{HeldPolicies, Holder, Kind};
use crate::output::{Field, field, fields};
use crate::xml::Element;
use crate::{Session, membership};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a user, who may do nothing yet.
    Create {
        /// Name.
        name: String,
        /// Path, which begins and ends with a slash.
        #[arg(long)]
        path: Option<String>,
    },
    /// List the users.
    List,
    /// Show a user with its groups, keys and policies.
    Show {
        /// Name.
        name: String,
    },
    /// Show a user's policies with their documents, inline ones too.
    Policy {
        #[command(subcommand)]
        command: held_policy::Command,
    },
    /// Delete a user.
    Delete {
        /// Name.
        name: String,
        /// Remove its keys, policies and groups first.
        #[arg(long)]
        force: bool,
        /// Check and show what would go, without doing it.
        #[arg(long)]
        dry_run: bool,
    },
}

/// A user as IAM tells of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    user_name: String,
    user_id: String,
    arn: String,
    path: String,
    create_date: String,
}

impl User {
    fn read(element: &Element) -> Result<Self, String> {
        Ok(Self {
            user_name: element.require("UserName")?,
            user_id: element.require("UserId")?,
            arn: element.require("Arn")?,
            path: element.require("Path")?,
            create_date: element.require("CreateDate")?,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.user_name
    }

    fn fields(&self) -> Vec<Field> {
        vec![
            field("User", &self.user_name),
            field("ARN", &self.arn),
            field("Id", &self.user_id),
            field("Created", date::of_iso8601(&self.create_date)),
        ]
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Whole {
    #[serde(flatten)]
    user: User,
    groups: Vec<String>,
    access_keys: Vec<AccessKey>,
    #[serde(flatten)]
    policies: HeldPolicies,
}

pub(crate) async fn list(client: &Client) -> Result<Vec<User>, Error> {
    client.iam_list("ListUsers", &[], "Users", User::read).await
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        match self {
            Self::Create { name, path } => {
                let mut given = vec![("UserName", name.as_str())];
                given.extend(path.as_deref().map(|path| ("Path", path)));
                let user = client.iam_get("CreateUser", &given, "User", User::read).await?;
                output.show(&user, |user| fields(&user.fields()))
            }
            Self::List => {
                let columns = ["NAME", "ARN", "CREATED"];
                output.list(&list(client).await?, "There are no users.", &columns, |user| {
                    vec![user.user_name.clone(), user.arn.clone(), date::of_iso8601(&user.create_date)]
                })
            }
            Self::Show { name } => {
                let named = [("UserName", name.as_str())];
                let whole = Whole {
                    user: client.iam_get("GetUser", &named, "User", User::read).await?,
                    groups: membership::groups_of(client, &name).await?,
                    access_keys: access_key::of_user(client, &name).await?,
                    policies: Holder::user(&name).policies(client).await?,
                };
                output.show(&whole, |whole| {
                    let mut shown = whole.user.fields();
                    shown.push(("Groups", whole.groups.clone()));
                    shown.push(("Keys", whole.access_keys.iter().map(AccessKey::line).collect()));
                    shown.push(whole.policies.field());
                    fields(&shown)
                })
            }
            Self::Policy { command } => command.run(client, output, Kind::User).await,
            Self::Delete { name, force, dry_run: true } => {
                client.iam_get("GetUser", &[("UserName", name.as_str())], "User", User::read).await?;
                let mut named: Vec<String> = access_key::of_user(client, &name)
                    .await?
                    .iter()
                    .map(|key| format!("access key {}", key.access_key_id))
                    .collect();
                named.extend(Holder::user(&name).policies(client).await?.named());
                let groups = membership::groups_of(client, &name).await?;
                named.extend(groups.iter().map(|group| format!("membership of group {group}")));
                dry_run::render(output, &format!("user {name}"), Parts { named, is_forced: force })
            }
            Self::Delete { name, force, dry_run: false } => {
                let user = Holder::user(&name);
                if force {
                    for key in access_key::of_user(client, &name).await? {
                        access_key::delete(client, &name, &key.access_key_id).await?;
                    }
                    user.remove_policies(client).await?;
                    for group in membership::groups_of(client, &name).await? {
                        membership::remove(client, &group, &name).await?;
                    }
                }
                user.delete(client).await?;
                output.show(&json!({ "userName": name }), |_| format!("Deleted user {name}"))
            }
        }
    }
}
