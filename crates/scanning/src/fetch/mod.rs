//! Fetches the files of feeds: only what has changed, from where a broken connection has left off, within bounds.
//!
//! A file is there whole under its name or not at all; what has come of it waits beside it. Nothing that is secret is sent:
//! feeds are public, or an operator's own in his own network. Hosts are those of the catalog and of the configuration, and
//! where they lead on to: the rules of [`outbound`](runtime::outbound) hold for each.

mod client;
mod partial;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
    time::Duration,
};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::{Response, Url};
use runtime::{
    outbound::cause_of,
    timer::{self, Instant},
};
use scan::feeds::catalog::{Feed, FeedFile, MAX_INDEX_BYTES, sha256_of};
use serde::{Deserialize, Serialize};

use client::Client;
pub use client::FetchSettings;
use partial::{Partial, Sink};

/// Bytes of a file that holds a checksum; real ones have a hundred.
const CHECKSUM_BYTES: u64 = 64 << 10;

/// Fetches files.
pub struct Fetcher {
    client: Client,
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The feed.
    pub feed: &'a Feed,
    /// Which of its files.
    pub file: &'a FeedFile,
    /// What is there already.
    pub known: Option<&'a Known>,
    /// Where the file is to be: a path of its own, in a folder that is there. What is at it is replaced.
    pub place: &'a Path,
    /// When it is given up.
    pub deadline: Instant,
}

/// A file that was fetched, by which the next one is told from it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    /// Where it was: that of a file with a name that changes is no more than the last one.
    pub url: String,
    /// What its host calls this content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When its host says that it has changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// The checksum of its content by SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is what is known, by what is known of it now.
    Same(Known),
    /// It is there, whole.
    Fetched(Fetched),
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where: the place that was wanted.
    pub path: PathBuf,
    /// What is known of it.
    pub known: Known,
    /// How long it is.
    pub bytes: u64,
}

/// Why there is no file. What was there before is still in force.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Its URL is none, or leads to where it may not.
    #[error("it may not be fetched: {0}")]
    NotAllowed(String),
    /// There is no such file.
    #[error("there is none at {0}")]
    NotFound(String),
    /// Its host is asked too often, or has too much to do; says when to come again, if the host does.
    #[error("its host does not want to be asked so often")]
    TooOften(Option<Duration>),
    /// Its host cannot be reached, or does not do its work. What has come is kept.
    #[error("its host is not available: {0}")]
    Unavailable(String),
    /// It takes longer than it may. What has come is kept.
    #[error("it took too long")]
    TooSlow,
    /// It is larger than it may be.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// What the host gives cannot be the file.
    #[error("what its host gives cannot be used: {0}")]
    Unusable(String),
    /// It cannot be written.
    #[error("it cannot be written: {0}")]
    Disk(#[from] io::Error),
}

impl Fetcher {
    /// Goes by these settings.
    pub fn new(settings: FetchSettings) -> Self {
        Self { client: Client::new(settings) }
    }

