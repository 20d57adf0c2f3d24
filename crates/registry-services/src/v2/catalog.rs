//! `/v2/_catalog`: the names of the registry's repositories; and the paging that lists share.

use access::request::RequestContext;
use http::{StatusCode, header};
use oci::ErrorCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::http::respond::{self, Answer};
use serde::Serialize;
use store::db::{Db, Tx};
use store::error::StoreError;
use store::tables::repositories;

use super::V2Request;
use super::errors::V2Error;

/// A page holds at most so many entries, also when the client asks for all: the rest follows by Link.
const MAX_PAGE: usize = 1_000;
/// Pages of up to so many entries are read where the request is, in less time than a change of threads takes.
const SHORT_PAGE: usize = 128;

/// What part of a list is asked for, by `n` and `last`.
#[derive(Clone, Debug)]
pub struct Page {
    /// Entries after this one; empty for the first page.
    pub last: String,
    /// At most so many entries.
    pub limit: usize,
}

impl Page {
    /// Reads `n` and `last`.
    pub fn from_query(http: &RequestContext) -> Result<Self, V2Error> {
        let limit = match http.query_parameter("n") {
            None => MAX_PAGE,
            // Digits that no integer holds are a large number all the same.
            Some(n) if !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()) => {
                n.parse::<usize>().map_or(MAX_PAGE, |n| n.min(MAX_PAGE))
            }
            Some(n) => {
                return Err(V2Error::new(
                    ErrorCode::Unsupported,
                    format!("The page size n='{n}' is not a whole number"),
                )
                .with_status(StatusCode::BAD_REQUEST));
            }
        };
        Ok(Self { last: http.query_parameter("last").unwrap_or_default(), limit })
    }

    /// Reads a page of an index.
    pub async fn read<T, E, F>(&self, db: &Db, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        if self.limit <= SHORT_PAGE { db.read_point(f).await } else { db.read(f).await }
    }

    /// Cuts what was read, one entry more than the page, to the page; says where the next begins if there is one.
    pub fn cut(&self, mut entries: Vec<String>) -> (Vec<String>, Option<String>) {
        let has_more = entries.len() > self.limit;
        entries.truncate(self.limit);
        let next = has_more.then(|| entries.last().cloned()).flatten();
        (entries, next)
    }

    /// The next page's URL.
    pub fn next_url(&self, path: &str, last: &str) -> String {
        format!("{path}?n={}&last={}", self.limit, utf8_percent_encode(last, NON_ALPHANUMERIC))
    }
}

#[derive(Serialize)]
struct Catalog {
    repositories: Vec<String>,
}

/// The registry's repositories in byte order.
pub async fn list(request: &V2Request<'_>) -> Result<Answer, V2Error> {
    let page = Page::from_query(request.http)?;
    let (registry, last, limit) = (request.registry.clone(), page.last.clone(), page.limit);
    let names = page
        .read(&request.app.db, move |tx| repositories::list_names(tx, &registry, &last, limit + 1))
        .await
        .map_err(|error: StoreError| V2Error::from(error))?;
    let (repositories, next) = page.cut(names);
    let body = serde_json::to_vec(&Catalog { repositories }).unwrap_or_default();
    let mut answer = respond::with_body(StatusCode::OK, "application/json", body);
    if let Some(last) = next {
        respond::add_header(&mut answer, header::LINK, oci::next_link(&page.next_url("/v2/_catalog", &last)));
    }
    Ok(answer)
}
