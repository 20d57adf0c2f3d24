use registry::testing::{ACCOUNT, OTHER_ACCOUNT, START_MS, role, root_key};
use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn a_user_assumes_a_role() {
    let test = test_app().await;
    let key = test.user(ACCOUNT, "ann", None).await;
    test.role(role("ci", &trusts(&user_arn(ACCOUNT, "ann"))), Some(&policy("Allow", json!("ecr:*")))).await;
    let answer = assume(&test, &key, json!({"DurationSeconds": "900"})).await.expect("allowed");
    assert_eq!(answer["Credentials"]["Expiration"], "2026-01-01T00:15:00Z");
    assert_eq!(answer["AssumedRoleUser"]["Arn"], "arn:aws:sts::123456789012:assumed-role/ci/job");
    assert_eq!(answer["AssumedRoleUser"]["AssumedRoleId"], "AROACI1234:job");
    assert_eq!(answer["PackedPolicySize"], Value::Null);
    let session = holder(&test, &answer).expect("good keys");
    assert!(may(&test, &session, Action::EcrPutImage).await);
    let identity = call(&test, session, "GetCallerIdentity", json!({})).await.expect("always");
    assert_eq!(identity["Arn"], "arn:aws:sts::123456789012:assumed-role/ci/job");
    assert_eq!(identity["UserId"], "AROACI1234:job");

    test.clock.advance_ms(899_999);
    holder(&test, &answer).expect("still good keys");
    test.clock.advance_ms(1);
    assert!(holder(&test, &answer).expect_err("ended").contains("expired"));
}

#[tokio::test]
async fn who_is_not_let_in() {
    let test = test_app().await;
    let ann = test.user(ACCOUNT, "ann", Some(&policy("Allow", json!("sts:*")))).await;
    let bob = test.user(ACCOUNT, "bob", None).await;
    let far = test.user(OTHER_ACCOUNT, "far", None).await;
    let allowed_far = test.user(OTHER_ACCOUNT, "farther", Some(&policy("Allow", json!("sts:AssumeRole")))).await;
    let kept_out = test.user(ACCOUNT, "cat", Some(&policy("Deny", json!("sts:AssumeRole")))).await;
    let both = json!([user_arn(ACCOUNT, "cat"), ACCOUNT, OTHER_ACCOUNT]);
    test.role(role("ci", &trust(json!({"AWS": both}), json!("sts:AssumeRole"), json!({}))), None).await;
    test.role(role("closed", &trusts(&user_arn(ACCOUNT, "ann"))), None).await;
    test.role(role("own", &trusts(ACCOUNT)), None).await;
    let arn = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    let rows = [
        ("the account is named and a policy allows", &ann, user_arn(ACCOUNT, "ann"), "ci", true),
        ("the account is named and no policy allows", &bob, user_arn(ACCOUNT, "bob"), "ci", false),
        ("another account, no policy", &far, user_arn(OTHER_ACCOUNT, "far"), "ci", false),
        ("another account, allowed", &allowed_far, user_arn(OTHER_ACCOUNT, "farther"), "ci", true),
        ("named, but a policy denies", &kept_out, user_arn(ACCOUNT, "cat"), "ci", false),
        ("another account that is not named", &allowed_far, user_arn(OTHER_ACCOUNT, "farther"), "own", false),
        ("another user is named", &bob, user_arn(ACCOUNT, "bob"), "closed", false),
        ("no such role", &ann, user_arn(ACCOUNT, "ann"), "absent", false),
        ("a role's name in other letters", &ann, user_arn(ACCOUNT, "ann"), "CI", false),
        ("root of a named account", &root_key(ACCOUNT), format!("arn:aws:iam::{ACCOUNT}:root"), "own", true),
        (
            "root where only a user is named",
            &root_key(ACCOUNT),
            format!("arn:aws:iam::{ACCOUNT}:root"),
            "closed",
            false,
        ),
        (
            "root of another account",
            &root_key(OTHER_ACCOUNT),
            format!("arn:aws:iam::{OTHER_ACCOUNT}:root"),
            "own",
            false,
        ),
        ("root of the other named", &root_key(OTHER_ACCOUNT), format!("arn:aws:iam::{OTHER_ACCOUNT}:root"), "ci", true),
    ];
    for (row, key, who, name, is_allowed) in rows {
        let answer = assume(&test, key, json!({"RoleArn": arn(name)})).await;
        if is_allowed {
            assert!(answer.is_ok(), "{row}: {answer:?}");
        } else {
            assert_eq!(answer, denied(&who, "sts:AssumeRole", &arn(name)), "{row}");
        }
    }
}

