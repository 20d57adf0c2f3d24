//! `/v2/<name>/tags/list`: OCI distribution, "Listing Tags".

use http::{StatusCode, header};
use oci::RepositoryName;
use registry::images::errors::RegistryError;
use registry::images::repositories::require;
use runtime::http::respond::{self, Answer};
use serde::Serialize;
use store::tables::image_tags;

use super::V2Request;
use super::catalog::Page;
use super::errors::V2Error;

#[derive(Serialize)]
struct TagList {
    name: String,
    tags: Vec<String>,
}

/// The tags of a repository in byte order.
pub async fn list(request: &V2Request<'_>, name: RepositoryName) -> Result<Answer, V2Error> {
    let name = &name;
    let page = Page::from_query(request.http)?;
    let (registry, repository_name) = (request.registry.clone(), name.clone());
    let (last, limit) = (page.last.clone(), page.limit);
    let tags = page
        .read(&request.app.db, move |tx| {
            let repository = require(tx, &registry.repository(&repository_name))?;
            Ok::<_, RegistryError>(image_tags::list(tx, repository.id, &last, limit + 1)?)
        })
        .await?;
    let (tags, next) = page.cut(tags);
    let body = serde_json::to_vec(&TagList { name: name.to_string(), tags }).unwrap_or_default();
    let mut answer = respond::with_body(StatusCode::OK, "application/json", body);
    if let Some(last) = next {
        let url = page.next_url(&super::path(name, "tags/list"), &last);
        respond::add_header(&mut answer, header::LINK, oci::next_link(&url));
    }
    Ok(answer)
}
