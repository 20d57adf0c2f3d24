//! What is decided in this process of the contract with clients: policies that were stored before a check, tags that go
//! along with an image, and which methods the registry's paths know.

use ecr_services::ecr;
use std::io::{Read as _, Write as _};

use access::action::Action;
use access::auth::authorize::Refusal;
use access::auth::token;
use api::protocols::operation::Call;
use oci::{Digest, Tag};
use registry::images::image_tags::{self as image_tag_leave, Reach};
use registry::images::pull::Selector;
use serde_json::{Value, json};
use store::tables::images::{self, NewImage};
use store::tables::repositories::RepositoryRef;
use store::tables::{creation_templates, image_tags, repositories, repository_policies};

use super::test_app::{ACCOUNT, TestApp};
use super::test_server::TestServer;

const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"},
    {"Effect": "Deny", "Action": "ecr:*", "Resource": "*", "Condition": {"StringLike": {"ecr:ImageTag": "prod-*"}}}]}"#;

/// Calls an operation of ECR as whoever has the access key.
async fn call(test: &TestApp, key: &str, operation: &str, input: Value) -> Result<Value, String> {
    let http = test.request();
    let entry = ecr::SERVICE.entry(operation).expect("an operation");
    let call = Call::new(&test.app, &http, test.caller(key));
    match (entry.run)(&call, input.to_string().as_bytes()).await {
        Ok(output) => Ok(serde_json::from_slice(&output).expect("JSON")),
        Err(error) => Err(format!("{}: {}", error.code, error.message)),
    }
}

fn repository_policy(more: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*", "Action": "ecr:ListImages"{more}}}]}}"#
    )
}

