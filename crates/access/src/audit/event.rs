//! A record in CloudTrail's form, and where it goes.

use std::borrow::Cow;
use std::net::IpAddr;

use aws::AccountId;
use runtime::source_network;
use serde::Serialize;
use serde_json::{Value, json};
use store::tables::audit_events::NewEvent;
use store::tables::registry_id::RegistryId;
use store::tables::secrets;

use super::parameters::{OF_FAILURES, Parameters, WHOLE};
use super::repetitions::{Failure, Kind};
use super::{identity, recipients};
use crate::Access;
use crate::auth::authorize::{Need, Resource};
use crate::auth::caller::Caller;
use crate::request::RequestContext;

const EVENT_VERSION: &str = "1.11";
const REPOSITORY_TYPE: &str = "AWS::ECR::Repository";
/// Where events of services without regions are listed, if that region is served.
const GLOBAL_REGION: &str = "us-east-1";
const GLOBAL_SOURCE: &str = "iam.amazonaws.com";
/// Resources of one record; lists of the model hold no more repositories.
const MAX_RESOURCES: usize = 100;
/// Resources of the record of what failed.
const MAX_RESOURCES_OF_FAILURES: usize = 10;

/// Something that a call was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedResource {
    pub(super) arn: String,
    pub(super) account: AccountId,
    /// CloudTrail's name for what it is, if it is known.
    kind: Option<&'static str>,
    /// The name by which LookupEvents finds it beside the ARN.
    pub(super) name: Option<String>,
}

impl AuditedResource {
    /// A repository.
    pub fn repository(registry: &RegistryId, name: &str) -> Self {
        Self {
            arn: registry.repository_arn(name),
            account: registry.account,
            kind: Some(REPOSITORY_TYPE),
            name: Some(name.to_owned()),
        }
    }

    /// What a permission was needed on; none where that is not one thing.
    pub fn of_need(need: &Need, caller: &Caller) -> Option<Self> {
        match &need.resource {
            Resource::Repository { registry, name } if name != "*" => Some(Self::repository(registry, name)),
            Resource::Secret(id) => Some(Self::own(&secrets::arn(&id.registry, &id.text), id.registry.account)),
            Resource::Key(key) => Some(Self::own(&key.arn(), key.registry.account)),
            Resource::Own(arn) if !arn.contains('*') => Some(Self::own(arn, caller.account)),
            Resource::Repository { .. } | Resource::Own(_) | Resource::Any => None,
        }
    }

    /// Anything else of an account.
    pub fn own(arn: &str, account: AccountId) -> Self {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let (service, resource) = (parts.get(2).copied().unwrap_or(""), parts.get(5).copied().unwrap_or(""));
        let kind = match (service, resource.split(['/', ':']).next().unwrap_or("")) {
            ("iam", "user") => Some("AWS::IAM::User"),
            ("iam", "role") => Some("AWS::IAM::Role"),
            ("iam", "group") => Some("AWS::IAM::Group"),
            ("iam", "policy") => Some("AWS::IAM::Policy"),
            ("iam", "oidc-provider") => Some("AWS::IAM::OIDCProvider"),
            ("secretsmanager", _) => Some("AWS::SecretsManager::Secret"),
            ("kms", "key") => Some("AWS::KMS::Key"),
            _ => None,
        };
        // Slashes are part of the names of secrets and providers; elsewhere what stands before the last one is a path.
        let name = match (service, resource.split_once([':', '/'])) {
            ("secretsmanager", Some(("secret", name))) | ("iam", Some(("oidc-provider", name))) => Some(name),
            _ => resource.rsplit(['/', ':']).next(),
        };
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        Self { arn: arn.to_owned(), account, kind, name }
    }
}

/// Who called, as records say it.
#[derive(Clone)]
pub struct Who {
    /// `userIdentity`.
    pub identity: Value,
    /// LookupEvents' user name.
    pub username: String,
    /// The account.
    pub account: AccountId,
    /// The region that was called.
    pub region: aws::Region,
    /// The key that was used, if one was.
    pub access_key_id: Option<String>,
    /// Whose failures are counted together, if it was found out who it is: the root user, a user or a role.
    pub principal: Option<String>,
}

