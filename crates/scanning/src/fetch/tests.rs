use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use scan::{
    ecosystem::Ecosystem,
    feeds::{
        Form, Packaging,
        catalog::{Checksum, Role, Step},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

/// A host that answers each path as the test says, one answer after another and the last one again.
struct Host {
    url: String,
    answers: Arc<Mutex<HashMap<String, VecDeque<Vec<u8>>>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Host {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let host = Self { url, answers: Arc::default(), heads: Arc::default() };
        let (answers, heads) = (Arc::clone(&host.answers), Arc::clone(&host.heads));
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match connection.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                heads.lock().expect("unpoisoned").push(head);
                let answer = {
                    let mut answers = answers.lock().expect("unpoisoned");
                    let queue = answers.entry(path).or_default();
                    if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() }
                };
                let answer = answer.unwrap_or_else(|| said("404 Not Found", "", b""));
                let is_silent = String::from_utf8_lossy(&answer).contains(SILENT);
                let _ = connection.write_all(&answer).await;
                if is_silent {
                    // Until whoever asks goes.
                    let _ = connection.read_u8().await;
                }
                let _ = connection.shutdown().await;
            }
        });
        host
    }

    fn say(&self, path: &str, answer: Vec<u8>) {
        self.answers.lock().expect("unpoisoned").entry(path.to_owned()).or_default().push_back(answer);
    }

    fn heads(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().expect("unpoisoned"))
    }
}

