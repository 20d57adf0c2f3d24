//! GetAccessKeyLastUsed: when, where and for what a key was used last.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use aws::AccountId;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::access_keys;
use store::tables::iam::entities;

use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};

/// Tells whose an access key is, and when, where and for which service it was used last.
pub struct GetAccessKeyLastUsed {
    account: AccountId,
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    access_key_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    user_name: String,
    access_key_last_used: LastUsed,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LastUsed {
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_date: Option<String>,
    service_name: String,
    region: String,
}

impl IamOperation for GetAccessKeyLastUsed {
    const ACTION: Action = Action::IamGetAccessKeyLastUsed;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        Ok(Self { account: call.caller.account, id: super::check_id(input.access_key_id)? })
    }

    /// On the key's user. Of a key that the account does not have nothing is known, so everything is asked for.
    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        let directory = call.app.identities.current();
        let user = directory.key(&self.id).map(|key| &key.user).filter(|user| user.entity.account == self.account);
        vec![user.map_or_else(|| Need::anywhere(Self::ACTION), |user| Need::on(Self::ACTION, user.arn.clone()))]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let none = || IamError::NoSuchAccessKey(self.id.clone());
        let key = access_keys::find(tx, &self.id)?.ok_or_else(none)?;
        let user = entities::find_by_id(tx, &key.user_id)?.filter(|user| user.account == self.account);
        let user = user.ok_or_else(none)?;
        let access_key_last_used = match key.last_used {
            Some(last) => LastUsed {
                last_used_date: Some(aws::time::iso8601(last.at_ms)),
                service_name: last.service,
                region: last.region,
            },
            None => LastUsed { last_used_date: None, service_name: "N/A".to_owned(), region: "N/A".to_owned() },
        };
        Ok(Output { user_name: user.name, access_key_last_used })
    }
}
