//! Destinations in another Wharf: its own API says what it needs and takes manifests, signed with the configured key,
//! and layers are streamed to the paths that it gives out. Every step is bounded in time and memory.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use access::auth::arrival::Arrival;
use aws::sigv4::Signer;
use aws::{AccountId, Region, SecretAccessKey};
use aws_client::{Answer, CallError, SignedClient, root_cause};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header;
use http_body::{Body, Frame, SizeHint};
use oci::{Digest, Tag};
use reqwest::{Certificate, Url};
use serde_json::{Value, json};
use store::blob::BlobStream;
use store::error::StoreError;
use store::tables::blobs::StoredBlob;
use store::tables::registry_id::RegistryId;

use super::failure::ReplicationFailure;
use super::receive::ArrivingImage;
use super::transfer::MissingLayer;
use crate::Registry;
use crate::images::blobs;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call of the API may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a layer may stay without a byte going out, or the answer to all of them may take.
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// Longer than any answer to these calls: 10,000 layers with their paths.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Another Wharf, as it is configured.
pub struct RemoteConfig {
    /// The region that leads there.
    pub region: Region,
    /// The accounts that lead there; all if empty.
    pub accounts: Vec<AccountId>,
    /// Its base URL.
    pub endpoint: Url,
    /// A key of its destination account.
    pub access_key_id: String,
    /// The secret of that key.
    pub secret: SecretAccessKey,
    /// Who issued its certificate, in PEM form; the machine's authorities if none.
    pub ca_pem: Option<Vec<u8>>,
}

/// Every other Wharf.
#[derive(Default)]
pub struct Remotes(Vec<Arc<Remote>>);

impl Remotes {
    /// As configured. Of several that fit a destination the first is taken.
    pub fn new(configured: Vec<RemoteConfig>) -> Self {
        Self(configured.into_iter().map(|config| Arc::new(Remote { config, client: OnceLock::new() })).collect())
    }

    /// The one that has a registry.
    pub fn find(&self, destination: &RegistryId) -> Option<Arc<Remote>> {
        let fits = |remote: &&Arc<Remote>| {
            let RemoteConfig { region, accounts, .. } = &remote.config;
            *region == destination.region && (accounts.is_empty() || accounts.contains(&destination.account))
        };
        self.0.iter().find(fits).cloned()
    }
}

/// Another Wharf.
pub struct Remote {
    config: RemoteConfig,
    /// Made at its first use: it reads all certificates that the machine trusts.
    client: OnceLock<Result<SignedClient, String>>,
}

