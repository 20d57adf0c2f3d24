//! A registry with images to scan, advisories to compare them with, and a worker that does what is due.

use std::io::Cursor;
use std::sync::Arc;

use access::kms::aws_managed;
use access::web_identity::SourceConfig;
use bytes::Bytes;
use oci::{Digest, RepositoryName};
use registry::advisory_settings::AdvisorySettings;
use registry::images::changes::{Actor, Cause};
use registry::images::creation::IfAbsent;
use registry::images::push::{Push, PushProtocol, put_image};
use registry::images::{encryption, repositories, uploads};
use registry::testing::{START_MS, TestRegistry};
use runtime::jobs::handler::Handler;
use runtime::jobs::worker::{Node, Worker};
use scan::feeds::catalog::{Feed, FeedFile};
use store::error::StoreError;
use store::tables::image_scans::{self, ImageScan, ScanCause};
use store::tables::kms_keys::KeyRef;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{
    self as repositories_table, EncryptionType, NewRepository, Repository, TagMutability,
};
use store::tables::scanning_configurations::ScanType;
use store::tables::{advisory_feeds, images};

use crate::advisory_state::{file_name, files};
use crate::advisory_update::{self, FileNotes, OpenFile, Refused, Shrinking, Updated};
use crate::analyse_layer::AnalyseLayer;
use crate::context::Scanning;
use crate::import_advisories::ImportAdvisories;
use crate::pick_up_images::PickUpImages;
use crate::report::Report;
use crate::scan_image::{self, ScanImage};
use crate::testing::scanning;
use crate::{scans, update_advisories};

/// An Alpine with these packages.
pub fn alpine(packages: &[(&str, &str)]) -> Vec<u8> {
    let stanzas = packages.iter().map(|(name, version)| format!("P:{name}\nV:{version}\nA:x86_64\no:{name}\n\n"));
    let installed = stanzas.collect::<Vec<_>>().concat();
    layer(&[
        ("etc/os-release", b"ID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME=\"Alpine Linux v3.20\"\n"),
        ("etc/alpine-release", b"3.20.3\n"),
        ("etc/apk/repositories", b"https://dl-cdn.alpinelinux.org/alpine/v3.20/main\n"),
        ("lib/apk/db/installed", installed.as_bytes()),
    ])
}

/// A layer of these files.
pub fn layer(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, path, *content).expect("appended");
    }
    archive.into_inner().expect("a whole archive")
}

