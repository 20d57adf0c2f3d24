//! The commands for deleted images and protections, and `--dry-run`.

use serde_json::{Value, json};

use super::{Ran, iam, iam_error, key, list, named, run, whole_user};
use crate::Outcome;

fn deleted(digest: &str, tags: &[&str]) -> Value {
    json!({
        "registryId": "123456789012", "repositoryName": "app", "imageDigest": digest, "imageTags": tags,
        "imageManifestMediaType": "m", "imageSizeInBytes": 1_572_864, "imagePushedAt": 1_795_224_902.5,
        "imageStatus": "ACTIVE", "deletedAt": 1_795_224_902.5, "deletedBy": "somebody", "reason": "BatchDeleteImage",
        "restorableUntil": 1_795_829_702.5,
    })
}

fn deleted_tag(digest: &str, tag: &str) -> Value {
    let mut image = deleted(digest, &[]);
    let members = image.as_object_mut().expect("an object");
    members.retain(|name, _| !name.starts_with("image") || name == "imageDigest");
    members.insert("imageTag".to_owned(), tag.into());
    image
}

fn page(images: &[Value], tags: &[Value], next_token: Option<&str>) -> (u16, String) {
    let mut answer = json!({ "deletedImages": images, "deletedTags": tags });
    if let Some(token) = next_token {
        answer["nextToken"] = token.into();
    }
    (200, answer.to_string())
}

fn restored(digests: &[&str]) -> (u16, String) {
    let images: Vec<Value> = digests
        .iter()
        .map(|digest| {
            json!({ "imageDigest": digest, "status": "RESTORED", "restoredTags": ["a"], "tagsNotRestored": [] })
        })
        .collect();
    let answer = json!({ "restoredImages": images, "failures": [], "isRepositoryCreated": false, "dryRun": false });
    (200, answer.to_string())
}

fn inputs(ran: &Ran) -> Vec<(String, Value)> {
    let parts = ran.requests.iter().filter_map(|line| line.strip_prefix("Wharf_20261121.")?.split_once(' '));
    parts.map(|(name, input)| (name.to_owned(), serde_json::from_str(input).expect("JSON"))).collect()
}

#[tokio::test]
async fn lists_of_two_pages() {
    let tags = ["1", "2", "3", "4", "5", "6", "7"];
    let answers =
        vec![page(&[deleted("sha256:a", &tags)], &[], Some("t1")), page(&[], &[deleted_tag("sha256:b", "x")], None)];
    let ran = run(&["image", "list-deleted", "app", "--since", "1h"], answers).await;
    assert_eq!(
        ran.text(),
        "REPOSITORY  IMAGE     TAGS                      SIZE      DELETED                  BY                           RESTORABLE UNTIL\n\
         app         sha256:a  1, 2, 3, 4, 5 and 2 more  1.5 MiB   2026-11-21 01:35:02 UTC  somebody (BatchDeleteImage)  2026-11-28 01:35:02 UTC\n\
         app         sha256:b  x                         tag only  2026-11-21 01:35:02 UTC  somebody (BatchDeleteImage)  2026-11-28 01:35:02 UTC\n"
    );
    let since = 1_795_221_302.0;
    let first = json!({ "repositoryName": "app", "maxResults": 1000, "deletedSince": since });
    let mut second = first.clone();
    second["nextToken"] = "t1".into();
    assert_eq!(inputs(&ran), [("ListDeletedImages".to_owned(), first), ("ListDeletedImages".to_owned(), second)]);
    let ran = run(&["image", "list-deleted"], vec![page(&[], &[], None)]).await;
    assert_eq!(ran.text(), "There are no deleted images that can be restored.\n");
}

#[tokio::test]
async fn the_last_deleted_comes_back_first() {
    let digests: Vec<String> = (0..101).map(|number| format!("sha256:{number}")).collect();
    let images: Vec<Value> = digests.iter().map(|digest| deleted(digest, &["v"])).collect();
    let answers = vec![
        page(&images, &[deleted_tag("sha256:0", "x"), deleted_tag("sha256:0", "y")], None),
        restored(&["sha256:100"]),
        restored(&["sha256:0"]),
    ];
    let ran = run(&["image", "restore", "app", "--all"], answers).await;
    assert_eq!(
        ran.text(),
        "IMAGE       TAGS  RESULT    NOTE\nsha256:100  a     restored  -\nsha256:0    a     restored  -\n"
    );
    let inputs = inputs(&ran);
    assert_eq!(inputs[1].1["imageIds"].as_array().map(Vec::len), Some(100));
    assert_eq!(inputs[1].1["imageIds"][0], json!({ "imageDigest": "sha256:100" }));
    let last = json!([
        { "imageDigest": "sha256:0" },
        { "imageDigest": "sha256:0", "imageTag": "y" },
        { "imageDigest": "sha256:0", "imageTag": "x" },
    ]);
    assert_eq!(inputs[2].1["imageIds"], last);
}

