//! A registry spoken to by the registry protocol, as the source of an import.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_client::root_cause;
use bytes::Bytes;
use oci::media_type::OCI_INDEX;
use oci::{Challenge, Descriptor, Digest, MAX_MANIFEST_BYTES, Manifest, MediaType};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LINK, RANGE, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::failure::Failure;
use super::http::{new_client, read, refusal};
use super::login::{Doorman, Login};
use super::patience::Patience;
use super::pattern::is_wanted;
use super::source::{Fetched, ListedImage, Listing, Problem, Selection, companions};
use crate::error::Error;

/// The longest silence in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// What is asked of whoever is not let in.
pub(super) const ABOUT_LOGIN: &str = "is the login right, and may it pull?";
/// As many names are asked for in a page.
const PAGE: usize = 1_000;
const MAX_PAGE_BYTES: usize = 16 << 20;
/// More pages than any list has; ends what a faulty server would make endless.
const MAX_PAGES: usize = 100_000;
/// Tags that are looked at together.
const TAGS_AT_ONCE: usize = 8;
/// More referrers than any image has; ends what a faulty server would make endless.
const MAX_REFERRERS: usize = 100_000;
const ACCEPTED_MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.cncf.oras.artifact.manifest.v1+json, \
    application/vnd.oci.artifact.manifest.v1+json, application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.5, \
    */*;q=0.1";

/// The source of an import.
pub(super) struct Registry {
    http: Client,
    base: Url,
    doorman: Doorman,
    patience: Patience,
    /// Whether it has no referrers API, as soon as that is known.
    lacks_referrers: AtomicBool,
    /// Tags by which registries without one keep lists of referrers, by repository.
    referrers_tags: Mutex<HashMap<String, BTreeSet<String>>>,
}

#[derive(Deserialize)]
struct Catalog {
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

impl Registry {
    pub(super) fn new(
        base: Url,
        trusted: &[PathBuf],
        login: Login,
        retries: u32,
        now_ms: fn() -> i64,
    ) -> Result<Self, Error> {
        let http = new_client(&base, trusted, Some(READ_TIMEOUT))?;
        let is_plain = base.scheme() == "http";
        Ok(Self {
            http,
            base,
            doorman: Doorman::new(login, is_plain, now_ms),
            patience: Patience::new(retries),
            lacks_referrers: AtomicBool::new(false),
            referrers_tags: Mutex::default(),
        })
    }

    /// Its URL, without a slash at the end.
    pub(super) fn name(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    fn url(&self, path: &str) -> Result<Url, Failure> {
        self.base.join(path).map_err(|_| Failure::Final(format!("'{path}' makes no URL")))
    }

    /// One attempt: with what is known to open the door, and once more with what the registry then asks for.
    async fn send(
        &self,
        repository: &str,
        method: &Method,
        url: &Url,
        headers: &[(reqwest::header::HeaderName, String)],
    ) -> Result<Response, Failure> {
        let build = |authorization: Option<HeaderValue>| {
            let mut request = self.http.request(method.clone(), url.clone());
            for (name, value) in headers {
                request = request.header(name, value);
            }
            match authorization {
                Some(authorization) => request.header(AUTHORIZATION, authorization),
                None => request,
            }
        };
        let unreachable = |error: reqwest::Error| Failure::unreachable(&self.name(), url, &error);
        let known = self.doorman.known(repository).await?;
        let mut answer = build(known).send().await.map_err(unreachable)?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            let values = answer.headers().get_all(WWW_AUTHENTICATE);
            let challenge = Challenge::choose(values.iter().filter_map(|value| value.to_str().ok()));
            self.doorman.forget(repository);
            if let Some(challenge) = challenge
                && let Some(authorization) = self.doorman.answer(&self.http, repository, challenge).await?
            {
                answer = build(Some(authorization)).send().await.map_err(unreachable)?;
            }
        }
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let failure = refusal("the source", answer).await;
        Err(match failure {
            Failure::Final(text)
                // ECR says so of a wrong password with a status of its own.
                if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
                    || [": DENIED ", ": UNAUTHORIZED "].iter().any(|code| text.contains(code)) =>
            {
                Failure::Final(format!("{}; {ABOUT_LOGIN}", text.trim_end_matches('.')))
            }
            failure => failure,
        })
    }

    /// A whole answer, and the URL of the page after it.
    async fn page(&self, repository: &str, url: &Url, accept: &str) -> Result<(Vec<u8>, Option<Url>), Failure> {
        let headers = [(ACCEPT, accept.to_owned())];
        let fetched = || async {
            let answer = self.send(repository, &Method::GET, url, &headers).await?;
            let mut next = answer.headers().get_all(LINK).iter().filter_map(|link| link.to_str().ok());
            let next = next.find_map(oci::next_target).map(str::to_owned);
            Ok((read(answer, MAX_PAGE_BYTES).await?, next))
        };
        let (body, next) = self.patience.run(fetched).await?;
        let next = match next {
            Some(next) => {
                let next = url.join(&next).ok().filter(|next| next.origin() == url.origin());
                Some(next.ok_or_else(|| Failure::Final("the source's next page is elsewhere".to_owned()))?)
            }
            None => None,
        };
        Ok((body, next))
    }

    /// All pages of a list.
    async fn pages<T>(
        &self,
        repository: &str,
        first: Url,
        accept: &str,
        read: impl Fn(&[u8]) -> Result<Vec<T>, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let mut found = Vec::new();
        let mut next = Some(first);
        for _ in 0..MAX_PAGES {
            let Some(url) = next else { return Ok(found) };
            let (body, after) = self.page(repository, &url, accept).await?;
            let entries = read(&body)?;
            // A server that repeats its last page would be read for ever.
            next = after.filter(|after| *after != url && !entries.is_empty());
            found.extend(entries);
        }
        Err(Failure::Final("a list of the source does not end".to_owned()))
    }

    /// The names of all its repositories.
    pub(super) async fn repositories(&self) -> Result<Vec<String>, Failure> {
        let url = self.url(&format!("/v2/_catalog?n={PAGE}"))?;
        self.pages("", url, "application/json", |body| {
            let catalog: Catalog = serde_json::from_slice(body)
                .map_err(|_| Failure::Final("the source's catalog cannot be read".to_owned()))?;
            Ok(catalog.repositories.unwrap_or_default())
        })
        .await
    }

    async fn tags(&self, repository: &str) -> Result<Vec<String>, Failure> {
        let url = self.url(&format!("/v2/{repository}/tags/list?n={PAGE}"))?;
        self.pages(repository, url, "application/json", |body| {
            let tags: Tags = serde_json::from_slice(body)
                .map_err(|_| Failure::Final("the source's list of tags cannot be read".to_owned()))?;
            Ok(tags.tags.unwrap_or_default())
        })
        .await
    }

    /// The images of a repository that the selection wants: those of its tags.
    pub(super) async fn list(self: &Arc<Self>, repository: &str, selection: &Selection) -> Result<Listing, Failure> {
        let all: BTreeSet<String> = self.tags(repository).await?.into_iter().collect();
        let lists = all.iter().filter(|tag| tag.starts_with("sha256-") || tag.starts_with("sha512-"));
        self.referrers_tags
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(repository.to_owned(), lists.cloned().collect());
        let (mut selected, others): (Vec<String>, Vec<String>) =
            all.into_iter().partition(|tag| is_wanted(&selection.tags, tag));
        let mut listing = Listing::default();
        let mut images: HashMap<Digest, Vec<String>> = HashMap::new();
        // The second round is for what belongs to the images of the first.
        for _ in 0..2 {
            let found = self.digests(repository, std::mem::take(&mut selected)).await;
            for (tag, outcome) in found {
                match outcome {
                    Ok(digest) => images.entry(digest).or_default().push(tag),
                    Err(failure) => {
                        listing.problems.push(Problem { image: format!(":{tag}"), reason: failure.to_string() });
                    }
                }
            }
            if !selection.tags.is_empty() {
                selected = companions(&others, images.keys())
                    .into_iter()
                    .filter(|tag| !images.values().any(|tags| tags.contains(tag)))
                    .collect();
            }
        }
        for (digest, mut tags) in images {
            tags.sort_unstable();
            listing.images.push(ListedImage { digest, tags, pushed_at_ms: None });
        }
        // The order of tags is as good as any, and the same each time.
        listing.images.sort_unstable_by(|one, other| one.tags.cmp(&other.tags));
        Ok(listing)
    }

    /// What tags name, some asked for at a time.
    async fn digests(self: &Arc<Self>, repository: &str, tags: Vec<String>) -> Vec<(String, Result<Digest, Failure>)> {
        let places = Arc::new(Semaphore::new(TAGS_AT_ONCE));
        let mut asking = JoinSet::new();
        for tag in tags {
            let (registry, repository, places) = (Arc::clone(self), repository.to_owned(), Arc::clone(&places));
            asking.spawn(async move {
                let _place = places.acquire().await;
                let digest = registry.tag_digest(&repository, &tag).await;
                (tag, digest)
            });
        }
        asking.join_all().await
    }

    async fn tag_digest(&self, repository: &str, tag: &str) -> Result<Digest, Failure> {
        if tag.parse::<oci::Tag>().is_err() {
            return Err(Failure::Final(format!("'{tag}' is no tag")));
        }
        let url = self.url(&format!("/v2/{repository}/manifests/{tag}"))?;
        let headers = [(ACCEPT, ACCEPTED_MANIFESTS.to_owned())];
        let asked =
            || async { self.send(repository, &Method::HEAD, &url, &headers).await.map(|answer| named_digest(&answer)) };
        match self.patience.run(asked).await? {
            Some(digest) => Ok(digest),
            None => Ok(self.manifest(repository, tag).await?.digest),
        }
    }

    /// A manifest by digest or tag, checked against the digests that were named.
    pub(super) async fn manifest(&self, repository: &str, reference: &str) -> Result<Fetched, Failure> {
        let url = self.url(&format!("/v2/{repository}/manifests/{reference}"))?;
        let headers = [(ACCEPT, ACCEPTED_MANIFESTS.to_owned())];
        let fetched = || async {
            let answer = self.send(repository, &Method::GET, &url, &headers).await?;
            let media_type: Option<MediaType> = answer
                .headers()
                .get(CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| value.parse().ok());
            let digest = reference.parse().ok().or_else(|| named_digest(&answer));
            let bytes = read(answer, MAX_MANIFEST_BYTES).await?;
            Fetched::check(bytes, media_type, digest)
        };
        self.patience.run(fetched).await
    }

    /// Sends a blob's bytes from `offset` on; goes on where an answer broke off.
    pub(super) async fn feed(
        &self,
        repository: &str,
        blob: (Digest, u64),
        mut offset: u64,
        to: &mpsc::Sender<Bytes>,
    ) -> Result<(), Failure> {
        let (digest, size) = blob;
        let mut attempt = 0;
        loop {
            let before = offset;
            match self.feed_once(repository, digest, size, &mut offset, to).await {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    if offset > before {
                        attempt = 0;
                    }
                    self.patience.before_retry(&mut attempt, failure).await?;
                }
            }
        }
    }

    async fn feed_once(
        &self,
        repository: &str,
        digest: Digest,
        size: u64,
        offset: &mut u64,
        to: &mpsc::Sender<Bytes>,
    ) -> Result<(), Failure> {
        let url = self.url(&format!("/v2/{repository}/blobs/{digest}"))?;
        let range = (*offset > 0).then(|| (RANGE, format!("bytes={offset}-")));
        let headers: Vec<_> = range.into_iter().collect();
        let mut answer = self.send(repository, &Method::GET, &url, &headers).await?;
        // Who knows no ranges sends everything.
        let mut skip = if answer.status() == StatusCode::PARTIAL_CONTENT { 0 } else { *offset };
        let coming = answer.content_length();
        let other = |length: u64| {
            Failure::Final(format!("the source's blob {digest} has {length} bytes, and its manifest says {size}"))
        };
        if let Some(length) = coming.map(|length| length + *offset - skip).filter(|length| *length != size) {
            return Err(other(length));
        }
        let broken = |error: reqwest::Error| {
            Failure::passing(format!("the source's blob {digest} broke off: {}", root_cause(&error)))
        };
        while let Some(mut chunk) = answer.chunk().await.map_err(broken)? {
            if skip > 0 {
                let cut = skip.min(chunk.len() as u64);
                let _ = chunk.split_to(cut as usize);
                skip -= cut;
            }
            if chunk.is_empty() {
                continue;
            }
            *offset += chunk.len() as u64;
            if *offset > size {
                return Err(other(*offset));
            }
            // Whoever takes the bytes has gone, and knows why.
            if to.send(chunk).await.is_err() {
                return Ok(());
            }
        }
        if *offset < size {
            return Err(Failure::passing(format!(
                "the source's blob {digest} broke off after {offset} of {size} bytes"
            )));
        }
        Ok(())
    }

    /// A small blob whole.
    pub(super) async fn blob(&self, repository: &str, digest: Digest, limit: usize) -> Result<Vec<u8>, Failure> {
        let url = self.url(&format!("/v2/{repository}/blobs/{digest}"))?;
        let fetched = || async { read(self.send(repository, &Method::GET, &url, &[]).await?, limit).await };
        self.patience.run(fetched).await
    }

    /// What refers to an image: by the referrers API or, without one, by the tag that stands in for it.
    pub(super) async fn referrers(&self, repository: &str, subject: Digest) -> Result<Vec<Digest>, Failure> {
        if !self.lacks_referrers.load(Ordering::Relaxed) {
            let url = self.url(&format!("/v2/{repository}/referrers/{subject}"))?;
            match self
                .pages(repository, url, OCI_INDEX, |body| Ok(entries(body)?.into_iter().map(|e| e.digest).collect()))
                .await
            {
                Err(Failure::NotFound(_)) => self.lacks_referrers.store(true, Ordering::Relaxed),
                Err(failure) => return Err(failure),
                Ok(found) if found.len() > MAX_REFERRERS => {
                    return Err(Failure::Final(format!("{subject} has more than {MAX_REFERRERS} referrers")));
                }
                Ok(found) => return Ok(found),
            }
        }
        let tag = oci::referrers_tag(&subject);
        let is_there = {
            let tags = self.referrers_tags.lock().unwrap_or_else(PoisonError::into_inner);
            tags.get(repository).is_some_and(|tags| tags.contains(tag.as_str()))
        };
        if !is_there {
            return Ok(Vec::new());
        }
        let list = self.manifest(repository, tag.as_str()).await?;
        Ok(entries(&list.bytes)?.into_iter().map(|entry| entry.digest).collect())
    }
}

/// The entries of a list of referrers.
fn entries(body: &[u8]) -> Result<Vec<Descriptor>, Failure> {
    let index: Option<MediaType> = OCI_INDEX.parse().ok();
    let list = Manifest::parse(body, index.as_ref());
    let list =
        list.map_err(|error| Failure::Final(format!("the source's list of referrers cannot be read: {error}")))?;
    Ok(list.children().to_vec())
}

fn named_digest(answer: &Response) -> Option<Digest> {
    answer.headers().get("docker-content-digest")?.to_str().ok()?.parse().ok()
}
