//! `/v2/<name>/manifests/<reference>`: pulling, pushing and deleting images.

use std::sync::Arc;

use access::action::Action;
use http::{HeaderName, HeaderValue, StatusCode, header};
use oci::{ErrorCode, MAX_MANIFEST_BYTES, MediaType, Reference, RepositoryName, Tag};
use registry::cache;
use registry::images::changes::Cause;
use registry::images::delete::{self, Deletion, NotDeleted};
use registry::images::errors::RegistryError;
use registry::images::image_tags::{self, Reach};
use registry::images::pull::{self, ImageQuery, Selector};
use registry::images::push::{Push, PushProtocol};
use registry::images::repositories::{order, require};
use runtime::http::body::{RequestBody, ResponseBody};
use runtime::http::budget::PoolKind;
use runtime::http::respond::{self, Answer};
use store::tables::repositories::RepositoryRef;

use super::errors::V2Error;
use super::{CONTENT_DIGEST, V2Request, bad_tag};

const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// Says which tags of its query a push gave to its image (OCI distribution, "Pushing Manifests").
const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Clients take neither a hundred headers nor a very long one.
const TAGS_PER_HEADER: usize = 10;
/// The specification wants ten at least.
pub const MAX_TAGS_OF_PUSH: usize = 100;

/// GET and HEAD: OCI distribution, "Pulling manifests".
pub async fn get(request: &V2Request<'_>, name: RepositoryName, reference: Reference) -> Result<Answer, V2Error> {
    let place = request.registry.repository(&name);
    let tag = match &reference {
        Reference::Tag(tag) => Some(tag.clone()),
        Reference::Digest(_) => None,
    };
    let (http, caller) = (request.http, &request.caller);
    let selector = match caller.anonymous() {
        // By its digest, so that the tag cannot be moved to what was pushed meanwhile.
        Some(pull) => cache::anonymous::image(request.app, http, caller, pull, &reference).await.map(Selector::Digest),
        None => {
            let selector = reference.into();
            cache::pull::prepare(request.app, http, caller, &place, &selector).await.map(|()| selector)
        }
    };
    let selector = selector.map_err(V2Error::of_image)?;
    let query = ImageQuery { repository: place.clone(), selector };
    let pulled = pull::manifest(request.app, query, &request.caller, &request.http.reader()).await?;
    // HEAD only asks what there is.
    if request.http.method == http::Method::GET {
        pull::tell(request.app, &request.caller, &place, &pulled.image, tag.as_ref());
    }
    let digest = pulled.image.digest.to_string();
    let is_known =
        request.http.header(header::IF_NONE_MATCH).is_some_and(|known| oci::if_none_match(known, &pulled.image.digest));
    let mut answer = if is_known {
        respond::empty(StatusCode::NOT_MODIFIED)
    } else {
        let mut answer = respond::empty(StatusCode::OK);
        *answer.body_mut() = ResponseBody::held(pulled.manifest, pulled.room);
        respond::add_header(&mut answer, header::CONTENT_TYPE, pulled.media_type.as_str());
        answer
    };
    respond::add_header(&mut answer, CONTENT_DIGEST, &digest);
    respond::add_header(&mut answer, header::ETAG, format!("\"{digest}\""));
    Ok(answer)
}

