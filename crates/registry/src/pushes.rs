//! Pushes as clients make them: what is tried once more. A repository that is not there is created if a template covers its name
//! and the pusher may create it; layers that are still upstream are fetched, so that what is pushed depends on no upstream.

use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::{self, Need};
use access::auth::caller::Caller;
use access::request::RequestContext;
use oci::Digest;
use runtime::boxed;
use store::tables::repositories::RepositoryRef;

use crate::Registry;
use crate::images::creation::{self, IfAbsent};
use crate::images::errors::RegistryError;
use crate::images::push::{self, Push, Pushed};
use crate::layers;

/// Who pushes, and where to.
#[derive(Clone, Copy)]
pub struct Pusher<'a> {
    /// The registry of this node.
    pub app: &'a Arc<Registry>,
    /// The request.
    pub http: &'a RequestContext,
    /// Who it is of.
    pub caller: &'a Caller,
    /// Where to.
    pub repository: &'a RepositoryRef,
}

impl Pusher<'_> {
    /// Runs a step of a push, and once more with leave to create the repository if that is all that it lacks.
    ///
    /// The step itself is allowed already. Whoever may not create the repository is answered as if no template were there:
    /// templates are not theirs to know of.
    pub async fn run<T, F>(&self, step: impl Fn(IfAbsent) -> F) -> Result<T, RegistryError>
    where
        F: Future<Output = Result<T, RegistryError>>,
    {
        match step(IfAbsent::Refuse).await {
            Err(RegistryError::RepositoryNotFound(_)) if self.may_create().await? => {
                step(IfAbsent::Create { repository_quota: self.app.quotas.repositories }).await
            }
            result => result,
        }
    }

    /// Pushes an image as a [step](Self::run), and once more if all that it lacks are layers that could be fetched. An upstream
    /// may have been waited for then: `renewed` is asked who the caller is now, and refuses who may not push any more.
    pub async fn put_image<E, F>(&self, push: &Arc<Push>, renewed: impl FnOnce() -> F) -> Result<Pushed, E>
    where
        E: From<RegistryError>,
        F: Future<Output = Result<Caller, E>>,
    {
        match self.try_image(Arc::clone(push)).await {
            Ok(pushed) => return Ok(pushed),
            Err(failure) => fetch_missing(self.app, failure).await?,
        }
        let caller = &renewed().await?;
        Ok(Pusher { caller, ..*self }.try_image(Arc::clone(push)).await?)
    }

    #[boxed]
    async fn try_image(&self, push: Arc<Push>) -> Result<Pushed, RegistryError> {
        self.run(|if_absent| push::put_image(self.app, Arc::clone(&push), if_absent)).await
    }

    /// Whether a push would create the repository, which is not there.
    #[boxed]
    async fn may_create(&self) -> Result<bool, RegistryError> {
        let RepositoryRef { registry, name } = self.repository;
        let place = self.repository.clone();
        if !self.app.db.read(move |tx| creation::covers_push(tx, &place)).await? {
            return Ok(false);
        }
        let need = Need::on_repository(Action::EcrCreateRepository, registry, name.as_str());
        Ok(authorize::is_allowed(self.http, self.caller, &need).await?)
    }
}

/// Fetches the layers that a push lacks, if that is why it failed and they are still upstream; else it has failed.
#[boxed]
async fn fetch_missing(app: &Arc<Registry>, failure: RegistryError) -> Result<(), RegistryError> {
    match failure {
        RegistryError::LayersNotFound(place, digests) => {
            if fetch_all(app, &place, &digests).await? {
                Ok(())
            } else {
                Err(RegistryError::LayersNotFound(place, digests))
            }
        }
        failure => Err(failure),
    }
}

/// Fetches layers that are still upstream; `false` if one of them is not to be had.
async fn fetch_all(app: &Arc<Registry>, place: &RepositoryRef, digests: &[Digest]) -> Result<bool, RegistryError> {
    for digest in digests {
        match layers::find(app, place, *digest).await {
            Ok(layer) => {
                // Why it did not come is in the log; to the client the layer is one to upload.
                if layer.for_the_server().stored(app).await.is_err() {
                    return Ok(false);
                }
            }
            // A repository that the push would have created is not there, as the push failed.
            Err(RegistryError::LayerNotFound(..) | RegistryError::RepositoryNotFound(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
