//! A NATS server as a sink, by the client protocol of NATS: of it, only what publishing needs.
//!
//! A message counts as arrived when the server has answered a PING that went after it, or, with JetStream, when a stream
//! has confirmed that it is stored. Messages carry the event's id as `Nats-Msg-Id`, by which JetStream drops repeats.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use runtime::jobs::job::JobError;
use runtime::{files, network};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::Mutex;

use super::config::NatsConfig;
use super::nats_credentials;

const DEFAULT_PORT: u16 = 4222;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(15);
/// Of what a server says in one piece; a list of a large cluster's servers is far shorter.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
const MAX_SUBJECT_BYTES: usize = 255;

/// A subject of a server.
pub struct Nats {
    url: Url,
    subject: String,
    credentials: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    jetstream: bool,
    connection: Mutex<Option<Connection>>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

struct Connection {
    stream: BufReader<Pin<Box<dyn Stream>>>,
    max_payload_bytes: usize,
    inbox: String,
    sent: u64,
}

/// Why a message did not arrive.
enum Failure {
    /// The connection is of no more use.
    Connection(String),
    /// The server does not take this message.
    Refused(String),
    /// It never will.
    Hopeless(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Connection(error.to_string())
    }
}

/// What the server tells of itself.
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    headers: bool,
    #[serde(default)]
    tls_required: bool,
    #[serde(default)]
    max_payload: usize,
    nonce: Option<String>,
}

