//! Layers from another Wharf: `PUT` to a path that PrepareReplication gave out, as one stream.

use std::sync::Arc;

use access::audit;
use access::auth::authorize::Refusal;
use access::auth::layer_grant::{self, LayerGrant};
use access::auth::renewal;
use access::request::RequestContext;
use http::{Method, StatusCode, header};
use registry::Registry;
use registry::images::errors::RegistryError;
use registry::images::uploads;
use registry::replication::receive::{self, ReceiveError};
use runtime::boxed;
use runtime::http::body::{BodyError, RequestBody};
use runtime::http::respond::{self, Answer};

use super::arrival;

/// Why a layer was not taken.
struct Failure {
    status: StatusCode,
    code: &'static str,
    text: String,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into() }
    }

    fn denied(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", text)
    }

    fn into_answer(self) -> Answer {
        let error = aws::AwsError::new(self.code, self.text).with_status(self.status);
        respond::with_body(self.status, "application/x-amz-json-1.1", error.to_json())
    }
}

/// Answers a request, given what follows the prefix in its path.
#[boxed]
pub async fn handle(app: &Arc<Registry>, http: &RequestContext, sealed: &str, body: &mut RequestBody) -> Answer {
    if http.method != Method::PUT {
        let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "A layer is put here.");
        let mut answer = failure.into_answer();
        respond::add_header(&mut answer, header::ALLOW, "PUT");
        return answer;
    }
    let grant = layer_grant::verify(&http.app, sealed);
    let taken = match &grant {
        Some(grant) => take(app, http, grant, body).await,
        None => Err(Failure::denied("The path is not good, or no longer. Ask for another with PrepareReplication.")),
    };
    let error = taken.as_ref().err().map(|failure| (failure.code, failure.text.as_str()));
    audit::record_replicated_layer(http, grant.as_ref(), error);
    match taken {
        Ok(()) => respond::empty(StatusCode::CREATED),
        Err(failure) => failure.into_answer(),
    }
}

/// Whether the key that asked for the path may still do what it was given out for, and the source as well.
async fn require_leave(app: &Registry, http: &RequestContext, grant: &LayerGrant) -> Result<(), Failure> {
    let needs = arrival::needs(&grant.arrival);
    renewal::require_still(http, &grant.caller, &needs).await.map_err(|refusal| match refusal {
        Refusal::Denied(text) => Failure::denied(text),
        Refusal::Store(error) => of_registry(http, &error.into()),
    })?;
    receive::require_source(app, &grant.arrival).map_err(|error| of_receive(http, error))
}

async fn take(
    app: &Arc<Registry>,
    http: &RequestContext,
    grant: &LayerGrant,
    body: &mut RequestBody,
) -> Result<(), Failure> {
    let arrival = &grant.arrival;
    let refuse = |error: RegistryError| of_registry(http, &error);
    require_leave(app, http, grant).await?;
    http.must_finish();
    let mut session = receive::begin_layer(app, arrival).await.map_err(|error| of_receive(http, error))?;
    let upload = session.upload().id;
    let received = async {
        session.require_room(body.announced_bytes().unwrap_or(0)).map_err(refuse)?;
        while let Some(data) = body.next().await.map_err(|error| broken(&error))? {
            session.write(data).await.map_err(refuse)?;
        }
        // Decided again, now that the layer is there.
        require_leave(app, http, grant).await?;
        session.complete(app, grant.digest).await.map_err(refuse)
    };
    let result = received.await;
    if result.is_err() {
        // If this fails, too, the upload goes when it is stale.
        let _ = uploads::cancel(app, &receive::place_of(arrival), upload).await;
    }
    result
}

fn of_receive(http: &RequestContext, error: ReceiveError) -> Failure {
    match error {
        ReceiveError::Denied(text) => Failure::denied(text),
        ReceiveError::Registry(error) => of_registry(http, &error),
    }
}

fn broken(error: &BodyError) -> Failure {
    let text = match error {
        BodyError::TooLarge { .. } => "The layer is too long",
        BodyError::Broken => "The layer ended before its announced length",
        BodyError::Exhausted => "The server has no room for the layer now",
        BodyError::Idle => "No data was received for too long",
    };
    Failure::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException", text)
}

fn of_registry(http: &RequestContext, error: &RegistryError) -> Failure {
    match error {
        RegistryError::Store(cause) => {
            runtime::log_store_error(http.request_id, cause);
            let text = "An error occurred inside the registry.";
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "ServerException", text)
        }
        RegistryError::LayerDigestMismatch { .. } => {
            Failure::new(StatusCode::BAD_REQUEST, "InvalidLayerException", error.to_string())
        }
        _ => Failure::new(StatusCode::BAD_REQUEST, "ValidationException", error.to_string()),
    }
}
