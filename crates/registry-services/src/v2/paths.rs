//! The paths of the OCI distribution protocol with their end points: one line says which methods there are, which calls of
//! ECR's API they stand for, which permissions they need, and who answers.

use std::collections::BTreeSet;

use access::action::Action;
use oci::{Digest, Reference, RepositoryName};
use runtime::http::respond;
use uuid::Uuid;

use super::api_calls::ApiCall::{Changes, Reads};
use super::api_calls::is_whole;
use super::endpoint::{About, Endpoint, Needs, Path};
use super::{V2Request, blobs, catalog, manifests, referrers, tags, uploads};

const READ: &[&str] = &["GET", "HEAD"];

/// Every one of these actions on a repository (reference/access.md 2).
fn every(request: &V2Request<'_>, actions: &[Action], repository: &str) -> Needs {
    Needs::Every(actions.iter().map(|&action| request.need(action, repository)).collect())
}

/// One action on an image, which may be named by its tag.
fn on_image(request: &V2Request<'_>, action: Action, name: &RepositoryName, reference: &Reference) -> Needs {
    let tag = match reference {
        Reference::Tag(tag) => Some(tag.as_str()),
        Reference::Digest(_) => None,
    };
    Needs::Every(vec![request.need(action, name.as_str()).with_image_tag(tag)])
}

/// `/v2/`
pub(super) static BASE: Path<()> = Path {
    allow: "GET, HEAD",
    endpoints: &[Endpoint {
        methods: READ,
        about: About { name: "CheckVersion", calls: |_, _| &[] },
        needs: |_, (), _| Ok(Needs::Nothing),
        run: |_, (), _| {
            let answer = respond::with_body(http::StatusCode::OK, "application/json; charset=utf-8", "{}");
            Box::pin(std::future::ready(Ok(answer)))
        },
    }],
};

/// `/v2/_catalog`
pub(super) static CATALOG: Path<()> = Path {
    allow: "GET, HEAD",
    endpoints: &[Endpoint {
        methods: READ,
        about: About { name: "ListRepositories", calls: |_, _| &[Reads("DescribeRepositories")] },
        needs: |request, (), _| Ok(every(request, &[Action::EcrDescribeRepositories], "*")),
        run: |request, (), _| Box::pin(catalog::list(request)),
    }],
};

/// `/v2/<name>/tags/list`
pub(super) static TAGS: Path<RepositoryName> = Path {
    allow: "GET, HEAD",
    endpoints: &[Endpoint {
        methods: READ,
        about: About { name: "ListTags", calls: |_, _| &[Reads("ListImages")] },
        needs: |request, name, _| Ok(every(request, &[Action::EcrListImages], name.as_str())),
        run: |request, name, _| Box::pin(tags::list(request, name)),
    }],
};

/// `/v2/<name>/referrers/<digest>`
pub(super) static REFERRERS: Path<(RepositoryName, Digest)> = Path {
    allow: "GET, HEAD",
    endpoints: &[Endpoint {
        methods: READ,
        about: About { name: "ListReferrers", calls: |_, _| &[Reads("ListImageReferrers")] },
        needs: |request, (name, _), _| Ok(every(request, &[Action::EcrBatchGetImage], name.as_str())),
        run: |request, (name, subject), _| Box::pin(referrers::list(request, name, subject)),
    }],
};

/// `/v2/<name>/manifests/<reference>`
pub(super) static MANIFEST: Path<(RepositoryName, Reference)> = Path {
    allow: "GET, HEAD, PUT, DELETE",
    endpoints: &[
        Endpoint {
            methods: &["PUT"],
            about: About { name: "Manifest", calls: |_, _| &[Changes("PutImage")] },
            needs: |request, (name, reference), _| {
                let need = request.need(Action::EcrPutImage, name.as_str());
                Ok(Needs::Tags(Box::new(need), manifests::tags_of_push(request, reference)?))
            },
            run: |request, (name, reference), body| Box::pin(manifests::put(request, name, reference, body)),
        },
        Endpoint {
            methods: &["DELETE"],
            about: About { name: "Manifest", calls: |_, _| &[Changes("BatchDeleteImage")] },
            needs: |request, (name, reference), _| Ok(on_image(request, Action::EcrBatchDeleteImage, name, reference)),
            run: |request, (name, reference), _| Box::pin(manifests::delete(request, name, reference)),
        },
        Endpoint {
            methods: READ,
            about: About { name: "Manifest", calls: |_, _| &[Reads("BatchGetImage")] },
            needs: |request, (name, reference), _| Ok(on_image(request, Action::EcrBatchGetImage, name, reference)),
            run: |request, (name, reference), _| Box::pin(manifests::get(request, name, reference)),
        },
    ],
};

