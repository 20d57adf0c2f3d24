//! A principal without any policy is refused by every operation and every registry route. The lists are the server's
//! own tables, so that a new operation cannot be forgotten.

use std::io::{Read as _, Write as _};

use access::auth::token;
use api::protocols::operation::{Call, Entry};
use registry_services::v2::route::V2Route;
use serde_json::{Value, json};

use super::test_server::TestServer;
use crate::services::SERVICES;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Operations that need no permission: AWS lets everybody learn who they are and take keys for themselves.
const FREE: [&str; 3] = ["GetCallerIdentity", "GetSessionToken", "GetAccessKeyInfo"];

/// Members that together make a valid input of every operation of ECR.
fn ecr_input() -> Value {
    json!({
        "repositoryName": "app",
        "repositoryNames": ["app"],
        "resourceArn": "arn:aws:ecr:us-east-1:123456789012:repository/app",
        "tags": [{"Key": "k", "Value": "v"}],
        "tagKeys": ["k"],
        "imageIds": [{"imageTag": "v1"}],
        "imageId": {"imageTag": "v1"},
        "targetStorageClass": "ARCHIVE",
        "imageManifest": "{}",
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {},
        "layerDigest": DIGEST,
        "principalArn": "arn:aws:iam::123456789012:role/scanner",
        "layerDigests": [DIGEST],
        "uploadId": "11111111-1111-1111-1111-111111111111",
        "partFirstByte": 0,
        "partLastByte": 0,
        "layerPartBlob": "YQ==",
        "subjectId": {"imageDigest": DIGEST},
        "policyText": r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "ecr:*"}}"#,
        "imageId": {"imageTag": "v1"},
        "replicationConfiguration": {"rules": []},
        "replicationBackfillId": "11111111-1111-1111-1111-111111111111",
        "destination": {"region": "eu-west-1", "registryId": "123456789012"},
        "prefix": "app",
        "appliedFor": ["CREATE_ON_PUSH"],
        "lifecyclePolicyText": r#"{"rules": [{"rulePriority": 1, "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10}, "action": {"type": "expire"}}]}"#,
        "ecrRepositoryPrefix": "quay",
        "upstreamRegistryUrl": "quay.io",
        "credentialArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/quay-abcdef",
        "name": "BLOB_MOUNTING",
        "value": "ENABLED",
    })
}

/// Operations whose input must not have everything at once.
fn ecr_special_input(operation: &str) -> Option<Value> {
    match operation {
        "DescribeRepositories" => Some(json!({})),
        "PutRegistryPolicy" => Some(json!({
            "policyText": r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "ecr:*", "Resource": "*"}}"#,
        })),
        _ => None,
    }
}

/// Members that together make a valid input of every operation of Wharf's own API.
fn wharf_input() -> Value {
    json!({
        "name": "n",
        "countRootImages": true,
        "repositoryName": "app",
        "imageIds": [{"imageTag": "v1"}],
        "imageId": {"imageTag": "v1"},
        "vulnerability": "CVE-2026-1",
        "repositories": ["*"],
        "actions": ["pull"],
        "principalArn": "arn:aws:iam::123456789012:root",
        "action": "ecr:PutImage",
        "resourceArn": "*",
        "jobId": 1,
        "checkId": "11111111-1111-1111-1111-111111111111",
        "sourceAccountId": "123456789012",
        "registryId": "123456789012",
        "imageDigest": DIGEST,
        "imageManifest": "",
        "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        "ids": [1],
        "number": 1,
        "layerDigest": DIGEST,
        "feed": "debian",
    })
}

/// Members that together make a valid input of every operation of Secrets Manager.
fn secrets_input() -> Value {
    json!({
        "Name": "secret",
        "SecretId": "secret",
        "SecretString": "value",
        "VersionStage": "AWSPENDING",
        "MoveToVersionId": "11111111-1111-1111-1111-111111111111",
        "ResourcePolicy": r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}}"#,
        "Tags": [{"Key": "k", "Value": "v"}],
        "TagKeys": ["k"],
    })
}

