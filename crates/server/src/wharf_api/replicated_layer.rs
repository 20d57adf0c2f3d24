//! Layers from another Wharf: `PUT` to a path that PrepareReplication gave out, as one stream.

use http::{Method, StatusCode, header};

use crate::http::body::{BodyError, RequestBody};
use crate::http::request::RequestContext;
use crate::http::respond::{self, Answer};
use crate::registry::errors::RegistryError;
use crate::registry::uploads;
use crate::replication::layer_grant;
use crate::replication::receive::{self, ReceiveError};

/// Answers a request, given what follows the prefix in its path.
pub async fn handle(http: &RequestContext, sealed: &str, body: &mut RequestBody) -> Answer {
    if http.method != Method::PUT {
        let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "A layer is put here.");
        respond::add_header(&mut answer, header::ALLOW, "PUT");
        return answer;
    }
    match take(http, sealed, body).await {
        Ok(()) => respond::empty(StatusCode::CREATED),
        Err(answer) => *answer,
    }
}

async fn take(http: &RequestContext, sealed: &str, body: &mut RequestBody) -> Result<(), Box<Answer>> {
    let app = &http.app;
    let refuse = |error: RegistryError| Box::new(of_registry(http, &error));
    let Some((arrival, digest)) = layer_grant::verify(app, sealed) else {
        let text = "The path is not good, or no longer. Ask for another with PrepareReplication.";
        return Err(Box::new(refusal(StatusCode::FORBIDDEN, "AccessDeniedException", text)));
    };
    http.must_finish();
    let begun = receive::begin_layer(app, &arrival).await;
    let refuse_source = |error: ReceiveError| match error {
        ReceiveError::Denied(text) => Box::new(refusal(StatusCode::FORBIDDEN, "AccessDeniedException", text)),
        ReceiveError::Registry(error) => refuse(error),
    };
    let mut session = begun.map_err(refuse_source)?;
    let upload = session.upload().id;
    let received = async {
        session.require_room(body.announced_bytes().unwrap_or(0)).map_err(refuse)?;
        while let Some(data) = body.next().await.map_err(|error| Box::new(broken(&error)))? {
            session.write(data).await.map_err(refuse)?;
        }
        // Whether the source may is decided when the layer is there.
        app.require_current_changes().await.map_err(|error| refuse(error.into()))?;
        receive::require_source(app, &arrival).map_err(refuse_source)?;
        session.complete(app, digest).await.map_err(refuse)
    };
    let result = received.await;
    if result.is_err() {
        // If this fails, too, the upload goes when it is stale.
        let _ = uploads::cancel(app, &arrival.registry, &arrival.repository, upload).await;
    }
    result
}

fn refusal(status: StatusCode, code: &'static str, text: impl Into<String>) -> Answer {
    let error = aws::AwsError::new(code, text).with_status(status);
    respond::with_body(status, "application/x-amz-json-1.1", error.to_json())
}

fn broken(error: &BodyError) -> Answer {
    let text = match error {
        BodyError::TooLarge { .. } => "The layer is too long",
        BodyError::Broken => "The layer ended before its announced length",
        BodyError::Exhausted => "The server has no room for the layer now",
        BodyError::Idle => "No data was received for too long",
    };
    refusal(StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException", text)
}

fn of_registry(http: &RequestContext, error: &RegistryError) -> Answer {
    match error {
        RegistryError::Store(cause) => {
            crate::log_store_error(http.request_id, cause);
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "ServerException", "An error occurred inside the registry.")
        }
        RegistryError::LayerDigestMismatch { .. } => {
            refusal(StatusCode::BAD_REQUEST, "InvalidLayerException", error.to_string())
        }
        _ => refusal(StatusCode::BAD_REQUEST, "ValidationException", error.to_string()),
    }
}
