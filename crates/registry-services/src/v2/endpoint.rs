//! An end point of the OCI distribution protocol, and the steps that a request takes through any of them: what it needs
//! permission for is decided before it is run, and again when its body is whole.

use std::future::Future;
use std::pin::Pin;

use access::auth::authorize::Need;
use access::request::RequestContext;
use http::Method;
use oci::Tag;
use runtime::http::body::RequestBody;
use runtime::http::respond::Answer;

use super::V2Request;
use super::api_calls::ApiCall;
use super::errors::V2Error;

/// A request at work.
pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Result<Answer, V2Error>> + Send + 'a>>;

/// What a request needs permission for.
#[derive(Clone)]
pub(super) enum Needs {
    /// Nothing beyond being known.
    Nothing,
    /// Every one of them.
    Every(Vec<Need>),
    /// One permission for each of the tags that a push gives, or for none.
    Tags(Box<Need>, Vec<Tag>),
    /// The first, or else the second.
    Either(Box<[Need; 2]>),
}

impl Needs {
    /// The tags that a push gives.
    pub(super) fn tags(&self) -> &[Tag] {
        match self {
            Self::Tags(_, tags) => tags,
            Self::Nothing | Self::Every(_) | Self::Either(_) => &[],
        }
    }
}

/// What a request is to metrics, rates and records.
pub(super) struct About {
    /// What metrics call it.
    pub(super) name: &'static str,
    /// The calls of ECR's API that it stands for, by its head and whether it has a body (reference/access.md 2).
    pub(super) calls: fn(&RequestContext, bool) -> &'static [ApiCall],
}

/// A method of a path; `P` is what the path names.
pub(super) struct Endpoint<P: 'static> {
    /// The methods that come here.
    pub(super) methods: &'static [&'static str],
    /// What it is to metrics, rates and records.
    pub(super) about: About,
    /// What it needs permission for; with whether it has a body.
    pub(super) needs: fn(&V2Request<'_>, &P, bool) -> Result<Needs, V2Error>,
    /// Does it, once that is granted.
    pub(super) run: for<'a> fn(&'a V2Request<'a>, P, &'a mut RequestBody) -> Running<'a>,
}

/// A shape of path, and what can be asked at it.
pub(super) struct Path<P: 'static> {
    /// What `Allow` says of it in an answer of 405 (RFC 9110, 15.5.6).
    pub(super) allow: &'static str,
    /// By method. What none of them takes is told of as the last one is, and refused.
    pub(super) endpoints: &'static [Endpoint<P>],
}

impl<P> Path<P> {
    fn endpoint(&self, method: &Method) -> Option<&'static Endpoint<P>> {
        self.endpoints.iter().find(|endpoint| endpoint.methods.contains(&method.as_str()))
    }

    /// What a request is to metrics, rates and records.
    pub(super) fn about(&self, method: &Method) -> Option<&'static About> {
        self.endpoint(method).or(self.endpoints.last()).map(|endpoint| &endpoint.about)
    }

    /// What metrics call the requests that come here.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<P> {
        self.endpoints.iter().map(|endpoint| endpoint.about.name)
    }

    /// Decides whether a known principal may do what it asks for, and does it.
    pub(super) async fn perform(
        &self,
        request: &mut V2Request<'_>,
        named: P,
        body: &mut RequestBody,
    ) -> Result<Answer, V2Error> {
        let endpoint = self.endpoint(&request.http.method).ok_or_else(V2Error::unsupported_method)?;
        request.needs = (endpoint.needs)(request, &named, body.announced_bytes() != Some(0))?;
        request.authorize().await?;
        (endpoint.run)(request, named, body).await
    }
}
