//! Texts that are of a type: one that is not is damage, which each column tells as its row's users need it. A column that is
//! new and takes some words only belongs here.

use std::collections::BTreeSet;

use oci::Digest;
use store::blob::{BlobScope, ObjectId, Tier};
use store::db::schema::{self, ColumnType};
use store::db::{Tx, Value};
use store::error::{StoreError, StoreErrorKind};
use store::tables::account_settings::{self, AccountSetting};
use store::tables::advisory_records::{self, NewRecord, RecordKind};
use store::tables::creation_templates::{self, CreationTemplate, Scenario};
use store::tables::deleted_images::{self, DeletedImage, DeletionNote};
use store::tables::iam::entities::{self, Entity, EntityKind};
use store::tables::iam::robot_tokens::{self, RobotToken, TokenUse};
use store::tables::image_protections::{self, ProtectionTarget};
use store::tables::image_replications::{self, ReplicationRoute};
use store::tables::image_scans::{self, ScanCause};
use store::tables::images::{self, Image};
use store::tables::kms_grants::{self, GrantConstraints, GrantOperation, KmsGrant};
use store::tables::kms_keys::{self, KeyManager, KmsKey, RotationType};
use store::tables::pull_through_cache_rules::{self, PullThroughCacheRule, UpstreamKind};
use store::tables::removed_objects::{self, RemovedObject};
use store::tables::replication_backfills;
use store::tables::repositories::{self, EncryptionType, RepositoryRef, TagMutability};
use store::tables::scanning_configurations::{self, ScanType, ScanningConfiguration};
use store::tables::storage_checks::{self, CheckStatus, StorageCheck};
use store::tables::{
    advisory_feeds, column_kinds, deleted_repositories, lifecycle_previews, pull_time_exclusions, repository_blobs,
};
use uuid::Uuid;

use super::fixtures::{
    add_blob, add_image, add_repository, delete_image, digest, due_objects, home, in_transaction, name, new_image,
    registry,
};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    what_is_of_no_type_is_damage,
    every_column_of_words_is_tried,
    a_damaged_operation_of_a_grant_is_not_allowed,
    a_damaged_rotation_keeps_nobody_from_the_key,
    a_damaged_referrer_keeps_nobody_from_the_others,
    a_check_of_storage_comes_back,
);

/// What a reader of a row gets to see of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// All of it.
    Whole,
    /// The row, without what is damaged: it decides nothing, or its reader decides as strictly as it can.
    Rest,
    /// Nothing, in a list that has the other rows.
    Nothing,
    /// An error that names the column and what it holds.
    Error,
}

/// Reads the row of a table, and tells whether the column was in it.
type ReadRow = fn(&mut dyn Tx) -> Result<Seen, StoreError>;

