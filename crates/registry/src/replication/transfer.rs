//! Bringing one image to its destination: what it needs first, its layers, then its manifest with its tags.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use access::auth::arrival::{Arrival, Origin};
use oci::{Digest, Manifest, RepositoryName, Tag};
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_replications::{self, DueReplication, ReplicationRoute, ReplicationStatus};
use store::tables::images::{self, ImageStatus};
use store::tables::replication_removals::Removal;
use store::tables::{image_tags, repositories};
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use super::failure::ReplicationFailure;
use super::local;
use super::readable::Bringer;
use super::receive::{self, ArrivingImage};
use super::remote::Remote;
use crate::Registry;
use crate::events::event::{Event, EventRepository, Success};
use crate::images::errors::RegistryError;
use crate::images::pull::{self, ImageQuery, Selector};
use crate::layers;

/// What leads to a destination.
enum Way {
    /// It is a registry of this server.
    Here,
    /// It is a registry of another Wharf.
    Elsewhere(Arc<Remote>),
    /// Nobody knows it.
    None,
}

/// Full once its layer was brought.
type LayerCell = Arc<OnceCell<()>>;

/// Brings images of one registry to one other.
pub(super) struct Transfer {
    pub(super) app: Arc<Registry>,
    pub(super) route: ReplicationRoute,
    way: Way,
    /// Layers that were brought, or are being: images that share one bring it once.
    layers: Mutex<HashMap<(RepositoryName, Digest), LayerCell>>,
    /// The images of a repository arrive one after the other, each with the tags that it has at that moment: so a tag
    /// that moves at the source ends at the destination where it ends at the source.
    arrivals: Mutex<HashMap<RepositoryName, Arc<AsyncMutex<()>>>>,
}

/// A layer that the destination needs, and where another Wharf takes it.
pub(super) struct MissingLayer {
    pub(super) digest: Digest,
    pub(super) upload_path: Option<String>,
}

/// What is known of an image when it arrives.
enum AtSource {
    /// It is there, with these tags.
    Present { generation: i64, tags: Vec<Tag> },
    /// It is gone, or nobody wants it replicated any more.
    Gone,
}

impl Transfer {
    pub(super) fn new(app: Arc<Registry>, route: ReplicationRoute) -> Self {
        let destination = &route.destination;
        let is_here =
            app.accounts.has_region(destination.region.as_str()) && app.accounts.ids().contains(&destination.account);
        // What is configured goes first: another Wharf may well serve a region of the same name.
        let way = match app.replication.find(destination) {
            Some(remote) => Way::Elsewhere(remote),
            None if is_here => Way::Here,
            None => Way::None,
        };
        Self { app, route, way, layers: Mutex::default(), arrivals: Mutex::default() }
    }

    fn arrival(&self, repository: &RepositoryName) -> Arrival {
        Arrival {
            origin: Origin::Here(self.route.source.clone()),
            registry: self.route.destination.clone(),
            repository: repository.clone(),
        }
    }

    fn nowhere(&self) -> ReplicationFailure {
        let destination = &self.route.destination;
        ReplicationFailure::refused(
            "DestinationNotFound",
            format!(
                "this server has no registry {} in {}, and its configuration names no other for it: add the region to \
                 `regions`, the account to `accounts`, or a [[replication.remotes]]",
                destination.account, destination.region
            ),
        )
    }

    /// Brings an image, and notes that it has arrived.
    pub(super) async fn bring(&self, due: &DueReplication) -> Result<(), ReplicationFailure> {
        let destination = self.route.destination.clone();
        let (id, image_id) = (due.id, due.image_id);
        let (is_due, children) = self
            .app
            .db
            .read(move |tx| {
                let is_due = image_replications::generation(tx, id)?.is_some();
                Ok::<_, StoreError>((is_due, image_replications::of_children(tx, image_id, &destination)?))
            })
            .await?;
        if !is_due {
            return Ok(());
        }
        for (digest, status, code) in &children {
            match status {
                ReplicationStatus::Complete => {}
                ReplicationStatus::InProgress => return Err(ReplicationFailure::Early),
                ReplicationStatus::Failed => {
                    let code = code.clone().unwrap_or_default();
                    return Err(ReplicationFailure::refused(
                        code,
                        format!("{digest}, which it names, was not replicated"),
                    ));
                }
            }
        }
        if matches!(self.way, Way::None) {
            return Err(self.nowhere());
        }
        let query = ImageQuery {
            repository: self.route.source.repository(&due.repository),
            selector: Selector::Digest(due.digest),
        };
        let pulled = match pull::peek_manifest(&self.app, query, None).await {
            Ok(pulled) => pulled,
            Err(RegistryError::ImageNotFound) => return self.note_unreadable(due).await,
            Err(error) => return Err(error.into()),
        };
        let media_type = pulled.media_type;
        let manifest = Manifest::parse(&pulled.manifest, Some(&media_type))
            .map_err(|error| ReplicationFailure::refused("InvalidImage", error.to_string()))?;
        self.bring_layers(&due.repository, &manifest).await?;

        let order = self.order_of(&due.repository);
        let _turn = order.lock().await;
        let AtSource::Present { generation, tags } = self.look(due).await? else { return Ok(()) };
        let image = ArrivingImage { digest: due.digest, media_type, manifest: pulled.manifest, tags };
        let put = self.put(&due.repository, image).await;
        if let Err(ReplicationFailure::Image(_)) = &put {
            // What it needs may be gone from the destination: it is all looked for again.
            self.forget_layers(&due.repository);
            self.bring_again(&children, due).await?;
        }
        put?;
        Ok(self.end(due, generation, None).await?)
    }