fn said(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    let mut answer = head.into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// A header of an answer behind which nothing more comes, nor an end.
const SILENT: &str = "X-Silent: yes\r\n";

/// The answer without its last bytes.
fn cut(mut answer: Vec<u8>, bytes: usize) -> Vec<u8> {
    answer.truncate(answer.len() - bytes);
    answer
}

fn feed(url: &str) -> Feed {
    Feed {
        name: "test".to_owned(),
        form: Form::Osv,
        packaging: Packaging::Zip,
        files: vec![FeedFile { part: String::new(), url: url.to_owned(), release: None }],
        steps: &[],
        checksum: None,
        interval: Duration::from_secs(3600),
        covers: vec![Ecosystem::Npm],
        role: Role::Authoritative,
        licence: "none".to_owned(),
        is_on: true,
        packed_bytes: 1000,
        bytes: 1000,
    }
}

struct Place {
    folder: tempfile::TempDir,
    fetcher: Fetcher,
}

impl Place {
    fn new(host: &Host) -> Self {
        let mut settings = FetchSettings::default();
        settings.trust(&host.url);
        Self { folder: tempfile::tempdir().expect("a folder"), fetcher: Fetcher::new(settings) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("feed")
    }

    async fn fetch_by(&self, feed: &Feed, known: Option<&Known>, time: Duration) -> Result<Outcome, FetchError> {
        let place = self.path();
        let deadline = timer::now() + time;
        self.fetcher.fetch(Wanted { feed, file: &feed.files[0], known, place: &place, deadline }).await
    }

    async fn fetch(&self, feed: &Feed, known: Option<&Known>) -> Result<Outcome, FetchError> {
        self.fetch_by(feed, known, Duration::from_secs(20)).await
    }

    async fn fetched(&self, feed: &Feed) -> (Vec<u8>, Known) {
        match self.fetch(feed, None).await {
            Ok(Outcome::Fetched(fetched)) => {
                let bytes = std::fs::read(&fetched.path).expect("a file");
                assert_eq!(bytes.len() as u64, fetched.bytes);
                assert_eq!(self.names(), ["feed"]);
                (bytes, fetched.known)
            }
            other => panic!("{other:?}"),
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("a folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn what_has_changed_is_fetched() {
    let host = Host::start().await;
    let place = Place::new(&host);
    let feed = feed(&format!("{}/all.zip", host.url));
    host.say("/all.zip", said("200 OK", "ETag: \"1\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n", b"first"));
    host.say("/all.zip", said("304 Not Modified", "ETag: \"1\"\r\n", b""));
    host.say("/all.zip", said("200 OK", "ETag: \"2\"\r\n", b"second"));
    let (bytes, known) = place.fetched(&feed).await;
    assert_eq!(bytes, b"first");
    assert_eq!(known.etag.as_deref(), Some("\"1\""));
    assert_eq!(known.sha256, "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e");
    assert_eq!(place.fetch(&feed, Some(&known)).await.expect("an outcome"), Outcome::Same(known.clone()));
    let Ok(Outcome::Fetched(fetched)) = place.fetch(&feed, Some(&known)).await else { panic!("not fetched") };
    assert_eq!((fetched.known.etag.as_deref(), fetched.bytes), (Some("\"2\""), 6));
    let heads = host.heads();
    assert!(!heads[0].contains("if-none-match") && heads[1].contains("if-none-match: \"1\"\r\n"), "{heads:?}");
    assert!(heads.iter().all(|head| !head.contains("authorization") && !head.contains("cookie")));
    // A host that has no names for contents has times.
    let known = Known { etag: None, last_modified: Some("Thu, 01 Jan 2026 00:00:00 GMT".to_owned()), ..known };
    place.fetch(&feed, Some(&known)).await.expect("an outcome");
    assert!(host.heads()[0].contains("if-modified-since: thu, 01 jan 2026 00:00:00 gmt"));
    // What is known of another address says nothing here.
    let known = Known { url: "http://127.0.0.1/other".to_owned(), ..known };
    place.fetch(&feed, Some(&known)).await.expect("an outcome");
    assert!(!host.heads()[0].contains("if-modified-since"));
}

#[tokio::test]
async fn it_goes_on_where_it_broke_off() {
    let host = Host::start().await;
    let place = Place::new(&host);
    let feed = feed(&format!("{}/all.zip", host.url));
    host.say("/all.zip", cut(said("200 OK", "ETag: \"1\"\r\n", b"0123456789"), 6));
    host.say(
        "/all.zip",
        cut(said("206 Partial Content", "ETag: \"1\"\r\nContent-Range: bytes 4-9/10\r\n", b"456789"), 4),
    );
    host.say("/all.zip", said("206 Partial Content", "ETag: \"1\"\r\nContent-Range: bytes 6-9/10\r\n", b"6789"));
    for _ in 0..2 {
        let error = place.fetch(&feed, None).await.expect_err("an end");
        assert!(matches!(error, FetchError::Unavailable(_)), "{error}");
        assert_eq!(place.names(), ["feed.part", "feed.part-of"]);
    }
    let (bytes, known) = place.fetched(&feed).await;
    assert_eq!(bytes, b"0123456789");
    assert_eq!(known.sha256, "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882");
    let heads = host.heads();
    assert!(!heads[0].contains("range:"), "{}", heads[0]);
    assert!(
        heads[1].contains("\r\nrange: bytes=4-\r\n") && heads[1].contains("\r\nif-range: \"1\"\r\n"),
        "{}",
        heads[1]
    );
    assert!(heads[2].contains("\r\nrange: bytes=6-\r\n"), "{}", heads[2]);
}

#[tokio::test]
async fn what_changed_meanwhile_starts_anew() {
    let host = Host::start().await;
    let place = Place::new(&host);
    let feed = feed(&format!("{}/all.zip", host.url));
    // The host says itself that it is another content now.
    host.say("/all.zip", cut(said("200 OK", "ETag: \"1\"\r\n", b"0123456789"), 6));
    host.say("/all.zip", cut(said("200 OK", "ETag: \"2\"\r\n", b"abcdefghij"), 1));
    host.say("/all.zip", said("206 Partial Content", "ETag: \"2\"\r\nContent-Range: bytes 9-9/10\r\n", b"j"));
    place.fetch(&feed, None).await.expect_err("an end");
    place.fetch(&feed, None).await.expect_err("an end");
    assert_eq!(place.fetched(&feed).await.0, b"abcdefghij");
    assert!(host.heads()[2].contains("if-range: \"2\""));
    // It has become shorter than what is there.
    let host = Host::start().await;
    let place = Place::new(&host);
    let feed = super::tests::feed(&format!("{}/all.zip", host.url));
    host.say("/all.zip", cut(said("200 OK", "ETag: \"1\"\r\n", b"0123456789"), 2));
    host.say("/all.zip", said("416 Range Not Satisfiable", "Content-Range: bytes */3\r\n", b""));
    host.say("/all.zip", said("200 OK", "ETag: \"3\"\r\n", b"abc"));
    place.fetch(&feed, None).await.expect_err("an end");
    assert_eq!(place.fetched(&feed).await.0, b"abc");
    assert!(!host.heads()[2].contains("range"));
    // A host whose names for contents are weak, or that has none, gives all of it again.
    for headers in ["ETag: W/\"1\"\r\n", "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"] {
        let host = Host::start().await;
        let place = Place::new(&host);
        let feed = super::tests::feed(&format!("{}/all.zip", host.url));
        host.say("/all.zip", cut(said("200 OK", headers, b"0123456789"), 2));
        host.say("/all.zip", said("200 OK", headers, b"abc"));
        place.fetch(&feed, None).await.expect_err("an end");
        assert_eq!(place.fetched(&feed).await.0, b"abc");
        assert!(!host.heads()[1].contains("range"));
    }
}

#[tokio::test]
async fn parts_that_do_not_fit_are_refused() {
    for (headers, body) in [
        ("Content-Range: bytes 3-9/10\r\n", b"3456789".as_slice()),
        ("", b"456789"),
        ("ETag: \"2\"\r\nContent-Range: bytes 4-9/10\r\n", b"456789"),
        ("Content-Range: bytes 4-9/11\r\n", b"456789"),
    ] {
        let host = Host::start().await;
        let place = Place::new(&host);
        let feed = feed(&format!("{}/all.zip", host.url));
        host.say("/all.zip", cut(said("200 OK", "ETag: \"1\"\r\n", b"0123456789"), 6));
        host.say("/all.zip", said("206 Partial Content", headers, body));
        place.fetch(&feed, None).await.expect_err("an end");
        let error = place.fetch(&feed, None).await.expect_err("refused");
        assert!(matches!(error, FetchError::Unusable(_)), "{headers}: {error}");
        assert!(place.names().is_empty(), "nothing is left that the next one would go on from");
    }
    // One that nobody asked for.
    let host = Host::start().await;
    let place = Place::new(&host);
    host.say("/all.zip", said("206 Partial Content", "Content-Range: bytes 0-3/10\r\n", b"0123"));
    let error = place.fetch(&feed(&format!("{}/all.zip", host.url)), None).await.expect_err("refused");
    assert!(matches!(error, FetchError::Unusable(_)), "{error}");
}

#[tokio::test]
async fn what_is_too_large_is_given_up() {
    let host = Host::start().await;
    let place = Place::new(&host);
    let feed = Feed { packed_bytes: 5, ..feed(&format!("{}/all.zip", host.url)) };
    host.say("/all.zip", said("200 OK", "ETag: \"1\"\r\n", b"0123456789"));
    // One that does not say how long it is.
    host.say("/all.zip", b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nConnection: close\r\n\r\n0123456789".to_vec());
    for _ in 0..2 {
        let error = place.fetch(&feed, None).await.expect_err("too large");
        assert!(matches!(error, FetchError::TooLarge(5)), "{error}");
        assert!(place.names().is_empty(), "{:?}", place.names());
    }
}

#[tokio::test]
async fn what_is_there_stays_until_the_next_is_whole() {
    let host = Host::start().await;
    let place = Place::new(&host);
    let feed = feed(&format!("{}/all.zip", host.url));
    host.say("/all.zip", said("200 OK", "ETag: \"1\"\r\n", b"whole"));
    host.say("/all.zip", cut(said("200 OK", "ETag: \"2\"\r\n", b"0123456789"), 6));
    host.say("/all.zip", said("200 OK", "ETag: \"2\"\r\nContent-Encoding: gzip\r\n", b"0123456789"));
    host.say("/all.zip", said("500 Internal Server Error", "", b""));
    host.say("/all.zip", said("403 Forbidden", "", b""));
    host.say("/all.zip", said("429 Too Many Requests", "Retry-After: 120\r\n", b""));
    host.say("/all.zip", said("503 Service Unavailable", "Retry-After: 7\r\n", b""));
    host.say("/all.zip", said("404 Not Found", "", b""));
    let (_, known) = place.fetched(&feed).await;
    let mut errors = Vec::new();
    for _ in 0..7 {
        errors.push(place.fetch(&feed, Some(&known)).await.expect_err("refused"));
        assert_eq!(std::fs::read(place.path()).expect("a file"), b"whole");
    }
    let seconds = |at: usize| match &errors[at] {
        FetchError::TooOften(after) => after.map(|after| after.as_secs()),
        other => panic!("{other}"),
    };
    assert_eq!((seconds(4), seconds(5)), (Some(120), Some(7)));
    assert!(matches!(errors[1], FetchError::Unusable(_)), "{}", errors[1]);
    assert!(matches!(errors[6], FetchError::NotFound(_)), "{}", errors[6]);
    for at in [0, 2, 3] {
        assert!(matches!(errors[at], FetchError::Unavailable(_)), "{}", errors[at]);
    }
}

#[tokio::test]
async fn redirects_are_followed_a_few_times() {
    let host = Host::start().await;
    let place = Place::new(&host);
    host.say("/old", said("301 Moved Permanently", "Location: /new\r\n", b""));
    host.say("/new", said("200 OK", "", b"new"));
    host.say("/round", said("302 Found", "Location: /round\r\n", b""));
    host.say("/file", said("302 Found", "Location: file:///etc/passwd\r\n", b""));
    host.say("/metadata", said("302 Found", "Location: http://169.254.169.254/latest\r\n", b""));
    host.say("/nowhere", said("302 Found", "", b""));
    let (bytes, known) = place.fetched(&feed(&format!("{}/old", host.url))).await;
    assert_eq!(bytes, b"new");
    assert!(known.url.ends_with("/old"), "it is asked for there the next time, too: {}", known.url);
    host.heads();
    let error = place.fetch(&feed(&format!("{}/round", host.url)), None).await.expect_err("refused");
    assert!(matches!(error, FetchError::Unusable(_)), "{error}");
    assert_eq!(host.heads().len(), 6);
    for path in ["file", "metadata"] {
        let error = place.fetch(&feed(&format!("{}/{path}", host.url)), None).await.expect_err("refused");
        assert!(matches!(error, FetchError::NotAllowed(_)), "{path}: {error}");
    }
    let error = place.fetch(&feed(&format!("{}/nowhere", host.url)), None).await.expect_err("refused");
    assert!(matches!(error, FetchError::Unusable(_)), "{error}");
}

#[tokio::test]
async fn private_hosts_are_an_operators_to_name() {
    let host = Host::start().await;
    host.say("/all.zip", said("200 OK", "", b"all"));
    let feed = feed(&format!("{}/all.zip", host.url));
    let stranger = Place { fetcher: Fetcher::new(FetchSettings::default()), ..Place::new(&host) };
    let error = stranger.fetch(&feed, None).await.expect_err("refused");
    assert!(matches!(error, FetchError::NotAllowed(_)), "{error}");
    let mut settings = FetchSettings::default();
    settings.networks.deny.push("127.0.0.0/8".parse().expect("a network"));
    settings.trust(&feed.files[0].url);
    let denied = Place { fetcher: Fetcher::new(settings), ..Place::new(&host) };
    let error = denied.fetch(&feed, None).await.expect_err("refused");
    assert!(matches!(error, FetchError::NotAllowed(_)), "{error}");
    assert!(host.heads().is_empty());
    for url in ["ftp://example.com/", "nothing", "https://user:word@127.0.0.1/"] {
        let error = Place::new(&host).fetch(&super::tests::feed(url), None).await.expect_err("refused");
        assert!(matches!(error, FetchError::NotAllowed(_)), "{url}: {error}");
    }
    let mut settings = FetchSettings::default();
    settings.trust("https://mirror.internal/x");
    settings.trust("http://[fd00::1]:8080/x");
    let allowed: Vec<_> = settings.networks.allow.iter().map(|place| format!("{place:?}")).collect();
    assert!(allowed[0].contains("mirror.internal") && allowed[0].contains("443"), "{allowed:?}");
    assert_eq!(allowed.len(), 1, "an address is trusted at its port alone");
}

#[tokio::test]
async fn whoever_is_trusted_at_one_port_leads_to_no_other() {
    let (host, neighbour) = (Host::start().await, Host::start().await);
    let place = Place::new(&host);
    for elsewhere in [neighbour.url.clone(), neighbour.url.replace("127.0.0.1", "localhost")] {
        host.say("/all.zip", said("302 Found", &format!("Location: {elsewhere}/all.zip\r\n"), b""));
        let error = place.fetch(&feed(&format!("{}/all.zip", host.url)), None).await.expect_err("refused");
        assert!(matches!(error, FetchError::NotAllowed(_) | FetchError::Unavailable(_)), "{elsewhere}: {error}");
    }
    assert!(neighbour.heads().is_empty());
}

#[test]
fn what_drips_is_given_up() {
    for (bytes, seconds, is_drip) in [
        (0, 60, false),
        (0, 61, true),
        (61 * 1024 - 1, 61, true),
        (61 * 1024, 61, false),
        (1 << 20, 1_024, false),
        ((1 << 20) - 1, 1_024, true),
    ] {
        assert_eq!(super::is_drip(bytes, Duration::from_secs(seconds)), is_drip, "{bytes} {seconds}");
    }
}

#[tokio::test]
async fn a_proxy_is_asked_in_place_of_hosts() {
    let proxy = Host::start().await;
    proxy.say("http://feeds.example.com/all.zip", said("200 OK", "", b"all"));
    let settings = FetchSettings { proxy: Some(Url::parse(&proxy.url).expect("a URL")), ..FetchSettings::default() };
    let place = Place { fetcher: Fetcher::new(settings), ..Place::new(&proxy) };
    assert_eq!(place.fetched(&feed("http://feeds.example.com/all.zip")).await.0, b"all");
    let error = place.fetch(&feed("http://127.0.0.1/all.zip"), None).await.expect_err("refused");
    assert!(matches!(error, FetchError::NotAllowed(_)), "{error}");
    assert_eq!(proxy.heads().len(), 1);
}

#[tokio::test]
async fn it_ends_at_its_deadline() {
    let host = Host::start().await;
    let place = Place::new(&host);
    let feed = feed(&format!("{}/all.zip", host.url));
    let headers = format!("ETag: \"1\"\r\n{SILENT}");
    let whole = said("200 OK", &headers, b"0123456789");
    let silent_at_once = cut(whole.clone(), b"\r\n0123456789".len());
    host.say("/all.zip", silent_at_once);
    host.say("/all.zip", cut(whole, 6));
    host.say("/all.zip", said("206 Partial Content", "ETag: \"1\"\r\nContent-Range: bytes 4-9/10\r\n", b"456789"));
    for names in [vec![], vec!["feed.part", "feed.part-of"]] {
        let error = place.fetch_by(&feed, None, Duration::from_millis(300)).await.expect_err("too slow");
        assert!(matches!(error, FetchError::TooSlow), "{error}");
        assert_eq!(place.names(), names);
    }
    // What has come by then is kept.
    assert_eq!(place.fetched(&feed).await.0, b"0123456789");
}

#[tokio::test]
async fn checksums_are_compared() {
    let host = Host::start().await;
    let place = Place::new(&host);
    let with = |is_required| Feed {
        checksum: Some(Checksum { ends: ".sha256".to_owned(), is_required }),
        ..feed(&format!("{}/all.zip", host.url))
    };
    host.say("/all.zip", said("200 OK", "ETag: \"1\"\r\n", b"first"));
    let error = place.fetch(&with(true), None).await.expect_err("refused");
    assert!(matches!(error, FetchError::NotFound(_)), "{error}");
    assert_eq!(place.fetched(&with(false)).await.0, b"first");
    host.say("/all.zip.sha256", said("200 OK", "", format!("{}  all.zip\n", "0".repeat(64)).as_bytes()));
    host.say("/all.zip.sha256", said("200 OK", "", b"<html>"));
    let right = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e *all.zip";
    host.say("/all.zip.sha256", said("200 OK", "", right.as_bytes()));
    std::fs::remove_file(place.path()).expect("removed");
    for names in [vec![], vec!["feed.part", "feed.part-of"]] {
        let error = place.fetch(&with(false), None).await.expect_err("refused");
        assert!(matches!(error, FetchError::Unusable(_)), "{error}");
        assert_eq!(place.names(), names);
    }
    host.say("/all.zip", said("416 Range Not Satisfiable", "", b""));
    host.say("/all.zip", said("200 OK", "ETag: \"1\"\r\n", b"first"));
    assert_eq!(place.fetched(&with(true)).await.0, b"first");
}

#[tokio::test]
async fn documents_lead_to_files() {
    const STEPS: &[Step] =
        &[Step::FirstUrl { then: "repodata/repomd.xml" }, Step::RepositoryData { kind: "updateinfo" }];
    let host = Host::start().await;
    let place = Place::new(&host);
    let feed = Feed { steps: STEPS, ..feed(&format!("{}/mirror.list", host.url)) };
    let error = place.fetch(&feed, None).await.expect_err("refused");
    assert!(matches!(error, FetchError::NotFound(_)), "{error}");
    host.say("/mirror.list", said("200 OK", "", b"nothing"));
    let error = place.fetch(&feed, None).await.expect_err("refused");
    assert!(matches!(error, FetchError::Unusable(_)), "{error}");
    host.say("/mirror.list", said("200 OK", "", format!("{}/x/\n", host.url).as_bytes()));
    place.fetch(&feed, None).await.expect_err("the first answer again");
    let sum = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e";
    let repository = |sum: &str| {
        format!(
            r#"<repomd><data type="updateinfo"><checksum type="sha256">{sum}</checksum><location href="repodata/u.xml.gz"/></data></repomd>"#
        )
    };
    host.say("/x/repodata/repomd.xml", said("200 OK", "", repository(sum).as_bytes()));
    host.say("/x/repodata/u.xml.gz", said("200 OK", "", b"first"));
    let (bytes, known) = place.fetched(&feed).await;
    assert_eq!((bytes.as_slice(), known.sha256.as_str()), (b"first".as_slice(), sum));
    assert!(known.url.ends_with("/x/repodata/u.xml.gz"), "{}", known.url);
    // The document says that it is the same: the file is not asked for.
    host.heads();
    assert_eq!(place.fetch(&feed, Some(&known)).await.expect("an outcome"), Outcome::Same(known.clone()));
    assert_eq!(host.heads().len(), 2);
    // And another one has to be what the document says.
    host.say("/x/repodata/repomd.xml", said("200 OK", "", repository(&"1".repeat(64)).as_bytes()));
    host.say("/x/repodata/repomd.xml", said("200 OK", "", repository(&"1".repeat(64)).as_bytes()));
    place.fetch(&feed, Some(&known)).await.expect("the first answer again");
    let error = place.fetch(&feed, Some(&known)).await.expect_err("refused");
    assert!(matches!(error, FetchError::Unusable(_)), "{error}");
}
