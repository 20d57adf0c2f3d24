//! AssumeRole: a role's keys for a while, for a user, a session of a role, or the root user.

use std::sync::Arc;

use access::action::Action;
use access::auth::assume::authorize_role;
use access::auth::authorize::Need;
use access::auth::caller::Caller;
use access::auth::directory::Identity;
use access::auth::session::NewSession;
use api::grammar::Tag;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};

use super::constraints::{self, Check, Narrowing, PolicyArn, RoleArn, in_partition};
use super::errors::StsError;
use super::grant::{self, AssumedRoleUser, Credentials, MAX_CHAINED_SECONDS, Wish};

const DEFAULT_SECONDS: i64 = 3600;
const MAX_SECONDS: i64 = 43_200;

/// Issues temporary keys of a role to a caller who may assume it.
pub struct AssumeRole;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    role_arn: Option<String>,
    role_session_name: Option<String>,
    #[serde(default, deserialize_with = "aws::number_text")]
    duration_seconds: Option<aws::FormNumber>,
    external_id: Option<String>,
    policy: Option<String>,
    policy_arns: Option<Vec<PolicyArn>>,
    tags: Option<Vec<Tag>>,
    transitive_tag_keys: Option<Vec<String>>,
    source_identity: Option<String>,
    serial_number: Option<String>,
    token_code: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    credentials: Credentials,
    assumed_role_user: AssumedRoleUser,
    packed_policy_size: Option<usize>,
    source_identity: Option<String>,
}

pub struct Checked {
    role: RoleArn,
    session_name: String,
    duration_seconds: i64,
    external_id: Option<String>,
    narrowing: Narrowing,
    tags: Vec<(String, String)>,
    transitive_tag_keys: Vec<String>,
    source_identity: Option<String>,
}

impl Operation for AssumeRole {
    const NAME: &'static str = "AssumeRole";
    const ACTION: Action = Action::StsAssumeRole;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = StsError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, StsError> {
        let role = constraints::role_arn(input.role_arn)?;
        if call.caller.is_federated() {
            return Err(denied(&call.caller, Self::ACTION, &role));
        }
        let session_name = Check::required("roleSessionName", input.role_session_name)?;
        constraints::name("roleSessionName", &session_name)?;
        let duration_seconds = constraints::duration(input.duration_seconds, DEFAULT_SECONDS, MAX_SECONDS)?;
        let chained = role_session(&call.caller);
        if chained.is_some() && duration_seconds > MAX_CHAINED_SECONDS {
            return Err(StsError::Validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
                    .to_owned(),
            ));
        }
        if let Some(external_id) = &input.external_id {
            Check::length("externalId", external_id, 2, 1224)?;
        }
        if input.serial_number.is_some() || input.token_code.is_some() {
            return Err(StsError::AccessDenied(super::NO_MFA.to_owned()));
        }
        let narrowing = constraints::narrowing(input.policy, input.policy_arns)?.require_readable()?;
        let mut tags = Check::tags(input.tags)?;
        let mut transitive_tag_keys = constraints::transitive_tag_keys(input.transitive_tag_keys, &tags)?;
        let mut source_identity = input.source_identity;
        if let Some(name) = &source_identity {
            constraints::name("sourceIdentity", name)?;
        }
        if let Some(session) = chained {
            inherit_tags(session, &mut tags, &mut transitive_tag_keys)?;
            inherit_source_identity(session, &mut source_identity)?;
        }
        let external_id = input.external_id;
        Ok(Checked {
            role,
            session_name,
            duration_seconds,
            external_id,
            narrowing,
            tags,
            transitive_tag_keys,
            source_identity,
        })
    }

    /// The trust policy of the role decides together with the caller's policies: `run` asks both.
    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        Vec::new()
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, StsError> {
        let app = call.app;
        let directory = app.identities.current();
        let role = directory.identity_by_arn(&checked.role.stored).map(Arc::clone);
        authorize(call, role.as_deref(), &checked)?;
        let role = role.ok_or_else(|| denied(&call.caller, Self::ACTION, &checked.role))?;
        let source_identity = checked.source_identity.clone();
        let wish = Wish {
            name: checked.session_name,
            duration_seconds: checked.duration_seconds,
            narrowing: checked.narrowing,
            tags: checked.tags,
            transitive_tag_keys: checked.transitive_tag_keys,
            source_identity: checked.source_identity,
            ..Wish::default()
        };
        let assumed = grant::assume(app, &directory, &role, &call.caller.region, wish)?;
        tracing::info!(
            request_id = %call.http.request_id, principal = %call.caller.arn(), role = %role.arn,
            "{} has assumed {}", call.caller.arn(), role.arn
        );
        Ok(Output {
            credentials: assumed.credentials,
            assumed_role_user: assumed.user,
            packed_policy_size: assumed.packed_policy_size,
            source_identity,
        })
    }
}