impl Who {
    /// Whoever signed.
    pub fn caller(caller: &Caller) -> Self {
        Self {
            identity: identity::user_identity(caller),
            username: identity::username(caller),
            account: caller.account,
            region: caller.region.clone(),
            access_key_id: Some(caller.access_key_id.clone()).filter(|id| !id.is_empty()),
            principal: match caller.identity() {
                // Sessions of one role are one: their names are the caller's to choose.
                Some(identity) => Some(identity.entity.id.clone()),
                None => caller.anonymous().is_none().then(|| caller.account.to_string()),
            },
        }
    }

    /// Those whose failures are counted together with this one's, as the record of a count names them: the role and not one of
    /// its sessions, who made a federated user and not that user, a user without a key. Whose call came first did not make
    /// the others.
    #[must_use]
    pub fn counted(&self) -> Self {
        let mut identity = self.identity.clone();
        if let Some(issuer) = self.identity.pointer("/sessionContext/sessionIssuer") {
            identity = issuer.clone();
        }
        if let Some(members) = identity.as_object_mut() {
            members.remove("accessKeyId");
            members.remove("sessionContext");
        }
        let username = identity["userName"].as_str().unwrap_or("root").to_owned();
        Self { identity, username, access_key_id: None, ..self.clone() }
    }

    /// The same, where nothing proves that it is who is named.
    #[must_use]
    pub fn unproven(self) -> Self {
        Self { principal: None, ..self }
    }
}

/// A call, as the dispatchers know it when it has ended.
pub struct ApiEvent<'a> {
    /// The request.
    pub http: &'a RequestContext,
    /// Who called.
    pub who: Who,
    /// The service, such as `ecr.amazonaws.com`.
    pub source: Cow<'static, str>,
    /// The name of the operation.
    pub name: &'a str,
    /// Whether it only reads.
    pub is_read_only: bool,
    /// Whether LookupEvents is to know of it though it knows of nothing else that only reads.
    pub is_always_stored: bool,
    /// What was asked. Secrets are hidden in the record.
    pub request_parameters: Parameters<'a>,
    /// What was answered, without secrets; null for what only reads and for errors.
    pub response_elements: Value,
    /// The error's name and text.
    pub error: Option<(Cow<'static, str>, String)>,
    /// What it was about.
    pub resources: Vec<AuditedResource>,
}

/// Something that the service did by itself.
pub struct ServiceEvent {
    /// Whose.
    pub registry: RegistryId,
    /// What, in CloudTrail's words, such as `PolicyExecutionEvent`.
    pub name: &'static str,
    /// The repositories that it was about.
    pub repositories: Vec<String>,
    /// CloudTrail's `serviceEventDetails`, without secrets.
    pub details: Value,
}

/// A record, whose members CloudTrail writes in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    event_version: &'static str,
    user_identity: Value,
    event_time: String,
    event_source: &'a str,
    event_name: &'a str,
    aws_region: &'a str,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: String,
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    request_parameters: Value,
    response_elements: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_event_data: Option<Value>,
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(rename = "eventID")]
    event_id: String,
    read_only: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Value>,
    event_type: &'static str,
    management_event: bool,
    recipient_account_id: String,
    #[serde(rename = "sharedEventID", skip_serializing_if = "Option::is_none")]
    shared_event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_event_details: Option<&'a Value>,
    event_category: &'static str,
}

/// What of an event its row in the table needs beside the record.
#[derive(Clone)]
struct Row<'a> {
    at_ms: i64,
    region: aws::Region,
    username: Option<String>,
    access_key_id: Option<String>,
    resources: &'a [AuditedResource],
    is_always_stored: bool,
}

fn new_id() -> String {
    runtime::random::uuid().to_string()
}

/// Whether what failed is recorded by itself, and not only counted.
fn is_admitted(http: &RequestContext, who: &Who, source: &str, name: &str, code: &str) -> bool {
    let (audit, now_ms) = (&http.app.audit, http.app.now_ms());
    match &who.principal {
        Some(principal) => {
            let failure = Failure { source: source.to_owned(), name: name.to_owned(), code: code.to_owned() };
            audit.failures.admits(principal, who, failure, now_ms)
        }
        None => {
            let network = source_network::network(http.source_ip);
            audit.refusals.admits(Kind { network, account: who.account, code: code.to_owned() }, now_ms)
        }
    }
}

