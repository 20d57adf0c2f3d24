//! The paths under `/v2/` that there are, read before anything else happens.

use http::Method;
use oci::{Digest, DigestError, Reference, RepositoryName};

use super::endpoint::About;
use super::paths;

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
    /// What metrics call it.
    pub fn operation(&self, method: &Method) -> &'static str {
        self.about(method).name
    }

    /// What it is to metrics, rates and records.
    pub(super) fn about(&self, method: &Method) -> &'static About {
        let about = match self {
            Self::Base => paths::BASE.about(method),
            Self::Catalog => paths::CATALOG.about(method),
            Self::Tags(_) => paths::TAGS.about(method),
            Self::Manifest(..) => paths::MANIFEST.about(method),
            Self::Blob(..) => paths::BLOB.about(method),
            Self::Uploads(_) => paths::UPLOADS.about(method),
            Self::Upload(..) => paths::UPLOAD.about(method),
            Self::Referrers(..) => paths::REFERRERS.about(method),
            Self::Invalid(_) => None,
        };
        about.unwrap_or(&paths::INVALID)
    }

    /// What `Allow` says of it in an answer of 405.
    pub(super) const fn allow(&self) -> &'static str {
        match self {
            Self::Base => paths::BASE.allow,
            Self::Catalog => paths::CATALOG.allow,
            Self::Tags(_) => paths::TAGS.allow,
            Self::Manifest(..) => paths::MANIFEST.allow,
            Self::Blob(..) => paths::BLOB.allow,
            Self::Uploads(_) => paths::UPLOADS.allow,
            Self::Upload(..) => paths::UPLOAD.allow,
            Self::Referrers(..) => paths::REFERRERS.allow,
            Self::Invalid(_) => "",
        }
    }

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

/// Decodes one path segment. What decodes to a slash or is not text fits no name, tag or digest, so it stays encoded
/// and is refused as such.
fn decode_segment(segment: &str) -> String {
    match percent_encoding::percent_decode_str(segment).decode_utf8() {
        Ok(text) if !text.contains('/') => text.into_owned(),
        _ => segment.to_owned(),
    }
}

/// Reads what follows `/v2/` in a path.
pub fn parse(rest: &str) -> V2Route {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_has_an_endpoint() {
        let methods = [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE];
        let digest = format!("app/blobs/sha256:{}", "0".repeat(64));
        let referrers = digest.replace("blobs", "referrers");
        let upload = format!("app/blobs/uploads/{}", uuid::Uuid::nil());
        let mut seen = BTreeSet::from([V2Route::Base.about(&Method::GET).name]);
        for path in
            ["_catalog", "app/tags/list", "app/manifests/v1", &digest, "app/blobs/uploads/", &upload, &referrers, "app"]
        {
            let route = parse(path);
            seen.extend(methods.iter().map(|method| route.about(method).name));
        }
        assert_eq!(seen, paths::names().collect());
    }

    #[test]
    fn what_no_method_of_a_path_takes_has_a_name_all_the_same() {
        for (path, method, name) in [
            ("app/tags/list", Method::POST, "ListTags"),
            ("app/manifests/v1", Method::PATCH, "Manifest"),
            ("app/blobs/uploads/", Method::GET, "StartUpload"),
            ("app", Method::GET, "Invalid"),
        ] {
            assert_eq!(parse(path).about(&method).name, name, "{method} {path}");
        }
    }
}
