//! Bringing a whole copy of a damaged blob back: from where else the content is stored, or from upstream.

use std::sync::Arc;

use oci::Digest;
use registry::Registry;
use registry::images::encryption::{self, NewObject};
use registry::images::errors::RegistryError;
use registry::images::part_ledger::CopyParts;
use registry::images::repositories::reference;
use registry::layers;
use runtime::boxed;
use store::blob::{Encoding, ObjectId, Tier};
use store::error::StoreError;
use store::tables::blobs::{self, StoredBlob};
use store::tables::removed_objects::RemovedObject;
use store::tables::upstream_blobs::BlobSource;
use store::tables::{pull_through_cache_rules, removed_objects, repositories, row_checks};

use super::contents::{Depth, examine};

/// A copy that is not in use after so long is given up; as [`MoveBlob`](registry::images::move_blob::MoveBlob) has it.
const COPY_EXPIRY_MS: i64 = 24 * 60 * 60 * 1000;
const MARGIN_MS: i64 = 60 * 60 * 1000;
/// Repositories that are asked for an upstream.
const REPOSITORIES: usize = 100;

/// Puts a whole copy in the place of a damaged one; what was done, or none if there is nowhere to take one from.
#[boxed]
pub async fn heal(app: &Arc<Registry>, stored: &StoredBlob, digest: &Digest) -> Result<Option<String>, RegistryError> {
    let id = stored.id;
    for other in app.db.read(move |tx| row_checks::other_copies(tx, id)).await? {
        let Some((other, _)) = app.db.read_point(move |tx| blobs::find(tx, other)).await? else { continue };
        let is_whole = matches!(examine(app, &other, digest, Depth::Whole, None).await, Ok(None));
        if is_whole && copy_from(app, stored, &other, digest).await? {
            return Ok(Some("copied from where else the content is stored".to_owned()));
        }
    }
    Ok(fetch_again(app, stored, digest).await?)
}

/// Copies the content of `other` into a new object, which the blob has its bytes in from then on.
async fn copy_from(
    app: &Registry,
    stored: &StoredBlob,
    other: &StoredBlob,
    digest: &Digest,
) -> Result<bool, RegistryError> {
    let object = ObjectId::random();
    let (blob_id, until_ms) = (stored.id, app.now_ms() + COPY_EXPIRY_MS);
    let removed = RemovedObject::standard(object, stored.scope.clone());
    app.db.write(move |tx| removed_objects::insert_copy(tx, &removed, blob_id, until_ms)).await?;
    let source = registry::images::blobs::open(app, other).await?;
    let ledger = Arc::new(CopyParts::new(app.db.clone(), object, app.now_ms()));
    let store = app.blobs.of_scope(&stored.scope);
    // The key domain says how, not the stored key, which may be what is damaged.
    let encryption = encryption::of_scope(app, &stored.scope).await?;
    let NewObject { state, protection, data_key } = encryption.begin_object(app, &store, object)?;
    let stored_bytes = store.copy(source, digest, state, protection, Encoding::Identity, ledger).await?;
    let from = stored.clone();
    let copy = StoredBlob {
        object,
        data_key,
        tier: Tier::Standard,
        encoding: Encoding::Identity,
        stored_bytes,
        small: None,
        ..from.clone()
    };
    let now_ms = app.now_ms();
    Ok(app
        .db
        .write(move |tx| {
            // Somebody may have pushed it again meanwhile.
            let is_there = blobs::find(tx, from.id)?.is_some_and(|(found, _)| found.object == from.object);
            if !is_there || !removed_objects::take_into_use(tx, copy.object, now_ms + MARGIN_MS)? {
                return Ok(false);
            }
            blobs::move_to(tx, &from, &copy, now_ms)
        })
        .await?)
}

/// Lets a repository of the pull through cache fetch the blob anew, which replaces the copy for all.
async fn fetch_again(app: &Arc<Registry>, stored: &StoredBlob, digest: &Digest) -> Result<Option<String>, StoreError> {
    let (id, size_bytes, digest) = (stored.id, stored.size_bytes, *digest);
    let awaiting = app.db.write(move |tx| {
        for shown in row_checks::shown_in(tx, id, REPOSITORIES)? {
            let Some(repository) = repositories::find_by_id(tx, shown.repository_id)? else { continue };
            let place = reference(&repository);
            let Some(rule) = pull_through_cache_rules::find_for(tx, &place)? else { continue };
            let Some(upstream) = rule.upstream_name(&place.name) else { continue };
            let source =
                BlobSource { upstream_url: rule.upstream_url.clone(), upstream_repository: upstream.to_string() };
            if row_checks::await_again(tx, repository.id, &digest, id, size_bytes, &source)? {
                return Ok::<_, StoreError>(Some(place));
            }
        }
        Ok(None)
    });
    let Some(place) = awaiting.await? else { return Ok(None) };
    let Ok(layer) = layers::find(app, &place, digest).await else { return Ok(None) };
    let (fetched, name) = (layer.for_the_server().stored(app).await, &place.name);
    Ok(Some(match fetched {
        Ok(_) => format!("fetched again from the upstream of {name}"),
        Err(error) => {
            format!("{name} fetches it from its upstream when it is next pulled, which did not work just now ({error})")
        }
    }))
}