/// Records a call, unless it failed as many others did. It is for whoever asked `Audit::wants`, and never waits.
pub fn record(event: ApiEvent<'_>) {
    let ApiEvent { http, who, source, name, is_read_only, error, .. } = event;
    if let Some((code, _)) = &error
        && !is_admitted(http, &who, &source, name, code)
    {
        return;
    }
    let app = &*http.app;
    let now_ms = app.now_ms();
    let (room, max_resources) =
        if error.is_some() { (OF_FAILURES, MAX_RESOURCES_OF_FAILURES) } else { (WHOLE, MAX_RESOURCES) };
    let (request_parameters, is_cut) = event.request_parameters.shown(room);
    let mut resources = Vec::new();
    for resource in event.resources {
        if resources.len() < max_resources && !resources.contains(&resource) {
            resources.push(resource);
        }
    }
    let region = if source == GLOBAL_SOURCE { GLOBAL_REGION } else { who.region.as_str() };
    let listed_in = app.accounts.regions().iter().find(|served| served.as_str() == region);
    let listed_in = listed_in.or_else(|| app.accounts.regions().first()).cloned();
    // The owner of what another account reaches for learns of it too, as in CloudTrail.
    let mut others: Vec<AccountId> = Vec::new();
    for resource in &resources {
        let account = resource.account;
        if account != who.account && !others.contains(&account) && app.accounts.ids().contains(&account) {
            others.push(account);
        }
    }
    let mut record = Record {
        event_version: EVENT_VERSION,
        user_identity: who.identity,
        event_time: aws::time::iso8601(now_ms),
        event_source: &source,
        event_name: name,
        aws_region: region,
        source_ip_address: http.source_ip.to_string(),
        user_agent: http.header(http::header::USER_AGENT).map(|text| OF_FAILURES.cut(text)),
        error_code: error.as_ref().map(|(code, _)| code.as_ref()),
        error_message: error.as_ref().map(|(_, message)| room.cut(message)),
        request_parameters,
        response_elements: event.response_elements,
        additional_event_data: is_cut.then(|| json!({ "requestParametersTruncated": true })),
        request_id: Some(http.request_id.to_string()),
        event_id: new_id(),
        read_only: is_read_only,
        resources: resources.iter().map(shown_resource).collect(),
        event_type: "AwsApiCall",
        management_event: true,
        recipient_account_id: who.account.to_string(),
        shared_event_id: (!others.is_empty()).then(new_id),
        service_event_details: None,
        event_category: "Management",
    };
    let mut row = Row {
        at_ms: now_ms,
        region: listed_in.unwrap_or_else(|| who.region.clone()),
        username: Some(who.username),
        access_key_id: who.access_key_id,
        resources: &resources,
        is_always_stored: event.is_always_stored,
    };
    keep(app, &record, who.account, &row, true);
    if others.is_empty() {
        return;
    }
    // The others learn which account it was, and what of theirs it reached for. They learn nothing of its users and keys, which
    // the text of a refusal names, and nothing of what else it asked for in the same call, and was answered.
    record.user_identity = identity::of_other_account(&record.user_identity);
    record.error_message = None;
    (record.response_elements, record.additional_event_data) = (Value::Null, None);
    (row.username, row.access_key_id) = (None, None);
    let asked = std::mem::take(&mut record.request_parameters);
    for other in others {
        let own: Vec<AuditedResource> = resources.iter().filter(|of| of.account == other).cloned().collect();
        record.event_id = new_id();
        record.recipient_account_id = other.to_string();
        record.request_parameters = recipients::naming(&asked, other, &own);
        record.resources = own.iter().map(shown_resource).collect();
        keep(app, &record, other, &Row { resources: &own, ..row.clone() }, false);
    }
}

