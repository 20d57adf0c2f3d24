//! CreatePolicy: makes a managed policy with its first version.

use access::action::Action;
use access::auth::authorize::Need;
use api::grammar::Tag;
use api::protocols::operation::Call;
use registry::Registry;
use runtime::random_text::new_access_key_id;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::policies::{self, ManagedPolicy, PolicyVersion};

use crate::iam_api::constraints::{self, MAX_NAME};
use crate::iam_api::documents;
use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::shapes::{Policy, PolicyUses};
use crate::iam_api::tags;

/// Makes a managed policy, with its document as the first version.
pub struct CreatePolicy {
    policy: ManagedPolicy,
    document: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    policy_name: Option<String>,
    path: Option<String>,
    policy_document: Option<String>,
    description: Option<String>,
    #[serde(default, deserialize_with = "constraints::list")]
    tags: Option<Vec<Tag>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    policy: Policy,
}

impl IamOperation for CreatePolicy {
    const ACTION: Action = Action::IamCreatePolicy;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let account = call.caller.account;
        let name = constraints::name("policyName", input.policy_name, MAX_NAME)?;
        let path = constraints::policy_path("path", input.path)?;
        let document = documents::managed(input.policy_document)?;
        let now = call.app.now_ms();
        let policy = ManagedPolicy {
            arn: format!("arn:aws:iam::{account}:policy{path}{name}"),
            id: new_access_key_id("ANPA"),
            account,
            name,
            path,
            description: constraints::description(input.description)?.unwrap_or_default(),
            created_at_ms: now,
            updated_at_ms: now,
            default_version: 1,
            latest_version: 1,
            tags: tags::check(input.tags)?,
        };
        Ok(Self { policy, document })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        let need = |action| Need::on(action, self.policy.arn.clone()).with_request_tags(&self.policy.tags);
        let mut needs = vec![need(Self::ACTION)];
        if !self.policy.tags.is_empty() {
            needs.push(need(Action::IamTagPolicy));
        }
        needs
    }

    fn run(&self, app: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        if !policies::insert(tx, &self.policy)? {
            return Err(IamError::PolicyExists(self.policy.name.clone()));
        }
        crate::iam_api::quotas::require_room_for_policy(&app.quotas.iam, tx, self.policy.account)?;
        let created_at_ms = self.policy.created_at_ms;
        let version = PolicyVersion { version: 1, document: self.document.clone(), created_at_ms };
        policies::insert_version(tx, &self.policy.arn, &version)?;
        Ok(Output { policy: Policy::whole(&self.policy, PolicyUses::default()) })
    }
}