impl Nats {
    /// As configured; refuses what can never work, with all its faults.
    pub fn new(config: &NatsConfig) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let url = Url::parse(config.url.expose()).ok();
        let url = url.filter(|url| ["nats", "tls"].contains(&url.scheme()) && url.has_host());
        if config.url.expose().is_empty() {
            faults.push("url is missing".to_owned());
        } else if url.is_none() {
            // Not shown: it may hold a password.
            faults.push("url is not one such as nats://localhost:4222 or tls://nats.example.com:4222".to_owned());
        }
        let is_token = |token: &str| {
            !token.is_empty()
                && !token.contains(|each: char| each.is_whitespace() || each.is_control() || "*>".contains(each))
        };
        if config.subject.is_empty() {
            faults.push("subject is missing".to_owned());
        } else if config.subject.len() > MAX_SUBJECT_BYTES || !config.subject.split('.').all(is_token) {
            faults.push(format!("subject '{}' is not one to publish under, such as wharf.events", config.subject));
        }
        let Some(url) = url.filter(|_| faults.is_empty()) else { return Err(faults) };
        Ok(Self {
            url,
            subject: config.subject.clone(),
            credentials: config.credentials.clone(),
            ca_file: config.ca_file.clone(),
            jetstream: config.jetstream,
            connection: Mutex::default(),
        })
    }

    /// Where it is.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Publishes an event.
    pub async fn publish(&self, id: &str, body: String) -> Result<(), JobError> {
        match runtime::timer::timeout(TIMEOUT, self.publish_now(id, &body)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Failure::Connection(text) | Failure::Refused(text))) => Err(JobError::Failed(text)),
            Ok(Err(Failure::Hopeless(text))) => Err(JobError::Hopeless(text)),
            Err(_) => Err(JobError::Failed(format!("no answer within {} s", TIMEOUT.as_secs()))),
        }
    }

    async fn publish_now(&self, id: &str, body: &str) -> Result<(), Failure> {
        let mut idle = self.connection.lock().await;
        // Taken out, so that a publish that is given up in the middle leaves no half message behind.
        if let Some(mut connection) = idle.take() {
            match connection.publish(self, id, body).await {
                // The server ends what is idle for long.
                Err(Failure::Connection(_)) => {}
                result => {
                    *idle = Some(connection);
                    return result;
                }
            }
        }
        let mut connection = runtime::timer::timeout(CONNECT_TIMEOUT, self.connect())
            .await
            .map_err(|_| Failure::Connection("the server cannot be reached in time".to_owned()))??;
        let result = connection.publish(self, id, body).await;
        if !matches!(result, Err(Failure::Connection(_))) {
            *idle = Some(connection);
        }
        result
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let host = self.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tcp = network::connect(&host, self.url.port().unwrap_or(DEFAULT_PORT)).await?;
        tcp.set_nodelay(true)?;
        let mut connection = Connection {
            stream: BufReader::new(Box::pin(tcp)),
            max_payload_bytes: 0,
            inbox: format!("_INBOX.{}", runtime::random::uuid().simple()),
            sent: 0,
        };
        let line = connection.line().await?;
        let info: Info = line
            .strip_prefix("INFO ")
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| Failure::Connection("the server does not speak as NATS does".to_owned()))?;
        if !info.headers {
            return Err(Failure::Refused("the server is too old: it knows no headers".to_owned()));
        }
        connection.max_payload_bytes = info.max_payload;
        let wants_tls = info.tls_required || self.url.scheme() == "tls";
        if wants_tls {
            connection.encrypt(&host, self.ca_file.as_deref()).await?;
        }
        let hello = self.hello(&info, wants_tls)?;
        let inbox = &connection.inbox;
        let greeting = format!("CONNECT {hello}\r\nSUB {inbox}.* 1\r\nPING\r\n");
        connection.send(greeting.as_bytes()).await?;
        connection.until_pong().await?;
        Ok(connection)
    }

    /// What we tell of ourselves.
    fn hello(&self, info: &Info, has_tls: bool) -> Result<Value, Failure> {
        let mut hello = json!({
            "verbose": false,
            "pedantic": false,
            "lang": "wharf",
            "version": env!("CARGO_PKG_VERSION"),
            "name": "wharf",
            "protocol": 1,
            "headers": true,
            "no_responders": true,
            "echo": false,
            "tls_required": has_tls,
        });
        let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        match (self.url.username(), self.url.password()) {
            ("", None) => {}
            (token, None) => hello["auth_token"] = decoded(token).into(),
            (user, Some(password)) => {
                hello["user"] = decoded(user).into();
                hello["pass"] = decoded(password).into();
            }
        }
        if let Some(file) = &self.credentials {
            // Read with each connection, as they are renewed now and then.
            let signed = files::read_to_string(file)
                .map_err(|error| error.to_string())
                .and_then(|text| nats_credentials::sign(&text, info.nonce.as_deref().unwrap_or_default()))
                .map_err(|cause| Failure::Refused(format!("{}: {cause}", file.display())))?;
            hello["jwt"] = signed.jwt.into();
            hello["sig"] = signed.signature.into();
        }
        Ok(hello)
    }
}

