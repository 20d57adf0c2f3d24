//! DeregisterPullTimeUpdateExclusion: a principal's pulls count again.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::identity_version;
use store::tables::pull_time_exclusions::{self, PrincipalArn};

use super::errors::EcrError;
use super::register_pull_time_update_exclusion::principal_arn;

/// Lets a principal's pulls count again for the last pull time of images.
pub struct DeregisterPullTimeUpdateExclusion;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    principal_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    principal_arn: PrincipalArn,
}

impl Operation for DeregisterPullTimeUpdateExclusion {
    const NAME: &'static str = "DeregisterPullTimeUpdateExclusion";
    const ACTION: Action = Action::EcrDeregisterPullTimeUpdateExclusion;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = PrincipalArn;
    type Error = EcrError;

    fn check(_: &Call<'_>, input: Input) -> Result<PrincipalArn, EcrError> {
        principal_arn(input.principal_arn)
    }

    fn needs(_: &Call<'_>, _: &PrincipalArn) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, principal_arn: PrincipalArn) -> Result<Output, EcrError> {
        let (registry, arn) = (call.own_registry(), principal_arn.clone());
        call.app
            .db
            .write(move |tx| {
                identity_version::increment(tx)?;
                if pull_time_exclusions::delete(tx, &registry, &arn)? {
                    Ok(())
                } else {
                    Err(EcrError::ExclusionNotFound(registry.clone(), arn.to_string()))
                }
            })
            .await?;
        call.app.publish_changes().await?;
        Ok(Output { principal_arn })
    }
}