/// `/v2/<name>/blobs/<digest>`
pub(super) static BLOB: Path<(RepositoryName, Digest)> = Path {
    allow: "GET, HEAD",
    endpoints: &[
        Endpoint {
            methods: &["GET"],
            about: About { name: "Blob", calls: |_, _| &[Reads("GetDownloadUrlForLayer")] },
            needs: |request, (name, _), _| Ok(every(request, &[Action::EcrGetDownloadUrlForLayer], name.as_str())),
            run: |request, (name, digest), _| Box::pin(blobs::get(request, name, digest)),
        },
        Endpoint {
            methods: &["HEAD"],
            about: About { name: "Blob", calls: |_, _| &[Reads("BatchCheckLayerAvailability")] },
            // A pull-only role has no BatchCheckLayerAvailability, and can ask all the same.
            needs: |request, (name, _), _| {
                let need = |action| request.need(action, name.as_str());
                let needs = [need(Action::EcrBatchCheckLayerAvailability), need(Action::EcrGetDownloadUrlForLayer)];
                Ok(Needs::Either(Box::new(needs)))
            },
            run: |request, (name, digest), _| Box::pin(blobs::get(request, name, digest)),
        },
        Endpoint {
            methods: &["DELETE"],
            about: About { name: "Blob", calls: |_, _| &[Changes("DeleteLayer")] },
            needs: |request, (name, _), _| Ok(every(request, &[Action::EcrBatchDeleteImage], name.as_str())),
            run: |request, (name, digest), _| Box::pin(blobs::delete(request, name, digest)),
        },
    ],
};

/// `/v2/<name>/blobs/uploads/`
pub(super) static UPLOADS: Path<RepositoryName> = Path {
    allow: "POST",
    endpoints: &[Endpoint {
        methods: &["POST"],
        about: About {
            name: "StartUpload",
            calls: |http, _| {
                if is_whole(http) {
                    &[Changes("InitiateLayerUpload"), Changes("UploadLayerPart"), Changes("CompleteLayerUpload")]
                } else {
                    &[Changes("InitiateLayerUpload")]
                }
            },
        },
        needs: |request, name, _| Ok(every(request, &[Action::EcrInitiateLayerUpload], name.as_str())),
        run: |request, name, body| Box::pin(uploads::begin(request, name, body)),
    }],
};

/// `/v2/<name>/blobs/uploads/<id>`
pub(super) static UPLOAD: Path<(RepositoryName, Uuid)> = Path {
    allow: "GET, HEAD, PATCH, PUT, DELETE",
    endpoints: &[
        Endpoint {
            methods: &["PATCH"],
            about: About { name: "UploadChunk", calls: |_, _| &[Changes("UploadLayerPart")] },
            needs: |request, (name, _), _| Ok(every(request, &[Action::EcrUploadLayerPart], name.as_str())),
            run: |request, (name, id), body| Box::pin(uploads::append(request, name, id, body)),
        },
        Endpoint {
            methods: &["PUT"],
            about: About {
                name: "CompleteUpload",
                calls: |_, has_body| {
                    if has_body {
                        &[Changes("UploadLayerPart"), Changes("CompleteLayerUpload")]
                    } else {
                        &[Changes("CompleteLayerUpload")]
                    }
                },
            },
            needs: |request, (name, _), has_body| {
                let actions = [Action::EcrCompleteLayerUpload, Action::EcrUploadLayerPart];
                Ok(every(request, if has_body { &actions } else { &actions[..1] }, name.as_str()))
            },
            run: |request, (name, id), body| Box::pin(uploads::complete(request, name, id, body)),
        },
        // ECR's API has no such calls as these two; their names are Wharf's.
        Endpoint {
            methods: &["DELETE"],
            about: About { name: "CancelUpload", calls: |_, _| &[Changes("CancelLayerUpload")] },
            needs: |request, (name, _), _| Ok(every(request, &[Action::EcrInitiateLayerUpload], name.as_str())),
            run: |request, (name, id), _| Box::pin(uploads::cancel(request, name, id)),
        },
        Endpoint {
            methods: READ,
            about: About { name: "UploadStatus", calls: |_, _| &[Reads("GetLayerUpload")] },
            needs: |request, (name, _), _| Ok(every(request, &[Action::EcrUploadLayerPart], name.as_str())),
            run: |request, (name, id), _| Box::pin(uploads::status(request, name, id)),
        },
    ],
};

/// A path that names nothing which could be there: no call of the API, so that its name is Wharf's.
pub(super) static INVALID: About = About { name: "Invalid", calls: |_, _| &[Changes(super::api_calls::INVALID)] };

/// What metrics call the requests of all paths.
pub fn names() -> impl Iterator<Item = &'static str> {
    let all = BASE.names().chain(CATALOG.names()).chain(TAGS.names()).chain(REFERRERS.names());
    let all = all.chain(MANIFEST.names()).chain(BLOB.names()).chain(UPLOADS.names()).chain(UPLOAD.names());
    // Methods of one path may share a name.
    all.chain([INVALID.name]).collect::<BTreeSet<_>>().into_iter()
}