/// Members that together make a valid input of every operation of KMS.
fn kms_input() -> Value {
    const KEY: &str = "11111111-1111-1111-1111-111111111111";
    const ROLE: &str = "arn:aws:iam::123456789012:role/role";
    json!({
        "KeyId": KEY,
        "TargetKeyId": KEY,
        "SourceKeyId": KEY,
        "DestinationKeyId": KEY,
        "AliasName": "alias/a",
        "Description": "",
        "Policy": r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "kms:*", "Resource": "*"}}"#,
        "Plaintext": "YQ==",
        "CiphertextBlob": "YQ==",
        "NumberOfBytes": 1,
        "GranteePrincipal": ROLE,
        "RetiringPrincipal": ROLE,
        "Operations": ["Decrypt"],
        "GrantId": "0".repeat(64),
        "Tags": [{"TagKey": "k", "TagValue": "v"}],
        "TagKeys": ["k"],
    })
}

/// Operations of Secrets Manager whose input must not have everything at once.
fn secrets_special_input(operation: &str) -> Option<Value> {
    match operation {
        "BatchGetSecretValue" => Some(json!({"SecretIdList": ["secret"]})),
        _ => None,
    }
}

/// Members that together make a valid input of every operation of IAM and STS; all values are texts, as in forms.
fn query_input() -> Value {
    const POLICY: &str =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}}"#;
    json!({
        "UserName": "someone",
        "NewUserName": "another",
        "GroupName": "group",
        "NewGroupName": "another",
        "RoleName": "role",
        "Path": "/",
        "Description": "",
        "PolicyName": "policy",
        "PolicyArn": "arn:aws:iam::123456789012:policy/policy",
        "PolicyDocument": POLICY,
        "AssumeRolePolicyDocument": r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}}"#,
        "PermissionsBoundary": "arn:aws:iam::123456789012:policy/policy",
        "VersionId": "v1",
        "AccessKeyId": "AKIAABCDEFGHIJKLMNOP",
        "Status": "Inactive",
        "Tags": [{"Key": "k", "Value": "v"}],
        "TagKeys": ["k"],
        "Url": "https://example.com",
        "ClientID": "audience",
        "ClientIDList": ["audience"],
        "ThumbprintList": ["0123456789012345678901234567890123456789"],
        "OpenIDConnectProviderArn": "arn:aws:iam::123456789012:oidc-provider/example.com",
        "PolicySourceArn": "arn:aws:iam::123456789012:user/someone",
        "Policy": POLICY,
        "PolicyInputList": [POLICY],
        "ActionNames": ["ecr:PutImage"],
        "RoleArn": "arn:aws:iam::123456789012:role/role",
        "RoleSessionName": "session",
        "Name": "somebody",
        "EncodedMessage": "message",
        "AWSServiceName": "replication.ecr.amazonaws.com",
        "DeletionTaskId": concat!(
            "task/aws-service-role/replication.ecr.amazonaws.com/AWSServiceRoleForECRReplication/",
            "11111111-1111-1111-1111-111111111111"
        ),
    })
}

/// The same, where a member means something else.
fn query_special_input(operation: &str) -> Value {
    let mut input = query_input();
    if operation == "UpdateAssumeRolePolicy" {
        input["PolicyDocument"] = input["AssumeRolePolicyDocument"].clone();
    }
    input
}

async fn answers(
    server: &TestServer,
    entries: impl Iterator<Item = &Entry>,
    input: impl Fn(&str) -> Value,
) -> Vec<(&'static str, String)> {
    let caller = server.user("nobody", None).await;
    let http = server.request();
    let kept = server.policies.kept();
    let mut codes = Vec::new();
    for entry in entries {
        let call = Call::new(server, &http, caller.clone());
        let body = input(entry.name).to_string();
        let code = match (entry.run)(&call, body.as_bytes()).await {
            Ok(_) => "done".to_owned(),
            Err(error) => format!("{}: {}", error.code, error.message),
        };
        codes.push((entry.name, code));
        assert_eq!(server.policies.kept(), kept, "{} keeps a policy of a request that it refused", entry.name);
    }
    codes
}

