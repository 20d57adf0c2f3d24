//! What a caller makes happen to images and tags by other ways than ECR's own: a restore gives them, a purge and a deleted
//! repository take them. Which ones is known when it is done, so the transaction says so, and is undone unless the caller was
//! asked for each.
//!
//! A policy about `ecr:ImageTag` decides on the action itself; and what denies somebody to push an image, or to delete it,
//! for a tag or for all, denies every other way to the same.

use std::collections::BTreeSet;

use runtime::boxed;
use store::error::StoreError;
use store::tables::repositories::RepositoryRef;

use super::authorize::{self, Need, Refusal};
use super::caller::Caller;
use crate::action::Action;
use crate::request::RequestContext;

/// What happens to an image or tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagChange {
    /// An image gets it.
    Given,
    /// Its image loses it.
    Taken,
}

impl TagChange {
    /// The action of ECR's by which it happens otherwise.
    const fn action(self) -> Action {
        match self {
            Self::Given => Action::EcrPutImage,
            Self::Taken => Action::EcrBatchDeleteImage,
        }
    }
}

/// Tags that the caller has not been asked for yet, and none for an image that has no tag.
#[derive(Debug)]
pub struct NotAsked(BTreeSet<Option<String>>);

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

/// The tags that a caller may act on, as far as it was asked; none is for images without a tag.
#[derive(Clone, Debug)]
pub struct TagRights {
    action: Action,
    change: TagChange,
    place: RepositoryRef,
    /// None if no policy looks at tags or denies the change as such.
    asked: Option<BTreeSet<Option<String>>>,
}

/// The permissions for an action on what a request names by tags or otherwise: one for each tag, and one for the rest.
pub fn needs<'t>(action: Action, place: &RepositoryRef, tags: impl IntoIterator<Item = Option<&'t str>>) -> Vec<Need> {
    let mut tags: BTreeSet<Option<&str>> = tags.into_iter().collect();
    let rest = tags.take(&None);
    let need = |tag| Need::on_repository(action, &place.registry, place.name.as_str()).with_image_tag(tag);
    tags.into_iter().chain(rest).map(need).collect()
}

impl TagRights {
    /// Of a caller that does `action`, by which the change happens, and which is asked for no tag yet.
    #[boxed]
    pub async fn new(
        http: &RequestContext,
        caller: &Caller,
        action: Action,
        change: TagChange,
        place: &RepositoryRef,
    ) -> Result<Self, Refusal> {
        let need = |action| Need::on_repository(action, &place.registry, place.name.as_str());
        let matter = authorize::reads_image_tag(http, caller, &need(action)).await?
            || authorize::reads_image_tag(http, caller, &need(change.action())).await?
            || matches!(
                authorize::require_not_denied(http, caller, &need(change.action())).await,
                Err(Refusal::Denied(_))
            );
        Ok(Self { action, change, place: place.clone(), asked: matter.then(BTreeSet::new) })
    }

    /// Whether the caller has to be asked for tags at all.
    pub fn matter(&self) -> bool {
        self.asked.is_some()
    }

    /// In the transaction: whether the caller was asked for every tag that it acted on.
    pub fn require<E>(&self, tags: impl IntoIterator<Item = Option<impl ToString>>) -> Result<(), Undone<E>> {
        let Some(asked) = &self.asked else { return Ok(()) };
        let tags = tags.into_iter().map(|tag| tag.map(|tag| tag.to_string()));
        let missing: BTreeSet<Option<String>> = tags.filter(|tag| !asked.contains(tag)).collect();
        if missing.is_empty() { Ok(()) } else { Err(Undone::NotAsked(NotAsked(missing))) }
    }

    /// Asks whether the caller may act on further tags, and refuses if not.
    #[boxed]
    pub async fn ask(
        &mut self,
        http: &RequestContext,
        caller: &Caller,
        NotAsked(tags): NotAsked,
    ) -> Result<(), Refusal> {
        let Some(asked) = &mut self.asked else { return Ok(()) };
        let need = |action| Need::on_repository(action, &self.place.registry, self.place.name.as_str());
        for tag in tags {
            // Without a tag it is what the request was allowed to do as such.
            if tag.is_some() {
                authorize::authorize(http, caller, &need(self.action).with_image_tag(tag.as_deref())).await?;
            }
            let change = need(self.change.action()).with_image_tag(tag.as_deref());
            authorize::require_not_denied(http, caller, &change).await?;
            asked.insert(tag);
        }
        Ok(())
    }

    /// As [`ask`](Self::ask) for an image that the request names, before anything is done.
    pub async fn ask_for(
        &mut self,
        http: &RequestContext,
        caller: &Caller,
        tags: &[impl ToString],
    ) -> Result<(), Refusal> {
        self.ask(http, caller, NotAsked(of_image(tags).collect())).await
    }
}

/// What is asked for an image as a whole: each of its tags, and if it has none, the image without one.
pub fn of_image(tags: &[impl ToString]) -> impl Iterator<Item = Option<String>> {
    let untagged = tags.is_empty().then_some(None);
    tags.iter().map(|tag| Some(tag.to_string())).chain(untagged)
}