    /// Notes what has become of an image's replication, unless it was noted again meanwhile, and tells it: one event per
    /// push that it stands for, in the destination (reference/scanning.md 5), wherever that is. So each tag that it brings
    /// has one, or the image has one without a tag.
    pub(super) async fn end(
        &self,
        due: &DueReplication,
        generation: i64,
        failure: Option<(String, String)>,
    ) -> Result<(), StoreError> {
        let (id, digest, repository) = (due.id, due.digest, due.repository.clone());
        let (route, events, now_ms) = (self.route.clone(), Arc::clone(&self.app.events), self.app.now_ms());
        let success = if failure.is_none() { Success::Yes } else { Success::No };
        let end = move |tx: &mut dyn Tx| {
            let failure = failure.as_ref().map(|(code, reason)| (code.as_str(), reason.as_str()));
            if !image_replications::end(tx, id, generation, failure, now_ms)?
                || !events.are_wanted(tx, &route.destination, now_ms)?
            {
                return Ok(());
            }
            let place = EventRepository { registry: &route.destination, repository: &repository };
            let tags = image_replications::new_tags(tx, id)?;
            let events_of =
                if tags.is_empty() { vec![None] } else { tags.iter().map(|tag| Some(tag.as_str())).collect() };
            for tag in events_of {
                let event = Event::replication(place, now_ms, success, &route.source, &digest, tag);
                events.enqueue(tx, &event, now_ms)?;
            }
            Ok::<_, StoreError>(())
        };
        self.app.db.write(end).await
    }

    /// An image that cannot be read is archived, or gone; one that is gone took its row along.
    async fn note_unreadable(&self, due: &DueReplication) -> Result<(), ReplicationFailure> {
        let id = due.id;
        match self.app.db.read_point(move |tx| image_replications::generation(tx, id)).await? {
            None => Ok(()),
            Some(_) => Err(ReplicationFailure::refused(
                "ImageInaccessible",
                "it is archived; it is replicated when it is restored",
            )),
        }
    }

    /// Lets the images that a list names be brought once more: the destination has lost some.
    async fn bring_again(
        &self,
        children: &[(Digest, ReplicationStatus, Option<String>)],
        due: &DueReplication,
    ) -> Result<(), ReplicationFailure> {
        let (route, now_ms, repository_id) = (self.route.clone(), self.app.now_ms(), due.repository_id);
        let children: Vec<Digest> = children.iter().map(|(digest, ..)| *digest).collect();
        let note = move |tx: &mut dyn Tx| {
            for digest in &children {
                if let Some(image) = images::find(tx, repository_id, digest)? {
                    image_replications::note(tx, image.id, &route, now_ms)?;
                }
            }
            Ok::<_, StoreError>(())
        };
        Ok(self.app.db.write(note).await?)
    }

    async fn look(&self, due: &DueReplication) -> Result<AtSource, StoreError> {
        let (id, image_id, repository_id, digest) = (due.id, due.image_id, due.repository_id, due.digest);
        self.app
            .db
            .read(move |tx| {
                let Some(generation) = image_replications::generation(tx, id)? else { return Ok(AtSource::Gone) };
                let image = images::find(tx, repository_id, &digest)?;
                if image.is_none_or(|image| image.id != image_id || image.status != ImageStatus::Active) {
                    return Ok(AtSource::Gone);
                }
                let tags = image_tags::list_of_image(tx, image_id)?;
                // Only valid tags are stored; one that is damaged is left out.
                let tags = tags.iter().filter_map(|tag| tag.parse().ok()).collect();
                Ok(AtSource::Present { generation, tags })
            })
            .await
    }

    fn order_of(&self, repository: &RepositoryName) -> Arc<AsyncMutex<()>> {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(arrivals.entry(repository.clone()).or_default())
    }

