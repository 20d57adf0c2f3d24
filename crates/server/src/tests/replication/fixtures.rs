//! What these tests begin with: a server with two regions, rules, and images that are pushed as clients push them.

use std::collections::HashMap;
use std::sync::Arc;

use access::web_identity::SourceConfig;
use bytes::Bytes;
use oci::{Digest, RepositoryName};
use registry::images::changes::{Actor, Cause};
use registry::images::creation::IfAbsent;
use registry::images::delete::Deletion;
use registry::images::errors::RegistryError;
use registry::images::pull::{self, ImageQuery, Selector};
use registry::images::push::{self, Push, PushProtocol};
use registry::images::storage_class::NotSupported;
use registry::images::{delete, restore, storage_class, uploads};
use registry::layers;
use registry::replication::rules::{Destination, Extensions, Rule, Rules};
use serde_json::{Value, json};
use store::error::StoreError;
use store::tables::blobs::StoredBlob;
use store::tables::image_replications::{self, ImageReplication};
use store::tables::images::{self, Image};
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{self, EncryptionType, NewRepository, Repository, TagMutability};
use store::tables::{identity_version, image_tags, registry_policies};
use upkeep::background::work_off;

use crate::tests::test_app::{ACCOUNT, TestApp};

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub fn registry(account: &str, region: &str) -> RegistryId {
    RegistryId { account: account.parse().expect("an account"), region: region.parse().expect("a region") }
}

/// Where images are pushed to.
pub fn home() -> RegistryId {
    registry(ACCOUNT, "us-east-1")
}

/// Where they go in most tests.
pub fn away() -> RegistryId {
    registry(ACCOUNT, "eu-west-1")
}

pub fn name(text: &str) -> RepositoryName {
    text.parse().expect("a name")
}

pub fn rule(destination: &RegistryId, prefix: &str) -> Rule {
    Rule { destinations: vec![Destination::from(destination)], prefixes: Some(vec![prefix.to_owned()]), deletes: None }
}

type SetClass = fn(&mut dyn store::db::Tx, &Repository, &Image, &Cause) -> Result<Result<(), NotSupported>, StoreError>;

pub struct Fixture(pub TestApp);

impl Fixture {
    pub async fn new(rules: Vec<Rule>) -> Self {
        let sources = SourceConfig { allow_private_networks: false, files: HashMap::new() };
        let fixture = Self(TestApp::new(sources).await);
        fixture.put_rules(&home(), rules).await;
        fixture
    }

    fn cause(&self) -> Cause {
        Cause::now(&self.0.app, Actor::Principal("test".into()))
    }

    pub async fn put_rules(&self, of: &RegistryId, rules: Vec<Rule>) {
        let (of, rules) = (of.clone(), Rules(rules));
        self.0.app.db.write(move |tx| rules.store(tx, &of)).await.expect("stored");
    }

    pub async fn extend(&self, extensions: Extensions) {
        self.0.app.db.write(move |tx| extensions.store(tx)).await.expect("stored");
    }

    pub async fn put_registry_policy(&self, of: &RegistryId, document: &str) {
        let (of, document) = (of.clone(), document.to_owned());
        let put = move |tx: &mut dyn store::db::Tx| {
            registry_policies::upsert(tx, &of, &document)?;
            identity_version::increment(tx)
        };
        self.0.app.db.write(put).await.expect("stored");
        self.0.app.load_identities().await.expect("readable");
    }

    pub async fn create(&self, at: &RegistryId, repository: &str, tag_mutability: TagMutability) {
        let new = NewRepository {
            registry: at.clone(),
            name: name(repository),
            created_at_ms: 0,
            tag_mutability,
            tag_mutability_filters: Vec::new(),
            scan_on_push: false,
            encryption_type: EncryptionType::Aes256,
            kms_key: None,
        };
        self.0.app.db.write(move |tx| repositories::insert(tx, &new)).await.expect("stored").expect("the name is free");
    }

    pub async fn upload(&self, at: &RegistryId, repository: &str, content: &[u8]) -> Digest {
        let app = &self.0.app;
        let place = at.repository(&name(repository));
        let digest = Digest::sha256_of(content);
        let upload = uploads::begin(app, &place, IfAbsent::Refuse, &self.cause()).await.expect("begun");
        let mut session = uploads::open(app, &place, upload.id).await.expect("open");
        session.write(Bytes::copy_from_slice(content)).await.expect("written");
        session.complete(app, digest).await.expect("complete");
        digest
    }

    async fn put(&self, at: &RegistryId, repository: &str, tag: Option<&str>, kind: &str, manifest: &Value) -> Digest {
        let push = Push {
            protocol: PushProtocol::Distribution,
            repository: at.repository(&name(repository)),
            replicated_from: None,
            tags: tag.iter().map(|tag| tag.parse().expect("a tag")).collect(),
            digest: None,
            media_type: Some(kind.parse().expect("a media type")),
            manifest: manifest.to_string().into(),
            cause: self.cause(),
        };
        push::put_image(&self.0.app, Arc::new(push), IfAbsent::Refuse).await.expect("pushed").digest
    }

    /// Pushes an image of one layer.
    pub async fn push(&self, repository: &str, tag: Option<&str>, content: &str) -> Digest {
        self.push_to(&home(), repository, tag, content, None).await
    }