#[tokio::test]
async fn every_operation() {
    for service in SERVICES.all() {
        let (service, operations) = (service.signing_name, service.operations);
        let server = TestServer::start().await;
        let input = |name: &str| match service {
            "ecr" => ecr_special_input(name).unwrap_or_else(ecr_input),
            "kms" => kms_input(),
            "secretsmanager" => secrets_special_input(name).unwrap_or_else(secrets_input),
            "wharf" => wharf_input(),
            "cloudtrail" => json!({}),
            "iam" | "sts" => query_special_input(name),
            _ => panic!("{service} is new: say what a valid input of its operations is"),
        };
        for (name, answer) in answers(&server, operations.iter().copied().flatten(), input).await {
            if FREE.contains(&name) {
                continue;
            }
            assert!(
                answer.starts_with("AccessDenied"),
                "{service}:{name} answers {answer}: if it is new, complete the input"
            );
            assert!(answer.contains("user/nobody is not authorized to perform: "), "{service}:{name}: {answer}");
        }
        server.stop().await;
    }
}

/// The route after this one, so that no route can be left out: a new one does not compile without its place here.
fn next(route: &V2Route) -> Option<V2Route> {
    let name = || "app".parse().expect("a name");
    let digest = || DIGEST.parse().expect("a digest");
    match route {
        // Any principal with a good token may see that the registry is there.
        V2Route::Base => Some(V2Route::Catalog),
        V2Route::Catalog => Some(V2Route::Tags(name())),
        V2Route::Tags(_) => Some(V2Route::Manifest(name(), "v1".parse().expect("a tag"))),
        V2Route::Manifest(..) => Some(V2Route::Blob(name(), digest())),
        V2Route::Blob(..) => Some(V2Route::Uploads(name())),
        V2Route::Uploads(_) => Some(V2Route::Upload(name(), uuid::Uuid::nil())),
        V2Route::Upload(..) => Some(V2Route::Referrers(name(), digest())),
        V2Route::Referrers(..) | V2Route::Invalid(_) => None,
    }
}

/// Every request that a route has.
fn requests(route: &V2Route) -> Vec<(&'static str, String)> {
    match route {
        V2Route::Base | V2Route::Invalid(_) => Vec::new(),
        V2Route::Catalog => vec![("GET", "/v2/_catalog".to_owned())],
        V2Route::Tags(name) => vec![("GET", format!("/v2/{name}/tags/list"))],
        V2Route::Manifest(name, _) => {
            ["GET", "HEAD", "PUT", "DELETE"].map(|method| (method, format!("/v2/{name}/manifests/v1"))).into()
        }
        V2Route::Blob(name, digest) => {
            ["GET", "HEAD", "DELETE"].map(|method| (method, format!("/v2/{name}/blobs/{digest}"))).into()
        }
        V2Route::Uploads(name) => ["", &format!("?digest={DIGEST}"), &format!("?mount={DIGEST}&from=other")]
            .map(|query| ("POST", format!("/v2/{name}/blobs/uploads/{query}")))
            .into(),
        V2Route::Upload(name, id) => ["GET", "PATCH", "PUT", "DELETE"]
            .map(|method| (method, format!("/v2/{name}/blobs/uploads/{id}?digest={DIGEST}")))
            .into(),
        V2Route::Referrers(name, digest) => vec![("GET", format!("/v2/{name}/referrers/{digest}"))],
    }
}

fn exchange(port: u16, head: &str) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("connects");
    stream.write_all(head.as_bytes()).expect("sends");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answers");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_registry_route() {
    let server = TestServer::start().await;
    let caller = server.user("nobody", None).await;
    let (authorization, _) = token::issue(&server, &caller, server.account());
    let port = server.port();
    let mut seen = 0;
    let mut route = Some(V2Route::Base);
    while let Some(current) = route {
        for (method, path) in requests(&current) {
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {authorization}\r\n\
                 Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let answer = tokio::task::spawn_blocking(move || exchange(port, &head)).await.expect("runs");
            assert!(answer.starts_with("HTTP/1.1 403 "), "{method} {path}: {answer}");
            let says = "user/nobody is not authorized to perform: ecr:";
            assert!(method == "HEAD" || answer.contains(says), "{method} {path}: {answer}");
            seen += 1;
        }
        route = next(&current);
    }
    assert!(seen > 15, "only {seen} requests were made");
    server.stop().await;
}
