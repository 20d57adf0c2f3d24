//! RotateSecret and CancelRotateSecret. A Lambda function rotates a secret, and this server has none: it refuses, and has no
//! rotation to cancel.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use access::secret_values::stored;
use api::protocols::operation::{Call, Operation};
use serde::Deserialize;
use serde_json::Value;
use store::tables::secrets::SecretId;

use super::constraints::{self, Check};
use super::shapes::{SecretMember, SecretName, need};

/// RotateSecret.
pub struct RotateSecret;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RotateInput {
    secret_id: Option<String>,
    client_request_token: Option<String>,
    #[serde(rename = "RotationLambdaARN")]
    rotation_lambda_arn: Option<String>,
    rotation_rules: Option<RotationRules>,
    external_secret_rotation_metadata: Option<Vec<Value>>,
    external_secret_rotation_role_arn: Option<String>,
    rotate_immediately: Option<bool>,
}

/// `RotationRulesType`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RotationRules {
    automatically_after_days: Option<i64>,
    duration: Option<String>,
    schedule_expression: Option<String>,
}

/// The input of RotateSecret, validated.
pub struct Rotation {
    id: SecretId,
    lambda: Option<String>,
    has_rules: bool,
    is_immediate: bool,
}

impl RotationRules {
    fn check(&self) -> Result<(), SecretsError> {
        let parameter = |text: &str| Err(SecretsError::parameter(text));
        if let Some(days) = self.automatically_after_days {
            Check::number("AutomaticallyAfterDays", days, 1, 1000)?;
        }
        if self.automatically_after_days.is_some() && self.schedule_expression.is_some() {
            return parameter("You can set AutomaticallyAfterDays or ScheduleExpression, and not both.");
        }
        if let Some(text) = &self.duration {
            Check::length("Duration", text, 2, 3)?;
        }
        if let Some(text) = &self.schedule_expression {
            Check::length("ScheduleExpression", text, 1, 256)?;
        }
        Ok(())
    }
}

impl Operation for RotateSecret {
    const NAME: &'static str = "RotateSecret";
    const ACTION: Action = Action::SecretsManagerRotateSecret;
    const READ_ONLY: bool = false;
    type Input = RotateInput;
    type Output = SecretName;
    type Checked = Rotation;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: RotateInput) -> Result<Rotation, SecretsError> {
        let id = constraints::secret_id(call, input.secret_id)?;
        constraints::client_token(input.client_request_token)?;
        if let Some(rules) = &input.rotation_rules {
            rules.check()?;
        }
        if input.external_secret_rotation_metadata.is_some() || input.external_secret_rotation_role_arn.is_some() {
            return Err(SecretsError::parameter("This server has no managed external secrets."));
        }
        let lambda = input.rotation_lambda_arn.filter(|arn| !arn.is_empty());
        if let Some(arn) = &lambda {
            Check::length("RotationLambdaARN", arn, 1, 2048)?;
        }
        let is_immediate = input.rotate_immediately.unwrap_or(true);
        Ok(Rotation { id, lambda, has_rules: input.rotation_rules.is_some(), is_immediate })
    }

    fn needs(_: &Call<'_>, Rotation { id, lambda, has_rules, is_immediate }: &Rotation) -> Vec<Need> {
        let need = need(Self::ACTION, id)
            .with("secretsmanager:ModifyRotationRules", [has_rules.to_string()])
            .with("secretsmanager:RotateImmediately", [is_immediate.to_string()]);
        vec![match lambda {
            Some(arn) => need.with("secretsmanager:RotationLambdaARN", [arn]),
            None => need,
        }]
    }

    async fn run(call: &Call<'_>, Rotation { id, lambda, .. }: Rotation) -> Result<SecretName, SecretsError> {
        call.app.db.read_point(move |tx| stored::require_live(tx, &id)).await?;
        Err(SecretsError::InvalidRequest(match lambda {
            None => "No Lambda rotation function ARN is associated with this secret.",
            Some(_) => {
                "This server has no Lambda functions, so it cannot rotate a secret: put the new value with PutSecretValue, \
                 which makes it the current one and the one before the previous one."
            }
        }))
    }
}

/// CancelRotateSecret: no secret is rotated, so that there is nothing to do.
pub struct CancelRotateSecret;

impl Operation for CancelRotateSecret {
    const NAME: &'static str = "CancelRotateSecret";
    const ACTION: Action = Action::SecretsManagerCancelRotateSecret;
    const READ_ONLY: bool = false;
    type Input = SecretMember;
    type Output = SecretName;
    type Checked = SecretId;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: SecretMember) -> Result<SecretId, SecretsError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, id: &SecretId) -> Vec<Need> {
        vec![need(Self::ACTION, id)]
    }

    async fn run(call: &Call<'_>, id: SecretId) -> Result<SecretName, SecretsError> {
        let secret = call.app.db.read_point(move |tx| stored::require_live(tx, &id)).await?;
        Ok(SecretName::new(&secret))
    }
}