    /// Fetches a file if it is another one than what is known. At one time one may do so for a place.
    pub fn fetch<'f>(
        &'f self,
        wanted: Wanted<'f>,
    ) -> Pin<Box<dyn Future<Output = Result<Outcome, FetchError>> + Send + 'f>> {
        // Boxed, as other crates await it: each of them would compile it again.
        Box::pin(self.fetch_file(wanted))
    }

    async fn fetch_file(&self, wanted: Wanted<'_>) -> Result<Outcome, FetchError> {
        let located = self.locate(wanted).await?;
        let known = wanted.known.filter(|known| known.url == located.url.as_str());
        if let (Some(known), Some(told)) = (wanted.known, &located.sha256)
            && known.sha256 == *told
        {
            let url = located.url.as_str().to_owned();
            let (etag, last_modified) = known_validators(known, &url);
            return Ok(Outcome::Same(Known { url, etag, last_modified, sha256: told.clone() }));
        }
        let partial = Partial::find(wanted.place, located.url.as_str()).await?;
        let mut headers = conditions(known);
        if let Some(partial) = &partial {
            partial.ask(&mut headers);
        }
        let (mut answer, _) = self.within(wanted, self.client.get(located.url.clone(), headers)).await?;
        if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE && partial.is_some() {
            // What is there is no beginning of what there is to have.
            (answer, _) = self.within(wanted, self.client.get(located.url.clone(), conditions(known))).await?;
        }
        if let Some(known) = known.filter(|_| answer.status() == StatusCode::NOT_MODIFIED) {
            let now = validators(&answer);
            let etag = now.0.or_else(|| known.etag.clone());
            let last_modified = now.1.or_else(|| known.last_modified.clone());
            return Ok(Outcome::Same(Known { etag, last_modified, ..known.clone() }));
        }
        let (sink, total) = match answer.status() {
            StatusCode::PARTIAL_CONTENT => match (partial, content_range(&answer)) {
                (Some(partial), Some((start, total))) if partial.is_followed_by(start, answer.headers()) => {
                    (Some(partial.go_on().await?), total)
                }
                _ => {
                    // The next time all of it is asked for.
                    partial::discard(wanted.place).await?;
                    return Err(FetchError::Unusable("it is another part than what was asked for".to_owned()));
                }
            },
            StatusCode::OK => (None, answer.content_length()),
            status => return Err(refusal(status, &answer, &located.url)),
        };
        if answer.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(FetchError::Unusable("it is encoded, which was not asked for".to_owned()));
        }
        let limit = wanted.feed.packed_bytes;
        if total.is_some_and(|total| total > limit) {
            partial::discard(wanted.place).await?;
            return Err(FetchError::TooLarge(limit));
        }
        let (etag, last_modified) = validators(&answer);
        let sink = match sink {
            Some(sink) => sink,
            None => Sink::start(wanted.place, located.url.as_str(), etag.as_deref()).await?,
        };
        let sink = receive(wanted, answer, sink, limit).await?;
        let bytes = sink.bytes();
        if total.is_some_and(|total| total != bytes) {
            partial::discard(wanted.place).await?;
            return Err(FetchError::Unusable("it has another length than its host has said".to_owned()));
        }
        let sha256 = sink.sha256();
        if let Some(right) = self.checksum(wanted, &located).await?
            && right != sha256
        {
            partial::discard(wanted.place).await?;
            return Err(FetchError::Unusable("it does not have the checksum that its publisher gives".to_owned()));
        }
        let path = sink.finish(wanted.place).await?;
        let known = Known { url: located.url.into(), etag, last_modified, sha256 };
        Ok(Outcome::Fetched(Fetched { path, known, bytes }))
    }

    /// Goes the steps from the feed's address to the file.
    async fn locate(&self, wanted: Wanted<'_>) -> Result<Located, FetchError> {
        let not_allowed = |text: &str| FetchError::NotAllowed(text.to_owned());
        let mut url = Url::parse(&wanted.file.url).map_err(|_| not_allowed("its address is no URL"))?;
        let mut sha256 = None;
        for step in wanted.feed.steps {
            let got = self.document(wanted, url.clone(), MAX_INDEX_BYTES).await?;
            let (document, at) = got.ok_or_else(|| FetchError::NotFound(url.to_string()))?;
            let found = step.find(&document);
            let found = found.ok_or_else(|| FetchError::Unusable(format!("{at} does not say where the feed is")))?;
            let mut next = at.join(&found.link).map_err(|_| not_allowed("it is said to be at what is no URL"))?;
            if at.scheme() == "https" && next.scheme() == "http" && next.set_scheme("https").is_err() {
                return Err(not_allowed("it is said to be where https is not spoken"));
            }
            (url, sha256) = (next, found.sha256);
        }
        Ok(Located { url, sha256 })
    }

    /// The checksum that a file is to have, if somebody says so.
    async fn checksum(&self, wanted: Wanted<'_>, located: &Located) -> Result<Option<String>, FetchError> {
        let Some(checksum) = &wanted.feed.checksum else { return Ok(located.sha256.clone()) };
        let url = Url::parse(&format!("{}{}", located.url, checksum.ends))
            .map_err(|_| FetchError::NotAllowed("its checksum is at no URL".to_owned()))?;
        match self.document(wanted, url.clone(), CHECKSUM_BYTES).await? {
            Some((document, _)) => {
                let sum = sha256_of(&document);
                sum.map(Some).ok_or_else(|| FetchError::Unusable(format!("{url} holds no checksum")))
            }
            None if checksum.is_required => Err(FetchError::NotFound(url.to_string())),
            None => Ok(located.sha256.clone()),
        }
    }

    /// A small document and where it was in the end; `None` if there is none.
    async fn document(&self, wanted: Wanted<'_>, url: Url, limit: u64) -> Result<Option<(Vec<u8>, Url)>, FetchError> {
        let (mut answer, at) = self.within(wanted, self.client.get(url.clone(), HeaderMap::new())).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            status => return Err(refusal(status, &answer, &url)),
        }
        let mut document = Vec::new();
        while let Some(chunk) = next(wanted, &mut answer).await? {
            if (document.len() + chunk.len()) as u64 > limit {
                return Err(FetchError::Unusable(format!("{url} is larger than {limit} bytes")));
            }
            document.extend_from_slice(&chunk);
        }
        Ok(Some((document, at)))
    }

    async fn within<T>(
        &self,
        wanted: Wanted<'_>,
        work: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        timer::timeout_at(wanted.deadline, work).await.unwrap_or(Err(FetchError::TooSlow))
    }
}

