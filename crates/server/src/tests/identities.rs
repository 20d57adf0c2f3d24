//! What a node holds of identities: groups' policies once for all members, and robot tokens within their quota.

use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::{Need, authorize};
use access::web_identity::SourceConfig;
use api::protocols::operation::Call;
use registry_services::admin_api;
use serde_json::{Value, json};
use store::tables::iam::entities::{self, EntityKind};
use store::tables::iam::groups;
use store::tables::iam::policies_of_entities::{self, InlinePolicy};
use store::tables::iam::robot_tokens::{self, RobotToken, TokenUse};
use store::tables::identity_version;

use super::test_app::{ACCOUNT, OTHER_ACCOUNT, START_MS, TestApp, entity, root_key};

async fn app() -> TestApp {
    TestApp::new(SourceConfig { allow_private_networks: false, files: std::collections::HashMap::new() }).await
}

fn policy(effect: &str, more: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Action": "ecr:*", "Resource": "*"{more}}}}}"#
    )
}

/// Puts a policy of a group in the place of the one it had, if it had any.
async fn set_group_policy(test: &TestApp, group_id: &str, document: String) {
    let policy = InlinePolicy { entity_id: group_id.to_owned(), name: "shared".to_owned(), document };
    let written = test.app.db.write(move |tx| {
        policies_of_entities::upsert_inline(tx, &policy)?;
        identity_version::increment(tx)
    });
    written.await.expect("stored");
    test.app.load_identities().await.expect("readable");
}

#[tokio::test]
async fn members_share_the_policies_of_their_group() {
    let test = app().await;
    let keys = [test.user(ACCOUNT, "ann", None).await, test.user(ACCOUNT, "bob", None).await];
    let alone = test.user(ACCOUNT, "cat", None).await;
    let group = entity(ACCOUNT, EntityKind::Group, "/", "team");
    let group_id = group.id.clone();
    let members = ["ann", "bob"].map(|name| entity(ACCOUNT, EntityKind::User, "/", name).id);
    let written = test.app.db.write({
        let members = members.clone();
        move |tx| {
            assert!(entities::insert(tx, &group)?);
            for member in &members {
                groups::insert_member(tx, &group.id, member)?;
            }
            identity_version::increment(tx)
        }
    });
    written.await.expect("stored");
    set_group_policy(&test, &group_id, policy("Allow", "")).await;

    let directory = test.app.identities.current();
    let [ann, bob] = members.each_ref().map(|id| directory.identity(id).expect("there"));
    assert!(ann.policies.is_empty() && ann.group_policies.len() == 1);
    assert!(Arc::ptr_eq(&ann.group_policies[0], &bob.group_policies[0]), "both hold the same");

    let (http, need) = (test.request(), Need::anywhere(Action::EcrGetAuthorizationToken));
    let may = async |key: &String| authorize(&http, &test.caller(key), &need).await.is_ok();
    for key in &keys {
        // Once weighed, once known.
        assert!(may(key).await && may(key).await, "{key}");
    }
    assert!(!may(&alone).await, "it is no member");
    assert!(ann.loaded.is_some());

    let from_here = r#", "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}"#;
    set_group_policy(&test, &group_id, policy("Deny", from_here)).await;
    for key in &keys {
        assert!(!may(key).await, "what was allowed before the change is not any more: {key}");
    }
    let directory = test.app.identities.current();
    let ann = directory.identity(&members[0]).expect("there");
    assert!(ann.loaded.is_none(), "a group's condition makes its members' requests differ");
}

async fn create_token(test: &TestApp, account: &str, name: &str, seconds: i64) -> Result<Value, String> {
    let http = test.request();
    let entry = admin_api::SERVICE.entry("CreateToken").expect("an operation");
    let call = Call::new(&test.app, &http, test.caller(&root_key(account)));
    let input = json!({"name": name, "repositories": ["*"], "actions": ["pull"], "expiresInSeconds": seconds});
    let answer = (entry.run)(&call, input.to_string().as_bytes()).await;
    answer
        .map(|json| serde_json::from_slice(&json).expect("JSON"))
        .map_err(|error| format!("{}: {}", error.code, error.message))
}

#[tokio::test]
async fn an_account_has_so_many_robot_tokens() {
    let test = app().await;
    let quota = test.app.quotas.robot_tokens;
    create_token(&test, ACCOUNT, "short", 60).await.expect("made");
    let registry = test.registry();
    let written = test.app.db.write(move |tx| {
        let mut registry = registry.clone();
        // Those of other regions count.
        registry.region = "eu-west-1".parse().expect("a region");
        for number in 1..quota {
            let token = RobotToken {
                id: format!("WRBT{number:0>16}"),
                registry: registry.clone(),
                principal_id: ACCOUNT.to_owned(),
                name: format!("t{number}"),
                repositories: vec!["*".to_owned()],
                actions: vec![TokenUse::Pull],
                created_at_ms: START_MS,
                expires_at_ms: START_MS + 86_400_000,
                last_used_at_ms: None,
            };
            assert!(robot_tokens::insert(tx, &token)?);
        }
        identity_version::increment(tx)
    });
    written.await.expect("stored");

    let refused = create_token(&test, ACCOUNT, "one-more", 3600).await.expect_err("it is full");
    let quota = "An account can have at most 1000 robot tokens, which is the quota 'robot_tokens'. Revoke those that nobody \
                needs any more";
    assert_eq!(refused, format!("LimitExceededException: {quota}"));
    create_token(&test, OTHER_ACCOUNT, "short", 60).await.expect("another account has its own");

    test.clock.advance_ms(60_000);
    create_token(&test, ACCOUNT, "one-more", 3600).await.expect("one has expired, and made room");
    let stored = test.app.db.read(robot_tokens::list_all).await.expect("readable");
    let short: Vec<_> = stored.iter().filter(|token| token.name == "short").collect();
    assert!(short.len() == 1 && short[0].registry.account.as_str() == OTHER_ACCOUNT, "the other account's is left");
    create_token(&test, ACCOUNT, "yet-another", 3600).await.expect_err("it is full again");
}
