//! The calls of ECR's API that a request of `/v2/` corresponds to (reference/access.md 2): for its rates and its records.

use std::borrow::Cow;

use access::audit::{self, ApiEvent, AuditedResource, Who};
use access::request::RequestContext;
use http::{Method, header};
use oci::{ErrorCode, Reference};
use runtime::http::respond::Answer;
use serde_json::{Value, json};

use super::errors::V2Error;
use super::route::V2Route;
use super::{CONTENT_DIGEST, V2Request};

/// A path that names nothing which could be there: no call of the API, so that the name is Wharf's.
pub const INVALID: &str = "InvalidRegistryRequest";

/// A call of the API that a request stands for, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiCall {
    /// It changes nothing.
    Reads(&'static str),
    /// It may change something.
    Changes(&'static str),
}

impl ApiCall {
    /// The operation's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reads(name) | Self::Changes(name) => name,
        }
    }

    /// Whether it changes nothing, as CloudTrail's `readOnly` says of it.
    pub const fn is_read_only(self) -> bool {
        matches!(self, Self::Reads(_))
    }
}

/// Whether a POST is the whole push of a blob.
pub fn is_whole(http: &RequestContext) -> bool {
    http.query_parameter("mount").is_none() && http.query_parameter("digest").is_some()
}

/// What records tell of a request, taken from its path before it is answered.
pub struct AuditFacts {
    repository: Option<String>,
    /// One for each tag that a push gives; of anything else about an image, one.
    image_ids: Vec<Value>,
    digest: Option<String>,
    upload_id: Option<String>,
}

impl AuditFacts {
    /// Of a request that records are wanted of.
    pub fn of(http: &RequestContext, route: &V2Route) -> Self {
        let mut facts = Self { repository: None, image_ids: Vec::new(), digest: None, upload_id: None };
        let name = match route {
            V2Route::Base | V2Route::Catalog | V2Route::Invalid(_) => return facts,
            V2Route::Tags(name) | V2Route::Uploads(name) => name,
            V2Route::Manifest(name, reference) => {
                let id = match reference {
                    Reference::Tag(tag) => json!({ "imageTag": tag.as_str() }),
                    Reference::Digest(digest) => json!({ "imageDigest": digest.to_string() }),
                };
                facts.image_ids = ids_of_push(http, reference, &id).unwrap_or_else(|| vec![id]);
                name
            }
            V2Route::Blob(name, digest) | V2Route::Referrers(name, digest) => {
                facts.digest = Some(digest.to_string());
                name
            }
            V2Route::Upload(name, id) => {
                facts.upload_id = Some(id.to_string());
                name
            }
        };
        facts.repository = Some(name.to_string());
        if matches!(route, V2Route::Uploads(_) | V2Route::Upload(..)) {
            facts.digest = http.query_parameter("digest").or_else(|| http.query_parameter("mount"));
        }
        facts
    }
}

/// What a push by digest with several tags pushes: the API has a call for each. None if it names no tags.
fn ids_of_push(http: &RequestContext, reference: &Reference, id: &Value) -> Option<Vec<Value>> {
    if http.method != Method::PUT || matches!(reference, Reference::Tag(_)) {
        return None;
    }
    let with_tag = |tag: String| {
        let mut id = id.clone();
        id["imageTag"] = audit::cut(&tag).into();
        id
    };
    let ids: Vec<Value> = http.query_parameters("tag").take(super::manifests::MAX_TAGS_OF_PUSH).map(with_tag).collect();
    (!ids.is_empty()).then_some(ids)
}

