//! The tags of managed policies. Those of AWS's have none.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use serde::Deserialize;
use store::db::Tx;
use store::tables::iam::policies;

use crate::iam_api::errors::IamError;
use crate::iam_api::managed_policy::{Managed, ManagedRef};
use crate::iam_api::tags::Tagged;

/// A managed policy as something with tags.
pub struct TaggedPolicy(ManagedRef);

/// The member that names it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Name {
    policy_arn: Option<String>,
}

impl Tagged for TaggedPolicy {
    const TAG: Action = Action::IamTagPolicy;
    const UNTAG: Action = Action::IamUntagPolicy;
    const LIST_TAGS: Action = Action::IamListPolicyTags;
    type Name = Name;

    fn check(call: &Call<'_>, name: Name) -> Result<Self, IamError> {
        ManagedRef::new(call, "policyArn", name.policy_arn).map(Self)
    }

    fn need(&self, _: &Call<'_>, action: Action) -> Need {
        self.0.need(action)
    }

    fn tags(&self, tx: &mut dyn Tx) -> Result<Vec<(String, String)>, IamError> {
        match self.0.require(tx)? {
            Managed::Customer(policy) => Ok(policy.tags),
            Managed::Aws(_) => Ok(Vec::new()),
        }
    }

    fn set_tags(&self, tx: &mut dyn Tx, tags: Vec<(String, String)>) -> Result<(), IamError> {
        let mut policy = self.0.require_own(tx)?;
        policy.tags = tags;
        Ok(policies::update(tx, &policy)?)
    }
}
