//! Presigned layer URLs: what GetDownloadUrlForLayer hands out, readable with plain curl.

use std::sync::Arc;

use access::audit;
use access::auth::download_url::{self, Grant, GrantError};
use access::request::RequestContext;
use http::{Method, StatusCode, header};
use oci::ErrorCode;
use registry::Registry;
use registry::layers;
use runtime::boxed;
use runtime::http::respond::{self, Answer};

use super::errors::V2Error;

/// Answers a request for a layer URL, given what follows the prefix in its path.
#[boxed]
pub async fn handle(app: &Arc<Registry>, http: &RequestContext, sealed: &str) -> Answer {
    match download(app, http, sealed).await {
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

async fn download(app: &Arc<Registry>, http: &RequestContext, sealed: &str) -> Result<Answer, V2Error> {
    if !matches!(http.method, Method::GET | Method::HEAD) {
        return Err(V2Error::unsupported_method());
    }
    let grant = download_url::verify(&http.app, sealed).map_err(|error| {
        let (code, text) = match error {
            GrantError::Invalid => {
                ("AccessDenied", "The layer URL is not valid. Ask for a new one with GetDownloadUrlForLayer.")
            }
            GrantError::Expired => {
                ("ExpiredTokenException", "The layer URL has expired. Ask for a new one with GetDownloadUrlForLayer.")
            }
        };
        audit::record_layer_download(http, None, Some((code, text)));
        V2Error::new(ErrorCode::Denied, text).with_status(StatusCode::FORBIDDEN)
    })?;
    let answer = read(app, http, &grant).await;
    let error = answer.as_ref().err().map(|error| (super::api_calls::exception(error.code(), false), error.message()));
    audit::record_layer_download(http, Some(&grant), error);
    answer
}

async fn read(app: &Arc<Registry>, http: &RequestContext, grant: &Grant) -> Result<Answer, V2Error> {
    let place = grant.registry.repository(&grant.repository);
    let layer = layers::find(app, &place, grant.digest).await?.readable(app).await?;
    super::blobs::answer_layer(app, http, &layer, grant.digest).await
}
