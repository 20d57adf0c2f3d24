//! DeleteSecret: marks a secret for deletion, or deletes it at once.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::errors::SecretsError;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use serde::{Deserialize, Serialize};
use store::tables::secrets::{self, Secret, SecretId};

use super::constraints;
use super::shapes::need;

/// Marks a secret to be deleted after a number of days, or deletes it at once.
pub struct DeleteSecret;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const DEFAULT_DAYS: i64 = 30;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    secret_id: Option<String>,
    recovery_window_in_days: Option<i64>,
    force_delete_without_recovery: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(rename = "ARN")]
    arn: String,
    name: String,
    deletion_date: Timestamp,
}

/// The input, validated.
pub struct Checked {
    id: SecretId,
    /// How long it can be restored; none for not at all.
    window_days: Option<i64>,
}

impl Operation for DeleteSecret {
    const NAME: &'static str = "DeleteSecret";
    const ACTION: Action = Action::SecretsManagerDeleteSecret;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = SecretsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, SecretsError> {
        let id = constraints::secret_id(call, input.secret_id)?;
        let is_forced = input.force_delete_without_recovery.unwrap_or(false);
        let window_days = match input.recovery_window_in_days {
            Some(_) if is_forced => {
                return Err(SecretsError::parameter(
                    "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
                ));
            }
            Some(days) if !(7..=30).contains(&days) => {
                return Err(SecretsError::parameter(
                    "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
                ));
            }
            given => (!is_forced).then(|| given.unwrap_or(DEFAULT_DAYS)),
        };
        Ok(Checked { id, window_days })
    }

    fn needs(_: &Call<'_>, Checked { id, window_days }: &Checked) -> Vec<Need> {
        let need = need(Self::ACTION, id);
        vec![match window_days {
            Some(days) => need.with("secretsmanager:RecoveryWindowInDays", [days.to_string()]),
            None => need.with("secretsmanager:ForceDeleteWithoutRecovery", ["true"]),
        }]
    }

    async fn run(call: &Call<'_>, Checked { id, window_days }: Checked) -> Result<Output, SecretsError> {
        let now_ms = call.app.now_ms();
        let deleted = call.app.db.write(move |tx| {
            let secret = match (secrets::find(tx, &id)?, window_days) {
                (Some(secret), _) => secret,
                (None, Some(_)) => return Err(SecretsError::SecretNotFound),
                // By force even what is not there is deleted (API reference, DeleteSecret).
                (None, None) => {
                    let arn = secrets::arn(&id.registry, &id.text);
                    return Ok(Output { arn, name: id.text.clone(), deletion_date: Timestamp::from_ms(now_ms) });
                }
            };
            let deletion_ms = match window_days {
                None => {
                    secrets::delete(tx, secret.id)?;
                    now_ms
                }
                Some(_) if secret.purge_at_ms.is_some() => {
                    return Err(SecretsError::InvalidRequest(
                        "You tried to perform the operation on a secret that's currently marked deleted.",
                    ));
                }
                Some(days) => {
                    let at_ms = now_ms + days * DAY_MS;
                    secrets::update(tx, &Secret { purge_at_ms: Some(at_ms), changed_at_ms: now_ms, ..secret.clone() })?;
                    at_ms
                }
            };
            Ok(Output { arn: secret.arn(), name: secret.name, deletion_date: Timestamp::from_ms(deletion_ms) })
        });
        deleted.await
    }
}
