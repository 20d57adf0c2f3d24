//! PutAccountSetting: changes an account setting.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::account_settings::{self, AccountSetting};
use store::tables::identity_version;

use super::constraints::NewerCheck;
use super::errors::EcrError;

/// Changes an account setting of the caller's registry, on every node before it answers.
pub struct PutAccountSetting;

#[derive(Deserialize)]
pub struct Input {
    name: Option<String>,
    value: Option<String>,
}

#[derive(Serialize)]
pub struct Output {
    name: &'static str,
    value: String,
}

type Checked = (AccountSetting, String);

impl Operation for PutAccountSetting {
    const NAME: &'static str = "PutAccountSetting";
    const ACTION: Action = Action::EcrPutAccountSetting;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(_: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let setting = super::get_account_setting::setting(input.name)?;
        let value = NewerCheck::required("value", input.value)?;
        NewerCheck::one_of("value", &value, setting.values(), |value| value)?;
        Ok((setting, value))
    }

    fn needs(_: &Call<'_>, (setting, _): &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION).with("ecr:AccountSetting", [setting.as_str()])]
    }

    async fn run(call: &Call<'_>, (setting, value): Checked) -> Result<Output, EcrError> {
        let registry = call.own_registry();
        let stored = value.clone();
        call.app
            .db
            .write(move |tx| {
                identity_version::increment(tx)?;
                account_settings::upsert(tx, &registry, setting, &stored)
            })
            .await?;
        call.app.publish_changes().await?;
        Ok(Output { name: setting.as_str(), value })
    }
}
