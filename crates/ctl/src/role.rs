//! `wharf role`.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::document::{self, Document};
use crate::dry_run::{self, Parts};
use crate::duration::{Duration, shortest};
use crate::error::Error;
use crate::held_policy;
use crate::holder::{HeldPolicies, Holder, Kind};
use crate::output::{Field, field, fields};
use crate::xml::Element;
use crate::{Session, date};

const HOUR_SECONDS: u64 = 3_600;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a role.
    Create {
        /// Name.
        name: String,
        /// Trust policy, which says who may take on the role: a file, or - for standard input.
        #[arg(long, value_name = "FILE")]
        trust: PathBuf,
        /// Longest time for which it can be taken on, such as 1h.
        #[arg(long, value_name = "DURATION", value_parser = session_length)]
        max_session: Option<Duration>,
        /// Path, which begins and ends with a slash.
        #[arg(long)]
        path: Option<String>,
        /// What it is for.
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// List the roles.
    List,
    /// Show a role with its trust policy and its policies.
    Show {
        /// Name.
        name: String,
    },
    /// Delete a role.
    Delete {
        /// Name.
        name: String,
        /// Remove its policies first.
        #[arg(long)]
        force: bool,
        /// Check and show what would go, without doing it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show a role's policies with their documents, inline ones too.
    Policy {
        #[command(subcommand)]
        command: held_policy::Command,
    },
    /// Show or set a role's trust policy, which says who may take on the role.
    Trust {
        /// Name.
        name: String,
        /// The new trust policy: a file, or - for standard input.
        #[arg(long, value_name = "FILE")]
        set: Option<PathBuf>,
    },
}

/// The server's own limits, which it tells in seconds.
fn session_length(text: &str) -> Result<Duration, String> {
    let length: Duration = text.parse()?;
    if (HOUR_SECONDS..=12 * HOUR_SECONDS).contains(&length.seconds()) {
        Ok(length)
    } else {
        Err("a session lasts 1h to 12h".to_owned())
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Role {
    role_name: String,
    role_id: String,
    arn: String,
    path: String,
    create_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    max_session_seconds: u64,
    trust_policy: Document,
}

impl Role {
    fn read(element: &Element) -> Result<Self, String> {
        let trust = element.require("AssumeRolePolicyDocument")?;
        // IAM's own default; older answers leave it out.
        let max_session_seconds =
            element.text("MaxSessionDuration").and_then(|text| text.parse().ok()).unwrap_or(3_600);
        Ok(Self {
            role_name: element.require("RoleName")?,
            role_id: element.require("RoleId")?,
            arn: element.require("Arn")?,
            path: element.require("Path")?,
            create_date: element.require("CreateDate")?,
            description: element.text("Description").map(str::to_owned),
            max_session_seconds,
            trust_policy: Document::of_answer(&trust),
        })
    }

    fn fields(&self) -> Vec<Field> {
        let mut shown = vec![field("Role", &self.role_name), field("ARN", &self.arn), field("Id", &self.role_id)];
        shown.extend(self.description.as_ref().map(|text| field("Description", text)));
        shown.push(field("Created", date::of_iso8601(&self.create_date)));
        shown.push(field("Longest session", shortest(self.max_session_seconds)));
        shown
    }
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    role: Role,
    #[serde(flatten)]
    policies: HeldPolicies,
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        match self {
            Self::Create { name, trust, max_session, path, description } => {
                let trust = document::read(&trust)?;
                let seconds = max_session.map(|duration| duration.seconds().to_string());
                let mut given = vec![("RoleName", name.as_str()), ("AssumeRolePolicyDocument", trust.as_str())];
                given.extend(seconds.as_deref().map(|seconds| ("MaxSessionDuration", seconds)));
                given.extend(path.as_deref().map(|path| ("Path", path)));
                given.extend(description.as_deref().map(|text| ("Description", text)));
                let role = client.iam_get("CreateRole", &given, "Role", Role::read).await?;
                output.show(&role, |role| fields(&role.fields()))
            }
            Self::List => {
                let roles = client.iam_list("ListRoles", &[], "Roles", Role::read).await?;
                output.list(&roles, "There are no roles.", &["NAME", "ARN", "LONGEST SESSION", "CREATED"], |role| {
                    let longest = shortest(role.max_session_seconds);
                    vec![role.role_name.clone(), role.arn.clone(), longest, date::of_iso8601(&role.create_date)]
                })
            }
            Self::Show { name } => {
                let whole = Whole {
                    role: client.iam_get("GetRole", &[("RoleName", &name)], "Role", Role::read).await?,
                    policies: Holder::role(&name).policies(client).await?,
                };
                output.show(&whole, |whole| {
                    let mut shown = whole.role.fields();
                    shown.push(whole.policies.field());
                    format!("{}\n\nTrust policy:\n{}", fields(&shown), whole.role.trust_policy.text())
                })
            }
            Self::Delete { name, force, dry_run: true } => {
                client.iam_get("GetRole", &[("RoleName", &name)], "Role", Role::read).await?;
                let named = Holder::role(&name).policies(client).await?.named();
                dry_run::render(output, &format!("role {name}"), Parts { named, is_forced: force })
            }
            Self::Delete { name, force, dry_run: false } => {
                let role = Holder::role(&name);
                if force {
                    role.remove_policies(client).await?;
                }
                role.delete(client).await?;
                output.show(&json!({ "roleName": name }), |_| format!("Deleted role {name}"))
            }
            Self::Policy { command } => command.run(client, output, Kind::Role).await,
            Self::Trust { name, set: None } => {
                let role = client.iam_get("GetRole", &[("RoleName", &name)], "Role", Role::read).await?;
                output.show(&role.trust_policy, Document::text)
            }
            Self::Trust { name, set: Some(path) } => {
                let trust = document::read(&path)?;
                let given = [("RoleName", name.as_str()), ("PolicyDocument", trust.as_str())];
                client.iam("UpdateAssumeRolePolicy", &given).await?;
                output.show(&json!({ "roleName": name }), |_| format!("Set the trust policy of role {name}"))
            }
        }
    }
}