/// What becomes of a row if the column is damaged.
const COLUMNS: &[(&str, &str, Seen, ReadRow)] = &[
    ("account_settings", "name", Seen::Nothing, find_setting),
    ("account_settings", "value", Seen::Rest, find_setting),
    // What is left out would make an image look better than it is.
    ("advisory_records", "kind", Seen::Error, |tx| {
        Ok(whether(!advisory_records::of_vulnerabilities(tx, &["CVE-1"])?.is_empty()))
    }),
    ("blobs", "encoding", Seen::Error, find_blob),
    ("blobs", "tier", Seen::Error, find_blob),
    ("creation_templates", "applied_for", Seen::Error, find_template),
    ("creation_templates", "encryption_type", Seen::Error, find_template),
    ("creation_templates", "kms_key", Seen::Error, find_template),
    ("creation_templates", "tag_mutability", Seen::Error, find_template),
    ("deleted_images", "encryption_type", Seen::Error, find_deleted),
    ("deleted_images", "kms_key", Seen::Error, find_deleted),
    ("deleted_images", "media_type", Seen::Rest, find_deleted),
    ("deleted_images", "status", Seen::Error, find_deleted),
    ("deleted_repositories", "tag_mutability", Seen::Error, |tx| {
        Ok(whether(deleted_repositories::find(tx, &app(), 50)?.is_some()))
    }),
    ("iam_entities", "kind", Seen::Error, |tx| Ok(whether(entities::find_by_id(tx, "AIDA1")?.is_some()))),
    // A protection that is left out would allow what it forbids.
    ("image_protections", "kind", Seen::Error, |tx| {
        let id = repository_id(tx)?;
        Ok(whether(!image_protections::targets(tx, id)?.is_empty()))
    }),
    ("image_replications", "status", Seen::Error, |tx| {
        let image = image(tx)?.id;
        Ok(whether(image_replications::find(tx, image, &route().destination)?.is_some()))
    }),
    ("image_scans", "cause", Seen::Error, find_scan),
    ("image_scans", "scan_type", Seen::Nothing, find_scan),
    ("image_scans", "status", Seen::Error, find_scan),
    // Its manifest says it too.
    ("images", "media_type", Seen::Rest, |tx| {
        Ok(if image(tx)?.media_type.is_some() { Seen::Whole } else { Seen::Rest })
    }),
    ("images", "status", Seen::Error, |tx| image(tx).map(|_| Seen::Whole)),
    ("kms_grants", "operations", Seen::Nothing, |tx| {
        Ok(whether(kms_grants::find(tx, "grant")?.is_some_and(|grant| !grant.operations.is_empty())))
    }),
    ("kms_grants", "operations", Seen::Whole, |tx| {
        let id = key_id(tx)?;
        Ok(whether(!kms_grants::list_named(tx, id, "name")?.is_empty()))
    }),
    ("kms_key_versions", "rotation_type", Seen::Error, |tx| {
        let id = key_id(tx)?;
        Ok(whether(kms_keys::versions(tx, id)?.len() == 2))
    }),
    ("kms_keys", "manager", Seen::Error, |tx| key_id(tx).map(|_| Seen::Whole)),
    ("lifecycle_previews", "status", Seen::Error, |tx| {
        let id = repository_id(tx)?;
        Ok(whether(lifecycle_previews::find(tx, id)?.is_some()))
    }),
    // Images come from the URL.
    ("pull_through_cache_rules", "upstream_registry", Seen::Rest, |tx| {
        let rule = pull_through_cache_rules::find(tx, &home(), &"quay".parse().unwrap())?.expect("it is there");
        Ok(if rule.upstream_registry.is_some() { Seen::Whole } else { Seen::Rest })
    }),
    ("pull_time_exclusions", "principal_arn", Seen::Nothing, |tx| {
        let listed = pull_time_exclusions::list(tx, &home(), "", 10)?.len();
        assert_eq!(pull_time_exclusions::list_all(tx)?.len(), listed);
        Ok(whether(listed == 1))
    }),
    ("removed_objects", "tier", Seen::Nothing, |tx| Ok(whether(!due_objects(tx, 100, 10)?.is_empty()))),
    ("replication_backfill_images", "status", Seen::Error, |tx| {
        let lines = replication_backfills::list_lines(tx, Uuid::from_u128(2), None, ("", "", ""), 10)?;
        replication_backfills::progress(tx, Uuid::from_u128(2))?;
        Ok(whether(!lines.is_empty()))
    }),
    ("replication_backfills", "status", Seen::Error, |tx| {
        Ok(whether(replication_backfills::find(tx, &home(), Uuid::from_u128(2))?.is_some()))
    }),
    ("repositories", "encryption_type", Seen::Error, |tx| repository_id(tx).map(|_| Seen::Whole)),
    ("repositories", "kms_key", Seen::Error, |tx| repository_id(tx).map(|_| Seen::Whole)),
    ("repositories", "tag_mutability", Seen::Error, |tx| repository_id(tx).map(|_| Seen::Whole)),
    ("robot_tokens", "actions", Seen::Nothing, |tx| {
        let listed = robot_tokens::list(tx, &home())?;
        assert_eq!(robot_tokens::list_all(tx)?, listed);
        assert_eq!(listed.len(), 1, "it can be seen, and be taken away");
        Ok(whether(listed.iter().all(|token| !token.actions.is_empty())))
    }),
    ("scanning_configurations", "scan_type", Seen::Error, |tx| {
        Ok(whether(scanning_configurations::find(tx, &home())?.is_some()))
    }),
    ("storage_checks", "status", Seen::Error, |tx| Ok(whether(storage_checks::find_last(tx)?.is_some()))),
];

fn whether(is_there: bool) -> Seen {
    if is_there { Seen::Whole } else { Seen::Nothing }
}

fn app() -> RepositoryRef {
    RepositoryRef { registry: home(), name: name("app") }
}

fn route() -> ReplicationRoute {
    ReplicationRoute { source: home(), destination: registry("123456789012", "eu-west-1") }
}

fn repository_id(tx: &mut dyn Tx) -> Result<i64, StoreError> {
    Ok(repositories::find(tx, &app())?.expect("it is there").id)
}

fn image(tx: &mut dyn Tx) -> Result<Image, StoreError> {
    let id = repository_id(tx)?;
    Ok(images::find(tx, id, &digest(1))?.expect("it is there"))
}

