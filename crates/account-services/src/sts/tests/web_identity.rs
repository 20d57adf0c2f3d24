use std::collections::HashMap;

use access::web_identity::SourceConfig;
use access::web_identity::test_issuer::TestIssuer;
use registry::testing::{ACCOUNT, OTHER_ACCOUNT, START_MS, role};

use super::*;
use crate::sts::UNSIGNED;

const ISSUER: &str = "https://token.example.com/ci";

async fn exchange(test: &TestRegistry, token: &str, changes: Value) -> Answer {
    let mut input = json!({"RoleArn": ROLE, "RoleSessionName": "GitHubActions", "WebIdentityToken": token});
    for (name, value) in changes.as_object().expect("an object") {
        input[name] = value.clone();
    }
    let http = test.request();
    let entry = UNSIGNED.iter().find(|entry| entry.name == "AssumeRoleWithWebIdentity").expect("an operation");
    let output = (entry.run)(&http, input.to_string().as_bytes()).await.map_err(|error| (error.code, error.message))?;
    Ok(serde_json::from_slice(&output).expect("JSON"))
}

#[tokio::test]
async fn strangers_policies() {
    let test = TestRegistry::new(SourceConfig::default()).await;
    test.provider("token.example.com/ci", &["sts.amazonaws.com"]).await;
    let now = START_MS / 1000;
    let forged =
        TestIssuer::generate().token(&json!({"iss": ISSUER, "sub": "s", "aud": "a", "iat": now, "exp": now + 9}));
    let kept = test.app.policies.kept();
    for token in ["abcd", forged.as_str()] {
        for number in 0..100 {
            let policy = policy("Allow", json!(vec![format!("a{number}:?"); 50]));
            assert!(exchange(&test, token, json!({ "Policy": policy })).await.is_err());
        }
        // Of whom nothing is known, the document is not read.
        let unread = exchange(&test, token, json!({"Policy": "{"})).await.expect_err("no good token");
        assert!(unread.0 != "MalformedPolicyDocument", "{unread:?}");
    }
    assert_eq!(test.app.policies.kept(), kept);
}