/// PUT: OCI distribution, "Pushing Manifests".
pub async fn put(
    request: &V2Request<'_>,
    name: RepositoryName,
    reference: Reference,
    body: &mut RequestBody,
) -> Result<Answer, V2Error> {
    let declared = request
        .http
        .header(header::CONTENT_TYPE)
        .map(str::parse::<MediaType>)
        .transpose()
        .map_err(|_| V2Error::new(ErrorCode::ManifestInvalid, "The Content-Type header is not a media type"))?;
    let mut memory = request.app.request_budget.share(PoolKind::Known, &request.http.holder);
    let manifest = body.collect(MAX_MANIFEST_BYTES, &mut memory).await?;
    // Who may push is decided when the manifest is there.
    let request = &request.renewed().await?;
    request.http.must_finish();
    let digest = match reference {
        Reference::Tag(_) => None,
        Reference::Digest(digest) => Some(digest),
    };
    let push = Arc::new(Push {
        protocol: PushProtocol::Distribution,
        repository: request.registry.repository(&name),
        replicated_from: None,
        tags: request.needs.tags().to_vec(),
        digest,
        media_type: declared,
        manifest,
        cause: Cause::of_caller(request.app, &request.caller),
    });
    let renewed = || async { Ok::<_, V2Error>(request.renewed().await?.caller) };
    let pushed = request.pusher(&push.repository).put_image(&push, renewed).await?;
    let mut answer = respond::empty(StatusCode::CREATED);
    let location = super::path(&name, &format!("manifests/{reference}"));
    respond::add_header(&mut answer, header::LOCATION, location);
    respond::add_header(&mut answer, CONTENT_DIGEST, pushed.digest.to_string());
    if let Some(subject) = pushed.subject {
        respond::add_header(&mut answer, OCI_SUBJECT, subject.to_string());
    }
    if digest.is_some() {
        for tags in push.tags.chunks(TAGS_PER_HEADER) {
            let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
            let tags = tags.join(", ");
            let value = HeaderValue::from_str(&tags).map_err(|_| bad_tag(&tags))?;
            answer.headers_mut().append(OCI_TAG, value);
        }
    }
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    Ok(answer)
}

/// The tags that a push gives to its image: the one that it goes to, or those of its query, which go with a digest alone.
pub fn tags_of_push(request: &V2Request<'_>, reference: &Reference) -> Result<Vec<Tag>, V2Error> {
    let mut texts = request.http.query_parameters("tag");
    if let Reference::Tag(tag) = reference {
        return match texts.next() {
            None => Ok(vec![tag.clone()]),
            Some(_) => {
                let text = "The query parameter 'tag' goes with a push by digest: PUT …/manifests/<digest>?tag=…";
                Err(V2Error::new(ErrorCode::Unsupported, text).with_status(StatusCode::BAD_REQUEST))
            }
        };
    }
    let mut tags = Vec::new();
    for text in texts {
        let tag = text.parse().map_err(|_| bad_tag(&text))?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        if tags.len() > MAX_TAGS_OF_PUSH {
            let text = format!("A push may give its image at most {MAX_TAGS_OF_PUSH} tags at once");
            return Err(V2Error::new(ErrorCode::Unsupported, text).with_status(StatusCode::URI_TOO_LONG));
        }
    }
    Ok(tags)
}

/// DELETE: OCI distribution, "Content Management". A tag takes its image along if it was the last, as in ECR.
pub async fn delete(request: &V2Request<'_>, name: RepositoryName, reference: Reference) -> Result<Answer, V2Error> {
    let app = request.app;
    let place = RepositoryRef { registry: request.registry.clone(), name };
    let deletion = Deletion::new(app, Cause::of_caller(app, &request.caller), "DELETE /v2/");
    let selectors = [Selector::from(reference)];
    let order = order(&place);
    // Until no tag comes to the image between the question and the deletion.
    loop {
        let action = Action::EcrBatchDeleteImage;
        let leave =
            image_tags::authorize(request.http, &request.caller, action, &place, &selectors, Reach::Named).await?;
        request.http.must_finish();
        let (place, selectors, deletion) = (place.clone(), selectors.clone(), deletion.clone());
        let deleted = app.db.make_room_in_order(&order, move |tx| {
            let repository = require(tx, &place)?;
            if !leave.covers(tx, repository.id, &selectors)? {
                return Ok(false);
            }
            match delete::delete(tx, &repository, &selectors[0], &deletion)? {
                Ok(_) => Ok(true),
                Err(NotDeleted::Absent(_)) => Err(RegistryError::ImageNotFound),
                Err(NotDeleted::Referenced(lists)) => Err(RegistryError::ImageReferenced(lists)),
                Err(NotDeleted::Protected(protected)) => Err(RegistryError::ImageProtected(protected)),
            }
        });
        if deleted.await? {
            return Ok(respond::empty(StatusCode::ACCEPTED));
        }
    }
}
