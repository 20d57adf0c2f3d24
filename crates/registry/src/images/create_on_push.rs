//! Create on push: lets a push create its repository if a template covers the name and the pusher may create it.

use access::action::Action;
use access::auth::authorize::{self, Need, Refusal};
use access::auth::caller::Caller;
use access::request::RequestContext;
use oci::RepositoryName;
use runtime::boxed;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::RepositoryRef;

use super::creation::{self, IfAbsent};
use super::errors::RegistryError;
use crate::Registry;

/// Runs a step of a push, and once more with leave to create the repository if that is all that it lacks.
///
/// The step itself is allowed already. Whoever may not create the repository is answered as if no template were there:
/// templates are not theirs to know of.
pub async fn pushing<T, F>(
    app: &Registry,
    http: &RequestContext,
    caller: &Caller,
    registry: &RegistryId,
    name: &RepositoryName,
    step: impl Fn(IfAbsent) -> F,
) -> Result<T, RegistryError>
where
    F: Future<Output = Result<T, RegistryError>>,
{
    match step(IfAbsent::Refuse).await {
        Err(RegistryError::RepositoryNotFound(_)) if may_create(http, caller, &registry.repository(name)).await? => {
            step(IfAbsent::Create { repository_quota: app.quotas.repositories }).await
        }
        result => result,
    }
}

/// Whether a push by this caller would create a repository that is not there.
#[boxed]
pub async fn may_create(
    http: &RequestContext,
    caller: &Caller,
    repository: &RepositoryRef,
) -> Result<bool, RegistryError> {
    let place = repository.clone();
    if !http.app.db.read(move |tx| creation::covers_push(tx, &place)).await? {
        return Ok(false);
    }
    let need = Need::on_repository(Action::EcrCreateRepository, &repository.registry, repository.name.as_str());
    match authorize::authorize(http, caller, &need).await {
        Ok(()) => Ok(true),
        Err(Refusal::Denied(_)) => Ok(false),
        Err(Refusal::Store(error)) => Err(error.into()),
    }
}
