//! GetAccessKeyInfo: which account an access key belongs to.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use aws::AccountId;
use serde::{Deserialize, Serialize};

use super::constraints::Check;
use super::errors::StsError;

/// Tells which account of this server an access key belongs to.
pub struct GetAccessKeyInfo;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    access_key_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    account: String,
}

impl Operation for GetAccessKeyInfo {
    const NAME: &'static str = "GetAccessKeyInfo";
    const ACTION: Action = Action::StsGetAccessKeyInfo;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = String;
    type Error = StsError;

    fn check(_: &Call<'_>, input: Input) -> Result<String, StsError> {
        let id = Check::required("accessKeyId", input.access_key_id)?;
        Check::length("accessKeyId", &id, 16, 128)?;
        Ok(id)
    }

    fn needs(_: &Call<'_>, _: &String) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    /// Temporary keys have no row, so only the caller's own can be told.
    async fn run(call: &Call<'_>, id: String) -> Result<Output, StsError> {
        let app = call.app;
        let directory = app.identities.current();
        let account: Option<AccountId> = if call.caller.access_key_id == id {
            Some(call.caller.account)
        } else {
            let of_root = app.accounts.find_key(&id).map(|known| known.key.account);
            of_root.or_else(|| directory.key(&id).map(|key| key.user.entity.account))
        };
        match account {
            Some(account) => Ok(Output { account: account.to_string() }),
            None => Err(StsError::Validation(format!("The access key {id} belongs to no account of this server"))),
        }
    }
}
