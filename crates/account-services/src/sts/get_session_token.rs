//! GetSessionToken: temporary keys that may do what their user may.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::caller;
use access::auth::session::NewSession;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};

use super::constraints;
use super::errors::StsError;
use super::grant::{self, Credentials};

const DEFAULT_SECONDS: i64 = 43_200;
const MAX_SECONDS: i64 = 129_600;
/// The root user's keys last an hour, whatever was asked for (GetSessionToken: 'DurationSeconds').
const MAX_ROOT_SECONDS: i64 = 3600;

/// Issues temporary keys that may do what the caller may.
pub struct GetSessionToken;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    #[serde(default, deserialize_with = "aws::number_text")]
    duration_seconds: Option<aws::FormNumber>,
    serial_number: Option<String>,
    token_code: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    credentials: Credentials,
}

impl Operation for GetSessionToken {
    const NAME: &'static str = "GetSessionToken";
    const ACTION: Action = Action::StsGetSessionToken;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = i64;
    type Error = StsError;

    fn check(call: &Call<'_>, input: Input) -> Result<i64, StsError> {
        let seconds = constraints::duration(input.duration_seconds, DEFAULT_SECONDS, MAX_SECONDS)?;
        if input.serial_number.is_some() || input.token_code.is_some() {
            return Err(StsError::AccessDenied(super::NO_MFA.to_owned()));
        }
        match call.caller.credentials {
            caller::Credentials::Root => Ok(seconds.min(MAX_ROOT_SECONDS)),
            caller::Credentials::User(_) => Ok(seconds),
            caller::Credentials::Session(_) | caller::Credentials::Anonymous(_) => {
                Err(StsError::AccessDenied("Cannot call GetSessionToken with session credentials".to_owned()))
            }
        }
    }

    /// The keys can do no more than those that ask for them (GetSessionToken: "No permissions are required").
    fn needs(_: &Call<'_>, _: &i64) -> Vec<Need> {
        Vec::new()
    }

    async fn run(call: &Call<'_>, seconds: i64) -> Result<Output, StsError> {
        let app = call.app;
        let issued_at_ms = app.now_ms();
        let session = NewSession {
            identity_id: call.caller.user_id(),
            account: call.caller.account,
            name: None,
            is_federated: false,
            issued_at_ms,
            expires_at_ms: issued_at_ms + seconds * 1000,
            policy: None,
            policy_arns: Vec::new(),
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            web_identity: Vec::new(),
            web_identity_provider: None,
        };
        Ok(Output { credentials: grant::credentials(app, session) })
    }
}
