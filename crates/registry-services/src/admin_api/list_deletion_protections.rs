//! ListDeletionProtections: what is protected from deletion, in one repository or in all.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use serde::Serialize;
use store::tables::image_protections::{self, After};
use store::tables::repositories::RepositoryRef;

use super::errors::WharfError;
use super::repository_pages::{RepositoryPage, RepositoryPageMembers};
use super::shapes::Protection;

/// Lists what is protected from deletion in one repository or in all, page by page.
pub struct ListDeletionProtections;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    protections: Vec<Protection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The input, validated: a page after this repository, kind and target.
type Page = RepositoryPage<(String, String, String)>;

impl Operation for ListDeletionProtections {
    const NAME: &'static str = "ListDeletionProtections";
    const ACTION: Action = Action::WharfListDeletionProtections;
    const READ_ONLY: bool = true;
    type Input = RepositoryPageMembers;
    type Output = Output;
    type Checked = Page;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: RepositoryPageMembers) -> Result<Page, WharfError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, page: &Page) -> Vec<Need> {
        page.needs(Self::ACTION)
    }

    async fn run(call: &Call<'_>, page: Page) -> Result<Output, WharfError> {
        let Page { registry, repository, limit, place: (after_repository, kind, target) } = page;
        let after = After { repository: after_repository, kind, target };
        let read = call.app.db.read(move |tx| {
            if let Some(name) = &repository {
                require(tx, &registry.repository(name))?;
            }
            let found = image_protections::list(tx, &registry, repository.as_ref(), &after, limit)?;
            let last = (found.len() == limit).then(|| found.last().map(After::from)).flatten();
            let shown = found.into_iter().map(|protection| {
                let place = RepositoryRef { registry: registry.clone(), name: protection.repository };
                Protection::new(&place, &protection.target, Some((protection.created_at_ms, protection.created_by)))
            });
            Ok::<_, WharfError>(Output {
                protections: shown.collect(),
                next_token: last.map(|last| List::Any.token(&(last.repository, last.kind, last.target))),
            })
        });
        read.await
    }
}