/// Records what a request was, once for each of its calls.
pub fn record(
    request: &V2Request<'_>,
    calls: &'static [ApiCall],
    facts: &AuditFacts,
    result: &Result<Answer, V2Error>,
) {
    let error = error_of(calls, result);
    let resources: Vec<AuditedResource> =
        facts.repository.iter().map(|name| AuditedResource::repository(&request.registry, name)).collect();
    for call in calls {
        let (name, is_read_only) = (call.name(), call.is_read_only());
        if !request.app.audit.wants(is_read_only) {
            continue;
        }
        // What is about no image is one call as well.
        let nothing = [Value::Null];
        let image_ids = if facts.image_ids.is_empty() { &nothing[..] } else { &facts.image_ids };
        for image_id in image_ids {
            let response_elements = match result {
                Ok(answer) if !is_read_only && error.is_none() => {
                    response_elements(request, name, facts, image_id, answer)
                }
                Ok(_) | Err(_) => Value::Null,
            };
            audit::record(ApiEvent {
                http: request.http,
                who: Who::caller(&request.caller),
                source: request.registry.kind().event_source().into(),
                name,
                is_read_only,
                is_always_stored: false,
                request_parameters: request_parameters(request, name, facts, image_id).into(),
                response_elements,
                error: error.clone(),
                resources: resources.clone(),
            });
        }
    }
}

/// `registryId` and `repositoryName`, as every call but one has them.
fn place(request: &V2Request<'_>, facts: &AuditFacts) -> Value {
    let mut place = json!({ "registryId": request.registry.account.as_str() });
    if let Some(name) = &facts.repository {
        place["repositoryName"] = name.as_str().into();
    }
    place
}

fn request_parameters(request: &V2Request<'_>, name: &str, facts: &AuditFacts, image_id: &Value) -> Value {
    let http = request.http;
    let mut parameters = place(request, facts);
    match name {
        "BatchGetImage" => {
            parameters["imageIds"] = json!([image_id]);
            let accepted = http.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
            let types: Vec<String> =
                accepted.flat_map(|types| types.split(',')).take(100).map(|kind| audit::cut(kind.trim())).collect();
            if !types.is_empty() {
                parameters["acceptedMediaTypes"] = types.into();
            }
        }
        INVALID => parameters["path"] = audit::cut(&http.path).into(),
        "BatchDeleteImage" => parameters["imageIds"] = json!([image_id]),
        "PutImage" => {
            if let Value::Object(id) = image_id {
                id.iter().for_each(|(key, value)| parameters[key] = value.clone());
            }
            if let Some(kind) = http.header(header::CONTENT_TYPE) {
                parameters["imageManifestMediaType"] = audit::cut(kind).into();
            }
        }
        "GetDownloadUrlForLayer" | "DeleteLayer" => parameters["layerDigest"] = json!(facts.digest),
        "BatchCheckLayerAvailability" => parameters["layerDigests"] = json!([facts.digest]),
        "ListImageReferrers" => parameters["subjectId"] = json!({ "imageDigest": facts.digest }),
        "InitiateLayerUpload" => {
            if let (Some(_), Some(from)) = (http.query_parameter("mount"), http.query_parameter("from")) {
                parameters["mount"] = json!({ "layerDigest": facts.digest, "from": audit::cut(&from) });
            }
        }
        "CompleteLayerUpload" => {
            parameters["uploadId"] = json!(facts.upload_id);
            parameters["layerDigests"] = json!([facts.digest.as_deref().map(audit::cut)]);
        }
        "UploadLayerPart" | "CancelLayerUpload" | "GetLayerUpload" => {
            parameters["uploadId"] = json!(facts.upload_id);
            let range = http.header(header::CONTENT_RANGE).and_then(|range| range.parse::<oci::ContentRange>().ok());
            if let Some(range) = range.filter(|_| name == "UploadLayerPart") {
                parameters["partFirstByte"] = range.first.into();
                parameters["partLastByte"] = range.last.into();
            }
        }
        _ => {}
    }
    parameters
}

fn response_elements(
    request: &V2Request<'_>,
    name: &str,
    facts: &AuditFacts,
    image_id: &Value,
    answer: &Answer,
) -> Value {
    let header_text = |name: header::HeaderName| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let mut elements = place(request, facts);
    match name {
        "InitiateLayerUpload" => match header_text(super::uploads::UPLOAD_UUID) {
            Some(id) => json!({ "uploadId": id }),
            None => json!({ "layerDigest": header_text(CONTENT_DIGEST) }),
        },
        "UploadLayerPart" => {
            elements["uploadId"] = json!(facts.upload_id);
            let last = header_text(header::RANGE).and_then(|range| range.strip_prefix("0-")?.parse::<u64>().ok());
            if let Some(last) = last {
                elements["lastByteReceived"] = last.into();
            }
            elements
        }
        "CompleteLayerUpload" => {
            elements["uploadId"] = json!(facts.upload_id);
            elements["layerDigest"] = json!(header_text(CONTENT_DIGEST));
            elements
        }
        "PutImage" => {
            let mut id = image_id.clone();
            id["imageDigest"] = json!(header_text(CONTENT_DIGEST));
            elements["imageId"] = id;
            json!({ "image": elements })
        }
        "BatchDeleteImage" => json!({ "imageIds": [image_id], "failures": [] }),
        _ => Value::Null,
    }
}

