//! Lists of one repository or of all of a registry, in pages.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::Call;
use oci::RepositoryName;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use store::tables::registry_id::RegistryId;

use super::constraints::{self, Check, DEFAULT_RESULTS, MAX_RESULTS};
use super::errors::WharfError;

/// The members of such a list's input.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryPageMembers {
    registry_id: Option<String>,
    repository_name: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl RepositoryPageMembers {
    /// The page that they ask for, which begins at a place of the kind that the operation has.
    pub fn check<P: DeserializeOwned + Default>(self, call: &Call<'_>) -> Result<RepositoryPage<P>, WharfError> {
        Ok(RepositoryPage {
            registry: constraints::registry(call, self.registry_id.as_deref())?,
            repository: self.repository_name.as_deref().map(constraints::repository_name).transpose()?,
            limit: Check::limit(self.max_results, DEFAULT_RESULTS, MAX_RESULTS)?,
            place: Check::place(&List::Any, self.next_token.as_deref())?,
        })
    }
}

/// A page of such a list.
pub struct RepositoryPage<P> {
    /// The registry.
    pub registry: RegistryId,
    /// The one repository; none for all.
    pub repository: Option<RepositoryName>,
    /// How many entries it has at most.
    pub limit: usize,
    /// Where it begins.
    pub place: P,
}

impl<P> RepositoryPage<P> {
    /// What reading it needs: the permission on the repository, or on all.
    pub fn needs(&self, action: Action) -> Vec<Need> {
        let name = self.repository.as_ref().map_or("*", |name| name.as_str());
        vec![Need::on_repository(action, &self.registry, name)]
    }
}
