//! What whoever pulls through the transparent mirror without credentials may do and see.

use store::tables::pull_through_cache_rules::PullThroughCacheRule;
use store::tables::repositories::RepositoryRef;
use store::tables::upstream_blobs::BlobSource;

use super::authorize::{Need, Resource};
use crate::action::Action;

/// Everything that such a pull may do, to its one repository.
const ACTIONS: [Action; 4] = [
    Action::EcrBatchGetImage,
    Action::EcrGetDownloadUrlForLayer,
    Action::EcrBatchImportUpstreamImage,
    Action::EcrCreateRepository,
];

/// A pull by nobody.
#[derive(Debug)]
pub struct AnonymousPull {
    /// The one repository that it is of.
    pub place: RepositoryRef,
    /// Where everything that it sees came from.
    pub source: BlobSource,
    /// The rule that fills the repository from there.
    pub rule: PullThroughCacheRule,
}

impl AnonymousPull {
    /// Whether it may do that, as far as no policy denies it.
    pub fn may(&self, need: &Need) -> bool {
        let Resource::Repository { registry, name } = &need.resource else { return false };
        let is_opened = need.action.of_operation().is_some_and(|action| ACTIONS.contains(&action));
        *registry == self.place.registry && name == self.place.name.as_str() && is_opened
    }

    /// Whether something came from where this pull looks, by the text of a column `cached_from`.
    pub fn sees(&self, cached_from: Option<&str>) -> bool {
        cached_from == Some(self.source.key().as_str())
    }
}