fn find_setting(tx: &mut dyn Tx) -> Result<Seen, StoreError> {
    Ok(match account_settings::find(tx, &home(), AccountSetting::RegistryPolicyScope)?.as_deref() {
        Some("V1") => Seen::Whole,
        Some(_) => Seen::Rest,
        None => Seen::Nothing,
    })
}

fn find_blob(tx: &mut dyn Tx) -> Result<Seen, StoreError> {
    let id = repository_id(tx)?;
    Ok(whether(repository_blobs::find(tx, id, &digest(9))?.is_some()))
}

fn find_template(tx: &mut dyn Tx) -> Result<Seen, StoreError> {
    Ok(whether(creation_templates::find(tx, &home(), &"prod".parse().unwrap())?.is_some()))
}

fn find_deleted(tx: &mut dyn Tx) -> Result<Seen, StoreError> {
    let DeletedImage { media_type, .. } =
        deleted_images::find_newest(tx, &app(), &digest(2), 50)?.expect("it is there");
    Ok(if media_type.is_some() { Seen::Whole } else { Seen::Rest })
}

fn find_scan(tx: &mut dyn Tx) -> Result<Seen, StoreError> {
    let image = image(tx)?.id;
    Ok(whether(image_scans::find(tx, image, ScanType::Basic)?.is_some()))
}

fn key_id(tx: &mut dyn Tx) -> Result<i64, StoreError> {
    Ok(kms_keys::find_by_key_id(tx, Uuid::from_u128(1))?.expect("it is there").id)
}

fn check() -> StorageCheck {
    StorageCheck {
        id: "check".to_owned(),
        settings: "{}".to_owned(),
        status: CheckStatus::Waiting,
        started_at_ms: 1,
        finished_at_ms: None,
        progress: "{}".to_owned(),
        error: None,
    }
}

/// A row in each of the tables, all of which can be read.
fn fill(tx: &mut dyn Tx) -> Result<(), StoreError> {
    let mut key = KmsKey {
        id: 0,
        key_id: Uuid::from_u128(1),
        registry: home(),
        manager: KeyManager::Customer,
        description: String::new(),
        policy: "{}".to_owned(),
        tags: Vec::new(),
        is_enabled: true,
        created_at_ms: 1,
        delete_at_ms: None,
        deletion_window_days: None,
        rotation_days: None,
        next_rotation_at_ms: None,
        current_version: 1,
    };
    key.id = kms_keys::insert(tx, &key, b"first")?;
    let next = kms_keys::KeyVersion {
        version: 2,
        sealed: b"second".to_vec(),
        created_at_ms: 2,
        rotation_type: Some(RotationType::OnDemand),
    };
    kms_keys::rotate(tx, &key, &next)?;
    let template = CreationTemplate {
        registry: home(),
        prefix: "prod".parse().unwrap(),
        description: None,
        encryption_type: EncryptionType::KmsDsse,
        kms_key: Some(key.arn()),
        resource_tags: Vec::new(),
        tag_mutability: TagMutability::Mutable,
        tag_mutability_filters: Vec::new(),
        repository_policy: None,
        lifecycle_policy: None,
        applied_for: Scenario::ALL.to_vec(),
        custom_role_arn: None,
        created_at_ms: 1,
        updated_at_ms: 1,
    };
    assert!(creation_templates::insert(tx, &template)?);
    let rule = PullThroughCacheRule {
        registry: home(),
        prefix: "quay".parse().unwrap(),
        upstream_url: "quay.io".to_owned(),
        upstream_registry: Some(UpstreamKind::Quay),
        upstream_prefix: None,
        credential_arn: None,
        custom_role_arn: None,
        created_at_ms: 1,
        updated_at_ms: 1,
    };
    assert!(pull_through_cache_rules::insert(tx, &rule)?);
    let repository = add_repository(tx, "app")?;
    add_blob(tx, &repository, &digest(9), 1)?;
    let kept = add_image(tx, repository.id, 1)?;
    image_replications::note(tx, kept, &route(), 1)?;
    let deleted = add_image(tx, repository.id, 2)?;
    let note = DeletionNote { by: "me".to_owned(), reason: "test".to_owned(), at_ms: 50, expires_at_ms: 60 };
    deleted_images::keep(tx, deleted, &note)?;
    delete_image(tx, repository.id, deleted, 50)?;
    deleted_repositories::keep(tx, &repository, 55)?;
    assert!(image_protections::insert(tx, repository.id, &ProtectionTarget::Tags("v1".parse().unwrap()), 1, "me")?);
    lifecycle_previews::start(tx, repository.id, "{}", 1)?;
    account_settings::upsert(tx, &home(), AccountSetting::RegistryPolicyScope, "V1")?;
    fill_identities(tx, key.id)?;
    let scope = BlobScope { region: "us-east-1".to_owned(), encryption: "AES256".to_owned() };
    let removed = RemovedObject { object: ObjectId::random(), tier: Tier::Standard, scope, multipart: None };
    removed_objects::insert(tx, &removed, 1)?;
    replication_backfills::insert(tx, Uuid::from_u128(2), &route(), 1)?;
    replication_backfills::insert_line(tx, Uuid::from_u128(2), &name("app"), &digest(1), None)?;
    image_scans::request(tx, kept, ScanType::Basic, ScanCause::Push, 1)?;
    let rules = "[]".to_owned();
    scanning_configurations::upsert(tx, &home(), &ScanningConfiguration { scan_type: ScanType::Basic, rules })?;
    let known = NewRecord {
        record: "CVE-1".to_owned(),
        kind: RecordKind::Exploited,
        hash: vec![1],
        head: vec![2],
        details: Vec::new(),
        packages: Vec::new(),
        vulnerabilities: Vec::new(),
    };
    assert!(advisory_feeds::want(tx, "kev")?);
    advisory_records::insert(tx, "kev", 0, &known)?;
    storage_checks::insert(tx, &check(), 10)
}

