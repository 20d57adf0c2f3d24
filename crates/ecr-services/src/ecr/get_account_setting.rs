//! GetAccountSetting: the value of an account setting.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::settings;
use serde::{Deserialize, Serialize};
use store::tables::account_settings::AccountSetting;

use super::constraints::NewerCheck;
use super::errors::EcrError;

/// Tells the value of an account setting that is in force: the default if none was put.
pub struct GetAccountSetting;

#[derive(Deserialize)]
pub struct Input {
    name: Option<String>,
}

#[derive(Serialize)]
pub struct Output {
    name: &'static str,
    value: String,
}

type Checked = AccountSetting;

/// The setting of that name.
pub fn setting(name: Option<String>) -> Result<AccountSetting, EcrError> {
    let name = NewerCheck::required("name", name)?;
    NewerCheck::one_of("name", &name, &AccountSetting::ALL, AccountSetting::as_str)
}

impl Operation for GetAccountSetting {
    const NAME: &'static str = "GetAccountSetting";
    const ACTION: Action = Action::EcrGetAccountSetting;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(_: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        setting(input.name)
    }

    fn needs(_: &Call<'_>, setting: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION).with("ecr:AccountSetting", [setting.as_str()])]
    }

    async fn run(call: &Call<'_>, setting: Checked) -> Result<Output, EcrError> {
        let registry = call.own_registry();
        let value = call.app.db.read_point(move |tx| settings::value(tx, &registry, setting)).await?;
        Ok(Output { name: setting.as_str(), value })
    }
}
