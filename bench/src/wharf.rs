//! What Wharf wants before it can be measured: a repository, and a token for the registry.
//!
//! The two calls are signed as AWS Signature Version 4 says, by this client's own code.

use anyhow::{Context, Result};
use aws_lc_rs::{digest, hmac};
use serde_json::{Value, json};

use crate::http::{Connection, Target};
use crate::payload::hex;
use crate::rows::REPOSITORY;

/// The root access key that the measured Wharf is started with.
pub const ACCESS_KEY_ID: &str = "AKIAWHARFBENCH000000";
pub const SECRET_ACCESS_KEY: &str = "bench-bench-bench-bench-bench-bench-0000";

const REGION: &str = "us-east-1";
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Creates the repository of the rows and returns the target with a registry token.
pub async fn log_in(mut target: Target) -> Result<Target> {
    let mut connection = Connection::open(&target).await?;
    call(&mut connection, &target, "CreateRepository", &json!({ "repositoryName": REPOSITORY })).await?;
    let answer = call(&mut connection, &target, "GetAuthorizationToken", &json!({})).await?;
    let token = answer.pointer("/authorizationData/0/authorizationToken").and_then(Value::as_str);
    // The token is the user name and password in the form that Basic authentication takes.
    target.authorization = Some(format!("Basic {}", token.context("an answer without authorizationToken")?));
    Ok(target)
}

async fn call(connection: &mut Connection, target: &Target, operation: &str, input: &Value) -> Result<Value> {
    let body = input.to_string();
    let amz_target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
    let amz_date = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let authorization = authorization(&target.authority, &amz_date, &amz_target, body.as_bytes());
    let headers = [
        &format!("Content-Type: {CONTENT_TYPE}"),
        &format!("Content-Length: {}", body.len()),
        &format!("X-Amz-Date: {amz_date}"),
        &format!("X-Amz-Target: {amz_target}"),
        &format!("Authorization: {authorization}"),
    ];
    let mut request = target.head("POST", "/", &headers.map(String::as_str));
    request.extend_from_slice(body.as_bytes());
    connection.send(&request).await?;
    let answer = connection.expect(200).await.with_context(|| operation.to_owned())?;
    let body = connection.body(answer.length).await?;
    serde_json::from_slice(&body).with_context(|| format!("the answer of {operation}"))
}

/// The `Authorization` header of a POST to `/` at `amz_date`.
fn authorization(authority: &str, amz_date: &str, amz_target: &str, body: &[u8]) -> String {
    const SIGNED_HEADERS: &str = "content-type;host;x-amz-date;x-amz-target";
    let canonical_request = format!(
        "POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{authority}\nx-amz-date:{amz_date}\nx-amz-target:{amz_target}\n\n\
         {SIGNED_HEADERS}\n{}",
        sha256_hex(body),
    );
    let day = &amz_date[..8];
    let scope = format!("{day}/{REGION}/ecr/aws4_request");
    let string_to_sign = format!("AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{}", sha256_hex(canonical_request.as_bytes()));

    let mut key = format!("AWS4{SECRET_ACCESS_KEY}").into_bytes();
    for part in [day, REGION, "ecr", "aws4_request"] {
        key = hmac_sha256(&key, part).as_ref().to_vec();
    }
    let signature = hex(hmac_sha256(&key, &string_to_sign).as_ref());
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
    )
}

fn hmac_sha256(key: &[u8], message: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes())
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_aws_sdk() {
        // What botocore 1.43 computes for the same request and credentials.
        let target = "AmazonEC2ContainerRegistry_V20150921.CreateRepository";
        let header = authorization("127.0.0.1:5000", "20260102T030405Z", target, br#"{"repositoryName":"bench/app"}"#);
        let signature = header.rsplit_once("Signature=").map(|(_, signature)| signature);
        assert_eq!(signature, Some("f10784c5985bf669b41686431e362efd792ea3b8616317935f6b493e1e203668"));
    }
}
