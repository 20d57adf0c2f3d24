//! Presigned layer URLs: what GetDownloadUrlForLayer hands out, readable with plain curl.

use http::{Method, StatusCode, header};
use oci::ErrorCode;

use super::errors::V2Error;
use crate::auth::download_url::{self, GrantError};
use crate::cache::blobs;
use crate::http::request::RequestContext;
use crate::http::respond::{self, Answer};

/// Answers a request for a layer URL, given what follows the prefix in its path.
pub async fn handle(http: &RequestContext, sealed: &str) -> Answer {
    match download(http, sealed).await {
        Ok(answer) => answer,
        Err(error) => {
            let mut answer = error.into_answer(http);
            if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
                respond::add_header(&mut answer, header::ALLOW, "GET, HEAD");
            }
            answer
        }
    }
}

async fn download(http: &RequestContext, sealed: &str) -> Result<Answer, V2Error> {
    if !matches!(http.method, Method::GET | Method::HEAD) {
        return Err(V2Error::unsupported_method());
    }
    let grant = download_url::verify(&http.app, sealed).map_err(|error| {
        let text = match error {
            GrantError::Invalid => "The layer URL is not valid. Ask for a new one with GetDownloadUrlForLayer.",
            GrantError::Expired => "The layer URL has expired. Ask for a new one with GetDownloadUrlForLayer.",
        };
        V2Error::new(ErrorCode::Denied, text).with_status(StatusCode::FORBIDDEN)
    })?;
    let found = blobs::find_readable(&http.app, &grant.registry, &grant.repository, grant.digest).await?;
    super::blobs::answer_found(http, found, grant.digest).await
}
