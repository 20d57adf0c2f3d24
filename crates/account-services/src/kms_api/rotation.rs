//! EnableKeyRotation, DisableKeyRotation, GetKeyRotationStatus, RotateKeyOnDemand and ListKeyRotations: new material for
//! a key, whose old material goes on decrypting.

use access::action::Action;
use access::auth::authorize::Need;
use access::kms::KmsError;
use access::kms::material::next_version;
use access::kms::on_key;
use access::kms::rotate_kms_key::RotateKmsKey;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use runtime::jobs::job::{self, Job as _};
use serde::{Deserialize, Serialize};
use store::tables::kms_keys::{self, KeyRef, KeyVersion, RotationType};
use store::tables::{jobs, key_version};

use super::constraints::{self, Check, Page};
use super::deletion::KeyId;
use super::shapes::{KeyMember, Nothing, material_id, not_aws_managed};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const DEFAULT_DAYS: i64 = 365;
const MIN_DAYS: i64 = 90;
const MAX_DAYS: i64 = 2_560;
/// On-demand rotations that a key may have (KMS quotas).
const MAX_ON_DEMAND: usize = 25;

/// EnableKeyRotation.
pub struct EnableKeyRotation;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EnableInput {
    key_id: Option<String>,
    rotation_period_in_days: Option<i64>,
}

impl Operation for EnableKeyRotation {
    const NAME: &'static str = "EnableKeyRotation";
    const ACTION: Action = Action::KmsEnableKeyRotation;
    const READ_ONLY: bool = false;
    type Input = EnableInput;
    type Output = Nothing;
    type Checked = (KeyRef, Option<i64>);
    type Error = KmsError;

    fn check(call: &Call<'_>, input: EnableInput) -> Result<Self::Checked, KmsError> {
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        let days = input.rotation_period_in_days;
        let days = days.map(|days| Check::number("RotationPeriodInDays", days, MIN_DAYS, MAX_DAYS)).transpose()?;
        Ok((key, days))
    }

    fn needs(_: &Call<'_>, (key, days): &Self::Checked) -> Vec<Need> {
        let need = on_key(Self::ACTION, key);
        vec![match days {
            Some(days) => need.with("kms:RotationPeriodInDays", [days.to_string()]),
            None => need,
        }]
    }

    async fn run(call: &Call<'_>, (key, days): Self::Checked) -> Result<Nothing, KmsError> {
        let now_ms = call.app.now_ms();
        let enabled = call.app.db.write(move |tx| {
            let mut found = not_aws_managed(constraints::require_usable(tx, &key)?)?;
            if found.rotation_days.is_some() && days.is_none() {
                return Ok(Nothing {});
            }
            let days = days.unwrap_or(DEFAULT_DAYS);
            let next_ms = now_ms + days * DAY_MS;
            (found.rotation_days, found.next_rotation_at_ms) = (Some(days), Some(next_ms));
            kms_keys::update(tx, &found)?;
            jobs::cancel(tx, RotateKmsKey::KIND, &found.key_id.to_string())?;
            job::enqueue(tx, &RotateKmsKey { key_id: found.key_id.to_string() }, next_ms, now_ms)?;
            Ok(Nothing {})
        });
        enabled.await
    }
}

/// DisableKeyRotation.
pub struct DisableKeyRotation;

impl Operation for DisableKeyRotation {
    const NAME: &'static str = "DisableKeyRotation";
    const ACTION: Action = Action::KmsDisableKeyRotation;
    const READ_ONLY: bool = false;
    type Input = KeyMember;
    type Output = Nothing;
    type Checked = KeyRef;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: KeyMember) -> Result<KeyRef, KmsError> {
        input.check_itself(call)
    }

    fn needs(_: &Call<'_>, key: &KeyRef) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, key: KeyRef) -> Result<Nothing, KmsError> {
        let disabled = call.app.db.write(move |tx| {
            let mut found = not_aws_managed(constraints::require_usable(tx, &key)?)?;
            (found.rotation_days, found.next_rotation_at_ms) = (None, None);
            kms_keys::update(tx, &found)?;
            jobs::cancel(tx, RotateKmsKey::KIND, &found.key_id.to_string())?;
            Ok(Nothing {})
        });
        disabled.await
    }
}

/// GetKeyRotationStatus.
pub struct GetKeyRotationStatus;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Status {
    key_rotation_enabled: bool,
    key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_period_in_days: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_rotation_date: Option<Timestamp>,
}

