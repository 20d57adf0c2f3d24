//! A registry whose images are pushed and scanned.

use std::ops::Deref;

use api::protocols::operation::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecr_services::ecr;
use oci::Digest;
use registry::images::encryption::{self, Use};
use registry_services::admin_api;
use scanning::report::Report;
use scanning::scan_events;
use serde_json::{Value, json};
use store::tables::image_scans::{self, EndedScan, ImageScan, ScanStatus};
use store::tables::scanning_configurations::ScanType;
use store::tables::{images, jobs, repositories};

use crate::tests::test_app::{ACCOUNT, START_MS, TestApp, root_key};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The registry.
pub struct Scanned(TestApp);

impl Deref for Scanned {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.0
    }
}

/// What becomes of a manifest's layer.
#[derive(Clone, Copy)]
pub struct Made<'a> {
    pub config: &'a str,
    pub layer: &'a str,
    pub subject: Option<&'a str>,
}

/// An image of one layer.
pub const IMAGE: Made<'static> = Made { config: CONFIG, layer: LAYER, subject: None };

impl Scanned {
    /// One with a repository `app`, whose flag says so.
    pub async fn new(scan_on_push: bool) -> Self {
        let test = Self(TestApp::with_files(std::collections::HashMap::new()).await);
        test.create("app", json!({"imageScanningConfiguration": {"scanOnPush": scan_on_push}})).await;
        test
    }

    pub async fn create(&self, name: &str, with: Value) {
        let mut input = with;
        input["repositoryName"] = json!(name);
        self.call("CreateRepository", input).await;
    }

    /// Calls an operation as whoever has the access key.
    pub async fn try_call(&self, key: &str, operation: &str, input: Value) -> Result<Value, String> {
        self.try_call_of(&[&ecr::SERVICE, &admin_api::SERVICE], key, operation, input).await
    }

    /// The same, of one of Wharf's own that has a name of ECR's.
    pub async fn try_call_of(
        &self,
        services: &[&api::protocols::service::Service],
        key: &str,
        operation: &str,
        input: Value,
    ) -> Result<Value, String> {
        let http = self.request();
        let entry = services.iter().find_map(|service| service.entry(operation)).expect("an operation");
        let call = Call::new(&self.app, &http, self.caller(key));
        match (entry.run)(&call, input.to_string().as_bytes()).await {
            Ok(output) => Ok(serde_json::from_slice(&output).expect("JSON")),
            Err(error) => Err(format!("{}: {}", error.code, error.message)),
        }
    }

    pub async fn call(&self, operation: &str, input: Value) -> Value {
        self.try_call(&root_key(ACCOUNT), operation, input).await.expect(operation)
    }

    async fn blob(&self, repository: &str, content: &[u8]) -> Value {
        let digest = Digest::sha256_of(content).to_string();
        let upload = self.call("InitiateLayerUpload", json!({"repositoryName": repository})).await["uploadId"].clone();
        let part = json!({
            "repositoryName": repository, "uploadId": upload, "partFirstByte": 0, "partLastByte": content.len() - 1,
            "layerPartBlob": STANDARD.encode(content),
        });
        self.call("UploadLayerPart", part).await;
        let end = json!({"repositoryName": repository, "uploadId": upload, "layerDigests": [digest]});
        // What another image has named is there.
        let _ = self.try_call(&root_key(ACCOUNT), "CompleteLayerUpload", end).await;
        json!({"digest": digest, "size": content.len()})
    }

    /// The manifest of an image whose content is this text, with its blobs pushed.
    pub async fn manifest(&self, repository: &str, content: &str, made: Made<'_>) -> String {
        let config = json!({
            "architecture": "amd64", "os": "linux", "history": [{"created_by": format!("COPY {content}")}],
        });
        let config = config.to_string();
        let (mut config, mut layer) =
            (self.blob(repository, config.as_bytes()).await, self.blob(repository, content.as_bytes()).await);
        config["mediaType"] = json!(made.config);
        layer["mediaType"] = json!(made.layer);
        let mut manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        if let Some(subject) = made.subject {
            manifest["subject"] = json!({"mediaType": MANIFEST, "digest": subject, "size": 1});
        }
        manifest.to_string()
    }

    /// Puts a manifest; returns its digest.
    pub async fn put(&self, repository: &str, manifest: &str, tag: Option<&str>) -> String {
        let mut input = json!({"repositoryName": repository, "imageManifest": manifest});
        if let Some(tag) = tag {
            input["imageTag"] = json!(tag);
        }
        let _ = self.try_call(&root_key(ACCOUNT), "PutImage", input).await;
        Digest::sha256_of(manifest.as_bytes()).to_string()
    }

