//! ListPolicies: the managed policies of the account and AWS's, in the order of their names.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::aws_managed_policies::{self, AwsManagedPolicy};
use api::protocols::operation::Call;
use aws::AccountId;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::policies::{self, ManagedPolicy};

use super::{all_uses, usage_filter};
use crate::iam_api::constraints::{self, Check};
use crate::iam_api::errors::IamError;
use crate::iam_api::managed_policy::Managed;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::paging::{Page, PageInput, PageOutput};
use crate::iam_api::shapes::{Policy, PolicyUses};

/// Lists the managed policies of the account and of AWS, by their names.
pub struct ListPolicies {
    account: AccountId,
    scope: &'static str,
    only_attached: bool,
    usage: Option<&'static str>,
    path_prefix: String,
    page: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    scope: Option<String>,
    #[serde(default, deserialize_with = "aws::bool_text")]
    only_attached: Option<bool>,
    path_prefix: Option<String>,
    policy_usage_filter: Option<String>,
    #[serde(flatten)]
    page: PageInput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    policies: Vec<Policy>,
    #[serde(flatten)]
    page: PageOutput,
}

impl ListPolicies {
    /// Whether uses like these are asked for.
    fn wants(&self, uses: PolicyUses) -> bool {
        match (self.only_attached, self.usage) {
            (false, None) => true,
            (true, None) => uses.attachments + uses.boundaries > 0,
            (_, Some("PermissionsBoundary")) => uses.boundaries > 0,
            (_, Some(_)) => uses.attachments > 0,
        }
    }
}

/// What the list is ordered by: a customer's policy can have the name of one of AWS's.
fn key(policy: &Managed) -> String {
    match policy {
        Managed::Customer(ManagedPolicy { name, arn, .. }) => format!("{} {arn}", name.to_ascii_lowercase()),
        Managed::Aws(policy) => format!("{} {}", policy.name.to_ascii_lowercase(), policy.arn()),
    }
}

impl IamOperation for ListPolicies {
    const ACTION: Action = Action::IamListPolicies;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let scope = input.scope.as_deref().unwrap_or("All");
        Ok(Self {
            account: call.caller.account,
            scope: Check::one_of("scope", scope, &["All", "AWS", "Local"], |name| name)?,
            only_attached: input.only_attached == Some(true),
            usage: usage_filter(input.policy_usage_filter)?,
            path_prefix: constraints::path_prefix(input.path_prefix)?,
            page: input.page.check()?,
        })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let uses = all_uses(tx, self.account)?;
        let uses_of = |arn: &str| uses.get(arn).copied().unwrap_or_default();
        let mut found = Vec::new();
        if self.scope != "AWS" {
            let own = policies::list(tx, self.account, &self.path_prefix, "", usize::MAX)?;
            found.extend(own.into_iter().filter(|policy| self.wants(uses_of(&policy.arn))).map(Managed::Customer));
        }
        if self.scope != "Local" {
            let is_listed = |policy: &&AwsManagedPolicy| {
                policy.path.starts_with(&self.path_prefix) && self.wants(uses_of(&policy.arn()))
            };
            found.extend(aws_managed_policies::POLICIES.iter().filter(is_listed).map(Managed::Aws));
        }
        let (found, page) = self.page.cut(found, key);
        let policies = found.iter().map(|policy| match policy {
            Managed::Customer(policy) => Policy::listed(policy, uses_of(&policy.arn)),
            Managed::Aws(policy) => Policy::aws_managed(policy, uses_of(&policy.arn())),
        });
        Ok(Output { policies: policies.collect(), page })
    }
}
