//! What the tests of the tables begin with: repositories, images and blobs, stored as the registry does.

use std::collections::BTreeMap;

use oci::{Digest, RepositoryName, Tag};
use store::blob::ObjectId;
use store::db::{Db, Tx};
use store::error::StoreError;
use store::tables::blobs::{self, BlobScope, NewBlob};
use store::tables::images::{self, NewImage};
use store::tables::registry_id::RegistryId;
use store::tables::removed_objects::RemovedObject;
use store::tables::repositories::{self, EncryptionType, NewRepository, Repository, TagMutability};
use store::tables::{image_tags, removed_objects, repository_blobs, uploads};

use crate::backend::Backend;

/// Opens the test's database with the real schema.
pub fn open(backend: &Backend) -> Db {
    Db::open(backend.config()).expect("the test's database opens")
}

/// Runs a test that fits in one transaction.
pub async fn in_transaction(backend: &Backend, test: fn(&mut dyn Tx) -> Result<(), StoreError>) {
    open(backend).write(test).await.expect("no statement fails and all assertions hold");
}

pub fn registry(account: &str, region: &str) -> RegistryId {
    RegistryId { account: account.parse().unwrap(), region: region.parse().unwrap() }
}

pub fn home() -> RegistryId {
    registry("123456789012", "us-east-1")
}

pub fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// Some digest; another for each number, in no order.
pub fn digest(number: u64) -> Digest {
    Digest::sha256_of(&number.to_be_bytes())
}

pub fn new_repository(text: &str) -> NewRepository {
    NewRepository {
        registry: home(),
        name: name(text),
        created_at_ms: 1_000,
        tag_mutability: TagMutability::Mutable,
        tag_mutability_filters: Vec::new(),
        scan_on_push: false,
        encryption_type: EncryptionType::Aes256,
        kms_key: None,
    }
}

pub fn add_repository(tx: &mut dyn Tx, text: &str) -> Result<Repository, StoreError> {
    Ok(repositories::insert(tx, &new_repository(text))?.expect("the name is free"))
}

pub fn new_image(number: u64) -> NewImage {
    NewImage {
        digest: digest(number),
        media_type: "application/vnd.oci.image.manifest.v1+json".parse().expect("a media type"),
        artifact_media_type: None,
        artifact_type: None,
        annotations: BTreeMap::new(),
        subject: None,
        size_bytes: 1_000 + number,
        manifest_bytes: 100 + number,
        sealed_manifest: number.to_be_bytes().to_vec(),
        pushed_at_ms: 5_000,
    }
}

/// Adds an image that names no blob.
pub fn add_image(tx: &mut dyn Tx, repository_id: i64, number: u64) -> Result<i64, StoreError> {
    Ok(images::insert(tx, repository_id, &new_image(number))?.expect("the digest is new"))
}

/// Gives a free tag to an image.
pub fn add_tag(tx: &mut dyn Tx, repository_id: i64, text: &str, image_id: i64) -> Result<(), StoreError> {
    assert!(image_tags::insert(tx, repository_id, &tag(text), image_id, 6_000)?, "{text} is free");
    Ok(())
}

/// Where the blobs of `repository` are shared.
pub fn scope_of(repository: &Repository) -> BlobScope {
    BlobScope { region: repository.spec.registry.region.to_string(), encryption: repository.encryption_scope() }
}

/// Stores a blob as the end of an upload does; returns its object.
pub fn add_blob(
    tx: &mut dyn Tx,
    repository: &Repository,
    digest: &Digest,
    now_ms: i64,
) -> Result<ObjectId, StoreError> {
    add_kept_blob(tx, repository, digest, None, now_ms)
}

/// As [`add_blob`], of one that is small.
pub fn add_small_blob(
    tx: &mut dyn Tx,
    repository: &Repository,
    digest: &Digest,
    sealed: &[u8],
    now_ms: i64,
) -> Result<ObjectId, StoreError> {
    add_kept_blob(tx, repository, digest, Some(sealed), now_ms)
}

