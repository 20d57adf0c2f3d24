//! Calls of a server: IAM by the Query protocol, the others by AWS JSON 1.1. Every request is signed.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use aws::sigv4::Signer;
use aws_client::{Answer, CallError, SignedClient, is_loopback, root_cause};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::given::{Given, SOURCE_ENDPOINT};
use crate::options::Settings;
use crate::scheme::Mismatch;
use crate::xml::Element;

/// IAM has one endpoint for all regions, which signs in the first (reference/around.md 1).
const IAM_REGION: &str = "us-east-1";
const IAM_VERSION: &str = "2010-05-08";
const ECR_TARGET: &str = "AmazonEC2ContainerRegistry_V20150921";
const WHARF_TARGET: &str = "Wharf_20261121";
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
    server: SignedClient,
    settings: Settings,
    now_ms: fn() -> i64,
}

impl Client {
    pub(crate) fn new(settings: Settings, now_ms: fn() -> i64) -> Result<Self, Error> {
        let http = builder(&settings.endpoint.value, &settings.trusted, TIMEOUT)?;
        let server = SignedClient::new(build(http)?, settings.endpoint.value.clone(), TIMEOUT, MAX_ANSWER_BYTES);
        Ok(Self { server, settings, now_ms })
    }

    /// The time by which requests are signed, in epoch milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        (self.now_ms)()
    }

    /// The server that is called.
    pub(crate) fn endpoint(&self) -> &Url {
        &self.settings.endpoint.value
    }

    /// The region that is called.
    pub(crate) fn region(&self) -> &str {
        &self.settings.region.value
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
        let body = Zeroizing::new(form.into_bytes());
        let answer = self.server.post(&self.signer("iam", IAM_REGION), headers, body).await;
        let answer = answer.map_err(|error| self.failed(&error))?;
        let unreadable = |cause| self.unreadable(action, &answer, cause);
        let root = Element::parse(&String::from_utf8_lossy(&answer.body)).map_err(unreadable)?;
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

    /// Calls an operation of ECR.
    pub(crate) async fn ecr<T: DeserializeOwned>(&self, operation: &str, input: &Value) -> Result<T, Error> {
        self.json("ecr", ECR_TARGET, operation, input).await
    }

    /// Calls an operation of a service of the JSON protocol, whose requests have this target.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        service: &str,
        target: &str,
        operation: &str,
        input: &Value,
    ) -> Result<T, Error> {
        let region = &self.settings.region.value;
        let target = format!("{target}.{operation}");
        let answer = self.server.json(&self.signer(service, region), &target, input).await;
        let answer = answer.map_err(|error| self.failed(&error))?;
        if answer.status.is_success() {
            let output = serde_json::from_slice(&answer.body);
            return output.map_err(|error| self.unreadable(operation, &answer, error.to_string()));
        }
        let error = answer.error().ok_or_else(|| {
            let is_json = serde_json::from_slice::<Value>(&answer.body).is_ok();
            let cause = if is_json { "it has no __type" } else { "the answer is not JSON" };
            self.unreadable(operation, &answer, cause.to_owned())
        })?;
        let message = if error.message.is_empty() { "the server says no more".to_owned() } else { error.message };
        Err(Error::Refused {
            operation: operation.to_owned(),
            code: error.code,
            message,
            request: answer.request_id,
            credentials: self.asked(),
        })
    }

    fn signer<'a>(&'a self, service: &'a str, region: &'a str) -> Signer<'a> {
        let credentials = &self.settings.credentials;
        Signer {
            access_key_id: &credentials.access_key_id,
            secret: &credentials.secret,
            session_token: credentials.session_token.as_deref(),
            region,
            service,
            now_ms: (self.now_ms)(),
        }
    }

    fn failed(&self, error: &CallError) -> Error {
        match error {
            CallError::Host => Error::Usage(format!("{}: {error}", self.url())),
            CallError::Unreachable(error) => self.unreachable(error),
            CallError::TooLong => self.missing("", error.to_string()),
        }
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
        let cause = chain(error);
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
        if let Some(mismatch) =
            Mismatch::of_answer(endpoint, answer.status.as_u16(), &String::from_utf8_lossy(&answer.body))
        {
            return Error::Unreachable { url: self.url(), cause: mismatch.cause(), hint: mismatch.hint(by) };
        }
        let body = String::from_utf8_lossy(&answer.body);
        let first_line = body.lines().next().unwrap_or_default();
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
    let certificates = read_certificates(trusted)?;
    let builder = aws_client::builder(endpoint, certificates, CONNECT_TIMEOUT.min(timeout)).timeout(timeout);
    Ok(if is_loopback(endpoint) { builder.no_proxy() } else { builder })
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

/// What happened, in a few words.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let text = root_cause(error);
    // All that a certificate is good for can be hundreds of names.
    text.split("; certificate is only valid for").next().unwrap_or(&text).to_owned()
}
