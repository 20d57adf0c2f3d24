//! A registry that the pull through cache fills repositories from.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What it has, by the end of the path.
type Contents = Arc<Mutex<HashMap<String, Bytes>>>;

/// The registry. Whatever a repository's name, it has the same manifests and blobs.
pub struct Upstream {
    pub address: SocketAddr,
    contents: Contents,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let contents = Contents::default();
        let served = Arc::clone(&contents);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = Arc::clone(&served);
                let service = service_fn(move |request: hyper::Request<Incoming>| {
                    let path = request.uri().path();
                    let digest = path.rsplit('/').next().unwrap_or_default();
                    let found = served.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
                    let mut answer = Response::new(Full::new(found.clone().unwrap_or_default()));
                    if found.is_none() {
                        *answer.status_mut() = StatusCode::NOT_FOUND;
                    }
                    std::future::ready(Ok::<_, Infallible>(answer))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, contents }
    }

    /// Has these from now on, and nothing else.
    pub fn hold(&self, contents: impl IntoIterator<Item = (String, Bytes)>) {
        *self.contents.lock().unwrap_or_else(PoisonError::into_inner) = contents.into_iter().collect();
    }
}
