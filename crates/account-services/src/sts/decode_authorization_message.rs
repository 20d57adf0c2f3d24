//! DecodeAuthorizationMessage: this server says openly why it refuses and encodes nothing, so no message is one of its own.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};

use super::constraints::Check;
use super::errors::StsError;

const MAX_MESSAGE: usize = 10_240;

/// Refuses every message: this server encodes none.
pub struct DecodeAuthorizationMessage;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    encoded_message: Option<String>,
}

/// A message in clear, which there never is.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    decoded_message: String,
}

impl Operation for DecodeAuthorizationMessage {
    const NAME: &'static str = "DecodeAuthorizationMessage";
    const ACTION: Action = Action::StsDecodeAuthorizationMessage;
    const READ_ONLY: bool = false;
    const ENDS_WITH_CLIENT: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = ();
    type Error = StsError;

    fn check(_: &Call<'_>, input: Input) -> Result<(), StsError> {
        let message = Check::required("encodedMessage", input.encoded_message)?;
        Check::length("encodedMessage", &message, 1, MAX_MESSAGE)
    }

    fn needs(_: &Call<'_>, (): &()) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(_: &Call<'_>, (): ()) -> Result<Output, StsError> {
        Err(StsError::InvalidAuthorizationMessage)
    }
}
