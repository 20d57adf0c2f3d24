//! A server in front of the S3 server that can do what networks and overloaded servers do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// It is answered with a status, and not passed on.
    Status(u16),
    /// Its answer ends after so many bytes of the body.
    Cut(usize),
    /// It is passed on, and its answer is lost.
    LoseAnswer,
    /// Its answer comes a little at a time.
    Slow,
}

type Rule = dyn Fn(&str) -> Fault + Send + Sync;

/// A running proxy; its rule looks at the request line.
pub struct FaultyProxy {
    pub endpoint: String,
    rule: Arc<Mutex<Arc<Rule>>>,
    requests: Arc<AtomicUsize>,
}

impl FaultyProxy {
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let rule: Arc<Mutex<Arc<Rule>>> = Arc::new(Mutex::new(Arc::new(|_: &str| Fault::None)));
        let requests = Arc::new(AtomicUsize::new(0));
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let (rules, count) = (Arc::clone(&rule), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (upstream, rules, count) = (upstream.clone(), Arc::clone(&rules), Arc::clone(&count));
                tokio::spawn(async move {
                    // Clients that go away are none of its business.
                    let _ = serve(client, &upstream, &rules, &count).await;
                });
            }
        });
        Self { endpoint, rule, requests }
    }

    pub fn set(&self, rule: impl Fn(&str) -> Fault + Send + Sync + 'static) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(rule);
    }

    /// Lets the first `count` requests that fit have the fault.
    pub fn first(&self, count: usize, fits: impl Fn(&str) -> bool + Send + Sync + 'static, fault: Fault) {
        let left = AtomicUsize::new(count);
        self.set(move |line| {
            let take = |left: usize| left.checked_sub(1);
            let is_due = fits(line) && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
            if is_due { fault } else { Fault::None }
        });
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads a message: its head, and as much of a body as that announces.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), rest)));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

fn length(head: &str) -> usize {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-length:"));
    line.and_then(|line| line.split(':').nth(1)?.trim().parse().ok()).unwrap_or(0)
}

async fn serve(
    mut client: TcpStream,
    upstream: &str,
    rules: &Mutex<Arc<Rule>>,
    count: &AtomicUsize,
) -> std::io::Result<()> {
    while let Some((head, mut body)) = read_head(&mut client).await? {
        while body.len() < length(&head) {
            if client.read_buf(&mut body).await? == 0 {
                return Ok(());
            }
        }
        count.fetch_add(1, Ordering::SeqCst);
        let line = head.lines().next().unwrap_or_default().to_owned();
        let rule = Arc::clone(&rules.lock().unwrap_or_else(PoisonError::into_inner));
        let fault = rule(&line);
        if let Fault::Status(status) = fault {
            let answer = format!("HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\n\r\n");
            client.write_all(answer.as_bytes()).await?;
            continue;
        }
        let mut server = TcpStream::connect(upstream).await?;
        server.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).await?;
        server.write_all(&body).await?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).await?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(0, |end| end + 4);
        match fault {
            Fault::LoseAnswer => return Ok(()),
            Fault::Cut(bytes) => {
                client.write_all(&answer[..answer.len().min(end + bytes)]).await?;
                return Ok(());
            }
            Fault::Slow => {
                for piece in answer.chunks(20_000) {
                    client.write_all(piece).await?;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                return Ok(());
            }
            Fault::None | Fault::Status(_) => client.write_all(&answer).await?,
        }
        return Ok(());
    }
    Ok(())
}
