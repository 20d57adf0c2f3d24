//! One damaged value, in any column of any table of a filled registry, by a bit or, where a column has a type, by a text that is
//! not of it: the server starts, others go on, every list gives
//! the rest, garbage is collected, a backup is made, and a check names what is damaged.

use ecr_services::ecr;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use access::auth::keys;
use account_services::{iam_api, kms_api, secrets_api};
use api::protocols::operation::Call;
use api::protocols::service::Service;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use config::credentials;
use config::settings::Config;
use oci::Digest;
use registry::Registry;
use registry::images::collect_garbage;
use registry::images::encryption::{self, Use};
use registry_services::{admin_api, cloudtrail};
use runtime::clock::ManualClock;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags};
use scan::facts::LayerFacts;
use scan::feeds::catalog;
use scanning::advisory_update::{self, FileNotes, OpenFile, Shrinking};
use scanning::layer_facts;
use scanning::report::Report;
use serde_json::{Value, json};
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_scans::{self, EndedScan, ScanCause, ScanStatus, SeverityCounts};
use store::tables::registry_id::RegistryId;
use store::tables::scanning_configurations::ScanType;
use store::tables::storage_checks::{self, CheckStatus, StorageCheck};
use store::tables::{advisory_feeds, blobs, column_kinds, images, repositories};
use tokio::task::JoinSet;
use upkeep::storage_check::check::{self, Progress, Settings};

use crate::Server;
use crate::maintenance::backup::{BackupSettings, backup};
use crate::tests::test_app::{START_MS, request_from};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Cases that go on at a time.
const AT_ONCE: usize = 3;

/// Without this nothing can be read, so the server says what is the matter and does not start.
const KEEPS_THE_SERVER_FROM_STARTING: &[(&str, &str)] = &[("root_keys", "wrapped")];

/// What nobody can find, as it says nothing that could be wrong: bytes of objects that are not there any more (an upload's
/// data key is found when the upload goes on). What is known of a layer for no account is forgotten before anybody looks, and made
/// anew.
const SAYS_NOTHING: &[(&str, &str)] = &[("layer_facts", "account_id")];

/// Tables that nothing is put into: what is in most of them comes and goes by itself, or needs another node or registry. No
/// new one belongs here.
const NOT_FILLED: &[&str] = &[
    "collection_holds",
    "damaged_objects",
    "deleted_image_children",
    "deleted_repositories",
    "followed_events",
    "followed_registries",
    "garbage_collections",
    "image_children",
    "image_replications",
    "jobs",
    "lifecycle_preview_results",
    "lifecycle_run_steps",
    "lifecycle_runs",
    "lifecycle_settings",
    "nodes",
    "removed_objects",
    "replication_backfill_images",
    "replication_backfills",
    "replication_extensions",
    "replication_removals",
    "reseal_searches",
    "storage_checks",
    "storage_findings",
    "storage_moves",
    "storage_scrubs",
    "upstream_blobs",
];

struct Running {
    server: Server,
    root_access_key_id: String,
}

impl Running {
    async fn start(folder: &Path) -> Result<Self, String> {
        let config = Config {
            data_dir: Some(folder.to_owned()),
            listen: Some("127.0.0.1:0".parse().expect("an address")),
            ballast_mib: Some(0),
            ..Config::default()
        };
        let clock = Arc::new(ManualClock::new(START_MS));
        let server = Server::start(&config, clock).await.map_err(|error| error.to_string())?;
        let told = credentials::RunningServer::find(folder).map_err(|error| error.to_string())?.expect("written");
        let root_access_key_id = told.accounts[0].access_key_id.clone();
        Ok(Self { server, root_access_key_id })
    }

    fn app(&self) -> &Arc<Registry> {
        &self.server.app
    }

    fn root(&self) -> String {
        self.root_access_key_id.clone()
    }

