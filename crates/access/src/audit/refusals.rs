//! Records of requests that were refused before anybody was let in, and of what is asked without credentials.

use std::borrow::Cow;

use aws::sigv4::{Presented, RequestParts, SigV4Error};
use aws::{AccountId, AwsError, Region};
use serde_json::{Value, json};
use store::tables::registry_kind::RegistryKind;

use super::api_call::service_of;
use super::event::{ApiEvent, AuditedResource, Repeated, Who, record, record_repetitions};
use super::parameters::shown;
use super::repetitions::Repetitions;
use crate::Access;
use crate::auth::caller::Caller;
use crate::auth::download_url::Grant;
use crate::auth::layer_grant::LayerGrant;
use crate::auth::{keys, token};
use crate::request::RequestContext;

/// The longest name of an operation that a client made up.
const MAX_NAME: usize = 128;

/// Nobody, as CloudTrail names those who show no credentials; with the key that they named, if it looks like one.
fn nobody(account: AccountId, region: Region, access_key_id: Option<&str>) -> Who {
    let access_key_id = access_key_id.filter(|id| is_key_id(id)).map(str::to_owned);
    let mut identity = json!({ "type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL" });
    if let Some(id) = &access_key_id {
        identity["accessKeyId"] = id.as_str().into();
    }
    Who { identity, username: "anonymous".to_owned(), account, region, access_key_id, principal: None }
}

