//! `wharf group`.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::dry_run::{self, Parts};
use crate::error::Error;
use crate::held_policy;
use crate::holder::{HeldPolicies, Holder, Kind};
use crate::output::{Field, field, fields};
use crate::xml::Element;
use crate::{Session, date, membership};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a group.
    Create {
        /// Name.
        name: String,
        /// Path, which begins and ends with a slash.
        #[arg(long)]
        path: Option<String>,
    },
    /// List the groups.
    List,
    /// Show a group with its users and policies.
    Show {
        /// Name.
        name: String,
    },
    /// Show a group's policies with their documents, inline ones too.
    Policy {
        #[command(subcommand)]
        command: held_policy::Command,
    },
    /// Delete a group.
    Delete {
        /// Name.
        name: String,
        /// Remove its users and policies first.
        #[arg(long)]
        force: bool,
        /// Check and show what would go, without doing it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Put a user into a group.
    AddUser(MemberArgs),
    /// Take a user out of a group.
    RemoveUser(MemberArgs),
}

#[derive(Debug, clap::Args)]
pub struct MemberArgs {
    /// The group.
    #[arg(value_name = "GROUP")]
    group: String,
    /// The user.
    #[arg(value_name = "USER")]
    user: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    group_name: String,
    group_id: String,
    arn: String,
    path: String,
    create_date: String,
}

impl Group {
    fn read(element: &Element) -> Result<Self, String> {
        Ok(Self {
            group_name: element.require("GroupName")?,
            group_id: element.require("GroupId")?,
            arn: element.require("Arn")?,
            path: element.require("Path")?,
            create_date: element.require("CreateDate")?,
        })
    }

    fn fields(&self) -> Vec<Field> {
        vec![
            field("Group", &self.group_name),
            field("ARN", &self.arn),
            field("Id", &self.group_id),
            field("Created", date::of_iso8601(&self.create_date)),
        ]
    }
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    group: Group,
    users: Vec<String>,
    #[serde(flatten)]
    policies: HeldPolicies,
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        match self {
            Self::Create { name, path } => {
                let mut given = vec![("GroupName", name.as_str())];
                given.extend(path.as_deref().map(|path| ("Path", path)));
                let group = client.iam_get("CreateGroup", &given, "Group", Group::read).await?;
                output.show(&group, |group| fields(&group.fields()))
            }
            Self::List => {
                let groups = client.iam_list("ListGroups", &[], "Groups", Group::read).await?;
                output.list(&groups, "There are no groups.", &["NAME", "ARN", "CREATED"], |group| {
                    vec![group.group_name.clone(), group.arn.clone(), date::of_iso8601(&group.create_date)]
                })
            }
            Self::Show { name } => {
                let whole = Whole {
                    group: client.iam_get("GetGroup", &[("GroupName", &name)], "Group", Group::read).await?,
                    users: membership::users_in(client, &name).await?,
                    policies: Holder::group(&name).policies(client).await?,
                };
                output.show(&whole, |whole| {
                    let mut shown = whole.group.fields();
                    shown.push(("Users", whole.users.clone()));
                    shown.push(whole.policies.field());
                    fields(&shown)
                })
            }
            Self::Policy { command } => command.run(client, output, Kind::Group).await,
            Self::Delete { name, force, dry_run: true } => {
                let members = membership::users_in(client, &name).await?;
                let mut named: Vec<String> = members.iter().map(|user| format!("membership of user {user}")).collect();
                named.extend(Holder::group(&name).policies(client).await?.named());
                dry_run::render(output, &format!("group {name}"), Parts { named, is_forced: force })
            }
            Self::Delete { name, force, dry_run: false } => {
                let group = Holder::group(&name);
                if force {
                    for user in membership::users_in(client, &name).await? {
                        membership::remove(client, &name, &user).await?;
                    }
                    group.remove_policies(client).await?;
                }
                group.delete(client).await?;
                output.show(&json!({ "groupName": name }), |_| format!("Deleted group {name}"))
            }
            Self::AddUser(MemberArgs { group, user }) => {
                client.iam("AddUserToGroup", &[("GroupName", &group), ("UserName", &user)]).await?;
                let answer = json!({ "groupName": group, "userName": user });
                output.show(&answer, |_| format!("User {user} is in group {group}"))
            }
            Self::RemoveUser(MemberArgs { group, user }) => {
                membership::remove(client, &group, &user).await?;
                let answer = json!({ "groupName": group, "userName": user });
                output.show(&answer, |_| format!("User {user} is no longer in group {group}"))
            }
        }
    }
}
