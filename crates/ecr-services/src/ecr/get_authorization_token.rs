//! GetAuthorizationToken: the password that docker logs in with.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::token;
use api::protocols::operation::{Call, Operation};
use aws::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;

use super::constraints::{self, Check};
use super::errors::EcrError;

/// Issues a registry token for each registry that is named, with which `docker login` signs in as the caller.
pub struct GetAuthorizationToken;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_ids: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationData {
    authorization_token: String,
    expires_at: Timestamp,
    proxy_endpoint: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    authorization_data: Vec<AuthorizationData>,
}

type Checked = Vec<AccountId>;

impl Operation for GetAuthorizationToken {
    const NAME: &'static str = "GetAuthorizationToken";
    const ACTION: Action = Action::EcrGetAuthorizationToken;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        match input.registry_ids {
            None => Ok(vec![call.caller.account]),
            ids => Check::list("registryIds", ids, 1, 10)?
                .iter()
                .map(|id| constraints::account("registryIds", id))
                .collect(),
        }
    }

    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, accounts: Checked) -> Result<Output, EcrError> {
        let authorization_data = accounts.into_iter().map(|account| {
            let (authorization_token, expires_at_ms) = token::issue(call.app, &call.caller, account);
            let registry = RegistryId { account, region: call.caller.region.clone() };
            AuthorizationData {
                authorization_token,
                expires_at: Timestamp::from_ms(expires_at_ms),
                proxy_endpoint: call.http.registry_url(&registry),
            }
        });
        Ok(Output { authorization_data: authorization_data.collect() })
    }
}