/// A layer's bytes on their way, which count themselves.
struct Counted {
    stream: Option<BlobStream>,
    remaining: u64,
    sent_bytes: Arc<AtomicU64>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let next = std::task::ready!(stream.poll_next(cx));
        if let Some(Ok(data)) = &next {
            let bytes = data.len() as u64;
            self.remaining = self.remaining.saturating_sub(bytes);
            self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Poll::Ready(next.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

impl Remote {
    fn endpoint(&self) -> &str {
        self.config.endpoint.as_str().trim_end_matches('/')
    }

    fn client(&self) -> Result<&SignedClient, ReplicationFailure> {
        let made = self.client.get_or_init(|| {
            let trusted = self.config.ca_pem.as_deref().map_or_else(|| Ok(Vec::new()), Certificate::from_pem_bundle);
            let trusted = trusted.map_err(|error| error.to_string())?;
            let builder = aws_client::builder(&self.config.endpoint, trusted, CONNECT_TIMEOUT);
            let http = builder.build().map_err(|error| error.to_string())?;
            Ok(SignedClient::new(http, self.config.endpoint.clone(), CALL_TIMEOUT, MAX_ANSWER_BYTES))
        });
        made.as_ref().map_err(|error| {
            ReplicationFailure::Destination(format!("no HTTP client for {}: {error}", self.endpoint()))
        })
    }

    fn unreachable(&self, cause: &str) -> ReplicationFailure {
        let hint = match &self.config.ca_pem {
            None if cause.contains("UnknownIssuer") => "; ca_file of the remote names who issued its certificate",
            _ => "",
        };
        ReplicationFailure::Destination(format!("{} cannot be reached: {cause}{hint}", self.endpoint()))
    }

    fn no_answer(&self, error: CallError) -> ReplicationFailure {
        match error {
            CallError::Unreachable(error) => self.unreachable(&root_cause(&error)),
            CallError::Host | CallError::TooLong => self.unreachable(&error.to_string()),
        }
    }

    /// Calls an operation of the other's API.
    async fn call(&self, app: &Registry, operation: &str, input: &Value) -> Result<Value, ReplicationFailure> {
        let signer = Signer {
            access_key_id: &self.config.access_key_id,
            secret: &self.config.secret,
            session_token: None,
            region: self.config.region.as_str(),
            service: "wharf",
            now_ms: app.now_ms(),
        };
        let answer = self.client()?.json(&signer, &format!("Wharf_20261121.{operation}"), input).await;
        let answer = answer.map_err(|error| self.no_answer(error))?;
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body)
                .map_err(|_| self.unreachable(&format!("its answer to {operation} is not JSON")));
        }
        Err(self.failure_of(operation, &answer))
    }

    /// What an answer that is no success means.
    fn failure_of(&self, operation: &str, reply: &Answer) -> ReplicationFailure {
        let (code, message) = reply.error().map_or_else(Default::default, |error| (error.code, error.message));
        let is_passing = reply.status.is_server_error()
            || matches!(reply.status.as_u16(), 408 | 429)
            || matches!(code.as_str(), "ThrottlingException" | "RequestTimeoutException");
        if is_passing {
            return self.unreachable(&format!("it answers {} {code} {message}", reply.status.as_u16()));
        }
        match code.as_str() {
            // It needs what it had a moment ago, and gets it again.
            "LayersNotFoundException"
            | "ReferencedImagesNotFoundException"
            | "RepositoryNotFoundException"
            | "UploadNotFoundException" => ReplicationFailure::Image(message),
            "AccessDeniedException" => ReplicationFailure::refused("AccessDenied", message),
            "" => ReplicationFailure::refused(
                "DestinationNotFound",
                format!("{} answers {}: is it a Wharf?", self.endpoint(), reply.status.as_u16()),
            ),
            "UnknownOperationException" => ReplicationFailure::refused(
                "DestinationNotFound",
                format!("{} does not know {operation}: its version is older than this server's", self.endpoint()),
            ),
            "UnrecognizedClientException" | "InvalidSignatureException" | "IncompleteSignatureException" => {
                let why = format!("{} does not take the configured key: {message}", self.endpoint());
                ReplicationFailure::refused("AccessDenied", why)
            }
            _ => ReplicationFailure::refused(code, message),
        }
    }

    /// Asks which layers the destination still needs; it creates the repository if it is not there.
    pub(super) async fn prepare(
        &self,
        app: &Registry,
        arrival: &Arrival,
        layers: &[Digest],
    ) -> Result<Vec<MissingLayer>, ReplicationFailure> {
        let mut input = place(arrival);
        input["layerDigests"] = layers.iter().map(ToString::to_string).collect();
        let answer = self.call(app, "PrepareReplication", &input).await?;
        let paths: HashMap<&str, &str> = answer
            .get("missingLayers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|layer| Some((layer.get("layerDigest")?.as_str()?, layer.get("uploadPath")?.as_str()?)))
            .collect();
        let missing = layers.iter().filter_map(|digest| {
            let path = paths.get(digest.to_string().as_str())?;
            Some(MissingLayer { digest: *digest, upload_path: Some((*path).to_owned()) })
        });
        Ok(missing.collect())
    }

    /// Streams a layer to the path that the destination gave out for it.
    pub(super) async fn send_layer(
        &self,
        app: &Registry,
        path: &str,
        layer: &StoredBlob,
    ) -> Result<(), ReplicationFailure> {
        let url = self.config.endpoint.join(path).map_err(|_| self.unreachable("it gave out a wrong path"))?;
        if url.origin() != self.config.endpoint.origin() {
            return Err(self.unreachable("it gave out a path to elsewhere"));
        }
        let size_bytes = layer.size_bytes;
        let stream = match size_bytes {
            0 => None,
            _ => {
                let mut stream = blobs::open(app, layer).await?.stream(0, size_bytes - 1);
                stream.begin().await?;
                Some(stream)
            }
        };
        let sent_bytes = Arc::new(AtomicU64::new(0));
        let body = Counted { stream, remaining: size_bytes, sent_bytes: Arc::clone(&sent_bytes) };
        let body = reqwest::Body::wrap(body);
        let request = self.client()?.http().put(url).header(header::CONTENT_LENGTH, size_bytes).body(body);
        let sent = tokio::select! {
            sent = request.send() => sent.map_err(|error| self.no_answer(error.into()))?,
            () = stalled(&sent_bytes) => return Err(self.unreachable("it takes no more bytes of a layer")),
        };
        let read = Answer::read(sent, MAX_ANSWER_BYTES);
        let read = runtime::timer::timeout(CALL_TIMEOUT, read).await;
        let reply = read.map_err(|_| self.unreachable("its answer does not end"))?;
        let reply = reply.map_err(|error| self.no_answer(error))?;
        if reply.status.is_success() {
            return Ok(());
        }
        let message = reply.error().map_or_else(String::new, |error| error.message);
        // Whatever is wrong with the path: the next attempt gets another one.
        let text = format!("it answers {} {message}", reply.status.as_u16());
        Err(if reply.status.is_server_error() { self.unreachable(&text) } else { ReplicationFailure::Image(text) })
    }

    /// Stores an image at the destination.
    pub(super) async fn put_image(
        &self,
        app: &Registry,
        arrival: &Arrival,
        image: &ArrivingImage,
    ) -> Result<(), ReplicationFailure> {
        let mut input = place(arrival);
        input["imageDigest"] = image.digest.to_string().into();
        input["imageManifestMediaType"] = image.media_type.as_str().into();
        input["imageManifest"] = STANDARD.encode(&image.manifest).into();
        input["imageTags"] = image.tags.iter().map(Tag::as_str).collect();
        self.call(app, "ReceiveReplicatedImage", &input).await.map(drop)
    }

    /// Takes tags, or the image, from the destination.
    pub(super) async fn remove(
        &self,
        app: &Registry,
        arrival: &Arrival,
        digest: Digest,
        tags: &[Tag],
        is_gone: bool,
    ) -> Result<(), ReplicationFailure> {
        let mut input = place(arrival);
        input["imageDigest"] = digest.to_string().into();
        input["imageTags"] = tags.iter().map(Tag::as_str).collect();
        input["isDeleted"] = is_gone.into();
        self.call(app, "ReceiveReplicatedRemoval", &input).await.map(drop)
    }
}

/// The certificates of a PEM file; why it holds none that can be used.
pub fn check_certificates(pem: &[u8]) -> Result<(), String> {
    match reqwest::Certificate::from_pem_bundle(pem) {
        Ok(found) if !found.is_empty() => Ok(()),
        Ok(_) => Err("it holds no certificate in PEM form".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn place(arrival: &Arrival) -> Value {
    json!({
        "sourceAccountId": arrival.origin.account().as_str(),
        "sourceRegion": arrival.origin.region().map(Region::as_str),
        "registryId": arrival.registry.account.as_str(),
        "repositoryName": arrival.repository.as_str(),
    })
}

/// Returns when nothing was sent for too long.
async fn stalled(sent_bytes: &AtomicU64) {
    let mut before = sent_bytes.load(Ordering::Relaxed);
    loop {
        runtime::timer::sleep(STALLED_AFTER).await;
        let now = sent_bytes.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}