#[tokio::test]
async fn external_ids() {
    let test = test_app().await;
    let key = test.user(ACCOUNT, "ann", None).await;
    let condition = json!({"StringEquals": {"sts:ExternalId": "secret-7"}});
    let principal = json!({"AWS": user_arn(ACCOUNT, "ann")});
    test.role(role("ci", &trust(principal, json!("sts:AssumeRole"), condition)), None).await;
    for (given, is_allowed) in [(json!(null), false), (json!("secret-8"), false), (json!("secret-7"), true)] {
        let answer = assume(&test, &key, json!({"ExternalId": given})).await;
        assert_eq!(answer.is_ok(), is_allowed, "{given}: {answer:?}");
    }
}

#[tokio::test]
async fn session_policies_narrow() {
    let test = test_app().await;
    let key = test.user(ACCOUNT, "ann", None).await;
    test.role(role("ci", &trusts(&user_arn(ACCOUNT, "ann"))), Some(&policy("Allow", json!("ecr:*Image*")))).await;
    let own = policy("Allow", json!(["ecr:BatchGetImage", "ecr:DeleteRepository"]));
    let managed = json!([{"arn": "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"}]);
    let rows = [
        (json!({}), [true, true, false]),
        (json!({"Policy": own}), [true, false, false]),
        (json!({"PolicyArns": managed}), [true, false, false]),
        (json!({"Policy": policy("Allow", json!("ecr:PutImage")), "PolicyArns": managed}), [true, true, false]),
        (json!({"Policy": policy("Deny", json!("ecr:*")), "PolicyArns": managed}), [false, false, false]),
    ];
    for (changes, expected) in rows {
        let answer = assume(&test, &key, changes.clone()).await.expect("allowed");
        let session = holder(&test, &answer).expect("good keys");
        let actions = [Action::EcrBatchGetImage, Action::EcrPutImage, Action::EcrDeleteRepository];
        for (action, expected) in actions.into_iter().zip(expected) {
            assert_eq!(may(&test, &session, action).await, expected, "{action} with {changes}");
        }
        assert_eq!(answer["PackedPolicySize"].is_null(), changes == json!({}), "{answer}");
    }
}

