//! A listener of its own for metrics, apart from the one that clients of the registry reach.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::X_CONTENT_TYPE_OPTIONS;
use http::{HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use registry::Registry;
use runtime::http::body::ResponseBody;
use runtime::http::probes::HEALTH_PATH;
use runtime::http::respond;
use runtime::http::strict_lines::StrictLines;
use runtime::shutdown::stopped;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Connections at a time: a few scrapers, each with one.
const MAX_CONNECTIONS: usize = 32;
/// A connection that asks for nothing ends after so long: scrapers come every minute at most, as a rule.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);

/// Serves until `stop` turns true.
pub async fn serve(app: Arc<Registry>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, stream) = tokio::select! {
            () = stopped(&mut stop) => return,
            (slot, accepted) = accepted => match accepted {
                Ok((stream, _)) => (slot, stream),
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection for metrics: {error}");
                    runtime::timer::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        let app = Arc::clone(&app);
        let mut stop = stop.clone();
        runtime::tasks::spawn(async move {
            let _slot = slot;
            let of_lines = Arc::clone(&app.runtime);
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let app = Arc::clone(&app);
                async move {
                    let mut answer = match request.uri().path() {
                        "/metrics" => super::answer(&app, request.method(), request.headers()).await,
                        // Whether the process lives, for a probe that must not queue with the registry's clients.
                        HEALTH_PATH => respond::with_body(StatusCode::OK, "text/plain; charset=utf-8", "ok\n"),
                        _ => respond::with_body(
                            StatusCode::NOT_FOUND,
                            "text/plain; charset=utf-8",
                            "Only /metrics and /healthz are served here.\n",
                        ),
                    };
                    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
                    if *request.method() == Method::HEAD {
                        *answer.body_mut() = ResponseBody::empty();
                    }
                    Ok::<_, Infallible>(answer)
                }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            let lines = StrictLines::new(stream, of_lines);
            let served = builder.serve_connection(TokioIo::new(lines), service);
            tokio::select! {
                result = served => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "connection for metrics ended: {error}");
                    }
                }
                () = stopped(&mut stop) => {}
            }
        });
    }
}
