//! What Wharf wants before it can be measured: a repository, and a token for the registry; in one kind of start also
//! many users with many policies, of whom one asks.

use anyhow::{Context, Result};
use aws::sigv4::{Signer, SigningRequest, sign_headers};
use aws::{QueryForm, SecretAccessKey};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::http::{Connection, Target};
use crate::rows::REPOSITORY;

/// The root access key that the measured Wharf is started with.
pub const ACCESS_KEY_ID: &str = "AKIAWHARFBENCH000000";
pub const SECRET_ACCESS_KEY: &str = "bench-bench-bench-bench-bench-bench-0000";

const REGION: &str = "us-east-1";
const JSON: &str = "application/x-amz-json-1.1";
const FORM: &str = "application/x-www-form-urlencoded";
const USERS: usize = 200;
const POLICIES_PER_USER: usize = 5;
const STATEMENTS_PER_POLICY: usize = 20;

/// Whose key signs.
struct Key {
    id: String,
    secret: SecretAccessKey,
}

impl Key {
    fn root() -> Self {
        Self { id: ACCESS_KEY_ID.to_owned(), secret: SecretAccessKey::new(SECRET_ACCESS_KEY.to_owned()) }
    }
}

/// Creates the repository of the rows and returns the target with a registry token of the root user.
pub async fn log_in(target: Target) -> Result<Target> {
    let mut connection = Connection::open(&target).await?;
    let root = Key::root();
    create_repository(&mut connection, &target, REPOSITORY).await?;
    with_token(&mut connection, target, &root).await
}

/// As [`log_in`], but the token is of one of 200 users, who have 1,000 policies of 20 statements between them.
pub async fn log_in_with_policies(target: Target) -> Result<Target> {
    let mut connection = Connection::open(&target).await?;
    let root = Key::root();
    create_repository(&mut connection, &target, REPOSITORY).await?;
    for user in 0..USERS {
        let name = format!("user-{user}");
        iam(&mut connection, &target, &root, &[("Action", "CreateUser"), ("UserName", &name)]).await?;
        for number in 0..POLICIES_PER_USER {
            let form = [
                ("Action", "CreatePolicy"),
                ("PolicyName", &*format!("policy-{user}-{number}")),
                ("PolicyDocument", &*policy(user, number)),
            ];
            iam(&mut connection, &target, &root, &form).await?;
            let arn = format!("arn:aws:iam::123456789012:policy/policy-{user}-{number}");
            let form = [("Action", "AttachUserPolicy"), ("UserName", &*name), ("PolicyArn", &*arn)];
            iam(&mut connection, &target, &root, &form).await?;
        }
    }
    let form = [("Action", "CreateAccessKey"), ("UserName", "user-0")];
    let answer = iam(&mut connection, &target, &root, &form).await?;
    let element = |name: &str| {
        let (_, rest) = answer.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(text, _)| text.to_owned())
    };
    let id = element("AccessKeyId").context("an answer without AccessKeyId")?;
    let secret = SecretAccessKey::new(element("SecretAccessKey").context("an answer without SecretAccessKey")?);
    with_token(&mut connection, target, &Key { id, secret }).await
}

/// A policy of 20 statements as companies write them; only the very last statement of a user's policies lets it use the
/// repository of the rows.
fn policy(user: usize, number: usize) -> String {
    let statements: Vec<Value> = (0..STATEMENTS_PER_POLICY)
        .map(|statement| {
            let is_last = (number, statement) == (POLICIES_PER_USER - 1, STATEMENTS_PER_POLICY - 1);
            let others = format!("arn:aws:ecr:*:123456789012:repository/team-{user}/app-{number}-{statement}*");
            json!({
                "Sid": format!("S{statement}"),
                "Effect": "Allow",
                "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:PutImage", "ecr:*Layer*", "ecr:Get*"],
                "Resource": if is_last { "*" } else { &others },
            })
        })
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

