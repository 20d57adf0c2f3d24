//! Tags that go along with an image: whoever deletes or archives one as a whole acts on every tag that it has, and a
//! policy about `ecr:ImageTag` has a say in each, however the request names the image.

use std::collections::HashSet;

use access::action::Action;
use access::auth::authorize::{self, Need, Refusal};
use access::auth::caller::Caller;
use access::request::RequestContext;
use runtime::boxed;
use store::db::Tx;
use store::error::StoreError;
use store::tables::repositories::RepositoryRef;
use store::tables::{image_tags, images, repositories};

use super::pull::Selector;

/// What a request does to the images that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To what is named by a tag, the tag alone; to what is named by a digest, everything.
    Named,
    /// Everything to the image, however it is named.
    Whole,
}

impl Reach {
    /// The tags that a request acts on without naming them.
    fn tags(self, tx: &mut dyn Tx, repository_id: i64, selector: &Selector) -> Result<Vec<String>, StoreError> {
        let image = match (self, selector) {
            (Self::Named, Selector::Tag(_)) => None,
            (Self::Whole, Selector::Tag(tag)) => images::find_by_tag(tx, repository_id, tag.as_str())?,
            (_, Selector::Digest(digest) | Selector::Both(_, digest)) => images::find(tx, repository_id, digest)?,
        };
        image.map_or_else(|| Ok(Vec::new()), |image| image_tags::list_of_image(tx, image.id))
    }
}

/// The tags that a caller may act on, as far as it was asked.
#[derive(Clone, Debug)]
pub struct TagLeave {
    reach: Reach,
    /// None if no policy looks at tags.
    tags: Option<HashSet<String>>,
}

impl TagLeave {
    /// Whether every tag that a request acts on is among those that were asked for. A tag can have come meanwhile; then
    /// the caller has to be asked for anew.
    pub fn covers(&self, tx: &mut dyn Tx, repository_id: i64, selectors: &[Selector]) -> Result<bool, StoreError> {
        let Some(allowed) = &self.tags else { return Ok(true) };
        for selector in selectors {
            if self.reach.tags(tx, repository_id, selector)?.iter().any(|tag| !allowed.contains(tag)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Refuses unless the caller has the permission for every tag that the images have now.
#[boxed]
pub async fn authorize(
    http: &RequestContext,
    caller: &Caller,
    action: Action,
    place: &RepositoryRef,
    selectors: &[Selector],
    reach: Reach,
) -> Result<TagLeave, Refusal> {
    let need = || Need::on_repository(action, &place.registry, place.name.as_str());
    if !authorize::reads_image_tag(http, caller, &need()).await? {
        return Ok(TagLeave { reach, tags: None });
    }
    let (asked, selectors) = (place.clone(), selectors.to_vec());
    let read = http.app.db.read(move |tx| {
        let mut tags = HashSet::new();
        if let Some(repository) = repositories::find(tx, &asked)? {
            for selector in &selectors {
                tags.extend(reach.tags(tx, repository.id, selector)?);
            }
        }
        Ok::<_, StoreError>(tags)
    });
    let tags = read.await?;
    for tag in &tags {
        authorize::authorize(http, caller, &need().with_image_tag(Some(tag))).await?;
    }
    Ok(TagLeave { reach, tags: Some(tags) })
}
