//! Which layers an arriving image need not bring: those that whoever brings it may read in this server anyhow.
//!
//! A digest alone opens nothing. What the server stores for others is as missing as what it does not store, so that the
//! answer tells nobody what others have.

use std::collections::{HashMap, HashSet};

use access::action::Action;
use access::auth::arrival::Arrival;
use access::auth::authorize::{self, Need};
use access::auth::caller::Caller;
use access::request::RequestContext;
use oci::Digest;
use runtime::boxed;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::{repositories, repository_blobs};

use super::receive::ReceiveError;
use crate::Registry;

/// What a principal must be allowed on the repository that a layer is taken from, as for a mount.
const ACTION: Action = Action::EcrGetDownloadUrlForLayer;

/// Who brings an image.
pub enum Bringer<'a> {
    /// This server, from the repository of the same name of another of its registries.
    Registry(&'a RegistryId),
    /// Another Wharf, with the key of a principal of this one. What it says of the image's source opens nothing here.
    Caller(&'a RequestContext, &'a Caller),
}

/// The repositories, by their keys, from which each layer may be taken.
pub type Readable = HashMap<Digest, Vec<i64>>;

impl Bringer<'_> {
    /// Where `layers` may be taken from. Whether they are still there is for the transaction that takes them.
    #[boxed]
    pub async fn readable(
        &self,
        app: &Registry,
        arrival: &Arrival,
        layers: &[Digest],
    ) -> Result<Readable, ReceiveError> {
        match self {
            Self::Registry(source) => {
                let (source, name) = ((*source).clone(), arrival.repository.clone());
                let found = app.db.read_point(move |tx| repositories::find(tx, &source.repository(&name))).await?;
                let from: Vec<i64> = found.iter().map(|repository| repository.id).collect();
                Ok(layers.iter().map(|digest| (*digest, from.clone())).collect())
            }
            Self::Caller(http, caller) => readable_by(app, http, caller, &arrival.registry, layers).await,
        }
    }
}

/// The repositories of a registry from which the caller may pull, by what they show.
async fn readable_by(
    app: &Registry,
    http: &RequestContext,
    caller: &Caller,
    registry: &RegistryId,
    layers: &[Digest],
) -> Result<Readable, ReceiveError> {
    let (place, digests): (_, HashSet<Digest>) = (registry.clone(), layers.iter().copied().collect());
    let shown = app.db.read(move |tx| {
        let mut shown = Vec::new();
        for digest in &digests {
            let repositories = repository_blobs::shown_in_registry(tx, &place, digest)?;
            shown.extend(repositories.into_iter().map(|repository| (*digest, repository)));
        }
        Ok::<_, StoreError>(shown)
    });
    let mut decided: HashMap<i64, bool> = HashMap::new();
    let mut readable = Readable::new();
    for (digest, repository) in shown.await? {
        let id = repository.repository_id;
        let may = match decided.get(&id) {
            Some(may) => *may,
            None => {
                let need = Need::on_repository(ACTION, registry, repository.name.as_str());
                let may = authorize::is_allowed(http, caller, &need).await?;
                *decided.entry(id).or_insert(may)
            }
        };
        if may {
            readable.entry(digest).or_default().push(id);
        }
    }
    Ok(readable)
}
