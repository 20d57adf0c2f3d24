//! DeleteRepository: deletes a repository; with `force`, its images too.

use std::collections::BTreeSet;

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::tag_rights::{TagChange, TagRights, Undone};
use api::protocols::operation::{Call, Operation};
use oci::RepositoryName;
use registry::images::changes::Cause;
use registry::images::delete::Deletion;
use registry::images::repositories;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::RepositoryRef;
use store::tables::{image_tags, repositories as repositories_table};

use super::constraints;
use super::errors::EcrError;
use super::shapes::Repository;

/// Tags that are read at once.
const TAGS_AT_ONCE: usize = 1_000;

/// Deletes a repository, which must be empty unless the request says `force`.
pub struct DeleteRepository;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    force: Option<bool>,
}

#[derive(Serialize)]
pub struct Output {
    repository: Repository,
}

/// Every tag of a repository, of archived images as well, and none if an image has no tag.
fn tags_of(tx: &mut dyn Tx, place: &RepositoryRef) -> Result<BTreeSet<Option<String>>, StoreError> {
    let mut tags = BTreeSet::new();
    let Some(repository) = repositories_table::find(tx, place)? else { return Ok(tags) };
    let (mut digest, mut tag) = (String::new(), String::new());
    loop {
        let page = image_tags::list_lines(tx, repository.id, &digest, &tag, TAGS_AT_ONCE)?;
        let is_last = page.len() < TAGS_AT_ONCE;
        if let Some(last) = page.last() {
            (digest, tag) = (last.digest.to_string(), last.tag.clone().unwrap_or_default());
        }
        tags.extend(page.into_iter().map(|line| line.tag));
        if is_last {
            return Ok(tags);
        }
    }
}

impl Operation for DeleteRepository {
    const NAME: &'static str = "DeleteRepository";
    const ACTION: Action = Action::EcrDeleteRepository;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = (RegistryId, RepositoryName, bool);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        Ok((registry, name, input.force.unwrap_or(false)))
    }

    fn needs(_: &Call<'_>, (registry, name, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, registry, name.as_str())]
    }

    async fn run(call: &Call<'_>, (registry, name, force): Self::Checked) -> Result<Output, EcrError> {
        let deletion = Deletion::new(call.app, Cause::of_caller(call.app, &call.caller), Self::NAME);
        let place = RepositoryRef { registry, name };
        let mut rights = TagRights::new(call.http, &call.caller, Self::ACTION, TagChange::Taken, &place).await?;
        // Until no tag comes between the question and the deletion.
        loop {
            let (leave, place, deletion) = (rights.clone(), place.clone(), deletion.clone());
            let deleted = call.app.db.make_room(move |tx| {
                if force && leave.matter() {
                    leave.require(tags_of(tx, &place)?)?;
                }
                repositories::delete(tx, &place, force, &deletion).map_err(Undone::Failed)
            });
            match deleted.await {
                Ok(deleted) => return Ok(Output { repository: Repository::new(call.http, &deleted) }),
                Err(Undone::Failed(error)) => return Err(error.into()),
                Err(Undone::NotAsked(tags)) => rights.ask(call.http, &call.caller, tags).await?,
            }
        }
    }
}
