//! What a push must know before its transaction, read at once: the repository, or what would create it, and with that how its
//! content is encrypted. The transaction itself holds the repository to it
//! ([`Encryption::require_of`]).

use std::sync::Arc;

use runtime::boxed;
use store::db::Tx;
use store::tables::creation_templates::{self, CreationTemplate, Scenario};
use store::tables::repositories::{Repository, RepositoryRef};

use super::encryption::{self, Encryption, Use};
use super::errors::RegistryError;
use super::read_caches::FoundRepository;
use super::repositories::read_along;
use crate::Registry;

/// Where a push goes.
pub enum Target {
    /// To a repository that is there.
    There(Arc<FoundRepository>),
    /// To one that would be created, by this template if there is one.
    Absent(Option<Box<CreationTemplate>>),
}

/// What was read before a push.
pub struct BeforePush<T> {
    /// Where it goes.
    pub target: Target,
    /// What else was read of the same state of the database.
    pub rest: T,
}

/// Reads where a push goes, and what `rest` wants to know of that.
pub async fn read<T, F>(
    app: &Registry,
    place: &RepositoryRef,
    may_create: bool,
    scenario: Scenario,
    rest: F,
) -> Result<BeforePush<T>, RegistryError>
where
    F: Fn(&mut dyn Tx, Option<&Repository>) -> Result<T, RegistryError> + Clone + Send + 'static,
    T: Send + 'static,
{
    let asked = place.clone();
    let look = move |tx: &mut dyn Tx, repository: Option<&Arc<FoundRepository>>| {
        let value = rest(tx, repository.map(|repository| &repository.0))?;
        let template = match repository {
            None if may_create => creation_templates::find_for(tx, &asked, scenario)?.map(Box::new),
            None | Some(_) => None,
        };
        Ok((template, value))
    };
    let (repository, (template, rest)) = read_along(app, place, look).await?;
    Ok(BeforePush { target: repository.map_or(Target::Absent(template), Target::There), rest })
}

impl Target {
    /// The encryption of the repository, or the one that it would be created with.
    #[boxed]
    pub async fn encryption(&self, app: &Registry, place: &RepositoryRef) -> Result<Encryption, RegistryError> {
        match self {
            Self::There(repository) => encryption::require(app, repository, Use::Push).await,
            Self::Absent(template) => encryption::of_template(app, &place.registry, template.as_deref()).await,
        }
    }
}

/// As [`Target::encryption`], where nothing else is to be known before the push.
pub async fn encryption(
    app: &Registry,
    place: &RepositoryRef,
    may_create: bool,
    scenario: Scenario,
) -> Result<Encryption, RegistryError> {
    read(app, place, may_create, scenario, |_, _| Ok(())).await?.target.encryption(app, place).await
}
