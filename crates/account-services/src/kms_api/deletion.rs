//! ScheduleKeyDeletion and CancelKeyDeletion: a key goes for good when its days of waiting are over.

use access::action::Action;
use access::auth::authorize::Need;
use access::kms::KmsError;
use access::kms::delete_kms_key::DeleteKmsKey;
use access::kms::on_key;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use runtime::jobs::job::{self, Job as _};
use serde::{Deserialize, Serialize};
use store::tables::kms_keys::{self, KeyRef};
use store::tables::{jobs, key_version};

use super::constraints::{self, Check};
use super::shapes::{KeyMember, not_aws_managed};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// reference/around.md 3.
const DEFAULT_DAYS: i64 = 30;
const MIN_DAYS: i64 = 7;
const MAX_DAYS: i64 = 30;

/// ScheduleKeyDeletion.
pub struct ScheduleKeyDeletion;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    key_id: Option<String>,
    pending_window_in_days: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Scheduled {
    key_id: String,
    deletion_date: Timestamp,
    key_state: &'static str,
    pending_window_in_days: i64,
}

impl Operation for ScheduleKeyDeletion {
    const NAME: &'static str = "ScheduleKeyDeletion";
    const ACTION: Action = Action::KmsScheduleKeyDeletion;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Scheduled;
    type Checked = (KeyRef, i64);
    type Error = KmsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, KmsError> {
        let days = input.pending_window_in_days.unwrap_or(DEFAULT_DAYS);
        Check::number("PendingWindowInDays", days, MIN_DAYS, MAX_DAYS)?;
        Ok((constraints::key_itself(call, "keyId", input.key_id)?, days))
    }

    fn needs(_: &Call<'_>, (key, days): &Self::Checked) -> Vec<Need> {
        vec![on_key(Self::ACTION, key).with("kms:ScheduleKeyDeletionPendingWindowInDays", [days.to_string()])]
    }

    async fn run(call: &Call<'_>, (key, days): Self::Checked) -> Result<Scheduled, KmsError> {
        let now_ms = call.app.now_ms();
        let at_ms = now_ms + days * DAY_MS;
        let scheduled = call.app.db.write(move |tx| {
            let mut found = not_aws_managed(constraints::require_live(tx, &key)?)?;
            // As KMS does: when the deletion is cancelled the key is disabled.
            found.is_enabled = false;
            found.delete_at_ms = Some(at_ms);
            found.deletion_window_days = Some(days);
            kms_keys::update(tx, &found)?;
            key_version::increment(tx)?;
            job::enqueue(tx, &DeleteKmsKey { key_id: found.key_id.to_string() }, at_ms, now_ms)?;
            Ok::<_, KmsError>(found)
        });
        let key = scheduled.await?;
        call.app.publish_changes().await?;
        Ok(Scheduled {
            key_id: key.arn().to_string(),
            deletion_date: Timestamp::from_ms(at_ms),
            key_state: "PendingDeletion",
            pending_window_in_days: days,
        })
    }
}

/// CancelKeyDeletion.
pub struct CancelKeyDeletion;

/// The output of the operations that answer which key it was.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyId {
    /// Its ARN.
    pub key_id: String,
}

impl Operation for CancelKeyDeletion {
    const NAME: &'static str = "CancelKeyDeletion";
    const ACTION: Action = Action::KmsCancelKeyDeletion;
    const READ_ONLY: bool = false;
    type Input = KeyMember;
    type Output = KeyId;
    type Checked = KeyRef;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: KeyMember) -> Result<KeyRef, KmsError> {
        input.check_itself(call)
    }

    fn needs(_: &Call<'_>, key: &KeyRef) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, key: KeyRef) -> Result<KeyId, KmsError> {
        let cancelled = call.app.db.write(move |tx| {
            let mut found = constraints::require(tx, &key)?;
            if found.delete_at_ms.is_none() {
                return Err(KmsError::NotPendingDeletion(found.arn()));
            }
            (found.delete_at_ms, found.deletion_window_days) = (None, None);
            kms_keys::update(tx, &found)?;
            key_version::increment(tx)?;
            jobs::cancel(tx, DeleteKmsKey::KIND, &found.key_id.to_string())?;
            Ok(found)
        });
        let key = cancelled.await?;
        call.app.publish_changes().await?;
        Ok(KeyId { key_id: key.arn().to_string() })
    }
}
