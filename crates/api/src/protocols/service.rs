//! What the protocols know of a service: how requests name it, and its operations. Which services there are is said by
//! whoever puts the server together.

use std::future::Future;
use std::pin::Pin;

use access::request::RequestContext;
use aws::AwsError;
use runtime::metrics::Operation;

use super::operation::Entry;

/// A service.
pub struct Service {
    /// What signatures name (reference/wire.md 1: 'signing name').
    pub signing_name: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// How requests for it look.
    pub protocol: Protocol,
    /// Its signed operations, in parts.
    pub operations: &'static [&'static [Entry]],
    /// Its operations that take no signature. Only the Query protocol has such.
    pub unsigned: &'static [UnsignedEntry],
    /// Whether Amazon has a service of that name, too.
    pub is_amazons: bool,
}

/// A protocol, and by what its requests name a service.
pub enum Protocol {
    /// AWS JSON 1.1.
    Json {
        /// What `X-Amz-Target` begins with, before its last dot.
        target: &'static str,
    },
    /// Query: forms in, XML out.
    Query(&'static QueryApi),
}

/// An API of the Query protocol.
pub struct QueryApi {
    /// Its version, by which requests name it.
    pub version: &'static str,
    /// The XML namespace of its answers.
    pub namespace: &'static str,
}

/// A service of the Query protocol.
#[derive(Clone, Copy)]
pub struct QueryService {
    /// The service.
    pub service: &'static Service,
    /// How it is named in that protocol.
    pub api: &'static QueryApi,
}

/// An operation that proves who calls by what it is given, and so needs no signature.
pub struct UnsignedEntry {
    /// Its name.
    pub name: &'static str,
    /// Runs it on a request's JSON and gives the answer's.
    pub run: for<'a> fn(&'a RequestContext, &'a [u8]) -> Running<'a>,
    /// Records what came of it.
    pub record: Record,
}

/// An unsigned operation at work.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, AwsError>> + Send + 'a>>;

/// Records what came of an unsigned operation: its request, its name, the request's JSON and the result.
pub type Record = fn(&RequestContext, &'static str, &[u8], &Result<Vec<u8>, AwsError>);

/// The services of a server.
pub struct Services {
    all: &'static [&'static Service],
    /// The one of forms that say nothing of which they mean.
    unnamed: QueryService,
}

impl Services {
    /// These, of which `unnamed` is meant by forms that name none.
    pub const fn new(all: &'static [&'static Service], unnamed: QueryService) -> Self {
        Self { all, unnamed }
    }

    /// All of them.
    pub const fn all(&self) -> &'static [&'static Service] {
        self.all
    }

    /// Every operation, as metrics name it and, with a colon between the two words, IAM its action.
    pub fn operations(&self) -> impl Iterator<Item = Operation> + use<> {
        self.all.iter().copied().flat_map(|service| {
            let unsigned = service.unsigned.iter().map(|entry| entry.name);
            unsigned.chain(service.entries().map(|entry| entry.name)).map(|name| service.operation(name))
        })
    }

    /// Whether there is one of that name in signatures.
    pub fn has(&self, signing_name: &str) -> bool {
        self.all.iter().any(|service| service.signing_name == signing_name)
    }

    /// The one of the JSON protocol whose targets begin so.
    pub fn by_target(&self, beginning: &str) -> Option<&'static Service> {
        self.all
            .iter()
            .copied()
            .find(|service| matches!(service.protocol, Protocol::Json { target } if target == beginning))
    }

    /// What targets of this service begin with, if it is one of the JSON protocol.
    pub fn target_of(&self, signing_name: &str) -> Option<&'static str> {
        self.all.iter().find_map(|service| match service.protocol {
            Protocol::Json { target } if service.signing_name == signing_name => Some(target),
            Protocol::Json { .. } | Protocol::Query(_) => None,
        })
    }

    /// Those of the Query protocol.
    pub fn of_query(&self) -> impl Iterator<Item = QueryService> + use<> {
        self.all.iter().copied().filter_map(|service| match service.protocol {
            Protocol::Query(api) => Some(QueryService { service, api }),
            Protocol::Json { .. } => None,
        })
    }

    /// The one of forms that say nothing of which they mean.
    pub const fn unnamed(&self) -> QueryService {
        self.unnamed
    }
}

impl Service {
    /// Its signed operations.
    fn entries(&self) -> impl Iterator<Item = &'static Entry> + use<> {
        self.operations.iter().flat_map(|part| part.iter())
    }

    /// Its signed operation of that name.
    pub fn entry(&self, name: &str) -> Option<&'static Entry> {
        self.entries().find(|entry| entry.name == name)
    }

    /// An operation of it, as metrics name it.
    pub const fn operation(&self, name: &'static str) -> Operation {
        Operation { service: self.signing_name, name }
    }
}
