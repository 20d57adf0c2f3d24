//! ListTokens: the robot tokens of the caller's registry.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::iam::robot_tokens;

use super::errors::WharfError;
use super::shapes::Token;

/// Lists the robot tokens of the caller's registry, without their passwords, with last uses up to now.
pub struct ListTokens;

#[derive(Deserialize)]
pub struct Input {}

#[derive(Serialize)]
pub struct Output {
    tokens: Vec<Token>,
}

impl Operation for ListTokens {
    const NAME: &'static str = "ListTokens";
    const ACTION: Action = Action::WharfListTokens;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = ();
    type Error = WharfError;

    fn check(_: &Call<'_>, _: Input) -> Result<(), WharfError> {
        Ok(())
    }

    fn needs(_: &Call<'_>, (): &()) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (): ()) -> Result<Output, WharfError> {
        let app = call.app;
        app.last_uses.flush(&app.db).await?;
        let registry = call.own_registry();
        let stored = app.db.read(move |tx| robot_tokens::list(tx, &registry)).await?;
        let directory = app.identities.current();
        Ok(Output { tokens: stored.into_iter().map(|token| Token::new(token, &directory)).collect() })
    }
}