    /// An operation by whoever has the key; the error is its code and text.
    async fn call_as(&self, key: &str, service: &Service, name: &str, input: Value) -> Result<Value, String> {
        let app = self.app();
        let http = request_from(&app.access, Ipv4Addr::LOCALHOST.into());
        let region = app.accounts.regions()[0].clone();
        let holder = keys::find(app, key, None).map_err(|error| format!("{error:?}"))?;
        let call = Call::new(app, &http, holder.into_caller(region, key.to_owned()));
        let entry = service.entry(name).expect("an operation");
        let answer = (entry.run)(&call, input.to_string().as_bytes()).await;
        let answer = answer.map_err(|error| format!("{} {}", error.code, error.message))?;
        Ok(serde_json::from_slice(&answer).expect("JSON"))
    }

    async fn call(&self, service: &Service, name: &str, input: Value) -> Value {
        let answer = self.call_as(&self.root(), service, name, input).await;
        answer.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    async fn ecr(&self, name: &str, input: Value) -> Value {
        self.call(&ecr::SERVICE, name, input).await
    }

    async fn iam(&self, name: &str, input: Value) -> Value {
        self.call(&iam_api::SERVICE, name, input).await
    }

    async fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let upload = self.ecr("InitiateLayerUpload", json!({"repositoryName": repository})).await["uploadId"].clone();
        let part = json!({
            "repositoryName": repository, "uploadId": upload, "partFirstByte": 0, "partLastByte": content.len() - 1,
            "layerPartBlob": STANDARD.encode(content),
        });
        self.ecr("UploadLayerPart", part).await;
        let digest = Digest::sha256_of(content).to_string();
        let end = json!({"repositoryName": repository, "uploadId": upload, "layerDigests": [digest]});
        self.ecr("CompleteLayerUpload", end).await;
        digest
    }

