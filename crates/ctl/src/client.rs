//! Calls of a server: IAM by the Query protocol, the others by AWS JSON 1.1. Every request is signed.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use aws::sigv4::{SigningRequest, sign_headers};
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::given::{Given, SOURCE_ENDPOINT};
use crate::options::Settings;
use crate::scheme::Mismatch;
use crate::xml::Element;

/// IAM has one endpoint for all regions, which signs in the first (reference/around.md 1).
const IAM_REGION: &str = "us-east-1";
const IAM_VERSION: &str = "2010-05-08";
const WHARF_TARGET: &str = "Wharf_20261121";
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const REQUEST_ID: &str = "x-amzn-requestid";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(60);
/// More than any page of any list.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// A longer line of an answer in plain text is not shown.
const MAX_PLAIN_TEXT: usize = 500;
/// More pages than any list has; ends what a faulty server would make endless.
const MAX_PAGES: usize = 10_000;
/// What RFC 3986 leaves as it is.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The fields of a Query request.
pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

/// One server, and whose requests these are.
pub(crate) struct Client {
    http: reqwest::Client,
    settings: Settings,
    now_ms: fn() -> i64,
}

struct Answer {
    status: StatusCode,
    content_type: String,
    request_id: Option<String>,
    body: String,
}

impl Client {
    pub(crate) fn new(settings: Settings, now_ms: fn() -> i64) -> Result<Self, Error> {
        let http = builder(&settings.endpoint.value, &settings.trusted, TIMEOUT)?;
        let http = build(http)?;
        Ok(Self { http, settings, now_ms })
    }

