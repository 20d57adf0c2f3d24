//! GetFederationToken: temporary keys for somebody whom a user vouches for, who may do what the user may and the session's
//! policies allow.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::caller;
use access::auth::session::{self, NewSession};
use api::grammar::Tag;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};

use super::constraints::{self, Check, PolicyArn, in_partition};
use super::errors::StsError;
use super::grant::{self, Credentials, Wish};

const DEFAULT_SECONDS: i64 = 43_200;
const MAX_SECONDS: i64 = 129_600;
/// The root user's keys last an hour, whatever was asked for (GetFederationToken: 'DurationSeconds').
const MAX_ROOT_SECONDS: i64 = 3600;
const MAX_NAME: usize = 32;

/// Issues temporary keys for a federated user, limited to what both its user and the policies of the request allow.
pub struct GetFederationToken;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    name: Option<String>,
    policy: Option<String>,
    policy_arns: Option<Vec<PolicyArn>>,
    #[serde(default, deserialize_with = "aws::number_text")]
    duration_seconds: Option<aws::FormNumber>,
    tags: Option<Vec<Tag>>,
}

/// `FederatedUser`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FederatedUser {
    federated_user_id: String,
    arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    credentials: Credentials,
    federated_user: FederatedUser,
    #[serde(skip_serializing_if = "Option::is_none")]
    packed_policy_size: Option<usize>,
}

impl Operation for GetFederationToken {
    const NAME: &'static str = "GetFederationToken";
    const ACTION: Action = Action::StsGetFederationToken;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Wish;
    type Error = StsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Wish, StsError> {
        let name = Check::required("name", input.name)?;
        constraints::name("name", &name)?;
        Check::length("name", &name, 2, MAX_NAME)?;
        let seconds = constraints::duration(input.duration_seconds, DEFAULT_SECONDS, MAX_SECONDS)?;
        let narrowing = constraints::narrowing(input.policy, input.policy_arns)?.require_readable()?;
        let tags = Check::tags(input.tags)?;
        let duration_seconds = match call.caller.credentials {
            caller::Credentials::Root => seconds.min(MAX_ROOT_SECONDS),
            caller::Credentials::User(_) => seconds,
            caller::Credentials::Session(_) | caller::Credentials::Anonymous(_) => {
                return Err(StsError::AccessDenied(
                    "Cannot call GetFederationToken with session credentials".to_owned(),
                ));
            }
        };
        Ok(Wish { name, duration_seconds, narrowing, tags, ..Wish::default() })
    }

    fn needs(call: &Call<'_>, wish: &Wish) -> Vec<Need> {
        let arn = session::federated_user_arn(call.caller.account, &wish.name);
        let need = |action| Need::on(action, arn.clone()).with_request_tags(&wish.tags);
        let tagging = (!wish.tags.is_empty()).then(|| need(Action::StsTagSession));
        std::iter::once(need(Self::ACTION)).chain(tagging).collect()
    }

    async fn run(call: &Call<'_>, wish: Wish) -> Result<Output, StsError> {
        let (app, account) = (call.app, call.caller.account);
        grant::require_policies(&app.identities.current(), account, &wish.narrowing)?;
        let packed_policy_size = grant::packed_policy_size(&wish)?;
        let federated_user = FederatedUser {
            federated_user_id: session::federated_user_id(account, &wish.name),
            arn: in_partition(session::federated_user_arn(account, &wish.name), &call.caller.region),
        };
        let issued_at_ms = app.now_ms();
        let session = NewSession {
            identity_id: call.caller.user_id(),
            account,
            name: Some(wish.name),
            is_federated: true,
            issued_at_ms,
            expires_at_ms: issued_at_ms + wish.duration_seconds * 1000,
            policy: wish.narrowing.policy,
            policy_arns: wish.narrowing.policy_arns,
            tags: wish.tags,
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            web_identity: Vec::new(),
            web_identity_provider: None,
        };
        Ok(Output { credentials: grant::credentials(app, session), federated_user, packed_policy_size })
    }
}
