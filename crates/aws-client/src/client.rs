//! The client: signs requests, and bounds what they take of time and memory.

use std::time::Duration;

use aws::sigv4::{Signer, SigningRequest, sign_headers};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::Url;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::answer::Answer;
use crate::connection::host_header;
use crate::error::CallError;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// Room for an input that holds a key.
const SECRET_BYTES: usize = 4096;

/// Calls the services of one endpoint.
#[derive(Clone, Debug)]
pub struct SignedClient {
    http: reqwest::Client,
    endpoint: Url,
    timeout: Duration,
    max_answer_bytes: usize,
}

impl SignedClient {
    /// Sends by `http` (see [`builder`](crate::builder)). Each call takes at most `timeout`, its answer at most `max_answer_bytes`.
    pub const fn new(http: reqwest::Client, endpoint: Url, timeout: Duration, max_answer_bytes: usize) -> Self {
        Self { http, endpoint, timeout, max_answer_bytes }
    }

    /// What requests are sent by, for those that are not signed.
    pub const fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Calls an operation by AWS JSON 1.1; `target` is `SERVICE.OPERATION`, and the input a structure with texts for names.
    pub async fn json(&self, signer: &Signer<'_>, target: &str, input: &impl Serialize) -> Result<Answer, CallError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert(TARGET, HeaderValue::from_str(target).expect("targets are letters, digits, '.' and '_'"));
        // It does not move while it grows, which would leave what it holds behind, as long as it is a key with its names.
        let mut body = Zeroizing::new(Vec::with_capacity(SECRET_BYTES));
        serde_json::to_writer(&mut *body, input).expect("a structure with texts for names, written to memory");
        self.post(signer, headers, body).await
    }

    /// Sends a body, signed with all its headers. It may hold secrets: it is overwritten when it is sent.
    pub async fn post(
        &self,
        signer: &Signer<'_>,
        mut headers: HeaderMap,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<Answer, CallError> {
        let host = HeaderValue::from_str(&host_header(&self.endpoint)).map_err(|_| CallError::Host)?;
        headers.insert(header::HOST, host);
        let request = SigningRequest { method: "POST", path: "/", query: "", headers: &headers, body: &body };
        let signature = sign_headers(&request, signer);
        headers.extend(signature);
        let request = self.http.post(self.endpoint.clone()).timeout(self.timeout).headers(headers);
        let response = request.body(Bytes::from_owner(body)).send().await?;
        Answer::read(response, self.max_answer_bytes).await
    }
}

#[cfg(test)]
mod tests {
    use aws::SecretAccessKey;
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const NOW_MS: i64 = 1_795_000_000_000;

    /// Sends one call to a server that answers so; gives what the server got, and what the caller.
    async fn exchange(answer: &'static str) -> (String, Result<Answer, CallError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut received = Vec::new();
            while !received.ends_with(b"}") {
                assert_ne!(stream.read_buf(&mut received).await.expect("a request"), 0, "the request ended early");
            }
            stream.write_all(answer.as_bytes()).await.expect("an answer");
            String::from_utf8(received).expect("text")
        });
        let endpoint = Url::parse(&format!("http://{address}")).expect("a URL");
        let http = crate::builder(&endpoint, Vec::new(), Duration::from_secs(5)).no_proxy().build().expect("a client");
        let client = SignedClient::new(http, endpoint, Duration::from_secs(60), 64);
        let secret = SecretAccessKey::new("secret".to_owned());
        let signer = Signer {
            access_key_id: "AKIAEXAMPLE",
            secret: &secret,
            session_token: Some("token"),
            region: "eu-west-1",
            service: "kms",
            now_ms: NOW_MS,
        };
        let answer = client.json(&signer, "TrentService.Encrypt", &json!({ "KeyId": "k" })).await;
        (served.await.expect("served"), answer)
    }

    #[tokio::test]
    async fn a_call_is_signed_and_its_answer_read() {
        let (received, answer) =
            exchange("HTTP/1.1 400 Bad\r\nx-amzn-requestid: r1\r\ncontent-length: 14\r\n\r\n{\"__type\":\"X\"}").await;
        for expected in [
            "POST / HTTP/1.1\r\n",
            "x-amz-target: TrentService.Encrypt\r\n",
            "x-amz-security-token: token\r\n",
            "Credential=AKIAEXAMPLE/20261118/eu-west-1/kms/aws4_request",
            "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
            "\r\n\r\n{\"KeyId\":\"k\"}",
        ] {
            assert!(received.contains(expected), "{expected} is not in {received}");
        }
        let answer = answer.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.request_id.as_deref()), (400, Some("r1")));
        assert_eq!(answer.error().map(|error| error.code).as_deref(), Some("X"));
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_its_limit_and_no_redirect_is_followed() {
        let (_, answer) = exchange(concat!(
            "HTTP/1.1 200 OK\r\ncontent-length: 65\r\n\r\n",
            "12345678901234567890123456789012345678901234567890123456789012345"
        ))
        .await;
        assert!(matches!(answer, Err(CallError::TooLong)));
        let (_, answer) =
            exchange("HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(answer.expect("an answer").status.as_u16(), 307);
        let (_, answer) = exchange("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1").await;
        assert!(matches!(answer, Err(CallError::Unreachable(_))));
    }
}
