//! CreateToken: a registry password with a scope and a long life, for tools that cannot refresh ECR's 12-hour one.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::token;
use api::protocols::operation::{Call, Operation};
use runtime::random_text::new_access_key_id;
use serde::{Deserialize, Serialize};
use store::tables::iam::robot_tokens::{self, RobotToken, TokenUse};
use store::tables::identity_version;

use super::errors::WharfError;
use super::shapes::Token;

const MAX_REPOSITORIES: usize = 50;
const MIN_SECONDS: i64 = 60;
const MAX_SECONDS: i64 = 3650 * 24 * 60 * 60;
const DEFAULT_SECONDS: i64 = 90 * 24 * 60 * 60;

/// Makes a robot token of the caller's with a scope, and answers with its password, which is never shown again.
pub struct CreateToken;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    name: Option<String>,
    repositories: Option<Vec<String>>,
    actions: Option<Vec<String>>,
    expires_in_seconds: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    token: Token,
    password: String,
    proxy_endpoint: String,
}

/// Whether a text can be part of a repository's name, or stand for one.
fn is_repository_pattern(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/*?".contains(&byte))
}

fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/@+=,".contains(&byte))
}

impl Operation for CreateToken {
    const NAME: &'static str = "CreateToken";
    const ACTION: Action = Action::WharfCreateToken;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = RobotToken;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<RobotToken, WharfError> {
        if call.caller.session().is_some() {
            return Err(WharfError::TemporaryCredentials);
        }
        let id = new_access_key_id("WRBT");
        let name = input.name.unwrap_or_else(|| format!("token-{}", id[12..].to_ascii_lowercase()));
        if !is_name(&name) {
            return Err(WharfError::validation("name", "must have 1 to 128 letters, digits or ._-/@+=,"));
        }
        let repositories = input.repositories.unwrap_or_default();
        if !(1..=MAX_REPOSITORIES).contains(&repositories.len())
            || !repositories.iter().all(|pattern| is_repository_pattern(pattern))
        {
            let rule = format!(
                "must have 1 to {MAX_REPOSITORIES} repository names, in which * stands for any text and ? for a character"
            );
            return Err(WharfError::validation("repositories", rule));
        }
        let mut actions = input.actions.unwrap_or_default();
        actions.sort_unstable();
        actions.dedup();
        let actions: Result<Vec<TokenUse>, ()> = actions.iter().map(|action| action.parse()).collect();
        let actions = actions.ok().filter(|actions| !actions.is_empty()).ok_or_else(|| {
            let known = TokenUse::ALL.map(TokenUse::as_str);
            WharfError::validation("actions", format!("must have one or more of {}", known.join(", ")))
        })?;
        let seconds = input.expires_in_seconds.unwrap_or(DEFAULT_SECONDS);
        if !(MIN_SECONDS..=MAX_SECONDS).contains(&seconds) {
            let rule = format!("must be {MIN_SECONDS} to {MAX_SECONDS} (ten years)");
            return Err(WharfError::validation("expiresInSeconds", rule));
        }
        let created_at_ms = call.app.now_ms();
        Ok(RobotToken {
            id,
            registry: call.own_registry(),
            principal_id: call.caller.user_id(),
            name,
            repositories,
            actions,
            created_at_ms,
            expires_at_ms: created_at_ms + seconds * 1000,
            last_used_at_ms: None,
        })
    }

    fn needs(_: &Call<'_>, _: &RobotToken) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, token: RobotToken) -> Result<Output, WharfError> {
        let app = call.app;
        let (new, quota) = (token.clone(), app.quotas.robot_tokens);
        app.db
            .write(move |tx| {
                robot_tokens::delete_expired(tx, new.registry.account, new.created_at_ms)?;
                if !robot_tokens::insert(tx, &new)? {
                    return Err(WharfError::TokenAlreadyExists(new.name.clone()));
                }
                let count = robot_tokens::count_of_account(tx, new.registry.account)?;
                if u64::try_from(count).is_ok_and(|count| count > quota) {
                    return Err(WharfError::TooManyTokens(quota));
                }
                Ok(identity_version::increment(tx)?)
            })
            .await?;
        app.publish_changes().await?;
        Ok(Output {
            password: token::robot_password(app, &token.id),
            proxy_endpoint: call.http.registry_url(&token.registry),
            token: Token::new(token, &app.identities.current()),
        })
    }
}
