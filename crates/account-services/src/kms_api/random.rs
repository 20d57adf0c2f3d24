//! GenerateRandom: random bytes.

use access::action::Action;
use access::auth::authorize::Need;
use access::kms::KmsError;
use api::protocols::operation::{Call, Operation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::constraints::Check;

/// GenerateRandom.
pub struct GenerateRandom;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    number_of_bytes: Option<i64>,
    custom_key_store_id: Option<String>,
    recipient: Option<serde_json::Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    plaintext: String,
}

/// How many bytes a request asks for, of which 1,024 may be (model).
pub fn number_of_bytes(number: i64) -> Result<usize, KmsError> {
    Check::number("NumberOfBytes", number, 1, 1_024).map(|number| number as usize)
}

/// So many random bytes.
pub fn bytes(count: usize) -> zeroize::Zeroizing<Vec<u8>> {
    let mut bytes = zeroize::Zeroizing::new(vec![0; count]);
    runtime::random::fill(&mut bytes);
    bytes
}

impl Operation for GenerateRandom {
    const NAME: &'static str = "GenerateRandom";
    const ACTION: Action = Action::KmsGenerateRandom;
    const READ_ONLY: bool = false;
    const ENDS_WITH_CLIENT: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = usize;
    type Error = KmsError;

    fn check(_: &Call<'_>, input: Input) -> Result<usize, KmsError> {
        if input.custom_key_store_id.is_some() || input.recipient.is_some() {
            return Err(KmsError::Unsupported("This server has no custom key stores and no enclaves."));
        }
        number_of_bytes(input.number_of_bytes.unwrap_or_default())
    }

    fn needs(_: &Call<'_>, _: &usize) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(_: &Call<'_>, count: usize) -> Result<Output, KmsError> {
        Ok(Output { plaintext: STANDARD.encode(&*bytes(count)) })
    }
}