    /// The time by which requests are signed, in epoch milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        (self.now_ms)()
    }

    /// Calls an operation of IAM; its result, empty if the operation has none.
    pub(crate) async fn iam(&self, action: &str, fields: Fields<'_>) -> Result<Element, Error> {
        let mut form = format!("Action={action}&Version={IAM_VERSION}");
        for (name, value) in fields {
            let _ = write!(form, "&{name}={}", utf8_percent_encode(value, FORM));
        }
        let mut headers = HeaderMap::new();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        headers.insert(CONTENT_TYPE, form_type);
        let answer = self.post(headers, form, "iam", IAM_REGION).await?;
        let unreadable = |cause| self.unreadable(action, &answer, cause);
        let root = Element::parse(&answer.body).map_err(unreadable)?;
        if answer.status.is_success() {
            if root.name() != format!("{action}Response") {
                return Err(unreadable(format!("the answer is a {}", root.name())));
            }
            return Ok(root.take(&format!("{action}Result")).unwrap_or_default());
        }
        let error = root.find("Error").ok_or_else(|| unreadable("there is no error in it".to_owned()))?;
        Err(Error::Refused {
            operation: action.to_owned(),
            code: error.require("Code").map_err(unreadable)?,
            message: error.text("Message").unwrap_or("the server says no more").to_owned(),
            request: root.text("RequestId").map(str::to_owned).or(answer.request_id),
            credentials: self.asked(),
        })
    }

    /// All pages of a list of IAM; `read` makes each entry.
    pub(crate) async fn iam_list<T>(
        &self,
        action: &str,
        fields: Fields<'_>,
        list: &str,
        read: impl Fn(&Element) -> Result<T, String>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut page_fields = fields.to_vec();
            page_fields.extend(marker.as_deref().map(|marker| ("Marker", marker)));
            let result = self.iam(action, &page_fields).await?;
            for member in result.members(list) {
                found.push(read(member).map_err(|cause| self.missing(action, cause))?);
            }
            marker = match result.text("IsTruncated") {
                Some("true") => Some(result.require("Marker").map_err(|cause| self.missing(action, cause))?),
                _ => return Ok(found),
            };
        }
        Err(self.missing(action, "the list does not end".to_owned()))
    }

    /// One thing of IAM, which the answer holds as `name`.
    pub(crate) async fn iam_get<T>(
        &self,
        action: &str,
        fields: Fields<'_>,
        name: &str,
        read: impl Fn(&Element) -> Result<T, String>,
    ) -> Result<T, Error> {
        let result = self.iam(action, fields).await?;
        let found = result.find(name).ok_or_else(|| format!("there is no {name} in it"));
        found.and_then(read).map_err(|cause| self.missing(action, cause))
    }

    /// Calls an operation of Wharf's own service.
    pub(crate) async fn wharf<T: DeserializeOwned>(&self, operation: &str, input: &Value) -> Result<T, Error> {
        self.json("wharf", WHARF_TARGET, operation, input).await
    }

    /// Calls an operation of a service of the JSON protocol, whose requests have this target.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        service: &str,
        target: &str,
        operation: &str,
        input: &Value,
    ) -> Result<T, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        let target = HeaderValue::from_str(&format!("{target}.{operation}"));
        headers.insert(TARGET, target.expect("operations have names of letters"));
        let answer = self.post(headers, input.to_string(), service, &self.settings.region.value).await?;
        if answer.status.is_success() {
            let output = serde_json::from_str(&answer.body);
            return output.map_err(|error| self.unreadable(operation, &answer, error.to_string()));
        }
        let error: Value = serde_json::from_str(&answer.body)
            .map_err(|_| self.unreadable(operation, &answer, "the answer is not JSON".to_owned()))?;
        let text = |name: &str| error.get(name).and_then(Value::as_str);
        let code = text("__type").ok_or_else(|| self.unreadable(operation, &answer, "it has no __type".to_owned()))?;
        Err(Error::Refused {
            operation: operation.to_owned(),
            code: code.rsplit('#').next().unwrap_or(code).to_owned(),
            message: text("message").or_else(|| text("Message")).unwrap_or("the server says no more").to_owned(),
            request: answer.request_id,
            credentials: self.asked(),
        })
    }

    async fn post(&self, mut headers: HeaderMap, body: String, service: &str, region: &str) -> Result<Answer, Error> {
        let Settings { endpoint: Given { value: endpoint, .. }, credentials, .. } = &self.settings;
        let host = host_header(endpoint);
        headers.insert(HOST, HeaderValue::from_str(&host).map_err(|_| Error::Usage(format!("host '{host}'")))?);
        let signature = sign_headers(&SigningRequest {
            method: "POST",
            path: "/",
            query: "",
            headers: &headers,
            body: body.as_bytes(),
            access_key_id: &credentials.access_key_id,
            secret: &credentials.secret,
            session_token: credentials.session_token.as_deref(),
            region,
            service,
            now_ms: (self.now_ms)(),
        });
        headers.extend(signature);
        let sent = self.http.post(endpoint.clone()).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|error| self.unreachable(&error))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (content_type, request_id) = (header("content-type").unwrap_or_default(), header(REQUEST_ID));
        let status = response.status();
        let mut content = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            content.extend_from_slice(&chunk);
            if content.len() > MAX_ANSWER_BYTES {
                return Err(self.missing("", "the answer is too long".to_owned()));
            }
        }
        Ok(Answer { status, content_type, request_id, body: String::from_utf8_lossy(&content).into_owned() })
    }

    /// Whose credentials were sent where, for whom they were not good enough.
    fn asked(&self) -> String {
        let Settings { endpoint, region, credentials, .. } = &self.settings;
        let of = |by: &str| if by == "default" { "by default".to_owned() } else { format!("from {by}") };
        let (endpoint, region) = (
            format!("server {} ({})", self.url(), of(&endpoint.by)),
            format!("region {} ({})", region.value, of(&region.by)),
        );
        format!("{}; {endpoint}, {region}", credentials.source)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let Given { value: endpoint, by } = &self.settings.endpoint;
        let is_source = self.settings.endpoint.is_source();
        let cause = if error.is_timeout() { "no answer in time".to_owned() } else { chain(error) };
        if let Some(mismatch) = Mismatch::of_cause(endpoint, &cause) {
            return Error::Unreachable { url: self.url(), cause: mismatch.cause(), hint: mismatch.hint(by) };
        }
        let hint = if cause.contains("not valid for name") {
            "call the server by a name that its certificate has, or tell it this one (public_url, domains)".to_owned()
        } else if cause.contains("certificate") {
            let option = if is_source { "--source-ca-bundle" } else { "--ca-bundle" };
            format!(
                "name the certificate that the server uses, or its authority's, with {option}; with --tls self-signed it \
                 is tls-certificate.pem of the server's data folder"
            )
        } else if is_source {
            format!("can this machine reach it? Its address is from {by}; {SOURCE_ENDPOINT} names another one")
        } else {
            let place = match by.as_str() {
                "--endpoint" | "default" => String::new(),
                by => format!(" (this one is from {by})"),
            };
            format!("is it running? Start it with `wharf serve`, or name another server with --endpoint{place}")
        };
        Error::Unreachable { url: self.url(), cause, hint }
    }

    /// The answer lacks something.
    pub(crate) fn missing(&self, operation: &str, cause: String) -> Error {
        let by = self.settings.endpoint.by.clone();
        Error::Unreadable { url: self.url(), operation: operation.to_owned(), cause, by }
    }

    fn unreadable(&self, operation: &str, answer: &Answer, cause: String) -> Error {
        let Given { value: endpoint, by } = &self.settings.endpoint;
        if let Some(mismatch) = Mismatch::of_answer(endpoint, answer.status.as_u16(), &answer.body) {
            return Error::Unreachable { url: self.url(), cause: mismatch.cause(), hint: mismatch.hint(by) };
        }
        let first_line = answer.body.lines().next().unwrap_or_default();
        // Plain text is for people.
        let is_said = answer.content_type.starts_with("text/plain") && (1..=MAX_PLAIN_TEXT).contains(&first_line.len());
        let cause = if is_said { first_line.to_owned() } else { cause };
        self.missing(operation, format!("{cause} (HTTP {}, {})", answer.status.as_u16(), shown(&answer.content_type)))
    }

    fn url(&self) -> String {
        self.settings.endpoint.value.as_str().trim_end_matches('/').to_owned()
    }
}