    /// Pushes an image of one layer; returns its digest.
    async fn push(&self, repository: &str, tag: &str, subject: Option<&str>) -> String {
        let config = format!("{{\"{repository}\": \"{tag}\"}}");
        let layer = format!("{repository} {tag} ").repeat(1_000);
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "annotations": {"made": "here"},
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(),
                "digest": self.push_blob(repository, config.as_bytes()).await,
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "size": layer.len(),
                "digest": self.push_blob(repository, layer.as_bytes()).await,
            }],
        });
        if let Some(subject) = subject {
            manifest["subject"] = json!({"mediaType": MANIFEST, "digest": subject, "size": 1});
        }
        let input = json!({"repositoryName": repository, "imageManifest": manifest.to_string(), "imageTag": tag});
        self.ecr("PutImage", input).await["image"]["imageId"]["imageDigest"].as_str().expect("a digest").to_owned()
    }

    /// Everything that tables can hold, and beside it what somebody else has: the victim comes first in each table.
    async fn fill(&self) -> String {
        let root = "arn:aws:iam::123456789012:root";
        let statement = |action: &str| json!({"Effect": "Allow", "Action": action, "Resource": "*"});
        let document = |statement: Value| json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let own = |action: &str, with_resource: bool| {
            let mut statement = json!({"Effect": "Allow", "Principal": {"AWS": root}, "Action": action});
            if with_resource {
                statement["Resource"] = "*".into();
            }
            document(statement)
        };
        let tags = json!([{"Key": "team", "Value": "a"}]);
        self.iam(
            "CreatePolicy",
            json!({"PolicyName": "a", "PolicyDocument": document(statement("ecr:*")), "Tags": tags}),
        )
        .await;
        let managed = "arn:aws:iam::123456789012:policy/a";
        for name in ["a-user", "z-user"] {
            self.iam("CreateUser", json!({"UserName": name, "Tags": tags})).await;
            let policy = json!({"UserName": name, "PolicyName": "own", "PolicyDocument": document(statement("ecr:*"))});
            self.iam("PutUserPolicy", policy).await;
        }
        self.iam("CreateGroup", json!({"GroupName": "a-group"})).await;
        self.iam("AddUserToGroup", json!({"GroupName": "a-group", "UserName": "a-user"})).await;
        self.iam("AttachUserPolicy", json!({"UserName": "a-user", "PolicyArn": managed})).await;
        self.iam("PutUserPermissionsBoundary", json!({"UserName": "a-user", "PermissionsBoundary": managed})).await;
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"},
        });
        let role =
            json!({"RoleName": "a-role", "AssumeRolePolicyDocument": trust.to_string(), "Description": "a role"});
        self.iam("CreateRole", role).await;
        self.iam("CreateAccessKey", json!({"UserName": "a-user"})).await;
        let provider = json!({
            "Url": "https://a.example", "ClientIDList": ["sts"], "Tags": tags,
            "ThumbprintList": ["0123456789012345678901234567890123456789"],
        });
        self.iam("CreateOpenIDConnectProvider", provider).await;

        let filter = json!([{"filter": "v*", "filterType": "WILDCARD"}]);
        for name in ["a-app", "z-app"] {
            let input = json!({
                "repositoryName": name, "tags": tags, "imageTagMutability": "MUTABLE_WITH_EXCLUSION",
                "imageTagMutabilityExclusionFilters": filter,
            });
            self.ecr("CreateRepository", input).await;
        }
        let policy = json!({"repositoryName": "a-app", "policyText": own("ecr:BatchGetImage", false), "force": true});
        self.ecr("SetRepositoryPolicy", policy).await;
        let expiry = json!({"rules": [{
            "rulePriority": 1, "action": {"type": "expire"},
            "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1000},
        }]});
        let lifecycle = json!({"repositoryName": "a-app", "lifecyclePolicyText": expiry.to_string()});
        self.ecr("PutLifecyclePolicy", lifecycle).await;
        self.ecr("StartLifecyclePolicyPreview", json!({"repositoryName": "a-app"})).await;
        let image = self.push("a-app", "one", None).await;
        self.push("a-app", "signature", Some(&image)).await;
        self.push("a-app", "gone", None).await;
        let delete = json!({"repositoryName": "a-app", "imageIds": [{"imageTag": "gone"}]});
        self.ecr("BatchDeleteImage", delete).await;
        self.ecr("InitiateLayerUpload", json!({"repositoryName": "a-app"})).await;
        let registry_policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "a", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
                "Action": ["ecr:ReplicateImage"], "Resource": "*",
            }],
        });
        self.ecr("PutRegistryPolicy", json!({"policyText": registry_policy.to_string()})).await;
        self.ecr("PutAccountSetting", json!({"name": "REGISTRY_POLICY_SCOPE", "value": "V1"})).await;
        let rules = json!({"replicationConfiguration": {"rules": [{
            "destinations": [{"region": "eu-west-1", "registryId": "210987654321"}],
            "repositoryFilters": [{"filter": "none-such", "filterType": "PREFIX_MATCH"}],
        }]}});
        self.ecr("PutReplicationConfiguration", rules).await;
        let template = json!({
            "prefix": "a-template", "description": "a template", "appliedFor": ["CREATE_ON_PUSH"],
            "resourceTags": tags, "repositoryPolicy": own("ecr:BatchGetImage", false),
            "lifecyclePolicy": expiry.to_string(), "imageTagMutability": "MUTABLE",
        });
        self.ecr("CreateRepositoryCreationTemplate", template).await;
        let cache = json!({"ecrRepositoryPrefix": "a-cache", "upstreamRegistryUrl": "public.ecr.aws"});
        self.ecr("CreatePullThroughCacheRule", cache).await;
        let exclusion = json!({"principalArn": "arn:aws:iam::123456789012:role/a-role"});
        self.ecr("RegisterPullTimeUpdateExclusion", exclusion).await;

        let secret = json!({
            "Name": "a-secret", "Description": "a secret", "SecretString": "secret", "Tags": tags,
        });
        self.call(&secrets_api::SERVICE, "CreateSecret", secret).await;
        let policy = own("secretsmanager:GetSecretValue", true);
        let policy = json!({"SecretId": "a-secret", "ResourcePolicy": policy});
        self.call(&secrets_api::SERVICE, "PutResourcePolicy", policy).await;
        let key = self.call(&kms_api::SERVICE, "CreateKey", json!({"Description": "a key"})).await;
        let key = key["KeyMetadata"]["KeyId"].clone();
        let alias = json!({"AliasName": "alias/a-key", "TargetKeyId": key});
        self.call(&kms_api::SERVICE, "CreateAlias", alias).await;
        let grant = json!({
            "KeyId": key, "GranteePrincipal": "arn:aws:iam::123456789012:user/a-user", "Name": "a-grant",
            "Operations": ["Decrypt"],
        });
        self.call(&kms_api::SERVICE, "CreateGrant", grant).await;

        let token = json!({"name": "a-token", "repositories": ["a-app"], "actions": ["pull"]});
        self.call(&admin_api::SERVICE, "CreateToken", token).await;
        let protection = json!({"repositoryName": "a-app", "imageTags": ["one"]});
        self.call(&admin_api::SERVICE, "PutDeletionProtection", protection).await;
        let window = json!({"repositoryName": "a-app", "days": 3});
        self.call(&admin_api::SERVICE, "PutRestoreWindow", window).await;

        self.push("z-app", "one", None).await;
        let rules = json!([{
            "scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "none-such", "filterType": "WILDCARD"}],
        }]);
        self.ecr("PutRegistryScanningConfiguration", json!({"scanType": "BASIC", "rules": rules})).await;
        self.fill_scans(&image).await;
        let key = self.iam("CreateAccessKey", json!({"UserName": "z-user"})).await;
        self.app().last_uses.flush(&self.app().db).await.expect("stored");
        key["AccessKey"]["AccessKeyId"].as_str().expect("a key").to_owned()
    }
}

