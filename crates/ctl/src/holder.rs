//! What users, roles and groups have in common: policies that are attached to them, and policies of their own.

use clap::Args;
use serde::Serialize;

use crate::client::Client;
use crate::document::Document;
use crate::error::Error;
use crate::output::Field;
use crate::xml::Element;

/// The user, role or group of a command.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct HolderArgs {
    /// The user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The role.
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// The group.
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
}

impl HolderArgs {
    pub(crate) fn holder(&self) -> Result<Holder, Error> {
        match (&self.user, &self.role, &self.group) {
            (Some(name), None, None) => Ok(Holder::user(name)),
            (None, Some(name), None) => Ok(Holder::role(name)),
            (None, None, Some(name)) => Ok(Holder::group(name)),
            _ => Err(Error::Usage("name one of --user, --role and --group".to_owned())),
        }
    }
}

/// What holds policies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    User,
    Role,
    Group,
}

impl Kind {
    /// As operations and fields spell it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Role => "Role",
            Self::Group => "Group",
        }
    }
}

/// A user, role or group. JSON has its name alone.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Holder {
    #[serde(skip)]
    kind: Kind,
    name: String,
}

/// A policy that is attached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttachedPolicy {
    pub(crate) policy_name: String,
    pub(crate) policy_arn: String,
}

/// All policies of a user, role or group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeldPolicies {
    pub(crate) attached_policies: Vec<AttachedPolicy>,
    pub(crate) inline_policies: Vec<String>,
}

impl HeldPolicies {
    pub(crate) fn field(&self) -> Field {
        let attached = self.attached_policies.iter().map(|policy| policy.policy_name.clone());
        let inline = self.inline_policies.iter().map(|name| format!("{name} (inline)"));
        ("Policies", attached.chain(inline).collect())
    }
}

impl HeldPolicies {
    /// Each with what it is, as a dry run names it.
    pub(crate) fn named(&self) -> Vec<String> {
        let attached =
            self.attached_policies.iter().map(|policy| format!("attachment of policy {}", policy.policy_name));
        let inline = self.inline_policies.iter().map(|name| format!("inline policy {name}"));
        attached.chain(inline).collect()
    }
}

impl Holder {
    pub(crate) fn new(kind: Kind, name: &str) -> Self {
        Self { kind, name: name.to_owned() }
    }

    pub(crate) fn user(name: &str) -> Self {
        Self::new(Kind::User, name)
    }

    pub(crate) fn role(name: &str) -> Self {
        Self::new(Kind::Role, name)
    }

    pub(crate) fn group(name: &str) -> Self {
        Self::new(Kind::Group, name)
    }

    /// As text names it: `user ci`.
    pub(crate) fn shown(&self) -> String {
        format!("{} {}", self.kind.as_str().to_lowercase(), self.name)
    }

    /// As JSON names it.
    pub(crate) fn json(&self) -> (String, String) {
        (format!("{}Name", self.kind.as_str().to_lowercase()), self.name.clone())
    }

    /// Calls an operation whose name has the kind between `verb` and `noun`, as `PutUserPolicy` does.
    async fn call(&self, client: &Client, verb: &str, noun: &str, fields: &[(&str, &str)]) -> Result<(), Error> {
        let field = format!("{}Name", self.kind.as_str());
        let mut all = vec![(field.as_str(), self.name.as_str())];
        all.extend_from_slice(fields);
        client.iam(&format!("{verb}{}{noun}", self.kind.as_str()), &all).await.map(drop)
    }

    pub(crate) async fn attach(&self, client: &Client, policy_arn: &str) -> Result<(), Error> {
        self.call(client, "Attach", "Policy", &[("PolicyArn", policy_arn)]).await
    }

    pub(crate) async fn detach(&self, client: &Client, policy_arn: &str) -> Result<(), Error> {
        self.call(client, "Detach", "Policy", &[("PolicyArn", policy_arn)]).await
    }

    pub(crate) async fn put(&self, client: &Client, name: &str, document: &str) -> Result<(), Error> {
        self.call(client, "Put", "Policy", &[("PolicyName", name), ("PolicyDocument", document)]).await
    }

    pub(crate) async fn remove(&self, client: &Client, name: &str) -> Result<(), Error> {
        self.call(client, "Delete", "Policy", &[("PolicyName", name)]).await
    }

    pub(crate) async fn delete(&self, client: &Client) -> Result<(), Error> {
        self.call(client, "Delete", "", &[]).await
    }

    /// An inline policy.
    pub(crate) async fn inline_document(&self, client: &Client, name: &str) -> Result<Document, Error> {
        let (field, operation) = (format!("{}Name", self.kind.as_str()), format!("Get{}Policy", self.kind.as_str()));
        let result = client.iam(&operation, &[(&field, &self.name), ("PolicyName", name)]).await?;
        let document = result.require("PolicyDocument").map(|text| Document::of_answer(&text));
        document.map_err(|cause| client.missing(&operation, cause))
    }

    /// All its policies.
    pub(crate) async fn policies(&self, client: &Client) -> Result<HeldPolicies, Error> {
        let field = format!("{}Name", self.kind.as_str());
        let fields = [(field.as_str(), self.name.as_str())];
        let action = format!("ListAttached{}Policies", self.kind.as_str());
        let read = |entry: &Element| {
            Ok(AttachedPolicy { policy_name: entry.require("PolicyName")?, policy_arn: entry.require("PolicyArn")? })
        };
        let attached_policies = client.iam_list(&action, &fields, "AttachedPolicies", read).await?;
        let action = format!("List{}Policies", self.kind.as_str());
        let inline_policies =
            client.iam_list(&action, &fields, "PolicyNames", |entry| Ok(entry.content().to_owned())).await?;
        Ok(HeldPolicies { attached_policies, inline_policies })
    }

    /// Detaches and removes all its policies.
    pub(crate) async fn remove_policies(&self, client: &Client) -> Result<(), Error> {
        let held = self.policies(client).await?;
        for policy in &held.attached_policies {
            self.detach(client, &policy.policy_arn).await?;
        }
        for name in &held.inline_policies {
            self.remove(client, name).await?;
        }
        Ok(())
    }
}
