//! GetCallerIdentity: who the caller is.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};

use super::errors::StsError;

/// Tells the ARN, the id and the account of the caller.
pub struct GetCallerIdentity;

#[derive(Deserialize)]
pub struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    arn: String,
    user_id: String,
    account: String,
}

impl Operation for GetCallerIdentity {
    const NAME: &'static str = "GetCallerIdentity";
    const ACTION: Action = Action::StsGetCallerIdentity;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = ();
    type Error = StsError;

    fn check(_: &Call<'_>, _: Input) -> Result<(), StsError> {
        Ok(())
    }

    /// A caller may always learn who it is.
    fn needs(_: &Call<'_>, (): &()) -> Vec<Need> {
        Vec::new()
    }

    async fn run(call: &Call<'_>, (): ()) -> Result<Output, StsError> {
        let caller = &call.caller;
        Ok(Output { arn: caller.arn(), user_id: caller.user_id(), account: caller.account.to_string() })
    }
}