#[tokio::test]
async fn tags_and_source_identities() {
    let test = test_app().await;
    let tagged = policy("Allow", json!(["sts:*"]));
    let ann = test.user(ACCOUNT, "ann", Some(&tagged)).await;
    let bob = test.user(ACCOUNT, "bob", Some(&policy("Allow", json!("sts:AssumeRole")))).await;
    let actions = json!(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]);
    let condition = json!({"StringLikeIfExists": {"aws:RequestTag/team": "blue*"}});
    test.role(
        role("ci", &trust(json!({"AWS": ACCOUNT}), actions.clone(), condition)),
        Some(
            &json!({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "ecr:PutImage", "Resource": "*",
             "Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}}},
            {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": "*",
             "Condition": {"StringEquals": {"aws:SourceIdentity": "ann"}}},
            {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]})
            .to_string(),
        ),
    )
    .await;
    test.role(role("next", &trust(json!({"AWS": ROLE}), actions, json!({}))), None).await;
    test.role(role("untagged", &trusts(ROLE)), None).await;
    let tags = json!([{"Key": "team", "Value": "blue"}, {"Key": "stage", "Value": ""}]);
    let full = json!({"Tags": tags, "SourceIdentity": "ann", "TransitiveTagKeys": ["team"]});

    let answer = assume(&test, &ann, full.clone()).await.expect("allowed");
    assert_eq!(answer["SourceIdentity"], "ann");
    assert!(answer["PackedPolicySize"].as_i64().is_some_and(|percent| (1..=100).contains(&percent)), "{answer}");
    let session = holder(&test, &answer).expect("good keys");
    assert!(may(&test, &session, Action::EcrPutImage).await && may(&test, &session, Action::EcrBatchGetImage).await);
    let plain = holder(&test, &assume(&test, &ann, json!({})).await.expect("allowed")).expect("good keys");
    assert!(!may(&test, &plain, Action::EcrPutImage).await && !may(&test, &plain, Action::EcrBatchGetImage).await);

    // Both sides must allow tags and source identities.
    let bob_arn = user_arn(ACCOUNT, "bob");
    assert_eq!(assume(&test, &bob, json!({"Tags": tags})).await, denied(&bob_arn, "sts:TagSession", ROLE));
    let said = assume(&test, &bob, json!({"SourceIdentity": "bob"})).await;
    assert_eq!(said, denied(&bob_arn, "sts:SetSourceIdentity", ROLE));
    let red = json!({"Tags": [{"Key": "Team", "Value": "red"}]});
    let ann_arn = user_arn(ACCOUNT, "ann");
    assert_eq!(assume(&test, &ann, red).await, denied(&ann_arn, "sts:AssumeRole", ROLE));

    // What is transitive goes along a chain, and the source identity stays.
    let next = json!({"RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/next")});
    let answer = assume_as(&test, session.clone(), next).await.expect("allowed");
    assert_eq!(answer["SourceIdentity"], "ann");
    let chained = holder(&test, &answer).expect("good keys");
    let claims = &chained.session().expect("a session").claims;
    assert_eq!(claims.tags, [("team".to_owned(), "blue".to_owned())]);
    assert_eq!(claims.transitive_tag_keys, ["team"]);
    let long = assume_as(&test, session.clone(), json!({"DurationSeconds": "3601"})).await.expect_err("too long");
    assert!(long.1.contains("role chaining"), "{long:?}");
    for changes in [json!({"SourceIdentity": "bob"}), json!({"Tags": [{"Key": "TEAM", "Value": "blue"}]})] {
        assert_eq!(assume_as(&test, session.clone(), changes.clone()).await.expect_err("fixed").0, "ValidationError");
    }
    let untagged = format!("arn:aws:iam::{ACCOUNT}:role/untagged");
    let who = session.arn();
    let answer = assume_as(&test, session, json!({"RoleArn": untagged})).await;
    assert_eq!(answer, denied(&who, "sts:TagSession", &untagged));
}

#[tokio::test]
async fn what_a_request_must_look_like() {
    let test = test_app().await;
    let key = test.user(ACCOUNT, "ann", None).await;
    test.role(role("ci", &trusts(&user_arn(ACCOUNT, "ann"))), None).await;
    let many = |count: usize| (0..count).map(|n| json!({"Key": format!("k{n}"), "Value": "v"})).collect::<Vec<_>>();
    let big: Vec<Value> = (0..50).map(|n| json!({"Key": format!("k{n}"), "Value": "v".repeat(256)})).collect();
    let validation = "ValidationError";
    let rows = [
        (json!({"RoleArn": null}), validation, "'roleArn'"),
        (json!({"RoleArn": "arn:aws:iam::12:role/ci"}), validation, "is invalid"),
        (json!({"RoleArn": "arn:aws:iam::123456789012:user/ci"}), validation, "is invalid"),
        (json!({"RoleSessionName": null}), validation, "Member must not be null"),
        (json!({"RoleSessionName": "a"}), validation, "greater than or equal to 2"),
        (json!({"RoleSessionName": "a".repeat(65)}), validation, "less than or equal to 64"),
        (json!({"RoleSessionName": "a b"}), validation, "regular expression pattern"),
        (json!({"DurationSeconds": "899"}), validation, "greater than or equal to 900"),
        (json!({"DurationSeconds": "43201"}), validation, "less than or equal to 43200"),
        (json!({"DurationSeconds": "7201"}), validation, "MaxSessionDuration set for this role"),
        (json!({"DurationSeconds": "soon"}), "SerializationException", "parse"),
        (json!({"Policy": "{"}), "MalformedPolicyDocument", ""),
        (json!({"Policy": trusts("*")}), "MalformedPolicyDocument", ""),
        (json!({"Policy": "a".repeat(2049)}), validation, "2048"),
        (json!({"PolicyArns": vec![json!({"arn": "arn:aws:iam::aws:policy/None"}); 11]}), validation, "10"),
        (json!({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/None"}]}), validation, "does not exist"),
        (json!({"Tags": many(51)}), validation, "50"),
        (json!({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]}), validation, "Duplicate tag keys"),
        (json!({"Tags": [{"Key": "aws:a", "Value": "1"}]}), validation, "reserved"),
        (json!({"Tags": [{"Key": "a;", "Value": "1"}]}), validation, "pattern"),
        (json!({"TransitiveTagKeys": ["a"]}), validation, "transitive"),
        (json!({"SerialNumber": "arn:aws:iam::123456789012:mfa/a", "TokenCode": "1"}), "AccessDenied", "MFA"),
    ];
    for (changes, code, text) in rows {
        let error = assume(&test, &key, changes.clone()).await.expect_err("refused");
        assert!(error.0 == code && error.1.contains(text), "{changes}: {error:?}");
    }
    let actions = json!(["sts:AssumeRole", "sts:TagSession"]);
    test.role(role("tagged", &trust(json!({"AWS": user_arn(ACCOUNT, "ann")}), actions, json!({}))), None).await;
    let changes = json!({"RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/tagged"), "Tags": big});
    assert_eq!(assume(&test, &key, changes).await.expect_err("too large").0, "PackedPolicyTooLarge");
}

#[tokio::test]
async fn sessions_are_revoked_by_their_time() {
    let test = test_app().await;
    let key = test.user(ACCOUNT, "ann", None).await;
    test.role(role("ci", &trusts(&user_arn(ACCOUNT, "ann"))), Some(&policy("Allow", json!("ecr:*")))).await;
    let old = holder(&test, &assume(&test, &key, json!({})).await.expect("allowed")).expect("good keys");
    test.clock.advance_ms(60_000);
    let revoked = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition":
            {"DateLessThan": {"aws:TokenIssueTime": aws::time::iso8601(START_MS + 60_000)}}},
    ]});
    test.set_policy("AROACI1234", &revoked.to_string()).await;
    // Policies are looked up anew for each use of the keys.
    let old_again = holder_of(&test, &old);
    assert!(!may(&test, &old_again, Action::EcrPutImage).await);
    let new = holder(&test, &assume(&test, &key, json!({})).await.expect("allowed")).expect("good keys");
    assert!(may(&test, &new, Action::EcrPutImage).await);
}

