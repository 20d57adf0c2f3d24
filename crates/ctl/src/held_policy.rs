//! `wharf user policy`, `wharf role policy` and `wharf group policy`: what a user, role or group holds, with documents.

use clap::Subcommand;
use serde::Serialize;

use crate::client::Client;
use crate::document::Document;
use crate::error::Error;
use crate::holder::{Holder, Kind};
use crate::output::{Output, field, fields};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the policies: those attached, and inline ones.
    List {
        /// Name of the user, role or group.
        name: String,
    },
    /// Show an inline policy with its document.
    Show {
        /// Name of the user, role or group.
        name: String,
        /// Name of the inline policy.
        policy: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    policy_name: String,
    is_inline: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inline {
    policy_name: String,
    document: Document,
}

impl Command {
    pub(crate) async fn run(self, client: &Client, output: &mut Output<'_>, kind: Kind) -> Result<(), Error> {
        match self {
            Self::List { name } => {
                let holder = Holder::new(kind, &name);
                let found = holder.policies(client).await?;
                let attached = found.attached_policies.into_iter().map(|policy| Held {
                    policy_name: policy.policy_name,
                    is_inline: false,
                    policy_arn: Some(policy.policy_arn),
                });
                let inline = found.inline_policies.into_iter().map(|policy_name| Held {
                    policy_name,
                    is_inline: true,
                    policy_arn: None,
                });
                let held: Vec<Held> = attached.chain(inline).collect();
                let empty = format!("{} has no policies.", holder.shown());
                output.list(&held, &empty, &["NAME", "KIND", "ARN"], |policy| {
                    let kind = if policy.is_inline { "inline" } else { "attached" };
                    vec![policy.policy_name.clone(), kind.to_owned(), policy.policy_arn.clone().unwrap_or_default()]
                })
            }
            Self::Show { name, policy } => {
                let holder = Holder::new(kind, &name);
                let document = match holder.inline_document(client, &policy).await {
                    Err(error) if error.code() == Some("NoSuchEntity") => {
                        return Err(absent(client, &holder, &policy, error).await);
                    }
                    document => document?,
                };
                let inline = Inline { policy_name: policy, document };
                output.show(&inline, |inline| {
                    let shown = [field("Policy", &inline.policy_name), field("Inline in", holder.shown())];
                    format!("{}\n\nDocument:\n{}", fields(&shown), inline.document.text())
                })
            }
        }
    }
}

/// Why there is no such inline policy: it may be attached, and then it is shown elsewhere.
async fn absent(client: &Client, holder: &Holder, policy: &str, error: Error) -> Error {
    match holder.policies(client).await {
        Ok(held) if held.attached_policies.iter().any(|attached| attached.policy_name == policy) => {
            Error::Usage(format!(
                "{policy} is attached to {}, and not inline: `wharf policy show {policy}` shows it",
                holder.shown()
            ))
        }
        _ => error,
    }
}