async fn with_token(connection: &mut Connection, mut target: Target, key: &Key) -> Result<Target> {
    let answer = ecr(connection, &target, key, "GetAuthorizationToken", &json!({})).await?;
    let token = answer.pointer("/authorizationData/0/authorizationToken").and_then(Value::as_str);
    // The token is the user name and password in the form that Basic authentication takes.
    target.authorization = Some(format!("Basic {}", token.context("an answer without authorizationToken")?));
    Ok(target)
}

async fn ecr(connection: &mut Connection, target: &Target, key: &Key, operation: &str, input: &Value) -> Result<Value> {
    let amz_target = amz_target(operation);
    let headers = [("content-type", JSON), ("x-amz-target", amz_target.as_str())];
    let answer = call(connection, target, key, "ecr", &headers, input.to_string().as_bytes())
        .await
        .with_context(|| operation.to_owned())?;
    serde_json::from_slice(&answer).with_context(|| format!("the answer of {operation}"))
}

async fn iam(connection: &mut Connection, target: &Target, key: &Key, form: &[(&str, &str)]) -> Result<String> {
    let form = QueryForm::encode(form.iter().copied().chain([("Version", "2010-05-08")]));
    let headers = [("content-type", FORM)];
    let answer = call(connection, target, key, "iam", &headers, form.as_bytes()).await.with_context(|| form.clone())?;
    String::from_utf8(answer).context("an answer that is no text")
}

/// A request to ECR signed by the root user, dated `seconds` ago.
pub fn signed(target: &Target, operation: &str, input: &Value, seconds: i64) -> Result<Vec<u8>> {
    let amz_target = amz_target(operation);
    let headers = [("content-type", JSON), ("x-amz-target", amz_target.as_str())];
    request(target, &Key::root(), "ecr", &headers, input.to_string().as_bytes(), seconds)
}

/// Creates a repository.
pub async fn create_repository(connection: &mut Connection, target: &Target, name: &str) -> Result<()> {
    let input = json!({ "repositoryName": name });
    ecr(connection, target, &Key::root(), "CreateRepository", &input).await.map(drop)
}

/// The answer of an ECR operation to the root user.
pub async fn call_ecr(connection: &mut Connection, target: &Target, operation: &str, input: &Value) -> Result<Value> {
    ecr(connection, target, &Key::root(), operation, input).await
}

fn amz_target(operation: &str) -> String {
    format!("AmazonEC2ContainerRegistry_V20150921.{operation}")
}

/// A signed POST to `/`; returns the answer's body.
async fn call(
    connection: &mut Connection,
    target: &Target,
    key: &Key,
    service: &str,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> Result<Vec<u8>> {
    connection.send(&request(target, key, service, headers, body, 0)?).await?;
    let answer = connection.expect(200).await?;
    connection.body(answer.length).await
}

/// The bytes of a POST to `/`, signed at a time that is `seconds` ago.
fn request(
    target: &Target,
    key: &Key,
    service: &str,
    headers: &[(&'static str, &str)],
    body: &[u8],
    seconds: i64,
) -> Result<Vec<u8>> {
    let mut map = HeaderMap::new();
    map.insert("host", HeaderValue::from_str(&target.authority)?);
    for (name, value) in headers {
        map.insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
    }
    let added = sign_headers(
        &SigningRequest { method: "POST", path: "/", query: "", headers: &map, body },
        &Signer {
            access_key_id: &key.id,
            secret: &key.secret,
            session_token: None,
            region: REGION,
            service,
            now_ms: jiff::Timestamp::now().as_millisecond() - seconds * 1000,
        },
    );
    let mut lines = vec![format!("content-length: {}", body.len())];
    for (name, value) in headers {
        lines.push(format!("{name}: {value}"));
    }
    for (name, value) in &added {
        lines.push(format!("{name}: {}", value.to_str()?));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    // The signature takes the place of the registry's token.
    let mut request = target.without_authorization().head("POST", "/", &lines);
    request.extend_from_slice(body);
    Ok(request)
}