/// What requests to a server are sent with.
fn builder(endpoint: &Url, trusted: &[PathBuf], timeout: Duration) -> Result<reqwest::ClientBuilder, Error> {
    // A redirect could lead elsewhere with what the request holds.
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .timeout(timeout)
        .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")));
    if is_loopback(endpoint) {
        builder = builder.no_proxy();
    }
    let certificates = read_certificates(trusted)?;
    // A call without TLS needs no certificates of the system, which are perhaps not there.
    if !certificates.is_empty() || endpoint.scheme() == "http" {
        builder = builder.tls_certs_only(certificates);
    }
    Ok(builder)
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Error> {
    builder.build().map_err(|error| Error::Usage(format!("TLS cannot be set up: {}", chain(&error))))
}

/// A client that asks how a server is, and tells it nothing. On this machine it takes any certificate: that is made for
/// the name by which others reach the server.
pub(crate) fn for_health(endpoint: &Url, trusted: &[PathBuf], timeout: Duration) -> Result<reqwest::Client, Error> {
    let mut builder = builder(endpoint, trusted, timeout)?;
    if is_loopback(endpoint) {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    build(builder)
}

pub(crate) fn read_certificates(paths: &[PathBuf]) -> Result<Vec<reqwest::Certificate>, Error> {
    let mut certificates = Vec::new();
    for path in paths {
        let wrong = |cause: String| Error::File { path: path.clone(), cause };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let found = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if found.is_empty() {
            return Err(wrong("holds no certificate in PEM form".to_owned()));
        }
        certificates.extend(found);
    }
    Ok(certificates)
}

fn shown(content_type: &str) -> &str {
    if content_type.is_empty() { "no content type" } else { content_type }
}

pub(crate) fn is_loopback(endpoint: &Url) -> bool {
    let host = endpoint.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn host_header(endpoint: &Url) -> String {
    let host = endpoint.host_str().unwrap_or_default();
    endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The innermost cause says what happened; those around it say only that a request was sent.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    // All that a certificate is good for can be hundreds of names.
    text.split("; certificate is only valid for").next().unwrap_or(&text).to_owned()
}
