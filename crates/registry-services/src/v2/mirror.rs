//! Requests that name another registry (`?ns=`): which repository of it they mean, and what they are for here.

use access::request::RequestContext;
use api::admission::Namespace;
use http::Method;
use oci::RepositoryName;

use super::route::V2Route;

/// The registry that a request for an image of another registry names, and the image's repository there.
pub fn namespace<'a>(http: &RequestContext, route: &'a V2Route) -> Option<Namespace<'a>> {
    if !matches!(http.method, Method::GET | Method::HEAD) {
        return None;
    }
    let (V2Route::Manifest(name, _) | V2Route::Blob(name, _) | V2Route::Referrers(name, _)) = route else {
        return None;
    };
    let upstream = http.query_parameter("ns").filter(|upstream| !upstream.is_empty())?;
    Some(Namespace { upstream, name })
}

/// The route with the name that the repository has here.
pub fn renamed(route: V2Route, local: RepositoryName) -> V2Route {
    match route {
        V2Route::Manifest(_, reference) => V2Route::Manifest(local, reference),
        V2Route::Blob(_, digest) => V2Route::Blob(local, digest),
        V2Route::Referrers(_, digest) => V2Route::Referrers(local, digest),
        other => other,
    }
}
