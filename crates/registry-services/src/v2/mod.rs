//! The OCI distribution protocol under `/v2/`: a request is let in (`api::admission`), decided on and answered (`endpoint`, by
//! the table in `paths`), and recorded (`api_calls`), in this order, once.

mod api_calls;
mod blobs;
mod catalog;
mod endpoint;
mod errors;
pub mod layer_download;
mod manifests;
mod mirror;
mod paths;
mod referrers;
mod refusals;
pub mod route;
mod tags;
mod uploads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use access::action::Action;
use access::auth::authorize::{self, Need};
use access::auth::caller::Caller;
use access::auth::renewal::{self, NotRenewed};
use access::request::RequestContext;
use api::admission::{self, Admitted, Asking, Shown};
use http::{HeaderName, HeaderValue, StatusCode, header};
use oci::{ErrorCode, RepositoryName, RepositoryNameError, Tag};
use registry::Registry;
use registry::pushes::Pusher;
use runtime::boxed;
use runtime::http::body::{BodyError, RequestBody};
use runtime::http::respond::{self, Answer};
use runtime::rates::RatedOperation;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::RepositoryRef;

pub use paths::names as operations;

use api_calls::{ApiCall, AuditFacts};
use endpoint::Needs;
use errors::V2Error;
use route::{InvalidPath, V2Route};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// Which registry's images an answer speaks of (OCI distribution, "Registry Proxying").
const OCI_NAMESPACE: HeaderName = HeaderName::from_static("oci-namespace");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// A request that was let in, for one registry.
struct V2Request<'a> {
    app: &'a Arc<Registry>,
    http: &'a RequestContext,
    caller: Caller,
    registry: RegistryId,
    /// The calls of ECR's API that it corresponds to.
    calls: &'static [ApiCall],
    /// What it needs permission for, now and when its body is whole.
    needs: Needs,
    /// Whether they were counted for the registry's rates.
    is_counted: AtomicBool,
}

impl<'a> V2Request<'a> {
    /// A request of which nothing has been done yet.
    const fn new(
        app: &'a Arc<Registry>,
        http: &'a RequestContext,
        caller: Caller,
        registry: RegistryId,
        calls: &'static [ApiCall],
    ) -> Self {
        Self { app, http, caller, registry, calls, needs: Needs::Nothing, is_counted: AtomicBool::new(false) }
    }

    /// The request as it stands now that its body is whole: of a principal that may be gone, or may do less.
    async fn renewed(&self) -> Result<Self, V2Error> {
        let caller = renewal::renew(&self.http.app, &self.caller).await.map_err(|error| match error {
            NotRenewed::Gone(_) => V2Error::invalid_token(),
            NotRenewed::Store(error) => error.into(),
        })?;
        let renewed = Self {
            app: self.app,
            http: self.http,
            caller,
            registry: self.registry.clone(),
            calls: self.calls,
            needs: self.needs.clone(),
            is_counted: AtomicBool::new(self.is_counted.load(Ordering::Relaxed)),
        };
        renewed.authorize().await?;
        Ok(renewed)
    }

    /// A permission for something in the registry.
    fn need(&self, action: Action, repository: &str) -> Need {
        Need::on_repository(action, &self.registry, repository)
    }

    /// Refuses unless the principal may do what the request needs.
    async fn authorize(&self) -> Result<(), V2Error> {
        match &self.needs {
            Needs::Nothing => Ok(()),
            Needs::Every(needs) => {
                for need in needs {
                    self.require(need).await?;
                }
                Ok(())
            }
            Needs::Tags(need, tags) if tags.is_empty() => self.require(need).await,
            Needs::Tags(need, tags) => {
                for tag in tags {
                    self.require(&need.as_ref().clone().with_image_tag(Some(tag.as_str()))).await?;
                }
                Ok(())
            }
            Needs::Either(needs) => match self.require(&needs[0]).await {
                Ok(()) => Ok(()),
                Err(_) => self.require(&needs[1]).await,
            },
        }
    }

    /// Refuses unless the principal may also do every one of `actions` to a repository.
    async fn authorize_also(&self, actions: &[Action], repository: &str) -> Result<(), V2Error> {
        for &action in actions {
            self.require(&self.need(action, repository)).await?;
        }
        Ok(())
    }

    /// Who pushes to a repository, which may be created for that.
    const fn pusher<'p>(&'p self, repository: &'p RepositoryRef) -> Pusher<'p> {
        Pusher { app: self.app, http: self.http, caller: &self.caller, repository }
    }

    async fn require(&self, need: &Need) -> Result<(), V2Error> {
        authorize::authorize(self.http, &self.caller, need).await?;
        self.throttle()
    }

    /// Refuses what the registry is asked too often: the request is counted once, when its first permission was granted.
    fn throttle(&self) -> Result<(), V2Error> {
        let access = &self.http.app;
        if access.rates.is_unlimited() || self.is_counted.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        for operation in self.calls.iter().filter_map(|call| RatedOperation::of_name(call.name())) {
            access.rates.take(&self.registry, operation, access.now_ms()).map_err(V2Error::too_many_requests)?;
        }
        Ok(())
    }
}

