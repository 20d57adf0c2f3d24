//! A lean HTTP/1.1 client connection: it costs so little that the server is what a row measures.
//!
//! Requests are bytes prepared beforehand, bodies are read into one reused buffer and dropped. It understands
//! what registries answer here: a status, a `Content-Length`, a `Location`. Anything else is an error, never a guess.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes read at a time: large enough that system calls do not matter, small enough to stay in a core's cache.
const BUFFER_BYTES: usize = 256 * 1024;

/// A server to talk to: where it is, and what to say in `Host` and `Authorization`.
#[derive(Clone)]
pub struct Target {
    address: SocketAddr,
    pub authority: String,
    /// The whole value of the `Authorization` header, for servers that ask for one.
    pub authorization: Option<String>,
    /// Whom to trust, for servers that speak TLS.
    tls: Option<Arc<ClientConfig>>,
}

impl Target {
    /// Reads a base URL such as `http://127.0.0.1:5000`.
    pub fn parse(url: &str) -> Result<Self> {
        let rest = url.trim().strip_prefix("http://").with_context(|| format!("not an http:// URL: {url:?}"))?;
        Self::of(url, rest, None)
    }

    /// Reads a base URL such as `https://127.0.0.1:5000`, whose server `tls` trusts.
    pub fn parse_https(url: &str, tls: Arc<ClientConfig>) -> Result<Self> {
        let rest = url.trim().strip_prefix("https://").with_context(|| format!("not an https:// URL: {url:?}"))?;
        Self::of(url, rest, Some(tls))
    }

    fn of(url: &str, rest: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self> {
        let authority = rest.trim_end_matches('/').to_owned();
        let address = authority
            .to_socket_addrs()
            .with_context(|| format!("no address in {url:?}"))?
            .next()
            .with_context(|| format!("no address in {url:?}"))?;
        Ok(Self { address, authority, authorization: None, tls })
    }

    /// The same server, asked by nobody in particular.
    pub fn without_authorization(&self) -> Self {
        Self { authorization: None, ..self.clone() }
    }

    /// The bytes of a request's head; `headers` are whole lines without their line ends.
    pub fn head(&self, method: &str, path: &str, headers: &[&str]) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.authority);
        if let Some(value) = &self.authorization {
            head.push_str("Authorization: ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Bytes of body that follow (for HEAD: that would follow).
    pub length: u64,
    pub location: Option<String>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One connection, one request at a time.
pub struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Connection {
    pub async fn open(target: &Target) -> Result<Self> {
        let stream = TcpStream::connect(target.address).await.context("connect")?;
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        let stream = match &target.tls {
            None => Stream::Plain(stream),
            Some(tls) => {
                let name = ServerName::from(target.address.ip());
                let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.context("TLS")?;
                Stream::Tls(Box::new(stream))
            }
        };
        Ok(Self { stream, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0 })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await.context("send")?;
                // What TLS has sealed may still wait for the socket.
                stream.flush().await
            }
        }
        .context("send")
    }

    /// Reads the head of the next answer; its body stays to be read.
    pub async fn answer(&mut self) -> Result<Answer> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
                let answer = parse(&unread[..at])?;
                self.start += at + 4;
                return Ok(answer);
            }
            self.fill().await?;
        }
    }

    /// Reads and drops `length` bytes of body.
    pub async fn discard(&mut self, length: u64) -> Result<()> {
        self.each_piece(length, |_| {}).await
    }

    /// Reads `length` bytes of body and returns their digest, as in `sha256:…`.
    pub async fn digest(&mut self, length: u64) -> Result<String> {
        let mut context = digest::Context::new(&digest::SHA256);
        self.each_piece(length, |piece| context.update(piece)).await?;
        Ok(crate::payload::sha256_name(&context.finish()))
    }

    /// Reads `length` bytes of body into memory.
    pub async fn body(&mut self, length: u64) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        self.each_piece(length, |piece| body.extend_from_slice(piece)).await?;
        Ok(body)
    }

    /// Reads the answer and fails unless it has the `expected` status; the error shows the beginning of the body.
    pub async fn expect(&mut self, expected: u16) -> Result<Answer> {
        let answer = self.answer().await?;
        if answer.status != expected {
            let body = self.body(answer.length.min(400)).await.unwrap_or_default();
            bail!("status {} where {expected} was expected: {}", answer.status, String::from_utf8_lossy(&body).trim());
        }
        Ok(answer)
    }

    async fn each_piece(&mut self, length: u64, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut left = length;
        while left > 0 {
            if self.start == self.end {
                self.fill().await?;
            }
            let ready = ((self.end - self.start) as u64).min(left) as usize;
            take(&self.buffer[self.start..self.start + ready]);
            self.start += ready;
            left -= ready as u64;
        }
        Ok(())
    }

    /// Reads once more from the socket.
    async fn fill(&mut self) -> Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.end == self.buffer.len() {
            bail!("the head of an answer has no end");
        }
        let free = &mut self.buffer[self.end..];
        let count = match &mut self.stream {
            Stream::Plain(stream) => stream.read(free).await,
            Stream::Tls(stream) => stream.read(free).await,
        }
        .context("receive")?;
        if count == 0 {
            bail!("the server closed the connection");
        }
        self.end += count;
        Ok(())
    }
}

fn parse(head: &[u8]) -> Result<Answer> {
    let head = std::str::from_utf8(head).context("the head of an answer is not text")?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|digits| digits.parse().ok())
        .with_context(|| format!("not a status line: {first:?}"))?;
    let mut length = None;
    let mut location = None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { bail!("not a header: {line:?}") };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse().with_context(|| format!("bad Content-Length: {value:?}"))?);
        } else if name.eq_ignore_ascii_case("location") {
            location = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            bail!("the answer comes in chunks, without a Content-Length");
        }
    }
    // 204 has no body and needs no length; every other answer here must say how long it is.
    let length = match (length, status) {
        (Some(length), _) => length,
        (None, 204) => 0,
        (None, _) => bail!("status {status} without a Content-Length"),
    };
    Ok(Answer { status, length, location })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_or_refused() {
        let answer = |status, length, location: Option<&str>| {
            Some(Answer { status, length, location: location.map(str::to_owned) })
        };
        let rows = [
            ("plain", "HTTP/1.1 200 OK\r\nContent-Length: 12", answer(200, 12, None)),
            ("any case", "HTTP/1.1 202 Accepted\r\ncontent-length:0\r\nLOCATION: /v2/x", answer(202, 0, Some("/v2/x"))),
            ("no content", "HTTP/1.1 204 No Content", answer(204, 0, None)),
            ("no length", "HTTP/1.1 200 OK\r\nServer: x", None),
            ("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", None),
            ("bad length", "HTTP/1.1 200 OK\r\nContent-Length: -1", None),
            ("other protocol", "SSH-2.0-server", None),
        ];
        for (name, head, expected) in rows {
            assert_eq!(parse(head.as_bytes()).ok(), expected, "{name}");
        }
    }

    #[test]
    fn targets_are_http_urls_unless_tls_is_trusted() {
        let target = Target::parse("http://127.0.0.1:5000/\n").unwrap();
        assert_eq!(target.authority, "127.0.0.1:5000");
        assert_eq!(target.head("GET", "/v2/", &["A: b"]), b"GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1:5000\r\nA: b\r\n\r\n");
        assert!(Target::parse("https://127.0.0.1:5000").is_err());
        assert!(Target::parse("http://127.0.0.1").is_err());
    }
}