/// Where a file is.
struct Located {
    url: Url,
    /// Its checksum, if what led to it says so.
    sha256: Option<String>,
}

/// Writes what comes. What has come is kept where it breaks off, for the next time.
async fn receive(wanted: Wanted<'_>, mut answer: Response, mut sink: Sink, limit: u64) -> Result<Sink, FetchError> {
    let (began, known) = (timer::now(), sink.bytes());
    loop {
        if is_drip(sink.bytes().saturating_sub(known), timer::since(began)) {
            sink.flush().await?;
            return Err(FetchError::TooSlow);
        }
        match next(wanted, &mut answer).await {
            Ok(Some(chunk)) if sink.bytes().saturating_add(chunk.len() as u64) > limit => {
                partial::discard(wanted.place).await?;
                return Err(FetchError::TooLarge(limit));
            }
            Ok(Some(chunk)) => sink = sink.write(&chunk).await?,
            Ok(None) => return Ok(sink.flush().await?),
            Err(error) => {
                sink.flush().await?;
                return Err(error);
            }
        }
    }
}

/// Whether an answer comes so slowly that it only keeps others waiting.
fn is_drip(bytes: u64, since: Duration) -> bool {
    const PATIENCE: Duration = Duration::from_secs(60);
    const BYTES_A_SECOND: u64 = 1 << 10;
    since > PATIENCE && bytes < since.as_secs().saturating_mul(BYTES_A_SECOND)
}

async fn next(
    wanted: Wanted<'_>,
    answer: &mut Response,
) -> Result<Option<impl std::ops::Deref<Target = [u8]> + use<>>, FetchError> {
    match timer::timeout_at(wanted.deadline, answer.chunk()).await {
        Ok(chunk) => chunk.map_err(|error| FetchError::Unavailable(cause_of(&error))),
        Err(_) => Err(FetchError::TooSlow),
    }
}

fn known_validators(known: &Known, url: &str) -> (Option<String>, Option<String>) {
    if known.url == url { (known.etag.clone(), known.last_modified.clone()) } else { (None, None) }
}

/// Asks for what is not known.
fn conditions(known: Option<&Known>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(known) = known else { return headers };
    let value = |text: &Option<String>| HeaderValue::from_str(text.as_deref()?).ok();
    if let Some(etag) = value(&known.etag) {
        headers.insert(header::IF_NONE_MATCH, etag);
    } else if let Some(time) = value(&known.last_modified) {
        headers.insert(header::IF_MODIFIED_SINCE, time);
    }
    headers
}

/// What an answer says by which its content is known again.
fn validators(answer: &Response) -> (Option<String>, Option<String>) {
    /// Bytes of what is kept.
    const LONGEST: usize = 1024;
    let text = |name| {
        let text = answer.headers().get(name)?.to_str().ok()?;
        (text.len() <= LONGEST).then(|| text.to_owned())
    };
    (text(header::ETAG), text(header::LAST_MODIFIED))
}

/// Where the part of an answer begins, and how long the whole is.
fn content_range(answer: &Response) -> Option<(u64, Option<u64>)> {
    let text = answer.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()))
}

/// What an answer without a file says.
fn refusal(status: StatusCode, answer: &Response, url: &Url) -> FetchError {
    let after = || {
        let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    };
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => FetchError::NotFound(url.to_string()),
        StatusCode::TOO_MANY_REQUESTS => FetchError::TooOften(after()),
        StatusCode::SERVICE_UNAVAILABLE if after().is_some() => FetchError::TooOften(after()),
        _ => FetchError::Unavailable(format!("it answered {status}")),
    }
}