/// Versions, with the vulnerabilities that each fixes.
pub type Fixes<'a> = &'a [(&'a str, &'a [&'a str])];

/// Alpine's advisories: in each package the versions that fix vulnerabilities.
pub fn secdb(packages: &[(&str, Fixes<'_>)]) -> Vec<u8> {
    let package = |(name, fixes): &(&str, Fixes<'_>)| {
        let fixes: serde_json::Map<String, serde_json::Value> =
            fixes.iter().map(|(version, ids)| ((*version).to_owned(), serde_json::json!(ids))).collect();
        serde_json::json!({"pkg": {"name": name, "secfixes": fixes}})
    };
    let packages: Vec<_> = packages.iter().map(package).collect();
    serde_json::json!({
        "distroversion": "v3.20", "reponame": "main", "urlprefix": "https://example.com", "archs": ["x86_64"],
        "apkurl": "", "packages": packages,
    })
    .to_string()
    .into_bytes()
}

/// A registry that is scanned.
pub struct Fixture {
    pub test: TestRegistry,
    pub app: Arc<Scanning>,
}

impl Fixture {
    pub async fn new() -> Self {
        Self::with(AdvisorySettings::default()).await
    }

    /// One whose feeds are those of Alpine 3.20.
    pub async fn with(mut settings: AdvisorySettings) -> Self {
        let mut test = TestRegistry::new(SourceConfig::default()).await;
        settings.feeds.retain(|feed| feed.name == "alpine");
        for feed in &mut settings.feeds {
            feed.files.retain(|file| file.part == "v3.20/main");
        }
        assert_eq!(files(&settings.feeds).count(), 1);
        Arc::get_mut(&mut test.app).expect("nobody else has it yet").advisories = settings;
        let app = scanning(&test.app);
        Self { test, app }
    }

    /// A repository of an account.
    pub async fn repository(&self, registry: RegistryId, name: &str, encryption_type: EncryptionType) -> Repository {
        let name: RepositoryName = name.parse().expect("a name");
        let kms_key = match encryption_type {
            EncryptionType::Aes256 => None,
            EncryptionType::Kms | EncryptionType::KmsDsse => {
                let key = KeyRef { registry: registry.clone(), name: aws_managed::ECR_ALIAS.to_owned() };
                Some(aws_managed::require(&self.test.app, &key).await.expect("made").arn())
            }
        };
        let new = NewRepository {
            registry,
            name,
            created_at_ms: START_MS,
            tag_mutability: TagMutability::Mutable,
            tag_mutability_filters: Vec::new(),
            scan_on_push: true,
            encryption_type,
            kms_key,
        };
        let cause = self.cause();
        let created = self.app.db.write(move |tx| repositories::create(tx, &new, &[], 10, &cause));
        created.await.expect("created")
    }

    pub async fn home(&self) -> Repository {
        self.repository(self.test.registry(), "app", EncryptionType::Aes256).await
    }

    pub fn cause(&self) -> Cause {
        Cause::now(&self.app, Actor::Principal("somebody".into()))
    }

    pub async fn upload(&self, repository: &Repository, content: &[u8]) -> Digest {
        let place = repositories::reference(repository);
        let digest = Digest::sha256_of(content);
        let upload = uploads::begin(&self.app, &place, IfAbsent::Refuse, &self.cause()).await.expect("begun");
        let mut session = uploads::open(&self.app, &place, upload.id).await.expect("open");
        session.write(Bytes::copy_from_slice(content)).await.expect("written");
        match session.complete(&self.app, digest).await {
            Ok(()) | Err(registry::images::errors::RegistryError::LayerAlreadyExists(..)) => digest,
            Err(error) => panic!("{error}"),
        }
    }

    /// Pushes an image of these layers, and returns its row.
    pub async fn push(&self, repository: &Repository, layers: &[Vec<u8>]) -> i64 {
        let mut named = Vec::new();
        for layer in layers {
            named.push((self.upload(repository, layer).await, layer.len()));
        }
        let config = self.upload(repository, b"{}").await;
        let layer = |(digest, size): &(Digest, usize)| {
            serde_json::json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest.to_string(), "size": size,
            })
        };
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.to_string(), "size": 2,
            },
            "layers": named.iter().map(layer).collect::<Vec<_>>(),
        });
        let push = Push {
            protocol: PushProtocol::Distribution,
            repository: repositories::reference(repository),
            replicated_from: None,
            tags: Vec::new(),
            digest: None,
            media_type: None,
            manifest: manifest.to_string().into(),
            cause: self.cause(),
        };
        let pushed = put_image(&self.app, Arc::new(push), IfAbsent::Refuse).await.expect("pushed");
        let id = repository.id;
        let found = self.app.db.read(move |tx| images::find(tx, id, &pushed.digest)).await;
        found.expect("readable").expect("it was pushed").id
    }

    /// Has an image scanned, as far as that goes now.
    pub async fn scan(&self, image_id: i64) -> ImageScan {
        let now_ms = self.app.now_ms();
        let asked = self.app.db.write(move |tx| {
            let repository = images::repository_of(tx, image_id)?.expect("it is there");
            let account = repositories_table::find_by_id(tx, repository)?.expect("it is there").spec.registry.account;
            scan_image::request(
                tx,
                ScanImage { account, image_id, scan_type: ScanType::Basic },
                ScanCause::Manual,
                now_ms,
            )
        });
        asked.await.map_err(|error: StoreError| error).expect("asked for");
        self.work_off().await;
        self.found(image_id).await
    }

    /// What is told of the scan of an image.
    pub async fn found(&self, image_id: i64) -> ImageScan {
        let found = self.app.db.read(move |tx| image_scans::find(tx, image_id, ScanType::Basic)).await;
        let mut scan = found.expect("readable").expect("it was asked for");
        if scan.is_told()
            && let Some(report) = self.find_report(image_id).await
        {
            scans::tell(&mut scan, &report);
        }
        scan
    }

    /// What the scan of an image found.
    pub async fn report(&self, image_id: i64) -> Report {
        self.find_report(image_id).await.expect("there is a report")
    }

    async fn find_report(&self, image_id: i64) -> Option<Report> {
        let found = self.app.db.read(move |tx| image_scans::find_report(tx, image_id, ScanType::Basic)).await;
        let document = found.expect("readable")?;
        let bytes = encryption::open_document(&self.app, &document).await.expect("it opens");
        Some(Report::from_bytes(&bytes).expect("a report"))
    }

    /// Works off what is due, but for what is fetched.
    pub async fn work_off(&self) {
        let app = &self.app;
        let node = Node {
            db: app.db.clone(),
            clock: Arc::clone(&app.clock),
            wake: Arc::clone(&app.wake_jobs),
            ends: Arc::clone(&app.metrics.jobs),
            telemetry: Arc::clone(&app.telemetry),
        };
        let handlers = vec![
            Handler::of::<ScanImage, _>(app),
            Handler::of::<AnalyseLayer, _>(app),
            Handler::of::<ImportAdvisories, _>(app),
            Handler::of::<PickUpImages, _>(app),
        ];
        Worker::new(node, handlers).work_off().await;
    }

    fn only_file(&self) -> (&Feed, &FeedFile) {
        let only = &self.app.advisories.feeds[0];
        (only, &only.files[0])
    }

    /// Puts advisories in force.
    pub async fn advise(&self, content: &[u8]) -> Result<Updated, Refused> {
        let (of, file) = self.only_file();
        self.advise_as(&file_name(of, file), content).await
    }

    /// Puts advisories in force, and tells nobody.
    pub async fn advise_quietly(&self, content: &[u8]) {
        let (of, file) = self.only_file();
        self.put_in_force(&file_name(of, file), content).await.expect("in force");
    }

    /// Puts advisories in force under a name.
    pub async fn advise_as(&self, name: &str, content: &[u8]) -> Result<Updated, Refused> {
        let updated = self.put_in_force(name, content).await?;
        update_advisories::let_go_on(&self.app).await.expect("noted");
        Ok(updated)
    }

    async fn put_in_force(&self, name: &str, content: &[u8]) -> Result<Updated, Refused> {
        let (of, file) = self.only_file();
        let asked = name.to_owned();
        let done = self.app.db.write(move |tx| advisory_feeds::want(tx, &asked).map(drop));
        done.await.map_err(|error: StoreError| error).expect("noted");
        let open = OpenFile { input: Cursor::new(content.to_vec()), scratch: None };
        let (notes, now_ms) = (FileNotes { files: "{}".to_owned(), source_updated_at_ms: None }, self.app.now_ms());
        let with = (&notes, Shrinking::Refused);
        advisory_update::put_in_force(&self.app.db, name, (of, file), open, with, now_ms).await
    }
}