/// Records something that the service did by itself; for jobs. It never waits.
pub fn record_service_event(app: &Access, event: &ServiceEvent) {
    if !app.audit.wants(false) {
        return;
    }
    let now_ms = app.now_ms();
    let resources: Vec<AuditedResource> = event
        .repositories
        .iter()
        .take(MAX_RESOURCES)
        .map(|name| AuditedResource::repository(&event.registry, name))
        .collect();
    let account = event.registry.account;
    let record = Record {
        event_version: EVENT_VERSION,
        user_identity: json!({ "accountId": account.as_str(), "invokedBy": "AWS Internal" }),
        event_time: aws::time::iso8601(now_ms),
        event_source: event.registry.kind().event_source(),
        event_name: event.name,
        aws_region: event.registry.region.as_str(),
        source_ip_address: "AWS Internal".to_owned(),
        user_agent: Some("AWS Internal".to_owned()),
        error_code: None,
        error_message: None,
        request_parameters: Value::Null,
        response_elements: Value::Null,
        additional_event_data: None,
        request_id: None,
        event_id: new_id(),
        read_only: false,
        resources: resources.iter().map(shown_resource).collect(),
        event_type: "AwsServiceEvent",
        management_event: true,
        recipient_account_id: account.to_string(),
        shared_event_id: None,
        service_event_details: Some(&event.details),
        event_category: "Management",
    };
    let region = event.registry.region.clone();
    let row = Row {
        at_ms: now_ms,
        region,
        username: None,
        access_key_id: None,
        resources: &resources,
        is_always_stored: true,
    };
    keep(app, &record, account, &row, true);
}

/// How many calls have no record of their own, and what they have in common.
pub struct Repeated {
    /// Who made them.
    pub who: Who,
    /// From where; none if that is not one place.
    pub address: Option<IpAddr>,
    /// The error's name, if it is one.
    pub code: Option<String>,
    /// The service and the operation, if they are one.
    pub call: Option<(String, String)>,
    /// When the count began.
    pub since_ms: i64,
    /// How many there were.
    pub count: u64,
}

/// Records how many calls that were refused or failed were not recorded each by itself. It never waits.
pub fn record_repetitions(app: &Access, repeated: Repeated) {
    let now_ms = app.now_ms();
    let Repeated { who, address, code, call, since_ms, count } = repeated;
    let mut counted = json!({ "count": count, "since": aws::time::iso8601(since_ms) });
    if let Some((source, name)) = call {
        counted["eventSource"] = source.into();
        counted["eventName"] = name.into();
    }
    let record = Record {
        event_version: EVENT_VERSION,
        user_identity: who.identity,
        event_time: aws::time::iso8601(now_ms),
        event_source: "wharf",
        event_name: "RepeatedRefusals",
        aws_region: who.region.as_str(),
        source_ip_address: address.map_or_else(|| "several".to_owned(), |address| address.to_string()),
        user_agent: None,
        error_code: code.as_deref(),
        error_message: Some("Further requests were refused".to_owned()),
        request_parameters: Value::Null,
        response_elements: Value::Null,
        additional_event_data: Some(counted),
        request_id: None,
        event_id: new_id(),
        read_only: false,
        resources: Vec::new(),
        event_type: "AwsServiceEvent",
        management_event: true,
        recipient_account_id: who.account.to_string(),
        shared_event_id: None,
        service_event_details: None,
        event_category: "Management",
    };
    let row = Row {
        at_ms: now_ms,
        region: who.region.clone(),
        username: Some(who.username),
        access_key_id: who.access_key_id,
        resources: &[],
        is_always_stored: true,
    };
    keep(app, &record, who.account, &row, true);
}

fn shown_resource(resource: &AuditedResource) -> Value {
    let mut shown = json!({ "accountId": resource.account.as_str(), "ARN": resource.arn });
    if let Some(kind) = resource.kind {
        shown["type"] = kind.into();
    }
    shown
}

