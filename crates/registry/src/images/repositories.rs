//! Repositories: looking them up, creating and deleting them.

use std::sync::Arc;

use runtime::boxed;
use store::db::{Topic, Tx};
use store::error::StoreError;
use store::tables::repositories::{self, NewRepository, Repository, RepositoryRef};
use store::tables::{
    blobs, deleted_images, deleted_repositories, image_tags, images, repository_blobs, resource_tags, uploads,
};

use super::changes::{self, Cause, Change};
use super::delete::Deletion;
use super::encryption;
use super::errors::RegistryError;
use super::protection::Protections;
use super::read_caches::FoundRepository;
use super::{quotas, storage_class};
use crate::Registry;

/// Images that are read at a time.
const IMAGES_AT_ONCE: usize = 500;

/// The repository, or the error that names it.
pub fn require(tx: &mut dyn Tx, repository: &RepositoryRef) -> Result<Repository, RegistryError> {
    repositories::find(tx, repository)?.ok_or_else(|| not_found(repository))
}

/// As [`require`], for a request that only shows the repository: it need not be read anew.
#[boxed]
pub async fn require_cached(app: &Registry, place: RepositoryRef) -> Result<Arc<FoundRepository>, RegistryError> {
    let cache = &app.read_caches.repositories;
    let mark = match cache.find(&app.db, &place) {
        Ok(repository) => return Ok(repository),
        Err(mark) => mark,
    };
    let asked = place.clone();
    let read = cache.read(&app.db, move |tx| require(tx, &asked)).await?;
    let repository = Arc::new(FoundRepository(read));
    cache.insert(mark, place, &repository);
    Ok(repository)
}

/// Reads something of a repository, which `f` is given: from memory if it is there, else read in the same transaction. On one
/// state of the database either way: what is in memory holds until `f` has read the rest, or all is read once more.
pub async fn read_along<T, F>(
    app: &Registry,
    place: &RepositoryRef,
    f: F,
) -> Result<(Option<Arc<FoundRepository>>, T), RegistryError>
where
    F: Fn(&mut dyn Tx, Option<&Arc<FoundRepository>>) -> Result<T, RegistryError> + Clone + Send + 'static,
    T: Send + 'static,
{
    let cache = &app.read_caches.repositories;
    let cached = cache.find(&app.db, place).ok();
    if let Some(repository) = cached {
        let (along, known) = (f.clone(), Arc::clone(&repository));
        let read = app.db.read_point(move |tx| along(tx, Some(&known))).await;
        if cache.find(&app.db, place).is_ok_and(|now| Arc::ptr_eq(&now, &repository)) {
            return read.map(|value| (Some(repository), value));
        }
    }
    let mark = cache.find(&app.db, place).err();
    let asked = place.clone();
    let read = app.db.read_point(move |tx| {
        let repository = Topic::Repositories.reading(tx, |tx| repositories::find(tx, &asked))?;
        let repository = repository.map(|repository| Arc::new(FoundRepository(repository)));
        let value = f(tx, repository.as_ref())?;
        Ok::<_, RegistryError>((repository, value))
    });
    let (repository, value) = read.await?;
    if let (Some(mark), Some(repository)) = (mark, &repository) {
        cache.insert(mark, place.clone(), repository);
    }
    Ok((repository, value))
}

/// The error that names a repository which is not there.
pub fn not_found(repository: &RepositoryRef) -> RegistryError {
    RegistryError::RepositoryNotFound(repository.clone())
}

/// What changes of a repository's images are [in order](store::db::Db::write_in_order) by: they all meet in the counts of
/// its images and blobs.
pub fn order(repository: &RepositoryRef) -> String {
    let RepositoryRef { registry, name } = repository;
    format!("repository {registry}/{name}")
}

/// How errors name a stored repository.
pub fn reference(repository: &Repository) -> RepositoryRef {
    RepositoryRef { registry: repository.spec.registry.clone(), name: repository.spec.name.clone() }
}

/// Creates a repository with its resource tags, if its registry has no more than `quota` of them then.
pub fn create(
    tx: &mut dyn Tx,
    new: &NewRepository,
    tags: &[(String, String)],
    quota: u64,
    cause: &Cause,
) -> Result<Repository, RegistryError> {
    let created = repositories::insert(tx, new)?.ok_or_else(|| {
        RegistryError::RepositoryAlreadyExists(RepositoryRef { registry: new.registry.clone(), name: new.name.clone() })
    })?;
    quotas::require_room_for_inserted(tx, &new.registry, quota)?;
    for (key, value) in tags {
        resource_tags::upsert(tx, created.id, key, value)?;
    }
    encryption::make_grants(tx, &created)?;
    changes::note(tx, cause, &created, &Change::RepositoryCreated)?;
    Ok(created)
}

/// Deletes a repository and all that is in it; without `force` only an empty one, and none where something is protected.
/// Its images can be restored for as long as its setting says.
pub fn delete(
    tx: &mut dyn Tx,
    repository: &RepositoryRef,
    force: bool,
    deletion: &Deletion,
) -> Result<Repository, RegistryError> {
    let repository = require(tx, repository)?;
    let protections = Protections::load(tx, &repository)?;
    if let Some(protected) = protections.of_repository() {
        return Err(RegistryError::RepositoryProtected(reference(&repository), protected));
    }
    if !force && images::any(tx, repository.id)? {
        return Err(RegistryError::RepositoryNotEmpty(reference(&repository)));
    }
    if let Some(protected) = protections.of_all(tx)?.into_values().next() {
        return Err(RegistryError::RepositoryProtected(reference(&repository), protected));
    }
    tell_of_images(tx, &repository, &deletion.cause)?;
    if let Some(note) = deletion.note(tx, repository.id)? {
        deleted_images::keep_all_of(tx, repository.id, &note)?;
    }
    deleted_repositories::keep(tx, &repository, deletion.cause.at_ms)?;
    images::delete_all(tx, repository.id)?;
    uploads::abandon_all_of(tx, repository.id, deletion.cause.at_ms)?;
    let archived_elsewhere = repository_blobs::archived_elsewhere(tx, repository.id)?;
    blobs::release_all_of(tx, repository.id)?;
    repository_blobs::delete_all(tx, repository.id)?;
    storage_class::check_blobs(tx, &archived_elsewhere, deletion.cause.at_ms)?;
    encryption::retire_grants(tx, &repository)?;
    repositories::delete(tx, repository.id)?;
    changes::note(tx, &deletion.cause, &repository, &Change::RepositoryDeleted)?;
    Ok(repository)
}

/// Tells of every image that goes with its repository those who want to know. Nothing else follows from their going: what
/// rests on an image of the repository goes with it.
fn tell_of_images(tx: &mut dyn Tx, repository: &Repository, cause: &Cause) -> Result<(), StoreError> {
    let followers = cause.followers.of_images_of_deleted(tx, repository, cause.at_ms)?;
    if followers.is_empty() {
        return Ok(());
    }
    let mut after = String::new();
    loop {
        let page = images::list(tx, repository.id, &after, IMAGES_AT_ONCE)?;
        for image in &page {
            let tags = image_tags::list_of_image(tx, image.id)?;
            let change = Change::ImageDeleted { image: image.into(), tags: &tags, is_gone: true };
            followers.iter().try_for_each(|follower| follower.follow(tx, cause, repository, &change))?;
        }
        match page.last() {
            Some(last) if page.len() == IMAGES_AT_ONCE => after = last.digest.to_string(),
            _ => return Ok(()),
        }
    }
}