#[tokio::test]
async fn web_identities() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("jwks.json");
    let issuer = TestIssuer::generate();
    std::fs::write(&file, issuer.key_set().to_string()).expect("written");
    let test = TestRegistry::new(SourceConfig {
        files: HashMap::from([(ISSUER.to_owned(), file)]),
        ..SourceConfig::default()
    })
    .await;
    test.provider("token.example.com/ci", &["sts.amazonaws.com"]).await;
    let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/token.example.com/ci");
    let condition = json!({"StringLike": {"token.example.com/ci:sub": "repo:org/app:ref:refs/heads/*"},
        "StringEquals": {"token.example.com/ci:aud": "sts.amazonaws.com", "token.example.com/ci:actor": "ann"}});
    let action = json!("sts:AssumeRoleWithWebIdentity");
    let trusted = trust(json!({"Federated": provider}), action, condition);
    let main_only = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:PutImage",
        "Resource": "*", "Condition": {"StringEquals": {
            "token.example.com/ci:sub": "repo:org/app:ref:refs/heads/main", "aws:FederatedProvider": provider}}}});
    test.role(role("ci", &trusted), Some(&main_only.to_string())).await;
    test.role(role("closed", &trusts(ACCOUNT)), None).await;
    let now = START_MS / 1000;
    let token = |changes: Value| {
        let mut claims = json!({"iss": ISSUER, "sub": "repo:org/app:ref:refs/heads/main", "aud": "sts.amazonaws.com",
            "actor": "ann", "iat": now, "exp": now + 300});
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        issuer.token(&claims)
    };
    let good = token(json!({}));
    let answer = exchange(&test, &good, json!({"DurationSeconds": "900"})).await.expect("allowed");
    assert_eq!(answer["Provider"], provider);
    assert_eq!(answer["Audience"], "sts.amazonaws.com");
    assert_eq!(answer["SubjectFromWebIdentityToken"], "repo:org/app:ref:refs/heads/main");
    assert_eq!(answer["AssumedRoleUser"]["Arn"], "arn:aws:sts::123456789012:assumed-role/ci/GitHubActions");
    assert!(may(&test, &holder(&test, &answer).expect("good keys"), Action::EcrPutImage).await);
    // The session is still what its token was about.
    let other = exchange(&test, &token(json!({"sub": "repo:org/app:ref:refs/heads/dev"})), json!({})).await;
    assert!(!may(&test, &holder(&test, &other.expect("allowed")).expect("good keys"), Action::EcrPutImage).await);

    // A policy is kept as soon as a session with it is used, and not before.
    let kept = test.app.policies.kept();
    let narrowed = json!({"Policy": policy("Deny", json!("ecr:PutImage"))});
    let session = exchange(&test, &good, narrowed).await.expect("allowed");
    assert_eq!(test.app.policies.kept(), kept);
    assert!(!may(&test, &holder(&test, &session).expect("good keys"), Action::EcrPutImage).await);
    assert_eq!(test.app.policies.kept().0, kept.0 + 1);
    let malformed = exchange(&test, &good, json!({"Policy": "{"})).await.expect_err("no policy");
    assert_eq!(malformed.0, "MalformedPolicyDocument");

    let invalid = "InvalidIdentityToken";
    let not_authorized = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let elsewhere = "No OpenIDConnect provider found in your account for https://elsewhere.example.com";
    let forged =
        TestIssuer::generate().token(&json!({"iss": ISSUER, "sub": "s", "aud": "a", "iat": now, "exp": now + 9}));
    let unsigned = issuer.token_with(&json!({"alg": "none", "kid": "rsa-1"}), &json!({"iss": ISSUER}));
    let role_arn = |name: &str| json!({"RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/{name}")});
    let expired = format!("Token expired: current date/time {now} must be before the expiration date/time {now}");
    let rows = [
        (
            "another branch",
            token(json!({"sub": "repo:org/fork:ref:refs/heads/main"})),
            json!({}),
            "AccessDenied",
            not_authorized,
        ),
        ("another actor", token(json!({"actor": "eve"})), json!({}), "AccessDenied", not_authorized),
        ("a role for users", good.clone(), role_arn("closed"), "AccessDenied", not_authorized),
        ("no such role", good.clone(), role_arn("absent"), "AccessDenied", not_authorized),
        (
            "an account that trusts no issuer",
            good.clone(),
            json!({"RoleArn": format!("arn:aws:iam::{OTHER_ACCOUNT}:role/ci")}),
            invalid,
            "No OpenIDConnect provider found in your account for https://token.example.com/ci",
        ),
        ("another issuer", token(json!({"iss": "https://elsewhere.example.com"})), json!({}), invalid, elsewhere),
        (
            "an issuer without a scheme",
            token(json!({"iss": "token.example.com/ci"})),
            json!({}),
            invalid,
            "No OpenIDConnect provider found in your account for token.example.com/ci",
        ),
        (
            "plain text instead of TLS",
            token(json!({"iss": "http://token.example.com/ci"})),
            json!({}),
            "IDPCommunicationError",
            "Couldn't read http://token.example.com/ci/.well-known/openid-configuration: it must be https",
        ),
        ("another audience", token(json!({"aud": "other"})), json!({}), invalid, "Incorrect token audience"),
        ("past its end", token(json!({"exp": now})), json!({}), "ExpiredTokenException", &expired),
        ("another key", forged, json!({}), invalid, "The signature of the web identity token is not valid"),
        (
            "no signature",
            unsigned,
            json!({}),
            invalid,
            "The signature algorithm of the web identity token must be one \
            of RS256, RS384, RS512, PS256, ES256, ES384",
        ),
        (
            "no token",
            "abcd".to_owned(),
            json!({}),
            invalid,
            "The ID Token provided is not a valid JWT. (You may see \
            this error if you sent an Access Token)",
        ),
        (
            "too long",
            "a".repeat(20_001),
            json!({}),
            "ValidationError",
            "1 validation error detected: Value  at \
            'webIdentityToken' failed to satisfy constraint: Member must have length less than or equal to 20000",
        ),
    ];
    for (row, token, changes, code, message) in rows {
        assert_eq!(exchange(&test, &token, changes).await, Err((code, message.to_owned())), "{row}");
    }
}
