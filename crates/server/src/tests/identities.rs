//! What a node holds of identities: groups' policies once for all members.

use std::sync::Arc;

use store::tables::iam::entities::{self, EntityKind};
use store::tables::iam::groups;
use store::tables::iam::policies_of_entities::{self, InlinePolicy};
use store::tables::identity_version;

use super::test_app::{ACCOUNT, TestApp, entity};
use crate::auth::authorize::{Need, authorize};
use crate::sts::web_identity::SourceConfig;

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

    let (http, need) = (test.request(), Need::anywhere("ecr:GetAuthorizationToken"));
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
