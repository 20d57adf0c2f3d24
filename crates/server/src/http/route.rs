//! The closed list of what a request can be for, read from its head before anything else happens.

use http::Method;
use oci::{Digest, DigestError, Reference, RepositoryName};

use super::dispatch::{HEALTH_PATH, READY_PATH};
use super::request::RequestContext;
use crate::auth::download_url;
use crate::replication::layer_grant;

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

/// What a registry request is for.
#[derive(Debug, PartialEq, Eq)]
pub enum V2Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(RepositoryName),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(RepositoryName, Reference),
    /// `/v2/<name>/blobs/<digest>`
    Blob(RepositoryName, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(RepositoryName),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(RepositoryName, uuid::Uuid),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(RepositoryName, Digest),
    /// A path of one of these shapes with a part that cannot be.
    Invalid(InvalidPath),
}

impl V2Route {
    /// The repository that it names, if its name can be one.
    pub const fn repository(&self) -> Option<&RepositoryName> {
        match self {
            Self::Tags(name)
            | Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _)
            | Self::Invalid(InvalidPath::UploadId(name)) => Some(name),
            Self::Base | Self::Catalog | Self::Invalid(_) => None,
        }
    }
}

/// The part of a `/v2/` path that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub enum InvalidPath {
    /// The repository's name.
    Name(String),
    /// A tag.
    Tag(String),
    /// A digest.
    Digest(String),
    /// An upload id; no upload has it.
    UploadId(RepositoryName),
    /// No shape fits.
    Shape,
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
        return Route::V2(parse_v2(rest));
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

/// Decodes one path segment. What decodes to a slash or is not text fits no name, tag or digest, so it stays encoded
/// and is refused as such.
fn decode_segment(segment: &str) -> String {
    match percent_encoding::percent_decode_str(segment).decode_utf8() {
        Ok(text) if !text.contains('/') => text.into_owned(),
        _ => segment.to_owned(),
    }
}

fn parse_v2(rest: &str) -> V2Route {
    if rest == "_catalog" {
        return V2Route::Catalog;
    }
    let segments: Vec<String> = rest.split('/').map(decode_segment).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    // Longest shapes first: `blobs/uploads/` must not be read as a blob named "uploads".
    match segments.as_slice() {
        [name @ .., "blobs", "uploads", ""] | [name @ .., "blobs", "uploads"] => with_name(name, V2Route::Uploads),
        [name @ .., "blobs", "uploads", id] => with_name(name, |name| match uuid::Uuid::try_parse(id) {
            Ok(id) => V2Route::Upload(name, id),
            Err(_) => V2Route::Invalid(InvalidPath::UploadId(name)),
        }),
        [name @ .., "blobs", digest] => {
            with_name(name, |name| with_digest(digest, |digest| V2Route::Blob(name, digest)))
        }
        [name @ .., "referrers", digest] => {
            with_name(name, |name| with_digest(digest, |digest| V2Route::Referrers(name, digest)))
        }
        [name @ .., "manifests", reference] => with_name(name, |name| match reference.parse::<Reference>() {
            Ok(reference) => V2Route::Manifest(name, reference),
            Err(_) if reference.contains(':') => V2Route::Invalid(InvalidPath::Digest((*reference).to_owned())),
            Err(_) => V2Route::Invalid(InvalidPath::Tag((*reference).to_owned())),
        }),
        [name @ .., "tags", "list"] => with_name(name, V2Route::Tags),
        _ => V2Route::Invalid(InvalidPath::Shape),
    }
}

fn with_name(segments: &[&str], route: impl FnOnce(RepositoryName) -> V2Route) -> V2Route {
    let name = segments.join("/");
    match name.parse::<RepositoryName>() {
        Ok(parsed) => route(parsed),
        Err(_) => V2Route::Invalid(InvalidPath::Name(name)),
    }
}

fn with_digest(text: &str, route: impl FnOnce(Digest) -> V2Route) -> V2Route {
    let parsed: Result<Digest, DigestError> = text.parse();
    match parsed {
        Ok(digest) => route(digest),
        Err(_) => V2Route::Invalid(InvalidPath::Digest(text.to_owned())),
    }
}
