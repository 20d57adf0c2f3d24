//! AssumeRoleWithWebIdentity: a role's keys for a while, for whoever an OpenID Connect provider vouches for.

use std::sync::Arc;

use access::action::Action;
use access::auth::assume::authorize_web_identity;
use access::request::RequestContext;
use access::web_identity::token::{MAX_TOKEN_CHARS, Token, TokenError, WebIdentity};
use api::protocols::service::{Running, UnsignedEntry};
use aws::AwsError;
use runtime::aws_error::{IntoAwsError, server_error};
use serde::{Deserialize, Serialize};

use super::constraints::{self, Check, PolicyArn};
use super::errors::StsError;
use super::grant::{self, AssumedRoleUser, Credentials, Wish};
use super::record_web_identity;

const NAME: &str = "AssumeRoleWithWebIdentity";
const ACTION: Action = Action::StsAssumeRoleWithWebIdentity;
const DEFAULT_SECONDS: i64 = 3600;
const MAX_SECONDS: i64 = 43_200;
/// Of what a token says so much is logged.
const MAX_LOGGED_CHARS: usize = 256;

/// Issues temporary keys of a role for a token of an OpenID Connect provider that the role trusts.
pub const ENTRY: UnsignedEntry = UnsignedEntry { name: NAME, run: answer, record: record_web_identity };

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    role_arn: Option<String>,
    role_session_name: Option<String>,
    web_identity_token: Option<String>,
    #[serde(default, deserialize_with = "aws::number_text")]
    duration_seconds: Option<aws::FormNumber>,
    policy: Option<String>,
    policy_arns: Option<Vec<PolicyArn>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    credentials: Credentials,
    subject_from_web_identity_token: String,
    assumed_role_user: AssumedRoleUser,
    packed_policy_size: Option<usize>,
    provider: String,
    audience: String,
}

fn answer<'a>(http: &'a RequestContext, body: &'a [u8]) -> Running<'a> {
    Box::pin(async move {
        let input: Input = aws::from_form(body).map_err(|error| {
            tracing::debug!(request_id = %http.request_id, %error, "request body does not fit {NAME}: {error}");
            AwsError::new("SerializationException", "Unable to parse request body")
        })?;
        let output = run(http, input).await.map_err(|error| error.into_aws_error(http.request_id))?;
        serde_json::to_vec(&output).map_err(|_| server_error())
    })
}

async fn run(http: &RequestContext, input: Input) -> Result<Output, StsError> {
    let role_arn = constraints::role_arn(input.role_arn)?;
    let session_name = Check::required("roleSessionName", input.role_session_name)?;
    constraints::name("roleSessionName", &session_name)?;
    let text = Check::required("webIdentityToken", input.web_identity_token)?;
    Check::length("webIdentityToken", &text, 4, MAX_TOKEN_CHARS)?;
    let duration_seconds = constraints::duration(input.duration_seconds, DEFAULT_SECONDS, MAX_SECONDS)?;
    let narrowing = constraints::narrowing(input.policy, input.policy_arns)?;

    let token = Token::parse(&text)?;
    let provider_arn = format!("arn:aws:iam::{}:oidc-provider/{}", role_arn.account, token.issuer_name());
    let identity = believe(http, &token, &provider_arn).await?;
    // Looked up now, as the issuer may have been waited for.
    let directory = http.app.identities.current();

    // A role that does not exist is refused with the text of one that is out of reach. Which it was is for the log to say.
    let denied = |why: &str| {
        let (subject, audience) = (shortened(&identity.subject), shortened(&identity.audience));
        tracing::info!(
            request_id = %http.request_id, %subject, %audience, role = %role_arn.stored,
            "a web identity may not assume {}: {why}", role_arn.stored
        );
        StsError::AccessDenied(format!("Not authorized to perform {ACTION}"))
    };
    let role = directory.identity_by_arn(&role_arn.stored).map(Arc::clone);
    let role = role.ok_or_else(|| denied("there is no such role"))?;
    let mut keys = grouped(&identity.keys);
    keys.push(("sts:RoleSessionName".to_owned(), vec![session_name.clone()]));
    keys.push(("sts:DurationSeconds".to_owned(), vec![duration_seconds.to_string()]));
    keys.push(("aws:FederatedProvider".to_owned(), vec![provider_arn.clone()]));
    let decision = authorize_web_identity(http, &provider_arn, &role, ACTION, &keys);
    if !decision.is_some_and(|decision| decision.is_allowed()) {
        return Err(denied("its trust policy does not allow it to this subject and audience"));
    }
    // A stranger's document is not read.
    let narrowing = narrowing.require_readable()?;

    let wish = Wish {
        name: session_name,
        duration_seconds,
        narrowing,
        web_identity: identity.keys,
        web_identity_provider: Some(provider_arn.clone()),
        ..Wish::default()
    };
    let region = http.app.accounts.regions().first().expect("a server has a region");
    let assumed = grant::assume(&http.app, &directory, &role, region, wish)?;
    tracing::info!(
        request_id = %http.request_id, subject = %identity.subject, role = %role.arn,
        "a web identity has assumed {}", role.arn
    );
    Ok(Output {
        credentials: assumed.credentials,
        subject_from_web_identity_token: identity.subject,
        assumed_role_user: assumed.user,
        packed_policy_size: assumed.packed_policy_size,
        provider: provider_arn,
        audience: identity.audience,
    })
}

/// Believes the token, if its issuer is a provider of the role's account and has signed it for one of the audiences.
async fn believe(http: &RequestContext, token: &Token<'_>, provider_arn: &str) -> Result<WebIdentity, StsError> {
    let unknown = || {
        let issuer = &token.issuer;
        StsError::InvalidIdentityToken(format!("No OpenIDConnect provider found in your account for {issuer}"))
    };
    // Without a scheme the URL would name the provider all the same, and a single word could be that of other keys:
    // `aws:sub` is no issuer's to say.
    let name = token.issuer_name();
    let is_host = name.contains(['.', ':', '/']) || name == "localhost";
    if name == token.issuer || !is_host {
        return Err(unknown());
    }
    let find = || http.app.identities.current().provider(provider_arn).map(Arc::clone).ok_or_else(unknown);
    find()?;
    let now_ms = http.app.now_ms();
    let keys = http
        .app
        .oidc_issuers
        .keys(&token.issuer, &token.key_id, now_ms)
        .await
        .map_err(|error| StsError::IdentityProviderUnreachable(error.to_string()))?;
    // What is configured of it may have changed while its keys were fetched.
    let provider = find()?;
    token.verify(&keys, &provider.client_ids, now_ms).map_err(|error| {
        if error == TokenError::Audience {
            let audience = shortened(&token.audiences().join(", "));
            tracing::info!(
                request_id = %http.request_id, %audience,
                "a web identity is made out to none of the audiences of {provider_arn}: {}", provider.client_ids.join(", ")
            );
        }
        error.into()
    })
}

/// What a token says, no longer than a line of the log should be.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_LOGGED_CHARS).collect()
}

/// Each key once, with all its values.
fn grouped(keys: &[(String, String)]) -> Vec<(String, Vec<String>)> {
    let mut grouped: Vec<(String, Vec<String>)> = Vec::with_capacity(keys.len());
    for (key, value) in keys {
        match grouped.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) => values.push(value.clone()),
            None => grouped.push((key.clone(), vec![value.clone()])),
        }
    }
    grouped
}
