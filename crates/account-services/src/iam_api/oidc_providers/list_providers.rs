//! ListOpenIDConnectProviders: the ARNs of the account's providers.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::oidc_providers;

use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};

/// Lists the ARNs of the account's OpenID Connect providers.
pub struct ListProviders(aws::AccountId);

#[derive(Deserialize)]
pub struct Input {}

#[derive(Serialize)]
pub struct Output {
    #[serde(rename = "OpenIDConnectProviderList")]
    providers: Vec<Provider>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Provider {
    arn: String,
}

impl IamOperation for ListProviders {
    const ACTION: Action = Action::IamListOpenIDConnectProviders;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, _: Input) -> Result<Self, IamError> {
        Ok(Self(call.caller.account))
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let found = oidc_providers::list(tx, self.0)?;
        Ok(Output { providers: found.into_iter().map(|provider| Provider { arn: provider.arn }).collect() })
    }
}