impl Operation for GetKeyRotationStatus {
    const NAME: &'static str = "GetKeyRotationStatus";
    const ACTION: Action = Action::KmsGetKeyRotationStatus;
    const READ_ONLY: bool = true;
    type Input = KeyMember;
    type Output = Status;
    type Checked = KeyRef;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: KeyMember) -> Result<KeyRef, KmsError> {
        input.check_itself(call)
    }

    fn needs(_: &Call<'_>, key: &KeyRef) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, key: KeyRef) -> Result<Status, KmsError> {
        let found = call.app.db.read_point(move |tx| constraints::require(tx, &key)).await?;
        let is_pending = found.delete_at_ms.is_some();
        Ok(Status {
            key_rotation_enabled: found.rotation_days.is_some() && !is_pending,
            key_id: found.arn().to_string(),
            rotation_period_in_days: found.rotation_days.filter(|_| !is_pending),
            next_rotation_date: found.next_rotation_at_ms.filter(|_| !is_pending).map(Timestamp::from_ms),
        })
    }
}

/// RotateKeyOnDemand.
pub struct RotateKeyOnDemand;

impl Operation for RotateKeyOnDemand {
    const NAME: &'static str = "RotateKeyOnDemand";
    const ACTION: Action = Action::KmsRotateKeyOnDemand;
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
        let app = call.app;
        let named = key.clone();
        let found = app.db.read_point(move |tx| constraints::require(tx, &named)).await?;
        let version = next_version(app, &found, RotationType::OnDemand);
        let rotated = app.db.write(move |tx| {
            let found = not_aws_managed(constraints::require_usable(tx, &key)?)?;
            let versions = kms_keys::versions(tx, found.id)?;
            let on_demand = versions.iter().filter(|version| version.rotation_type == Some(RotationType::OnDemand));
            if on_demand.count() >= MAX_ON_DEMAND {
                return Err(KmsError::LimitExceeded(format!(
                    "A key can be rotated on demand {MAX_ON_DEMAND} times at most."
                )));
            }
            if found.current_version + 1 == version.version {
                kms_keys::rotate(tx, &found, &version)?;
                key_version::increment(tx)?;
            }
            Ok(found.arn().to_string())
        });
        let key_id = rotated.await?;
        app.publish_changes().await?;
        Ok(KeyId { key_id })
    }
}

/// ListKeyRotations.
pub struct ListKeyRotations;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListInput {
    key_id: Option<String>,
    include_key_material: Option<String>,
    limit: Option<i64>,
    marker: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listed {
    rotations: Vec<Rotation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rotation {
    key_id: String,
    key_material_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_date: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation_type: Option<&'static str>,
    key_material_state: &'static str,
}

impl Operation for ListKeyRotations {
    const NAME: &'static str = "ListKeyRotations";
    const ACTION: Action = Action::KmsListKeyRotations;
    const READ_ONLY: bool = true;
    type Input = ListInput;
    type Output = Listed;
    type Checked = (KeyRef, Page, bool);
    type Error = KmsError;

    fn check(call: &Call<'_>, input: ListInput) -> Result<Self::Checked, KmsError> {
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        let with_first = match input.include_key_material.as_deref() {
            None | Some("ROTATIONS_ONLY") => false,
            Some("ALL_KEY_MATERIAL") => true,
            Some(_) => {
                return Err(KmsError::validation("IncludeKeyMaterial must be ALL_KEY_MATERIAL or ROTATIONS_ONLY"));
            }
        };
        Ok((key, constraints::page("rotations", input.limit, input.marker.as_deref(), 100)?, with_first))
    }

    fn needs(_: &Call<'_>, (key, ..): &Self::Checked) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, (key, page, with_first): Self::Checked) -> Result<Listed, KmsError> {
        let read = call.app.db.read(move |tx| {
            let found = constraints::require(tx, &key)?;
            let versions = kms_keys::versions(tx, found.id)?;
            Ok::<_, KmsError>((found, versions))
        });
        let (key, versions) = read.await?;
        let after: u32 =
            if page.after.is_empty() { 0 } else { page.after.parse().map_err(|_| KmsError::InvalidMarker)? };
        let is_listed =
            |version: &KeyVersion| version.version > after && (with_first || version.rotation_type.is_some());
        let mut found: Vec<KeyVersion> = versions.into_iter().filter(is_listed).collect();
        let next_marker = page.cut(&mut found, |version| version.version.to_string());
        let rotations = found.into_iter().map(|version| Rotation {
            key_id: key.key_id.to_string(),
            key_material_id: material_id(key.key_id, version.version),
            rotation_date: version.rotation_type.is_some().then(|| Timestamp::from_ms(version.created_at_ms)),
            key_material_state: if version.version == key.current_version { "CURRENT" } else { "NON_CURRENT" },
            rotation_type: version.rotation_type.map(RotationType::as_str),
        });
        Ok(Listed { rotations: rotations.collect(), truncated: next_marker.is_some(), next_marker })
    }
}
