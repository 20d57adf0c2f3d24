//! `wharf access`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::output::{Colour, field, fields};
use crate::{Outcome, Session};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell whether somebody may do something, what decides it, and what would have to change. The exit code is 0 if it
    /// is allowed, 1 if it is denied, 2 after an error.
    Explain {
        /// Who: the ARN of a user, a role or a session of a role; or the name of a user, or role/NAME, of your account.
        #[arg(long, value_name = "ARN|NAME")]
        principal: String,
        /// The action, such as ecr:PutImage.
        #[arg(long)]
        action: String,
        /// On what: the ARN of a repository, or *.
        #[arg(long, value_name = "ARN")]
        resource: String,
        /// A condition key of the request and its value. May be given several times, also for one key.
        #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
        context: Vec<(String, String)>,
    },
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write key=value, such as aws:SourceIp=10.0.0.1".to_owned()),
    }
}

/// The ARN of who is named, who may have a path that the name does not tell.
async fn principal_arn(client: &Client, text: String) -> Result<String, Error> {
    if text.starts_with("arn:") {
        return Ok(text);
    }
    let (operation, field, element, name) = match text.split_once('/') {
        Some(("role", name)) => ("GetRole", "RoleName", "Role", name),
        Some(("user", name)) => ("GetUser", "UserName", "User", name),
        _ => ("GetUser", "UserName", "User", text.as_str()),
    };
    let found = client.iam_get(operation, &[(field, name)], element, |found| found.require("Arn")).await;
    found.map_err(|error| match error.code() {
        Some("NoSuchEntity" | "ValidationError") => Error::Usage(format!(
            "--principal '{text}': your account has no {} {name}. Write the name of a user, role/NAME, or an ARN such as \
             arn:aws:iam::123456789012:user/ci (`wharf {} list` shows them)",
            element.to_lowercase(),
            element.to_lowercase()
        )),
        _ => error,
    })
}

/// Resources have no short form, as each service's are written differently.
fn require_arn(resource: &str, principal: &str) -> Result<(), Error> {
    if resource == "*" || resource.starts_with("arn:") {
        return Ok(());
    }
    let account = principal.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or("123456789012");
    Err(Error::Usage(format!(
        "--resource '{resource}': write * or an ARN, such as arn:aws:ecr:us-east-1:{account}:repository/{resource}"
    )))
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Decision {
    Allowed,
    ExplicitDeny,
    ImplicitDeny,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    decision: Decision,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    advice: String,
    #[serde(default)]
    statements: Vec<Statement>,
    /// What would deny it if condition keys that were not given had a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open_denies: Vec<OpenDeny>,
    /// What is wrong with the question, as with a misspelt action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// A Deny that depends on condition keys without a value.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenDeny {
    condition_keys: Vec<String>,
    statement: Statement,
}

impl OpenDeny {
    fn shown(&self) -> String {
        let give = self.condition_keys.iter().map(|key| format!("--context {key}=VALUE")).collect::<Vec<_>>().join(" ");
        format!("{} depends on {}: give {give}", self.statement.shown(), self.condition_keys.join(" and "))
    }
}

/// A statement that takes part in the decision.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    source: String,
    #[serde(default)]
    policy_name: Option<String>,
    statement: u64,
    #[serde(default)]
    sid: Option<String>,
    effect: String,
    #[serde(default)]
    line: Option<u64>,
    #[serde(default)]
    column: Option<u64>,
}

impl Statement {
    fn shown(&self) -> String {
        let source = match self.source.as_str() {
            "Identity" => "identity policy",
            "Boundary" => "permissions boundary",
            "Session" => "session policy",
            "Repository" => "repository policy",
            "Registry" => "registry policy",
            "Trust" => "trust policy",
            "RobotScope" => "the token's scope",
            other => other,
        };
        let name = self.policy_name.as_deref().filter(|name| !name.is_empty());
        let mut shown = format!("{}: {source}", self.effect);
        shown.extend(name.map(|name| format!(" {name}")));
        let _ = write!(shown, ", statement {}", self.statement);
        shown.extend(self.sid.as_deref().filter(|sid| !sid.is_empty()).map(|sid| format!(" ({sid})")));
        shown.extend(self.line.map(|line| format!(", line {line}")));
        shown.extend(self.column.map(|column| format!(" column {column}")));
        shown
    }
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        let Self::Explain { principal, action, resource, context } = self;
        let principal = principal_arn(&session.client, principal).await?;
        require_arn(&resource, &principal)?;
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in context {
            values.entry(key).or_default().push(value);
        }
        let mut input = json!({ "principalArn": principal, "action": action, "resourceArn": resource });
        if !values.is_empty() {
            input["context"] = json!(values);
        }
        let explained: Explanation = session.client.wharf("ExplainAccess", &input).await?;
        let word = match explained.decision {
            Decision::Allowed if explained.open_denies.is_empty() => session.output.coloured("allowed", Colour::Green),
            Decision::Allowed => format!(
                "{}, as far as is known: what has no value here may deny it",
                session.output.coloured("allowed", Colour::Green)
            ),
            Decision::ExplicitDeny => {
                format!("{}, by a statement that denies it", session.output.coloured("denied", Colour::Red))
            }
            Decision::ImplicitDeny => {
                format!("{}, as nothing allows it", session.output.coloured("denied", Colour::Red))
            }
        };
        session.output.show(&explained, |explained| {
            let mut shown = vec![
                field("Principal", &principal),
                field("Action", &action),
                field("Resource", &resource),
                ("Reason", explained.reason.lines().map(str::to_owned).collect()),
                ("Decided by", explained.statements.iter().map(Statement::shown).collect()),
            ];
            if !explained.open_denies.is_empty() {
                shown.push(("Not known", explained.open_denies.iter().map(OpenDeny::shown).collect()));
            }
            if let Some(warning) = &explained.warning {
                shown.insert(2, field("Warning", warning));
            }
            if !explained.advice.is_empty() {
                let label = if explained.decision == Decision::Allowed { "Note" } else { "To change it" };
                shown.push((label, explained.advice.lines().map(str::to_owned).collect()));
            }
            format!("{word}\n{}", fields(&shown))
        })?;
        Ok(if explained.decision == Decision::Allowed { Outcome::Done } else { Outcome::No })
    }
}