#[tokio::test]
async fn what_did_not_come_back() {
    let answer = json!({
        "restoredImages": [{
            "imageDigest": "sha256:a", "status": "PRESENT", "restoredTags": [],
            "tagsNotRestored": [{ "imageTag": "v1", "reason": "it points at sha256:b now" }],
        }],
        "failures": [{ "imageId": { "imageTag": "v2" }, "failureCode": "ImageNotFound", "failureReason": "It is gone" }],
        "isRepositoryCreated": true,
        "dryRun": true,
    });
    let ran =
        run(&["image", "restore", "app:v2", "--dry-run", "--create-repository"], vec![(200, answer.to_string())]).await;
    assert_eq!(ran.result.as_ref().ok(), Some(&Outcome::No));
    assert_eq!(
        ran.text(),
        "IMAGE     TAGS  RESULT     NOTE\n\
         sha256:a  -     was there  tag v1 did not: it points at sha256:b now\n\
         -         v2    failed     It is gone\n\
         The repository app was gone and is created again.\n\
         This was a dry run: nothing was changed.\n"
    );
    let input = json!({
        "repositoryName": "app", "imageIds": [{ "imageTag": "v2" }], "dryRun": true, "createRepository": true
    });
    assert_eq!(inputs(&ran), [("RestoreImage".to_owned(), input)]);
}

#[tokio::test]
async fn purging_names_each_digest_once() {
    let answer = json!({
        "purgedImages": [{ "imageDigest": "sha256:a", "imageTags": ["v"], "status": "PURGED" }],
        "failures": [], "releasedBytes": 1_048_576, "dryRun": false,
    });
    let listed = page(&[deleted("sha256:a", &["v"]), deleted("sha256:a", &["v"])], &[], None);
    let ran = run(&["image", "purge-deleted", "app", "--all"], vec![listed, (200, answer.to_string())]).await;
    assert!(
        ran.text().ends_with("1.0 MiB are named by nothing else in the account. The garbage collection frees them.\n"),
        "{}",
        ran.text()
    );
    assert_eq!(inputs(&ran)[1].1["imageIds"], json!([{ "imageDigest": "sha256:a" }]));

    let answer = json!({
        "purgedImages": [{ "imageDigest": "sha256:a", "imageTags": ["v"], "status": "TAG_PURGED" }],
        "failures": [], "releasedBytes": 0, "dryRun": false,
    });
    let ran = run(&["image", "purge-deleted", "app:v"], vec![(200, answer.to_string())]).await;
    assert!(ran.text().contains("\nNo bytes are freed by it") && !ran.text().contains("0 bytes"), "{}", ran.text());
}

#[tokio::test]
async fn protections() {
    let protection = json!({ "registryId": "123456789012", "repositoryName": "app", "imageTagPattern": "release-*" });
    let answer = || vec![(200, json!({ "protection": protection }).to_string())];
    let ran = run(&["protect", "app:release-*"], answer()).await;
    assert_eq!(ran.text(), "Protected app:release-* from deletion\n");
    let input = json!({ "repositoryName": "app", "imageTagPattern": "release-*" });
    assert_eq!(inputs(&ran), [("PutDeletionProtection".to_owned(), input.clone())]);
    let ran = run(&["unprotect", "app:release-*"], answer()).await;
    assert_eq!(ran.text(), "app:release-* can be deleted again\n");
    assert_eq!(inputs(&ran), [("DeleteDeletionProtection".to_owned(), input)]);

    let mut listed = protection.clone();
    listed["createdAt"] = json!(1_795_224_902.5);
    listed["createdBy"] = "somebody".into();
    let answer = || vec![(200, json!({ "protections": [listed] }).to_string())];
    let ran = run(&["protect", "--list", "app"], answer()).await;
    assert_eq!(
        ran.text(),
        "PROTECTED      SINCE                    BY\napp:release-*  2026-11-21 01:35:02 UTC  somebody\n"
    );
    let ran = run(&["unprotect", "app:release-*", "--dry-run"], answer()).await;
    assert_eq!(ran.text(), "Would end the protection of app:release-*\nNothing was changed.\n");
    let ran = run(&["unprotect", "app:other", "--dry-run"], answer()).await;
    assert_eq!(ran.error().to_string(), "'app:other' is not protected from deletion");
}

