//! ListImages: the tags and digests of a repository's images.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryName;
use registry::images::errors::RegistryError;
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::tables::image_tags;
use store::tables::registry_id::RegistryId;

use super::constraints::{self, Check, Page};
use super::errors::EcrError;
use super::image_identifiers::ImageIdentifier;
use super::shapes::{CheckedFilter, ListFilter};

/// Lists the digests and tags of a repository's images, page by page.
pub struct ListImages;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
    filter: Option<ListFilter>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    image_ids: Vec<ImageIdentifier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Operation for ListImages {
    const NAME: &'static str = "ListImages";
    const ACTION: Action = Action::EcrListImages;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = (RegistryId, RepositoryName, Page, CheckedFilter);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        let filter = input.filter.unwrap_or_default();
        let list = List::with_members(Self::NAME, &[&registry, &name, &filter]);
        let page = Check::page(list, input.max_results, input.next_token.as_deref(), 100, 1000)?;
        Ok((registry, name, page, filter.check()?))
    }

    fn needs(_: &Call<'_>, (registry, name, ..): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, registry, name.as_str())]
    }

    async fn run(call: &Call<'_>, (registry, name, page, filter): Self::Checked) -> Result<Output, EcrError> {
        let output = call.app.db.read(move |tx| {
            let repository = require(tx, &registry.repository(&name))?;
            let [mut digest, mut tag] = page.after.clone();
            let mut image_ids: Vec<ImageIdentifier> = Vec::new();
            loop {
                let lines = image_tags::list_lines(tx, repository.id, &digest, &tag, page.limit + 1)?;
                let is_end = lines.len() <= page.limit;
                for line in lines {
                    let line_digest = line.digest.to_string();
                    let line_tag = line.tag.clone().unwrap_or_default();
                    if filter.matches(line.tag.is_some(), line.status) {
                        if image_ids.len() == page.limit {
                            let next_token = Some(page.token_after(&[&digest, &tag]));
                            return Ok::<_, RegistryError>(Output { image_ids, next_token });
                        }
                        image_ids.push(ImageIdentifier::new(&line.digest, line.tag));
                    }
                    (digest, tag) = (line_digest, line_tag);
                }
                if is_end {
                    return Ok(Output { image_ids, next_token: None });
                }
            }
        });
        Ok(output.await?)
    }
}