/// The session of a role that calls; not of a user, whose keys of GetSessionToken make no chain.
fn role_session(caller: &Caller) -> Option<&NewSession> {
    caller.session().map(|session| &session.claims).filter(|claims| claims.name.is_some())
}

/// Tags that the calling session must hand on (IAM User Guide, "Chaining roles with session tags").
fn inherit_tags(
    session: &NewSession,
    tags: &mut Vec<(String, String)>,
    transitive_tag_keys: &mut Vec<String>,
) -> Result<(), StsError> {
    for key in &session.transitive_tag_keys {
        if tags.iter().any(|(own, _)| own.eq_ignore_ascii_case(key)) {
            return Err(StsError::Validation(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key \
                 from the calling session."
                    .to_owned(),
            ));
        }
        tags.extend(session.tags.iter().filter(|(own, _)| own.eq_ignore_ascii_case(key)).cloned());
        transitive_tag_keys.push(key.clone());
    }
    Ok(())
}

/// Once said, it stays (IAM User Guide, "Monitor and control actions taken with assumed roles").
fn inherit_source_identity(session: &NewSession, source_identity: &mut Option<String>) -> Result<(), StsError> {
    match (&session.source_identity, &source_identity) {
        (Some(known), Some(given)) if known != given => {
            Err(StsError::Validation("The source identity of the calling session cannot be changed".to_owned()))
        }
        (Some(known), _) => {
            *source_identity = Some(known.clone());
            Ok(())
        }
        (None, _) => Ok(()),
    }
}

/// A role that does not exist is refused with the text of one that is out of reach: nobody learns which roles exist.
fn authorize(call: &Call<'_>, role: Option<&Identity>, checked: &Checked) -> Result<(), StsError> {
    let keys = condition_keys(checked);
    let mut actions = vec![AssumeRole::ACTION];
    if !checked.tags.is_empty() {
        actions.push(Action::StsTagSession);
    }
    if checked.source_identity.is_some() {
        actions.push(Action::StsSetSourceIdentity);
    }
    for action in actions {
        let decision = role.and_then(|role| authorize_role(call.http, &call.caller, role, action, &keys));
        if !decision.is_some_and(|decision| decision.is_allowed()) {
            return Err(denied(&call.caller, action, &checked.role));
        }
    }
    Ok(())
}

fn denied(caller: &Caller, action: Action, role: &RoleArn) -> StsError {
    let resource = in_partition(role.stored.clone(), &caller.region);
    StsError::AccessDenied(format!(
        "User: {} is not authorized to perform: {action} on resource: {resource}",
        caller.arn()
    ))
}

fn condition_keys(checked: &Checked) -> Vec<(String, Vec<String>)> {
    let mut keys = vec![
        ("sts:RoleSessionName".to_owned(), vec![checked.session_name.clone()]),
        ("sts:DurationSeconds".to_owned(), vec![checked.duration_seconds.to_string()]),
    ];
    if let Some(external_id) = &checked.external_id {
        keys.push(("sts:ExternalId".to_owned(), vec![external_id.clone()]));
    }
    if let Some(source_identity) = &checked.source_identity {
        keys.push(("sts:SourceIdentity".to_owned(), vec![source_identity.clone()]));
    }
    for (key, value) in &checked.tags {
        keys.push((format!("aws:RequestTag/{key}"), vec![value.clone()]));
    }
    if !checked.tags.is_empty() {
        keys.push(("aws:TagKeys".to_owned(), checked.tags.iter().map(|(key, _)| key.clone()).collect()));
    }
    if !checked.transitive_tag_keys.is_empty() {
        keys.push(("sts:TransitiveTagKeys".to_owned(), checked.transitive_tag_keys.clone()));
    }
    keys
}