#[tokio::test]
async fn policies_that_name_resources_stay_as_they_were() {
    let test = TestApp::with_files(std::collections::HashMap::default()).await;
    let root = super::test_app::root_key(ACCOUNT);
    for name in ["here", "elsewhere"] {
        call(&test, &root, "CreateRepository", json!({"repositoryName": name})).await.expect("created");
    }
    let template =
        json!({"prefix": "made", "appliedFor": ["CREATE_ON_PUSH"], "repositoryPolicy": repository_policy("")});
    call(&test, &root, "CreateRepositoryCreationTemplate", template).await.expect("created");
    let old = repository_policy(r#", "Resource": "arn:aws:ecr:us-east-1:123456789012:repository/here""#);
    let (registry, policy) = (test.registry(), old.clone());
    let stored = test.app.db.write(move |tx| {
        for name in ["here", "elsewhere"] {
            let found = repositories::find(tx, &registry.repository(&name.parse().expect("a name")))?.expect("created");
            repository_policies::set(tx, found.id, Some(&policy))?;
        }
        let prefix = "made".parse().expect("a prefix");
        let mut template = creation_templates::find(tx, &registry, &prefix)?.expect("created");
        template.repository_policy = Some(policy.clone());
        creation_templates::update(tx, &template)
    });
    stored.await.expect("stored");

    // It is read, and decides by what it names.
    let nobody = test.user(ACCOUNT, "nobody", None).await;
    for (name, is_allowed) in [("here", true), ("elsewhere", false)] {
        let found = call(&test, &root, "GetRepositoryPolicy", json!({"repositoryName": name})).await.expect("shown");
        assert_eq!(found["policyText"], old.as_str());
        let listed = call(&test, &nobody, "ListImages", json!({"repositoryName": name})).await;
        assert_eq!(listed.is_ok(), is_allowed, "{name}: {listed:?}");
    }
    let shown = call(&test, &root, "DescribeRepositoryCreationTemplates", json!({})).await.expect("shown");
    assert_eq!(shown["repositoryCreationTemplates"][0]["repositoryPolicy"], old.as_str());
    // A template that has one can be changed elsewhere; it cannot be set anew.
    let change = |text: Option<&str>| json!({"prefix": "made", "description": "d", "repositoryPolicy": text});
    call(&test, &root, "UpdateRepositoryCreationTemplate", change(None)).await.expect("changed");
    let refused = call(&test, &root, "UpdateRepositoryCreationTemplate", change(Some(&old))).await;
    assert!(refused.expect_err("refused").contains("Invalid repository policy provided"));
    let input = json!({"repositoryName": "elsewhere", "policyText": old});
    let refused = call(&test, &root, "SetRepositoryPolicy", input).await.expect_err("refused");
    assert!(refused.contains("Invalid repository policy provided"), "{refused}");
    let input = json!({"repositoryName": "elsewhere", "policyText": repository_policy("")});
    call(&test, &root, "SetRepositoryPolicy", input).await.expect("set");
    call(&test, &nobody, "ListImages", json!({"repositoryName": "elsewhere"})).await.expect("allowed");
}

/// An image with these tags, as far as tags go.
async fn image(test: &TestApp, content: &str, tags: &[&str]) -> Digest {
    let digest = Digest::sha256_of(content.as_bytes());
    let new = NewImage {
        digest,
        media_type: "application/vnd.oci.image.manifest.v1+json".parse().expect("a media type"),
        artifact_media_type: None,
        artifact_type: None,
        annotations: std::collections::BTreeMap::default(),
        subject: None,
        size_bytes: 0,
        manifest_bytes: 0,
        sealed_manifest: Vec::new(),
        pushed_at_ms: 0,
    };
    let tags: Vec<Tag> = tags.iter().map(|tag| tag.parse().expect("a tag")).collect();
    let registry = test.registry();
    let stored = test.app.db.write(move |tx| {
        let repository =
            repositories::find(tx, &registry.repository(&"app".parse().expect("a name")))?.expect("created");
        let id = images::insert(tx, repository.id, &new)?.expect("a new image");
        for tag in &tags {
            image_tags::move_to(tx, repository.id, tag, id, 0)?;
        }
        Ok::<_, store::error::StoreError>(())
    });
    stored.await.expect("stored");
    digest
}

#[tokio::test]
async fn every_tag_of_an_image_is_decided_on() {
    let test = TestApp::with_files(std::collections::HashMap::default()).await;
    let root = super::test_app::root_key(ACCOUNT);
    call(&test, &root, "CreateRepository", json!({"repositoryName": "app"})).await.expect("created");
    let both = image(&test, "both", &["dev-1", "prod-1"]).await.to_string();
    let dev = image(&test, "dev", &["dev-2"]).await.to_string();
    let none = image(&test, "none", &[]).await.to_string();
    let developer = test.user(ACCOUNT, "developer", Some(POLICY)).await;

    let delete = |ids: Value| json!({"repositoryName": "app", "imageIds": ids});
    for ids in [
        json!([{"imageDigest": both}]),
        json!([{"imageDigest": both, "imageTag": "dev-1"}]),
        json!([{"imageDigest": dev}, {"imageDigest": both}]),
        json!([{"imageTag": "prod-1"}]),
    ] {
        let refused = call(&test, &developer, "BatchDeleteImage", delete(ids.clone())).await.expect_err("refused");
        assert!(refused.starts_with("AccessDeniedException: User: "), "{ids}: {refused}");
        assert!(refused.contains("ecr:BatchDeleteImage") && refused.contains("explicit deny"), "{ids}: {refused}");
    }
    // An image is archived with every tag that it has, whichever it is named by.
    for id in [json!({"imageDigest": both}), json!({"imageTag": "dev-1"})] {
        let input = json!({"repositoryName": "app", "imageId": id, "targetStorageClass": "ARCHIVE"});
        let refused = call(&test, &developer, "UpdateImageStorageClass", input).await.expect_err("refused");
        assert!(refused.contains("ecr:UpdateImageStorageClass"), "{refused}");
    }
    let listed = call(&test, &root, "ListImages", json!({"repositoryName": "app"})).await.expect("listed");
    assert_eq!(listed["imageIds"].as_array().map(Vec::len), Some(4), "{listed}");

    // What has no such tag is deleted by its digest, and the other tag by itself.
    let ids = json!([{"imageDigest": dev}, {"imageDigest": none}, {"imageTag": "dev-1"}]);
    let deleted = call(&test, &developer, "BatchDeleteImage", delete(ids)).await.expect("deleted");
    assert_eq!(deleted["failures"], json!([]), "{deleted}");
    call(&test, &root, "BatchDeleteImage", delete(json!([{"imageDigest": both}]))).await.expect("deleted");
}

#[tokio::test]
async fn a_tag_that_comes_meanwhile_is_asked_for() {
    let test = TestApp::with_files(std::collections::HashMap::default()).await;
    let root = super::test_app::root_key(ACCOUNT);
    call(&test, &root, "CreateRepository", json!({"repositoryName": "app"})).await.expect("created");
    let digest = image(&test, "image", &["dev-1"]).await;
    let key = test.user(ACCOUNT, "developer", Some(POLICY)).await;
    let (http, caller) = (test.request(), test.caller(&key));
    let place = RepositoryRef { registry: test.registry(), name: "app".parse().expect("a name") };
    let selectors = [Selector::Digest(digest)];
    let ask =
        || image_tag_leave::authorize(&http, &caller, Action::EcrBatchDeleteImage, &place, &selectors, Reach::Named);
    let leave = ask().await.expect("only dev-1");

    let covers = |leave: image_tag_leave::TagLeave, tag: Option<&'static str>| {
        let (place, selectors) = (place.clone(), selectors.clone());
        test.app.db.write(move |tx| {
            let repository = repositories::find(tx, &place)?.expect("created");
            if let Some(tag) = tag {
                let image = images::find(tx, repository.id, &digest)?.expect("stored");
                image_tags::move_to(tx, repository.id, &tag.parse().expect("a tag"), image.id, 0)?;
            }
            leave.covers(tx, repository.id, &selectors)
        })
    };
    assert!(covers(leave.clone(), None).await.expect("read"));
    assert!(!covers(leave, Some("prod-1")).await.expect("read"));
    assert!(matches!(ask().await, Err(Refusal::Denied(_))));

    // Where no policy looks at tags, none is asked for.
    let free = test.caller(&root);
    let leave = image_tag_leave::authorize(&http, &free, Action::EcrBatchDeleteImage, &place, &selectors, Reach::Whole);
    assert!(covers(leave.await.expect("root"), Some("prod-2")).await.expect("read"));
}

