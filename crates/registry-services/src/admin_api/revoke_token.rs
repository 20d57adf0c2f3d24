//! RevokeToken: ends a robot token.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::iam::robot_tokens;
use store::tables::identity_version;

use super::constraints::Check;
use super::errors::WharfError;

/// Deletes a robot token, whose password works on no node once it has answered.
pub struct RevokeToken;

#[derive(Deserialize)]
pub struct Input {
    name: Option<String>,
}

#[derive(Serialize)]
pub struct Output {}

impl Operation for RevokeToken {
    const NAME: &'static str = "RevokeToken";
    const ACTION: Action = Action::WharfRevokeToken;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = String;
    type Error = WharfError;

    fn check(_: &Call<'_>, input: Input) -> Result<String, WharfError> {
        Check::required("name", input.name)
    }

    fn needs(_: &Call<'_>, _: &String) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, name: String) -> Result<Output, WharfError> {
        let registry = call.own_registry();
        call.app
            .db
            .write(move |tx| {
                if !robot_tokens::delete(tx, &registry, &name)? {
                    return Err(WharfError::TokenNotFound(name.clone()));
                }
                Ok(identity_version::increment(tx)?)
            })
            .await?;
        call.app.publish_changes().await?;
        Ok(Output {})
    }
}
