//! Images that replication brings, and that somebody here pushes as well: from then on they are not replication's alone.

use ecr_services::ecr;
use std::collections::HashMap;
use std::sync::Arc;

use access::web_identity::SourceConfig;
use api::protocols::operation::Call;
use bytes::Bytes;
use registry::images::changes::Cause;
use registry::images::creation::IfAbsent;
use registry::images::errors::RegistryError;
use registry::images::push::{self, Push, PushProtocol};
use serde_json::json;
use store::error::StoreError;
use store::tables::{image_tags, images, repositories};

use super::test_app::{ACCOUNT, TestApp, root_key};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// Pushes the image with a tag: as replication from there, or as somebody here.
async fn push(
    test: &TestApp,
    repository: &str,
    protocol: PushProtocol,
    source: Option<&str>,
) -> Result<(), RegistryError> {
    let caller = test.caller(&root_key(ACCOUNT));
    let push = Push {
        protocol,
        repository: test.registry().repository(&repository.parse().expect("a name")),
        replicated_from: source.map(str::to_owned),
        tags: vec!["v1".parse().expect("a tag")],
        digest: None,
        media_type: Some(INDEX.parse().expect("a media type")),
        manifest: Bytes::from_static(MANIFEST.as_bytes()),
        cause: Cause::of_caller(&test.app, &caller),
    };
    push::put_image(&test.app, Arc::new(push), IfAbsent::Refuse).await.map(|_| ())
}

/// Where the image and its tag are from, if from one source alone.
async fn origins(test: &TestApp, repository: &str) -> [Option<String>; 2] {
    let (registry, name) = (test.registry(), repository.parse().expect("a name"));
    let origins = test.app.db.read(move |tx| {
        let repository = repositories::find(tx, &registry.repository(&name))?.expect("it is there");
        let image = images::find_by_tag(tx, repository.id, "v1")?.expect("it is there");
        let of_tag = image_tags::replicated_from(tx, repository.id, "v1")?;
        Ok::<_, StoreError>([images::replicated_from(tx, image.id)?, of_tag])
    });
    origins.await.expect("readable")
}

#[tokio::test]
async fn what_is_pushed_here_too_is_noted_though_the_push_is_refused() {
    const SOURCE: &str = "111122223333";
    let test = TestApp::new(SourceConfig { allow_private_networks: false, files: HashMap::new() }).await;
    let create = ecr::SERVICE.entry("CreateRepository").expect("an operation");
    for (name, mutability, protocol) in [
        ("put-image", "MUTABLE", PushProtocol::Api),
        ("put-image-immutable", "IMMUTABLE", PushProtocol::Api),
        ("docker-push", "MUTABLE", PushProtocol::Distribution),
        ("docker-push-immutable", "IMMUTABLE", PushProtocol::Distribution),
    ] {
        let (http, caller) = (test.request(), test.caller(&root_key(ACCOUNT)));
        let input = json!({ "repositoryName": name, "imageTagMutability": mutability }).to_string();
        (create.run)(&Call::new(&test.app, &http, caller), input.as_bytes()).await.expect("created");

        push(&test, name, PushProtocol::Replication, Some(SOURCE)).await.expect("brought");
        assert_eq!(origins(&test, name).await, [Some(SOURCE.to_owned()), Some(SOURCE.to_owned())], "{name}");
        match push(&test, name, protocol, None).await {
            Err(RegistryError::ImageAlreadyExists(..)) => assert_eq!(protocol, PushProtocol::Api),
            Err(RegistryError::ImageTagAlreadyExists(..)) => assert_eq!(name, "docker-push-immutable"),
            Err(error) => panic!("{name}: {error}"),
            Ok(()) => assert_eq!(name, "docker-push"),
        }
        assert_eq!(origins(&test, name).await, [None, None], "{name}");
    }
}
