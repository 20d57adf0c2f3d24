//! The two requests about multipart uploads that the client library does not make: completing one whose part numbers
//! have gaps, and listing those that are unfinished.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use object_store::ClientOptions;
use object_store::aws::{AmazonS3, AwsAuthorizer};
use object_store::client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::failure::{chain, unavailable};
use super::settings::S3Settings;
use crate::blob::upload::Part;
use crate::error::{StoreError, StoreErrorKind};

/// A page of a list has at most 1,000 uploads, with keys of at most 1 KiB.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
const MAX_WAIT: Duration = Duration::from_secs(5);
/// All but the characters that RFC 3986 leaves alone, as signatures want it.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Makes signed requests to a bucket, again and again for a while if they fail.
pub(super) struct Requests {
    client: HttpClient,
    credentials: AmazonS3,
    url: String,
    region: String,
    patience: Duration,
}

/// How completing a multipart upload went.
pub(super) enum Completion {
    /// The object is there.
    Done,
    /// There is no such upload: it was completed or ended before.
    Gone,
}

/// An unfinished multipart upload.
pub(super) struct Unfinished {
    pub key: String,
    pub id: String,
    pub begun_at_ms: i64,
}

/// A page of unfinished multipart uploads, and where the next one begins.
pub(super) struct Page {
    pub uploads: Vec<Unfinished>,
    pub next: Option<(String, String)>,
}

impl Requests {
    pub fn new(settings: &S3Settings, credentials: &AmazonS3) -> Result<Self, StoreError> {
        let options: ClientOptions = settings.short_requests();
        let client = ReqwestConnector::default()
            .connect(&options)
            .map_err(|error| StoreError::new(StoreErrorKind::Other, "the bucket's settings").with_source(error))?;
        Ok(Self {
            client,
            credentials: credentials.clone(),
            url: settings.url(),
            region: settings.region(),
            patience: settings.patience,
        })
    }

    async fn once(&self, method: &Method, url: &str, body: &Bytes) -> Result<(StatusCode, Bytes), StoreError> {
        let fail = |error: &dyn std::error::Error| unavailable("a request to the bucket failed", chain(error));
        let credential = self.credentials.credentials().get_credential().await.map_err(|error| fail(&error))?;
        let mut request: HttpRequest = http::Request::builder()
            .method(method)
            .uri(url)
            .body(HttpRequestBody::from(body.clone()))
            .map_err(|error| fail(&error))?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|error| fail(&error))?;
        let answer = self.client.execute(request).await.map_err(|error| fail(&error))?;
        let status = answer.status();
        let content = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let content = content.map_err(|error| unavailable("a request to the bucket failed", error))?;
        Ok((status, content.to_bytes()))
    }

    /// The answer's body, or the error that it tells of; its code and text.
    async fn send(
        &self,
        method: Method,
        path_and_query: &str,
        body: Bytes,
    ) -> Result<Result<Bytes, Failure>, StoreError> {
        let url = format!("{}{path_and_query}", self.url);
        let begun = Instant::now();
        let mut wait = Duration::from_millis(100);
        loop {
            let result = self.once(&method, &url, &body).await;
            // An error may come with 200, since the answer begins before the work is done.
            let result = result.map(|(status, content)| match Failure::read(&content) {
                Some(failure) => Err(Failure { status, ..failure }),
                None if status.is_success() => Ok(content),
                None => Err(Failure { status, code: String::new(), message: String::new() }),
            });
            let is_final = match &result {
                Ok(Ok(_)) => true,
                Ok(Err(failure)) => failure.is_final(),
                Err(_) => false,
            };
            if is_final || begun.elapsed() + wait > self.patience {
                return result;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(MAX_WAIT);
        }
    }

    /// Makes an object of the parts.
    pub async fn complete(&self, key: &str, id: &str, parts: &[Part]) -> Result<Completion, StoreError> {
        let mut body = String::from(r#"<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#);
        for Part { number, e_tag } in parts {
            let e_tag = e_tag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            let _ = write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>{e_tag}</ETag></Part>");
        }
        body.push_str("</CompleteMultipartUpload>");
        let path = format!("/{key}?uploadId={}", utf8_percent_encode(id, QUERY));
        match self.send(Method::POST, &path, body.into()).await? {
            Ok(_) => Ok(Completion::Done),
            Err(failure) if failure.code == "NoSuchUpload" || failure.status == StatusCode::NOT_FOUND => {
                Ok(Completion::Gone)
            }
            Err(failure) => Err(failure.into_error(&format!("cannot complete {key}"))),
        }
    }

    /// Unfinished uploads of keys with a prefix, from where the page before has ended.
    pub async fn unfinished(&self, prefix: &str, from: Option<&(String, String)>) -> Result<Page, StoreError> {
        let mut query = format!("/?max-uploads=1000&prefix={}", utf8_percent_encode(prefix, QUERY));
        if let Some((key, id)) = from {
            let (key, id) = (utf8_percent_encode(key, QUERY), utf8_percent_encode(id, QUERY));
            query = format!(
                "/?key-marker={key}&max-uploads=1000&prefix={}&upload-id-marker={id}",
                utf8_percent_encode(prefix, QUERY)
            );
        }
        query.push_str("&uploads=");
        match self.send(Method::GET, &query, Bytes::new()).await? {
            Ok(content) => Page::read(&content).ok_or_else(|| {
                StoreError::new(StoreErrorKind::Other, "the bucket's list of multipart uploads cannot be read")
            }),
            Err(failure) => Err(failure.into_error("cannot list multipart uploads")),
        }
    }
}

/// An error that the bucket answers with.
struct Failure {
    status: StatusCode,
    code: String,
    message: String,
}

impl Failure {
    fn read(content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok()?;
        let document = roxmltree::Document::parse(text).ok()?;
        let root = document.root_element();
        (root.tag_name().name() == "Error").then(|| Self {
            status: StatusCode::OK,
            code: child(root, "Code").unwrap_or_default(),
            message: child(root, "Message").unwrap_or_default(),
        })
    }

    /// Whether another attempt would fail as well.
    fn is_final(&self) -> bool {
        const PASSING: [&str; 5] =
            ["InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted"];
        !self.status.is_server_error()
            && self.status != StatusCode::TOO_MANY_REQUESTS
            && !PASSING.contains(&self.code.as_str())
    }

    fn into_error(self, what: &str) -> StoreError {
        unavailable(what, format!("the bucket answers {} {} {}", self.status.as_u16(), self.code, self.message))
    }
}

fn child(node: roxmltree::Node<'_, '_>, name: &str) -> Option<String> {
    node.children()
        .find(|child| child.tag_name().name() == name)
        .map(|child| child.text().unwrap_or_default().to_owned())
}

impl Page {
    fn read(content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok()?;
        let document = roxmltree::Document::parse(text).ok()?;
        let root = document.root_element();
        let mut uploads = Vec::new();
        for node in root.children().filter(|node| node.tag_name().name() == "Upload") {
            let begun_at_ms = child(node, "Initiated")?.parse::<jiff::Timestamp>().ok()?.as_millisecond();
            uploads.push(Unfinished { key: child(node, "Key")?, id: child(node, "UploadId")?, begun_at_ms });
        }
        let is_cut = child(root, "IsTruncated").is_some_and(|text| text == "true");
        let next = match (child(root, "NextKeyMarker"), child(root, "NextUploadIdMarker")) {
            (Some(key), Some(id)) if is_cut && !key.is_empty() => Some((key, id)),
            _ if is_cut => return None,
            _ => None,
        };
        Some(Self { uploads, next })
    }
}