    fn layer_cell(&self, repository: &RepositoryName, digest: Digest) -> LayerCell {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(layers.entry((repository.clone(), digest)).or_default())
    }

    fn forget_layers(&self, repository: &RepositoryName) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        layers.retain(|(name, _), _| name != repository);
    }

    /// Brings the layers that the destination does not have, one after the other.
    async fn bring_layers(&self, repository: &RepositoryName, manifest: &Manifest) -> Result<(), ReplicationFailure> {
        let named: Vec<(Digest, bool)> = manifest.blobs().iter().map(|blob| (blob.digest, blob.is_required)).collect();
        let missing = self.prepare(repository, named.iter().map(|(digest, _)| *digest).collect()).await?;
        for layer in missing {
            let is_required = named.iter().any(|(digest, is_required)| *digest == layer.digest && *is_required);
            let cell = self.layer_cell(repository, layer.digest);
            cell.get_or_try_init(|| self.bring_layer(repository, &layer, is_required)).await?;
        }
        Ok(())
    }

    async fn bring_layer(
        &self,
        repository: &RepositoryName,
        layer: &MissingLayer,
        is_required: bool,
    ) -> Result<(), ReplicationFailure> {
        let place = self.route.source.repository(repository);
        let found = match layers::find(&self.app, &place, layer.digest).await {
            // The source may have cached its image without it so far.
            Ok(found) => found.for_the_server().stored(&self.app).await,
            // Layers that are to be had elsewhere need not be here, nor there.
            Err(RegistryError::LayerNotFound(..)) if !is_required => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let found = &found.map_err(|failure| ReplicationFailure::Image(failure.to_string()))?.stored;
        match &self.way {
            Way::Here => {
                let arrival = self.arrival(repository);
                Ok(local::copy_layer(&self.app, &arrival, layer.digest, found).await?)
            }
            Way::Elsewhere(remote) => {
                let path = layer.upload_path.as_deref().unwrap_or_default();
                remote.send_layer(&self.app, path, found).await
            }
            Way::None => Err(self.nowhere()),
        }
    }

    async fn prepare(
        &self,
        repository: &RepositoryName,
        layers: Vec<Digest>,
    ) -> Result<Vec<MissingLayer>, ReplicationFailure> {
        let arrival = self.arrival(repository);
        match &self.way {
            Way::Here => {
                let bringer = Bringer::Registry(&self.route.source);
                let missing = receive::prepare(&self.app, &arrival, layers, &bringer).await?;
                Ok(missing.into_iter().map(|digest| MissingLayer { digest, upload_path: None }).collect())
            }
            Way::Elsewhere(remote) => remote.prepare(&self.app, &arrival, &layers).await,
            Way::None => Err(self.nowhere()),
        }
    }

    async fn put(&self, repository: &RepositoryName, image: ArrivingImage) -> Result<(), ReplicationFailure> {
        let arrival = self.arrival(repository);
        match &self.way {
            Way::Here => Ok(receive::put_image(&self.app, &arrival, image).await?),
            Way::Elsewhere(remote) => remote.put_image(&self.app, &arrival, &image).await,
            Way::None => Err(self.nowhere()),
        }
    }

    /// Takes from the destination what the source has lost, and has not got back since.
    pub(super) async fn remove(&self, removal: &Removal) -> Result<(), ReplicationFailure> {
        let order = self.order_of(&removal.repository);
        let _turn = order.lock().await;
        let (source, lost) = (self.route.source.clone(), removal.clone());
        let look = move |tx: &mut dyn Tx| {
            let Some(repository) = repositories::find(tx, &source.repository(&lost.repository))? else {
                return Ok((lost.tags.clone(), lost.is_gone));
            };
            let Some(image) = images::find(tx, repository.id, &lost.digest)? else {
                return Ok((lost.tags.clone(), lost.is_gone));
            };
            let has = image_tags::list_of_image(tx, image.id)?;
            let tags = lost.tags.iter().filter(|tag| !has.contains(tag)).cloned().collect();
            Ok::<_, StoreError>((tags, false))
        };
        let (tags, is_gone) = self.app.db.read(look).await?;
        let tags: Vec<Tag> = tags.iter().filter_map(|tag| tag.parse().ok()).collect();
        let arrival = self.arrival(&removal.repository);
        match &self.way {
            Way::Here => Ok(receive::remove(&self.app, &arrival, removal.digest, tags, is_gone).await?),
            Way::Elsewhere(remote) => remote.remove(&self.app, &arrival, removal.digest, &tags, is_gone).await,
            Way::None => Err(self.nowhere()),
        }
    }
}
