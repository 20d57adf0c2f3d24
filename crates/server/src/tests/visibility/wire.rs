//! Requests as they come over a connection, without a socket.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use registry::Registry;
use runtime::http::budget::Holder;
use runtime::http::finish::Finish;
use runtime::http::forwarded::Client;
use runtime::http::in_flight::InFlight;
use runtime::http::paced_body::PacedBody;
use tokio::time::Instant;

use crate::dispatch;

/// What a pipe holds; more than what is sent at a time.
const PIPE_BYTES: usize = 64 * 1024;

/// A connection to a server in this process.
pub struct Wire {
    app: Arc<Registry>,
    sender: SendRequest<Full<Bytes>>,
}

/// A request under `/v2/` or one of the paths that are their own passwords.
pub struct Request<'a> {
    pub method: Method,
    pub host: &'a str,
    pub path: String,
    pub authorization: Option<&'a str>,
    pub content_type: Option<&'a str>,
    pub body: Vec<u8>,
}

/// The answer, whole. A body that broke off is an answer of status 0.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Wire {
    pub async fn connect(app: &Arc<Registry>) -> Self {
        Self { app: Arc::clone(app), sender: connection(app).await }
    }

    pub async fn send(&mut self, request: Request<'_>) -> Reply {
        if self.sender.ready().await.is_err() {
            self.sender = connection(&self.app).await;
        }
        let Request { method, host, path, authorization, content_type, body } = request;
        let mut built = hyper::Request::builder().method(method).uri(path).header(header::HOST, host);
        for (name, value) in [(header::AUTHORIZATION, authorization), (header::CONTENT_TYPE, content_type)] {
            if let Some(value) = value {
                built = built.header(name, value);
            }
        }
        let request = built.body(Full::new(Bytes::from(body))).expect("a good request");
        let broken = Reply { status: 0, headers: HeaderMap::new(), body: Bytes::new() };
        let Ok(answer) = self.sender.send_request(request).await else { return broken };
        let (head, body) = answer.into_parts();
        match body.collect().await {
            Ok(body) => Reply { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() },
            Err(_) => broken,
        }
    }
}

async fn connection(app: &Arc<Registry>) -> SendRequest<Full<Bytes>> {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let app = Arc::clone(app);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let app = Arc::clone(&app);
        async move {
            let client = Client { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), is_tls: Some(false) };
            let (pace, lag) = (app.listener.pace, InFlight::new(Instant::now()).lag());
            let request = request.map(|body| PacedBody::new(body, pace, lag, Arc::clone(&app.runtime)));
            let handled = dispatch::handle(app, client, Holder::alone(client.ip), request, Finish::default());
            let (answer, _) = handled.await;
            Ok::<_, Infallible>(answer)
        }
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(theirs), service));
    let (sender, connection) = handshake(TokioIo::new(ours)).await.expect("a connection");
    tokio::spawn(connection);
    sender
}