/// A URL path of a repository; without a host, so that it leads back through whatever proxy the client came by.
fn path(name: &RepositoryName, rest: &str) -> String {
    format!("/v2/{name}/{rest}")
}

/// The answer where there is no room for the request.
pub fn no_room(http: &RequestContext) -> Answer {
    V2Error::from(BodyError::Exhausted).into_answer(http)
}

/// Answers a request under `/v2/`.
#[boxed]
pub async fn handle(app: &Arc<Registry>, http: &RequestContext, route: V2Route, body: &mut RequestBody) -> Answer {
    if let Some(name) = route.repository() {
        http.notes.set_repository(name.as_str());
    }
    let allowed = route.allow();
    let calls = (route.about(&http.method).calls)(http, body.announced_bytes() != Some(0));
    let namespace = mirror::namespace(http, &route);
    let asking = Asking { host: &http.authority, namespace, credentials: Shown::to_registry(http) };
    let admitted = admission::admit(app, http, asking).await;
    let mut answer = match admitted {
        Err(refused) => {
            let call = calls.first().map(|call| (call.name(), call.is_read_only()));
            admission::refuse(http, body, call, &refused).await;
            refusals::answer(http, refused)
        }
        Ok(Admitted { caller, registry, mirrored }) => {
            let (route, upstream) = match mirrored {
                Some(mirrored) => (mirror::renamed(route, mirrored.name), Some(mirrored.upstream)),
                None => (route, None),
            };
            let mut request = V2Request::new(app, http, caller, registry, calls);
            let is_recorded = calls.iter().any(|call| http.app.audit.wants(call.is_read_only()));
            let facts = is_recorded.then(|| AuditFacts::of(http, &route));
            let result = perform(&mut request, route, body).await;
            if let Some(facts) = facts {
                api_calls::record(&request, calls, &facts, &result);
            }
            let mut answer = result.unwrap_or_else(|error| error.into_answer(http));
            if let Some(upstream) = upstream {
                respond::add_header(&mut answer, OCI_NAMESPACE, upstream);
            }
            answer
        }
    };
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    answer.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    answer
}

async fn perform(request: &mut V2Request<'_>, route: V2Route, body: &mut RequestBody) -> Result<Answer, V2Error> {
    match route {
        V2Route::Base => paths::BASE.perform(request, (), body).await,
        V2Route::Catalog => paths::CATALOG.perform(request, (), body).await,
        V2Route::Tags(name) => paths::TAGS.perform(request, name, body).await,
        V2Route::Manifest(name, reference) => paths::MANIFEST.perform(request, (name, reference), body).await,
        V2Route::Blob(name, digest) => paths::BLOB.perform(request, (name, digest), body).await,
        V2Route::Uploads(name) => paths::UPLOADS.perform(request, name, body).await,
        V2Route::Upload(name, id) => paths::UPLOAD.perform(request, (name, id), body).await,
        V2Route::Referrers(name, digest) => paths::REFERRERS.perform(request, (name, digest), body).await,
        V2Route::Invalid(invalid) => Err(invalid_path(invalid)),
    }
}

/// A text that should be a tag.
fn bad_tag(text: &str) -> V2Error {
    let rule = Tag::PATTERN;
    V2Error::new(ErrorCode::TagInvalid, format!("The image tag '{text}' must satisfy regular expression '{rule}'"))
}

/// What is wrong with a text that should be a repository's name.
fn bad_name(name: &str) -> String {
    match name.parse::<RepositoryName>() {
        Err(RepositoryNameError::TooShort) => {
            format!("The repository name '{name}' must be at least {} characters long", RepositoryName::MIN)
        }
        Err(RepositoryNameError::TooLong) => {
            format!("The repository name '{name}' must be at most {} characters long", RepositoryName::MAX)
        }
        Err(RepositoryNameError::Pattern) | Ok(_) => {
            format!("The repository name '{name}' must satisfy regular expression '{}'", RepositoryName::PATTERN)
        }
    }
}

fn invalid_path(invalid: InvalidPath) -> V2Error {
    match invalid {
        InvalidPath::Name(name) => V2Error::new(ErrorCode::NameInvalid, bad_name(&name)),
        InvalidPath::Tag(tag) => bad_tag(&tag),
        InvalidPath::Digest(digest) => V2Error::not_a_digest(&digest),
        InvalidPath::UploadId(name) => {
            V2Error::new(ErrorCode::BlobUploadUnknown, format!("The repository '{name}' has no such upload"))
        }
        InvalidPath::Shape => {
            V2Error::new(ErrorCode::Unsupported, "The OCI distribution specification has no such path".to_owned())
                .with_status(StatusCode::NOT_FOUND)
        }
    }
}
