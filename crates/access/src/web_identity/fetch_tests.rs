use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use runtime::http::certificates::Certificates;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::fetch::MAX_DOCUMENT_BYTES;
use super::sources::{Issuers, SourceConfig};
use super::test_issuer::{RSA_KEY, TestIssuer};

const NOW_MS: i64 = 1_767_225_600_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const JWKS: &str = "/jwks";
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// An HTTP server on this machine that answers paths with what the test says.
struct Web {
    url: String,
    answers: Arc<Mutex<HashMap<String, String>>>,
    hits: Arc<AtomicUsize>,
}

impl Web {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answers = Arc::new(Mutex::new(HashMap::<String, String>::new()));
        let hits = Arc::new(AtomicUsize::new(0));
        let web = Self { url, answers: Arc::clone(&answers), hits: Arc::clone(&hits) };
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut head = vec![0; 8192];
                let read = connection.read(&mut head).await.unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                hits.fetch_add(1, Ordering::SeqCst);
                let answer = answers.lock().expect("unpoisoned").get(&path).cloned();
                let answer = answer.unwrap_or_else(|| "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned());
                let _ = connection.write_all(answer.as_bytes()).await;
                let _ = connection.shutdown().await;
            }
        });
        web
    }

    fn say(&self, path: &str, answer: String) {
        self.answers.lock().expect("unpoisoned").insert(path.to_owned(), answer);
    }

    fn serve(&self, path: &str, document: &Value) {
        let document = document.to_string();
        self.say(path, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{document}", document.len()));
    }

    fn redirect(&self, path: &str, location: &str) {
        self.say(path, format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"));
    }

    fn be_issuer(&self, issuer: &TestIssuer) {
        self.serve(DISCOVERY, &json!({"issuer": self.url, "jwks_uri": format!("{}{JWKS}", self.url)}));
        self.serve(JWKS, &issuer.key_set());
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

fn issuers(allow_private_networks: bool) -> Issuers {
    Issuers::new(SourceConfig { allow_private_networks, files: HashMap::new() })
}

async fn error(issuers: &Issuers, url: &str) -> String {
    issuers.keys(url, RSA_KEY, NOW_MS).await.expect_err("refused").to_string()
}

#[tokio::test]
async fn keys_are_kept() {
    let web = Web::start().await;
    web.be_issuer(&TestIssuer::generate());
    let issuers = issuers(true);
    let ask = |key_id: &'static str, now_ms| issuers.keys(&web.url, key_id, now_ms);
    // All at once, and one fetch: two documents.
    let (a, b, c) = tokio::join!(ask(RSA_KEY, NOW_MS), ask(RSA_KEY, NOW_MS), ask(RSA_KEY, NOW_MS));
    assert!(a.is_ok() && b.is_ok() && c.is_ok(), "{a:?}");
    assert_eq!(web.hits(), 2);
    ask(RSA_KEY, NOW_MS + HOUR_MS - 1).await.expect("kept");
    assert_eq!(web.hits(), 2);
    // An unknown key makes it look again, once a minute.
    for (after_ms, hits) in [(MINUTE_MS - 1, 2), (MINUTE_MS, 4), (MINUTE_MS + 1, 4), (2 * MINUTE_MS, 6)] {
        assert!(!ask("unknown", NOW_MS + after_ms).await.expect("reachable").has("unknown"));
        assert_eq!(web.hits(), hits, "after {after_ms} ms");
    }
    ask(RSA_KEY, NOW_MS + 2 * HOUR_MS).await.expect("renewed");
    assert_eq!(web.hits(), 8);
}

#[tokio::test]
async fn old_keys_serve_while_the_issuer_is_away() {
    let web = Web::start().await;
    web.be_issuer(&TestIssuer::generate());
    let issuers = issuers(true);
    issuers.keys(&web.url, RSA_KEY, NOW_MS).await.expect("fetched");
    web.say(DISCOVERY, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n".to_owned());
    let later = |after_ms| issuers.keys(&web.url, RSA_KEY, NOW_MS + after_ms);
    later(2 * HOUR_MS).await.expect("old keys");
    let hits = web.hits();
    later(2 * HOUR_MS + 9_999).await.expect("old keys");
    assert_eq!(web.hits(), hits, "an issuer that is away is left alone for a while");
    later(24 * HOUR_MS - 1).await.expect("old keys");
    let error = later(24 * HOUR_MS).await.expect_err("too old").to_string();
    assert_eq!(error, format!("Couldn't read {}{DISCOVERY}: the answer was 503", web.url));
}

#[tokio::test]
async fn private_networks_are_closed() {
    let web = Web::start().await;
    web.be_issuer(&TestIssuer::generate());
    let port = web.url.rsplit(':').next().expect("a port");
    let hosts = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0"];
    for host in hosts {
        for scheme in ["http", "https"] {
            let issuer = format!("{scheme}://{host}:{port}");
            let said = error(&issuers(false), &issuer).await;
            let is_refused =
                ["the host is in a private network", "it must be https"].iter().any(|why| said.ends_with(why));
            assert!(is_refused, "{issuer}: {said}");
        }
    }
    for issuer in ["https://169.254.169.254", "https://10.0.0.1/a", "https://[fd00:ec2::254]"] {
        assert!(error(&issuers(false), issuer).await.ends_with("the host is in a private network"), "{issuer}");
    }
    assert_eq!(web.hits(), 0, "nothing was sent");
}

/// What is wrong, how the issuer gets there, and how the error ends.
type Row = (&'static str, fn(&Web), &'static str);

#[tokio::test]
async fn what_is_not_followed() {
    let issuers = issuers(true);
    let away = "it must be https";
    for url in ["http://issuer.example.com", "ftp://issuer.example.com", "file:///etc/passwd"] {
        assert!(error(&issuers, url).await.ends_with(away), "{url}");
    }
    assert!(error(&issuers, "https://user:secret@issuer.example.com").await.ends_with("password"));

    let rows: [Row; 8] = [
        ("redirected to plain text", |web| web.redirect(DISCOVERY, "http://issuer.example.com/"), away),
        ("redirected in a circle", |web| web.redirect(DISCOVERY, DISCOVERY), "more than 3 times"),
        ("redirected to nowhere", |web| web.say(DISCOVERY, "HTTP/1.1 302 Found\r\n\r\n".to_owned()), "to nowhere"),
        ("of another issuer", |web| web.serve(DISCOVERY, &json!({"issuer": "https://a", "jwks_uri": "x"})), "issuer"),
        ("not a document", |web| web.serve(DISCOVERY, &json!([])), "configuration"),
        (
            "keys in a file",
            |web| {
                web.serve(DISCOVERY, &json!({"issuer": web.url, "jwks_uri": "file:///etc/passwd"}));
            },
            away,
        ),
        ("keys that are none", |web| web.serve(JWKS, &json!({"keys": 1})), "set of keys"),
        ("too long", |web| web.serve(JWKS, &json!("a".repeat(MAX_DOCUMENT_BYTES))), "longer than 262144 bytes"),
    ];
    for (row, prepare, expected) in rows {
        let web = Web::start().await;
        web.be_issuer(&TestIssuer::generate());
        prepare(&web);
        let said = error(&issuers, &web.url).await;
        assert!(said.ends_with(expected), "{row}: {said}");
    }
}

#[tokio::test]
async fn redirects_are_followed() {
    let web = Web::start().await;
    web.be_issuer(&TestIssuer::generate());
    web.redirect(JWKS, "/a");
    web.redirect("/a", "/b");
    web.redirect("/b", "/c");
    web.serve("/c", &TestIssuer::generate().key_set());
    issuers(true).keys(&web.url, RSA_KEY, NOW_MS).await.expect("three redirects");
}

#[tokio::test]
async fn an_issuer_that_is_not_there() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let said = error(&issuers(true), &format!("https://localhost:{closed}")).await;
    assert_eq!(said, format!("Couldn't read https://localhost:{closed}{DISCOVERY}: the host cannot be reached"));
}

/// A host with a certificate that nobody has signed is not asked anything.
#[tokio::test]
async fn a_certificate_that_is_not_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let acceptor = Certificates::of_files(&certificate, &key).and_then(|pair| pair.acceptor()).expect("TLS");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
    let accepted = tokio::spawn(async move {
        let (connection, _) = listener.accept().await.expect("a connection");
        acceptor.accept(connection).await.is_ok()
    });
    let said = error(&issuers(true), &url).await;
    let expected = "the certificate of the host is not trusted";
    assert_eq!(said, format!("Couldn't read {url}{DISCOVERY}: {expected}"));
    assert!(!accepted.await.expect("ran"));
}

#[tokio::test]
async fn keys_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("jwks.json");
    let url = "https://issuer.invalid";
    let files = HashMap::from([(url.to_owned(), file.clone())]);
    let issuers = Issuers::new(SourceConfig { allow_private_networks: false, files });
    assert_eq!(error(&issuers, url).await, format!("Couldn't read {url}: its jwks_file cannot be read"));
    std::fs::write(&file, TestIssuer::generate().key_set().to_string()).expect("written");
    assert!(issuers.keys(url, RSA_KEY, NOW_MS + 10_000).await.expect("read").has(RSA_KEY));
    std::fs::write(&file, "{}").expect("written");
    issuers.keys(url, RSA_KEY, NOW_MS + HOUR_MS).await.expect("kept");
    let later = issuers.keys(url, RSA_KEY, NOW_MS + 25 * HOUR_MS).await.expect_err("no keys").to_string();
    assert!(later.ends_with("its jwks_file is not a set of keys"), "{later}");
}
