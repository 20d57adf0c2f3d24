//! `/v2/<name>/referrers/<digest>`: OCI distribution, "Listing Referrers".

use http::{HeaderName, HeaderValue, StatusCode, header};
use oci::{Digest, RepositoryName};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use store::tables::images::{self, ImageStatus, Referrer};

use super::V2Request;
use super::errors::V2Error;
use crate::http::respond::{self, Answer};
use crate::registry::errors::RegistryError;
use crate::registry::repositories::require;

/// Referrers on one page.
const PAGE: usize = 100;
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// How many of the referrers fit in one page, of which there is always one: an index is a manifest too, and clients
/// refuse those over 4 MiB.
fn fitting(found: &[Referrer]) -> usize {
    // As JSON writes it; the rest of an entry is well under 1 KiB.
    let entry_bytes =
        |referrer: &Referrer| serde_json::to_vec(&referrer.annotations).map_or(0, |json| json.len()) + 1024;
    let mut bytes = 0;
    let mut count = 0;
    for referrer in found.iter().take(PAGE) {
        bytes += entry_bytes(referrer);
        if count > 0 && bytes > oci::MAX_MANIFEST_BYTES {
            break;
        }
        count += 1;
    }
    count
}

/// The images that refer to `subject`, as an image index. The subject need not exist.
pub async fn list(request: &V2Request<'_>, name: &RepositoryName, subject: Digest) -> Result<Answer, V2Error> {
    request.authorize(&["ecr:BatchGetImage"], name.as_str()).await?;
    let artifact_type = request.http.query_parameter("artifactType").filter(|wanted| !wanted.is_empty());
    let after = request.http.query_parameter("last").unwrap_or_default();
    let (registry, repository_name) = (request.registry.clone(), name.clone());
    let mut found = request
        .http
        .app
        .db
        .read(move |tx| {
            let repository = require(tx, &registry, &repository_name)?;
            Ok::<_, RegistryError>(images::referrers(tx, repository.id, &subject, &after, PAGE + 1)?)
        })
        .await?;
    let fitting = fitting(&found);
    let has_more = found.len() > fitting;
    found.truncate(fitting);
    let next = found.last().filter(|_| has_more).map(|referrer| referrer.digest);
    let entries: Vec<oci::ReferrerEntry> = found
        .into_iter()
        .filter(|referrer| referrer.status == ImageStatus::Active)
        .filter(|referrer| artifact_type.is_none() || referrer.artifact_type == artifact_type)
        .map(|referrer| oci::ReferrerEntry {
            media_type: referrer.media_type,
            digest: referrer.digest,
            size: referrer.manifest_bytes,
            artifact_type: referrer.artifact_type,
            annotations: referrer.annotations,
        })
        .collect();
    let mut answer =
        respond::with_body(StatusCode::OK, "application/vnd.oci.image.index.v1+json", oci::referrers_index(&entries));
    if artifact_type.is_some() {
        answer.headers_mut().insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = next {
        let filter = artifact_type
            .map(|wanted| format!("&artifactType={}", utf8_percent_encode(&wanted, NON_ALPHANUMERIC)))
            .unwrap_or_default();
        let last = last.to_string();
        let last = utf8_percent_encode(&last, NON_ALPHANUMERIC);
        let url = format!("{}?last={last}{filter}", super::path(name, &format!("referrers/{subject}")));
        respond::add_header(&mut answer, header::LINK, oci::next_link(&url));
    }
    Ok(answer)
}
