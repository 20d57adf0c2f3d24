//! Requests that name another registry (`?ns=`): which repository here they mean, and who may make them without a token.

use std::sync::Arc;

use access::request::RequestContext;
use http::{Method, header};
use oci::{ErrorCode, RepositoryName};
use registry::Registry;
use registry::cache::anonymous;
use registry::cache::mirror::{self, Mirrored};
use runtime::http::respond::Answer;

use super::api_calls::ApiCall;
use super::errors::V2Error;
use super::route::V2Route;
use super::{V2Request, authenticate};

/// A request whose principal is known, and what it is for.
pub struct Admitted<'a> {
    /// The request.
    pub request: V2Request<'a>,
    /// The route, with the name that the repository has here.
    pub route: V2Route,
    /// The registry that is mirrored.
    pub upstream: Option<String>,
}

/// Lets a request in, and finds what it is for.
pub async fn admit<'a>(
    app: &'a Arc<Registry>,
    http: &'a RequestContext,
    route: V2Route,
    calls: &'static [ApiCall],
) -> Result<Admitted<'a>, Answer> {
    let Some((upstream, name)) = upstream(http, &route) else {
        return Ok(Admitted { request: authenticate(app, http, calls).await?, route, upstream: None });
    };
    let answer = |error: V2Error| error.into_answer(http);
    let open_to_all = app.cache.mirror.registry_for(&upstream).filter(|_| http.header(header::AUTHORIZATION).is_none());
    let (registry, known) = match open_to_all {
        Some(registry) => (registry.clone(), None),
        None => {
            let request = authenticate(app, http, calls).await?;
            (request.registry.clone(), Some(request))
        }
    };
    let found = mirror::find(app, &registry, &upstream, &name).await.map_err(|error| answer(error.into()))?;
    match (found, known) {
        (Mirrored::Here(_, local), Some(request)) => {
            Ok(Admitted { request, route: renamed(route, local), upstream: Some(upstream) })
        }
        (Mirrored::Here(rule, local), None) => {
            let caller = anonymous::caller(&registry, rule, local.clone()).ok_or_else(|| answer(absent(&upstream)))?;
            let request = V2Request::new(app, http, caller, registry, calls);
            Ok(Admitted { request, route: renamed(route, local), upstream: Some(upstream) })
        }
        // A registry that mirrors nothing takes no notice (OCI distribution, "Registry Proxying"). One that does must not
        // pass its own repository of that name off as the other registry's.
        (Mirrored::Nothing, Some(request)) => Ok(Admitted { request, route, upstream: None }),
        (Mirrored::Nothing | Mirrored::Elsewhere, _) => Err(answer(absent(&upstream))),
    }
}

/// The route with the name that the repository has here.
fn renamed(route: V2Route, local: RepositoryName) -> V2Route {
    match route {
        V2Route::Manifest(_, reference) => V2Route::Manifest(local, reference),
        V2Route::Blob(_, digest) => V2Route::Blob(local, digest),
        V2Route::Referrers(_, digest) => V2Route::Referrers(local, digest),
        other => other,
    }
}

/// So that the client goes on to the registry itself.
fn absent(upstream: &str) -> V2Error {
    let text = format!("No pull through cache rule leads to '{upstream}' for this name");
    V2Error::new(ErrorCode::NameUnknown, text)
}

/// The registry that a request for an image of another registry names, and the image's repository there.
fn upstream(http: &RequestContext, route: &V2Route) -> Option<(String, RepositoryName)> {
    if !matches!(http.method, Method::GET | Method::HEAD) {
        return None;
    }
    let (V2Route::Manifest(name, _) | V2Route::Blob(name, _) | V2Route::Referrers(name, _)) = route else {
        return None;
    };
    let upstream = http.query_parameter("ns").filter(|upstream| !upstream.is_empty())?;
    // A client that has this server as a mirror of itself means the repository of that name.
    let is_own = upstream == http.authority || http.app.hosts.registry_of(&upstream).is_some();
    (!is_own).then(|| (upstream, name.clone()))
}