/// Those tables that say who may do what.
fn fill_identities(tx: &mut dyn Tx, kms_key_id: i64) -> Result<(), StoreError> {
    let user = Entity {
        id: "AIDA1".to_owned(),
        account: home().account,
        kind: EntityKind::User,
        name: "u".to_owned(),
        path: "/".to_owned(),
        created_at_ms: 1,
        boundary_arn: None,
        tags: Vec::new(),
        description: None,
        trust_policy: None,
        max_session_seconds: 0,
    };
    assert!(entities::insert(tx, &user)?);
    let grant = KmsGrant {
        grant_id: "grant".to_owned(),
        kms_key_id,
        grantee: user.arn(),
        retiring: None,
        issuing_account: "arn:aws:iam::123456789012:root".to_owned(),
        name: Some("name".to_owned()),
        operations: vec![GrantOperation::Decrypt, GrantOperation::DescribeKey],
        constraints: GrantConstraints::default(),
        created_at_ms: 1,
    };
    kms_grants::insert(tx, &grant)?;
    assert_eq!(kms_grants::find(tx, "grant")?, Some(grant));
    let token = RobotToken {
        id: "token".to_owned(),
        registry: home(),
        principal_id: user.id,
        name: "token".to_owned(),
        repositories: vec!["app".to_owned()],
        actions: TokenUse::ALL.to_vec(),
        created_at_ms: 1,
        expires_at_ms: 2,
        last_used_at_ms: None,
    };
    assert!(robot_tokens::insert(tx, &token)?);
    assert_eq!(robot_tokens::list(tx, &home())?, [token]);
    let principal = "arn:aws:iam::123456789012:role/ci".parse().expect("an ARN of a role");
    assert!(pull_time_exclusions::insert(tx, &home(), &principal, 1)?);
    Ok(())
}

async fn what_is_of_no_type_is_damage(backend: &Backend) {
    in_transaction(backend, |tx| {
        fill(tx)?;
        for (table, column, expected, read) in COLUMNS {
            assert_eq!(read(tx)?, Seen::Whole, "{table}.{column}");
            let rows = tx.query(&format!("SELECT MAX({column}) FROM {table}"), &[])?;
            let good: Option<String> = rows[0].opt_text(0)?.map(str::to_owned);
            let was = if *column == "rotation_type" { "version = 2" } else { "1 = 1" };
            let set = format!("UPDATE {table} SET {column} = $1 WHERE {was}");
            for damaged in ["LOST", "aes256", "arn:aws:kms:us-east-1:123456789012:alias/a", "[\"LOST\"]"] {
                tx.execute(&set, &[damaged.into()])?;
                let seen = match read(tx) {
                    Ok(seen) => seen,
                    Err(error) => {
                        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
                        let (text, place) = (error.to_string(), format!("column {table}.{column} "));
                        assert!(text.starts_with(&place), "{text}");
                        Seen::Error
                    }
                };
                assert_eq!(seen, *expected, "{table}.{column} {damaged}");
                assert!(!column_kinds::is_good(table, column, damaged), "the check of storage finds {damaged}");
            }
            assert!(good.iter().all(|good| column_kinds::is_good(table, column, good)), "{good:?}");
            tx.execute(&set, &[Value::from(good.as_deref())])?;
        }
        Ok(())
    })
    .await;
}

