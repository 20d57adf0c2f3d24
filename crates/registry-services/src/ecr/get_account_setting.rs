//! GetAccountSetting: the value of an account setting.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::settings;
use serde::{Deserialize, Serialize};
use store::tables::account_settings::AccountSetting;

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
    let name = name.ok_or_else(|| EcrError::validation("name", None, "Member must not be null"))?;
    name.parse().map_err(|()| {
        let names = AccountSetting::ALL.map(AccountSetting::as_str).join(", ");
        let rule = format!("Member must satisfy enum value set: [{names}]");
        EcrError::validation("name", Some(&name), rule)
    })
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
        let value = call.app().db.read_point(move |tx| settings::value(tx, &registry, setting)).await?;
        Ok(Output { name: setting.as_str(), value })
    }
}