impl Running {
    /// What scans keep of an image and its layers, and what advisories say.
    async fn fill_scans(&self, image: &str) {
        let app = self.app();
        let (digest, now_ms): (Digest, i64) = (image.parse().expect("a digest"), app.now_ms());
        let registry = RegistryId { account: app.accounts.ids()[0], region: app.accounts.regions()[0].clone() };
        let place = registry.repository(&"a-app".parse().expect("a name"));
        let found = app.db.read(move |tx| {
            let repository = repositories::find(tx, &place)?.expect("it is there");
            let image = images::find(tx, repository.id, &digest)?.expect("it is there");
            let blob = blobs::find(tx, 1)?.expect("there are some").0;
            Ok::<_, StoreError>((repository, image, blob))
        });
        let (repository, image, blob) = found.await.expect("readable");
        let account = repository.spec.registry.account;
        let facts = LayerFacts { problems: vec!["a problem".to_owned()], ..LayerFacts::default() };
        assert!(layer_facts::store(app, &account, &blob, facts).await.expect("stored"));
        let encryption = encryption::require(app, &repository, Use::Push).await.expect("fit");
        let report = Report::default().to_bytes().expect("written").expect("small");
        let report = encryption.seal_document(app, &report).expect("sealed");
        let feeds = catalog::built_in();
        let feed = feeds.iter().find(|feed| feed.name == "alpine").expect("it is known");
        let ended = app.db.write(move |tx| {
            image_scans::request(tx, image.id, ScanType::Basic, ScanCause::Manual, now_ms)?;
            let ended = EndedScan {
                status: ScanStatus::Complete,
                description: Some("done"),
                source_updated_at_ms: None,
                is_whole: true,
                counts: SeverityCounts::default(),
                report: Some(&report),
            };
            assert!(image_scans::end(tx, (image.id, ScanType::Basic), now_ms, &ended, now_ms)?);
            advisory_feeds::want(tx, "alpine/v3.20/main")?;
            advisory_feeds::note_failure(tx, "alpine/v3.20/main", "a failure", now_ms)
        });
        ended.await.map_err(|error: StoreError| error).expect("stored");
        let secdb = json!({
            "distroversion": "v3.20", "reponame": "main", "urlprefix": "u", "archs": ["x86_64"], "apkurl": "",
            "packages": [{"pkg": {"name": "openssl", "secfixes": {"3.3.2-r1": ["CVE-2024-0001"]}}}],
        });
        let open = OpenFile { input: Cursor::new(secdb.to_string().into_bytes()), scratch: None };
        let notes = FileNotes { files: "{}".to_owned(), source_updated_at_ms: None };
        let name = "alpine/v3.20/main";
        let file = feed.files.iter().find(|file| file.part == "v3.20/main").expect("it is known");
        let updated =
            advisory_update::put_in_force(&app.db, name, (feed, file), open, (&notes, Shrinking::Allowed), now_ms)
                .await;
        assert_eq!(updated.expect("in force").records, 1);
        let failed = app.db.write(move |tx| advisory_feeds::note_failure(tx, name, "a failure", now_ms));
        failed.await.map_err(|error: StoreError| error).expect("noted");
    }
}