fn exchange(port: u16, head: &str) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("connects");
    stream.write_all(head.as_bytes()).expect("sends");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answers");
    answer
}

/// RFC 9110, 15.5.6: an answer of 405 lists the methods that the path knows, and no path answers 405 to one of those.
#[tokio::test(flavor = "multi_thread")]
async fn not_allowed_methods() {
    let server = TestServer::start().await;
    let caller = server.user("somebody", Some(POLICY)).await;
    let (authorization, _) = token::issue(&server, &caller, server.account());
    let port = server.port();
    let digest = Digest::sha256_of(b"");
    let id = uuid::Uuid::nil();
    for path in [
        "/v2/",
        "/v2/_catalog",
        "/v2/app/tags/list",
        "/v2/app/manifests/v1",
        &format!("/v2/app/manifests/{digest}"),
        &format!("/v2/app/blobs/{digest}"),
        &format!("/v2/app/referrers/{digest}"),
        "/v2/app/blobs/uploads/",
        &format!("/v2/app/blobs/uploads/{id}"),
        "/v2/app/blobs/uploads/none",
        "/v2/app",
        "/v2/app/manifests/-a",
        "/layers/none",
        "/replicated-layers/none",
    ] {
        let mut allowed: Vec<&str> = Vec::new();
        let mut told: Vec<(String, Vec<String>)> = Vec::new();
        for method in ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "SEARCH"] {
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {authorization}\r\n\
                 Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let answer = tokio::task::spawn_blocking(move || exchange(port, &head)).await.expect("runs");
            let (head, _) = answer.split_once("\r\n\r\n").expect("a head");
            let allow = head.lines().find_map(|line| line.strip_prefix("allow: "));
            if head.starts_with("HTTP/1.1 405 ") {
                let methods = allow.unwrap_or_else(|| panic!("{method} {path}: {head}")).split(", ");
                told.push((method.to_owned(), methods.map(str::to_owned).collect()));
            } else {
                assert_eq!(allow, None, "{method} {path}: {head}");
                // That no layer can be deleted is said of one that is there; of another, that it is not.
                if (method, path.contains("/blobs/sha256:")) != ("DELETE", true) {
                    allowed.push(method);
                }
            }
        }
        for (method, methods) in told {
            assert!(!methods.contains(&method), "{method} {path} is answered with 405 and Allow: {methods:?}");
            assert_eq!(methods, allowed, "{method} {path}");
        }
    }
    server.stop().await;
}
