//! RegisterPullTimeUpdateExclusion: from now on a principal's pulls leave the last pull time of images as it is.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::identity_version;
use store::tables::pull_time_exclusions::{self, PrincipalArn};

use super::constraints::NewerCheck;
use super::errors::EcrError;

/// reference/repositories-images.md 5: at most so many principals of one registry.
pub const MAX_EXCLUSIONS: usize = 100;

/// Lets a principal's pulls no longer count for the last pull time of images.
pub struct RegisterPullTimeUpdateExclusion;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    principal_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    principal_arn: PrincipalArn,
    created_at: aws::Timestamp,
}

/// The ARN of a user or role, as the model has it. It need not exist yet.
pub fn principal_arn(given: Option<String>) -> Result<PrincipalArn, EcrError> {
    const MEMBER: &str = "principalArn";
    const MAX_CHARS: usize = 200;
    const PATTERN: &str = r"^arn:aws(-[a-z]+)*:iam::[0-9]{12}:(role|user)/[\w+=,.@-]+(/[\w+=,.@-]+)*$";
    let arn = NewerCheck::required(MEMBER, given)?;
    if arn.chars().count() > MAX_CHARS {
        let shown: String = arn.chars().take(MAX_CHARS).collect();
        let rule = format!("Member must have length less than or equal to {MAX_CHARS}");
        return Err(EcrError::validation(MEMBER, Some(&shown), rule));
    }
    NewerCheck::parsed(MEMBER, &arn, PATTERN)
}

impl Operation for RegisterPullTimeUpdateExclusion {
    const NAME: &'static str = "RegisterPullTimeUpdateExclusion";
    const ACTION: Action = Action::EcrRegisterPullTimeUpdateExclusion;
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
        let (registry, arn, now_ms) = (call.own_registry(), principal_arn.clone(), call.app.now_ms());
        call.app
            .db
            .write(move |tx| {
                // First, so that of two registrations at once the second one counts the first.
                identity_version::increment(tx)?;
                if !pull_time_exclusions::insert(tx, &registry, &arn, now_ms)? {
                    return Err(EcrError::ExclusionAlreadyExists(registry.clone(), arn.to_string()));
                }
                if pull_time_exclusions::list(tx, &registry, "", MAX_EXCLUSIONS + 1)?.len() > MAX_EXCLUSIONS {
                    return Err(EcrError::TooManyExclusions(MAX_EXCLUSIONS));
                }
                Ok(())
            })
            .await?;
        call.app.publish_changes().await?;
        Ok(Output { principal_arn, created_at: aws::Timestamp::from_ms(now_ms) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns() {
        for (arn, is_good) in [
            ("arn:aws:iam::123456789012:user/ci", true),
            ("arn:aws:iam::123456789012:role/path/to/scan_ner+=,.@-", true),
            ("arn:aws-us-gov:iam::123456789012:role/r", true),
            ("arn:aws-:iam::123456789012:role/r", false),
            ("arn:amazon:iam::123456789012:role/r", false),
            ("arn:aws:iam:us-east-1:123456789012:role/r", false),
            ("arn:aws:sts::123456789012:assumed-role/r/s", false),
            ("arn:aws:iam::123456789012:root", false),
            ("arn:aws:iam::123456789012:group/g", false),
            ("arn:aws:iam::12345678901:user/u", false),
            ("arn:aws:iam::123456789012:user/", false),
            ("arn:aws:iam::123456789012:user//u", false),
            ("arn:aws:iam::123456789012:user/u\n", false),
            ("arn:aws:iam::123456789012:user/é", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(principal_arn(Some(arn.to_owned())).is_ok(), is_good, "{arn}");
        }
        assert!(principal_arn(None).is_err());
        let long = format!("arn:aws:iam::123456789012:user/{}", "u".repeat(169));
        assert!(principal_arn(Some(long.clone())).is_ok());
        assert!(principal_arn(Some(long + "u")).is_err());
    }
}