/// Whether a text has the form of an access key's id. What does not could be a secret in the wrong place.
fn is_key_id(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// Where what belongs to no account is recorded: the server's first.
fn first_account(app: &Access) -> Option<(AccountId, Region)> {
    Some((*app.accounts.ids().first()?, app.accounts.regions().first()?.clone()))
}

/// The operation that was meant: its service as records name it, and its name.
fn operation_of(http: &RequestContext, presented: Option<&Presented>) -> (Cow<'static, str>, String) {
    if let Some(operation) = http.notes.operation() {
        return (service_of(operation.service), operation.name.to_owned());
    }
    let service = presented.map(|presented| presented.service.as_str()).filter(|service| is_word(service));
    let source = service.map_or(Cow::Borrowed("unknown"), |service| service_of(service).into_owned().into());
    let target = http.header("x-amz-target").and_then(|target| target.rsplit('.').next());
    (source, operation_name(target.unwrap_or_default()))
}

fn is_word(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A name that a client made up, if it is one.
fn operation_name(text: &str) -> String {
    if is_word(text) { text.to_owned() } else { "UnknownOperation".to_owned() }
}

/// What was meant by a request that is refused.
struct Refused<'a> {
    source: Cow<'static, str>,
    name: &'a str,
    /// Of an operation that Wharf does not have nobody says so.
    is_read_only: bool,
}

/// Records something that was refused, unless there are too many of its kind.
fn record_refusal(
    http: &RequestContext,
    who: Who,
    refused: Refused<'_>,
    request_parameters: Value,
    error: (Cow<'static, str>, String),
    resources: Vec<AuditedResource>,
) {
    let Refused { source, name, is_read_only } = refused;
    record(ApiEvent {
        http,
        who: who.unproven(),
        source,
        name,
        is_read_only,
        is_always_stored: true,
        request_parameters: request_parameters.into(),
        response_elements: Value::Null,
        error: Some(error),
        resources,
    });
}

/// Records a call of the AWS protocols whose credentials are no good: of the account whose key was named, and else of the
/// server's first. Requests without credentials try nothing, and are not recorded.
pub fn record_signature(http: &RequestContext, is_read_only: bool, error: &SigV4Error) {
    let app = &http.app;
    if *error == SigV4Error::MissingAuthenticationToken || !app.audit.wants(false) {
        return;
    }
    let Some((account, region)) = first_account(app) else { return };
    let (method, path, query, headers) = (http.method.as_str(), &http.path, &http.query, &http.headers);
    let presented = Presented::from_request(&RequestParts { method, path, query, headers, body_sha256: "" }).ok();
    let who = presented.as_ref().map(|presented| {
        let served = app.accounts.regions().iter().find(|served| served.as_str() == presented.region);
        let region = served.unwrap_or(&region).clone();
        match keys::find(app, &presented.access_key_id, presented.session_token.as_deref()) {
            Ok(holder) => Who::caller(&holder.into_caller(region, presented.access_key_id.clone())),
            Err(_) => nobody(account, region, Some(&presented.access_key_id)),
        }
    });
    let (source, name) = operation_of(http, presented.as_ref());
    let is_query = matches!(&*source, "sts.amazonaws.com" | "iam.amazonaws.com");
    let code = if is_query { error.query_code() } else { error.json_type() };
    // The rest of the text repeats the request, with its signature and session token.
    let text = error.to_string();
    let text = match error {
        SigV4Error::IncompleteSignature(_) => "The credentials of the request cannot be read",
        _ => text.lines().next().unwrap_or_default(),
    };
    let who = who.unwrap_or_else(|| nobody(account, region, None));
    let refused = Refused { source, name: &name, is_read_only };
    record_refusal(http, who, refused, Value::Null, (code.into(), text.to_owned()), Vec::new());
}

/// Records a request of `/v2/` with a token that is no good: of the registry that the host names, or else of the server's
/// first account. Who has a token that was good once is known. `call` is the call of the API that it stands for, and whether
/// that changes nothing.
pub fn record_login(http: &RequestContext, call: Option<(&'static str, bool)>, error: &token::TokenError) {
    let app = &http.app;
    let Some(header) = http.header(http::header::AUTHORIZATION).filter(|_| app.audit.wants(false)) else { return };
    let Some((account, region)) = first_account(app) else { return };
    let named = app.hosts.registry_of(&http.authority).filter(|named| app.accounts.ids().contains(&named.account));
    let (account, region) = named.map_or((account, region), |named| (named.account, named.region));
    let (code, text, caller): (_, _, Option<Caller>) = match error {
        token::TokenError::Expired => (
            "ExpiredTokenException",
            "Your authorization token has expired. Reauthenticate and try again.",
            token::expired_caller(app, header),
        ),
        token::TokenError::Invalid => ("UnrecognizedClientException", "Your Authorization Token is invalid.", None),
        token::TokenError::Missing => {
            ("IncompleteSignatureException", "The credentials of the request cannot be read", None)
        }
    };
    let who = caller.map_or_else(|| nobody(account, region, None), |caller| Who::caller(&caller));
    // `docker login` asks for `/v2/`, which is no call of the API.
    let (name, is_read_only) = call.unwrap_or(("RegistryLogin", false));
    let refused = Refused { source: RegistryKind::PRIVATE_EVENT_SOURCE.into(), name, is_read_only };
    let parameters = json!({ "path": super::cut(&http.path) });
    record_refusal(http, who, refused, parameters, (code.into(), text.to_owned()), Vec::new());
}

/// Records that a web identity was not given a role's keys: of the role's account, if it is one of the server's.
pub fn record_web_identity_refusal(http: &RequestContext, name: &'static str, body: &[u8], error: &AwsError) {
    let app = &http.app;
    if !app.audit.wants(false) {
        return;
    }
    let Some((first, region)) = first_account(app) else { return };
    let request_parameters = shown(body);
    let role_arn = request_parameters["roleArn"].as_str().unwrap_or_default().to_owned();
    let named = role_arn.split(':').nth(4).and_then(|account| account.parse().ok());
    let account = named.filter(|account| app.accounts.ids().contains(account)).unwrap_or(first);
    let who = Who {
        identity: json!({ "type": "WebIdentityUser", "principalId": "", "accountId": account.as_str() }),
        username: "anonymous".to_owned(),
        account,
        region,
        access_key_id: None,
        principal: None,
    };
    let resources = if named == Some(account) { vec![AuditedResource::own(&role_arn, account)] } else { Vec::new() };
    let code = if error.code == "AccessDeniedException" { "AccessDenied" } else { error.code };
    let error = (code.into(), error.message.clone());
    let refused = Refused { source: "sts.amazonaws.com".into(), name, is_read_only: true };
    record_refusal(http, who, refused, request_parameters, error, resources);
}

/// Records a call of an operation that Wharf does not have, by somebody who is known.
pub fn record_unknown_operation(http: &RequestContext, caller: &Caller, service: &str, name: &str, error: &AwsError) {
    if !http.app.audit.wants(false) {
        return;
    }
    let source = if is_word(service) { service_of(service).into_owned() } else { "unknown".to_owned() };
    record(ApiEvent {
        http,
        who: Who::caller(caller),
        source: source.into(),
        name: &operation_name(name.rsplit('.').next().unwrap_or_default()),
        is_read_only: false,
        is_always_stored: true,
        request_parameters: Value::Null.into(),
        response_elements: Value::Null,
        error: Some((error.code.into(), error.message.clone())),
        resources: Vec::new(),
    });
}

/// Records that somebody may not read the repository that a layer was to be mounted from.
pub fn record_denied_mount(http: &RequestContext, caller: &Caller, from: &AuditedResource, digest: &str, why: &str) {
    if !http.app.audit.wants(false) {
        return;
    }
    record(ApiEvent {
        http,
        who: Who::caller(caller),
        source: RegistryKind::PRIVATE_EVENT_SOURCE.into(),
        name: "GetDownloadUrlForLayer",
        is_read_only: true,
        is_always_stored: true,
        request_parameters: json!({ "layerDigest": digest, "mount": true }).into(),
        response_elements: Value::Null,
        error: Some(("AccessDenied".into(), why.to_owned())),
        resources: vec![from.clone()],
    });
}

/// Records that a layer was read by its URL, or that its URL was refused. Who has such a URL is not known.
pub fn record_layer_download(http: &RequestContext, grant: Option<&Grant>, error: Option<(&'static str, &str)>) {
    const NAME: &str = "GetLayer";
    let app = &http.app;
    let error = error.map(|(code, text)| (Cow::Borrowed(code), text.to_owned()));
    let Some(grant) = grant else {
        let Some(((account, region), error)) = first_account(app).zip(error).filter(|_| app.audit.wants(false)) else {
            return;
        };
        let who = nobody(account, region, None);
        let refused = Refused { source: RegistryKind::PRIVATE_EVENT_SOURCE.into(), name: NAME, is_read_only: true };
        return record_refusal(http, who, refused, Value::Null, error, Vec::new());
    };
    if !app.audit.wants(true) {
        return;
    }
    record(ApiEvent {
        http,
        who: nobody(grant.registry.account, grant.registry.region.clone(), None),
        source: grant.registry.kind().event_source().into(),
        name: NAME,
        is_read_only: true,
        is_always_stored: false,
        request_parameters: json!({
            "registryId": grant.registry.account.as_str(),
            "repositoryName": grant.repository.as_str(),
            "layerDigest": grant.digest.to_string(),
        })
        .into(),
        response_elements: Value::Null,
        error,
        resources: vec![AuditedResource::repository(&grant.registry, grant.repository.as_str())],
    });
}

/// Records that a layer was put at a path that PrepareReplication gave out, or that it was refused there. It is the doing of
/// whoever asked for the path.
pub fn record_replicated_layer(http: &RequestContext, grant: Option<&LayerGrant>, error: Option<(&'static str, &str)>) {
    const NAME: &str = "PutReplicatedLayer";
    let app = &http.app;
    if !app.audit.wants(false) {
        return;
    }
    let error = error.map(|(code, text)| {
        let code = if code == "AccessDeniedException" { "AccessDenied" } else { code };
        (Cow::Borrowed(code), text.to_owned())
    });
    let Some(LayerGrant { arrival, digest, caller }) = grant else {
        let Some(((account, region), error)) = first_account(app).zip(error) else { return };
        let who = nobody(account, region, None);
        let refused = Refused { source: "wharf".into(), name: NAME, is_read_only: false };
        return record_refusal(http, who, refused, Value::Null, error, Vec::new());
    };
    record(ApiEvent {
        http,
        who: Who::caller(caller),
        source: "wharf".into(),
        name: NAME,
        is_read_only: false,
        is_always_stored: false,
        request_parameters: json!({
            "sourceAccountId": arrival.origin.account().as_str(),
            "registryId": arrival.registry.account.as_str(),
            "repositoryName": arrival.repository.as_str(),
            "layerDigest": digest.to_string(),
        })
        .into(),
        response_elements: Value::Null,
        error,
        resources: vec![AuditedResource::repository(&arrival.registry, arrival.repository.as_str())],
    });
}

/// Records how many refusals and failures of the last minute have no record of their own; of all, if the server ends.
pub fn record_counts(app: &Access, is_end: bool) {
    let Some((account, region)) = first_account(app) else { return };
    let now_ms = app.now_ms();
    for Repetitions { kind, since_ms, count } in app.audit.refusals.take_ended(now_ms, is_end) {
        let account = kind.as_ref().map_or(account, |kind| kind.account);
        let who = nobody(account, region.clone(), None);
        let (address, code) = (kind.as_ref().map(|kind| kind.network), kind.map(|kind| kind.code));
        record_repetitions(app, Repeated { who, address, code, call: None, since_ms, count });
    }
    for (who, Repetitions { kind, since_ms, count }) in app.audit.failures.take_ended(now_ms, is_end) {
        let who = who.unwrap_or_else(|| nobody(account, region.clone(), None));
        let (call, code) = kind.map(|kind| ((kind.source, kind.name), kind.code)).unzip();
        record_repetitions(app, Repeated { who, address: None, code, call, since_ms, count });
    }
}