/// The exception of the API that says what went wrong.
fn error_of(calls: &[ApiCall], result: &Result<Answer, V2Error>) -> Option<(Cow<'static, str>, String)> {
    let is_image = calls.iter().any(|call| call.name().contains("Image"));
    match result {
        Ok(answer) if answer.status().is_client_error() || answer.status().is_server_error() => {
            // What answers with headers of its own: a chunk out of order, a range that is not there.
            let name = if calls.iter().any(|call| matches!(call.name(), "UploadLayerPart" | "CompleteLayerUpload")) {
                "InvalidLayerPartException"
            } else {
                "InvalidParameterException"
            };
            Some((name.into(), format!("The request was answered with HTTP {}", answer.status().as_u16())))
        }
        Ok(_) => None,
        Err(error) => Some((exception(error.code(), is_image).into(), error.message().to_owned())),
    }
}

pub fn exception(code: ErrorCode, is_image: bool) -> &'static str {
    match code {
        ErrorCode::Denied | ErrorCode::Unauthorized => "AccessDenied",
        ErrorCode::TooManyRequests => "ThrottlingException",
        ErrorCode::NameUnknown => "RepositoryNotFoundException",
        ErrorCode::ManifestUnknown => "ImageNotFoundException",
        ErrorCode::BlobUnknown => "LayersNotFoundException",
        ErrorCode::ManifestBlobUnknown => "ReferencedImagesNotFoundException",
        ErrorCode::BlobUploadUnknown => "UploadNotFoundException",
        ErrorCode::BlobUploadInvalid | ErrorCode::SizeInvalid => "InvalidLayerPartException",
        ErrorCode::DigestInvalid if is_image => "ImageDigestDoesNotMatchException",
        ErrorCode::DigestInvalid => "InvalidLayerException",
        ErrorCode::TagInvalid => "ImageTagAlreadyExistsException",
        ErrorCode::ManifestInvalid | ErrorCode::NameInvalid | ErrorCode::Unsupported => "InvalidParameterException",
        ErrorCode::Internal => "ServerException",
    }
}

#[cfg(test)]
mod tests {
    use access::web_identity::SourceConfig;
    use ecr_services::ecr;
    use registry::testing::TestRegistry;

    use super::*;

    #[tokio::test]
    async fn a_request_says_of_its_calls_what_the_operations_say_of_themselves() {
        let test = TestRegistry::new(SourceConfig::default()).await;
        let (name, digest) = ("app".parse().expect("a name"), oci::Digest::sha256_of(b""));
        let routes = [
            V2Route::Catalog,
            V2Route::Tags(name),
            V2Route::Manifest("app".parse().expect("a name"), Reference::Digest(digest)),
            V2Route::Blob("app".parse().expect("a name"), digest),
            V2Route::Uploads("app".parse().expect("a name")),
            V2Route::Upload("app".parse().expect("a name"), uuid::Uuid::nil()),
            V2Route::Referrers("app".parse().expect("a name"), digest),
        ];
        let mut http = test.request();
        http.query = format!("digest={digest}");
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
            http.method = method;
            for call in routes.iter().flat_map(|route| (route.about(&http.method).calls)(&http, true)) {
                let (name, is_read_only) = (call.name(), call.is_read_only());
                match ecr::SERVICE.entry(name) {
                    Some(entry) => assert_eq!(is_read_only, entry.is_read_only, "{name}"),
                    None => assert_eq!(is_read_only, name == "GetLayerUpload", "{name}"),
                }
            }
        }
    }
}
