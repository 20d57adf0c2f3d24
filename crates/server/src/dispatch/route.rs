//! The closed list of what a request can be for, read from its head before anything else happens.

use access::auth::download_url;
use access::auth::layer_grant;
use access::request::RequestContext;
use http::Method;
use registry_services::v2;
use registry_services::v2::route::{self as v2_route, V2Route};
use runtime::http::probes::{HEALTH_PATH, READY_PATH};
use runtime::metrics::Operation;

/// A call of an AWS service that Wharf does not have, or of no service at all.
const UNKNOWN_CALL: Operation = Operation { service: "aws", name: "Unknown" };

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Route {
    /// Liveness.
    Health,
    /// Readiness.
    Ready,
    /// Metrics, where this listener has them.
    Metrics,
    /// The AWS JSON or Query protocols.
    Aws,
    /// A presigned layer URL; holds the sealed grant.
    LayerDownload(String),
    /// A layer from another Wharf; holds the sealed grant.
    ReplicatedLayer(String),
    /// The registry.
    V2(V2Route),
    /// Nothing that Wharf serves.
    Unknown,
}

impl Route {
    /// What the head of a request tells metrics; the operation of an AWS call is known only later.
    pub fn operation(&self, method: &Method) -> Operation {
        match self {
            Self::Health => server("Health"),
            Self::Ready => server("Ready"),
            Self::Metrics => server("Metrics"),
            Self::Aws => UNKNOWN_CALL,
            Self::LayerDownload(_) => registry("DownloadLayer"),
            Self::ReplicatedLayer(_) => registry("ReplicatedLayer"),
            Self::V2(route) => registry(route.operation(method)),
            Self::Unknown => server("Unknown"),
        }
    }
}

/// What the routes are called by metrics.
pub fn operations() -> impl Iterator<Item = Operation> {
    let of_registry = v2::operations().chain(["DownloadLayer", "ReplicatedLayer"]).map(registry);
    let of_server = ["Health", "Ready", "Metrics", "Unknown"].map(server);
    of_registry.chain(of_server).chain([UNKNOWN_CALL])
}

const fn registry(name: &'static str) -> Operation {
    Operation { service: "registry", name }
}

const fn server(name: &'static str) -> Operation {
    Operation { service: "server", name }
}

/// Reads a request's head.
pub fn parse(request: &RequestContext) -> Route {
    match request.path.as_str() {
        HEALTH_PATH => return Route::Health,
        READY_PATH => return Route::Ready,
        "/metrics" if request.app.metrics.is_on_main_listener() => return Route::Metrics,
        "/v2" | "/v2/" => return Route::V2(V2Route::Base),
        _ => {}
    }
    if let Some(rest) = request.path.strip_prefix("/v2/") {
        return Route::V2(v2_route::parse(rest));
    }
    if let Some(sealed) = request.path.strip_prefix(download_url::PATH_PREFIX) {
        return Route::LayerDownload(sealed.to_owned());
    }
    if let Some(sealed) = request.path.strip_prefix(layer_grant::PATH_PREFIX) {
        return Route::ReplicatedLayer(sealed.to_owned());
    }
    let is_aws_query = request.method == Method::GET && request.query_parameter("Action").is_some();
    if request.path == "/" && (request.method == Method::POST || is_aws_query) {
        return Route::Aws;
    }
    Route::Unknown
}