/// A new column is one of [`COLUMNS`] if it takes no text but some words: not what names an account, a repository or an
/// image, which nothing is found by if it is damaged, and no JSON.
async fn every_column_of_words_is_tried(backend: &Backend) {
    in_transaction(backend, |tx| {
        let (image, id) = (Digest::sha256_of(b"").to_string(), Uuid::from_u128(1).to_string());
        let object = ObjectId::random().to_string();
        let names = ["123456789012", "us-east-1", "app", "ROOT", &image, &id, &object, "{}", "[]", "[[\"a\",\"b\"]]"];
        let is_of_words = |table: &str, column: &str| {
            ["no word", "*"].iter().chain(&names).all(|text| !column_kinds::is_good(table, column, text))
        };
        let tried: BTreeSet<_> = COLUMNS.iter().map(|(table, column, ..)| (*table, *column)).collect();
        let mut count = 0;
        for table in schema::read(tx)? {
            let texts = table.columns.iter().filter(|column| column.column_type == ColumnType::Text);
            for column in texts.filter(|column| is_of_words(&table.name, &column.name)) {
                count += 1;
                let is_tried = tried.contains(&(table.name.as_str(), column.name.as_str()));
                assert!(is_tried, "say in COLUMNS what becomes of a row if {}.{} is damaged", table.name, column.name);
            }
        }
        assert!(count >= 29, "{count} columns: where are they?");
        Ok(())
    })
    .await;
}

async fn a_damaged_referrer_keeps_nobody_from_the_others(backend: &Backend) {
    in_transaction(backend, |tx| {
        let repository = add_repository(tx, "app")?;
        for number in 2..6 {
            let referrer = images::NewImage { subject: Some(digest(1)), ..new_image(number) };
            images::insert(tx, repository.id, &referrer)?;
        }
        let all = images::referrers(tx, repository.id, &digest(1), "", 10)?;
        assert_eq!(all.len(), 4);
        tx.execute("UPDATE images SET media_type = 'LOST' WHERE digest = $1", &[all[1].digest.to_string().into()])?;
        let rest = [all[0].clone(), all[2].clone(), all[3].clone()];
        assert_eq!(images::referrers(tx, repository.id, &digest(1), "", 10)?, rest);
        // A page is full as long as there are others.
        assert_eq!(images::referrers(tx, repository.id, &digest(1), "", 2)?, rest[..2]);
        Ok(())
    })
    .await;
}

async fn a_damaged_rotation_keeps_nobody_from_the_key(backend: &Backend) {
    in_transaction(backend, |tx| {
        fill(tx)?;
        tx.execute("UPDATE kms_key_versions SET rotation_type = 'LOST'", &[])?;
        let id = key_id(tx)?;
        let mut materials = kms_keys::materials(tx, id)?;
        materials.sort_unstable();
        assert_eq!(materials, [(1, b"first".to_vec()), (2, b"second".to_vec())]);
        Ok(())
    })
    .await;
}

async fn a_damaged_operation_of_a_grant_is_not_allowed(backend: &Backend) {
    in_transaction(backend, |tx| {
        fill(tx)?;
        tx.execute("UPDATE kms_grants SET operations = $1", &["[\"Decrypt\",\"LOST\"]".into()])?;
        let grant = kms_grants::find(tx, "grant")?.expect("it is there");
        assert_eq!(grant.operations, [GrantOperation::Decrypt]);
        let id = key_id(tx)?;
        assert_eq!(kms_grants::list_named(tx, id, "name")?, [grant]);
        tx.execute("UPDATE kms_grants SET encryption_context = 'LOST'", &[])?;
        assert_eq!(kms_grants::list_named(tx, id, "name")?, []);
        // A repository that is deleted takes its grants along, whatever is left of them.
        kms_grants::delete_named(tx, id, "name")?;
        assert_eq!(kms_grants::find(tx, "grant")?, None);
        Ok(())
    })
    .await;
}

async fn a_check_of_storage_comes_back(backend: &Backend) {
    in_transaction(backend, |tx| {
        storage_checks::insert(tx, &check(), 10)?;
        for status in CheckStatus::ALL {
            let changed = StorageCheck { status, finished_at_ms: Some(2), ..check() };
            assert!(storage_checks::update(tx, &changed)?);
            assert_eq!(storage_checks::find(tx, "check")?.as_ref(), Some(&changed));
            assert_eq!(storage_checks::find_last(tx)?, Some(changed));
        }
        Ok(())
    })
    .await;
}
