//! Pull through cache rules that an older Wharf stored, with a secret's ARN that lacks the six characters at its end.

use account_services::secrets_api;
use api::protocols::operation::Call;
use ecr_services::ecr;
use registry::cache;
use serde_json::{Value, json};
use store::tables::pull_through_cache_rules::{self, PullThroughCacheRule};

use super::test_app::{ACCOUNT, TestApp, root_key};

const NAME: &str = "ecr-pullthroughcache/hub";
const ROLE: &str = "arn:aws:iam::123456789012:role/puller";

async fn call(test: &TestApp, operation: &str, input: Value) -> Result<Value, String> {
    let http = test.request();
    let services = [&ecr::SERVICE, &secrets_api::SERVICE];
    let entry = services.iter().find_map(|service| service.entry(operation)).expect("an operation");
    let call = Call::new(&test.app, &http, test.caller(&root_key(ACCOUNT)));
    match (entry.run)(&call, input.to_string().as_bytes()).await {
        Ok(output) => Ok(serde_json::from_slice(&output).expect("JSON")),
        Err(error) => Err(format!("{}: {}", error.code, error.message)),
    }
}

async fn make_secret(test: &TestApp) -> String {
    let value = json!({"username": "u", "accessToken": "t"}).to_string();
    let made = call(test, "CreateSecret", json!({"Name": NAME, "SecretString": value})).await.expect("made");
    made["ARN"].as_str().expect("an ARN").to_owned()
}

async fn rule(test: &TestApp, prefix: &'static str) -> PullThroughCacheRule {
    let registry = test.registry();
    let found =
        test.app.db.read(move |tx| pull_through_cache_rules::find(tx, &registry, &prefix.parse().expect("a prefix")));
    found.await.expect("readable").expect("made")
}

/// Makes a rule as an older Wharf did, which kept the ARN as it was given.
async fn make_old_rule(test: &TestApp, prefix: &'static str, arn: &str) {
    let input = json!({
        "ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": "registry-1.docker.io", "credentialArn": arn,
    });
    call(test, "CreatePullThroughCacheRule", input).await.expect("made");
    let (made, arn) = (rule(test, prefix).await, arn.to_owned());
    let stored = test.app.db.write(move |tx| {
        let PullThroughCacheRule { registry, prefix, updated_at_ms, .. } = &made;
        pull_through_cache_rules::set_credentials(tx, registry, prefix, Some(&arn), None, *updated_at_ms)
    });
    stored.await.expect("stored");
}

async fn logs_in(test: &TestApp, prefix: &'static str) -> bool {
    let name = "library/app".parse().expect("a name");
    cache::upstream_of(&test.app, &rule(test, prefix).await, name).await.is_ok()
}

#[tokio::test]
async fn an_old_rule_means_the_secret_that_it_had() {
    let test = TestApp::with_files(std::collections::HashMap::new()).await;
    let arn = make_secret(&test).await;
    let partial = arn.rsplit_once('-').expect("a suffix").0;
    make_old_rule(&test, "hub", partial).await;
    make_old_rule(&test, "other", partial).await;
    test.clock.advance_ms(1000);
    assert!(logs_in(&test, "hub").await, "it goes on");
    // A change of something else keeps the secret that it means, by the whole of its ARN.
    let change = |prefix: &str| json!({"ecrRepositoryPrefix": prefix, "customRoleArn": ROLE});
    call(&test, "UpdatePullThroughCacheRule", change("other")).await.expect("changed");
    assert_eq!(rule(&test, "other").await.credential_arn.as_deref(), Some(arn.as_str()));
    assert_eq!(rule(&test, "hub").await.credential_arn.as_deref(), Some(partial));

    let input = json!({"SecretId": arn, "ForceDeleteWithoutRecovery": true});
    call(&test, "DeleteSecret", input).await.expect("deleted");
    test.clock.advance_ms(1000);
    let again = make_secret(&test).await;
    assert_ne!(again, arn);
    for prefix in ["hub", "other"] {
        assert!(!logs_in(&test, prefix).await, "{prefix}: what is made later under the name is another secret");
        let refused = call(&test, "UpdatePullThroughCacheRule", change(prefix)).await.expect_err("refused");
        assert!(refused.starts_with("SecretNotFoundException"), "{refused}");
        let input = json!({"ecrRepositoryPrefix": prefix, "credentialArn": again});
        call(&test, "UpdatePullThroughCacheRule", input).await.expect("given anew");
        assert!(logs_in(&test, prefix).await);
    }
}
