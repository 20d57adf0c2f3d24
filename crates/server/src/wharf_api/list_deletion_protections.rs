//! ListDeletionProtections: what is protected from deletion, in one repository or in all.

use oci::RepositoryName;
use serde::{Deserialize, Serialize};
use store::tables::image_protections::{self, After};
use store::tables::registry_id::RegistryId;

use super::errors::WharfError;
use super::shapes::Protection;
use super::{constraints, paging};
use crate::auth::authorize::Need;
use crate::aws_api::operation::{Call, Operation};
use crate::registry::errors::RepositoryRef;
use crate::registry::repositories::require;

/// The operation.
pub struct ListDeletionProtections;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    protections: Vec<Protection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    repository: Option<RepositoryName>,
    limit: usize,
    /// Repository, kind and target.
    place: (String, String, String),
}

impl Operation for ListDeletionProtections {
    const NAME: &'static str = "ListDeletionProtections";
    const ACTION: &'static str = "wharf:ListDeletionProtections";
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        Ok(Checked {
            registry: constraints::registry(call, input.registry_id.as_deref())?,
            repository: input.repository_name.as_deref().map(constraints::repository_name).transpose()?,
            limit: paging::limit(input.max_results)?,
            place: paging::place(input.next_token.as_deref())?,
        })
    }

    fn needs(_: &Call<'_>, Checked { registry, repository, .. }: &Checked) -> Vec<Need> {
        let name = repository.as_ref().map_or("*", |name| name.as_str());
        vec![Need::on_repository(Self::ACTION, registry, name)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, WharfError> {
        let Checked { registry, repository, limit, place: (after_repository, kind, target) } = checked;
        let after = After { repository: after_repository, kind, target };
        let read = call.app().db.read(move |tx| {
            if let Some(name) = &repository {
                require(tx, &registry, name)?;
            }
            let found = image_protections::list(tx, &registry, repository.as_ref(), &after, limit)?;
            let last = (found.len() == limit).then(|| found.last().map(After::from)).flatten();
            let shown = found.into_iter().map(|protection| {
                let place = RepositoryRef { registry: registry.clone(), name: protection.repository };
                Protection::new(&place, &protection.target, Some((protection.created_at_ms, protection.created_by)))
            });
            Ok::<_, WharfError>(Output {
                protections: shown.collect(),
                next_token: last.map(|last| paging::token(&(last.repository, last.kind, last.target))),
            })
        });
        read.await
    }
}
