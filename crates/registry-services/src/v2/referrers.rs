//! `/v2/<name>/referrers/<digest>`: OCI distribution, "Listing Referrers".

use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode, header};
use oci::media_type::OCI_INDEX;
use oci::{Digest, RepositoryName};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use registry::cache;
use registry::images::errors::RegistryError;
use registry::images::referrers;
use registry::images::repositories::require;
use runtime::http::held_answer::AnswerShare;
use runtime::http::respond::{self, Answer};
use store::tables::images::{ImageStatus, Referrer};

use super::V2Request;
use super::errors::V2Error;

/// Referrers on one page.
const PAGE: usize = 100;
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// The images that refer to `subject`, as an image index. The subject need not exist.
pub async fn list(request: &V2Request<'_>, name: RepositoryName, subject: Digest) -> Result<Answer, V2Error> {
    let name = &name;
    let place = request.registry.repository(name);
    let prepared = cache::referrers::prepare(request.app, request.http, &request.caller, &place, subject).await;
    if let Err(failure) = prepared {
        tracing::info!(repository = %name, %subject, "referrers of {subject} were not asked for upstream: {failure}");
    }
    let artifact_type = request.http.query_parameter("artifactType").filter(|kind| !kind.is_empty());
    let after = request.http.query_parameter("last").unwrap_or_default();
    let asked_type = artifact_type.clone();
    let anonymous = request.caller.anonymous().cloned();
    let (app, reader) = (Arc::clone(request.app), request.http.holder.clone());
    let (page, share) = request
        .http
        .app
        .db
        .read(move |tx| {
            let repository = require(tx, &place)?;
            let is_listed = |found: &Referrer| {
                found.status == ImageStatus::Active
                    && (asked_type.is_none() || found.artifact_type == asked_type)
                    && anonymous.as_ref().is_none_or(|pull| pull.sees(found.cached_from.as_deref()))
            };
            let mut share = AnswerShare::new(&app.request_budget, &reader);
            let page = referrers::page(tx, repository.id, &subject, &after, PAGE, is_listed, &mut share)?;
            Ok::<_, RegistryError>((page, share))
        })
        .await?;
    let _ = request.http.answer_share.set(share);
    let entries: Vec<oci::ReferrerEntry> = page
        .referrers
        .into_iter()
        .map(|referrer| oci::ReferrerEntry {
            media_type: referrer.media_type,
            digest: referrer.digest,
            size: referrer.manifest_bytes,
            artifact_type: referrer.artifact_type,
            annotations: referrer.annotations,
        })
        .collect();
    let mut answer = respond::with_body(StatusCode::OK, OCI_INDEX, oci::referrers_index(&entries));
    if artifact_type.is_some() {
        answer.headers_mut().insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = page.next {
        let filter = artifact_type
            .map(|kind| format!("&artifactType={}", utf8_percent_encode(&kind, NON_ALPHANUMERIC)))
            .unwrap_or_default();
        let last = last.to_string();
        let last = utf8_percent_encode(&last, NON_ALPHANUMERIC);
        let url = format!("{}?last={last}{filter}", super::path(name, &format!("referrers/{subject}")));
        respond::add_header(&mut answer, header::LINK, oci::next_link(&url));
    }
    Ok(answer)
}
