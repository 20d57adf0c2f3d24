//! `/v2/<name>/manifests/<reference>`: pulling, pushing and deleting images.

use http::{HeaderName, HeaderValue, StatusCode, header};
use oci::{ErrorCode, MAX_MANIFEST_BYTES, MediaType, Reference, RepositoryName};

use super::errors::V2Error;
use super::{CONTENT_DIGEST, V2Request};
use crate::cache;
use crate::events::event::Place;
use crate::http::body::RequestBody;
use crate::http::budget::PoolKind;
use crate::http::respond::{self, Answer};
use crate::registry::changes::Cause;
use crate::registry::creation::IfAbsent;
use crate::registry::delete::{self, Deletion, NotDeleted};
use crate::registry::errors::RegistryError;
use crate::registry::pull::{self, ImageQuery};
use crate::registry::push::{self, Face, Push};
use crate::registry::repositories::{order, require};

const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// GET and HEAD: OCI distribution, "Pulling manifests".
pub async fn get(request: &V2Request<'_>, name: &RepositoryName, reference: Reference) -> Result<Answer, V2Error> {
    request.authorize_image("ecr:BatchGetImage", name, &reference).await?;
    let tag = match &reference {
        Reference::Tag(tag) => Some(tag.clone()),
        Reference::Digest(_) => None,
    };
    let selector = reference.into();
    cache::pull::prepare(request.http, &request.caller, &request.registry, name, &selector)
        .await
        .map_err(V2Error::of_image)?;
    let query = ImageQuery { registry: request.registry.clone(), repository: name.clone(), selector };
    let pulled = pull::manifest(&request.http.app, query, &request.caller).await?;
    // HEAD only asks what there is.
    if request.http.method == http::Method::GET {
        let place = Place { registry: &request.registry, repository: name };
        pull::tell(&request.http.app, &request.caller, place, &pulled.image, tag.as_ref());
    }
    let digest = pulled.image.digest.to_string();
    let is_known =
        request.http.header(header::IF_NONE_MATCH).is_some_and(|known| oci::if_none_match(known, &pulled.image.digest));
    let mut answer = if is_known {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut answer = respond::with_body(StatusCode::OK, "application/json", pulled.manifest);
        respond::add_header(&mut answer, header::CONTENT_TYPE, &pulled.image.media_type);
        answer
    };
    respond::add_header(&mut answer, CONTENT_DIGEST, &digest);
    respond::add_header(&mut answer, header::ETAG, format!("\"{digest}\""));
    Ok(answer)
}

/// PUT: OCI distribution, "Pushing Manifests".
pub async fn put(
    request: &V2Request<'_>,
    name: &RepositoryName,
    reference: Reference,
    body: &mut RequestBody,
) -> Result<Answer, V2Error> {
    request.authorize_image("ecr:PutImage", name, &reference).await?;
    let declared = request
        .http
        .header(header::CONTENT_TYPE)
        .map(str::parse::<MediaType>)
        .transpose()
        .map_err(|_| V2Error::new(ErrorCode::ManifestInvalid, "The Content-Type header is not a media type"))?;
    let mut memory = request.http.app.request_budget.share(PoolKind::Known, request.http.source_ip);
    let manifest = body.collect(MAX_MANIFEST_BYTES, &mut memory).await?;
    let (tag, digest) = match reference {
        Reference::Tag(tag) => (Some(tag), None),
        Reference::Digest(digest) => (None, Some(digest)),
    };
    let location_reference =
        tag.as_ref().map(ToString::to_string).or_else(|| digest.map(|digest| digest.to_string())).unwrap_or_default();
    let push = Push {
        face: Face::Distribution,
        registry: request.registry.clone(),
        repository: name.clone(),
        if_absent: IfAbsent::Refuse,
        tag,
        digest,
        media_type: declared,
        manifest,
        cause: Cause::of_caller(&request.http.app, &request.caller),
    };
    let app = &request.http.app;
    let put = |if_absent| {
        let push = &push;
        cache::layers::fetching(app, move || push::put_image(app, Push { if_absent, ..push.clone() }))
    };
    let pushed = request.pushing(name, put).await?;
    let mut answer = respond::empty(StatusCode::CREATED);
    let location = super::path(name, &format!("manifests/{location_reference}"));
    respond::add_header(&mut answer, header::LOCATION, location);
    respond::add_header(&mut answer, CONTENT_DIGEST, pushed.digest.to_string());
    if let Some(subject) = pushed.subject {
        respond::add_header(&mut answer, OCI_SUBJECT, subject.to_string());
    }
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    Ok(answer)
}

/// DELETE: OCI distribution, "Content Management". A tag takes its image along if it was the last, as in ECR.
pub async fn delete(request: &V2Request<'_>, name: &RepositoryName, reference: Reference) -> Result<Answer, V2Error> {
    request.authorize_image("ecr:BatchDeleteImage", name, &reference).await?;
    let app = &request.http.app;
    let (registry, name) = (request.registry.clone(), name.clone());
    let deletion = Deletion::new(app, Cause::of_caller(app, &request.caller), "DELETE /v2/");
    let selector = reference.into();
    let order = order(&registry, &name);
    app.db
        .write_in_order(&order, move |tx| {
            let repository = require(tx, &registry, &name)?;
            match delete::delete(tx, &repository, &selector, &deletion)? {
                Ok(_) => Ok(()),
                Err(NotDeleted::Absent(_)) => Err(RegistryError::ImageNotFound),
                Err(NotDeleted::Referenced(lists)) => Err(RegistryError::ImageReferenced(lists)),
                Err(NotDeleted::Protected(protected)) => Err(RegistryError::ImageProtected(protected)),
            }
        })
        .await?;
    Ok(respond::empty(StatusCode::ACCEPTED))
}
