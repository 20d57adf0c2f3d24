//! The AWS Query protocol (around.md 1): forms in, XML out.

use aws::sigv4::RequestParts;
use aws::{AwsError, QueryForm};
use http::{Method, StatusCode};

use super::body_error;
use super::operation::Call;
use crate::auth::sigv4;
use crate::http::body::RequestBody;
use crate::http::request::RequestContext;
use crate::http::respond::{self, Answer};
use crate::sts;

const MAX_FORM_BYTES: usize = 1024 * 1024;
const CONTENT_TYPE: &str = "text/xml";

/// Answers one request.
pub async fn handle(http: &RequestContext, body: &mut RequestBody) -> Answer {
    match run(http, body).await {
        Ok(xml) => respond::with_body(StatusCode::OK, CONTENT_TYPE, xml),
        Err(error) => {
            let xml = error.to_xml(sts::NAMESPACE, &http.request_id.to_string());
            respond::with_body(error.status, CONTENT_TYPE, xml)
        }
    }
}

async fn run(http: &RequestContext, body: &mut RequestBody) -> Result<String, AwsError> {
    let body = body.collect(MAX_FORM_BYTES).await.map_err(|error| body_error(&error))?;
    let form = if http.method == Method::GET { http.query.as_bytes() } else { &body[..] };
    let form = QueryForm::parse(form).map_err(|error| AwsError::new("MalformedQueryString", error.to_string()))?;
    let Some(action) = form.get("Action") else {
        return Err(AwsError::new("MissingAction", "Neither an X-Amz-Target header nor an Action was given"));
    };
    let parts = RequestParts {
        method: http.method.as_str(),
        path: &http.path,
        query: &http.query,
        headers: &http.headers,
        body: &body,
    };
    let caller = sigv4::authenticate(&http.app, &parts, sts::SIGNING_NAME, "")
        .map_err(|error| AwsError::new(error.query_code(), error.to_string()).with_status(StatusCode::FORBIDDEN))?;
    sts::run(&Call { http, caller }, action, &form)
}