/// Where a value is damaged.
#[derive(Clone, Debug)]
struct Case {
    table: String,
    column: String,
    damage: Damage,
}

/// How a value is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// By a bit, which makes a text one that is not UTF-8.
    Bit,
    /// By another text, which is none that the column may hold.
    Text,
}

/// A text that is of no type.
const NO_TYPE: &str = "of no type";

/// Every column of every table that holds texts or bytes in any row; those of texts of a type twice.
fn cases(database: &Path) -> Vec<Case> {
    let connection = Connection::open(database).expect("a database");
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .expect("good");
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("names");
    let mut cases = Vec::new();
    for table in tables.into_iter().filter(|table| table != "schema_migrations") {
        let mut columns = connection.prepare("SELECT name, type FROM pragma_table_info(?1)").expect("good");
        let columns: Vec<(String, String)> = columns
            .query_map([&table], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("rows")
            .collect::<Result<_, _>>()
            .expect("columns");
        for (column, _) in columns.into_iter().filter(|(_, kind)| kind == "TEXT" || kind == "BLOB") {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM \"{table}\" WHERE length(\"{column}\") > 0)");
            if connection.query_row(&sql, [], |row| row.get::<_, bool>(0)).expect("counted") {
                let has_type = !column_kinds::is_good(&table, &column, NO_TYPE);
                let case = |damage| Case { table: table.clone(), column: column.clone(), damage };
                cases.push(case(Damage::Bit));
                cases.extend(has_type.then(|| case(Damage::Text)));
            }
        }
    }
    cases
}