    pub async fn push_to(
        &self,
        at: &RegistryId,
        repository: &str,
        tag: Option<&str>,
        content: &str,
        subject: Option<Digest>,
    ) -> Digest {
        let config = self.upload(at, repository, b"{}").await;
        let layer = self.upload(at, repository, content.as_bytes()).await;
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": content.len(),
            }],
        });
        if let Some(subject) = subject {
            manifest["subject"] = json!({"mediaType": OCI_MANIFEST, "digest": subject, "size": 1});
        }
        self.put(at, repository, tag, OCI_MANIFEST, &manifest).await
    }

    /// Pushes a list of images that are there.
    pub async fn push_index(&self, repository: &str, tag: Option<&str>, children: &[Digest]) -> Digest {
        let children: Vec<Value> =
            children.iter().map(|child| json!({"mediaType": OCI_MANIFEST, "digest": child, "size": 1})).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children});
        self.put(&home(), repository, tag, OCI_INDEX, &manifest).await
    }

    pub async fn delete(&self, repository: &str, selector: Selector) {
        self.delete_at(&home(), repository, selector).await;
    }

    pub async fn delete_at(&self, at: &RegistryId, repository: &str, selector: Selector) {
        let deletion = Deletion::new(&self.0.app, self.cause(), "test");
        let (at, repository) = (at.clone(), name(repository));
        let delete = move |tx: &mut dyn store::db::Tx| {
            let repository = registry::images::repositories::require(tx, &at.repository(&repository))?;
            delete::delete(tx, &repository, &selector, &deletion)
        };
        self.0.app.db.write(delete).await.expect("stored").expect("deleted");
    }

    /// Restores what was deleted.
    pub async fn restore(&self, repository: &str, selector: Selector) {
        let (repository, cause) = (name(repository), self.cause());
        let restore = move |tx: &mut dyn store::db::Tx| {
            let repository = registry::images::repositories::require(tx, &home().repository(&repository))?;
            Ok::<_, RegistryError>(restore::restore(tx, &repository, &selector, 1000, &cause)?)
        };
        let restored = self.0.app.db.write(restore).await.expect("stored");
        assert!(restored.is_ok_and(|restored| restored.iter().all(|image| image.other_tags.is_empty())));
    }

    pub async fn archive(&self, at: &RegistryId, repository: &str, digest: Digest) {
        self.set_class(at, repository, digest, storage_class::archive).await;
    }

    /// Takes an image from the archive.
    pub async fn unarchive(&self, at: &RegistryId, repository: &str, digest: Digest) {
        self.set_class(at, repository, digest, storage_class::begin_restore).await;
    }

    async fn set_class(&self, at: &RegistryId, repository: &str, digest: Digest, set: SetClass) {
        let (at, repository, cause) = (at.clone(), name(repository), self.cause());
        let set = move |tx: &mut dyn store::db::Tx| {
            let repository = registry::images::repositories::require(tx, &at.repository(&repository))?;
            let image = images::find(tx, repository.id, &digest)?.expect("there");
            Ok::<_, RegistryError>(set(tx, &repository, &image, &cause)?)
        };
        self.0.app.db.write(set).await.expect("stored").expect("it can");
    }

    /// Works until nothing is left to do but what waits for longer than a minute.
    pub async fn settle(&self) {
        for _ in 0..60 {
            work_off(&self.0.app).await;
            self.0.clock.advance_ms(1000);
        }
    }

    pub async fn image(&self, at: &RegistryId, repository: &str, digest: Digest) -> Option<Image> {
        let (at, repository) = (at.clone(), name(repository));
        let find = move |tx: &mut dyn store::db::Tx| match repositories::find(tx, &at.repository(&repository))? {
            Some(found) => images::find(tx, found.id, &digest),
            None => Ok(None),
        };
        self.0.app.db.read(find).await.expect("readable")
    }

    /// The tags of an image; none if it is not there.
    pub async fn tags(&self, at: &RegistryId, repository: &str, digest: Digest) -> Option<Vec<String>> {
        let image = self.image(at, repository, digest).await?;
        let tags = self.0.app.db.read(move |tx| image_tags::list_of_image(tx, image.id)).await;
        Some(tags.expect("readable"))
    }

    pub async fn manifest(&self, at: &RegistryId, repository: &str, digest: Digest) -> Bytes {
        let query = ImageQuery { repository: at.repository(&name(repository)), selector: Selector::Digest(digest) };
        pull::peek_manifest(&self.0.app, query, None).await.expect("there").manifest
    }

    /// Where a layer is stored.
    pub async fn layer(&self, at: &RegistryId, repository: &str, digest: Digest) -> StoredBlob {
        let found = layers::find(&self.0.app, &at.repository(&name(repository)), digest).await.expect("it is there");
        found.for_the_server().stored(&self.0.app).await.expect("it is here").stored.clone()
    }

    /// How an image stands at its destinations.
    pub async fn replications(&self, repository: &str, digest: Digest) -> Vec<ImageReplication> {
        let Some(image) = self.image(&home(), repository, digest).await else { return Vec::new() };
        let list = move |tx: &mut dyn store::db::Tx| image_replications::list_of_image(tx, image.id);
        self.0.app.db.read(list).await.expect("readable")
    }

    /// The same in words.
    pub async fn statuses(&self, repository: &str, digest: Digest) -> Vec<&'static str> {
        self.replications(repository, digest).await.iter().map(|replication| replication.status.as_str()).collect()
    }

    /// A number of the database.
    pub async fn count(&self, sql: &'static str) -> i64 {
        let count =
            move |tx: &mut dyn store::db::Tx| tx.query_opt(sql, &[])?.map_or(Ok::<_, StoreError>(0), |row| row.int(0));
        self.0.app.db.read(count).await.expect("readable")
    }
}
