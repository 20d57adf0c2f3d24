//! Texts that are of a type: one that is not is damage, and the error names the column and what it holds.

use store::db::{Tx, Value};
use store::error::{StoreError, StoreErrorKind};
use store::tables::creation_templates::{self, CreationTemplate, Scenario};
use store::tables::deleted_images::{self, DeletionNote};
use store::tables::kms_keys::{self, KeyManager, KmsKey, RotationType};
use store::tables::pull_through_cache_rules::{self, PullThroughCacheRule, UpstreamKind};
use store::tables::repositories::{self, EncryptionType, RepositoryRef, TagMutability};
use store::tables::storage_checks::{self, CheckStatus, StorageCheck};
use store::tables::{column_kinds, images};
use uuid::Uuid;

use super::fixtures::{add_image, add_repository, digest, home, in_transaction, name};
use crate::backend::{Backend, on_every_backend};

on_every_backend!(
    what_is_of_no_type_is_damage,
    a_damaged_rotation_keeps_nobody_from_the_key,
    a_check_of_storage_comes_back,
);

/// Something to read the row of a table with.
type ReadRow = fn(&mut dyn Tx) -> Result<bool, StoreError>;

const COLUMNS: &[(&str, &str, ReadRow)] = &[
    ("creation_templates", "encryption_type", find_template),
    ("creation_templates", "kms_key", find_template),
    ("deleted_images", "encryption_type", find_deleted),
    ("deleted_images", "kms_key", find_deleted),
    ("deleted_images", "media_type", find_deleted),
    ("images", "media_type", |tx| {
        let repository = repositories::find(tx, &app())?.expect("it is there");
        Ok(images::find(tx, repository.id, &digest(1))?.is_some())
    }),
    ("kms_key_versions", "rotation_type", |tx| {
        let id = key_id(tx)?;
        Ok(kms_keys::versions(tx, id)?.len() == 2)
    }),
    ("pull_through_cache_rules", "upstream_registry", |tx| {
        Ok(pull_through_cache_rules::find(tx, &home(), &"quay".parse().unwrap())?.is_some())
    }),
    ("repositories", "encryption_type", |tx| Ok(repositories::find(tx, &app())?.is_some())),
    ("repositories", "kms_key", |tx| Ok(repositories::find(tx, &app())?.is_some())),
    ("storage_checks", "status", |tx| Ok(storage_checks::find_last(tx)?.is_some())),
];

fn app() -> RepositoryRef {
    RepositoryRef { registry: home(), name: name("app") }
}

fn find_template(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    Ok(creation_templates::find(tx, &home(), &"prod".parse().unwrap())?.is_some())
}

fn find_deleted(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    Ok(deleted_images::find_newest(tx, &app(), &digest(2), 50)?.is_some())
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
    let repository_id = add_repository(tx, "app")?.id;
    add_image(tx, repository_id, 1)?;
    let deleted = add_image(tx, repository_id, 2)?;
    let note = DeletionNote { by: "me".to_owned(), reason: "test".to_owned(), at_ms: 50, expires_at_ms: 60 };
    deleted_images::keep(tx, deleted, &note)?;
    storage_checks::insert(tx, &check(), 10)
}

async fn what_is_of_no_type_is_damage(backend: &Backend) {
    in_transaction(backend, |tx| {
        fill(tx)?;
        for (table, column, read) in COLUMNS {
            assert!(read(tx)?, "{table}.{column}");
            let rows = tx.query(&format!("SELECT MAX({column}) FROM {table}"), &[])?;
            let good: Option<String> = rows[0].opt_text(0)?.map(str::to_owned);
            let was = if *column == "rotation_type" { "version = 2" } else { "1 = 1" };
            let set = format!("UPDATE {table} SET {column} = $1 WHERE {was}");
            for damaged in ["", "LOST", "aes256", "arn:aws:kms:us-east-1:123456789012:alias/a"] {
                tx.execute(&set, &[damaged.into()])?;
                let error = read(tx).expect_err("the column cannot be read");
                assert_eq!(error.kind(), StoreErrorKind::Corrupt);
                let expected = format!("column {table}.{column} holds {damaged:?}, which is not valid there");
                assert_eq!(error.to_string(), expected);
                assert!(!column_kinds::is_good(table, column, damaged), "the check of storage finds {expected}");
            }
            assert!(good.iter().all(|good| column_kinds::is_good(table, column, good)), "{good:?}");
            tx.execute(&set, &[Value::from(good.as_deref())])?;
        }
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