impl Connection {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<String, Failure> {
        let mut line = Vec::new();
        (&mut self.stream).take(MAX_ANSWER_BYTES as u64).read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Err(Failure::Connection("the server ended the connection".to_owned()));
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn encrypt(&mut self, host: &str, ca_file: Option<&std::path::Path>) -> Result<(), Failure> {
        if !self.stream.buffer().is_empty() {
            return Err(Failure::Connection("the server sent what is not encrypted".to_owned()));
        }
        let config = tls_config(ca_file).map_err(Failure::Refused)?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Failure::Refused(format!("no certificate can be for '{host}'")))?;
        let plain = std::mem::replace(&mut self.stream, BufReader::new(Box::pin(tokio::io::empty())));
        let encrypted = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, plain.into_inner()).await?;
        self.stream = BufReader::new(Box::pin(encrypted));
        Ok(())
    }

    async fn publish(&mut self, sink: &Nats, id: &str, body: &str) -> Result<(), Failure> {
        let head = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\nContent-Type: application/json\r\n\r\n");
        let total = head.len() + body.len();
        if total > self.max_payload_bytes {
            let limit = self.max_payload_bytes;
            return Err(Failure::Hopeless(format!("the event has {total} bytes, and the server takes {limit}")));
        }
        self.sent += 1;
        let reply = format!("{}.{}", self.inbox, self.sent);
        let (to, ping) = if sink.jetstream { (format!(" {reply}"), "") } else { (String::new(), "PING\r\n") };
        let message = format!("HPUB {}{to} {} {total}\r\n{head}{body}\r\n{ping}", sink.subject, head.len());
        self.send(message.as_bytes()).await?;
        if sink.jetstream { self.until_stored(&reply).await } else { self.until_pong().await }
    }

    async fn until_pong(&mut self) -> Result<(), Failure> {
        loop {
            match self.next().await? {
                Said::Pong => return Ok(()),
                Said::Message { .. } | Said::Other => {}
            }
        }
    }

    /// Waits for the stream's confirmation (JetStream: `PubAck`).
    async fn until_stored(&mut self, reply: &str) -> Result<(), Failure> {
        loop {
            let (headers, body) = match self.next().await? {
                Said::Message { subject, headers, body } if subject == reply => (headers, body),
                Said::Message { .. } | Said::Pong | Said::Other => continue,
            };
            if headers.starts_with("NATS/1.0 503") {
                return Err(Failure::Refused("no stream of JetStream has the subject".to_owned()));
            }
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            return match (&answer["error"], &answer["stream"]) {
                (Value::Null, Value::String(_)) => Ok(()),
                (error, _) => {
                    let text = error["description"].as_str().unwrap_or("it says no more");
                    Err(Failure::Refused(format!("JetStream did not store the event: {text}")))
                }
            };
        }
    }

    async fn next(&mut self) -> Result<Said, Failure> {
        let line = self.line().await?;
        let mut words = line.split_whitespace();
        match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "PONG" => Ok(Said::Pong),
            "PING" => {
                self.send(b"PONG\r\n").await?;
                Ok(Said::Other)
            }
            "-ERR" => {
                let text = line.get(4..).unwrap_or_default().trim().trim_matches('\'');
                Err(Failure::Connection(format!("the server says: {text}")))
            }
            kind @ ("MSG" | "HMSG") => {
                let words: Vec<&str> = words.collect();
                let number = |from_end: usize| {
                    let word = words.len().checked_sub(from_end).and_then(|at| words.get(at));
                    word.and_then(|word| word.parse::<usize>().ok()).filter(|size| *size <= MAX_ANSWER_BYTES)
                };
                let unreadable = || Failure::Connection(format!("the server says '{line}'"));
                let total = number(1).ok_or_else(unreadable)?;
                let head = if kind == "HMSG" { number(2).ok_or_else(unreadable)? } else { 0 };
                let subject = (*words.first().ok_or_else(unreadable)?).to_owned();
                let mut body = vec![0; total + 2];
                self.stream.read_exact(&mut body).await?;
                body.truncate(total);
                if head > total {
                    return Err(unreadable());
                }
                let rest = body.split_off(head);
                Ok(Said::Message { subject, headers: String::from_utf8_lossy(&body).into_owned(), body: rest })
            }
            _ => Ok(Said::Other),
        }
    }
}

/// One thing that a server says.
enum Said {
    Pong,
    Message { subject: String, headers: String, body: Vec<u8> },
    Other,
}

fn tls_config(ca_file: Option<&std::path::Path>) -> Result<rustls::ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Some(file) = ca_file else {
        let verifier = rustls_platform_verifier::Verifier::new(provider)
            .map_err(|error| format!("the certificates that the machine trusts cannot be read: {error}"))?;
        return Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth());
    };
    let mut roots = rustls::RootCertStore::empty();
    let wrong = |cause: String| format!("{}: {cause}", file.display());
    let opened = files::open(file).map_err(|error| wrong(pem::Error::Io(error).to_string()))?;
    for certificate in CertificateDer::pem_reader_iter(opened) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate in PEM form".to_owned()));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