    /// Pushes an image whose content is this text; returns its digest.
    pub async fn push(&self, repository: &str, content: &str, tag: Option<&str>, made: Made<'_>) -> String {
        let manifest = self.manifest(repository, content, made).await;
        self.put(repository, &manifest, tag).await
    }

    /// Pushes an index of images that are there; returns its digest.
    pub async fn push_index(&self, repository: &str, digests: &[&str], tag: Option<&str>) -> String {
        let manifests: Vec<Value> =
            digests.iter().map(|digest| json!({"mediaType": MANIFEST, "digest": digest, "size": 1})).collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
        self.put(repository, &index, tag).await
    }

    /// The scans of a repository's images, by their digests in order.
    pub async fn scans(&self, repository: &str, scan_type: ScanType) -> Vec<(String, ImageScan)> {
        let place = self.registry().repository(&repository.parse().expect("a name"));
        let read = self.db.read(move |tx| {
            let found = repositories::find(tx, &place)?.expect("the repository");
            let mut scans = Vec::new();
            for image in images::list(tx, found.id, "", 1000)? {
                if let Some(scan) = image_scans::find(tx, image.id, scan_type)? {
                    scans.push((image.digest.to_string(), scan));
                }
            }
            Ok::<_, store::error::StoreError>(scans)
        });
        read.await.expect("readable")
    }

    /// The digests of a repository's images that a scan was asked for, in order.
    pub async fn asked(&self, repository: &str, scan_type: ScanType) -> Vec<String> {
        self.scans(repository, scan_type).await.into_iter().map(|(digest, _)| digest).collect()
    }

    /// Notes of an image that it was looked at, and holds no files.
    pub async fn call_off(&self, repository: &str, digest: &str) {
        let place = self.registry().repository(&repository.parse().expect("a name"));
        let digest: Digest = digest.parse().expect("a digest");
        let noted = self.db.write(move |tx| {
            let repository = repositories::find(tx, &place)?.expect("the repository");
            let image = images::find(tx, repository.id, &digest)?.expect("the image");
            images::note_artifact(tx, image.id)?;
            image_scans::delete(tx, image.id)
        });
        noted.await.map_err(|error: store::error::StoreError| error).expect("noted");
    }

    /// Ends the scan of an image as if it had been done, with what it found; without a report it has failed.
    pub async fn end(&self, repository: &str, digest: &str, scan_type: ScanType, report: Option<&Report>) {
        let place = self.registry().repository(&repository.parse().expect("a name"));
        let digest: Digest = digest.parse().expect("a digest");
        let found = self.db.read(move |tx| {
            let repository = repositories::find(tx, &place)?.expect("the repository");
            let image = images::find(tx, repository.id, &digest)?.expect("the image");
            let scan = image_scans::find(tx, image.id, scan_type)?.expect("a scan");
            Ok::<_, store::error::StoreError>((repository, image, scan))
        });
        let (repository, image, scan) = found.await.expect("readable");
        let sealed = match report {
            None => None,
            Some(report) => {
                let encryption = encryption::require(&self.app, &repository, Use::Push).await.expect("a key");
                let bytes = report.to_bytes().expect("writable").expect("small");
                Some(encryption.seal_document(&self.app, &bytes).expect("sealed"))
            }
        };
        let counts = report.map(Report::counts).unwrap_or_default();
        let status = match (report, scan_type) {
            (None, _) => ScanStatus::Failed,
            (Some(_), ScanType::Basic) => ScanStatus::Complete,
            (Some(_), ScanType::Enhanced) => ScanStatus::Active,
        };
        let is_whole = report.is_none_or(|report| report.problems.is_empty());
        let (now_ms, events) = (self.now_ms(), self.app.events.clone());
        let written = self.db.write(move |tx| {
            let ended = EndedScan {
                status,
                description: (status == ScanStatus::Failed).then_some("There are no advisories for Debian 12"),
                source_updated_at_ms: Some(START_MS),
                is_whole,
                counts,
                report: sealed.as_ref(),
            };
            assert!(image_scans::end(tx, (image.id, scan_type), scan.requested_at_ms, &ended, now_ms)?);
            scan_events::scan_ended(tx, &events, (&repository, &image), scan_type, status, &counts, now_ms)
        });
        written.await.expect("stored");
    }

    /// The jobs that scan, by their keys.
    pub async fn jobs(&self) -> Vec<String> {
        let jobs = self.db.read(|tx| jobs::list(tx, 0, 100)).await.expect("readable");
        let scanning = jobs.into_iter().filter(|job| job.kind == "scan_image");
        scanning.map(|job| job.key).collect()
    }
}

/// In the order in which [`Scanned::asked`] gives them.
pub fn sorted<const N: usize>(mut digests: [&str; N]) -> [&str; N] {
    digests.sort_unstable();
    digests
}