fn holder_of(test: &TestRegistry, caller: &Caller) -> Caller {
    let token = caller.session().expect("a session").token.expose();
    let found = keys::find(&test.app, &caller.access_key_id, Some(token)).expect("good keys");
    found.into_caller(caller.region.clone(), caller.access_key_id.clone())
}

#[tokio::test]
async fn session_tokens_of_users_and_root() {
    let test = test_app().await;
    let key = test.user(ACCOUNT, "ann", Some(&policy("Allow", json!("ecr:PutImage")))).await;
    let answer = call(&test, test.caller(&key), "GetSessionToken", json!({})).await.expect("allowed");
    assert_eq!(answer["Credentials"]["Expiration"], "2026-01-01T12:00:00Z");
    let session = holder(&test, &answer).expect("good keys");
    assert_eq!(session.arn(), user_arn(ACCOUNT, "ann"));
    assert!(
        may(&test, &session, Action::EcrPutImage).await && !may(&test, &session, Action::EcrDeleteRepository).await
    );
    let again = call(&test, session, "GetSessionToken", json!({})).await;
    assert_eq!(again, Err(("AccessDenied", "Cannot call GetSessionToken with session credentials".to_owned())));
    let long = call(&test, test.caller(&key), "GetSessionToken", json!({"DurationSeconds": "129601"})).await;
    assert_eq!(long.expect_err("too long").0, "ValidationError");

    let answer = call(&test, test.caller(&root_key(ACCOUNT)), "GetSessionToken", json!({})).await.expect("allowed");
    assert_eq!(answer["Credentials"]["Expiration"], "2026-01-01T01:00:00Z");
    let root = holder(&test, &answer).expect("good keys");
    assert_eq!(root.arn(), format!("arn:aws:iam::{ACCOUNT}:root"));
    assert!(may(&test, &root, Action::EcrDeleteRepository).await);
    let info = call(&test, root, "GetAccessKeyInfo", json!({"AccessKeyId": key})).await.expect("allowed");
    assert_eq!(info, json!({"Account": ACCOUNT}));
    let of_user = call(&test, test.caller(&key), "GetAccessKeyInfo", json!({"AccessKeyId": key})).await;
    assert_eq!(of_user.expect_err("no policy").0, "AccessDeniedException");
}
