//! Records of calls of the AWS protocols.

use std::borrow::Cow;

use aws::AwsError;
use serde_json::{Value, json};
use store::tables::registry_kind::RegistryKind;

use super::event::{ApiEvent, AuditedResource, Who, record};
use super::parameters::{Parameters, shown};
use crate::action::Action;
use crate::auth::authorize::Need;
use crate::auth::caller::Caller;
use crate::request::RequestContext;

/// A service by the name that signatures have for it, as CloudTrail names it.
pub(super) fn service_of(name: &str) -> Cow<'static, str> {
    match name {
        // Wharf's own operations are none of Amazon's.
        "wharf" => "wharf".into(),
        RegistryKind::PRIVATE_SERVICE => RegistryKind::PRIVATE_EVENT_SOURCE.into(),
        service => format!("{service}.amazonaws.com").into(),
    }
}

/// A call of an operation that has ended.
pub struct EndedCall<'a> {
    /// The request.
    pub http: &'a RequestContext,
    /// Who called.
    pub caller: &'a Caller,
    /// Its name.
    pub name: &'static str,
    /// The IAM action that it asks for.
    pub action: Action,
    /// Whether the operation changes nothing.
    pub is_read_only: bool,
    /// The request's JSON.
    pub body: &'a [u8],
    /// The members that it may have, if that is known.
    pub members: Option<&'static [&'static str]>,
    /// What the caller needed permission for, as far as it was found out.
    pub needs: &'a [Need],
    /// The answer's JSON, or the error.
    pub result: &'a Result<Vec<u8>, AwsError>,
}

/// Records a call of an operation, unless nobody wants to know of it.
pub fn record_call(call: &EndedCall<'_>) {
    let is_read_only = call.is_read_only;
    if !call.http.app.audit.wants(is_read_only) {
        return;
    }
    record(ApiEvent {
        http: call.http,
        who: Who::caller(call.caller),
        source: service_of(call.action.service()),
        name: call.name,
        is_read_only,
        is_always_stored: false,
        request_parameters: Parameters::Body(call.body, call.members),
        response_elements: match call.result {
            Ok(output) if !is_read_only => shown(output),
            Ok(_) | Err(_) => Value::Null,
        },
        error: call.result.as_ref().err().map(|error| (code(error).into(), error.message.clone())),
        resources: call.needs.iter().filter_map(|need| AuditedResource::of_need(need, call.caller)).collect(),
    });
}

/// CloudTrail names a refusal `AccessDenied`, whatever the protocol calls it.
fn code(error: &AwsError) -> &'static str {
    if error.code == "AccessDeniedException" { "AccessDenied" } else { error.code }
}

/// Records that a web identity took a role's keys. Those who are refused have no account that could be told.
pub fn record_web_identity(http: &RequestContext, name: &'static str, body: &[u8], output: &[u8]) {
    let app = &*http.app;
    // To CloudTrail taking a role is a read.
    if !app.audit.wants(true) {
        return;
    }
    let (request_parameters, output) = (shown(body), shown(output));
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let role_arn = text(&request_parameters, "/roleArn");
    let Some(account) = role_arn.split(':').nth(4).and_then(|account| account.parse().ok()) else { return };
    let Some(region) = app.accounts.regions().first().cloned() else { return };
    let (provider, audience, subject) =
        (text(&output, "/provider"), text(&output, "/audience"), text(&output, "/subjectFromWebIdentityToken"));
    record(ApiEvent {
        http,
        who: Who {
            identity: json!({
                "type": "WebIdentityUser",
                "principalId": format!("{provider}:{audience}:{subject}"),
                "userName": subject,
                "identityProvider": provider,
            }),
            username: subject,
            account,
            region,
            access_key_id: None,
            principal: None,
        },
        source: "sts.amazonaws.com".into(),
        name,
        is_read_only: true,
        is_always_stored: false,
        request_parameters: request_parameters.into(),
        response_elements: Value::Null,
        error: None,
        resources: vec![AuditedResource::own(&role_arn, account)],
    });
}
