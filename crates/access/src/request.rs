//! What handlers get to see of a request, whatever its protocol.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Method};
use runtime::boxed;
use runtime::http::budget::Holder;
use runtime::http::finish::Finish;
use runtime::http::held_answer::{AnswerShare, Reader};
use runtime::http::record::Notes;
use runtime::http::spool::Spooled;
use runtime::source_network::network;
use store::tables::registry_id::RegistryId;

use crate::Access;

/// A request's head, and the node that it reached.
pub struct RequestContext {
    /// The node's accounts, identities and keys, by which it is decided who may do what.
    pub app: Arc<Access>,
    /// Names this request in answers and logs.
    pub request_id: uuid::Uuid,
    /// GET, HEAD, …
    pub method: Method,
    /// The path as received, percent-encoded.
    pub path: String,
    /// The query as received, without `?`; empty if there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// Who sent the request.
    pub source_ip: std::net::IpAddr,
    /// What it holds of the request budget, it holds as this.
    pub holder: Holder,
    /// Whether it came by TLS to the server or to a trusted proxy before it.
    pub is_secure: bool,
    /// `Host` header or HTTP/2 authority; `localhost` if the client sent none.
    pub authority: String,
    /// What is noted down about it for logs and metrics.
    pub notes: Notes,
    /// The content of a member of the body that is too large to be held in memory with the rest.
    pub large_member: OnceLock<Spooled>,
    /// What was taken of the pool of answers for the one that is being made.
    pub answer_share: OnceLock<AnswerShare>,
    /// Whether it must come to its end.
    pub finish: Finish,
}

impl RequestContext {
    /// From here on it comes to its end and to its record, though its client goes: what it asks for is allowed to whoever
    /// asks, as far as is known, and may change something.
    pub fn must_finish(&self) {
        self.finish.require(&self.app.runtime);
    }

    /// A header's value, if it is readable text.
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Who reads the answer.
    pub fn reader(&self) -> Reader {
        Reader { holder: self.holder.clone(), source: network(self.source_ip) }
    }

    /// Room for an answer that is going to be long, to be grown and then kept in `answer_share`.
    pub fn new_answer_share(&self) -> AnswerShare {
        AnswerShare::new(&self.app.request_budget, &self.holder)
    }

    /// A query parameter, decoded; the first of that name.
    pub fn query_parameter(&self, name: &str) -> Option<String> {
        self.query_parameters(name).next()
    }

    /// Every query parameter of that name, decoded.
    pub fn query_parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        self.query.split('&').filter_map(move |pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }

    /// Holds the answer to a failed authentication back, if this source fails again and again.
    #[boxed]
    pub async fn delay_failure(&self) {
        let delay = self.app.failures.record(self.source_ip, self.app.now_ms());
        if !delay.is_zero() {
            runtime::timer::sleep(delay).await;
        }
    }

    /// The scheme that this client reaches the server with.
    pub fn scheme(&self) -> &str {
        self.app.hosts.scheme(self.is_secure)
    }

    /// The base URL under which this client reaches a registry.
    pub fn registry_url(&self, registry: &RegistryId) -> String {
        format!("{}://{}", self.scheme(), self.app.hosts.registry_authority(&self.authority, registry))
    }

    /// `repositoryUri` of ECR: what docker is given.
    pub fn repository_uri(&self, registry: &RegistryId, name: &oci::RepositoryName) -> String {
        format!("{}/{name}", self.app.hosts.registry_authority(&self.authority, registry))
    }
}

/// Decodes a query component. `+` stays a plus: digests and tags in Docker's URLs are not form data.
fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}
