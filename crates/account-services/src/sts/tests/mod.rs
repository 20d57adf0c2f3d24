//! What the tests of STS share: they call operations on a server without a listener.

mod roles;
mod web_identity;

use access::action::Action;
use access::auth::authorize::{self, Need};
use access::auth::caller::Caller;
use access::auth::keys;
use access::web_identity::SourceConfig;
use api::protocols::operation::Call;
use registry::testing::TestRegistry;
use serde_json::{Value, json};
use store::tables::registry_id::RegistryId;

use super::OPERATIONS;

const ROLE: &str = "arn:aws:iam::123456789012:role/ci";

fn policy(effect: &str, action: Value) -> String {
    json!({"Version": "2012-10-17", "Statement": {"Effect": effect, "Action": action, "Resource": "*"}}).to_string()
}

fn trust(principal: Value, action: Value, condition: Value) -> String {
    json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": principal, "Action": action, "Condition": condition,
    }})
    .to_string()
}

fn trusts(principal: &str) -> String {
    trust(json!({"AWS": principal}), json!("sts:AssumeRole"), json!({}))
}

fn user_arn(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:user/{name}")
}

/// What an operation answers: its output, or the code and text of its error.
type Answer = Result<Value, (&'static str, String)>;

async fn call(test: &TestRegistry, caller: Caller, operation: &str, input: Value) -> Answer {
    let http = test.request();
    let entry = OPERATIONS.iter().find(|entry| entry.name == operation).expect("an operation");
    let call = Call::new(&test.app, &http, caller);
    let output = (entry.run)(&call, input.to_string().as_bytes()).await.map_err(|error| (error.code, error.message))?;
    Ok(serde_json::from_slice(&output).expect("JSON"))
}

async fn assume(test: &TestRegistry, access_key_id: &str, changes: Value) -> Answer {
    assume_as(test, test.caller(access_key_id), changes).await
}

async fn assume_as(test: &TestRegistry, caller: Caller, changes: Value) -> Answer {
    let mut input = json!({"RoleArn": ROLE, "RoleSessionName": "job"});
    for (name, value) in changes.as_object().expect("an object") {
        input[name] = value.clone();
    }
    call(test, caller, "AssumeRole", input).await
}

/// Whoever has the credentials of an answer.
fn holder(test: &TestRegistry, answer: &Value) -> Result<Caller, String> {
    let credential = |name: &str| answer["Credentials"][name].as_str().expect("a text").to_owned();
    let found = keys::find(&test.app, &credential("AccessKeyId"), Some(&credential("SessionToken")));
    let found = found.map_err(|error| error.to_string())?;
    assert_eq!(found.secret.expose(), credential("SecretAccessKey"));
    Ok(found.into_caller("us-east-1".parse().expect("a region"), credential("AccessKeyId")))
}

async fn may(test: &TestRegistry, caller: &Caller, action: Action) -> bool {
    let registry = RegistryId { account: caller.account, region: caller.region.clone() };
    let need = Need::on_repository(action, &registry, "app");
    authorize::authorize(&test.request(), caller, &need).await.is_ok()
}

fn denied(who: &str, action: &str, role: &str) -> Answer {
    Err(("AccessDenied", format!("User: {who} is not authorized to perform: {action} on resource: {role}")))
}

async fn test_app() -> TestRegistry {
    TestRegistry::new(SourceConfig::default()).await
}