#[tokio::test]
async fn restore_window() {
    let answer = |days: u32, is_default: bool| {
        let answer = json!({ "repositoryName": "app", "restoreWindowDays": days, "isDefault": is_default });
        vec![(200, answer.to_string())]
    };
    let ran = run(&["repository", "set", "app", "--restore-window", "30"], answer(30, false)).await;
    assert_eq!(ran.text(), "Repository      app\nRestore window  30 days\n");
    let input = json!({ "repositoryName": "app", "restoreWindowDays": 30 });
    assert_eq!(inputs(&ran), [("PutRestoreWindow".to_owned(), input)]);
    let ran = run(&["repository", "set", "app", "--restore-window", "default"], answer(1, true)).await;
    assert_eq!(ran.text(), "Repository      app\nRestore window  1 day (the server's setting)\n");
    assert_eq!(inputs(&ran), [("PutRestoreWindow".to_owned(), json!({ "repositoryName": "app" }))]);
    let ran = run(&["repository", "show", "app"], answer(0, false)).await;
    assert_eq!(ran.text(), "Repository      app\nRestore window  off\n");
}

/// What a dry run of deleting the user `ci` reads, in its order.
fn answers() -> Vec<(u16, String)> {
    let [user, groups, keys, attached, inline]: [(u16, String); 5] = whole_user().try_into().expect("five answers");
    vec![user, keys, attached, inline, groups]
}

#[tokio::test]
async fn dry_runs_only_read() {
    let ran = run(&["user", "delete", "ci", "--force", "--dry-run"], answers()).await;
    assert_eq!(
        ran.text(),
        "Would delete user ci\nWould delete access key AKIA1\nWould delete access key AKIA2\n\
         Would delete attachment of policy ReadOnly\nWould delete inline policy push\n\
         Would delete membership of group builders\nNothing was changed.\n"
    );
    let is_reading = |request: &String| request.starts_with("Get") || request.starts_with("List");
    assert!(ran.requests.iter().all(is_reading), "{:?}", ran.requests);
    let ran = run(&["user", "delete", "ci", "--dry-run"], answers()).await;
    let refused = ran.error().to_string();
    assert!(refused.starts_with("user ci cannot be deleted while it has access key AKIA1"), "{refused}");
    let ran = run(&["role", "delete", "x", "--dry-run"], vec![iam_error(404, "NoSuchEntity", "There is none.")]).await;
    assert!(ran.error().to_string().contains("NoSuchEntity"));
    let keys = || vec![list("ListAccessKeys", "AccessKeyMetadata", &[&key("AKIA1")])];
    let ran = run(&["key", "delete", "AKIA1", "--user", "ci", "--dry-run"], keys()).await;
    assert_eq!(ran.text(), "Would delete access key AKIA1 of user ci\nNothing was changed.\n");
    let ran = run(&["key", "delete", "AKIA2", "--user", "ci", "--dry-run"], keys()).await;
    assert_eq!(ran.error().to_string(), "user ci has no access key AKIA2");
    let members = iam(
        "GetGroup",
        &format!("<Users><member>{}</member></Users><IsTruncated>false</IsTruncated>", named("User", "ci")),
    );
    let none = |operation: &str, name: &str| list(operation, name, &[]);
    let policies = [none("ListAttachedGroupPolicies", "AttachedPolicies"), none("ListGroupPolicies", "PolicyNames")];
    let all = [vec![members], policies.into()].concat();
    let ran = run(&["group", "delete", "builders", "--force", "--dry-run", "--output", "json"], all).await;
    let printed: Value = serde_json::from_str(ran.text()).expect("JSON");
    assert_eq!(printed, json!({ "dryRun": true, "wouldDelete": ["group builders", "membership of user ci"] }));
}