fn add_kept_blob(
    tx: &mut dyn Tx,
    repository: &Repository,
    digest: &Digest,
    small: Option<&[u8]>,
    now_ms: i64,
) -> Result<ObjectId, StoreError> {
    let (scope, object) = (scope_of(repository), ObjectId::random());
    let new = NewBlob { scope: &scope, digest, size_bytes: 10, object, data_key: object.as_bytes(), small };
    let blob_id = match blobs::replace_existing(tx, &new, now_ms)? {
        Some(id) => id,
        None => blobs::insert(tx, &new, now_ms)?,
    };
    show_blob(tx, repository, digest, blob_id, now_ms)?;
    Ok(object)
}

/// Shows a blob of which the caller has taken a reference.
pub fn show_blob(
    tx: &mut dyn Tx,
    repository: &Repository,
    digest: &Digest,
    blob_id: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    if !repository_blobs::insert(tx, repository.id, digest, blob_id, now_ms)? {
        blobs::release(tx, blob_id)?;
        repository_blobs::touch(tx, repository.id, digest, now_ms)?;
    }
    Ok(())
}

/// Adds an image that names blobs which its repository has, as a push does.
pub fn add_image_of(
    tx: &mut dyn Tx,
    repository_id: i64,
    number: u64,
    named: impl IntoIterator<Item = Digest>,
) -> Result<i64, StoreError> {
    let image_id = add_image(tx, repository_id, number)?;
    for digest in named {
        assert!(repository_blobs::add_image(tx, repository_id, &digest, "layer")?, "{digest} is there");
        images::insert_blob(tx, image_id, &digest)?;
    }
    Ok(image_id)
}

/// Deletes an image, as BatchDeleteImage does.
pub fn delete_image(
    tx: &mut dyn Tx,
    repository_id: i64,
    image_id: i64,
    now_ms: i64,
) -> Result<Vec<String>, StoreError> {
    let tags = image_tags::delete_of_image(tx, image_id)?;
    repository_blobs::remove_image(tx, repository_id, image_id, now_ms)?;
    images::delete(tx, image_id)?;
    Ok(tags)
}

/// Deletes a repository with all that is in it.
pub fn delete_repository(tx: &mut dyn Tx, repository_id: i64, now_ms: i64) -> Result<(), StoreError> {
    uploads::abandon_all_of(tx, repository_id, now_ms)?;
    images::delete_all(tx, repository_id)?;
    blobs::release_all_of(tx, repository_id)?;
    repository_blobs::delete_all(tx, repository_id)?;
    repositories::delete(tx, repository_id)
}

/// The one integer that a statement returns.
pub fn number(tx: &mut dyn Tx, sql: &str) -> Result<i64, StoreError> {
    tx.query_opt(sql, &[])?.expect("the statement returns a row").int(0)
}

/// Joins the pages of a list, each asked for with the last item of the one before.
pub fn all_pages<T>(
    limit: usize,
    mut page_after: impl FnMut(Option<&T>) -> Result<Vec<T>, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut seen = Vec::new();
    for _ in 0..100 {
        let page = page_after(seen.last())?;
        assert!(page.len() <= limit, "{} came for a limit of {limit}", page.len());
        let is_last = page.len() < limit;
        seen.extend(page);
        if is_last {
            return Ok(seen);
        }
    }
    panic!("pages of {limit} do not end");
}

/// The objects that are noted for removal since `until_ms`, wherever they are.
pub fn due_objects(tx: &mut dyn Tx, until_ms: i64, limit: usize) -> Result<Vec<ObjectId>, StoreError> {
    let due = removed_objects::list_due(tx, until_ms, (i64::MIN, ""), limit)?;
    Ok(due.into_iter().map(|due| due.removed.object).collect())
}

/// The first ten objects that were noted for removal at or before `until_ms`.
pub fn due(tx: &mut dyn Tx, until_ms: i64) -> Result<Vec<RemovedObject>, StoreError> {
    let due = removed_objects::list_due(tx, until_ms, (i64::MIN, ""), 10)?;
    Ok(due.into_iter().map(|due| due.removed).collect())
}
