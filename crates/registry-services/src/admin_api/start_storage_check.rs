//! StartStorageCheck: has all that is stored checked, and what is safe repaired if asked.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use upkeep::storage_check::check::Settings;
use upkeep::storage_check::check_storage;

use super::constraints::Check;
use super::errors::WharfError;

/// Ten years, beyond which nobody means what they say.
const MAX_GRACE_HOURS: u32 = 87_600;

/// Begins a check of all that is stored, which repairs what is safe to repair if asked.
pub struct StartStorageCheck;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    sample_percent: Option<f64>,
    repair: Option<bool>,
    orphan_grace_hours: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    check_id: String,
}

impl Operation for StartStorageCheck {
    const NAME: &'static str = "StartStorageCheck";
    const ACTION: Action = Action::WharfStartStorageCheck;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Settings;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Settings, WharfError> {
        WharfError::unless_operator(call)?;
        let defaults = Settings::default();
        let sample_percent = input.sample_percent.unwrap_or(defaults.sample_percent);
        if !(0.0..=100.0).contains(&sample_percent) {
            return Err(WharfError::validation("samplePercent", "must be 0 to 100"));
        }
        let orphan_grace_hours = input.orphan_grace_hours.unwrap_or(defaults.orphan_grace_hours);
        Check::number("orphanGraceHours", i64::from(orphan_grace_hours), 1, i64::from(MAX_GRACE_HOURS))?;
        Ok(Settings { sample_percent, repair: input.repair.unwrap_or_default(), orphan_grace_hours })
    }

    fn needs(_: &Call<'_>, _: &Settings) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, settings: Settings) -> Result<Output, WharfError> {
        Ok(Output { check_id: check_storage::start(call.app, &settings).await? })
    }
}