/// Changes the value in the first row that has one and belongs to nobody who is spared: a user, or a key of one.
fn damage(database: &Path, Case { table, column, damage }: &Case, spared: &str) {
    // The pages fit afterwards: what the values say must be found without their help.
    page_checksums::register().expect("known to SQLite");
    let connection = Connection::open_with_flags_and_vfs(database, OpenFlags::default(), page_checksums::NAME);
    let connection = connection.expect("a database");
    let mut key = connection.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk").expect("good");
    let key: Vec<String> =
        key.query_map([table], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("names");
    let spared = key.iter().map(|name| {
        format!(
            "AND {name} NOT IN (SELECT id FROM iam_access_keys WHERE id = '{spared}' \
             UNION SELECT user_id FROM iam_access_keys WHERE id = '{spared}')"
        )
    });
    let spared: String = spared.collect();
    let key = key.join(", ");
    let first = format!("SELECT {key} FROM {table} WHERE length({column}) > 0 {spared} ORDER BY {key} LIMIT 1");
    let sql = format!("SELECT {column}, typeof({column}) FROM {table} WHERE ({key}) = ({first})");
    let (value, kind): (Sql, String) =
        connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("a row");
    let mut bytes = match value {
        Sql::Text(text) => text.into_bytes(),
        Sql::Blob(bytes) => bytes,
        other => panic!("{other:?} is neither text nor bytes"),
    };
    match damage {
        Damage::Bit => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x80;
        }
        Damage::Text => bytes = NO_TYPE.as_bytes().to_vec(),
    }
    connection.execute_batch("PRAGMA foreign_keys = OFF").expect("set");
    let sql = format!("UPDATE {table} SET {column} = CAST(?1 AS {kind}) WHERE ({key}) = ({first})");
    assert_eq!(connection.execute(&sql, [Sql::Blob(bytes)]).expect("changed"), 1, "{table}.{column}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// Checks all that is stored; what was found, as text.
async fn fsck(app: &Arc<Registry>) -> Result<Vec<String>, String> {
    let id = uuid::Uuid::new_v4().to_string();
    let row = StorageCheck {
        id: id.clone(),
        settings: serde_json::to_string(&Settings::default()).expect("JSON"),
        status: CheckStatus::Waiting,
        started_at_ms: 0,
        finished_at_ms: None,
        progress: serde_json::to_string(&Progress::default()).expect("JSON"),
        error: None,
    };
    let inserted = row.clone();
    app.db.write(move |tx| storage_checks::insert(tx, &inserted, 10)).await.map_err(|error| error.to_string())?;
    let checked = check::run(Arc::clone(app), row, Settings::default()).await;
    checked.map_err(|error| format!("fsck: {}", runtime::with_causes(&error)))?;
    let read = move |tx: &mut dyn Tx| storage_checks::list_findings(tx, &id, 0, 1_000);
    let findings = app.db.read::<_, StoreError, _>(read).await.map_err(|error| error.to_string())?;
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

/// Lists that give what is left, whatever is damaged.
const LISTS: &[(&Service, &str)] = &[
    (&ecr::SERVICE, "DescribeRepositories"),
    (&ecr::SERVICE, "DescribePullThroughCacheRules"),
    (&ecr::SERVICE, "DescribeRepositoryCreationTemplates"),
    (&ecr::SERVICE, "ListPullTimeUpdateExclusions"),
    (&secrets_api::SERVICE, "ListSecrets"),
    (&kms_api::SERVICE, "ListKeys"),
    (&kms_api::SERVICE, "ListAliases"),
    (&admin_api::SERVICE, "ListTokens"),
    (&admin_api::SERVICE, "ListJobs"),
    (&admin_api::SERVICE, "ListNodes"),
    (&admin_api::SERVICE, "DescribeLifecyclePolicies"),
    (&admin_api::SERVICE, "DescribeGarbageCollection"),
    (&admin_api::SERVICE, "DescribeRootKeys"),
    (&cloudtrail::SERVICE, "LookupEvents"),
];
const IAM_LISTS: &[&str] = &["ListUsers", "ListGroups", "ListRoles", "ListPolicies", "ListOpenIDConnectProviders"];

/// What is wrong with a server that has one damaged value.
async fn faults(folder: &Path, case: &Case, other: &str) -> Vec<String> {
    let is_needed = KEEPS_THE_SERVER_FROM_STARTING.contains(&(case.table.as_str(), case.column.as_str()));
    let running = match Running::start(folder).await {
        Ok(_) if is_needed => return vec!["it starts, and should not".to_owned()],
        Ok(running) => running,
        Err(_) if is_needed => return Vec::new(),
        Err(error) => return vec![format!("it does not start: {error}")],
    };
    let mut faults = Vec::new();
    let mut note = |what: &str, result: Result<Value, String>| {
        if let Err(error) = result {
            faults.push(format!("{what}: {error}"));
        }
    };
    let pull = json!({"repositoryName": "z-app", "imageIds": [{"imageTag": "one"}]});
    let pulled = running.call_as(other, &ecr::SERVICE, "BatchGetImage", pull).await;
    let layer = pulled.as_ref().ok().and_then(|pulled| {
        let manifest: Value = serde_json::from_str(pulled["images"][0]["imageManifest"].as_str()?).ok()?;
        Some(manifest["layers"][0]["digest"].clone())
    });
    note("another's image", pulled.clone());
    note("another's image is whole", layer.clone().ok_or_else(|| format!("{pulled:?}")));
    let download = json!({"repositoryName": "z-app", "layerDigest": layer});
    note("another's layer", running.call_as(other, &ecr::SERVICE, "GetDownloadUrlForLayer", download).await);
    let images = json!({"repositoryName": "z-app"});
    note("another's images", running.call_as(other, &ecr::SERVICE, "DescribeImages", images).await);
    let root = running.root();
    for (service, name) in LISTS {
        note(name, running.call_as(&root, service, name, json!({})).await);
    }
    for name in IAM_LISTS {
        note(name, running.call_as(&root, &iam_api::SERVICE, name, json!({})).await);
    }
    let images = json!({"repositoryName": "a-app"});
    // Of the repository itself, the policy, the tags or an image may be what is damaged; never a list of all.
    if !matches!(case.table.as_str(), "repositories") {
        note("the images of the repository", running.call_as(&root, &ecr::SERVICE, "ListImages", images).await);
    }
    // First, as the collection writes anew what it remembers.
    match fsck(running.app()).await {
        Err(error) => note("the check", Err(error)),
        Ok(found) => {
            let says_nothing = SAYS_NOTHING.contains(&(case.table.as_str(), case.column.as_str()));
            if found.is_empty() && !says_nothing {
                note("the check", Err("nothing was found".to_owned()));
            }
        }
    }
    let collected = collect_garbage::run(running.app()).await;
    note("the collection", collected.map(|_| Value::Null).map_err(|error| error.to_string()));
    running.server.stop().await;
    let settings = BackupSettings { folder: folder.with_added_extension("backup"), with_key: true, copies: false };
    let config = Config { data_dir: Some(folder.to_owned()), ..Config::default() };
    let saved = backup(&config, &settings, &mut |_| {}).await;
    note("the backup", saved.map(|_| Value::Null).map_err(|error| error.to_string()));
    faults
}

/// A new table is damaged below only if something is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_is_filled() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source");
    let running = Running::start(&source).await.expect("starts");
    running.fill().await;
    running.server.stop().await;
    let connection = Connection::open(source.join("wharf.db")).expect("a database");
    let mut names = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .expect("good");
    let names: BTreeSet<String> =
        names.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("names");
    let is_empty = |table: &&String| {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM \"{table}\")");
        connection.query_row(&sql, [], |row| row.get::<_, bool>(0)).expect("counted")
    };
    let empty: Vec<&String> =
        names.iter().filter(|table| !NOT_FILLED.contains(&table.as_str())).filter(is_empty).collect();
    assert!(empty.is_empty(), "let `fill` put something into {empty:?}");
}

/// An image is not lost with the word that says what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_says_its_media_type_where_the_row_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = Running::start(folder.path()).await.expect("starts");
    let other = running.fill().await;
    running.server.stop().await;
    let damaged = Case { table: "images".to_owned(), column: "media_type".to_owned(), damage: Damage::Text };
    damage(&folder.path().join("wharf.db"), &damaged, &other);
    let running = Running::start(folder.path()).await.expect("starts");
    let ids = json!([{"imageTag": "one"}, {"imageTag": "signature"}]);
    let pulled = running.ecr("BatchGetImage", json!({"repositoryName": "a-app", "imageIds": ids})).await;
    let pulled = pulled["images"].as_array().expect("a list").clone();
    let types: Vec<&Value> = pulled.iter().map(|image| &image["imageManifestMediaType"]).collect();
    assert_eq!(types, [MANIFEST, MANIFEST]);
    let described = running.ecr("DescribeImages", json!({"repositoryName": "a-app", "imageIds": ids})).await;
    let details = described["imageDetails"].as_array().expect("a list").clone();
    let has_type = |detail: &&Value| detail["imageManifestMediaType"] == MANIFEST;
    assert_eq!((details.len(), details.iter().filter(has_type).count()), (2, 1), "{details:#?}");
    assert!(!fsck(running.app()).await.expect("checked").is_empty());
    running.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_damaged_value_keeps_nobody_from_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = folder.path().join("source");
    let running = Running::start(&source).await.expect("starts");
    let other = running.fill().await;
    assert_eq!(fsck(running.app()).await.expect("checked"), Vec::<String>::new());
    running.server.stop().await;

    let mut results: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut at_work: JoinSet<(String, Vec<String>)> = JoinSet::new();
    let mut waiting = cases(&source.join("wharf.db")).into_iter();
    assert!(waiting.len() > 230, "only {} columns hold anything", waiting.len());
    loop {
        while at_work.len() < AT_ONCE
            && let Some(case) = waiting.next()
        {
            let name = format!("{}.{}-{:?}", case.table, case.column, case.damage);
            let (place, source, other): (PathBuf, _, _) = (folder.path().join(&name), source.clone(), other.clone());
            at_work.spawn(async move {
                copy(&source, &place);
                damage(&place.join("wharf.db"), &case, &other);
                let faults = faults(&place, &case, &other).await;
                std::fs::remove_dir_all(&place).expect("removed");
                let _ = std::fs::remove_dir_all(place.with_added_extension("backup"));
                (name, faults)
            });
        }
        let Some(done) = at_work.join_next().await else { break };
        let (name, faults) = done.expect("ends");
        if !faults.is_empty() {
            results.insert(name, faults);
        }
    }
    assert!(results.is_empty(), "{results:#?}");
}