/// Hands a record to the file, once for all accounts that it is for as its caller's, and to the table.
fn keep(app: &Access, record: &Record<'_>, account: AccountId, row: &Row<'_>, is_for_file: bool) {
    let audit = &app.audit;
    let text = match serde_json::to_string(record) {
        Ok(text) => text,
        Err(error) => {
            tracing::error!("an audit record cannot be written: {error}", error = runtime::with_causes(&error));
            return;
        }
    };
    if let Some(file) = audit.file.as_ref().filter(|_| is_for_file) {
        file.write(&aws::visible::shown_json(&text));
    }
    if !audit.stores(record.read_only && !row.is_always_stored) {
        return;
    }
    let names = |resource: &AuditedResource| {
        let kind = resource.kind?;
        Some([Some(resource.arn.clone()), resource.name.clone()].into_iter().flatten().map(move |name| (name, kind)))
    };
    audit.pending.push(NewEvent {
        registry: RegistryId { account, region: row.region.clone() },
        at_ms: row.at_ms,
        event_id: record.event_id.clone(),
        event_name: record.event_name.to_owned(),
        event_source: record.event_source.to_owned(),
        username: row.username.clone(),
        access_key_id: row.access_key_id.clone(),
        is_read_only: record.read_only,
        resources: row.resources.iter().filter_map(names).flatten().collect(),
        // A NUL is escaped in JSON, so no text here is one that the table cannot hold.
        record: text,
    });
}

#[cfg(test)]
mod tests {
    use store::tables::audit_events::{self, EventFilter};

    use super::*;
    use crate::testing::{ACCOUNT, START_MS, TestAccess};
    use crate::web_identity::SourceConfig;

    #[tokio::test]
    async fn service_events() {
        let server = TestAccess::new(SourceConfig::default()).await;
        let registry =
            RegistryId { account: ACCOUNT.parse().expect("an id"), region: "cn-north-1".parse().expect("a region") };
        let event = ServiceEvent {
            registry: registry.clone(),
            name: "PolicyExecutionEvent",
            repositories: vec!["app".to_owned()],
            details: json!({ "repositoryName": "app" }),
        };
        record_service_event(&server, &event);
        server.audit.flush(&server.db).await.expect("stored");
        let filter = EventFilter { registry, from_ms: START_MS, until_ms: START_MS, attribute: None, before: None };
        let found = server.db.read(move |tx| audit_events::list(tx, &filter, 10)).await.expect("readable");
        let [found] = &found[..] else { panic!("{found:?}") };
        assert_eq!((found.event_name.as_str(), &found.username), ("PolicyExecutionEvent", &None));
        let record: Value = serde_json::from_str(&found.record).expect("JSON");
        assert_eq!(record["eventType"], "AwsServiceEvent");
        assert_eq!(record["userIdentity"]["invokedBy"], "AWS Internal");
        assert_eq!(record["serviceEventDetails"], json!({ "repositoryName": "app" }));
        assert_eq!(record["resources"][0]["ARN"], format!("arn:aws-cn:ecr:cn-north-1:{ACCOUNT}:repository/app"));
    }

    #[test]
    fn kinds_of_resources() {
        let account: AccountId = ACCOUNT.parse().expect("an id");
        for (arn, kind, name) in [
            ("arn:aws:iam::123456789012:user/path/ci", Some("AWS::IAM::User"), "ci"),
            ("arn:aws:iam::123456789012:role/ci", Some("AWS::IAM::Role"), "ci"),
            ("arn:aws:iam::aws:policy/ReadOnly", Some("AWS::IAM::Policy"), "ReadOnly"),
            (
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-a1b2c3",
                Some("AWS::SecretsManager::Secret"),
                "db-a1b2c3",
            ),
            (
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/hub",
                Some("AWS::SecretsManager::Secret"),
                "ecr-pullthroughcache/hub",
            ),
            (
                "arn:aws:iam::123456789012:oidc-provider/gitlab.example.com/ci",
                Some("AWS::IAM::OIDCProvider"),
                "gitlab.example.com/ci",
            ),
            ("arn:aws:sns:us-east-1:123456789012:topic", None, "topic"),
        ] {
            let resource = AuditedResource::own(arn, account);
            assert_eq!((resource.kind, resource.name.as_deref()), (kind, Some(name)), "{arn}");
        }
        assert_eq!(AuditedResource::own("x", account).kind, None);
    }
}
