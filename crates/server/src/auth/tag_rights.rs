//! What a caller makes happen to tags by other ways than ECR's own: a restore gives tags, a purge and a deleted repository
//! take them. Which ones is known when it is done, so the transaction says so, and is undone unless the caller was asked
//! for each.
//!
//! A policy about `ecr:ImageTag` decides on the action itself; and what denies somebody to push a tag, or to delete it,
//! denies every other way to the same.

use std::collections::BTreeSet;

use oci::RepositoryName;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;

use super::authorize::{self, Need, Refusal};
use super::caller::Caller;
use crate::http::request::RequestContext;
use crate::registry::errors::RepositoryRef;

/// What happens to a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagChange {
    /// An image gets it.
    Given,
    /// Its image loses it.
    Taken,
}

impl TagChange {
    /// The action of ECR's by which it happens otherwise.
    const fn action(self) -> &'static str {
        match self {
            Self::Given => "ecr:PutImage",
            Self::Taken => "ecr:BatchDeleteImage",
        }
    }
}

/// Tags that the caller has not been asked for yet.
#[derive(Debug)]
pub struct NotAsked(TagChange, BTreeSet<String>);

/// Why a transaction that acts on tags was undone.
#[derive(Debug)]
pub enum Undone<E> {
    /// The caller is to be asked first.
    NotAsked(NotAsked),
    /// It failed.
    Failed(E),
}

impl<E: From<StoreError>> From<StoreError> for Undone<E> {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// The tags that a caller may act on, as far as it was asked.
#[derive(Clone, Debug)]
pub struct TagRights {
    action: &'static str,
    place: RepositoryRef,
    /// None if no policy looks at tags.
    asked: Option<BTreeSet<(TagChange, String)>>,
}

/// The permissions for an action on what a request names by tags or otherwise: one for each tag, and one for the rest.
pub fn needs<'t>(
    action: &'static str,
    registry: &RegistryId,
    name: &RepositoryName,
    tags: impl IntoIterator<Item = Option<&'t str>>,
) -> Vec<Need> {
    let mut tags: BTreeSet<Option<&str>> = tags.into_iter().collect();
    let rest = tags.take(&None);
    let need = |tag| Need::on_repository(action, registry, name.as_str()).with_image_tag(tag);
    tags.into_iter().chain(rest).map(need).collect()
}

impl TagRights {
    /// Of a caller that does `action`, which is asked for no tag yet.
    pub async fn new(
        http: &RequestContext,
        caller: &Caller,
        action: &'static str,
        place: &RepositoryRef,
    ) -> Result<Self, Refusal> {
        let mut reads_tags = false;
        for action in [action, TagChange::Given.action(), TagChange::Taken.action()] {
            let need = Need::on_repository(action, &place.registry, place.name.as_str());
            reads_tags = reads_tags || authorize::reads_image_tag(http, caller, &need).await?;
        }
        Ok(Self { action, place: place.clone(), asked: reads_tags.then(BTreeSet::new) })
    }

    /// Whether the caller has to be asked for tags at all.
    pub fn matter(&self) -> bool {
        self.asked.is_some()
    }

    /// In the transaction: whether the caller was asked for every tag that it acted on.
    pub fn require<E>(
        &self,
        change: TagChange,
        tags: impl IntoIterator<Item = impl ToString>,
    ) -> Result<(), Undone<E>> {
        let Some(asked) = &self.asked else { return Ok(()) };
        let tags = tags.into_iter().map(|tag| tag.to_string());
        let missing: BTreeSet<String> = tags.filter(|tag| !asked.contains(&(change, tag.clone()))).collect();
        if missing.is_empty() { Ok(()) } else { Err(Undone::NotAsked(NotAsked(change, missing))) }
    }

    /// Asks whether the caller may act on further tags, and refuses if not.
    pub async fn ask(
        &mut self,
        http: &RequestContext,
        caller: &Caller,
        NotAsked(change, tags): NotAsked,
    ) -> Result<(), Refusal> {
        let Some(asked) = &mut self.asked else { return Ok(()) };
        let need = |action| Need::on_repository(action, &self.place.registry, self.place.name.as_str());
        for tag in tags {
            authorize::authorize(http, caller, &need(self.action).with_image_tag(Some(&tag))).await?;
            authorize::require_not_denied(http, caller, &need(change.action()).with_image_tag(Some(&tag))).await?;
            asked.insert((change, tag));
        }
        Ok(())
    }

    /// As [`ask`](Self::ask) for tags that the request names, before anything is done.
    pub async fn ask_for(
        &mut self,
        http: &RequestContext,
        caller: &Caller,
        change: TagChange,
        tags: impl IntoIterator<Item = impl ToString>,
    ) -> Result<(), Refusal> {
        let tags = tags.into_iter().map(|tag| tag.to_string()).collect();
        self.ask(http, caller, NotAsked(change, tags)).await
    }
}
