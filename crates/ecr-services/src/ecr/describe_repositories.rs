//! DescribeRepositories: the repositories of a registry, by name or page by page.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryName;
use registry::images::repositories::require_cached;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{self, RepositoryRef};

use super::constraints::{self, Check, Page};
use super::errors::EcrError;
use super::shapes::Repository;

/// Describes the repositories that are named, or all of a registry page by page.
pub struct DescribeRepositories;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_names: Option<Vec<String>>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

/// A page of repositories.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The repositories.
    pub repositories: Vec<Repository>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// Which repositories are asked for.
pub enum RepositorySelection {
    /// These, all of which must exist.
    Names(Vec<RepositoryName>),
    /// A page of all.
    Page(Page),
}

impl Operation for DescribeRepositories {
    const NAME: &'static str = "DescribeRepositories";
    const ACTION: Action = Action::EcrDescribeRepositories;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = (RegistryId, RepositorySelection);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let Some(names) = input.repository_names else {
            let page = Check::page(
                List::with_members(Self::NAME, &[&registry]),
                input.max_results,
                input.next_token.as_deref(),
                100,
                1000,
            )?;
            return Ok((registry, RepositorySelection::Page(page)));
        };
        let names = Check::list("repositoryNames", Some(names), 1, 100)?;
        constraints::refuse_beside("repositoryNames", input.max_results, input.next_token.as_deref())?;
        let names = names
            .into_iter()
            .map(|name| constraints::repository_name("repositoryNames", Some(name)))
            .collect::<Result<_, _>>()?;
        Ok((registry, RepositorySelection::Names(names)))
    }

    fn needs(_: &Call<'_>, (registry, selection): &Self::Checked) -> Vec<Need> {
        match selection {
            RepositorySelection::Names(names) => {
                names.iter().map(|name| Need::on_repository(Self::ACTION, registry, name.as_str())).collect()
            }
            RepositorySelection::Page(_) => vec![Need::on_repository(Self::ACTION, registry, "*")],
        }
    }

    async fn run(call: &Call<'_>, (registry, selection): Self::Checked) -> Result<Output, EcrError> {
        let app = call.app;
        let page = match selection {
            RepositorySelection::Names(names) => {
                let mut repositories = Vec::with_capacity(names.len());
                for name in names {
                    let place = RepositoryRef { registry: registry.clone(), name };
                    let found = require_cached(app, place).await?;
                    repositories.push(Repository::new(call.http, &found.0));
                }
                return Ok(Output { repositories, next_token: None });
            }
            RepositorySelection::Page(page) => page,
        };
        let (after, limit) = (page.after[0].clone(), page.limit);
        let mut found = app.db.read(move |tx| repositories::list(tx, &registry, &after, limit + 1)).await?;
        let next_token = page.cut(&mut found, |last| constraints::after(&last.spec.name));
        Ok(Output { repositories: found.iter().map(|stored| Repository::new(call.http, stored)).collect(), next_token })
    }
}
